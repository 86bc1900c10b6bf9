//! `sdme exec`: one command in a running container.

use crate::cli::parse::Args;
use crate::cli::spec::{self, Flag, Image, Operands, Tail};
use crate::cmd::{Context, entering, flags, select};
use crate::container::exec;
use crate::container::lookup::Command;
use crate::error::Result;
use std::ffi::OsStr;

pub const SPEC: spec::Command = spec::Command {
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
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = select::one(cx, args)?;
    let environment = environment(args)?;
    let terminal = match args.one_of(&["tty", "no-tty"])? {
        Some(flag) => flag == "tty",
        None => cx.stdin_tty && cx.stdout_tty,
    };
    let command = Command {
        words: args.tail(),
        user: args.text("user")?,
        directory: args.text("workdir")?,
        environment: &environment,
        terminal,
        term: cx.term.as_deref(),
        is_login: false,
    };
    entering::enter(cx, &name, cx.config.boot_timeout, |guest, verb| exec::exec(guest, &command, verb))
}

fn environment(args: &Args) -> Result<Vec<(String, String)>> {
    let pair = |assignment: &OsStr| {
        let text = assignment.to_str().ok_or_else(|| args.usage(&format!("--env {assignment:?} is not UTF-8")))?;
        let pair = text.split_once('=').ok_or_else(|| args.usage(&format!("--env {text:?} has no '='")))?;
        Ok((pair.0.to_string(), pair.1.to_string()))
    };
    args.values("env").map(pair).collect()
}
