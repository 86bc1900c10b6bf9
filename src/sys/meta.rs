//! What an inode carries beside its bytes: type, mode, owner, identity, extended attributes, inode flags.

use crate::error::{self, Error, Result};
use crate::sys::dir::{Dir, component, proc_path};
use rustix::fs::{AtFlags, FileType, Gid, IFlags, Mode, StatxFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The kernel's own bounds (XATTR_LIST_MAX, XATTR_SIZE_MAX): a larger buffer is never needed.
const XATTR_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// What statx(2) tells of one inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits too.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Major and minor of the filesystem.
    pub dev: (u32, u32),
    pub ino: u64,
    pub size: u64,
    /// Of 512 bytes; fewer than the size takes when there are holes.
    pub blocks: u64,
    pub links: u32,
    /// Major and minor of a device node.
    pub rdev: (u32, u32),
    /// The mount through which it was reached; 0 before Linux 5.8.
    pub mount: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
}

impl Meta {
    /// Overlayfs' "there is nothing here": a character device 0/0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::CharDevice && self.rdev == (0, 0)
    }

    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether it is on another mount, or in another subvolume, than the directory `top` in whose tree it is.
    ///
    /// A directory of another filesystem's number on the same mount is a subvolume; a file is not, for an overlay gives it the
    /// number of the filesystem beneath it.
    pub fn is_mounted_in(&self, top: &Meta) -> bool {
        let counts = self.is_dir() || self.mount == 0;
        self.mount != top.mount || (counts && self.dev != top.dev)
    }

    /// Whether both are one inode.
    pub fn is_same(&self, other: &Meta) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// `name` in the directory `fd`, itself if it is a symlink; triggers no automount. None when it does not exist.
pub fn lookup(fd: impl AsFd, name: &OsStr) -> Result<Option<Meta>> {
    match statx(fd, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT) {
        Ok(meta) => Ok(Some(meta)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::os(errno, format!("statx({name:?})"))),
    }
}

/// What the descriptor itself stands for.
pub fn of(fd: impl AsFd) -> Result<Meta> {
    statx(fd, OsStr::new(""), AtFlags::EMPTY_PATH).map_err(|errno| Error::os(errno, "statx"))
}

fn statx(fd: impl AsFd, name: &OsStr, flags: AtFlags) -> rustix::io::Result<Meta> {
    let stat = rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
    Ok(Meta {
        kind: kind(FileType::from_raw_mode(u32::from(stat.stx_mode))),
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        dev: (stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        links: stat.stx_nlink,
        rdev: (stat.stx_rdev_major, stat.stx_rdev_minor),
        mount: stat.stx_mnt_id,
        modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
    })
}

pub(super) fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => Kind::File,
    }
}

pub fn set_mode(fd: impl AsFd, mode: u32) -> Result<()> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(|errno| Error::os(errno, format!("fchmod({mode:o})")))
}

pub fn set_owner(fd: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .map_err(|errno| Error::os(errno, format!("fchown({uid}, {gid})")))
}

/// Sets the time of the last change; the time of the last reading becomes the same.
pub fn set_modified(fd: impl AsFd, (seconds, nanoseconds): (i64, u32)) -> Result<()> {
    let time = Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    rustix::fs::futimens(fd, &Timestamps { last_access: time, last_modification: time })
        .map_err(|errno| Error::os(errno, "futimens"))
}

/// The value of an extended attribute; None when the inode or its filesystem has none.
pub fn xattr(fd: impl AsFd, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref();
    valued(|value| rustix::fs::fgetxattr(&fd, name, value), name)
}

pub fn has_xattr(fd: impl AsFd, name: &str) -> Result<bool> {
    match rustix::fs::fgetxattr(fd, name, &mut [] as &mut [u8]) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(Error::os(errno, format!("fgetxattr({name:?})"))),
    }
}

/// Whether an extended attribute has exactly this value, of at most 8 bytes.
pub fn is_xattr(fd: impl AsFd, name: &str, wanted: &[u8]) -> Result<bool> {
    let mut value = [0u8; 8];
    match rustix::fs::fgetxattr(fd, name, value.as_mut_slice()) {
        Ok(length) => Ok(&value[..length] == wanted),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(Error::os(errno, format!("fgetxattr({name:?})"))),
    }
}

pub fn set_xattr(fd: impl AsFd, name: &OsStr, value: &[u8]) -> Result<()> {
    rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
        .map_err(|errno| Error::os(errno, format!("fsetxattr({name:?})")))
}

/// The extended attributes that are a POSIX ACL (linux/posix_acl_xattr.h).
pub const ACL_ACCESS: &str = "system.posix_acl_access";
pub const ACL_DEFAULT: &str = "system.posix_acl_default";

/// The two names under which XFS shows root each ACL once more, in its own form. They are never listed here: a tree has the
/// same attributes wherever it stands.
pub fn is_acl_of_xfs(name: &[u8]) -> bool {
    matches!(name, b"trusted.SGI_ACL_FILE" | b"trusted.SGI_ACL_DEFAULT")
}

/// The names of all extended attributes; none where the filesystem has no such thing.
pub fn xattrs(fd: impl AsFd) -> Result<Vec<OsString>> {
    listed(|names| rustix::fs::flistxattr(&fd, names), "flistxattr")
}

