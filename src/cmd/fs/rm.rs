//! `sdme fs rm`: remove root filesystems.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands};
use crate::cmd::fs::needed;
use crate::cmd::select::Selection;
use crate::cmd::{Context, batch};
use crate::error::{Context as _, Error, Result};
use crate::rootfs::{list, remove};
use crate::store::datadir;
use crate::store::name::Name;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::ui::ask;

pub const SPEC: Command = Command {
    name: "fs rm",
    about: "remove root filesystems",
    long: &[
        "Removes the tree and its record, and what killed imports left. One that a container is made of is refused, and \
         that container named. Never crosses a mount. On a terminal it asks first.",
    ],
    flags: &[
        Flag::switch("all", Some('a'), "Every root filesystem of the datadir."),
        Flag::switch("force", Some('f'), "Do not ask, and do not fail for what does not exist."),
    ],
    operands: Operands::any("NAME..."),
    examples: &[("sdme fs rm noble", "removes it"), ("sdme fs rm -a -f", "removes all, without a question")],
    payload: false,
    root: true,
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let force = args.flag("force");
    let mut selection = select(cx, args)?;
    if force {
        selection.failures.retain(|failure| !failure.is_not_found());
    }
    if cx.interactive && !force && !selection.names.is_empty() && !agreed(&selection.names)? {
        return Err(Error::failed("nothing was removed"));
    }
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::for_ever().interrupted_by(&interrupts);
    let code =
        batch::run(cx, selection, |name| match remove::remove(&cx.paths, name, || needed::refuse(cx, name), wait) {
            Err(error) if force && error.is_not_found() => Ok(()),
            other => other,
        })?;
    remove::sweep(&cx.paths, wait).context("removing what killed imports left")?;
    Ok(code)
}

fn select(cx: &Context, args: &Args) -> Result<Selection> {
    match (args.flag("all"), args.operands().is_empty()) {
        (true, true) => return Ok(Selection { names: datadir::filesystem_names(&cx.paths)?, failures: Vec::new() }),
        (true, false) => return Err(args.usage("--all and NAME exclude each other")),
        (false, true) => return Err(args.usage("NAME is missing (--all stands for every root filesystem)")),
        (false, false) => {}
    }
    let mut selection = Selection::default();
    for index in 0..args.operands().len() {
        let name = args.operand(index).and_then(|typed| Name::parse(typed.unwrap_or_default()));
        match name.and_then(|name| list::lookup(&cx.paths, &name)) {
            Ok(entry) if selection.names.contains(&entry.name) => {}
            Ok(entry) => selection.names.push(entry.name),
            Err(error) => selection.failures.push(error),
        }
    }
    Ok(selection)
}

fn agreed(names: &[Name]) -> Result<bool> {
    ask::yes_or_no(&format!("Remove {}?", needed::words(names)))
}
