//! Unix stream sockets: connect(2), sendmsg(2) and recvmsg(2) with descriptors (unix(7)). Nothing here blocks: who waits
//! does so in `sys::poll`.

use crate::error::{Error, Kind, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The most descriptors that one message may carry (SCM_MAX_FD of the kernel).
pub const DESCRIPTORS_MAX: usize = 253;

/// Connects to the socket at `path`; the new descriptor is non-blocking. `None`: the listener's backlog is full.
pub fn connect(path: &Path) -> Result<Option<OwnedFd>> {
    let connected = SocketAddrUnix::new(path).and_then(|address| connect_to(&address));
    connected.map_err(|errno| Error::os(errno, format!("connect({path:?})")))
}

/// The same for a name in the abstract namespace (without its leading NUL).
pub fn connect_abstract(name: &[u8]) -> Result<Option<OwnedFd>> {
    let connected = SocketAddrUnix::new_abstract_name(name).and_then(|address| connect_to(&address));
    connected.map_err(|errno| Error::os(errno, format!("connect(\"@{}\")", name.escape_ascii())))
}

fn connect_to(address: &SocketAddrUnix) -> std::result::Result<Option<OwnedFd>, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&fd, address) {
        Ok(()) => Ok(Some(fd)),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The user as whom a peer sees us (SO_PEERCRED).
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Makes reads and writes on a descriptor from elsewhere return at once.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::io::ioctl_fionbio(fd, true).map_err(|errno| Error::os(errno, "ioctl(FIONBIO)"))
}

/// Sends some of `bytes`, with `fds` on the first of them. `None`: the peer has to read first.
///
/// A peer that is gone is `Unavailable`, never a SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[OwnedFd]) -> Result<Option<usize>> {
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(borrowed.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(Error::invalid(format!("{} descriptors do not fit into one message", fds.len())));
    }
    match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(Some(sent)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(gone_or(errno, "sendmsg")),
    }
}

/// Receives into `buffer`, and at most `fds_max` descriptors, close-on-exec. `None`: nothing is there yet. 0: the end.
///
/// Errors: `Invalid` when more descriptors came (the kernel drops those), `Unavailable` when the peer is gone.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], fds_max: usize) -> Result<Option<(usize, Vec<OwnedFd>)>> {
    let room = if fds_max == 0 { 0 } else { rustix::cmsg_space!(ScmRights(fds_max.min(DESCRIPTORS_MAX))) };
    let mut space = vec![MaybeUninit::uninit(); room];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(errno) => return Err(gone_or(errno, "recvmsg")),
    };
    let fds = descriptors(&mut control);
    if received.flags.contains(ReturnFlags::CTRUNC) || fds.len() > fds_max {
        return Err(Error::invalid(format!("the peer sent more than {fds_max} descriptors at once")));
    }
    Ok(Some((received.bytes, fds)))
}

fn descriptors(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    fds
}

fn gone_or(errno: Errno, call: &str) -> Error {
    match errno {
        Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNABORTED => {
            Error::new(Kind::Unavailable, "the peer closed the connection")
        }
        errno => Error::os(errno, call),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn pair() -> (OwnedFd, OwnedFd) {
        let (here, there) = UnixStream::pair().unwrap();
        (here.into(), there.into())
    }

    #[test]
    fn a_descriptor_arrives_with_its_first_byte() {
        let (here, there) = pair();
        let (end, payload) = crate::sys::io::pipe_of_files().unwrap();
        send(here.as_fd(), b"xy", &[OwnedFd::from(payload)]).unwrap();
        let mut buffer = [0; 8];
        let (count, fds) = receive(there.as_fd(), &mut buffer, 1).unwrap().unwrap();
        assert_eq!((count, fds.len()), (2, 1));
        assert!(rustix::io::fcntl_getfd(&fds[0]).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        drop(fds);
        assert_eq!((&end).read(&mut buffer).unwrap(), 0, "no other copy of the descriptor is left");
    }

    #[test]
    fn descriptors_that_nobody_asked_for_are_refused() {
        for (sent, allowed) in [(1, 0), (3, 1), (3, 2)] {
            let (here, there) = pair();
            let fds: Vec<OwnedFd> = (0..sent).map(|_| here.try_clone().unwrap()).collect();
            send(here.as_fd(), b"x", &fds).unwrap();
            let error = receive(there.as_fd(), &mut [0; 8], allowed).unwrap_err();
            assert_eq!(*error.kind(), Kind::Invalid, "{sent} sent, {allowed} allowed");
        }
    }

    #[test]
    fn the_end_and_nothing_yet_differ() {
        let (here, there) = pair();
        assert!(receive(there.as_fd(), &mut [0; 8], 0).unwrap().is_none());
        drop(here);
        assert_eq!(receive(there.as_fd(), &mut [0; 8], 0).unwrap().unwrap().0, 0);
        assert_eq!(*send(there.as_fd(), b"x", &[]).unwrap_err().kind(), Kind::Unavailable);
    }

    #[test]
    fn a_socket_that_is_not_there_is_not_found() {
        assert!(connect(Path::new("/nonexistent/socket")).unwrap_err().is_not_found());
        assert!(connect(Path::new(&"x".repeat(200))).is_err());
    }
}
