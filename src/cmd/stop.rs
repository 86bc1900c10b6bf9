//! `sdme stop`: power containers off.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

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
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
