//! Blocks that two regular files share, and where a file has holes.

use crate::error::{Error, Result};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;

/// Lets `to` share all blocks of `from` (FICLONE). False where the filesystem, or this pair of files, cannot.
pub fn reflink(from: &File, to: &File) -> Result<bool> {
    match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(errno) => Err(Error::os(errno, "ioctl(FICLONE)")),
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
    fn holes_are_seen() {
        let scratch = Scratch::in_memory("copy-holes");
        let file = scratch.dir().create_file("a", 0o600).unwrap();
        file.write_all_at(b"x", 1 << 20).unwrap();
        file.set_len(3 << 20).unwrap();
        let (start, end) = next_data(&file, 0).unwrap().unwrap();
        assert!(start <= 1 << 20 && end > 1 << 20 && end < 3 << 20, "{start} {end}");
        assert_eq!(next_data(&file, end).unwrap(), None);
    }
}
