//! From an image to a raw file with holes.
//!
//! Each thread takes the next piece of the disk, reads and unpacks it, and writes what is not zero to its place: nothing
//! waits for what comes before it, and each thread holds one piece. The caller's own thread is one of them.

use crate::disk::ReadAt;
use crate::disk::qcow2::{Extent, Image, Kind, Unpacker};
use crate::error::{Context, Error, Kind as ErrorKind, Result};
use codec::zeros::is_zero;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Bytes of the disk in a piece; of a cluster that is larger, the whole cluster.
const PIECE: u64 = 1 << 20;
/// More than these wait for the lock of the file that is written.
const THREADS_MOST: usize = 4;
/// What is looked at for zeros at once.
const BLOCK: usize = 4096;
/// Zeros of at least so many bytes become a hole; fewer are not worth another write.
const HOLE_LEAST: usize = 4 * BLOCK;

/// Writes what the image holds into an empty file, which becomes as long as the disk; what is zero stays a hole.
///
/// `progress` is called by this thread with the bytes of the disk that are done; its error ends the copying.
pub fn to_sparse<F: ReadAt>(
    image: &Image<F>,
    target: &File,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    if target.metadata().context("fstat")?.len() != 0 {
        return Err(Error::new(ErrorKind::Exists, "the file to copy a disk into is not empty"));
    }
    target.set_len(image.size()).context("ftruncate")?;
    part_to_sparse(image, 0..image.size(), target, progress)
}

/// The same of a part of the disk, each byte to its own place in a file that is zero there; the clusters at its ends come whole.
pub fn part_to_sparse<F: ReadAt>(
    image: &Image<F>,
    part: Range<u64>,
    target: &File,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let begin = part.start - part.start % image.cluster_size();
    let copying = Copying {
        image,
        target,
        end: part.end,
        walk: Mutex::new(Walk { at: begin, next: None }),
        done: AtomicU64::new(0),
        ended: AtomicBool::new(false),
        failed: Mutex::new(None),
    };
    thread::scope(|scope| {
        for _ in 1..threads() {
            let work = || copying.work(&mut |_| Ok(()));
            // One that cannot be had is done without.
            let _ = thread::Builder::new().name("disk".into()).spawn_scoped(scope, work);
        }
        copying.work(progress);
    });
    // The lock is let go of here: the caller's function runs below.
    let failed = lock(&copying.failed).take();
    match failed {
        Some(error) => Err(error),
        None => progress(part.end - begin),
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get()).min(THREADS_MOST)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the threads have together.
struct Copying<'a, F> {
    image: &'a Image<F>,
    target: &'a File,
    /// Where on the disk the part ends.
    end: u64,
    walk: Mutex<Walk>,
    /// Bytes of the disk.
    done: AtomicU64,
    /// Nothing is left, or something failed.
    ended: AtomicBool,
    failed: Mutex<Option<Error>>,
}

/// How far the disk has been given out.
struct Walk {
    at: u64,
    /// What is there, when it is known already.
    next: Option<Extent>,
}

/// What one thread works with.
struct Bench {
    unpacker: Unpacker,
    extents: Vec<Extent>,
    packed: Vec<u8>,
    bytes: Vec<u8>,
}

