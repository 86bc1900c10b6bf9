//! Removing a container with all that was written in it, however broken it is.

use crate::container::overlay;
use crate::container::stop::{self, Limits};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::{datadir, lock, runtime, stage};
use crate::sys::poll::Wait;
use crate::systemd::host::Host;
use crate::text::mountinfo;
use std::ffi::OsStr;
use std::time::Duration;

/// How long `rm` waits for another command to let go of the container.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Stops the container and removes it, its record and the links that start it at boot.
///
/// Errors: `NotFound`; `Busy` when something is mounted in it, or another command works on it.
pub fn remove(paths: &Paths, host: &mut Host, name: &Name, limits: Limits, wait: Wait<'_>) -> Result<()> {
    if !datadir::exists(paths, name)? {
        return Err(Error::new(Kind::NotFound, format!("there is no container {name} in {:?}", paths.containers())));
    }
    // Held from before the stop until nothing is left: nobody starts it in between.
    let lock = lock::take(paths, name, "rm", wait.no_longer_than(LOCK_LIMIT))?;
    refuse_mounts(paths, name)?;
    if !runs_elsewhere(paths, name)? {
        stop::stop_held(paths, host, &lock, limits, wait)?;
    }
    let containers = datadir::containers(paths)?;
    stage::discard(&containers, OsStr::new(name.as_str()), wait).with_context(|| format!("removing {name}"))?;
    forget(paths, host, name)?;
    lock.remove()
}

/// A container of the same name in another datadir is another container.
fn runs_elsewhere(paths: &Paths, name: &Name) -> Result<bool> {
    Ok(runtime::read(paths, name)?.is_some_and(|known| known.datadir != paths.datadir()))
}

/// What this boot of the host, and its systemd, know of the container.
fn forget(paths: &Paths, host: &mut Host, name: &Name) -> Result<()> {
    if runs_elsewhere(paths, name)? {
        return Ok(());
    }
    if let Host::Systemd(manager) = host {
        let unit = name.unit();
        manager.reset_failed(&unit)?;
        if manager.unit_file_state(&unit).is_ok_and(|state| state.starts_with("enabled")) {
            manager.disable_unit_files(&[&unit])?;
        }
    }
    remove_mountpoint(paths, name)?;
    runtime::remove(paths, name)
}

/// The empty directory on which its boots have mounted.
fn remove_mountpoint(paths: &Paths, name: &Name) -> Result<()> {
    let place = paths.mounts().join(name.as_str());
    match std::fs::remove_dir(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("{place:?}")),
        _ => Ok(()),
    }
}

/// A mount below the container is somebody's, and what is behind it must not be removed.
fn refuse_mounts(paths: &Paths, name: &Name) -> Result<()> {
    let directory = std::fs::canonicalize(paths.containers()).context("the datadir")?.join(name.as_str());
    let mounts = overlay::mounts(paths)?;
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
