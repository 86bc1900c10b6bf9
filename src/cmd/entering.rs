//! What `exec`, `join` and `new` have in common: find the running container, lend it the caller's own descriptors.

use crate::cmd::Context;
use crate::container::guest::{self, Guest};
use crate::container::join::{self, Who};
use crate::container::launch::Verb;
use crate::container::lookup::Command;
use crate::container::state::Rootfs;
use crate::container::terminal::Caller;
use crate::container::{condition, list, open};
use crate::error::{Error, Kind, Result};
use crate::store::name::Name;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;
use crate::ui::out;
use std::ffi::OsString;
use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::time::Duration;

/// Does `work` in a container that runs or boots; `limit` is how long a boot is waited for.
///
/// Errors: `NotFound` when it does not run.
pub fn enter(
    cx: &Context,
    name: &Name,
    limit: Duration,
    work: impl FnOnce(&mut Guest, &mut Verb<'_>) -> Result<u8>,
) -> Result<u8> {
    let mut guest = find(cx, name, limit)?.ok_or_else(|| not_running(name))?;
    let (input, output, error) = (stdin(), stdout(), stderr());
    let mut verb = Verb {
        caller: Caller { input: input.as_fd(), output: output.as_fd(), error: error.as_fd() },
        say: &mut |text| cx.say(text),
        complain: &mut |text| out::error(text, cx.colour),
        is_booting: &mut || is_booting(cx, name),
        boot_limit: limit,
    };
    work(&mut guest, &mut verb)
}

/// A login session, as this user, or as whom the config says.
pub fn join(cx: &Context, name: &Name, user: Option<&str>, words: &[OsString], limit: Duration) -> Result<u8> {
    let who = user.map_or_else(|| default_user(cx, name), Who::User);
    let command =
        Command { words, terminal: cx.stdin_tty && cx.stdout_tty, term: cx.term.as_deref(), ..Command::default() };
    enter(cx, name, limit, |guest, verb| join::join(guest, who, &command, verb))
}

/// In a clone of `/` the user who called sudo is most likely at home.
fn default_user<'a>(cx: &'a Context, name: &Name) -> Who<'a> {
    match &cx.sudo_user {
        Some(user) if cx.config.join_as_sudo_user && is_clone_of_host(cx, name) => Who::UserOrRoot(user),
        _ => Who::Root,
    }
}

fn is_clone_of_host(cx: &Context, name: &Name) -> bool {
    open::state(&cx.paths, name).is_ok_and(|state| state.rootfs == Rootfs::Host)
}

fn find(cx: &Context, name: &Name, limit: Duration) -> Result<Option<Guest>> {
    let interrupts = Interrupts::block(&ENDING)?;
    guest::find(&cx.paths, name, &mut || is_booting(cx, name), Wait::at_most(limit).interrupted_by(&interrupts))
}

/// A host that cannot be asked knows of no boot.
fn is_booting(cx: &Context, name: &Name) -> bool {
    let entry = host::connect(&cx.paths).and_then(|mut host| list::lookup(&cx.paths, &mut host, name));
    entry.is_ok_and(|entry| entry.condition.phase == condition::Phase::Starting)
}

pub fn not_running(name: &Name) -> Error {
    Error::new(Kind::NotFound, format!("{name} is not running; start it: sdme start {name}"))
}
