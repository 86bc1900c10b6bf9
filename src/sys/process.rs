//! Other processes: who they are (pid and start time), whether they live, their children, a signal to one of them.

use crate::error::{Context, Error, Kind, Result};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Whether processes can be looked at: procfs is mounted.
pub fn are_seen() -> bool {
    fs::exists("/proc/self").unwrap_or(false)
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId {
    pub pid: u32,
    /// Clock ticks after the host's boot, field 22 of proc_pid_stat(5).
    pub start: u64,
}

impl ProcessId {
    /// Who has this number now. `NotFound` when nobody has.
    pub fn of(pid: u32) -> Result<ProcessId> {
        Ok(ProcessId { pid, start: stat(pid)?.start })
    }

    pub fn myself() -> Result<ProcessId> {
        ProcessId::of(std::process::id())
    }

    pub fn is_alive(&self) -> bool {
        matches!(stat(self.pid), Ok(stat) if stat.start == self.start && stat.state != b'Z' && stat.state != b'X')
    }

    /// A descriptor for exactly this process: opened, then checked that the number had not passed on.
    pub fn open(&self) -> Result<Process> {
        let gone = || Error::new(Kind::NotFound, format!("process {} is gone", self.pid));
        let pid = Pid::from_raw(self.pid as i32).ok_or_else(gone)?;
        let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Err(gone()),
            other => other.map_err(|errno| Error::os(errno, format!("pidfd_open({})", self.pid)))?,
        };
        if !self.is_alive() {
            return Err(gone());
        }
        Ok(Process { id: *self, fd })
    }
}

/// An open process: a pidfd, readable when the process has ended.
pub struct Process {
    pub id: ProcessId,
    fd: OwnedFd,
}

impl Process {
    /// Sends a signal; a process that is gone already is no error.
    pub fn signal(&self, signal: i32) -> Result<()> {
        // SAFETY: any number is a valid argument; the kernel answers EINVAL for what is no signal.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.fd_number(), signal, 0usize, 0u32) };
        if result == 0 {
            return Ok(());
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ESRCH) => Ok(()),
            errno => Err(Error::new(
                Kind::Os(errno.unwrap_or(libc::EIO)),
                format!("pidfd_send_signal({}, {signal})", self.id.pid),
            )),
        }
    }

    fn fd_number(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.fd.as_raw_fd()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The processes whose parent `pid` is, in no order.
///
/// Source: /proc/PID/task/TID/children, or where the kernel lacks it (CONFIG_PROC_CHILDREN) every /proc/N/stat.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    if !fs::exists("/proc/thread-self/children").unwrap_or(false) {
        return scan(pid);
    }
    let mut found = Vec::new();
    for task in
        fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("children of process {pid}"))?.flatten()
    {
        // A thread that ends meanwhile has no children any more.
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    Ok(found)
}

fn scan(parent: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("/proc")?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter(|pid| stat(*pid).is_ok_and(|stat| stat.parent == parent)).collect())
}

/// The numbers of a process in each PID namespace it is in, outermost first ("NSpid" of proc_pid_status(5)).
pub fn namespace_pids(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context(format!("process {pid}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("");
    Ok(line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect())
}

struct Stat {
    state: u8,
    parent: u32,
    start: u64,
}

fn stat(pid: u32) -> Result<Stat> {
    let gone = || Error::new(Kind::NotFound, format!("process {pid} is gone"));
    let bytes = fs::read(format!("/proc/{pid}/stat")).map_err(|_| gone())?;
    parse_stat(&bytes).ok_or_else(|| Error::invalid(format!("/proc/{pid}/stat is not understood")))
}

/// The command name may hold anything, parentheses too: fields are counted after the last one.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let start = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, start })
}

/// Sends a signal by number to a pid that is surely ours (a child not yet waited for).
pub fn kill_child(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid as i32).ok_or_else(|| Error::invalid("pid 0"))?;
    rustix::process::kill_process(pid, signal).map_err(|errno| Error::os(errno, format!("kill({pid:?})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_cannot_forge_its_fields() {
        let stat = parse_stat(b"7 (a) R 1 (b) S 42 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9999 1 1").unwrap();
        assert_eq!((stat.state, stat.parent, stat.start), (b'S', 42, 9999));
    }

    #[test]
    fn a_process_is_known_by_pid_and_start() {
        let me = ProcessId::myself().unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start: me.start + 1, ..me }.is_alive());
        assert!(ProcessId { start: me.start + 1, ..me }.open().is_err());
    }

    #[test]
    fn a_child_is_among_the_children() {
        let mut child = std::process::Command::new("/bin/sleep").arg("9").spawn().unwrap();
        assert!(children(std::process::id()).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