/// The names of all extended attributes of a name itself, if it is a symlink.
fn xattrs_at(dir: &Dir, name: &OsStr) -> Result<Vec<OsString>> {
    let path = path_at(dir, name)?;
    listed(|names| rustix::fs::llistxattr(&*path, names), "llistxattr").map_err(without_proc)
}

/// The value of an extended attribute of a name itself, if it is a symlink.
fn xattr_at(dir: &Dir, name: &OsStr, xattr: &OsStr) -> Result<Option<Vec<u8>>> {
    let path = path_at(dir, name)?;
    valued(|value| rustix::fs::lgetxattr(&*path, xattr, value), xattr)
}

/// All extended attributes, names and values; one that is gone since it was listed is left out.
pub fn xattr_values(fd: impl AsFd) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    values(xattrs(&fd)?, |name| xattr(&fd, name))
}

/// The same of a name itself, if it is a symlink.
pub fn xattr_values_at(dir: &Dir, name: &OsStr) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    values(xattrs_at(dir, name)?, |xattr| xattr_at(dir, name, xattr))
}

fn values(names: Vec<OsString>, value: impl Fn(&OsStr) -> Result<Option<Vec<u8>>>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        if let Some(value) = value(&name)? {
            all.push((name.into_vec(), value));
        }
    }
    Ok(all)
}

/// Takes an extended attribute away; one that is not there is no error.
pub fn remove_xattr(fd: impl AsFd, name: &OsStr) -> Result<()> {
    match rustix::fs::fremovexattr(fd, name) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(Error::os(errno, format!("fremovexattr({name:?})"))),
    }
}

/// A name that is not found by [`path_at`]: it is gone, or there is no such path here at all.
fn without_proc(error: Error) -> Error {
    match error.is_not_found() && !Path::new("/proc/self/fd").is_dir() {
        true => {
            Error::new(error::Kind::Unavailable, "/proc is not mounted: extended attributes of symlinks cannot be read")
        }
        false => error,
    }
}

/// The path of a name in an open directory, for calls that take no descriptor: only its last component can be a symlink.
pub(super) fn path_at(dir: &Dir, name: &OsStr) -> Result<PathBuf> {
    Ok(Path::new(&proc_path(dir.as_fd())).join(component(name)?))
}

/// Most inodes have none, or a few: the kernel's bound is allocated when it is needed.
fn listed(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>, name: &str) -> Result<Vec<OsString>> {
    let split = |names: &[u8]| {
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !is_acl_of_xfs(name));
        names.map(|name| OsString::from_vec(name.to_vec())).collect()
    };
    let mut few = [0u8; 512];
    match call(&mut few) {
        Ok(length) => return Ok(split(few.get(..length).unwrap_or(&[]))),
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(Error::os(errno, name)),
    }
    let mut many = vec![0u8; XATTR_MAX];
    let length = call(&mut many).map_err(|errno| Error::os(errno, name))?;
    Ok(split(many.get(..length).unwrap_or(&[])))
}

fn valued(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>, name: &OsStr) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0u8; XATTR_MAX];
    match call(&mut value) {
        Ok(length) => {
            value.truncate(length);
            value.shrink_to_fit();
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(Error::os(errno, format!("getxattr({name:?})"))),
    }
}

/// Gives `to` the owner, mode and extended attributes of `from`, but for overlayfs' own attributes.
///
/// Attributes that the target's filesystem cannot hold are left out.
pub fn copy(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let meta = of(&from)?;
    set_owner(&to, meta.uid, meta.gid)?;
    // After the owner: a change of owner clears the set-id bits.
    set_mode(&to, meta.mode)?;
    for name in xattrs(&from)? {
        if is_overlay_xattr(&name) {
            continue;
        }
        let Some(value) = name.to_str().map(|name| xattr(&from, name)).transpose()?.flatten() else { continue };
        match set_xattr(&to, &name, &value) {
            Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => {}
            other => other?,
        }
    }
    Ok(())
}

fn is_overlay_xattr(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Whether names in the directory are compared without regard to case (chattr +F).
pub fn is_casefolded(fd: impl AsFd) -> Result<bool> {
    const CASEFOLD: u32 = 0x4000_0000;
    match rustix::fs::ioctl_getflags(&fd) {
        Ok(flags) => Ok(flags.bits() & CASEFOLD != 0),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(Error::os(errno, "ioctl(FS_IOC_GETFLAGS)")),
    }
}

/// Takes the immutable and append-only flags (chattr +i, +a) away; true when one was there.
pub fn clear_flags(fd: impl AsFd) -> Result<bool> {
    let forbidding = IFlags::IMMUTABLE | IFlags::APPEND;
    let flags = match rustix::fs::ioctl_getflags(&fd) {
        Ok(flags) => flags,
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => return Ok(false),
        Err(errno) => return Err(Error::os(errno, "ioctl(FS_IOC_GETFLAGS)")),
    };
    if !flags.intersects(forbidding) {
        return Ok(false);
    }
    rustix::fs::ioctl_setflags(&fd, flags - forbidding).map_err(|errno| Error::os(errno, "ioctl(FS_IOC_SETFLAGS)"))?;
    Ok(true)
}
