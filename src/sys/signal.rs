//! Signals as descriptors: signalfd(2) and the mask of this thread. The program installs no handlers.

use crate::error::{Error, Kind, Result};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub const SIGHUP: i32 = libc::SIGHUP;
pub const SIGINT: i32 = libc::SIGINT;
pub const SIGQUIT: i32 = libc::SIGQUIT;
pub const SIGKILL: i32 = libc::SIGKILL;
pub const SIGUSR1: i32 = libc::SIGUSR1;
pub const SIGUSR2: i32 = libc::SIGUSR2;
pub const SIGALRM: i32 = libc::SIGALRM;
pub const SIGTERM: i32 = libc::SIGTERM;
pub const SIGCHLD: i32 = libc::SIGCHLD;
pub const SIGCONT: i32 = libc::SIGCONT;
pub const SIGWINCH: i32 = libc::SIGWINCH;

/// The first real-time signal, as PID 1 of a container counts them (signal(7); glibc and musl keep the ones below).
pub const SIGRTMIN: i32 = 34;

/// Signals are numbered from 1 to this.
const SIGNAL_MAX: i32 = 64;
/// The size of the kernel's signal set.
const SIGSET_BYTES: usize = 8;

/// The signals by which a user or a supervisor asks a command to end.
pub const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// A file that grows past RLIMIT_FSIZE is an error (EFBIG) of the write, where the kernel would end the process. A child gets it
/// back by [`reset_all`].
pub fn ignore_file_size_limit() {
    // SAFETY: no handler is installed, and nobody else changes what becomes of this signal.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Signals that are blocked in this thread and read from a descriptor while this value lives.
///
/// A child process inherits the mask: whoever spawns one while signals are blocked calls [`reset_all`] in it.
pub struct Interrupts {
    fd: OwnedFd,
    signals: Vec<i32>,
    before: libc::sigset_t,
}

impl Interrupts {
    /// Blocks `signals` and opens a descriptor on which they arrive. What the caller has us ignore (nohup(1), a shell's
    /// background job) stays ignored: blocked, it would arrive all the same.
    pub fn block(signals: &[i32]) -> Result<Interrupts> {
        let signals: Vec<i32> = signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect();
        let set = set_of(&signals);
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` is initialised, `before` is written by the call before it is read.
        let before = unsafe {
            if libc::pthread_sigmask(libc::SIG_BLOCK, &set, before.as_mut_ptr()) != 0 {
                return Err(Error::failed("cannot block signals"));
            }
            before.assume_init()
        };
        // SAFETY: `set` is initialised; the descriptor is new and ours.
        let fd = unsafe {
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(Error::os(last_errno(), "signalfd"));
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Interrupts { fd, signals, before })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A signal that has come and that nobody has taken; it stays, for every thread that waits to see.
    pub fn pending(&self) -> Option<i32> {
        pending(&self.signals)
    }

    /// Takes the next signal that has come, if one has.
    pub fn take(&self) -> Option<i32> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the kernel writes whole records; a short or failed read leaves `info` unread.
        unsafe {
            if libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) != size as isize {
                return None;
            }
            Some(info.assume_init().ssi_signo as i32)
        }
    }
}

/// For other threads of a command that the user may interrupt: they only look, and the signal stays.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    signals: Vec<i32>,
}

impl Interrupts {
    pub fn watch(&self) -> Result<Watch> {
        Ok(Watch { fd: self.fd.try_clone()?, signals: self.signals.clone() })
    }
}

impl Watch {
    /// For one more thread.
    pub fn try_clone(&self) -> Result<Watch> {
        Ok(Watch { fd: self.fd.try_clone()?, signals: self.signals.clone() })
    }

    /// Readable when a signal has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Errors: `Interrupted` when a signal has come.
    pub fn check(&self) -> Result<()> {
        match pending(&self.signals) {
            Some(signal) => Err(Error::new(Kind::Interrupted(signal), "interrupted")),
            None => Ok(()),
        }
    }
}

fn pending(signals: &[i32]) -> Option<i32> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending fills the set, and is then asked about signal numbers that exist.
    unsafe {
        if libc::sigpending(set.as_mut_ptr()) != 0 {
            return None;
        }
        let set = set.assume_init();
        signals.iter().copied().find(|signal| libc::sigismember(&set, *signal) == 1)
    }
}

impl Drop for Interrupts {
    /// What has come and was not taken is forgotten: it has been answered, by the error that it caused. Delivered now,
    /// it would kill the process before that error is told and before what is half-made is taken away.
    fn drop(&mut self) {
        while self.take().is_some() {}
        // SAFETY: `before` was filled by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Empties this thread's signal mask and gives every signal its default action: a caller's ignored SIGPIPE or blocked
/// SIGTERM must not leak into a payload. Async-signal-safe: fit for a child between fork and exec.
///
/// By the system call itself: the C libraries keep the first real-time signals for themselves and refuse to touch them, but
/// what the caller ignores there is inherited all the same.
pub fn reset_all() {
    // struct kernel_sigaction of all zeros: SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0u64; 4];
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: the kernel reads one whole kernel_sigaction; SIGKILL and SIGSTOP answer EINVAL, which is fine.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), SIGSET_BYTES);
        }
    }
    let empty = 0u64;
    // SAFETY: the kernel reads SIGSET_BYTES of `empty`.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &empty, std::ptr::null::<u64>(), SIGSET_BYTES);
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given; zeroed memory is a valid action, and the kernel overwrites it.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_stays_ignored() {
        // SAFETY: no other test uses this signal.
        unsafe { libc::signal(SIGALRM, libc::SIG_IGN) };
        let interrupts = Interrupts::block(&[SIGALRM]).unwrap();
        // SAFETY: raises an ignored signal in this thread.
        unsafe { libc::raise(SIGALRM) };
        assert_eq!((interrupts.pending(), interrupts.take()), (None, None));
    }

    #[test]
    fn a_blocked_signal_is_read_from_the_descriptor() {
        let interrupts = Interrupts::block(&[SIGUSR2]).unwrap();
        assert_eq!(interrupts.take(), None);
        // SAFETY: raises a blocked signal in this thread.
        unsafe { libc::raise(SIGUSR2) };
        assert_eq!(interrupts.pending(), Some(SIGUSR2));
        assert_eq!(interrupts.pending(), Some(SIGUSR2), "looking must not take");
        assert_eq!(interrupts.take(), Some(SIGUSR2));
        assert_eq!(interrupts.pending(), None);
        assert_eq!(interrupts.take(), None);
    }

    #[test]
    fn a_signal_nobody_took_does_not_kill_afterwards() {
        let interrupts = Interrupts::block(&[SIGUSR1]).unwrap();
        // SAFETY: raises a blocked signal in this thread.
        unsafe { libc::raise(SIGUSR1) };
        assert_eq!(interrupts.pending(), Some(SIGUSR1));
        drop(interrupts);
    }
}
