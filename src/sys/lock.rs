//! flock(2) on an open descriptor. The lock belongs to the open file: it ends with the last descriptor of it, so a
//! killed process leaves none.

use crate::error::{Error, Result};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Takes the shared lock; waits for an exclusive one to end, which its holder must see to be soon.
pub fn shared(fd: impl AsFd) -> Result<()> {
    loop {
        match rustix::fs::flock(&fd, FlockOperation::LockShared) {
            Err(Errno::INTR) => continue,
            other => return other.map_err(|errno| Error::os(errno, "flock(LOCK_SH)")),
        }
    }
}

/// Takes the exclusive lock if nobody has it; false when somebody has.
pub fn try_exclusive(fd: impl AsFd) -> Result<bool> {
    loop {
        return match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(Errno::INTR) => continue,
            Err(errno) => Err(Error::os(errno, "flock(LOCK_EX|LOCK_NB)")),
        };
    }
}
