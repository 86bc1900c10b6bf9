//! The mount namespace of this process. Only for a process with one thread that exits or execs afterwards.

use crate::error::{Context, Error, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Gives this process a mount namespace of its own. What the host mounts and unmounts later still arrives; what is
/// mounted here goes nowhere and ends with the last process inside. (A private one would pin every mount of the host.)
pub fn unshare() -> Result<()> {
    // SAFETY: only CLONE_NEWNS: no descriptor table is unshared, so no descriptor changes its meaning.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
        .map_err(|errno| Error::os(errno, "unshare(CLONE_NEWNS)"))?;
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .map_err(|errno| Error::os(errno, "mount(\"/\", MS_REC|MS_SLAVE)"))
}

/// Lays an empty tmpfs over a directory, for this namespace alone, and gives the directory's own place, for [`detach`]; one
/// that is not there needs none.
pub fn cover(directory: &Path) -> Result<Option<PathBuf>> {
    let place = match directory.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("{directory:?}"))?,
    };
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", &place, "tmpfs", flags, c"mode=1777,size=16m")
        .map_err(|errno| Error::os(errno, format!("mount(tmpfs, {place:?})")))?;
    Ok(Some(place))
}

/// Opens no device below the mount at `target` any more; its other flags become the usual ones.
pub fn forbid_devices(target: &Path) -> Result<()> {
    let flags = MountFlags::BIND | MountFlags::NODEV;
    rustix::mount::mount_remount(target, flags, c"")
        .map_err(|errno| Error::os(errno, format!("mount({target:?}, MS_REMOUNT|MS_BIND|MS_NODEV)")))
}

/// Takes away what is mounted at `target` and everything on it, at once for this namespace.
pub fn detach(target: &Path) -> Result<()> {
    rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .map_err(|errno| Error::os(errno, format!("umount2({target:?}, MNT_DETACH)")))
}
