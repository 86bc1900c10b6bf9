//! The bytes of an archive's files, on their way to the disk. Whoever reads the archive makes the files; a thread fills,
//! hashes and finishes them, in the same order. What it is to do goes to it in batches, because most files are small and
//! waking a thread costs more than filling one.

use crate::error::{Context, Error, Result};
use crate::rootfs::writer::FileWriter;
use crate::stream::tar::Archive;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

/// Bytes of a batch, and its files at most: each is an open descriptor.
const BATCH_BYTES: usize = 512 * 1024;
const BATCH_FILES: usize = 64;
/// How many go round.
const BATCHES: usize = 4;
/// With less room than this a batch is full: a large file is not written in crumbs.
const ROOM_MIN: usize = 32 * 1024;

enum Step {
    /// The next file of the batch.
    Open,
    /// These bytes of the batch, to this place in the file.
    Write(u64, Range<usize>),
    /// With the SHA-256 of its bytes, where somebody else has taken it.
    Close(Option<[u8; 32]>),
}

struct Batch {
    bytes: Vec<u8>,
    used: usize,
    files: Vec<FileWriter>,
    steps: Vec<Step>,
}

/// Where files are given to be filled.
pub struct Filler {
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    batch: Batch,
}

/// Starts the thread, lets `read` go through archives, and waits until the last file is whole.
pub fn filling<T>(read: impl FnOnce(&mut Filler) -> Result<T>) -> Result<T> {
    let (full, to_do) = sync_channel(BATCHES);
    let (done, empty) = channel();
    for _ in 1..BATCHES {
        // The other end is in scope: this cannot fail.
        let _ = done.send(Batch::new());
    }
    std::thread::scope(|scope| {
        let thread = Builder::new().name("fill".into()).spawn_scoped(scope, move || work(&to_do, &done));
        let thread = thread.context("starting a thread")?;
        let mut filler = Filler { full, empty, batch: Batch::new() };
        let read = read(&mut filler).and_then(|value| filler.flush().map(|()| value));
        drop(filler);
        // A file that failed is the cause of what failed after it.
        let filled = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        filled.and(read)
    })
}

impl Batch {
    fn new() -> Batch {
        Batch { bytes: vec![0; BATCH_BYTES], used: 0, files: Vec::new(), steps: Vec::new() }
    }

    fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }
}

impl Filler {
    /// Fills a file with the data of the entry that the archive has just given.
    pub fn fill(&mut self, archive: &mut Archive<'_>, file: FileWriter) -> Result<()> {
        if self.batch.files.len() == BATCH_FILES {
            self.flush()?;
        }
        let span = archive.digested();
        self.batch.files.push(if span.is_some() { file.unhashed() } else { file });
        self.batch.steps.push(Step::Open);
        while let Some(chunk) = archive.read(self.batch.room())? {
            let end = self.batch.used + chunk.length;
            self.batch.steps.push(Step::Write(chunk.offset, self.batch.used..end));
            self.batch.used = end;
            if BATCH_BYTES - end < ROOM_MIN {
                self.flush()?;
            }
        }
        self.batch.steps.push(Step::Close(span.and_then(|span| archive.digest(span))));
        Ok(())
    }

    /// Hands over what has gathered. Errors: the thread has ended, with an error of its own.
    fn flush(&mut self) -> Result<()> {
        let gone = || Error::failed("the thread that fills files is gone");
        let next = self.empty.recv().map_err(|_| gone())?;
        let batch = std::mem::replace(&mut self.batch, next);
        self.full.send(batch).map_err(|_| gone())
    }
}

fn work(to_do: &Receiver<Batch>, done: &Sender<Batch>) -> Result<()> {
    let mut open = None;
    while let Ok(mut batch) = to_do.recv() {
        let mut files = batch.files.drain(..);
        for step in batch.steps.drain(..) {
            match step {
                Step::Open => open = files.next(),
                Step::Write(offset, range) => write(&mut open, offset, batch.bytes.get(range).unwrap_or_default())?,
                Step::Close(digest) => open.take().map_or(Ok(()), |file| file.finish_as(digest))?,
            }
        }
        drop(files);
        batch.used = 0;
        // Nobody takes it any more after the last one.
        let _ = done.send(batch);
    }
    Ok(())
}

fn write(open: &mut Option<FileWriter>, offset: u64, bytes: &[u8]) -> Result<()> {
    open.as_mut().map_or(Ok(()), |file| file.write_at(offset, bytes))
}
