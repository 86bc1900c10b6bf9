//! The console of a container that no journal listens to: a stream, and a log of bounded size (the newest, and the one
//! before it).

use crate::error::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// At this size a log becomes `NAME.log.1`: a guest that floods its console fills no more than two of these.
const LOG_MAX: u64 = 1 << 20;
/// How much is taken at once.
const CHUNK: usize = 16 << 10;

pub struct ConsoleLog {
    path: PathBuf,
    file: File,
    length: u64,
    ours: UnixStream,
    theirs: UnixStream,
}

impl ConsoleLog {
    /// A fresh log at `path`; an older one becomes `path.1`.
    pub fn create(path: &Path) -> Result<ConsoleLog> {
        let (ours, theirs) = UnixStream::pair().context("socketpair")?;
        ours.set_nonblocking(true).context("socketpair")?;
        Ok(ConsoleLog { path: path.into(), file: rotate(path)?, length: 0, ours, theirs })
    }

    /// An end for a program to write into.
    pub fn input(&self) -> Result<OwnedFd> {
        Ok(self.theirs.try_clone().context("dup")?.into())
    }

    /// Readable when there is something to [`drain`](ConsoleLog::drain).
    pub fn output(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// Moves into the log what has come, one chunk.
    pub fn drain(&mut self) -> Result<()> {
        let mut chunk = [0u8; CHUNK];
        let length = match self.ours.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            other => other.context("reading the console")?,
        };
        if self.length + length as u64 > LOG_MAX {
            self.file = rotate(&self.path)?;
            self.length = 0;
        }
        self.length += length as u64;
        self.file.write_all(&chunk[..length]).with_context(|| format!("{:?}", self.path))
    }
}

fn rotate(path: &Path) -> Result<File> {
    let mut older = path.to_path_buf().into_os_string();
    older.push(".1");
    match fs::rename(path, &older) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(|| format!("{path:?}")),
        _ => {}
    }
    OpenOptions::new().create_new(true).append(true).mode(0o600).open(path).with_context(|| format!("{path:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_fills_two_logs_and_no_more() {
        let directory = std::env::temp_dir().join(format!("sdme-console-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("web.log");
        let mut log = ConsoleLog::create(&path).unwrap();
        let mut input = UnixStream::from(log.input().unwrap());
        for _ in 0..(3 * LOG_MAX as usize / CHUNK) {
            input.write_all(&[b'x'; CHUNK]).unwrap();
            log.drain().unwrap();
        }
        input.write_all(b"last words").unwrap();
        log.drain().unwrap();
        assert!(fs::read(&path).unwrap().ends_with(b"last words"));
        let total: u64 = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(total > LOG_MAX && total <= 2 * LOG_MAX, "{total}");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn draining_nothing_waits_for_nothing() {
        let path = std::env::temp_dir().join(format!("sdme-console-{}-empty", std::process::id()));
        let mut log = ConsoleLog::create(&path).unwrap();
        log.drain().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_file(&path).unwrap();
    }
}
