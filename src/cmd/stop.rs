//! `sdme stop`: power containers off.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands};
use crate::cmd::select::{self, Prefix};
use crate::cmd::{Context, batch, flags};
use crate::container::stop::{self, Limits};
use crate::error::Result;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;

pub const SPEC: Command = Command {
    name: "stop",
    about: "power containers off",
    long: &[
        "Asks the container to power off, then terminates it, then kills it, each with its own limit; returns when \
         unit, machine and mounts are gone. Several are stopped in parallel. One that is stopped already is a success.",
        "A NAME that is only the beginning of one is asked about on a terminal and refused elsewhere.",
    ],
    flags: &[
        flags::ALL,
        Flag::switch("term", None, "Do not ask it to power off but terminate it at once."),
        Flag::switch("kill", None, "Kill every process of it at once."),
        Flag::valued(
            "timeout",
            Some('t'),
            "SEC",
            "Wait this long for it to power off before it is terminated. Seconds, or a span like 2min or infinity. \
             Default: the config's stop_timeout.",
        ),
    ],
    operands: Operands::any("NAME..."),
    examples: &[
        ("sdme stop web", "powers it off"),
        ("sdme stop --all -t 10", "all of them, with ten seconds each to do it cleanly"),
        ("sdme stop web --kill", "pulls the plug"),
    ],
    payload: false,
    root: true,
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let limits = match args.one_of(&["term", "kill"])? {
        Some("term") => Limits::at_once(),
        Some(_) => Limits::by_force(),
        None => Limits::politely(args.seconds("timeout")?.unwrap_or(cx.config.stop_timeout)),
    };
    let selection = select::several(cx, args, Prefix::Asked)?;
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::for_ever().interrupted_by(&interrupts);
    batch::run(cx, selection, |name| {
        let mut host = host::connect(&cx.paths)?;
        stop::stop(&cx.paths, &mut host, name, limits, wait)
    })
}
