//! Removing a container with all that was written in it, however broken it is.

use crate::container::stop::{self, Limits};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::{datadir, lock, runtime, stage};
use crate::sys::poll::Wait;
use crate::systemd::host::Host;
use crate::text::mountinfo::{self, MOUNTINFO_MAX, Mount};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
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
    refuse_mounts(paths, name)?;
    if !runs_elsewhere(paths, name)? {
        stop::stop(paths, host, name, limits, wait)?;
    }
    let lock = lock::take(paths, name, "rm", wait.no_longer_than(LOCK_LIMIT))?;
    let containers = datadir::containers(paths)?;
    stage::discard(&containers, OsStr::new(name.as_str())).with_context(|| format!("removing {name}"))?;
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
    let mounts = mountinfo::parse(&read_mountinfo(&paths.mountinfo())?)?;
    match mounts.iter().find(|mount| is_within(mount, &directory)) {
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

fn is_within(mount: &Mount, directory: &Path) -> bool {
    mount.mountpoint.starts_with(directory)
}

fn read_mountinfo(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path).with_context(|| format!("{path:?}"))?;
    file.take(MOUNTINFO_MAX as u64).read_to_end(&mut text).with_context(|| format!("{path:?}"))?;
    Ok(text)
}
