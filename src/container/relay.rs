//! Copying bytes between the caller's descriptors and a payload's, while something else is waited for.
//!
//! Nothing blocks: a terminal that is stopped, a reader that is slow, a guest that floods hold up their own flow only.

use crate::container::escape::Escape;
use crate::error::{Context, Errno, Error, Kind, Result};
use crate::sys::io;
use crate::sys::poll::{self, For, Wait};
use crate::sys::pty;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Bytes of one read.
const CHUNK: usize = 16 << 10;
/// How long what the payload has left in its pipes may take to be shown.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// One direction.
pub struct Flow {
    from: OwnedFd,
    to: OwnedFd,
    pending: Vec<u8>,
    is_ended: bool,
    role: Role,
    /// Why what the payload wrote could not be kept.
    fault: Option<Error>,
}

#[derive(PartialEq)]
enum Role {
    /// From the user into a pipe.
    Input,
    /// From a pipe to the user.
    Output,
    /// From a user into a pty.
    Keyboard { escape: Option<Escape>, at_line_start: bool },
    /// From a pty to a user: what the user no longer reads is thrown away, so that the payload is not held up.
    Screen { is_deaf: bool },
}

/// All directions of one payload.
#[derive(Default)]
pub struct Relay {
    flows: Vec<Flow>,
    fault: Option<Error>,
}

/// Why [`Relay::step`] came back.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// One of the other descriptors is ready.
    Other,
    /// The user has typed the escape.
    Left,
}

impl Flow {
    pub fn input(from: OwnedFd, to: OwnedFd) -> Flow {
        Flow { from, to, pending: Vec::new(), is_ended: false, role: Role::Input, fault: None }
    }

    pub fn output(from: OwnedFd, to: OwnedFd) -> Flow {
        Flow { role: Role::Output, ..Flow::input(from, to) }
    }

    /// `escapes`: whether a person sits there, who can leave by the escape.
    pub fn keyboard(from: OwnedFd, master: OwnedFd, escapes: bool) -> Flow {
        let role = Role::Keyboard { escape: escapes.then(Escape::default), at_line_start: true };
        Flow { role, ..Flow::input(from, master) }
    }

    pub fn screen(master: OwnedFd, to: OwnedFd) -> Flow {
        Flow { role: Role::Screen { is_deaf: false }, ..Flow::input(master, to) }
    }

    fn awaited(&self) -> (BorrowedFd<'_>, For) {
        if self.pending.is_empty() { (self.from.as_fd(), For::Input) } else { (self.to.as_fd(), For::Output) }
    }

    /// Moves what can be moved at once. True when the user leaves.
    fn advance(&mut self) -> bool {
        let is_new = self.pending.is_empty() && !self.is_ended;
        if is_new {
            self.fill();
        }
        let left = is_new && self.watch_keys();
        self.flush();
        left
    }

    fn fill(&mut self) {
        let mut chunk = [0; CHUNK];
        match io::read(self.from.as_fd(), &mut chunk) {
            Ok(None) => {}
            Ok(Some(length @ 1..)) => self.pending.extend(&chunk[..length]),
            // A pty without a last user says EIO; whatever it is, nothing more comes from there.
            Ok(Some(0)) | Err(_) => self.end_input(),
        }
    }

    fn end_input(&mut self) {
        self.is_ended = true;
        if let Role::Keyboard { at_line_start, .. } = self.role {
            if let Some(end) = pty::end_of_file(self.to.as_fd()) {
                // The first one in the middle of a line only hands the line over.
                self.pending.extend(std::iter::repeat_n(end, if at_line_start { 1 } else { 2 }));
            }
        }
    }

    fn watch_keys(&mut self) -> bool {
        let Role::Keyboard { escape, at_line_start } = &mut self.role else { return false };
        *at_line_start = self.pending.last().map_or(*at_line_start, |last| matches!(last, b'\n' | b'\r'));
        let found = escape.as_mut().and_then(|escape| escape.find(&self.pending, Instant::now()));
        self.pending.truncate(found.unwrap_or(self.pending.len()));
        found.is_some()
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if let Role::Screen { is_deaf: true } = self.role {
            return self.pending.clear();
        }
        match io::write(self.to.as_fd(), &self.pending) {
            Ok(None) => {}
            Ok(Some(length)) => drop(self.pending.drain(..length)),
            Err(error) => self.lose_reader(error),
        }
    }

    /// A reader that has gone (EPIPE), or a terminal that has (EIO), wants no more; a disk that is full has lost what
    /// the payload takes for written.
    fn lose_reader(&mut self, error: Error) {
        self.pending.clear();
        if self.role == Role::Output && !matches!(error.errno(), Some(Errno::PIPE | Errno::IO)) {
            self.fault = Some(error);
        }
        match &mut self.role {
            Role::Screen { is_deaf } => *is_deaf = true,
            _ => self.is_ended = true,
        }
    }

    fn comes_from_user(&self) -> bool {
        matches!(self.role, Role::Input | Role::Keyboard { .. })
    }

    fn is_done(&self) -> bool {
        self.is_ended && self.pending.is_empty()
    }
}

impl Relay {
    pub fn add(&mut self, flow: Flow) {
        self.flows.push(flow);
    }

