//! `sdme show`: all about one container.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Operands};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "show",
    about: "show everything about a container",
    long: &[
        "Shows its record, its layers, the mounts of the host that are not followed, what of the host is hidden from \
         it, how its unit is, and what its own systemd says of itself (asked for at most 200 ms).",
    ],
    flags: &[flags::JSON],
    operands: Operands::one("NAME"),
    examples: &[("sdme show web", "all about web"), ("sdme show web --json", "the same for a script")],
    payload: false,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
