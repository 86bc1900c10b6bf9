//! flock(2) on an open descriptor. The lock belongs to the open file: it ends with the last descriptor of it, so a
//! killed process leaves none.

use crate::error::{Error, Result};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Takes the shared lock if nobody has the exclusive one; false when somebody has.
pub fn try_shared(fd: impl AsFd) -> Result<bool> {
    attempt(fd, FlockOperation::NonBlockingLockShared)
}

/// Takes the exclusive lock if nobody has any; false when somebody has.
pub fn try_exclusive(fd: impl AsFd) -> Result<bool> {
    attempt(fd, FlockOperation::NonBlockingLockExclusive)
}

fn attempt(fd: impl AsFd, operation: FlockOperation) -> Result<bool> {
    loop {
        return match rustix::fs::flock(&fd, operation) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(Errno::INTR) => continue,
            Err(errno) => Err(Error::os(errno, format!("flock({operation:?})"))),
        };
    }
}
