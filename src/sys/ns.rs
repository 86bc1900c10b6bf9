//! Entering the namespaces of another process: setns(2) by pidfd, chroot(2), and the clone that is in its PID
//! namespace. Only for a process with one thread that was started for this.

use crate::error::{Error, Kind, Result};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::ThreadNameSpaceType as Namespace;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Moves this process into every namespace of the one behind `pidfd`, whose number is `pid`; the PID namespace counts
/// for children born later. One call: a process that ends meanwhile is an error, never a mixture.
pub fn enter(pidfd: BorrowedFd<'_>, pid: u32) -> Result<()> {
    let mut which = Namespace::MOUNT
        | Namespace::PROCESS_ID
        | Namespace::HOST_NAME_AND_NIS_DOMAIN_NAME
        | Namespace::INTER_PROCESS_COMMUNICATION
        | Namespace::CONTROL_GROUP
        | Namespace::NETWORK;
    // One's own user namespace cannot be entered again (EINVAL).
    if link(&pid.to_string(), "user")? != link("self", "user")? {
        which |= Namespace::USER;
    }
    rustix::thread::move_into_thread_name_spaces(pidfd, which).map_err(|errno| match errno {
        Errno::SRCH => gone(pid),
        errno => Error::os(errno, format!("setns(pidfd of {pid}, {:#x})", which.bits())),
    })
}

/// Whether the process behind a pidfd has not ended.
pub fn is_alive(pidfd: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec};
    let mut fds = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
}

/// Makes `root` this process's `/` and its working directory.
pub fn change_root(root: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(root).map_err(|errno| Error::os(errno, "fchdir(root)"))?;
    rustix::process::chroot(".").map_err(|errno| Error::os(errno, "chroot(\".\")"))
}

/// Whether two processes ("self" or a number) share a namespace, named as in /proc/PID/ns: "mnt", "pid".
pub fn is_shared(process: &str, other: &str, namespace: &str) -> Result<bool> {
    Ok(link(process, namespace)? == link(other, namespace)?)
}

fn link(process: &str, namespace: &str) -> Result<std::path::PathBuf> {
    let path = format!("/proc/{process}/ns/{namespace}");
    std::fs::read_link(&path).map_err(|error| Error::from(error).context(path))
}

fn gone(pid: u32) -> Error {
    Error::new(Kind::NotFound, format!("process {pid} is gone"))
}

/// Which side of [`clone_sibling`] or [`clone_into_group`] this is.
pub enum Side {
    /// The caller, with a pidfd of the new process.
    Original(OwnedFd),
    /// The new process.
    Sibling,
}

/// Makes a copy of this process in the PID namespace entered before, as a child of this one's *parent*, which can
/// then wait for it and learn its exact status.
pub fn clone_sibling() -> Result<Side> {
    let mut pidfd: libc::c_int = -1;
    let flags = (libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::SIGCHLD) as libc::c_ulong;
    // SAFETY: no stack and no shared memory: this is fork(2) with two flags. There is one thread, so no lock is held
    // by another. The kernel writes the new pidfd through the third argument before it returns.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
    match result {
        0 => Ok(Side::Sibling),
        // SAFETY: the call succeeded, so the descriptor is new and ours.
        1.. => Ok(Side::Original(unsafe { OwnedFd::from_raw_fd(pidfd) })),
        _ => Err(Error::os(last_errno(), "clone(CLONE_PARENT|CLONE_PIDFD)")),
    }
}

/// Makes a copy of this process in the control group of this directory, as a child of this one's *parent*.
///
/// The group of a process that is born in it costs nothing; to move there makes the kernel wait for all processors, 10 ms
/// and more. Errors: none that could not be answered by moving.
pub fn clone_into_group(group: BorrowedFd<'_>) -> Result<Side> {
    /// struct clone_args of linux/sched.h, up to Linux 5.7.
    #[repr(C)]
    #[derive(Default)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        /// With CLONE_PARENT it is this process's own, and must be 0 here.
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    let mut pidfd: libc::c_int = -1;
    let mut arguments = Arguments {
        flags: (libc::CLONE_PARENT | libc::CLONE_PIDFD) as u64 | CLONE_INTO_CGROUP,
        pidfd: &raw mut pidfd as u64,
        cgroup: group.as_raw_fd() as u64,
        ..Arguments::default()
    };
    // SAFETY: no stack and no shared memory: this is fork(2) with three flags. There is one thread, so no lock is held by
    // another. The kernel reads one whole clone_args and writes the new pidfd where it says before it returns.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<Arguments>()) };
    match result {
        0 => Ok(Side::Sibling),
        // SAFETY: the call succeeded, so the descriptor is new and ours.
        1.. => Ok(Side::Original(unsafe { OwnedFd::from_raw_fd(pidfd) })),
        _ => Err(Error::os(last_errno(), "clone3(CLONE_INTO_CGROUP|CLONE_PARENT|CLONE_PIDFD)")),
    }
}