    /// Copies until one of `others` is ready, or the user leaves.
    ///
    /// Errors: `TimedOut`, `Interrupted` as [`poll::poll`].
    pub fn step(&mut self, others: &[BorrowedFd<'_>], wait: Wait<'_>) -> Result<Step> {
        loop {
            let ready = self.poll(others, wait)?;
            if self.advance(&ready[others.len()..]) {
                return Ok(Step::Left);
            }
            if ready[..others.len()].contains(&true) {
                return Ok(Step::Other);
            }
        }
    }

    /// Shows what the payload has left behind: until the ends, or until nothing more is there at once.
    ///
    /// Errors: that what it wrote could not be written on, now or before.
    pub fn drain(&mut self, wait: Wait<'_>) -> Result<()> {
        let wait = wait.no_longer_than(DRAIN_LIMIT);
        self.flows.retain(|flow| !flow.comes_from_user());
        while !self.flows.is_empty() && !wait.is_over() {
            let shows = self.flows.iter().any(|flow| !flow.pending.is_empty());
            match self.poll(&[], if shows { wait } else { wait.no_longer_than(Duration::ZERO) }) {
                Err(error) if *error.kind() == Kind::TimedOut => break,
                ready => self.advance(&ready?),
            };
        }
        self.fault.take().map_or(Ok(()), Err).context("writing what the command has written")
    }

    fn poll(&mut self, others: &[BorrowedFd<'_>], wait: Wait<'_>) -> Result<Vec<bool>> {
        let others = others.iter().map(|fd| (*fd, For::Input));
        let awaited: Vec<_> = others.chain(self.flows.iter().map(Flow::awaited)).collect();
        poll::poll(&awaited, wait)
    }

    /// True when the user leaves. A flow that is done closes its ends: so a payload learns that its input has ended.
    fn advance(&mut self, ready: &[bool]) -> bool {
        let flows = self.flows.iter_mut().zip(ready).filter(|(_, ready)| **ready);
        let left = flows.map(|(flow, _)| flow.advance()).fold(false, |left, leaves| left | leaves);
        let fault = self.flows.iter_mut().find_map(|flow| flow.fault.take());
        self.fault = self.fault.take().or(fault);
        self.flows.retain(|flow| !flow.is_done());
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::io::pipe_of_files as pipe;
    use std::fs::File;
    use std::io::{Read, Write};

    fn fd(from: impl Into<OwnedFd>) -> OwnedFd {
        from.into()
    }

    #[test]
    fn bytes_and_the_end_travel() {
        let ((near, mut user), (mut payload, far)) = (pipe().unwrap(), pipe().unwrap());
        let mut relay = Relay::default();
        relay.add(Flow::input(fd(near), fd(far)));
        user.write_all(b"a\0\xff").unwrap();
        drop(user);
        let over = relay.step(&[], Wait::at_most(Duration::from_millis(50))).unwrap_err();
        assert_eq!(*over.kind(), Kind::TimedOut);
        let mut text = Vec::new();
        payload.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"a\0\xff");
    }

    #[test]
    fn output_that_finds_no_room_is_told() {
        let (out, mut payload) = pipe().unwrap();
        payload.write_all(b"lost").unwrap();
        drop(payload);
        let mut relay = Relay::default();
        relay.add(Flow::output(fd(out), fd(File::options().write(true).open("/dev/full").unwrap())));
        let error = relay.drain(Wait::for_ever()).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::NOSPC), "{error}");
    }

    #[test]
    fn a_slow_reader_holds_up_its_own_flow_only() {
        let ((out, mut payload_out), (_unread, user_out)) = (pipe().unwrap(), pipe().unwrap());
        let ((err, mut payload_err), (mut user, user_err)) = (pipe().unwrap(), pipe().unwrap());
        rustix::io::ioctl_fionbio(&payload_out, true).unwrap();
        rustix::io::ioctl_fionbio(&user_out, true).unwrap();
        while payload_out.write(&[b'x'; 4096]).is_ok() {}
        payload_err.write_all(b"hello").unwrap();
        let mut relay = Relay::default();
        relay.add(Flow::output(fd(out), fd(user_out)));
        relay.add(Flow::output(fd(err), fd(user_err)));
        let _ = relay.step(&[], Wait::at_most(Duration::from_millis(50)));
        let mut text = [0; 5];
        user.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    }

    #[test]
    fn what_is_left_behind_is_shown_although_somebody_holds_the_pipe() {
        let ((near, mut payload), (mut user, far)) = (pipe().unwrap(), pipe().unwrap());
        payload.write_all(&[b'x'; 50_000]).unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            user.read_to_end(&mut text).unwrap();
            text.len()
        });
        let mut relay = Relay::default();
        relay.add(Flow::output(fd(near), fd(far)));
        relay.drain(Wait::for_ever()).unwrap();
        drop(relay);
        assert_eq!(reader.join().unwrap(), 50_000);
        drop(payload);
    }

    #[test]
    fn a_reader_that_has_gone_is_the_payloads_affair() {
        let ((near, mut payload), (user, far)) = (pipe().unwrap(), pipe().unwrap());
        drop(user);
        payload.write_all(b"x").unwrap();
        let mut relay = Relay::default();
        relay.add(Flow::output(fd(near), fd(far)));
        let _ = relay.step(&[], Wait::at_most(Duration::from_millis(20)));
        assert!(payload.write_all(b"x").is_err(), "it must see a broken pipe");
    }

    #[test]
    fn the_escape_ends_it_and_is_not_sent() {
        let ((near, mut user), (mut payload, far)) = (pipe().unwrap(), pipe().unwrap());
        let mut relay = Relay::default();
        relay.add(Flow::keyboard(fd(near), fd(far), true));
        user.write_all(b"ab\x1d\x1d\x1dcd").unwrap();
        assert_eq!(relay.step(&[], Wait::for_ever()).unwrap(), Step::Left);
        drop(relay);
        let mut text = Vec::new();
        payload.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"ab\x1d\x1d");
    }

    #[test]
    fn others_are_told_of() {
        let (other, mut end) = pipe().unwrap();
        end.write_all(b"x").unwrap();
        let other = File::from(fd(other));
        assert_eq!(Relay::default().step(&[other.as_fd()], Wait::for_ever()).unwrap(), Step::Other);
    }
}
