//! A regular file that is being filled, from any thread, in any order; what is not written is a hole.

use crate::error::{Context, Error, Result};
use crate::rootfs::writer::attributes::{Hand, Owned};
use crate::rootfs::writer::path::shown;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct FileWriter {
    file: File,
    path: Vec<u8>,
    size: u64,
    /// Where what was written ends.
    end: u64,
    attributes: Owned,
    hand: Hand,
}

impl FileWriter {
    pub(super) fn new(file: File, path: &[u8], size: u64, attributes: Owned, hand: Hand) -> FileWriter {
        FileWriter { file, path: path.to_vec(), size, end: 0, attributes, hand }
    }

    /// Errors: `Invalid` for bytes past the size that was announced (and counted).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.reserve(offset, bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset).with_context(|| format!("writing {}", shown(&self.path)))
    }

    /// The file, for a copy inside the kernel of this many bytes at this place.
    pub(in crate::rootfs) fn open_at(&mut self, offset: u64, length: u64) -> Result<&File> {
        self.reserve(offset, length)?;
        Ok(&self.file)
    }

    fn reserve(&mut self, offset: u64, length: u64) -> Result<()> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size => self.end = self.end.max(end),
            _ => return Err(Error::invalid(format!("{} goes on after its {} bytes", shown(&self.path), self.size))),
        }
        Ok(())
    }

    /// Owner, mode, extended attributes and times; after the last byte, because a write takes some of them away.
    pub fn finish(self) -> Result<()> {
        self.complete().with_context(|| shown(&self.path))
    }

    fn complete(&self) -> Result<()> {
        if self.end < self.size {
            self.file.set_len(self.size)?;
        }
        self.hand.give_file(&self.file, &self.path, &self.attributes)
    }
}
