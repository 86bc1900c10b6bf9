//! `sdme start`: boot containers.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands};
use crate::cmd::select::{self, Prefix};
use crate::cmd::{Context, batch, flags};
use crate::container::start::{self, WaitFor};
use crate::error::Result;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;

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
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let wait_for = wait_for(args)?;
    let limit = args.seconds("timeout")?.unwrap_or(cx.config.boot_timeout);
    let selection = select::several(cx, args, Prefix::Taken)?;
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::at_most(limit).interrupted_by(&interrupts);
    batch::run(cx, selection, |name| {
        let mut host = host::connect(&cx.paths)?;
        start::start(&cx.paths, &mut host, name, wait_for, wait)?;
        cx.note(&format!("{name} is {}", outcome(wait_for)));
        Ok(())
    })
}

fn wait_for(args: &Args) -> Result<WaitFor> {
    Ok(match args.choice("wait", &["booted", "reachable", "none"])? {
        Some("reachable") => WaitFor::Reachable,
        Some("none") => WaitFor::None,
        _ => WaitFor::Booted,
    })
}

fn outcome(wait_for: WaitFor) -> &'static str {
    match wait_for {
        WaitFor::Booted => "booted",
        WaitFor::Reachable => "reachable",
        WaitFor::None => "starting",
    }
}
