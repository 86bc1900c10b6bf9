//! From a stage to a name: a tree that is whole gets its place in `fs/`, with its record; the one it replaces goes.

use crate::error::{Context, Error, Kind, Result};
use crate::store::name::Name;
use crate::store::origin::{self, Origin};
use crate::sys::dir::Dir;
use crate::sys::lock;

/// Before anything is read: the name must be free, or given up by `-f`.
pub fn check_free(filesystems: &Dir, name: &Name, force: bool) -> Result<()> {
    match filesystems.lookup(name.as_str())? {
        Some(_) if !force => Err(taken(name)),
        _ => Ok(()),
    }
}

fn taken(name: &Name) -> Error {
    let what = format!("there is a root filesystem {name} already: choose another name, or replace it with --force");
    Error::new(Kind::Exists, what)
}

/// Gives `tree` of the stage its name. What it replaces is in its place in the stage afterwards, and goes with that.
pub fn settle(filesystems: &Dir, stage: &Dir, tree: &str, name: &Name, origin: &Origin, force: bool) -> Result<()> {
    origin::announce(filesystems, name, &stage.subdir(tree)?, origin)?;
    let result = rename(filesystems, stage, tree, name, force);
    if result.is_err() {
        // The first error is the one to tell; a record without its tree counts for nothing.
        let _ = origin::withdraw(filesystems, name);
        return result;
    }
    filesystems.sync()?;
    let manifest = origin::manifest_file(name);
    stage.rename(&manifest, filesystems, &manifest)?;
    origin::settle(filesystems, name)
}

fn rename(filesystems: &Dir, stage: &Dir, tree: &str, name: &Name, force: bool) -> Result<()> {
    loop {
        match stage.rename_noreplace(tree, filesystems, name.as_str()) {
            Err(error) if *error.kind() == Kind::Exists && force => {}
            Err(error) if *error.kind() == Kind::Exists => return Err(taken(name)),
            other => return other,
        }
        // Whoever makes a container of the old one holds it, and is waited for by asking again later.
        let _old = hold(filesystems, name)?;
        match stage.exchange(tree, filesystems, name.as_str()) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
    }
}

/// Keeps everybody else from making containers of a tree, from renaming and from removing it. None: there is none, or
/// what has the name is no directory.
pub fn hold(filesystems: &Dir, name: &Name) -> Result<Option<Dir>> {
    let tree = match filesystems.lookup_dir(name.as_str()) {
        Ok(tree) => tree,
        Err(_) => return Ok(None),
    };
    let Some(tree) = tree else { return Ok(None) };
    match lock::try_exclusive(&tree).with_context(|| format!("{name}"))? {
        true => Ok(Some(tree)),
        false => Err(Error::new(Kind::Busy, format!("{name} is in use by another sdme"))),
    }
}
