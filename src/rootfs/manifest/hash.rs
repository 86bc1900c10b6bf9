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

const BATCH_LINES: usize = 512;
const BATCH_FILES: usize = 16;
/// Bytes of files after which a batch is full.
const BATCH_BYTES: u64 = 1 << 20;
/// All batches under way together hold fewer descriptors open than the usual limit of 1024.
const THREADS_MAX: usize = 8;
const BUFFER: usize = 128 * 1024;
/// A file of so many bytes is asked for its holes, which need not be read; and after so many bytes it is asked whether to go on.
const LARGE: u64 = 16 << 20;

/// Whether to go on; its error ends the work.
pub type Heed<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// A file, and how many bytes of it there are.
type Content = (File, u64);
/// Lines, and the file whose digest a line ends with.
type Batch = Vec<(Vec<u8>, Option<Content>)>;
type Lines = Result<Vec<Vec<u8>>>;
/// A batch, and where its lines go.
type Job = (Batch, SyncSender<Lines>);
/// The threads' end of the queue.
pub type Jobs = Mutex<Option<Receiver<Job>>>;

/// Lines on their way through the threads.
pub struct Batches<'a, F> {
    sender: SyncSender<Job>,
    threads: usize,
    batch: Batch,
    files: usize,
    bytes: u64,
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
        Ok(Batches { sender, threads, batch: Vec::new(), files: 0, bytes: 0, waiting: VecDeque::new(), heed, out })
    }

    /// A line without its end; the digest of `content` becomes its last word.
    pub fn push(&mut self, line: Vec<u8>, content: Option<Content>) -> Result<()> {
        self.files += usize::from(content.is_some());
        self.bytes += content.as_ref().map_or(0, |(_, size)| *size);
        self.batch.push((line, content));
        let is_full = self.batch.len() >= BATCH_LINES || self.files >= BATCH_FILES || self.bytes >= BATCH_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        (self.heed)()?;
        (self.files, self.bytes) = (0, 0);
        let (sender, lines) = sync_channel(1);
        self.sender.send((std::mem::take(&mut self.batch), sender)).map_err(|_| gone())?;
        self.waiting.push_back(lines);
        while self.waiting.len() > 2 * self.threads {
            self.give_out()?;
        }
        Ok(())
    }

    fn give_out(&mut self) -> Result<()> {
        let Some(lines) = self.waiting.pop_front() else { return Ok(()) };
        let lines = lines.recv().map_err(|_| gone())??;
        lines.iter().try_for_each(|line| (self.out)(line))
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
        let _ =
            lines.send(batch.into_iter().map(|(line, content)| complete(line, content, heed, &mut buffer)).collect());
    }
}

fn complete(mut line: Vec<u8>, content: Option<Content>, heed: Heed<'_>, buffer: &mut [u8]) -> Result<Vec<u8>> {
    if let Some(content) = content {
        let name = || format!("reading {}", String::from_utf8_lossy(line::split(&line).0));
        let digest = digest(&content, heed, buffer).map_err(|error| match error.kind() {
            Kind::Interrupted(_) => error,
            _ => error.context(name()),
        })?;
        line::add_sha256(&mut line, &digest);
    }
    line.push(b'\n');
    Ok(line)
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
