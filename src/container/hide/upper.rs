//! Writing into an upper directory: whole things under their names or nothing, never over what is there.

use super::tree::Spot;
use crate::error::{Kind as ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::meta::{self, Kind};
use crate::sys::tree;
use std::ffi::{OsStr, OsString};
use std::io::Write;

/// Overlayfs' marks (Documentation/filesystems/overlayfs.rst).
const OPAQUE: &str = "trusted.overlay.opaque";
const REDIRECT: &str = "trusted.overlay.redirect";
/// The name under which a thing is made; one at a time, in a directory that no guest sees.
const BUILD: &str = "hide";
/// How deep a guest's directory is searched for whiteouts, and how many wait for it; those beyond are seen as odd files.
const PURGE_DEPTH_MAX: usize = 64;
const PURGE_OPEN_MAX: usize = 256;

/// Whether the lower directory of the same path does not show through this one.
pub fn is_apart(dir: &Dir) -> Result<bool> {
    Ok(meta::is_xattr(dir, OPAQUE, b"y")? || meta::has_xattr(dir, REDIRECT)?)
}

fn set_opaque(dir: &Dir) -> Result<()> {
    meta::set_xattr(dir, OsStr::new(OPAQUE), b"y")
}

/// Hides one name; what the guest put there stays.
pub fn whiteout(spot: &Spot<'_>) -> Result<()> {
    if spot.upper.lookup(spot.name)?.is_some() {
        return Ok(());
    }
    spot.upper.whiteout(spot.name)
}

/// Makes a directory with the attributes of `lower`, filled before it gets its name, through which `lower` shows.
pub fn make_directory(spot: &Spot<'_>, lower: &Dir, fill: impl Fn(&Dir) -> Result<()>) -> Result<Dir> {
    tree::remove(spot.build, OsStr::new(BUILD))?;
    let dir = spot.build.mkdir(BUILD, 0o700)?;
    meta::copy(lower, &dir)?;
    fill(&dir)?;
    meta::set_modified(&dir, lower.meta()?.modified)?;
    spot.build.rename_noreplace(BUILD, spot.upper, spot.name)?;
    Ok(dir)
}

/// Makes a directory new: nothing of the lower one shows through but what `fill` puts there. What the guest has
/// written there stays, what it has put in its place too. `fill` leaves alone what exists.
pub fn make_opaque(spot: &Spot<'_>, lower: &Dir, fill: impl Fn(&Dir) -> Result<()>) -> Result<()> {
    match spot.upper.lookup(spot.name)? {
        None => {
            let filled = |dir: &Dir| fill(dir).and_then(|()| set_opaque(dir));
            make_directory(spot, lower, filled).map(drop)
        }
        Some(meta) if meta.is_dir() => {
            let dir = spot.upper.subdir(spot.name)?;
            if is_apart(&dir)? {
                return Ok(());
            }
            purge_whiteouts(&dir)?;
            fill(&dir)?;
            set_opaque(&dir)
        }
        Some(_) => Ok(()),
    }
}

/// Whiteouts in a directory that is no longer merged would be seen as broken files.
fn purge_whiteouts(top: &Dir) -> Result<()> {
    let mut pending = vec![(top.reopen()?, 0)];
    while let Some((dir, depth)) = pending.pop() {
        dir.for_each(|entry| {
            let Some(meta) = dir.lookup(&entry.name)? else { return Ok(()) };
            if meta.is_whiteout() {
                dir.unlink(&entry.name)?;
            } else if meta.is_dir() && depth < PURGE_DEPTH_MAX && pending.len() < PURGE_OPEN_MAX {
                pending.push((dir.subdir(&entry.name)?, depth + 1));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Writes a file under a name that is free in the upper; labelled as the lower's file of the same name is.
pub fn write(spot: &Spot<'_>, content: &str, mode: u32) -> Result<()> {
    if spot.upper.lookup(spot.name)?.is_some() {
        return Ok(());
    }
    tree::remove(spot.build, OsStr::new(BUILD))?;
    let mut file = spot.build.create_file(BUILD, mode)?;
    if let Ok(lower) = spot.lower.open_file(spot.name) {
        copy_label(&lower, &file)?;
    }
    file.write_all(content.as_bytes())?;
    spot.build.rename_noreplace(BUILD, spot.upper, spot.name)
}

fn copy_label(from: &std::fs::File, to: &std::fs::File) -> Result<()> {
    const LABEL: &str = "security.selinux";
    match meta::xattr(from, LABEL)? {
        Some(label) => meta::set_xattr(to, OsStr::new(LABEL), &label),
        None => Ok(()),
    }
}

/// What was being made when a boot was killed.
pub fn clear(build: &Dir) -> Result<()> {
    tree::remove(build, OsStr::new(BUILD))
}

/// Copies a symlink, unless the name is taken.
pub fn copy_symlink(from: &Dir, name: &OsStr, to: &Dir) -> Result<()> {
    let target: OsString = from.readlink(name)?;
    unless_there(to.symlink(&target, name))
}

/// Copies a regular file with its attributes, unless the name is taken; a longer one than `most` bytes is left out.
pub fn copy_file(from: &Dir, name: &OsStr, to: &Dir, most: u64) -> Result<()> {
    let mut source = from.open_file(name)?;
    let meta = meta::of(&source)?;
    if meta.kind != Kind::File || meta.size > most || to.lookup(name)?.is_some() {
        return Ok(());
    }
    let mut file = to.create_file(name, 0o600)?;
    std::io::copy(&mut source, &mut file)?;
    meta::copy(&source, &file)?;
    meta::set_modified(&file, meta.modified)
}

/// Makes a directory with the attributes of `from`'s, unless there is one; None when something else has the name.
pub fn copy_directory(from: &Dir, name: &OsStr, to: &Dir) -> Result<Option<(Dir, Dir)>> {
    let source = from.subdir(name)?;
    let dir = match to.lookup(name)? {
        Some(meta) if meta.is_dir() => to.subdir(name)?,
        Some(_) => return Ok(None),
        None => {
            let dir = to.mkdir(name, 0o700)?;
            meta::copy(&source, &dir)?;
            dir
        }
    };
    Ok(Some((source, dir)))
}

fn unless_there(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if *error.kind() == ErrorKind::Exists => Ok(()),
        other => other,
    }
}
