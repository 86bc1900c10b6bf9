//! What a peer has sent, sorted as it comes: answers to those who wait for them, signals that a rule asks for; pure.
//!
//! Everything else is dropped. Method calls too: nobody has a reason to call us.

use crate::dbus::Limits;
use crate::dbus::auth::Auth;
use crate::dbus::header::{self, FIXED, Kind};
use crate::dbus::message::Message;
use crate::dbus::rule::Rule;
use crate::error::{self, Error, Result};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Signals that may wait to be taken; their bytes are bounded by the limit of one message, too.
const SIGNALS_MAX: usize = 4096;

pub struct Inbox {
    limits: Limits,
    auth: Auth,
    /// The start of what is not whole yet, and the descriptors that came with it.
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
    /// Serials of calls whose answers are still wanted.
    awaited: Vec<u32>,
    replies: Vec<Message>,
    rules: Vec<Rule>,
    /// Each with its size as it was sent.
    signals: VecDeque<(Message, usize)>,
    held: usize,
}

impl Inbox {
    pub fn new(auth: Auth, limits: Limits) -> Inbox {
        Inbox {
            limits,
            auth,
            bytes: Vec::new(),
            fds: Vec::new(),
            awaited: Vec::new(),
            replies: Vec::new(),
            rules: Vec::new(),
            signals: VecDeque::new(),
            held: 0,
        }
    }

    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    pub fn expect_reply(&mut self, serial: u32) {
        self.awaited.push(serial);
    }

    /// An answer that comes later is dropped.
    pub fn forget_reply(&mut self, serial: u32) {
        self.awaited.retain(|awaited| *awaited != serial);
    }

    pub fn take_reply(&mut self, serial: u32) -> Option<Message> {
        let at = self.replies.iter().position(|reply| reply.header.reply_serial == Some(serial))?;
        Some(self.replies.swap_remove(at))
    }

    pub fn want(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub fn unwant(&mut self, rule: &Rule) {
        if let Some(at) = self.rules.iter().position(|known| known == rule) {
            self.rules.remove(at);
        }
    }

    /// The signals that were asked for, in the order in which they came.
    pub fn take_signal(&mut self) -> Option<Message> {
        let (signal, size) = self.signals.pop_front()?;
        self.held -= size;
        Some(signal)
    }

    /// Takes in the next bytes of the peer, however they are cut, and the descriptors that came with them.
    ///
    /// Errors: what ends the connection: `Invalid` for a broken rule, `Unavailable` for a refusal or a flood.
    pub fn feed(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) -> Result<()> {
        self.bytes.extend(bytes);
        self.fds.extend(fds);
        let mut at = self.auth.feed(&self.bytes)?;
        while self.auth.is_done() {
            let rest = &self.bytes[at..];
            let Some(frame) = header::frame(&rest[..rest.len().min(FIXED)], self.limits)? else { break };
            let Some(whole) = rest.get(..frame.total) else { break };
            let message = Message::decode(whole, frame, &mut self.fds)?;
            at += frame.total;
            self.sort(message, frame.total)?;
        }
        self.bytes.drain(..at);
        let stray = self.fds.len() > self.limits.fds || (self.bytes.is_empty() && !self.fds.is_empty());
        if stray { Err(Error::invalid("the peer sent descriptors that belong to no message")) } else { Ok(()) }
    }

    fn sort(&mut self, message: Message, size: usize) -> Result<()> {
        match message.header.kind {
            Kind::MethodReturn | Kind::Error => {
                let answers = |awaited: &u32| message.header.reply_serial == Some(*awaited);
                if let Some(at) = self.awaited.iter().position(answers) {
                    self.awaited.swap_remove(at);
                    self.replies.push(message);
                }
            }
            Kind::Signal if self.rules.iter().any(|rule| rule.matches(&message)) => self.keep_signal(message, size)?,
            Kind::Signal | Kind::MethodCall | Kind::Unknown(_) => {}
        }
        Ok(())
    }

    fn keep_signal(&mut self, message: Message, size: usize) -> Result<()> {
        if self.signals.len() >= SIGNALS_MAX || self.held + size > self.limits.message {
            return Err(Error::new(error::Kind::Unavailable, "the peer sends more signals than we take"));
        }
        self.held += size;
        self.signals.push_back((message, size));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::Endian;

    const OK: &[u8] = b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";

    fn signal(member: &str) -> Vec<u8> {
        let mut message = Message::call("/a", "b.C", member);
        message.header.kind = Kind::Signal;
        message.encode(1, Endian::Little).unwrap()
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let stream = [OK, &signal("Wanted"), &signal("Other"), &signal("Wanted")].concat();
        for cut in 0..stream.len() {
            let mut inbox = Inbox::new(Auth::begin(0).0, Limits::HOSTILE);
            inbox.want(Rule::signal("x.y", "b.C", "Wanted"));
            inbox.feed(&stream[..cut], Vec::new()).unwrap();
            inbox.feed(&stream[cut..], Vec::new()).unwrap();
            let taken: Vec<Message> = std::iter::from_fn(|| inbox.take_signal()).collect();
            assert_eq!((taken.len(), inbox.held, inbox.bytes.len()), (2, 0, 0), "cut at {cut}");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_taken_makes_room() {
        let mut inbox = Inbox::new(Auth::begin(0).0, Limits { message: 1000, fds: 0 });
        inbox.want(Rule::signal("x.y", "b.C", "Wanted"));
        inbox.feed(OK, Vec::new()).unwrap();
        let one = signal("Wanted");
        for _ in 0..1000 / one.len() {
            inbox.feed(&one, Vec::new()).unwrap();
        }
        assert!(inbox.take_signal().is_some());
        inbox.feed(&one, Vec::new()).unwrap();
        assert_eq!(*inbox.feed(&one, Vec::new()).unwrap_err().kind(), error::Kind::Unavailable);
    }
}
