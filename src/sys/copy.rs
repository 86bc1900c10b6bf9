//! Bytes from one regular file to another inside the kernel, and where a file has holes.

use crate::error::{Error, Result};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;

/// What an attempt to share blocks came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reflink {
    Shared,
    /// These two cannot: on btrfs only one of them has no checksums (chattr +C); one is swapped to.
    NotThese,
    /// Their filesystems cannot.
    Never,
}

/// Lets `to` share all blocks of `from` (FICLONE).
pub fn reflink(from: &File, to: &File) -> Result<Reflink> {
    match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(Reflink::Shared),
        Err(Errno::INVAL | Errno::TXTBSY) => Ok(Reflink::NotThese),
        Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => Ok(Reflink::Never),
        Err(errno) => Err(Error::os(errno, "ioctl(FICLONE)")),
    }
}

/// Copies up to `length` bytes at `offset` to the same place. `None` where the kernel cannot for this pair; 0: the end.
pub fn range(from: &File, to: &File, offset: u64, length: u64) -> Result<Option<u64>> {
    let (mut read_at, mut write_at) = (offset, offset);
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(1 << 30);
    match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), length) {
        Ok(copied) => Ok(Some(copied as u64)),
        Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::TXTBSY) => Ok(None),
        Err(errno) => Err(Error::os(errno, "copy_file_range")),
    }
}

/// The next run of data at or after `offset`: where it begins and where it ends. `None`: nothing but a hole follows.
///
/// A filesystem that knows no holes says that all is data. Moves the file's reading position.
pub fn next_data(file: &File, offset: u64) -> Result<Option<(u64, u64)>> {
    let failed = |errno| Error::os(errno, format!("lseek({offset}, SEEK_DATA)"));
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Err(Errno::NXIO) => return Ok(None),
        // Not known here: everything is data, as far as a reader gets.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((offset, u64::MAX))),
        other => other.map_err(failed)?,
    };
    match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        // Cut off meanwhile.
        Err(Errno::NXIO) => Ok(None),
        other => Ok(Some((start, other.map_err(failed)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::os::unix::fs::FileExt;

    #[test]
    fn holes_are_seen_and_ranges_copied() {
        let scratch = Scratch::in_memory("copy-holes");
        let (from, to) =
            (scratch.dir().create_file("a", 0o600).unwrap(), scratch.dir().create_file("b", 0o600).unwrap());
        from.write_all_at(b"x", 1 << 20).unwrap();
        from.set_len(3 << 20).unwrap();
        let (start, end) = next_data(&from, 0).unwrap().unwrap();
        assert!(start <= 1 << 20 && end > 1 << 20 && end < 3 << 20, "{start} {end}");
        assert_eq!(next_data(&from, end).unwrap(), None);
        if let Some(copied) = range(&from, &to, start, end - start).unwrap() {
            assert_eq!(copied, end - start);
            assert_eq!(next_data(&to, 0).unwrap(), Some((start, end)));
        }
    }
}
