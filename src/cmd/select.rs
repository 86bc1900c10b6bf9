//! Which containers a verb was given: names, unique beginnings of names, or all of them.

use crate::cli::parse::Args;
use crate::cmd::Context;
use crate::container::list;
use crate::error::{Error, Result};
use crate::store::name::Name;
use crate::store::resolve_name::{Match, resolve};
use crate::ui::ask;

/// The containers of a batch, each once, in the order of the words; and what was wrong with the other words.
#[derive(Debug, Default)]
pub struct Selection {
    pub names: Vec<Name>,
    pub failures: Vec<Error>,
}

/// What the beginning of a name is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// It stands for the name.
    Taken,
    /// It is asked about on a terminal and refused elsewhere: the verb destroys.
    Asked,
}

/// The one container that the first operand names; a unique beginning will do.
pub fn one(cx: &Context, args: &Args) -> Result<Name> {
    let typed = args.operand(0)?.ok_or_else(|| args.usage("NAME is missing"))?;
    Ok(resolve(&list::names(&cx.paths)?, typed)?.into_name())
}

/// The containers that the operands name, or with `--all` every one.
///
/// Errors: `Usage` when neither or both were given. A word that names nothing is among the selection's failures.
pub fn several(cx: &Context, args: &Args, prefix: Prefix) -> Result<Selection> {
    let known = list::names(&cx.paths)?;
    match (args.flag("all"), args.operands().is_empty()) {
        (true, true) => return Ok(Selection { names: known, failures: Vec::new() }),
        (true, false) => return Err(args.usage("--all and NAME exclude each other")),
        (false, true) => return Err(args.usage("NAME is missing (--all stands for every container)")),
        (false, false) => {}
    }
    let mut selection = Selection::default();
    for index in 0..args.operands().len() {
        match args.operand(index).and_then(|typed| pick(cx, &known, typed.unwrap_or_default(), prefix)) {
            Ok(name) if selection.names.contains(&name) => {}
            Ok(name) => selection.names.push(name),
            Err(error) => selection.failures.push(error),
        }
    }
    Ok(selection)
}

fn pick(cx: &Context, known: &[Name], typed: &str, prefix: Prefix) -> Result<Name> {
    match resolve(known, typed)? {
        Match::Prefix(name) if prefix == Prefix::Asked => confirm(cx, typed, name),
        found => Ok(found.into_name()),
    }
}

fn confirm(cx: &Context, typed: &str, name: Name) -> Result<Name> {
    let refused =
        || Error::failed(format!("{typed:?} is only the beginning of {:?}: type the whole name", name.as_str()));
    if !cx.interactive || !ask::yes_or_no(&format!("{typed:?} is short for {:?}. Is that meant?", name.as_str()))? {
        return Err(refused());
    }
    Ok(name)
}
