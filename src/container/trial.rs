//! A trial of the overlays before a container is made: whether its layers can be mounted over this datadir and, if
//! not, what is missing.

use crate::container::mounts::Choice;
use crate::container::overlay::{self, UPPER, WORK};
use crate::container::state::{Rootfs, Skipped};
use crate::error::{Errno, Error, Result};
use crate::paths::Paths;
use crate::sys::dir::Dir;
use crate::sys::mount::{self, Changes};
use crate::sys::{meta, tree};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;

/// Tries in `stage` whether each layer can be mounted: it is, nowhere, and let go. A layer that is refused and that no
/// system needs to boot is then one of the mounts that are not followed.
///
/// Errors: what the datadir's filesystem lacks, or which layer is refused.
pub fn trial(paths: &Paths, rootfs: &Rootfs, choice: Choice, stage: &Dir) -> Result<Choice> {
    const TRIAL: &str = "trial";
    let dir = stage.mkdir(TRIAL, 0o700)?;
    check_upper(&dir)?;
    let mut fit = Choice { layers: Vec::new(), skipped: choice.skipped };
    for layer in choice.layers {
        match try_layer(&dir, &overlay::lower(paths, rootfs, &layer)?) {
            Ok(()) => fit.layers.push(layer),
            Err(error) if is_needed(&layer.mountpoint) => {
                return Err(overlay::refused(error, &layer.mountpoint, &layer.fstype));
            }
            Err(error) => {
                let why = format!("overlayfs refuses it: {error}");
                fit.skipped.push(Skipped { mountpoint: layer.mountpoint, fstype: layer.fstype, why });
            }
        }
    }
    tree::remove(stage, OsStr::new(TRIAL))?;
    Ok(fit)
}

/// Without these a system does not boot.
fn is_needed(mountpoint: &Path) -> bool {
    const NEEDED: [&str; 7] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr", "/var"];
    mountpoint == Path::new("/") || NEEDED.iter().any(|needed| mountpoint.starts_with(needed))
}

/// With an upper and work of its own: what a trial leaves there must not meet what a container keeps.
fn try_layer(dir: &Dir, lower: &Dir) -> Result<()> {
    for name in [UPPER, WORK] {
        tree::remove(dir, OsStr::new(name))?;
    }
    let (upper, work) = (dir.mkdir(UPPER, 0o700)?, dir.mkdir(WORK, 0o700)?);
    let overlay = mount::Overlay { lower: lower.as_fd(), upper: upper.as_fd(), work: work.as_fd() };
    mount::overlay(&overlay, "sdme", Changes::Discarded).map(drop)
}

/// Says what a filesystem lacks to hold the changes of an overlay. Overlayfs itself would go on, and show in the
/// container what it could not hide.
fn check_upper(dir: &Dir) -> Result<()> {
    let lacks = |what: &str| Error::failed(format!("{what}: use another filesystem for the datadir (--datadir)"));
    meta::set_xattr(dir, OsStr::new("trusted.overlay.opaque"), b"y").map_err(|error| match error.errno() {
        Some(Errno::OPNOTSUPP) => lacks("the datadir's filesystem has no trusted extended attributes"),
        Some(Errno::PERM) => Error::failed("trusted extended attributes are forbidden here: CAP_SYS_ADMIN is needed"),
        _ => error,
    })?;
    dir.whiteout("whiteout").map_err(|error| match error.errno() {
        Some(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL) => {
            lacks("the datadir's filesystem holds no whiteouts (devices 0/0)")
        }
        _ => error,
    })?;
    if dir.entries(1)?.iter().any(|entry| entry.kind.is_none()) {
        return Err(lacks(
            "the datadir's filesystem does not tell the types of its names (d_type; XFS made with ftype=0)",
        ));
    }
    if meta::is_casefolded(dir)? {
        return Err(lacks("the datadir ignores the case of names (casefold)"));
    }
    Ok(())
}
