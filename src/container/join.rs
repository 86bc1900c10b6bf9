//! A login session in a running container: with a terminal, known to the container's logind where it has one.

use crate::container::guest::Guest;
use crate::container::launch::{self, LOOK_LIMIT, Verb};
use crate::container::lookup::{Command, Prepared};
use crate::container::terminal::Wires;
use crate::dbus::value::Value;
use crate::error::Result;
use crate::sys::poll::Wait;
use crate::systemd::unit::Transient;
use std::path::Path;

/// A session may begin before the boot has ended, but not before those who keep sessions are there.
const AFTER: [&str; 4] = ["systemd-user-sessions.service", "systemd-logind.service", "dbus.socket", "dbus.service"];
/// Where the rules for the PAM service "login" may stand.
const LOGIN_RULES: [&str; 2] = ["/etc/pam.d/login", "/usr/lib/pam.d/login"];

/// As whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    Root,
    /// This user of the container, or it is an error.
    User(&'a str),
    /// This user if the container has it, else root.
    UserOrRoot(&'a str),
}

/// Opens the session, with the user's login shell or the command, and gives its exit status; 0 when the user has left.
/// `command.user` and `command.is_login` are not looked at.
///
/// Errors: as [`crate::container::exec::exec`].
pub fn join(guest: &mut Guest, who: Who<'_>, command: &Command<'_>, verb: &mut Verb<'_>) -> Result<u8> {
    let wait = Wait::at_most(LOOK_LIMIT);
    let inside = guest.inside(wait)?;
    let user = match who {
        Who::Root => None,
        Who::User(user) => Some(user),
        Who::UserOrRoot(user) => inside.user(user, wait)?.map(|_| user),
    };
    let mut has_login = false;
    for rules in LOGIN_RULES {
        has_login |= inside.is_file(Path::new(rules), wait)?;
    }
    let command = Command { user, is_login: has_login, ..command.clone() };
    launch::run(guest, &command, verb, &|prepared, wires| unit(prepared, wires, has_login))
}

fn unit(prepared: &Prepared, wires: &Wires, has_login: bool) -> Result<Transient> {
    let unit = launch::unit("sdme-join", prepared, wires)?
        .set("Description", "Session of sdme join")
        // Not "exec": the process that keeps the PAM session holds on to what tells of the execution.
        .set("Type", "simple")
        .set("After", Value::strings(AFTER))
        .set("User", prepared.account.user.name.as_str())
        .set("WorkingDirectory", "-~");
    // Without rules for it PAM refuses a login; the session is then none that logind knows.
    let unit = if has_login { unit.set("PAMName", "login") } else { unit };
    Ok(match &wires.terminal {
        Some(terminal) => unit
            // No TTYReset and no TTYVHangup: at the end of the session they throw away what it wrote last. The terminal is
            // fresh, and closing our end hangs it up.
            .set("UtmpIdentifier", format!("pts/{}", terminal.number))
            .set("UtmpMode", "user"),
        None => unit,
    })
}
