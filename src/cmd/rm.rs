//! `sdme rm`: remove containers.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands};
use crate::cmd::select::{self, Prefix, Selection};
use crate::cmd::{Context, batch, flags};
use crate::container::remove;
use crate::container::stop::Limits;
use crate::error::{Context as _, Error, Kind, Result};
use crate::store::name::Name;
use crate::store::{datadir, lock};
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;
use crate::ui::ask;

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
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let force = args.flag("force");
    let mut selection = select::several(cx, args, Prefix::Asked)?;
    if force {
        selection.failures.retain(|failure| !failure.is_not_found());
    }
    if cx.interactive && !force && !agreed(&selection)? {
        return Err(Error::failed("nothing was removed"));
    }
    let limits = if force { Limits::at_once() } else { Limits::politely(cx.config.stop_timeout) };
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::for_ever().interrupted_by(&interrupts);
    let code = batch::run(cx, selection, |name| {
        let mut host = host::connect(&cx.paths)?;
        match remove::remove(&cx.paths, &mut host, name, limits, wait) {
            // Another command was faster.
            Err(error) if force && *error.kind() == Kind::NotFound => Ok(()),
            other => other,
        }
    })?;
    let swept = datadir::sweep(&cx.paths, wait).and_then(|()| lock::sweep(&cx.paths));
    swept.context("removing what killed commands left")?;
    Ok(code)
}

fn agreed(selection: &Selection) -> Result<bool> {
    let names: Vec<&str> = selection.names.iter().map(Name::as_str).collect();
    if names.is_empty() {
        return Ok(true);
    }
    ask::yes_or_no(&format!("Remove {} and all that was written there?", names.join(", ")))
}
