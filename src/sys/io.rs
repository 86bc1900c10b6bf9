//! read(2) and write(2) on descriptors that are shared with others, one call at a time.

use crate::error::{Error, Result};
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a pipe that is ready for writing takes without blocking (PIPE_BUF of pipe(7)).
const AT_ONCE: usize = 4096;

/// Reads what is there. `None`: nothing is yet. 0: the end.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<usize>> {
    settle(rustix::io::read(fd, buffer), "read")
}

/// Writes some of `bytes`: no more than a descriptor that was found ready takes at once. `None`: it takes none now.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<Option<usize>> {
    settle(rustix::io::write(fd, &bytes[..bytes.len().min(AT_ONCE)]), "write")
}

fn settle(result: std::result::Result<usize, Errno>, call: &str) -> Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(Error::os(errno, call)),
    }
}

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| Error::os(errno, "pipe2"))
}

/// The same, to read and write in a test.
#[cfg(test)]
pub fn pipe_of_files() -> Result<(std::fs::File, std::fs::File)> {
    pipe().map(|(near, far)| (near.into(), far.into()))
}

/// What sort of thing a descriptor is, as far as handing it to somebody else goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A pipe or a socket: bytes and nothing more.
    Bytes,
    /// A regular file, or what has no name of its own: who has it opened for reading opens it for writing by
    /// /proc/self/fd/N, and rewrites what was there before.
    File,
    /// A terminal or another device: who has it can do more with it than read and write.
    Device,
    /// Who has it can reach everything below.
    Directory,
}

pub fn sort(fd: BorrowedFd<'_>) -> Result<Sort> {
    use rustix::fs::FileType;
    let stat = rustix::fs::fstat(fd).map_err(|errno| Error::os(errno, "fstat"))?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice | FileType::BlockDevice => Sort::Device,
        FileType::Directory => Sort::Directory,
        FileType::Fifo | FileType::Socket => Sort::Bytes,
        _ => Sort::File,
    })
}

/// Whether two descriptors are of one file or device.
pub fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let identity = |fd| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino, stat.st_rdev)).ok();
    identity(one).is_some() && identity(one) == identity(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_are_told_apart() {
        let sort_of = |path: &str| sort(File::open(path).unwrap().as_fd()).unwrap();
        assert_eq!(sort_of("/dev/null"), Sort::Device);
        assert_eq!(sort_of("/"), Sort::Directory);
        assert_eq!(sort_of("/proc/self/exe"), Sort::File);
        assert_eq!(sort(pipe().unwrap().0.as_fd()).unwrap(), Sort::Bytes);
    }
}
