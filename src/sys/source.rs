//! Reading what somebody else feeds (standard input, a FIFO, a file) so that a user who gives up is heard while nothing comes.

use crate::error::{Context, Error, Result};
use crate::sys::poll::{self, For, Wait};
use crate::sys::signal::Watch;
use rustix::fs::{Advice, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

/// A descriptor that is read in turn with the signals that end the command.
pub struct Polled {
    file: File,
    watch: Watch,
    /// What is no regular file: a read of it may wait for somebody.
    may_wait: bool,
}

impl Polled {
    pub fn new(file: File, watch: Watch) -> Polled {
        let may_wait = !file.metadata().is_ok_and(|meta| meta.is_file());
        Polled { file, watch, may_wait }
    }

    /// Standard input, which stays open. Errors: nobody types an archive.
    pub fn stdin(watch: Watch) -> Result<Polled> {
        if io::stdin().is_terminal() {
            return Err(Error::invalid("standard input is a terminal: pipe an archive into it, or name a file"));
        }
        let fd = io::stdin().as_fd().try_clone_to_owned().context("standard input")?;
        Ok(Polled::new(File::from(fd), watch))
    }

    /// Opens a path of the caller's for reading from its beginning to its end. A FIFO that nobody writes to yet is
    /// waited for when it is read, where a signal is heard.
    pub fn open(path: &Path, watch: Watch) -> Result<Polled> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = loop {
            match rustix::fs::open(path, flags, Mode::empty()) {
                Err(Errno::INTR) => watch.check()?,
                other => break other.map_err(|errno| failed(path, errno))?,
            }
        };
        // Only a hint: pipes have no such thing.
        let _ = rustix::fs::fadvise(&fd, 0, None, Advice::Sequential);
        Ok(Polled::new(File::from(fd), watch))
    }

    /// Bytes that will come; None for what is no regular file.
    pub fn length(&self) -> Result<Option<u64>> {
        let meta = self.file.metadata().context("fstat")?;
        Ok(meta.is_file().then_some(meta.len()))
    }
}

/// Opens a path of the caller's if it is a regular file, to be read in any order; waits for nobody.
pub fn open_regular(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(path, errno))?;
    let file = File::from(fd);
    Ok(file.metadata().context("fstat")?.is_file().then_some(file))
}

fn failed(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::NXIO => Error::invalid("it is a socket, or a device that is not there"),
        _ => Error::os(errno, format!("open({path:?})")),
    }
}

impl Read for Polled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.may_wait {
                let waited = [(self.file.as_fd(), For::Input), (self.watch.fd(), For::Input)];
                poll::poll(&waited, Wait::for_ever()).map_err(io::Error::other)?;
            }
            self.watch.check().map_err(io::Error::other)?;
            match self.file.read(buffer) {
                // Another reader of the same pipe was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::sys::io::pipe_of_files;
    use crate::sys::signal::{Interrupts, SIGUSR2};
    use crate::sys::tree::Scratch;
    use rustix::fs::FileType;
    use std::io::Write;

    #[test]
    fn bytes_come_and_a_signal_ends_the_waiting() {
        let interrupts = Interrupts::block(&[SIGUSR2]).unwrap();
        let (near, mut far) = pipe_of_files().unwrap();
        let mut polled = Polled::new(near, interrupts.watch().unwrap());
        far.write_all(b"abc").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(polled.read(&mut buffer).unwrap(), 3);
        // SAFETY: raise(3) sends to the calling thread, which blocks the signal.
        unsafe { libc::raise(SIGUSR2) };
        let thread = polled.read(&mut buffer);
        let error = Error::from(thread.unwrap_err());
        assert_eq!(*error.kind(), Kind::Interrupted(SIGUSR2));
        drop(far);
    }

    #[test]
    fn a_fifo_is_opened_at_once_and_waited_for() {
        let interrupts = Interrupts::block(&[SIGUSR2]).unwrap();
        let scratch = Scratch::new("source-fifo");
        let path = scratch.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let mut polled = Polled::open(&path, interrupts.watch().unwrap()).unwrap();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(b"abc").unwrap();
        });
        let mut bytes = Vec::new();
        polled.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"abc");
        writer.join().unwrap();
    }
}
