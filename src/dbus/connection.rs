//! A connection to one peer: the only file of this room with I/O. It owns the socket, the serials and what waits to be
//! sent; what has arrived is in the inbox. Whoever listens at the other end is not known here.
//!
//! Nothing is sent before somebody waits: what is queued goes out together, the authentication with the first call.

use crate::dbus::address::{self, Address};
use crate::dbus::auth::Auth;
use crate::dbus::header::{self, Kind};
use crate::dbus::inbox::Inbox;
use crate::dbus::message::Message;
use crate::dbus::rule::Rule;
use crate::dbus::value::Value;
use crate::dbus::{Endian, Limits, name};
use crate::error::{self, Context, Error, Result};
use crate::sys::poll::{self, For, Wait};
use crate::sys::socket;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Bytes of one read.
const CHUNK: usize = 16 * 1024;
/// Reads of one [`Connection::drain`]: a peer that never stops sending does not keep us.
const DRAIN_MAX: usize = 256;
/// Between two tries when a listener's backlog is full.
const BACKLOG_PAUSE: Duration = Duration::from_millis(10);

const BROKER: &str = "org.freedesktop.DBus";
const BROKER_PATH: &str = "/org/freedesktop/DBus";

/// Bytes on their way out, with the descriptors that go on the first of them.
struct Outgoing {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

pub struct Connection {
    socket: OwnedFd,
    limits: Limits,
    inbox: Inbox,
    out: VecDeque<Outgoing>,
    serial: u32,
    /// Our name on the bus, when the peer is a broker.
    unique: Option<String>,
    /// Why nothing more can come.
    broken: Option<Error>,
}

impl Connection {
    /// Connects to the socket at `path`.
    ///
    /// Errors: `Unavailable` when nobody listens there.
    pub fn open(path: &Path, limits: Limits, wait: Wait<'_>) -> Result<Connection> {
        Connection::over(connect(|| socket::connect(path), wait)?, limits)
    }

