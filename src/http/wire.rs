//! A TCP connection that waits with limits: no read or write blocks longer than a server may be silent, and the one who waits
//! is asked several times a second whether to go on.

use crate::error::{Error, Kind, Result};
use crate::sys::poll::{self, For, Wait};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nobody is asked whether to go on.
const SLICE: Duration = Duration::from_millis(100);

/// Bytes both ways: TCP, or TLS over it, or TLS over TLS.
pub trait Link: Read + Write + Send {}

impl<T: Read + Write + Send> Link for T {}

/// Fails when what is under way is to end (a signal came, another thread gave up), and stays failed.
pub type Alive = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// Waiting, in slices.
#[derive(Clone)]
pub struct Pace {
    pub alive: Alive,
    /// How long a server may be silent.
    pub stall: Duration,
}

impl Pace {
    /// Waits until one of `fds` is ready. None: the deadline has passed.
    pub fn wait(&self, fds: &[(BorrowedFd<'_>, For)], deadline: Instant) -> Result<Option<Vec<bool>>> {
        loop {
            (self.alive)()?;
            let slice = Wait { deadline: Some(deadline), interrupts: None }.no_longer_than(SLICE);
            match poll::poll(fds, slice) {
                Err(error) if *error.kind() != Kind::TimedOut => return Err(error),
                Ok(ready) if ready.contains(&true) => return Ok(Some(ready)),
                _ if Instant::now() >= deadline => return Ok(None),
                _ => {}
            }
        }
    }

    pub fn pause(&self, length: Duration) -> Result<()> {
        self.wait(&[], after(length)).map(drop)
    }
}

/// So long from now, at most a day: what is added to an `Instant` must fit.
pub fn after(length: Duration) -> Instant {
    Instant::now() + length.min(Duration::from_secs(86_400))
}

/// Until when a connection may take over what it does now; `None`: as long as bytes come. Shared with the connection.
#[derive(Clone, Default)]
pub struct Deadline {
    at: Arc<Mutex<Option<Instant>>>,
}

impl Deadline {
    pub fn set(&self, at: Option<Instant>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn get(&self) -> Option<Instant> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Wire {
    stream: TcpStream,
    pace: Pace,
    deadline: Deadline,
}

impl Wire {
    /// `socket` is connected and does not block.
    pub fn new(socket: OwnedFd, pace: Pace, deadline: Deadline) -> Wire {
        let stream = TcpStream::from(socket);
        // The end of a handshake and the request follow each other; together they would wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        Wire { stream, pace, deadline }
    }

    fn wait(&self, what: For) -> Result<()> {
        let silence = after(self.pace.stall);
        let until = self.deadline.get().map_or(silence, |deadline| deadline.min(silence));
        match self.pace.wait(&[(self.stream.as_fd(), what)], until)? {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::TimedOut, "the server was silent too long")),
        }
    }

    /// Does it when it can be done.
    fn ready<T>(&self, what: For, mut run: impl FnMut(&TcpStream) -> io::Result<T>) -> io::Result<T> {
        // Where bytes always come nothing is ever waited for.
        (self.pace.alive)()?;
        loop {
            match run(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(what)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready(For::Input, |mut stream| stream.read(buffer))
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ready(For::Output, |mut stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair(pace: Pace) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        (Wire::new(stream.into(), pace, Deadline::default()), listener.accept().unwrap().0)
    }

    #[test]
    fn silence_ends_and_so_does_a_deadline() {
        let (mut wire, _other) = pair(Pace { alive: Arc::new(|| Ok(())), stall: Duration::from_millis(20) });
        assert!(wire.read(&mut [0]).unwrap_err().to_string().contains("silent"));
        let (mut wire, _other) = pair(Pace { alive: Arc::new(|| Ok(())), stall: Duration::MAX });
        wire.deadline.set(Some(Instant::now()));
        assert!(wire.read(&mut [0]).is_err());
    }

    #[test]
    fn whoever_is_asked_ends_it_with_an_error_of_their_own() {
        let stop = Instant::now() + Duration::from_millis(150);
        let alive = move || match Instant::now() < stop {
            true => Ok(()),
            false => Err(Error::new(Kind::Interrupted(2), "interrupted")),
        };
        let (mut wire, _other) = pair(Pace { alive: Arc::new(alive), stall: Duration::MAX });
        let error = Error::from(wire.read(&mut [0]).unwrap_err());
        assert_eq!(*error.kind(), Kind::Interrupted(2));
        assert!(Instant::now() < stop + Duration::from_secs(2));
    }
}
