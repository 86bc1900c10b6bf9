//! `sdme rm`: remove containers.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "rm",
    about: "remove containers",
    long: &[
        "Stops what runs, then removes the container and all that was written in it, however broken it is. Never \
         crosses a mount and never follows a symlink. Several are removed in parallel.",
        "On a terminal it asks first. A NAME that is only the beginning of one is asked about on a terminal and \
         refused elsewhere.",
    ],
    flags: &[flags::ALL, Flag::switch("force", Some('f'), "Do not ask, and do not fail for what does not exist.")],
    operands: Operands::any("NAME..."),
    examples: &[
        ("sdme rm web", "stops and removes it"),
        ("sdme rm --all -f", "removes every container without a question"),
    ],
    payload: false,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
