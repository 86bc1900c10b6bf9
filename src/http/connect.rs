//! Reaching a server: its addresses, the first that answers, the proxy's tunnel, TLS.

use crate::error::{Errno, Error, Kind, Result};
use crate::http::Net;
use crate::http::authority::Host;
use crate::http::basic;
use crate::http::head::{HEAD_MAX, Head};
use crate::http::proxy::Proxy;
use crate::http::retry::{Attempt, Failure};
use crate::http::url::{Scheme, Url};
use crate::http::wire::{Deadline, Link, Pace, Wire, after};
use crate::sys::poll::For;
use crate::sys::tcp;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// After so long the next address is tried beside the one that has not answered (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// One read from a connection; a TLS record is no longer.
const BUFFER: usize = 16 << 10;

pub struct Connection {
    pub reader: BufReader<Box<dyn Link>>,
    pub deadline: Deadline,
}

impl Connection {
    /// One answer's head; what comes after it stays in the reader.
    pub fn read_head(&mut self) -> Attempt<Head> {
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            let room = (HEAD_MAX + 1).saturating_sub(start) as u64;
            let length = self.reader.by_ref().take(room).read_until(b'\n', &mut bytes)?;
            if bytes.len() > HEAD_MAX {
                return Err(Error::invalid(format!("the server's header has more than {HEAD_MAX} bytes")).into());
            }
            let line = bytes.get(start..).unwrap_or_default();
            if length == 0 || !line.ends_with(b"\n") {
                return Err(Failure::passing(Error::failed("the server closed the connection before it answered")));
            }
            // Some servers send an empty line after the body of the request before (RFC 9112, 2.2).
            if matches!(line, b"\r\n" | b"\n") && start > 0 {
                return Ok(Head::parse(&bytes)?);
            }
        }
    }
}

/// A connection on which a request for `url` can be sent.
pub fn open(net: &Net, url: &Url, proxy: Option<&Proxy>) -> Attempt<Connection> {
    let deadline = Deadline::default();
    let until = after(net.connect);
    let (host, port) = proxy.map_or((&url.host, url.port), |proxy| (&proxy.host, proxy.port));
    let socket = reach(&net.pace, host, port, until)?;
    deadline.set(Some(until));
    let mut link: Box<dyn Link> = Box::new(Wire::new(socket, net.pace.clone(), deadline.clone()));
    if let Some(proxy) = proxy {
        if proxy.scheme == Scheme::Https {
            link = net.tls.over(link, &proxy.host)?;
        }
        if url.scheme == Scheme::Https {
            link = tunnel(link, url, proxy, &deadline)?;
        }
    }
    if url.scheme == Scheme::Https {
        link = net.tls.over(link, &url.host)?;
    }
    deadline.set(None);
    Ok(Connection { reader: BufReader::with_capacity(BUFFER, link), deadline })
}

/// Asks a proxy for a way to the server itself (RFC 9110, 9.3.6).
fn tunnel(mut link: Box<dyn Link>, url: &Url, proxy: &Proxy, deadline: &Deadline) -> Attempt<Box<dyn Link>> {
    let place = format!("{}:{}", url.host, url.port);
    let login = proxy.login.as_ref().map(|login| format!("Proxy-Authorization: {}\r\n", basic::value(login)));
    let request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{}\r\n", login.unwrap_or_default());
    link.write_all(request.as_bytes())?;
    link.flush()?;
    let mut connection = Connection { reader: BufReader::new(link), deadline: deadline.clone() };
    let head = connection.read_head()?;
    if !(200..300).contains(&head.status) {
        return Err(refused(&head));
    }
    // The server has not been spoken to: whatever came is the proxy's own.
    if !connection.reader.buffer().is_empty() {
        return Err(Error::invalid("the proxy spoke before the server could").into());
    }
    Ok(connection.reader.into_inner())
}

/// Of a proxy that does not do what it is asked.
pub fn refused(head: &Head) -> Failure {
    let error = Error::failed(format!("the proxy answered {}", head.status_text()));
    match head.status {
        407 => Failure::Final(error.context("the proxy wants credentials (http://USER:PASSWORD@HOST:PORT)")),
        502..=504 => Failure::passing(error),
        _ => Failure::Final(error),
    }
}

/// A socket that is connected to whichever address of a host answers first.
fn reach(pace: &Pace, host: &Host, port: u16, until: Instant) -> Attempt<OwnedFd> {
    let addresses = match host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        Host::Name(name) => resolve(pace, name, port, until)?,
    };
    race(pace, &addresses, until).map_err(|error| match error.errno() {
        // Nobody listens there: like a name without an address this is no matter of patience (curl --retry sees it so too).
        Some(Errno::CONNREFUSED) => Failure::Final(error),
        _ => Failure::passing(error),
    })
}