impl<F: ReadAt> Copying<'_, F> {
    fn work(&self, progress: &mut dyn FnMut(u64) -> Result<()>) {
        let mut bench =
            Bench { unpacker: self.image.unpacker(), extents: Vec::new(), packed: Vec::new(), bytes: Vec::new() };
        while !self.ended.load(Ordering::Relaxed) {
            match self.step(&mut bench).and_then(|()| progress(self.done.load(Ordering::Relaxed))) {
                Ok(()) => {}
                Err(error) => {
                    self.ended.store(true, Ordering::Relaxed);
                    lock(&self.failed).get_or_insert(error);
                }
            }
        }
    }

    fn step(&self, bench: &mut Bench) -> Result<()> {
        let passed = self.take(&mut bench.extents)?;
        if bench.extents.is_empty() && passed == 0 {
            self.ended.store(true, Ordering::Relaxed);
            return Ok(());
        }
        self.copy(bench)?;
        self.done.fetch_add(passed, Ordering::Relaxed);
        Ok(())
    }

    /// The next piece: extents that follow each other on the disk and are stored. How far that went on the disk.
    fn take(&self, extents: &mut Vec<Extent>) -> Result<u64> {
        extents.clear();
        let mut walk = lock(&self.walk);
        let (begin, mut length) = (walk.at, 0);
        while length < PIECE {
            let Some(extent) = self.next(&mut walk)? else { break };
            match extent.kind {
                Kind::Zero if extents.is_empty() => {
                    walk.at += extent.length;
                    walk.next = None;
                    // Others may go on; a long run of nothing was looked for.
                    break;
                }
                Kind::Zero => break,
                Kind::Compressed { .. } if length > 0 && length + extent.length > PIECE => break,
                _ => {
                    let (taken, rest) = split(extent, PIECE - length);
                    extents.push(taken);
                    length += taken.length;
                    walk.at += taken.length;
                    walk.next = rest;
                }
            }
        }
        Ok(walk.at - begin)
    }

    fn next(&self, walk: &mut Walk) -> Result<Option<Extent>> {
        if walk.at >= self.end {
            return Ok(None);
        }
        if walk.next.is_none() {
            walk.next = self.image.next_extent(walk.at)?;
        }
        Ok(walk.next)
    }

    fn copy(&self, bench: &mut Bench) -> Result<()> {
        let Some(first) = bench.extents.first().copied() else { return Ok(()) };
        let mut length = 0;
        for extent in &bench.extents {
            let from = length;
            length += extent.length as usize;
            self.read(extent, from, &mut bench.unpacker, &mut bench.packed, &mut bench.bytes)?;
        }
        write(self.target, first.offset, bench.bytes.get(..length).unwrap_or_default())
    }

    /// Puts an extent into `bytes` from there on.
    fn read(
        &self,
        extent: &Extent,
        from: usize,
        unpacker: &mut Unpacker,
        packed: &mut Vec<u8>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        // The last cluster of the disk is whole, even where the disk ends within it.
        let room = match extent.kind {
            Kind::Compressed { .. } => self.image.cluster_size(),
            _ => extent.length,
        };
        if bytes.len() < from + room as usize {
            bytes.resize(from + room as usize, 0);
        }
        let target = bytes.get_mut(from..from + room as usize).unwrap_or_default();
        match extent.kind {
            Kind::Zero => target.fill(0),
            Kind::Data { at } => self.image.read_data(at, target)?,
            Kind::Compressed { at, length } => {
                packed.resize(length as usize, 0);
                self.image.file().read_exact_at(at, packed, "qcow2: the compressed cluster")?;
                unpacker.unpack(packed, target)?;
            }
        }
        Ok(())
    }
}

/// The first `most` bytes of an extent, and the rest. A compressed cluster is not cut.
fn split(extent: Extent, most: u64) -> (Extent, Option<Extent>) {
    match extent.kind {
        Kind::Data { at } if extent.length > most => {
            let first = Extent { length: most, ..extent };
            let kind = Kind::Data { at: at + most };
            (first, Some(Extent { offset: extent.offset + most, length: extent.length - most, kind }))
        }
        _ => (extent, None),
    }
}

/// Writes what is not zero.
fn write(target: &File, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut at = 0;
    while let Some((begin, end)) = next_run(bytes, at) {
        let run = bytes.get(begin..end).unwrap_or_default();
        let place = offset + begin as u64;
        target.write_all_at(run, place).with_context(|| format!("pwrite at {place}"))?;
        at = end;
    }
    Ok(())
}

/// The next run of blocks at or after `from` between zeros that are worth a hole.
fn next_run(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let (mut begin, mut end) = (None, from);
    let mut at = from;
    for block in bytes.get(from..)?.chunks(BLOCK) {
        if !is_zero(block) {
            begin = begin.or(Some(at));
            end = at + block.len();
        } else if begin.is_some() && at + block.len() - end >= HOLE_LEAST {
            break;
        }
        at += block.len();
    }
    begin.map(|begin| (begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_are_long_become_holes() {
        let mut bytes = vec![0; 40 * BLOCK + 100];
        assert_eq!(next_run(&bytes, 0), None);
        bytes[3 * BLOCK] = 1;
        bytes[6 * BLOCK + 5] = 1;
        bytes[40 * BLOCK + 99] = 1;
        assert_eq!(next_run(&bytes, 0), Some((3 * BLOCK, 7 * BLOCK)));
        assert_eq!(next_run(&bytes, 7 * BLOCK), Some((40 * BLOCK, 40 * BLOCK + 100)));
        assert_eq!(next_run(&bytes, bytes.len()), None);
    }
}
