//! The bytes of regular files, from a source tree to files that the writer has made, on all cores.
//!
//! The walk hands over files in batches, because most are small and waking a thread costs more than copying one. What the
//! others cannot take it copies itself: with a thread more than there are processors two share one, while another has
//! nothing to do.
//!
//! Bytes are shared with the source where the filesystem can (FICLONE), else read and written, because their digest is taken
//! on the way: a copy inside the kernel (copy_file_range) would have to be read again for it. Holes stay holes.

use crate::error::{Context, Error, Kind, Result};
use crate::rootfs::writer::{FileWriter, shown};
use crate::sys::copy::{self, Reflink};
use crate::sys::meta::{self, Meta};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope, available_parallelism};

/// Files in a batch, and bytes that make one full earlier. A file is two descriptors: with all batches under way they
/// stay well below the usual limit of 1024.
const BATCH_FILES: usize = 16;
const BATCH_BYTES: u64 = 1 << 20;
const THREADS_MAX: usize = 8;
/// Batches that wait, so that nobody waits for one while the walk is busy with large files; not fewer than there are threads.
const WAITING: usize = 4;
const BUFFER: usize = 128 * 1024;

/// A file to fill.
pub struct Job {
    pub from: File,
    /// What `from` was when it was opened.
    pub meta: Meta,
    /// It has fewer blocks than bytes; or attributes, whose blocks ext4 counts too.
    pub may_be_sparse: bool,
    pub to: FileWriter,
    pub path: Vec<u8>,
}

/// Told how many bytes more have been copied, by any thread; its error ends the copy.
pub type Heed<'a> = &'a (dyn Fn(u64) -> Result<()> + Sync);

/// What all threads know.
pub struct Shared<'a> {
    heed: Heed<'a>,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
    no_reflink: AtomicBool,
    has_reflinked: AtomicBool,
    /// Files that changed meanwhile; None where that is an error.
    unsteady: Option<Mutex<Vec<Vec<u8>>>>,
    /// Batches that are done with: each is memory that would else go back to the kernel, and come again as pages of zeros.
    spare: Mutex<Vec<Vec<Job>>>,
}

/// The walk's end of the queue.
pub struct Queue<'a> {
    shared: &'a Shared<'a>,
    sender: SyncSender<Vec<Job>>,
    batch: Vec<Job>,
    bytes: u64,
    buffer: Vec<u8>,
}

/// The threads' end of it.
pub type Batches = Mutex<Option<Receiver<Vec<Job>>>>;

/// Starts threads, one for each processor but the walk's, that end when the queue is dropped and empty.
pub fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    shared: &'env Shared<'env>,
    receiver: &'env Batches,
) -> Result<Queue<'env>> {
    let processors = available_parallelism().map_or(1, usize::from);
    let threads = processors.saturating_sub(1).clamp(1, THREADS_MAX);
    let (sender, batches) = sync_channel(threads.max(WAITING));
    *receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(batches);
    for _ in 0..threads {
        Builder::new().spawn_scoped(scope, || work(shared, receiver)).context("starting a thread")?;
    }
    Ok(Queue { shared, sender, batch: shared.new_batch(), bytes: 0, buffer: vec![0; BUFFER] })
}

impl Queue<'_> {
    /// Errors: those of earlier files.
    pub fn push(&mut self, job: Job) -> Result<()> {
        self.bytes += job.meta.size;
        self.batch.push(job);
        if self.batch.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands over what has gathered, or copies it when enough waits already.
    pub fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = std::mem::replace(&mut self.batch, self.shared.new_batch());
        // Whoever takes batches lives as long as this end does.
        if let Err(TrySendError::Full(batch)) = self.sender.try_send(batch) {
            self.shared.copy(batch, &mut self.buffer);
        }
        self.shared.result()
    }
}

impl<'a> Shared<'a> {
    /// `runs`: the source is a system that runs, whose files may change.
    pub fn new(heed: Heed<'a>, runs: bool) -> Shared<'a> {
        Shared {
            heed,
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
            no_reflink: AtomicBool::new(false),
            has_reflinked: AtomicBool::new(false),
            unsteady: runs.then(Mutex::default),
            spare: Mutex::default(),
        }
    }

    /// The paths of the files that changed while they were copied.
    pub fn take_unsteady(&self) -> Vec<Vec<u8>> {
        let unsteady = self.unsteady.as_ref().map(|paths| paths.lock().unwrap_or_else(PoisonError::into_inner));
        unsteady.map(|mut paths| std::mem::take(&mut *paths)).unwrap_or_default()
    }

    fn changes(&self, path: &[u8]) -> Result<()> {
        let unsteady = self.unsteady.as_ref().ok_or_else(changed)?;
        unsteady.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_vec());
        Ok(())
    }

