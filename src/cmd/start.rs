//! `sdme start`: boot containers.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "start",
    about: "boot containers",
    long: &[
        "Several containers are started in parallel; one that fails does not hold up the others, and each failure is \
         told. A container that runs already is a success.",
        "Returns when the container has booted, or within a second after it failed, with the reason and the last \
         lines of its log. When the time is over the container goes on booting, and the job that hangs is named.",
    ],
    flags: &[
        flags::ALL,
        flags::BOOT_TIMEOUT,
        Flag::valued(
            "wait",
            None,
            "WHAT",
            "Return when it has booted, is reachable, or at once: booted, reachable or none. Reachable means that a \
             command can be run in it. Default: booted.",
        ),
    ],
    operands: Operands::any("NAME..."),
    examples: &[
        ("sdme start web db", "boots two containers at once"),
        ("sdme start --all --wait none", "starts all of them and does not wait"),
        ("sdme start web -t 2min", "waits at most two minutes"),
    ],
    payload: false,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
