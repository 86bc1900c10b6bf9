//! What a directory that is made new still gets from the one it hides.

use super::upper;
use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::meta::Kind;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Names copied below one directory, and how deep, the outer ones first; what is beyond is left out.
const NAMES_MAX: usize = 4096;
const DEPTH_MAX: usize = 16;
/// Directories that wait, open on both sides.
const OPEN_MAX: usize = 128;
/// Bytes of one file of settings that is copied.
const FILE_MAX: u64 = 1 << 20;
const MASK: &str = "/dev/null";
/// The name by which units ask for the bus: a choice between two daemons that both are installed.
const BUS: &str = "dbus.service";

/// The subdirectories, and symlinks beside them, without any file.
pub fn skeleton(from: &Dir, to: &Dir) -> Result<()> {
    copy(from, to, &|kind, name| matches!(kind, Kind::Directory | Kind::Symlink) && !is_machine_id(name))
}

/// What has one of these names, all of it.
pub fn keep(names: &[&str], from: &Dir, to: &Dir) -> Result<()> {
    for name in names.iter().map(OsStr::new) {
        if let Some(meta) = from.lookup(name)? {
            copy_one(from, name, meta.kind, to)?.map_or(Ok(()), |(from, to)| copy(&from, &to, &|_, _| true))?;
        }
    }
    Ok(())
}

/// Units that are masked, by a link to `/dev/null` or an empty file, and the choice of the bus.
pub fn masks(from: &Dir, to: &Dir) -> Result<()> {
    from.for_each(|entry| {
        let Some(meta) = from.lookup(&entry.name)? else { return Ok(()) };
        let is_kept = match meta.kind {
            Kind::Symlink => entry.name == BUS || from.readlink(&entry.name)? == MASK,
            Kind::File => meta.size == 0,
            _ => false,
        };
        if is_kept { copy_one(from, &entry.name, meta.kind, to).map(drop) } else { Ok(()) }
    })
}

/// journald names a directory after the machine it is of.
fn is_machine_id(name: &OsStr) -> bool {
    name.len() == 32 && name.as_bytes().iter().all(u8::is_ascii_hexdigit)
}

fn copy(from: &Dir, to: &Dir, wanted: &dyn Fn(Kind, &OsStr) -> bool) -> Result<()> {
    let mut pending = VecDeque::from([(from.reopen()?, to.reopen()?, 0)]);
    let mut copied = 0;
    while let Some((from, to, depth)) = pending.pop_front() {
        from.for_each(|entry| {
            let kind = match entry.kind {
                Some(kind) => kind,
                None => from.lookup(&entry.name)?.map_or(Kind::Socket, |meta| meta.kind),
            };
            if copied == NAMES_MAX || !wanted(kind, &entry.name) {
                return Ok(());
            }
            copied += 1;
            let made =
                copy_one(&from, &entry.name, kind, &to)?.filter(|_| depth < DEPTH_MAX && pending.len() < OPEN_MAX);
            pending.extend(made.map(|(source, made)| (source, made, depth + 1)));
            Ok(())
        })?;
    }
    Ok(())
}

/// Copies one name; of a directory only itself, which is then returned, open on both sides.
fn copy_one(from: &Dir, name: &OsStr, kind: Kind, to: &Dir) -> Result<Option<(Dir, Dir)>> {
    let copied = match kind {
        Kind::Directory => upper::copy_directory(from, name, to),
        Kind::Symlink => upper::copy_symlink(from, name, to).map(|()| None),
        Kind::File => upper::copy_file(from, name, to, FILE_MAX).map(|()| None),
        _ => Ok(None),
    };
    match copied {
        // The host went on working meanwhile.
        Err(error) if error.is_not_found() => Ok(None),
        other => other,
    }
}
