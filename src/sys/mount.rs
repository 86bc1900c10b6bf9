//! Filesystems by the descriptor interface: fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2). A mount
//! that nobody attached ends with its descriptor.

use crate::error::{Error, Kind, Result};
use crate::sys::dir::{Dir, proc_path};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Messages of one filesystem context that are shown.
const MESSAGES_MAX: usize = 8;

/// Whether an overlay's changes must be on disk when it is unmounted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Kept,
    /// Unmounting does not sync the whole filesystem on which the upper is (which may take seconds); a workdir that
    /// was used so is of no other use. Kernels before 5.10 sync all the same.
    Discarded,
}

/// What an overlay is made of. The directories are opened ones: nothing is escaped, and nobody can exchange them.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    pub lower: BorrowedFd<'a>,
    pub upper: BorrowedFd<'a>,
    pub work: BorrowedFd<'a>,
}

/// Options that keep an upper usable when the lower changes between two mounts of it, as the host's `/` does; a
/// renamed directory is recorded, not copied. Kernels that do not know one of them do not have what it is about.
const OVERLAY_OPTIONS: [(&str, &str); 3] = [("index", "off"), ("metacopy", "off"), ("redirect_dir", "on")];

/// Mounts an overlay that is attached nowhere yet.
///
/// Errors: the system call's, with what the kernel says about it.
pub fn overlay(overlay: &Overlay<'_>, source: &str, changes: Changes) -> Result<OwnedFd> {
    match try_overlay(overlay, source, changes) {
        Err(error) if error.errno() == Some(Errno::INVAL) && changes == Changes::Discarded => {
            try_overlay(overlay, source, Changes::Kept)
        }
        other => other,
    }
}

fn try_overlay(overlay: &Overlay<'_>, source: &str, changes: Changes) -> Result<OwnedFd> {
    let context = fsopen("overlay")?;
    set(&context, "source", source)?;
    set(&context, "lowerdir", &proc_path(overlay.lower))?;
    set(&context, "upperdir", &proc_path(overlay.upper))?;
    set(&context, "workdir", &proc_path(overlay.work))?;
    for (key, value) in OVERLAY_OPTIONS {
        match set(&context, key, value) {
            Err(error) if error.errno() == Some(Errno::INVAL) => {}
            other => other?,
        }
    }
    if changes == Changes::Discarded {
        rustix::mount::fsconfig_set_flag(&context, "volatile")
            .map_err(|errno| Error::os(errno, "fsconfig(\"volatile\")"))?;
    }
    create(&context)
}

/// What a filesystem on a block device is mounted with, beside `ro`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Words by themselves, as `nouuid`.
    pub flags: &'a [&'static str],
    pub values: &'a [(&'static str, &'a str)],
}

/// Mounts what is on a block device: for reading, no set-id bit, device or program in it has an effect, and it is attached
/// nowhere. It ends with the last descriptor of something in it.
///
/// Errors: the system call's, with what the kernel says about it; `Unavailable` when the kernel has no such filesystem.
pub fn disk(fstype: &str, device: &str, options: &Options<'_>) -> Result<Dir> {
    let context = fsopen(fstype).map_err(|error| match error.errno() {
        Some(Errno::NODEV) => Error::new(
            Kind::Unavailable,
            format!("this kernel has no {fstype} (not in /proc/filesystems, and it loaded no module for it)"),
        ),
        _ => error,
    })?;
    set(&context, "source", device)?;
    for flag in ["ro"].iter().chain(options.flags) {
        rustix::mount::fsconfig_set_flag(&context, *flag)
            .map_err(|errno| explained(Error::os(errno, format!("fsconfig({flag:?})")), &context))?;
    }
    options.values.iter().try_for_each(|(key, value)| set(&context, key, value))?;
    let inert = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mounted = create_with(&context, inert).map_err(untaken)?;
    // The descriptor itself is an O_PATH one.
    Dir::from_fd(mounted).reopen()
}

