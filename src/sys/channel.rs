//! A private line between this program and a copy of itself: whole messages and descriptors over a pair of
//! SOCK_SEQPACKET sockets (unix(7)).

use crate::error::{Error, Kind, Result};
use crate::sys::poll::{For, Wait, poll_one};
use crate::sys::socket;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Longest message; the kernel's default buffer takes three times as much.
pub const MESSAGE_MAX: usize = 64 << 10;

/// One end.
pub struct Channel(OwnedFd);

impl Channel {
    pub fn pair() -> Result<(Channel, Channel)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (here, there) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|errno| Error::os(errno, "socketpair(SOCK_SEQPACKET)"))?;
        Ok((Channel(here), Channel(there)))
    }

    /// The end that this process was started with as its standard input.
    pub fn inherited() -> Result<Channel> {
        Ok(Channel(std::io::stdin().as_fd().try_clone_to_owned()?))
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Sends one message. The peer has to take it before the deadline when its buffer is full.
    pub fn send(&self, message: &[u8], fds: &[OwnedFd], wait: Wait<'_>) -> Result<()> {
        if message.len() > MESSAGE_MAX {
            return Err(Error::invalid(format!("a message of {} bytes is longer than {MESSAGE_MAX}", message.len())));
        }
        while socket::send(self.0.as_fd(), message, fds)?.is_none() {
            poll_one(self.0.as_fd(), For::Output, wait)?;
        }
        Ok(())
    }

    /// Receives one message with at most `fds_max` descriptors. `Unavailable`: the peer has gone.
    pub fn receive(&self, fds_max: usize, wait: Wait<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
        let mut message = vec![0; MESSAGE_MAX];
        loop {
            match socket::receive(self.0.as_fd(), &mut message, fds_max)? {
                Some((0, _)) => return Err(Error::new(Kind::Unavailable, "the peer closed the connection")),
                Some((length, fds)) => {
                    message.truncate(length);
                    return Ok((message, fds));
                }
                None => poll_one(self.0.as_fd(), For::Input, wait)?,
            }
        }
    }
}

/// The process that listens at the other end of a connected stream socket, as the kernel recorded it.
///
/// Errors: `Invalid` when the descriptor is anything else. Source: SO_DOMAIN, SO_TYPE, SO_PEERCRED of unix(7).
pub fn stream_peer(socket: BorrowedFd<'_>) -> Result<u32> {
    let failed = |errno| Error::os(errno, "getsockopt(socket)").with_kind(Kind::Invalid);
    let domain = rustix::net::sockopt::socket_domain(socket).map_err(failed)?;
    let kind = rustix::net::sockopt::socket_type(socket).map_err(failed)?;
    if (domain, kind) != (AddressFamily::UNIX, SocketType::STREAM) {
        return Err(Error::invalid("the descriptor is no stream socket of this machine"));
    }
    let mut peer = MaybeUninit::<libc::ucred>::uninit();
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes; only a whole record is read. (Not by rustix: a peer in a PID
    // namespace beside ours has the number 0, which its type cannot hold.)
    unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let result = libc::getsockopt(socket.as_raw_fd(), level, option, peer.as_mut_ptr().cast(), &raw mut size);
        if result != 0 || size as usize != size_of::<libc::ucred>() {
            return Err(Error::invalid("the socket does not tell its peer"));
        }
        Ok(peer.assume_init().pid as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn messages_stay_whole_and_the_end_is_told() {
        let (here, there) = Channel::pair().unwrap();
        here.send(b"one", &[], Wait::for_ever()).unwrap();
        here.send(b"two", &[std::fs::File::open("/dev/null").unwrap().into()], Wait::for_ever()).unwrap();
        assert_eq!(there.receive(0, Wait::for_ever()).unwrap().0, b"one");
        let (message, fds) = there.receive(1, Wait::for_ever()).unwrap();
        assert_eq!((message.as_slice(), fds.len()), (b"two".as_slice(), 1));
        let silence = there.receive(0, Wait::at_most(Duration::from_millis(10))).unwrap_err();
        assert_eq!(*silence.kind(), Kind::TimedOut);
        drop(here);
        assert_eq!(*there.receive(0, Wait::for_ever()).unwrap_err().kind(), Kind::Unavailable);
    }

    #[test]
    fn a_listener_is_known_by_its_process() {
        let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(stream_peer(here.as_fd()).unwrap(), std::process::id());
        let (line, _end) = Channel::pair().unwrap();
        assert!(stream_peer(line.fd().as_fd()).is_err(), "another type of socket");
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(stream_peer(udp.as_fd()).is_err(), "another family");
        assert!(stream_peer(crate::sys::io::pipe().unwrap().0.as_fd()).is_err(), "a pipe");
    }

    #[test]
    fn a_message_that_does_not_fit_is_refused() {
        let (here, _there) = Channel::pair().unwrap();
        assert!(here.send(&vec![0; MESSAGE_MAX + 1], &[], Wait::for_ever()).is_err());
    }
}
