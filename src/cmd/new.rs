//! `sdme new`: create, start and enter in one go.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands, Tail};
use crate::cmd::{Context, creation, entering, flags};
use crate::container::remove;
use crate::container::start::{self, WaitFor};
use crate::container::stop::Limits;
use crate::error::{Error, Kind, Result};
use crate::store::name::Name;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host::{self, Host};

pub const SPEC: Command = Command {
    name: "new",
    about: "create a container, start it and enter it",
    long: &[
        "Makes a clone of the host's own / (or of ROOTFS), boots it, and opens a login session in it as soon as one \
         can be had; with COMMAND, runs that instead of a shell. Without NAME a name is made up.",
        "Press ^] three times within a second to leave the session; the container goes on running. If the boot \
         fails, what was made is removed again and its log is shown. A shell or a command that ends with a non-zero \
         status removes nothing.",
        "A clone of / is entered as the user who called sudo (config: join_as_sudo_user), else as root.",
    ],
    flags: &[flags::NAME, flags::ROOTFS, flags::BOOT_TIMEOUT, flags::HOST_SERVICES],
    operands: Operands { usage: "[NAME] [-- COMMAND...]", least: 0, most: 1, tail: Tail::AfterDashes },
    examples: &[
        ("sdme new", "a clone of this system under a made-up name; leaves you in its shell"),
        ("sdme new web", "the same, called web"),
        ("sdme new web -- apt-get install -y nginx", "runs a command in the new container"),
        ("sdme new -r debian", "boots a clone of the root filesystem debian"),
    ],
    payload: true,
    root: true,
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let limit = args.seconds("timeout")?.unwrap_or(cx.config.boot_timeout);
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::at_most(limit).interrupted_by(&interrupts);
    let mut host = host::connect(&cx.paths)?;
    let name = creation::create(cx, args, &mut host)?;
    if let Err(error) = start::start(&cx.paths, &mut host, &name, WaitFor::Reachable, wait) {
        return Err(give_up(cx, &mut host, &name, error));
    }
    drop(interrupts);
    entering::join(cx, &name, None, args.tail(), limit)
}

/// A boot that is slow is left running; one that failed, or that the user broke off, leaves nothing.
fn give_up(cx: &Context, host: &mut Host, name: &Name, error: Error) -> Error {
    if *error.kind() == Kind::TimedOut {
        return error;
    }
    let removed = remove::remove(&cx.paths, host, name, Limits::at_once(), Wait::for_ever());

    match removed {
        Ok(()) => error.context(format!("{name} is removed again")),
        Err(removal) => error.context(format!("{name} could not be removed again ({removal}); sdme rm -f {name}")),
    }
}
