//! How this host's service manager is reached: decided here, once a command.

use crate::dbus::Limits;
use crate::dbus::connection::Connection;
use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::sys::poll::Wait;
use crate::systemd::manager::{Manager, default_limit};
use std::time::Duration;

/// A bus that does not answer within this is passed over.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Who runs containers on this host.
pub enum Host {
    /// PID 1 is systemd, and this is how to talk to it.
    Systemd(Box<Manager>),
    /// PID 1 is something else: containers are run by a supervisor of our own. Or there is none at all, in an image.
    Direct,
}

/// The system bus when it answers and systemd is on it; else PID 1's private socket; `Direct` where systemd did not boot.
///
/// Errors: `Unavailable` when systemd did boot but neither way leads to it, with what each said.
pub fn connect(paths: &Paths) -> Result<Host> {
    if paths.is_image() || !paths.systemd_marker().is_dir() {
        return Ok(Host::Direct);
    }
    let mut manager = match bus(paths) {
        Ok(manager) => manager,
        Err(on_bus) => private(paths).map_err(|in_private| neither(&on_bus, &in_private))?,
    };
    manager.set_limit(default_limit());
    Ok(Host::Systemd(Box::new(manager)))
}

fn bus(paths: &Paths) -> Result<Manager> {
    let wait = Wait::at_most(ANSWER_LIMIT);
    let mut connection = Connection::open(&paths.system_bus_socket(), Limits::TRUSTED, wait)?;
    connection.hello(wait)?;
    Manager::on_bus(connection, ANSWER_LIMIT)
}

/// The last way: nothing is won by giving up sooner on a PID 1 that has a lot to do than during any other call.
fn private(paths: &Paths) -> Result<Manager> {
    let connection = Connection::open(&paths.private_socket(), Limits::TRUSTED, Wait::at_most(default_limit()))?;
    Manager::private(connection, default_limit())
}

fn neither(on_bus: &Error, in_private: &Error) -> Error {
    Error::new(
        Kind::Unavailable,
        format!("systemd cannot be reached: on the system bus: {on_bus}; on its private socket: {in_private}"),
    )
}
