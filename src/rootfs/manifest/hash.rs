//! The digests of files, on all cores: lines go in and come out in the same order, completed meanwhile.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Context, Error, Kind, Result};
use crate::rootfs::manifest::line;
use crate::sys::copy;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope, available_parallelism};

/// Bytes of lines, files, and bytes of files after which a batch is full.
const BATCH_LINES: usize = 64 << 10;
const BATCH_FILES: usize = 16;
const BATCH_BYTES: u64 = 1 << 20;
/// All batches under way together hold fewer descriptors open than the usual limit of 1024.
const THREADS_MAX: usize = 8;
const BUFFER: usize = 128 * 1024;
/// What a digest adds to a line.
const WORD: usize = 72;
/// A file of so many bytes is asked for its holes, which need not be read; and after so many bytes it is asked whether to go on.
const LARGE: u64 = 16 << 20;

/// Whether to go on; its error ends the work.
pub type Heed<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// A file, and how many bytes of it there are.
type Content = (File, u64);
type Lines = Result<Vec<u8>>;
/// Lines with their ends, one behind the other; in their order those places where a line is to end with the digest of a file.
#[derive(Default)]
pub struct Batch {
    lines: Vec<u8>,
    files: Vec<(usize, Content)>,
}
/// A batch, and where its lines go.
type Job = (Batch, SyncSender<Lines>);
/// The threads' end of the queue.
pub type Jobs = Mutex<Option<Receiver<Job>>>;

/// Lines on their way through the threads.
pub struct Batches<'a, F> {
    sender: SyncSender<Job>,
    threads: usize,
    batch: Batch,
    bytes: u64,
    /// Given out: memory that would else go back to the kernel, and come again as pages of zeros.
    spare: Vec<Vec<u8>>,
    waiting: VecDeque<Receiver<Lines>>,
    heed: Heed<'a>,
    out: &'a mut F,
}

impl<'a, F: FnMut(&[u8]) -> Result<()>> Batches<'a, F> {
    /// Starts threads, which end when this is dropped.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        jobs: &'env Jobs,
        heed: Heed<'env>,
        out: &'a mut F,
    ) -> Result<Batches<'a, F>>
    where
        'env: 'a,
    {
        let threads = available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let (sender, receiver) = sync_channel(threads);
        *jobs.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
        for _ in 0..threads {
            Builder::new().spawn_scoped(scope, move || work(jobs, heed)).context("starting a thread")?;
        }
        let (batch, spare, waiting) = (Batch::default(), Vec::new(), VecDeque::new());
        Ok(Batches { sender, threads, batch, bytes: 0, spare, waiting, heed, out })
    }

    /// A line without its end; the digest of `content` becomes its last word.
    pub fn push(&mut self, line: &[u8], content: Option<Content>) -> Result<()> {
        let Batch { lines, files } = &mut self.batch;
        lines.extend_from_slice(line);
        if let Some(content) = content {
            self.bytes += content.1;
            files.push((lines.len(), content));
        }
        lines.push(b'\n');
        let is_full = lines.len() >= BATCH_LINES || files.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        (self.heed)()?;
        self.bytes = 0;
        let next = Batch { lines: self.spare.pop().unwrap_or_default(), files: Vec::new() };
        let (sender, lines) = sync_channel(1);
        self.sender.send((std::mem::replace(&mut self.batch, next), sender)).map_err(|_| gone())?;
        self.waiting.push_back(lines);
        while self.waiting.len() > 2 * self.threads {
            self.give_out()?;
        }
        Ok(())
    }

    fn give_out(&mut self) -> Result<()> {
        let Some(lines) = self.waiting.pop_front() else { return Ok(()) };
        let mut lines = lines.recv().map_err(|_| gone())??;
        (self.out)(&lines)?;
        lines.clear();
        self.spare.push(lines);
        Ok(())
    }

    /// Waits for the last line.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        while !self.waiting.is_empty() {
            self.give_out()?;
        }
        Ok(())
    }
}

fn gone() -> Error {
    Error::failed("the threads that hash files are gone")
}

fn work(jobs: &Jobs, heed: Heed<'_>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let next = {
            let receiver = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.as_ref().and_then(|receiver| receiver.recv().ok())
        };
        let Some((batch, lines)) = next else { return };
        // Nobody waits for it any more only after a failure.
        let _ = lines.send(complete(batch, heed, &mut buffer));
    }
}

/// The lines, with all digests.
fn complete(batch: Batch, heed: Heed<'_>, buffer: &mut [u8]) -> Lines {
    let Batch { lines, files } = batch;
    if files.is_empty() {
        return Ok(lines);
    }
    let (mut whole, mut begin) = (Vec::with_capacity(lines.len() + files.len() * WORD), 0);
    for (end, content) in files {
        whole.extend_from_slice(lines.get(begin..end).unwrap_or_default());
        begin = end;
        let digest = digest(&content, heed, buffer).map_err(|error| match error.kind() {
            Kind::Interrupted(_) => error,
            _ => error.context(reading(&whole)),
        })?;
        line::add_sha256(&mut whole, &digest);
    }
    whole.extend_from_slice(lines.get(begin..).unwrap_or_default());
    Ok(whole)
}

/// What was done to the file of the last line.
fn reading(lines: &[u8]) -> String {
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("reading {}", String::from_utf8_lossy(line::split(last).0))
}

/// The size is in the line: what is added behind it meanwhile is no part of this, and its end need not be asked for.
fn digest((file, size): &Content, heed: Heed<'_>, buffer: &mut [u8]) -> Result<Digest> {
    let (mut hasher, mut at, mut heeded) = (Hasher::new(Algorithm::Sha256), 0, 0);
    // The run of data that is read, or the next one.
    let (mut begin, mut end) = (0, if *size < LARGE { u64::MAX } else { 0 });
    while at < *size {
        if at >= end {
            (begin, end) = copy::next_data(file, at)?.unwrap_or((u64::MAX, u64::MAX));
        }
        let is_hole = at < begin;
        let run = (*size).min(if is_hole { begin } else { end }) - at;
        let wanted = buffer.len().min(usize::try_from(run).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let length = match is_hole {
            true => {
                part.fill(0);
                wanted
            }
            false => file.read_at(part, at)?,
        };
        match buffer.get(..length) {
            Some([]) | None => break,
            Some(bytes) => hasher.update(bytes),
        }
        at += length as u64;
        if at - heeded >= LARGE {
            heed()?;
            heeded = at;
        }
    }
    Ok(hasher.finish())
}
