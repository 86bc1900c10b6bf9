//! One command in a running container, with an exact exit status.

use crate::container::guest::Guest;
use crate::container::launch::{self, Verb};
use crate::container::lookup::{Command, Prepared};
use crate::container::terminal::Wires;
use crate::error::Result;
use crate::systemd::unit::Transient;

/// Runs the command and gives its exit status; 126 and 127, after saying why, when it could not be executed or found.
///
/// Errors: sdme's own failures; `Interrupted` when a signal came before the command ran.
pub fn exec(guest: &mut Guest, command: &Command<'_>, verb: &mut Verb<'_>) -> Result<u8> {
    launch::run(guest, command, verb, &unit)
}

fn unit(prepared: &Prepared, wires: &Wires) -> Result<Transient> {
    let unit = launch::unit("sdme-exec", prepared, wires)?
        .set("Description", "Command of sdme exec")
        // Started is what has been executed: our terminal becomes raw when the command has it.
        .set("Type", "exec");
    Ok(match prepared.account.user.uid {
        // As root it runs as PID 1 runs it: there need not even be a passwd.
        0 => unit,
        _ => unit.set("User", prepared.account.user.name.as_str()),
    }
    .set("WorkingDirectory", prepared.directory.as_str()))
}
