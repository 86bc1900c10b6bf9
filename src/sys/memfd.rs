//! Files in memory that nobody can change any more: memfd_create(2) with every seal.

use crate::error::{Context, Error, Result};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

/// This very program, as a file that can be executed: who gets hold of /proc/PID/exe of a process that runs it cannot
/// write to the program on disk (CVE-2019-5736).
pub fn own_program() -> Result<OwnedFd> {
    let mut program = File::open("/proc/self/exe").context("/proc/self/exe")?;
    // Since Linux 6.3 a memfd has to be asked to be executable, where an administrator forbids it otherwise.
    let mut copy = create("sdme", MemfdFlags::EXEC).or_else(|error| {
        if error.errno() == Some(Errno::INVAL) { create("sdme", MemfdFlags::empty()) } else { Err(error) }
    })?;
    std::io::copy(&mut program, &mut copy).context("copying this program into a memfd")?;
    seal(&copy)?;
    Ok(copy.into())
}

/// A file that holds these bytes, to be read from its start.
pub fn holding(bytes: &[u8]) -> Result<OwnedFd> {
    let mut file = create("sdme", MemfdFlags::empty())?;
    file.write_all(bytes).context("writing a memfd")?;
    file.rewind().context("rewinding a memfd")?;
    seal(&file)?;
    Ok(file.into())
}

/// What such a file holds.
pub fn read(file: OwnedFd) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes).context("reading a memfd")?;
    Ok(bytes)
}

fn create(name: &str, extra: MemfdFlags) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | extra;
    rustix::fs::memfd_create(name, flags).map(File::from).map_err(|errno| Error::os(errno, "memfd_create"))
}

fn seal(file: &File) -> Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(file, seals).map_err(|errno| Error::os(errno, "fcntl(F_ADD_SEALS)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_this_program_and_cannot_be_changed() {
        let mut copy = File::from(own_program().unwrap());
        assert_eq!(copy.metadata().unwrap().len(), std::fs::metadata("/proc/self/exe").unwrap().len());
        assert!(copy.write_all(b"x").is_err());
        assert!(copy.set_len(0).is_err());
    }

    #[test]
    fn bytes_are_read_back() {
        assert_eq!(read(holding(b"a\0b").unwrap()).unwrap(), b"a\0b");
    }
}
