//! Starting another program with nothing of ours in it: no descriptors, no environment, no signal settings.

use crate::error::{Context, Result};
use crate::sys::signal;
use rustix::process::Signal;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program to be started, or to be become.
pub struct Program {
    command: Command,
    end_with_us: Option<Signal>,
    own_session: bool,
    group: Option<OwnedFd>,
}

impl Program {
    /// `program` with these arguments and an empty environment.
    pub fn new<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsString>) -> Program {
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        Program { command, end_with_us: None, own_session: false, group: None }
    }

    /// `program` with these arguments and the caller's own environment: it is run for him.
    pub fn of_the_caller<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsString>) -> Program {
        let mut command = Command::new(program);
        command.args(arguments);
        Program { command, ..Program::new(program, []) }
    }

    pub fn argument_zero(mut self, word: &str) -> Program {
        self.command.arg0(word);
        self
    }

    pub fn environment(mut self, key: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(key, value);
        self
    }

    pub fn input(mut self, from: Stdio) -> Program {
        self.command.stdin(from);
        self
    }

    pub fn output(mut self, to: Stdio, errors: Stdio) -> Program {
        self.command.stdout(to).stderr(errors);
        self
    }

    /// It is killed when the thread that starts it ends.
    pub fn end_with_us(mut self) -> Program {
        self.end_with_us = Some(Signal::KILL);
        self
    }

    /// It gets SIGTERM when the thread that starts it ends: for one that has something of its own to end first.
    pub fn terminate_with_us(mut self) -> Program {
        self.end_with_us = Some(Signal::TERM);
        self
    }

    /// It leads a session of its own, so that no terminal's signals reach it.
    pub fn own_session(mut self) -> Program {
        self.own_session = true;
        self
    }

    /// It joins the control group whose cgroup.procs this is before it runs.
    pub fn in_group(mut self, procs: OwnedFd) -> Program {
        self.group = Some(procs);
        self
    }

    pub fn spawn(mut self) -> Result<Child> {
        self.arm();
        self.command.spawn().with_context(|| format!("execve({:?})", self.command.get_program()))
    }

    /// Becomes the program; returns only the error.
    pub fn exec(mut self) -> crate::error::Error {
        self.arm();
        let error = self.command.exec();
        crate::error::Error::from(error).context(format!("execve({:?})", self.command.get_program()))
    }

    fn arm(&mut self) {
        let (end_with_us, own_session) = (self.end_with_us, self.own_session);
        let group = self.group.as_ref().map(|fd| fd.as_raw_fd());
        // SAFETY: between fork and exec only async-signal-safe calls are made: nothing allocates or locks.
        unsafe { self.command.pre_exec(move || prepare(end_with_us, own_session, group)) };
    }
}

fn prepare(end_with_us: Option<Signal>, own_session: bool, group: Option<RawFd>) -> std::io::Result<()> {
    signal::reset_all();
    if own_session {
        rustix::process::setsid()?;
    }
    if end_with_us.is_some() {
        rustix::process::set_parent_process_death_signal(end_with_us)?;
    }
    if let Some(group) = group {
        // SAFETY: the descriptor is held open by the parent, whose copy this child has.
        rustix::io::write(unsafe { std::os::fd::BorrowedFd::borrow_raw(group) }, b"0")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn one_that_is_asked_to_end_with_us_can_end_its_own_way() {
        let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        let words = ["-c".into(), script.into()];
        let starting = std::thread::spawn(move || {
            let program = Program::new(Path::new("/bin/sh"), &words).output(Stdio::piped(), Stdio::null());
            let mut child = program.environment("PATH", "/usr/bin:/bin").terminate_with_us().spawn().unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
            child
        });
        assert_eq!(starting.join().unwrap().wait().unwrap().code(), Some(7));
    }

    #[test]
    fn nothing_that_we_ignore_is_ignored_by_the_program() {
        // What a caller may have ignored among the signals that C libraries keep for themselves.
        let ignored = [1usize, 0, 0, 0];
        // SAFETY: one whole kernel_sigaction with SIG_IGN; nothing here sends signal 33.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, 33, ignored.as_ptr(), std::ptr::null::<u64>(), 8usize) };
        let arguments = ["^SigIgn".into(), "/proc/self/status".into()];
        let program = Program::new(Path::new("/bin/grep"), &arguments).output(Stdio::piped(), Stdio::null());
        let mut child = program.spawn().unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        assert_eq!(text, "SigIgn:\t0000000000000000\n");
    }
}
