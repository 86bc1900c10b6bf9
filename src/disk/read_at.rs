//! What has bytes at offsets: a file, an image inside it, bytes in memory.

use crate::error::{Context, Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Positional reading, by many threads at once.
pub trait ReadAt: Send + Sync {
    /// Bytes there are.
    fn size(&self) -> Result<u64>;

    /// Reads what is there: as much as the buffer takes, less only at the end, nothing behind it.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Fills the buffer. `what` is what is read, for the error when it reaches past the end.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8], what: &str) -> Result<()> {
        let length = self.read_at(offset, buffer)?;
        if length < buffer.len() {
            return Err(Error::invalid(format!(
                "{what} at {offset} reaches past the end: {} bytes are there of {}",
                length,
                buffer.len()
            )));
        }
        Ok(())
    }
}

impl ReadAt for File {
    /// Of a block device too.
    fn size(&self) -> Result<u64> {
        // The reading position is nobody's here.
        let mut file = self;
        file.seek(SeekFrom::End(0)).context("lseek(0, SEEK_END)")
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("pread at {offset}")),
            }
        }
        Ok(filled)
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let there = usize::try_from(offset).ok().and_then(|from| self.get(from..)).unwrap_or_default();
        let length = there.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(there) {
            *to = *from;
        }
        Ok(length)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> Result<u64> {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> Result<u64> {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        (**self).read_at(offset, buffer)
    }
}

/// Big-endian and little-endian numbers out of a piece of bytes; zero where the bytes end before, which callers have
/// ruled out by the length of what they read.
pub(super) mod field {
    pub fn bytes<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    pub fn be32(from: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes(from, at))
    }

    pub fn be64(from: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(bytes(from, at))
    }

    pub fn le16(from: &[u8], at: usize) -> u16 {
        u16::from_le_bytes(bytes(from, at))
    }

    pub fn le32(from: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes(from, at))
    }

    pub fn le64(from: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes(from, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_end_where_they_end() {
        let bytes = b"abcdef".as_slice();
        let mut buffer = [0; 4];
        assert_eq!(bytes.read_at(1, &mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"bcde");
        assert_eq!(bytes.read_at(4, &mut buffer).unwrap(), 2);
        assert_eq!(bytes.read_at(6, &mut buffer).unwrap(), 0);
        assert_eq!(bytes.read_at(u64::MAX, &mut buffer).unwrap(), 0);
        let error = bytes.read_exact_at(4, &mut buffer, "the table").unwrap_err();
        assert_eq!(error.to_string(), "the table at 4 reaches past the end: 2 bytes are there of 4");
    }

    #[test]
    fn files_are_read_at_offsets() {
        let file = File::open("/proc/self/exe").unwrap();
        let mut magic = [0; 4];
        ReadAt::read_exact_at(&file, 0, &mut magic, "ELF").unwrap();
        assert_eq!(&magic, b"\x7fELF");
        let size = file.size().unwrap();
        assert_eq!(size, file.metadata().unwrap().len());
        assert_eq!(ReadAt::read_at(&file, size - 1, &mut magic).unwrap(), 1);
    }
}
