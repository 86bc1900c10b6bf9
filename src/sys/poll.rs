//! Waiting for descriptors until a deadline: poll(2), nothing else waits in this program.

use crate::error::{Error, Kind, Result};
use crate::sys::signal::Interrupts;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Until when, and what ends the waiting early. `None` waits for ever.
#[derive(Clone, Copy, Default)]
pub struct Wait<'a> {
    pub deadline: Option<Instant>,
    pub interrupts: Option<&'a Interrupts>,
}

impl<'a> Wait<'a> {
    pub fn for_ever() -> Wait<'a> {
        Wait::default()
    }

    /// At most this long from now.
    pub fn at_most(limit: Duration) -> Wait<'a> {
        Wait { deadline: Instant::now().checked_add(limit), interrupts: None }
    }

    pub fn interrupted_by(self, interrupts: &'a Interrupts) -> Wait<'a> {
        Wait { interrupts: Some(interrupts), ..self }
    }

    /// The same, ending no later than `limit` from now.
    pub fn no_longer_than(self, limit: Duration) -> Wait<'a> {
        let limit = Instant::now().checked_add(limit);
        Wait { deadline: self.deadline.into_iter().chain(limit).min(), ..self }
    }

    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// What one descriptor is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Input,
    Output,
    /// Hang-up and errors alone.
    Nothing,
}

/// Waits until any of `fds` is ready (a hang-up or error counts) and tells which are.
///
/// Errors: `TimedOut` when the deadline passes, `Interrupted` when a signal of `wait.interrupts` came. The signal is not
/// taken: every later wait, in any thread, is interrupted too, until somebody calls [`Interrupts::take`].
pub fn poll(fds: &[(BorrowedFd<'_>, For)], wait: Wait<'_>) -> Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|(fd, what)| PollFd::from_borrowed_fd(*fd, flags(*what))).collect();
    if let Some(interrupts) = wait.interrupts {
        polled.push(PollFd::from_borrowed_fd(interrupts.fd(), PollFlags::IN));
    }
    loop {
        let timeout = wait.deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(0) => return Err(Error::new(Kind::TimedOut, "timed out")),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(Error::os(errno, "poll")),
        }
    }
    if let Some(signal) = wait.interrupts.and_then(Interrupts::pending) {
        return Err(Error::new(Kind::Interrupted(signal), "interrupted"));
    }
    Ok(polled[..fds.len()].iter().map(|fd| !fd.revents().is_empty()).collect())
}

/// Waits until one descriptor is ready.
pub fn poll_one(fd: BorrowedFd<'_>, what: For, wait: Wait<'_>) -> Result<()> {
    // A wake-up by a signal that another thread has taken leaves the descriptor unready.
    while !poll(&[(fd, what)], wait)?[0] {}
    Ok(())
}

/// Sleeps until the deadline, or the limit, or an interrupt.
pub fn pause(limit: Duration, wait: Wait<'_>) -> Result<()> {
    match poll(&[], wait.no_longer_than(limit)) {
        Err(error) if *error.kind() == Kind::TimedOut => Ok(()),
        other => other.map(drop),
    }
}

fn flags(what: For) -> PollFlags {
    match what {
        For::Input => PollFlags::IN,
        For::Output => PollFlags::OUT,
        For::Nothing => PollFlags::empty(),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_only_shortens() {
        assert!(Wait::at_most(Duration::MAX).deadline.is_none());
        assert!(Wait::for_ever().no_longer_than(Duration::MAX).deadline.is_none());
        let short = Wait::at_most(Duration::ZERO);
        assert_eq!(short.no_longer_than(Duration::MAX).deadline, short.deadline);
        assert!(Wait::at_most(Duration::MAX).no_longer_than(Duration::ZERO).is_over());
    }

    #[test]
    fn nothing_ready_is_a_time_out() {
        let (fd, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = poll_one(std::os::fd::AsFd::as_fd(&fd), For::Input, Wait::at_most(Duration::ZERO)).unwrap_err();
        assert_eq!(*error.kind(), Kind::TimedOut);
    }
}
