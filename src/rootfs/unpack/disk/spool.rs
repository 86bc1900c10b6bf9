//! Files for the time of one import: without a name, in the stage's filesystem, gone with the process whatever ends it.
//! Blocks of zeros are holes in them.

use crate::error::{Context, Errno, Error, Result};
use crate::rootfs::unpack::transfer::Heed;
use crate::sys::copy::{self, Reflink};
use crate::sys::dir::Dir;
use codec::zeros::is_zero;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

const BUFFER: usize = 256 << 10;
/// What becomes a hole: a filesystem's block, as a rule.
const BLOCK: usize = 4096;
/// Bytes after which an interrupt is looked for when nothing else does.
const AT_ONCE: u64 = 8 << 20;

/// How much may be put into one.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Bytes of the whole, holes counted (--max-disk).
    pub length: u64,
    /// Bytes that are not zeros (--max-bytes).
    pub data: u64,
}

/// A file without a name.
pub fn scratch(stage: &Dir) -> Result<File> {
    const NAME: &str = "scratch";
    match stage.nameless_file(0o600) {
        // A filesystem that has no such files.
        Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL)) => {
            let file = stage.create_file(NAME, 0o600)?;
            stage.unlink(NAME)?;
            Ok(file)
        }
        other => other,
    }
}

/// Puts a whole stream into an empty file; its length.
pub fn fill(mut source: impl Read, into: &File, most: Most) -> Result<u64> {
    let (mut buffer, mut at, mut data) = (vec![0; BUFFER], 0u64, 0u64);
    loop {
        let length = read_full(&mut source, &mut buffer)?;
        let bytes = buffer.get(..length).unwrap_or_default();
        at = within(at.saturating_add(length as u64), most.length, "disk", "max-disk")?;
        let end = at - length as u64;
        for (offset, run) in runs(bytes) {
            data = within(data.saturating_add(run.len() as u64), most.data, "disk's data", "max-bytes")?;
            into.write_all_at(run, end + offset as u64).context("writing the disk image")?;
        }
        if length < BUFFER {
            into.set_len(at).context("writing the disk image")?;
            return Ok(at);
        }
    }
}

fn within(bytes: u64, most: u64, what: &str, flag: &str) -> Result<u64> {
    match bytes <= most {
        true => Ok(bytes),
        false => Err(Error::invalid(format!("the {what} is more than {most} bytes (--{flag} moves the bound)"))),
    }
}

/// As much as fits; less only at the end.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// The runs of blocks that are not all zeros, and where each begins.
fn runs(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let start = number * BLOCK;
        match found.last_mut() {
            _ if is_zero(block) => {}
            Some((_, end)) if *end == start => *end = start + block.len(),
            _ => found.push((start, start + block.len())),
        }
    }
    found.into_iter().filter_map(|(start, end)| Some((start, bytes.get(start..end)?))).collect()
}

/// Puts a part of one file at the same place of another: its blocks are shared where the filesystem can, else its holes
/// stay holes.
pub fn copy_part(from: &File, into: &File, start: u64, length: u64, heed: Heed<'_>) -> Result<()> {
    if copy::reflink(from, into)? == Reflink::Shared {
        return Ok(());
    }
    let end = start.saturating_add(length);
    into.set_len(end).context("making room for a copy of the image")?;
    let (mut at, mut buffer) = (start, vec![0; BUFFER]);
    while let Some((from_at, to)) = copy::next_data(from, at)?.filter(|(from_at, _)| *from_at < end) {
        at = to.min(end);
        copy_run(from, into, from_at.max(start), at, &mut buffer, heed)?;
    }
    Ok(())
}

fn copy_run(from: &File, into: &File, mut at: u64, end: u64, buffer: &mut [u8], heed: Heed<'_>) -> Result<()> {
    while at < end {
        heed(0)?;
        let copied = match copy::range(from, into, at, (end - at).min(AT_ONCE))? {
            Some(0) => return Err(Error::failed("the image is cut short by somebody else meanwhile")),
            Some(copied) => copied,
            None => copy_by_buffer(from, into, at, end, buffer)?,
        };
        at += copied;
    }
    Ok(())
}

fn copy_by_buffer(from: &File, into: &File, at: u64, end: u64, buffer: &mut [u8]) -> Result<u64> {
    let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
    let part = buffer.get_mut(..wanted).unwrap_or_default();
    from.read_exact_at(part, at).context("reading the disk image")?;
    for (offset, run) in runs(part) {
        into.write_all_at(run, at + offset as u64).context("copying the disk image")?;
    }
    Ok(wanted as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::meta;
    use crate::sys::tree::Scratch;

    const MOST: Most = Most { length: 64 << 20, data: 64 << 20 };

    fn disk() -> Vec<u8> {
        let mut bytes = vec![0u8; 3 << 20];
        for at in [0, 5000, BUFFER - 1, BUFFER, 1 << 20, (3 << 20) - 1] {
            bytes[at] = 7;
        }
        bytes
    }

    fn content(file: &File, length: usize) -> Vec<u8> {
        let mut bytes = vec![1; length];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn zeros_become_holes_and_nothing_else_changes() {
        let scratch_dir = Scratch::new("spool-fill");
        for extra in [0, 1, BUFFER - 1, 4096] {
            let mut bytes = disk();
            bytes.resize(bytes.len() + extra, 0);
            let file = scratch(scratch_dir.dir()).unwrap();
            assert_eq!(fill(&bytes[..], &file, MOST).unwrap(), bytes.len() as u64);
            assert!(content(&file, bytes.len()) == bytes);
            assert!(meta::of(&file).unwrap().blocks * 512 < 100 << 10);
        }
        assert_eq!(scratch_dir.dir().entries(10).unwrap(), []);
    }

    #[test]
    fn a_part_arrives_at_its_place() {
        let scratch_dir = Scratch::new("spool-part");
        let (from, into) = (scratch(scratch_dir.dir()).unwrap(), scratch(scratch_dir.dir()).unwrap());
        fill(&disk()[..], &from, MOST).unwrap();
        copy_part(&from, &into, 4096, 2 << 20, &|_| Ok(())).unwrap();
        let end = 4096 + (2 << 20);
        assert!(content(&into, end)[4096..] == disk()[4096..end]);
    }

    #[test]
    fn bounds_name_their_flags() {
        let scratch_dir = Scratch::new("spool-bounds");
        for (most, flag) in
            [(Most { length: 1 << 20, ..MOST }, "--max-disk"), (Most { data: 9000, ..MOST }, "--max-bytes")]
        {
            let error = fill(&disk()[..], &scratch(scratch_dir.dir()).unwrap(), most).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