    /// Connects to the first of these addresses at which somebody listens.
    pub fn open_address(text: &str, limits: Limits, wait: Wait<'_>) -> Result<Connection> {
        let mut last = Error::new(error::Kind::Unavailable, format!("no Unix socket is in the D-Bus address {text:?}"));
        for address in address::parse(text)? {
            let attempt = match &address {
                Address::Path(path) => connect(|| socket::connect(path), wait),
                Address::Abstract(name) => connect(|| socket::connect_abstract(name), wait),
            };
            match attempt {
                Ok(socket) => return Connection::over(socket, limits),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Speaks over a stream socket that is connected already. Nothing is sent yet.
    pub fn over(socket: OwnedFd, limits: Limits) -> Result<Connection> {
        socket::set_nonblocking(socket.as_fd())?;
        let (auth, greeting) = Auth::begin(socket::own_uid());
        Ok(Connection {
            socket,
            limits,
            inbox: Inbox::new(auth, limits),
            out: VecDeque::from([Outgoing { bytes: greeting, fds: Vec::new() }]),
            serial: 0,
            unique: None,
            broken: None,
        })
    }

    /// Takes a name on the bus. Only a broker knows this call.
    pub fn hello(&mut self, wait: Wait<'_>) -> Result<()> {
        let reply = self.call(broker_call("Hello"), wait)?;
        match reply.body.first() {
            Some(Value::String(unique)) if unique.starts_with(':') && name::is_bus(unique) => {
                self.unique = Some(unique.clone());
                Ok(())
            }
            _ => Err(Error::invalid("the broker answers Hello with no name")),
        }
    }

    /// Our name on the bus; `None` on a connection without a broker.
    pub fn unique_name(&self) -> Option<&str> {
        self.unique.as_deref()
    }

    /// The socket: readable when something may have come. What was read already is taken by [`Connection::drain`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Queues a message for the next write and tells its serial. `reply` takes the answer, if one is due.
    pub fn queue(&mut self, mut message: Message) -> Result<u32> {
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        let bytes = message.encode(self.serial, Endian::Little)?;
        if message.header.kind == Kind::MethodCall && message.header.flags & header::NO_REPLY == 0 {
            self.inbox.expect_reply(self.serial);
        }
        let fds = std::mem::take(&mut message.fds);
        match self.out.back_mut() {
            Some(last) if fds.is_empty() && last.fds.is_empty() => last.bytes.extend(bytes),
            _ => self.out.push_back(Outgoing { bytes, fds }),
        }
        Ok(self.serial)
    }

    /// Sends a message to which no answer is awaited.
    pub fn send(&mut self, mut message: Message, wait: Wait<'_>) -> Result<()> {
        message.header.flags |= header::NO_REPLY;
        self.queue(message)?;
        loop {
            self.alive()?;
            self.flush()?;
            if self.out.is_empty() {
                return Ok(());
            }
            self.advance(wait)?;
        }
    }

    /// Calls a method and waits for its answer.
    ///
    /// Errors: `Dbus` with the peer's own error, `Unavailable` when it goes away, `TimedOut`, `Interrupted`.
    pub fn call(&mut self, message: Message, wait: Wait<'_>) -> Result<Message> {
        let member = message.member().to_string();
        let serial = self.queue(message)?;
        self.reply(serial, wait).context(member)
    }

    /// Waits for the answer to a queued call, in whatever order answers come. One that comes after this has failed is
    /// dropped.
    pub fn reply(&mut self, serial: u32, wait: Wait<'_>) -> Result<Message> {
        let reply = self.until(wait, |inbox| inbox.take_reply(serial));
        self.inbox.forget_reply(serial);
        reply?.into_result()
    }

    /// Asks for the signals of this rule; others are dropped as they come.
    pub fn watch(&mut self, rule: Rule, wait: Wait<'_>) -> Result<()> {
        let text = rule.render();
        self.inbox.want(rule);
        if self.unique.is_some() {
            self.call(broker_call("AddMatch").with(text), wait)?;
        }
        Ok(())
    }

    /// Takes back one [`Connection::watch`].
    pub fn unwatch(&mut self, rule: &Rule, wait: Wait<'_>) -> Result<()> {
        self.inbox.unwant(rule);
        if self.unique.is_some() {
            self.call(broker_call("RemoveMatch").with(rule.render()), wait)?;
        }
        Ok(())
    }

    /// The next signal that a rule asks for.
    pub fn next_signal(&mut self, wait: Wait<'_>) -> Result<Message> {
        self.until(wait, Inbox::take_signal)
    }

    /// Takes in what has arrived, without waiting; then [`Connection::take_signal`] tells what of it are signals.
    pub fn drain(&mut self) -> Result<()> {
        for _ in 0..DRAIN_MAX {
            if self.broken.is_some() {
                break;
            }
            self.flush()?;
            if !self.read()? {
                break;
            }
        }
        Ok(())
    }

    /// A signal that has come already.
    pub fn take_signal(&mut self) -> Option<Message> {
        self.inbox.take_signal()
    }

    /// Why this connection has ended, if it has.
    pub fn alive(&self) -> Result<()> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Works until `take` has something. What came before the end of a connection is still handed out.
    fn until(&mut self, wait: Wait<'_>, take: impl Fn(&mut Inbox) -> Option<Message>) -> Result<Message> {
        loop {
            if let Some(message) = take(&mut self.inbox) {
                return Ok(message);
            }
            self.alive()?;
            self.advance(wait)?;
            // A peer that always has more to say must not keep us past the deadline.
            if wait.is_over() {
                return take(&mut self.inbox).ok_or_else(|| Error::new(error::Kind::TimedOut, "timed out"));
            }
        }
    }

    /// One step: writes what the peer takes, waits, reads what is there.
    fn advance(&mut self, wait: Wait<'_>) -> Result<()> {
        self.flush()?;
        let blocked = self.out.front().is_some_and(|first| self.may_send(first));
        let socket = self.socket.as_fd();
        let readable = match blocked {
            true => poll::poll(&[(socket, For::Input), (socket, For::Output)], wait)?[0],
            false => poll::poll(&[(socket, For::Input)], wait)?[0],
        };
        if readable { self.read().map(drop) } else { Ok(()) }
    }

    /// Descriptors must not be sent before the peer has agreed to take them.
    fn may_send(&self, outgoing: &Outgoing) -> bool {
        outgoing.fds.is_empty() || self.inbox.auth().is_done()
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(first) = self.out.pop_front() {
            if !self.may_send(&first) {
                self.out.push_front(first);
                return Ok(());
            }
            if !first.fds.is_empty() && !self.inbox.auth().passes_descriptors() {
                return Err(Error::new(error::Kind::Unavailable, "the peer takes no descriptors"));
            }
            match socket::send(self.socket.as_fd(), &first.bytes, &first.fds) {
                Ok(sent) if self.put_back(first, sent) => {}
                Ok(_) => return Ok(()),
                // The peer's last words may still be there to be read; their end is the end of the connection.
                Err(error) if *error.kind() == error::Kind::Unavailable => self.out.clear(),
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(())
    }

    /// Keeps what was not sent; whether all was. Descriptors go with the first byte.
    fn put_back(&mut self, mut outgoing: Outgoing, sent: Option<usize>) -> bool {
        if let Some(sent) = sent {
            outgoing.bytes.drain(..sent);
            outgoing.fds.clear();
        }
        let all = outgoing.bytes.is_empty();
        if !all {
            self.out.push_front(outgoing);
        }
        all
    }

    /// Takes in one read; whether there was anything.
    fn read(&mut self) -> Result<bool> {
        let mut chunk = [0; CHUNK];
        let received =
            socket::receive(self.socket.as_fd(), &mut chunk, self.limits.fds).map_err(|error| self.fail(error))?;
        let Some((count, fds)) = received else { return Ok(false) };
        if count == 0 {
            self.fail(Error::new(error::Kind::Unavailable, "the peer closed the connection"));
            return Ok(false);
        }
        self.inbox.feed(&chunk[..count], fds).map_err(|error| self.fail(error))?;
        Ok(true)
    }

    /// Nothing more is read or written after this.
    fn fail(&mut self, error: Error) -> Error {
        self.out.clear();
        self.broken.get_or_insert(error).clone()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

fn broker_call(member: &str) -> Message {
    Message::call(BROKER_PATH, BROKER, member).to(BROKER)
}

/// Tries again while the listener's backlog is full. Whatever keeps us from the peer is `Unavailable`.
fn connect(open: impl Fn() -> Result<Option<OwnedFd>>, wait: Wait<'_>) -> Result<OwnedFd> {
    let unavailable = |error: Error| Error::new(error::Kind::Unavailable, error.to_string());
    loop {
        if let Some(socket) = open().map_err(unavailable)? {
            return Ok(socket);
        }
        if wait.is_over() {
            return Err(Error::new(error::Kind::TimedOut, "timed out: the peer takes no connections"));
        }
        poll::pause(BACKLOG_PAUSE, wait)?;
    }
}
