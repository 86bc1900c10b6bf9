//! TCP sockets that do not block (tcp(7)): who waits does so in `sys::poll`.

use crate::error::{Error, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Begins to connect; the socket is writable once that has ended, well or badly: [`connected`] tells which.
pub fn connect(address: &SocketAddr) -> Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let failed = |errno| Error::os(errno, format!("connect({address})"));
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None).map_err(failed)?;
    match rustix::net::connect(&fd, address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(fd),
        Err(errno) => Err(failed(errno)),
    }
}

/// How a connection attempt ended.
pub fn connected(fd: BorrowedFd<'_>, address: &SocketAddr) -> Result<()> {
    match rustix::net::sockopt::socket_error(fd) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(errno)) | Err(errno) => Err(Error::os(errno, format!("connect({address})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::{self, For, Wait};
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    #[test]
    fn a_listener_is_reached_and_a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fd = connect(&address).unwrap();
        poll::poll_one(fd.as_fd(), For::Output, Wait::for_ever()).unwrap();
        connected(fd.as_fd(), &address).unwrap();
        drop((fd, listener));
        let refused = connect(&address).and_then(|fd| {
            poll::poll_one(fd.as_fd(), For::Output, Wait::for_ever())?;
            connected(fd.as_fd(), &address)
        });
        assert_eq!(refused.unwrap_err().errno(), Some(Errno::CONNREFUSED));
    }
}
