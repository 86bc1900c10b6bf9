//! What is mounted here, and whether something is mounted where the store is about to remove a tree.

use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::text::mountinfo::{self, Mount};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Everything that is mounted in this mount namespace.
pub fn read(paths: &Paths) -> Result<Vec<Mount>> {
    let mut text = Vec::new();
    let file = File::open(paths.mountinfo()).with_context(|| format!("{:?}", paths.mountinfo()))?;
    file.take(mountinfo::MOUNTINFO_MAX as u64 + 1).read_to_end(&mut text).context("mountinfo")?;
    if text.len() > mountinfo::MOUNTINFO_MAX {
        return Err(Error::invalid("mountinfo is too long"));
    }
    mountinfo::parse(&text)
}

/// A mount at or below `name` of the store's directory `within` is somebody's, and what is behind it must not be removed.
/// Without procfs nothing is known, and a removal stops where it meets one. Where there is no `within` nothing is mounted.
pub fn refuse_below(paths: &Paths, within: &Path, name: &str) -> Result<()> {
    let directory = match fs::canonicalize(within) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        within => within.context("the datadir")?.join(name),
    };
    let mounts = match read(paths) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    match mountinfo::below(&mounts, &directory).next() {
        Some(mount) => {
            let point = &mount.mountpoint;
            Err(Error::new(
                Kind::Busy,
                format!("{name}: something is mounted at {point:?}; unmount it first (umount {point:?})"),
            ))
        }
        None => Ok(()),
    }
}
