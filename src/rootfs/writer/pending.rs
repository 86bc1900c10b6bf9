//! What directories get at the end, when nothing is made in them any more: a log in the order of the entries.
//!
//! Up to [`IN_MEMORY`] bytes are kept; more goes to a file without a name in the tree's filesystem, so that a million
//! directories cost no memory. A later record of the same directory wins.

use crate::error::{Context, Error, Result};
use crate::rootfs::writer::attributes::Owned;
use crate::sys::dir::Dir;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};

const IN_MEMORY: usize = 4 << 20;

/// One directory's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub path: Vec<u8>,
    /// The directory that is meant; another that has taken its place has a record of its own, or is none of ours.
    pub ino: u64,
    /// It was there before this entry, and may have got attributes from an earlier one.
    pub is_again: bool,
    pub attributes: Owned,
}

#[derive(Default)]
pub struct Pending {
    buffer: Vec<u8>,
    spilled: Option<File>,
}

impl Pending {
    /// Adds a record; `tree` is where a file is made if it becomes too much.
    pub fn push(&mut self, tree: &Dir, record: &Record) -> Result<()> {
        encode(&mut self.buffer, record);
        if self.buffer.len() < IN_MEMORY {
            return Ok(());
        }
        let file = match self.spilled.take() {
            Some(file) => file,
            None => tree.nameless_file(0o600)?,
        };
        let file = self.spilled.insert(file);
        file.write_all(&self.buffer).context("attributes of directories, for later")?;
        self.buffer.clear();
        Ok(())
    }

    /// Gives out all records, the first one first.
    pub fn for_each(self, mut visit: impl FnMut(Record) -> Result<()>) -> Result<()> {
        if let Some(mut file) = self.spilled {
            file.seek(SeekFrom::Start(0)).context("attributes of directories")?;
            let mut reader = BufReader::new(file);
            while let Some(record) = decode(&mut reader)? {
                visit(record)?;
            }
        }
        let mut rest = self.buffer.as_slice();
        while let Some(record) = decode(&mut rest)? {
            visit(record)?;
        }
        Ok(())
    }
}

fn encode(to: &mut Vec<u8>, record: &Record) {
    let Owned { mode, uid, gid, modified, xattrs } = &record.attributes;
    // Bounded by the kernel's own limits or the tally's, far below 4 GiB.
    let bytes = |to: &mut Vec<u8>, bytes: &[u8]| {
        to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        to.extend_from_slice(bytes);
    };
    to.push(1 | u8::from(record.is_again) << 1 | u8::from(modified.is_some()) << 2);
    bytes(to, &record.path);
    to.extend_from_slice(&record.ino.to_le_bytes());
    let (seconds, nanoseconds) = modified.unwrap_or_default();
    to.extend_from_slice(&seconds.to_le_bytes());
    for number in [*mode, *uid, *gid, nanoseconds, xattrs.len() as u32] {
        to.extend_from_slice(&number.to_le_bytes());
    }
    for (name, value) in xattrs {
        bytes(to, name);
        bytes(to, value);
    }
}

fn decode(from: &mut impl Read) -> Result<Option<Record>> {
    let mut flags = [0u8; 1];
    if from.read(&mut flags)? == 0 {
        return Ok(None);
    }
    let path = bytes(from)?;
    let ino = u64::from_le_bytes(array(from)?);
    let seconds = i64::from_le_bytes(array(from)?);
    let mut number = || array(from).map(u32::from_le_bytes);
    let (mode, uid, gid, nanoseconds, count) = (number()?, number()?, number()?, number()?, number()?);
    let xattrs = (0..count).map(|_| Ok((bytes(from)?, bytes(from)?))).collect::<Result<_>>()?;
    let modified = (flags[0] & 4 != 0).then_some((seconds, nanoseconds));
    let attributes = Owned { mode, uid, gid, modified, xattrs };
    Ok(Some(Record { path, ino, is_again: flags[0] & 2 != 0, attributes }))
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut array = [0u8; N];
    from.read_exact(&mut array).map_err(|error| Error::from(error).context("attributes of directories"))?;
    Ok(array)
}

fn bytes(from: &mut impl Read) -> Result<Vec<u8>> {
    let length = u64::from(u32::from_le_bytes(array(from)?));
    let mut bytes = Vec::new();
    let read = from.take(length).read_to_end(&mut bytes).context("attributes of directories")?;
    if read as u64 == length { Ok(bytes) } else { Err(Error::failed("attributes of directories are cut off")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    fn record(number: u64) -> Record {
        let attributes = Owned {
            mode: 0o2750,
            uid: number as u32,
            gid: u32::MAX,
            modified: (number % 3 != 0).then_some((-(number as i64), 999_999_999)),
            xattrs: (0..number % 4).map(|index| (format!("user.{index}").into_bytes(), vec![7; 300])).collect(),
        };
        Record { path: format!("a/{number}").into_bytes(), ino: number << 40, is_again: number % 2 == 1, attributes }
    }

    #[test]
    fn records_come_back_in_order_also_by_way_of_a_file() {
        let scratch = Scratch::new("pending");
        let mut pending = Pending::default();
        for number in 0..20_000 {
            pending.push(scratch.dir(), &record(number)).unwrap();
            assert!(pending.buffer.len() < IN_MEMORY);
        }
        assert!(pending.spilled.is_some());
        assert_eq!(scratch.dir().entries(10).unwrap(), []);
        let mut number = 0;
        let check = |found: Record| {
            assert_eq!(found, record(number));
            number += 1;
            Ok(())
        };
        pending.for_each(check).unwrap();
        assert_eq!(number, 20_000);
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error() {
        let mut whole = Vec::new();
        encode(&mut whole, &record(7));
        for length in 1..whole.len() {
            assert!(decode(&mut &whole[..length]).is_err(), "{length}");
        }
        assert_eq!(decode(&mut &whole[..]).unwrap(), Some(record(7)));
    }
}