/// The resolver of the C library waits where no signal ends it: it does so in a thread that is left behind.
fn resolve(pace: &Pace, name: &str, port: u16, until: Instant) -> Result<Vec<SocketAddr>> {
    let failed = |why: &str| Error::new(Kind::Unavailable, format!("the address of {name:?}: {why}"));
    let (send, receive) = mpsc::channel();
    let asked = name.to_string();
    let lookup = move || drop(send.send((asked.as_str(), port).to_socket_addrs().map(Vec::from_iter)));
    thread::Builder::new().name("resolve".to_string()).spawn(lookup).map_err(|error| failed(&error.to_string()))?;
    loop {
        (pace.alive)()?;
        match receive.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok(addresses)) if addresses.is_empty() => return Err(failed("it has none")),
            Ok(Ok(addresses)) => return Ok(interleaved(addresses)),
            Ok(Err(error)) => return Err(failed(error.to_string().trim_start_matches(LOOKUP))),
            Err(RecvTimeoutError::Disconnected) => return Err(failed("the resolver gave no answer")),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                return Err(failed("no name server answered in time"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// What std says before the C library's own reason.
const LOOKUP: &str = "failed to lookup address information: ";

/// The families in turn, in the resolver's order otherwise, so that one that leads nowhere costs one wait.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (own, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let longest = own.len().max(other.len());
    let pairs = (0..longest).flat_map(|at| [own.get(at), other.get(at)]);
    pairs.flatten().copied().take(ADDRESSES_MAX).collect()
}

/// Connects to the addresses, each a moment after the one before or as soon as that one failed; the first wins.
fn race(pace: &Pace, addresses: &[SocketAddr], until: Instant) -> Result<OwnedFd> {
    let mut left = addresses.iter();
    let mut trying: Vec<(OwnedFd, &SocketAddr)> = Vec::new();
    let mut last = Error::new(Kind::TimedOut, format!("{addresses:?}: no answer"));
    loop {
        if let Some(address) = left.next() {
            match tcp::connect(address) {
                Ok(fd) => trying.push((fd, address)),
                Err(error) => last = error,
            }
        } else if trying.is_empty() {
            return Err(last);
        }
        let moment = if left.len() == 0 { until } else { until.min(after(NEXT_ADDRESS)) };
        // Without any under way the next address is due at once.
        while !trying.is_empty() {
            let fds: Vec<_> = trying.iter().map(|(fd, _)| (fd.as_fd(), For::Output)).collect();
            let Some(ready) = pace.wait(&fds, moment)? else { break };
            let Some(at) = ready.iter().position(|ready| *ready) else { break };
            let (fd, address) = trying.swap_remove(at);
            match tcp::connected(fd.as_fd(), address) {
                Ok(()) => return Ok(fd),
                Err(error) => last = error,
            }
            if left.len() > 0 {
                break;
            }
        }
        if Instant::now() >= until {
            return Err(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::Arc;

    fn pace() -> Pace {
        Pace { alive: Arc::new(|| Ok(())), stall: Duration::from_secs(5) }
    }

    fn closed() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let began = Instant::now();
        race(&pace(), &[closed(), closed(), open], after(Duration::from_secs(5))).unwrap();
        race(&pace(), &[open, closed()], after(Duration::from_secs(5))).unwrap();
        let error = race(&pace(), &[closed(), closed()], after(Duration::from_secs(5))).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::CONNREFUSED), "{error}");
        assert!(race(&pace(), &[], after(Duration::from_secs(5))).is_err());
        assert!(began.elapsed() < Duration::from_secs(2), "nothing was waited for");
    }

    #[test]
    fn families_take_turns() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mixed = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(parse);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(parse);
        assert_eq!(interleaved(mixed.to_vec()), expected);
        assert_eq!(interleaved(vec![parse("1.1.1.1:1"); 20]).len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_name_without_addresses_is_named() {
        assert!(!resolve(&pace(), "localhost", 1, after(Duration::from_secs(5))).unwrap().is_empty());
        let error = resolve(&pace(), "nonesuch.invalid", 1, after(Duration::from_secs(10))).unwrap_err();
        assert!(error.to_string().starts_with("the address of \"nonesuch.invalid\": "), "{error}");
        assert!(!error.to_string().contains(LOOKUP));
    }
}
