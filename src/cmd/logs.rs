//! `sdme logs`: a container's journal.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands, Tail};
use crate::cmd::Context;
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "logs",
    about: "show a container's log",
    long: &[
        "Shows what the container's unit wrote to the host's journal: its console and systemd-nspawn's own words. \
         With --guest, the journal that the container itself keeps.",
        "sdme's own flags stand after NAME; from the first word that is none of them, everything is passed on to \
         journalctl. Where the host has no systemd, the console's output is shown as it was recorded.",
    ],
    flags: &[
        Flag::switch("follow", Some('f'), "Go on showing what comes."),
        Flag::valued("lines", Some('n'), "N", "Show the last N lines."),
        Flag::switch("guest", None, "Show the journal inside the container."),
    ],
    operands: Operands { usage: "NAME [JOURNALCTL-ARGS...]", least: 1, most: 1, tail: Tail::Unknown },
    examples: &[
        ("sdme logs web -f", "follows the console"),
        ("sdme logs web --guest -u ssh.service", "the container's own journal of one unit"),
        ("sdme logs web -n 20 --since today -o cat", "words of journalctl are passed on"),
    ],
    payload: false,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