/// Most filesystems say why in the kernel's log alone, and end the call with EINVAL whatever it is.
fn untaken(error: Error) -> Error {
    match error.errno() {
        Some(Errno::INVAL) => error.context(
            "this kernel does not take it: it is cut short or broken, or has a feature that is lacking here (dmesg may say which)",
        ),
        _ => error,
    }
}

/// An empty filesystem in memory, attached nowhere, to make device nodes in.
pub fn nodes() -> Result<OwnedFd> {
    let context = fsopen("tmpfs")?;
    set(&context, "mode", "0700")?;
    set(&context, "size", "64k")?;
    create(&context)
}

/// A filesystem that is attached nowhere yet, for what a test mounts.
#[cfg(test)]
pub fn filesystem(fstype: &str, options: &[(&str, &str)]) -> Result<OwnedFd> {
    let context = fsopen(fstype)?;
    options.iter().try_for_each(|(key, value)| set(&context, key, value))?;
    create(&context)
}

fn fsopen(fstype: &str) -> Result<OwnedFd> {
    rustix::mount::fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| Error::os(errno, format!("fsopen({fstype:?})")))
}

fn set(context: &OwnedFd, key: &str, value: &str) -> Result<()> {
    rustix::mount::fsconfig_set_string(context, key, value).map_err(|errno| {
        let error = Error::os(errno, format!("fsconfig({key:?}, {value:?})"));
        explained(error, context)
    })
}

fn create(context: &OwnedFd) -> Result<OwnedFd> {
    create_with(context, MountAttrFlags::empty())
}

fn create_with(context: &OwnedFd, attributes: MountAttrFlags) -> Result<OwnedFd> {
    rustix::mount::fsconfig_create(context)
        .map_err(|errno| explained(Error::os(errno, "fsconfig(FSCONFIG_CMD_CREATE)"), context))?;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(|errno| explained(Error::os(errno, "fsmount"), context))
}

/// A context can be read for what the kernel has to say: a letter for the level, a space, the message.
fn explained(error: Error, context: &OwnedFd) -> Error {
    let mut said = Vec::new();
    let mut buffer = [0u8; 512];
    while let Ok(length @ 1..) = rustix::io::read(context, &mut buffer) {
        said.push(String::from_utf8_lossy(buffer.get(2..length).unwrap_or_default()).trim().to_string());
        if said.len() == MESSAGES_MAX {
            break;
        }
    }
    if said.is_empty() { error } else { error.context(said.join("; ")) }
}

/// What is mounted at `path` without what is mounted below it: a view in which no other filesystem, and no
/// automount, can be met.
pub fn clone_of(path: &Path) -> Result<Dir> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_NO_AUTOMOUNT
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let fd = rustix::mount::open_tree(CWD, path, flags)
        .map_err(|errno| Error::os(errno, format!("open_tree({path:?}, OPEN_TREE_CLONE)")))?;
    // The descriptor itself is an O_PATH one.
    Dir::from_fd(fd).reopen()
}

/// An opened directory as a mount of its own, without what is mounted below it; attached nowhere yet. The directory must be of
/// this process's mount namespace: whoever takes another one does so afterwards.
pub fn clone_at(directory: impl AsFd) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(directory, "", flags).map_err(|errno| Error::os(errno, "open_tree(OPEN_TREE_CLONE)"))
}

/// Attaches a mount to an opened directory.
pub fn attach(mount: impl AsFd, directory: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", directory, "", flags).map_err(|errno| Error::os(errno, "move_mount"))
}

/// Opens a directory as a place (O_PATH): a path of ours, its symlinks followed; triggers no automount.
pub fn place(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|errno| Error::os(errno, format!("open({path:?}, O_PATH|O_DIRECTORY)")))
}

/// Opens a directory below another as a place; no symlink on the way, none at the end.
pub fn place_beneath(root: impl AsFd, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = path.strip_prefix("/").unwrap_or(path);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve).map_err(|errno| {
        Error::os(errno, format!("openat2({path:?}, O_PATH|O_DIRECTORY, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS)"))
    })
}