    /// The first failure of all threads.
    pub fn result(&self) -> Result<()> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone().map_or(Ok(()), Err)
    }

    fn new_batch(&self) -> Vec<Job> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BATCH_FILES))
    }

    fn copy(&self, mut batch: Vec<Job>, buffer: &mut [u8]) {
        // After a failure the queue is emptied, so that everybody comes to an end.
        for job in batch.drain(..) {
            if !self.failed.load(Ordering::Relaxed) {
                transfer(job, self, buffer).unwrap_or_else(|error| self.fail(error));
            }
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }
}

/// Copies what waits, until the queue is dropped and empty.
pub fn work(shared: &Shared<'_>, receiver: &Batches) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let next = {
            let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.as_ref().and_then(|receiver| receiver.recv().ok())
        };
        let Some(batch) = next else { return };
        shared.copy(batch, &mut buffer);
    }
}

fn transfer(mut job: Job, shared: &Shared<'_>, buffer: &mut [u8]) -> Result<()> {
    fill(&mut job, shared, buffer).with_context(|| format!("copying {}", shown(&job.path)))?;
    job.to.finish()
}

fn fill(job: &mut Job, shared: &Shared<'_>, buffer: &mut [u8]) -> Result<()> {
    if job.meta.size > 0 && !share(job, shared)? {
        match job.may_be_sparse {
            true => copy_runs(job, shared, buffer)?,
            false => copy_run(job, shared, buffer, 0, job.meta.size)?,
        }
    }
    let now = meta::of(&job.from)?;
    match (now.size, now.modified) == (job.meta.size, job.meta.modified) {
        true => Ok(()),
        false => shared.changes(&job.path),
    }
}

pub fn changed() -> Error {
    Error::new(Kind::Busy, "it is changed by somebody else meanwhile")
}

/// True when all blocks are shared now.
fn share(job: &mut Job, shared: &Shared<'_>) -> Result<bool> {
    if shared.no_reflink.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let tried = copy::reflink(&job.from, job.to.raw())?;
    match tried {
        Reflink::Shared => {
            shared.has_reflinked.store(true, Ordering::Relaxed);
            job.to.wrote(0, job.meta.size)?;
            (shared.heed)(job.meta.size)?;
        }
        // After a success it is that of something mounted below.
        Reflink::Never if !shared.has_reflinked.load(Ordering::Relaxed) => {
            shared.no_reflink.store(true, Ordering::Relaxed);
        }
        Reflink::Never | Reflink::NotThese => {}
    }
    Ok(tried == Reflink::Shared)
}

fn copy_runs(job: &mut Job, shared: &Shared<'_>, buffer: &mut [u8]) -> Result<()> {
    let mut at = 0;
    while let Some((start, end)) = copy::next_data(&job.from, at)?.filter(|(start, _)| *start < job.meta.size) {
        at = end.min(job.meta.size);
        copy_run(job, shared, buffer, start, at)?;
    }
    Ok(())
}

fn copy_run(job: &mut Job, shared: &Shared<'_>, buffer: &mut [u8], start: u64, end: u64) -> Result<()> {
    let mut at = start;
    while at < end {
        match copy_by_buffer(job, buffer, at, end - at)? {
            // It has become shorter: the rest is a hole, if that is no error, which its new size tells.
            0 => return if shared.unsteady.is_some() { Ok(()) } else { Err(changed()) },
            copied => {
                (shared.heed)(copied)?;
                at += copied;
            }
        }
    }
    Ok(())
}

/// How many bytes were copied; 0 at the end of the file.
fn copy_by_buffer(job: &mut Job, buffer: &mut [u8], at: u64, length: u64) -> Result<u64> {
    let wanted = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    let part = buffer.get_mut(..wanted).unwrap_or_default();
    let read = job.from.read_at(part, at).context("reading")?;
    job.to.write_at(at, part.get(..read).unwrap_or_default())?;
    Ok(read as u64)
}
