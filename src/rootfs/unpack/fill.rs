//! The bytes of an archive's files, on their way to the disk. Whoever reads the archive makes the files; a thread fills,
//! hashes and finishes them, in the same order. What it is to do goes to it in batches, because most files are small and
//! waking a thread costs more than filling one.

use crate::error::{Context, Error, Result};
use crate::rootfs::writer::FileWriter;
use crate::stream::slice::Slice;
use crate::stream::tar::Archive;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

/// What a batch keeps in memory, or one buffer, however large that is; and its files at most: each is an open descriptor.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_FILES: usize = 64;
/// What a slice takes besides its bytes, amply: of a source that gives one byte at a time it is most.
const SLICE: usize = 256;
/// How many go round.
const BATCHES: usize = 4;

enum Step {
    /// The next file of the batch.
    Open,
    /// To this place in the file.
    Write(u64, Slice),
    /// With the SHA-256 of its bytes, where somebody else has taken it.
    Close(Option<[u8; 32]>),
}

#[derive(Default)]
struct Batch {
    /// Bytes of memory that its slices keep.
    held: usize,
    last: Slice,
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
        let _ = done.send(Batch::default());
    }
    std::thread::scope(|scope| {
        let thread = Builder::new().name("fill".into()).spawn_scoped(scope, move || work(&to_do, &done));
        let thread = thread.context("starting a thread")?;
        let mut filler = Filler { full, empty, batch: Batch::default() };
        let read = read(&mut filler).and_then(|value| filler.flush().map(|()| value));
        drop(filler);
        // A file that failed is the cause of what failed after it.
        let filled = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        filled.and(read)
    })
}

impl Batch {
    /// What this keeps in memory that is not kept already.
    fn cost(&self, slice: &Slice) -> usize {
        if slice.shares(&self.last) { 0 } else { slice.held() + SLICE }
    }

    fn is_full_for(&self, slice: &Slice) -> bool {
        let cost = self.cost(slice);
        cost > 0 && self.held > 0 && self.held + cost > BATCH_BYTES
    }

    fn write(&mut self, offset: u64, slice: Slice) {
        self.held += self.cost(&slice);
        self.last = slice.clone();
        self.steps.push(Step::Write(offset, slice));
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
        while let Some((offset, slice)) = archive.slice(usize::MAX)? {
            // A reader that waits for a buffer gets one: no batch that is not handed over keeps more than one of the large ones.
            if self.batch.is_full_for(&slice) {
                self.flush()?;
            }
            self.batch.write(offset, slice);
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
                Step::Write(offset, slice) => write(&mut open, offset, &slice)?,
                Step::Close(digest) => open.take().map_or(Ok(()), |file| file.finish_as(digest))?,
            }
        }
        drop(files);
        (batch.held, batch.last) = (0, Slice::default());
        // Nobody takes it any more after the last one.
        let _ = done.send(batch);
    }
    Ok(())
}

fn write(open: &mut Option<FileWriter>, offset: u64, bytes: &[u8]) -> Result<()> {
    open.as_mut().map_or(Ok(()), |file| file.write_at(offset, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled<const N: usize>(slices: [&Slice; N]) -> Batch {
        let mut batch = Batch::default();
        slices.into_iter().for_each(|slice| batch.write(0, slice.clone()));
        batch
    }

    #[test]
    fn a_batch_keeps_one_large_buffer_or_some_small_ones() {
        let [large, other] = [(); 2].map(|()| Slice::from(vec![0; BATCH_BYTES]));
        let [half, third] = [2, 3].map(|part| Slice::from(vec![0; BATCH_BYTES / part]));
        assert!(!Batch::default().is_full_for(&Slice::from(vec![0; 3 * BATCH_BYTES])));
        assert!(!filled([&large]).is_full_for(&large) && filled([&large]).is_full_for(&other));
        assert!(!filled([&half]).is_full_for(&third) && filled([&half, &third]).is_full_for(&other));
    }

    #[test]
    fn crumbs_make_a_batch_full_too() {
        let mut batch = Batch::default();
        let crumbs = (0..).map(|_| Slice::from(vec![0; 1])).take_while(|crumb| {
            let fits = !batch.is_full_for(crumb);
            batch.write(0, crumb.clone());
            fits
        });
        assert!((1000..5000).contains(&crumbs.count()));
    }
}
