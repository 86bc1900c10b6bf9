//! The last steps of a process before it becomes a program of the container: its standard descriptors, its session,
//! its user, its directory.

use crate::error::{Error, Result};
use crate::sys::confine;
use rustix::io::Errno;
use rustix::process::Signal;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Puts these in the place of standard input, output and error.
pub fn set_stdio([input, output, error]: [OwnedFd; 3]) -> Result<()> {
    rustix::stdio::dup2_stdin(&input)
        .and_then(|()| rustix::stdio::dup2_stdout(&output))
        .and_then(|()| rustix::stdio::dup2_stderr(&error))
        .map_err(|errno| Error::os(errno, "dup2"))
}

/// Joins the control group whose cgroup.procs this is.
pub fn join_group(procs: OwnedFd) -> Result<()> {
    rustix::io::write(&procs, b"0").map(drop).map_err(|errno| Error::os(errno, "write(cgroup.procs, \"0\")"))
}

/// A session of its own, without a terminal.
pub fn lead_session() -> Result<()> {
    rustix::process::setsid().map(drop).map_err(|errno| Error::os(errno, "setsid"))
}

/// Whether this process is killed when its parent ends.
pub fn end_with_parent(yes: bool) -> Result<()> {
    rustix::process::set_parent_process_death_signal(yes.then_some(Signal::KILL))
        .map_err(|errno| Error::os(errno, "prctl(PR_SET_PDEATHSIG)"))
}

pub fn change_directory(path: &Path) -> Result<()> {
    rustix::process::chdir(path).map_err(|errno| Error::os(errno, format!("chdir({path:?})")))
}

/// Becomes this user, for good: all of its ids, no way back.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
    confine::set_groups(groups)?;
    // SAFETY: system calls on plain numbers; there is one thread, so no other keeps the old ids.
    unsafe {
        if libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0 {
            return Err(Error::os(last_errno(), format!("setresgid({gid})")));
        }
        if libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0 {
            return Err(Error::os(last_errno(), format!("setresuid({uid})")));
        }
    }
    Ok(())
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
