//! qcow2 (qemu's docs/interop/qcow2.txt), versions 2 and 3.

use crate::disk::ReadAt;
use crate::error::{Error, Result};

/// An image: the disk that a file in this format holds. It is read by many threads at once.
pub struct Image<F> {
    file: F,
}

/// A run of the disk that is stored in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins on the disk, and how long it is there. It never reaches past the disk's end.
    pub offset: u64,
    pub length: u64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stored as it is, at this offset of the file.
    Data { at: u64 },
    /// Nothing is stored: it is zero.
    Zero,
    /// One cluster, compressed, in these bytes of the file (its end may be padding).
    Compressed { at: u64, length: u64 },
}

/// What the tables say about the whole disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the disk that are stored as they are, compressed, and not at all.
    pub data: u64,
    pub compressed: u64,
    pub zero: u64,
}

impl Survey {
    /// The most that a raw copy with holes takes.
    pub fn stored(&self) -> u64 {
        self.data + self.compressed
    }
}

impl<F: ReadAt> Image<F> {
    /// Reads the header and refuses by name what cannot be read. Nothing but `file` is ever read.
    pub fn open(file: F) -> Result<Image<F>> {
        let _ = &file;
        Err(Error::failed("not yet"))
    }

    /// Bytes of the disk.
    pub fn size(&self) -> u64 {
        0
    }

    pub fn cluster_size(&self) -> u64 {
        0
    }

    /// Internal snapshots that the image has and that are not looked at.
    pub fn snapshots(&self) -> u32 {
        0
    }

    /// The run that begins at `offset`; None at the end of the disk.
    pub fn next_extent(&self, offset: u64) -> Result<Option<Extent>> {
        let _ = (offset, &self.file);
        Ok(None)
    }

    /// Walks all tables: how much is stored, and that no cluster is stored in two places or past the end of the file.
    pub fn survey(&self) -> Result<Survey> {
        Ok(Survey::default())
    }
}

impl<F: ReadAt> ReadAt for Image<F> {
    fn size(&self) -> Result<u64> {
        Ok(self.size())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let _ = (offset, buffer);
        Err(Error::failed("not yet"))
    }
}