/// How a process ended, as a shell says it: its exit status, or 128 and the number of the signal that killed it.
pub fn reap(pidfd: BorrowedFd<'_>) -> Result<u8> {
    let status = loop {
        match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(Error::os(errno, "waitid(P_PIDFD)")),
            Ok(None) => continue,
            Ok(Some(status)) => break status,
        }
    };
    let signal = status.terminating_signal().map(|signal| 128 + (signal & 0x7f));
    Ok(status.exit_status().or(signal).unwrap_or(0) as u8)
}

/// How a process that somebody else reaps has ended, as [`reap`] says it; None when it has not, or nobody knows any
/// more. Source: the zombie in /proc, and since Linux 6.15 the pidfd itself (PIDFD_GET_INFO).
pub fn foreign_status(pidfd: BorrowedFd<'_>) -> Option<u8> {
    // Only a pidfd has such a line; -1 once the process was reaped.
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid: i32 = info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()?;
    let code = zombie_code(pidfd, pid).or_else(|| kept_code(pidfd))?;
    Some(if code & 0x7f == 0 { (code >> 8) as u8 } else { 128 + (code & 0x7f) as u8 })
}

/// Field 52 of proc_pid_stat(5), which the kernel fills for a zombie.
fn zombie_code(pidfd: BorrowedFd<'_>, pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(stat.get(end + 1..)?).ok()?.split_ascii_whitespace().collect();
    // The number was the process's when the descriptor said so, and a zombie keeps its number.
    let is_zombie = *fields.first()? == "Z" && !is_alive(pidfd);
    is_zombie.then(|| fields.get(49)?.parse().ok()).flatten()
}

fn kept_code(pidfd: BorrowedFd<'_>) -> Option<i32> {
    /// struct pidfd_info of linux/pidfd.h, version 0.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    /// _IOWR(0xFF, 11, struct pidfd_info)
    const PIDFD_GET_INFO: u32 = 3 << 30 | (size_of::<Info>() as u32) << 16 | 0xff << 8 | 11;
    let mut info = Info { mask: PIDFD_INFO_EXIT, ..Info::default() };
    // SAFETY: the request's number holds the size of what the kernel may write.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut info) };
    (result == 0 && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}

/// Sends a signal to the process behind a pidfd; that it is gone already is no error.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: any number is a valid argument; the kernel answers EINVAL for what is no signal.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0usize, 0u32) };
    if result == 0 {
        return Ok(());
    }
    match last_errno() {
        Errno::SRCH => Ok(()),
        errno => Err(Error::os(errno, format!("pidfd_send_signal({signal})"))),
    }
}

/// A pidfd for a pid that cannot have been reused: this process's own, or a child's not yet waited for.
pub fn pidfd(pid: u32) -> Result<OwnedFd> {
    let pid = Pid::from_raw(pid as i32).ok_or_else(|| Error::invalid("pid 0"))?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|errno| Error::os(errno, format!("pidfd_open({pid:?})")))
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
#[allow(clippy::zombie_processes)] // reap() waits, which clippy cannot see.
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_status_is_what_a_shell_would_say() {
        for (script, expected) in [("exit 0", 0), ("exit 203", 203), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
            let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
            assert_eq!(reap(pidfd(child.id()).unwrap().as_fd()).unwrap(), expected, "{script}");
        }
    }

    #[test]
    fn a_zombie_tells_its_status_to_others_too() {
        for (script, expected) in [("exit 7", 7), ("kill -TERM $$", 143)] {
            let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
            let pidfd = pidfd(child.id()).unwrap();
            while is_alive(pidfd.as_fd()) {
                std::thread::yield_now();
            }
            assert_eq!(foreign_status(pidfd.as_fd()), Some(expected), "{script}");
            reap(pidfd.as_fd()).unwrap();
            // Since Linux 6.15 the status outlives the zombie.
            assert!([None, Some(expected)].contains(&foreign_status(pidfd.as_fd())), "{script}");
        }
        let own = pidfd(std::process::id()).unwrap();
        assert_eq!(foreign_status(own.as_fd()), None, "who lives has no status");
    }

    #[test]
    fn a_signal_reaches_exactly_this_process() {
        let child = Command::new("/bin/sleep").arg("99").spawn().unwrap();
        let pidfd = pidfd(child.id()).unwrap();
        assert!(is_alive(pidfd.as_fd()));
        signal(pidfd.as_fd(), 15).unwrap();
        assert_eq!(reap(pidfd.as_fd()).unwrap(), 143);
        assert!(!is_alive(pidfd.as_fd()));
        signal(pidfd.as_fd(), 15).unwrap();
    }

    #[test]
    fn namespaces_are_compared() {
        assert!(is_shared("self", "self", "mnt").unwrap());
        assert!(is_shared("self", "4194305", "mnt").is_err());
    }
}
