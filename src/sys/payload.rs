//! The last steps of a process before it becomes a program of the container: its standard descriptors, its session,
//! its user, its directory.

use crate::error::{Error, Result};
use crate::sys::{confine, io, memfd, signal};
use rustix::io::Errno;
use rustix::process::Signal;
use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
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

/// Becomes `program`, by execve(2) itself: a file of no known format is not taken for a shell script, as execvp(3)
/// does. Signals are as on a fresh start. Returns only the error.
pub fn execute(program: &Path, arguments: &[OsString], environment: &[OsString]) -> Error {
    let strings = |words: &[OsString]| words.iter().map(|word| CString::new(word.as_bytes())).collect();
    let (Ok(path), Ok(arguments), Ok(environment)): (_, Strings, Strings) =
        (CString::new(program.as_os_str().as_bytes()), strings(arguments), strings(environment))
    else {
        return Error::invalid(format!("execve({program:?}): a NUL stands in its arguments"));
    };
    let (arguments, environment) = (pointers(&arguments), pointers(&environment));
    signal::reset_all();
    // SAFETY: all three are NUL-terminated, the arrays end with a null pointer, and all outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Error::os(last_errno(), format!("execve({program:?})"))
}

type Strings = std::result::Result<Vec<CString>, std::ffi::NulError>;

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// What a rehearsal came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehearsal {
    /// The kernel would execute it.
    Executed,
    /// It would not, in these words of the step that failed.
    Refused(String),
}

/// Lets a copy of this process take `steps`, the last of which executes a program, and kills it before the program's
/// first instruction. Only for a process with one thread.
///
/// The copy is traced: it stops inside execve(2), and dies with its tracer (PTRACE_O_EXITKILL of ptrace(2)).
pub fn rehearse(steps: impl FnOnce() -> Error) -> Result<Rehearsal> {
    let (go, start) = io::pipe()?;
    let (report, result) = io::pipe()?;
    // SAFETY: there is one thread, so no lock is held by another; the copy leaves by execve or _exit.
    match unsafe { libc::fork() } {
        -1 => Err(Error::os(last_errno(), "fork")),
        0 => {
            drop((start, report));
            let error = match wait_for_byte(go) {
                true => steps(),
                false => Error::failed("it was not traced"),
            };
            let _ = rustix::io::write(&result, error.to_string().as_bytes());
            // SAFETY: ends the copy at once, without running what belongs to the original.
            unsafe { libc::_exit(1) }
        }
        pid => {
            drop((go, result));
            let heard = seize(pid).and_then(|()| let_go(start)).and_then(|()| memfd::read(report));
            end(pid);
            let words = heard?;
            Ok(match words.is_empty() {
                true => Rehearsal::Executed,
                false => Rehearsal::Refused(String::from_utf8_lossy(&words).into_owned()),
            })
        }
    }
}

fn wait_for_byte(go: OwnedFd) -> bool {
    matches!(rustix::io::read(&go, &mut [0u8; 1]), Ok(1))
}

fn let_go(start: OwnedFd) -> Result<()> {
    rustix::io::write(&start, b"x").map(drop).map_err(|errno| Error::os(errno, "write"))
}

fn seize(pid: libc::pid_t) -> Result<()> {
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXEC;
    // SAFETY: plain numbers; the process is our own child.
    match unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0usize, options as libc::c_ulong) } {
        0 => Ok(()),
        _ => Err(Error::os(last_errno(), "ptrace(PTRACE_SEIZE)")),
    }
}

/// Kills a child and waits until it is gone; the stops of its being traced are passed over.
fn end(pid: libc::pid_t) {
    // SAFETY: plain calls; the child was not waited for before, so the number is still its own.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, libc::__WALL) == pid && libc::WIFSTOPPED(status) {}
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn rehearsed(program: impl AsRef<Path>, arguments: &[&str]) -> Rehearsal {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        rehearse(|| execute(program.as_ref(), &arguments, &[])).unwrap()
    }

    #[test]
    fn what_is_rehearsed_does_not_run() {
        let file = std::env::temp_dir().join(format!("sdme-rehearsal-{}", std::process::id()));
        let script = format!("echo x > {}", file.display());
        assert_eq!(rehearsed("/bin/sh", &["sh", "-c", &script]), Rehearsal::Executed);
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!file.exists(), "the program was run");
    }

    #[test]
    fn what_the_kernel_refuses_is_told() {
        assert!(matches!(rehearsed("/nonexistent", &[]), Rehearsal::Refused(why) if why.contains("No such file")));
        assert!(matches!(rehearsed("/etc/passwd", &[]), Rehearsal::Refused(why) if why.contains("ermission")));
    }

    #[test]
    fn what_has_no_format_is_no_script() {
        let file = std::env::temp_dir().join(format!("sdme-format-{}", std::process::id()));
        std::fs::write(&file, "exit 0").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let rehearsed = rehearsed(&file, &["x"]);
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(rehearsed, Rehearsal::Refused(why) if why.contains("ormat")));
    }
}
