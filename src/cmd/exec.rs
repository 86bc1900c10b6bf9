//! `sdme exec`: one command in a running container.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands, Tail};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "exec",
    about: "run a command in a container",
    long: &[
        "Runs COMMAND as a transient unit of the container's own systemd, as root unless told otherwise. Standard \
         input, output and error are the caller's own, or a terminal made in the container when standard input and \
         output are a terminal. The exit status is the command's.",
        "When the container's systemd does not answer, its namespaces are entered directly, and that is said on \
         standard error.",
        "sdme's own flags stand before COMMAND; everything from its first word on is passed on untouched, with or \
         without '--'.",
    ],
    flags: &[
        flags::USER,
        Flag::switch("tty", Some('t'), "Give the command a terminal. Default: if standard input and output are one."),
        Flag::switch("no-tty", Some('T'), "Give the command no terminal."),
        Flag::valued(
            "workdir",
            Some('w'),
            "DIR",
            "Run it in this directory of the container. Default: the user's home.",
        ),
        Flag::valued("env", Some('e'), "KEY=VALUE", "Set a variable in its environment.").repeated(),
    ],
    operands: Operands { usage: "NAME COMMAND...", least: 1, most: 1, tail: Tail::Command { required: true } },
    examples: &[
        ("sdme exec web ls -l --color /", "runs ls; --color is its flag, not ours"),
        ("tar c . | sdme exec web -w /srv tar x", "pipes are binary-safe"),
        ("sdme exec web -u www-data -e LANG=C id", "as a user, with a variable"),
    ],
    payload: true,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
