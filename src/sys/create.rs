//! Making what an archive names, by a directory's descriptor and one name: nothing that exists is opened or followed.
//!
//! A name that is taken is EEXIST, always. Modes are cut by the process's umask ([`UMASK`]); what needs more bits than
//! that leaves is given them afterwards.

use crate::error::{Errno, Error, Result};
use crate::sys::dir::{Dir, component, proc_path};
use crate::sys::meta;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;

/// What the program sets its umask to at its start: of what is created, only the owner may write; where another mode
/// matters it is set.
pub const UMASK: u32 = 0o022;

/// What a new name is given; set-id and sticky bits come after the owner, who would take them away.
fn at_birth(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o777 & !UMASK)
}

/// Whether an inode of this mode is made by one call.
pub fn is_whole_at_birth(mode: u32) -> bool {
    Mode::from_raw_mode(mode) == at_birth(mode)
}

/// A regular file, open for writing.
pub fn file(dir: &Dir, name: &OsStr, mode: u32) -> Result<File> {
    let name = component(name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, at_birth(mode))
        .map(File::from)
        .map_err(|errno| Error::os(errno, format!("openat({name:?}, O_CREAT|O_EXCL)")))
}

pub fn directory(dir: &Dir, name: &OsStr, mode: u32) -> Result<()> {
    let name = component(name)?;
    rustix::fs::mkdirat(dir, name, at_birth(mode)).map_err(|errno| Error::os(errno, format!("mkdirat({name:?})")))
}

pub fn symlink(dir: &Dir, name: &OsStr, target: &OsStr) -> Result<()> {
    let name = component(name)?;
    rustix::fs::symlinkat(target, dir, name)
        .map_err(|errno| Error::os(errno, format!("symlinkat({target:?}, {name:?})")))
}

/// A second name; of a symlink itself, if `old` is one.
pub fn hard_link(old_dir: &Dir, old: &OsStr, dir: &Dir, name: &OsStr) -> Result<()> {
    let (old, name) = (component(old)?, component(name)?);
    rustix::fs::linkat(old_dir, old, dir, name, AtFlags::empty())
        .map_err(|errno| Error::os(errno, format!("linkat({old:?}, {name:?})")))
}

/// A FIFO, a character or a block device; `rdev` is major and minor.
pub fn node(dir: &Dir, name: &OsStr, kind: meta::Kind, mode: u32, rdev: (u32, u32)) -> Result<()> {
    let name = component(name)?;
    let file_type = match kind {
        meta::Kind::Fifo => FileType::Fifo,
        meta::Kind::CharDevice => FileType::CharacterDevice,
        meta::Kind::BlockDevice => FileType::BlockDevice,
        other => return Err(Error::failed(format!("mknodat({name:?}) of a {other:?}"))),
    };
    rustix::fs::mknodat(dir, name, file_type, at_birth(mode), rustix::fs::makedev(rdev.0, rdev.1))
        .map_err(|errno| not_made(errno, format!("mknodat({name:?}, {file_type:?}, {}:{})", rdev.0, rdev.1)))
}

/// Build tools that were not started as root run us as root of a user namespace, which has CAP_MKNOD and yet no devices.
fn not_made(errno: Errno, call: String) -> Error {
    let error = Error::os(errno, call);
    match errno {
        Errno::PERM => error.context(
            "devices are made with CAP_MKNOD and outside of user namespaces only; else leave them out of the source",
        ),
        _ => error,
    }
}

/// The owner of the name itself, if it is a symlink.
pub fn set_owner_at(dir: &Dir, name: &OsStr, uid: u32, gid: u32) -> Result<()> {
    let name = component(name)?;
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(dir, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::os(errno, format!("fchownat({name:?}, {uid}, {gid})")))
}

/// The mode of a name that is no symlink: it is held as a place first, and that is what is changed.
pub fn set_mode_at(dir: &Dir, name: &OsStr, mode: u32) -> Result<()> {
    let name = component(name)?;
    let failed = |errno, call: &str| Error::os(errno, format!("{call}({name:?}, {mode:o})"));
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(|errno| failed(errno, "openat"))?;
    // chmod(2) through /proc ends at the place itself; of a symlink that took the name it is refused by the kernel.
    rustix::fs::chmod(proc_path(place.as_fd()), Mode::from_raw_mode(mode)).map_err(|errno| failed(errno, "chmod"))
}

/// Both times of the name itself, if it is a symlink.
pub fn set_modified_at(dir: &Dir, name: &OsStr, (seconds, nanoseconds): (i64, u32)) -> Result<()> {
    let name = component(name)?;
    let time = Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::os(errno, format!("utimensat({name:?})")))
}

/// An extended attribute of the name itself, if it is a symlink.
pub fn set_xattr_at(dir: &Dir, name: &OsStr, xattr: &OsStr, value: &[u8]) -> Result<()> {
    rustix::fs::lsetxattr(meta::path_at(dir, name)?, xattr, value, XattrFlags::empty())
        .map_err(|errno| Error::os(errno, format!("lsetxattr({xattr:?})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    #[test]
    fn nothing_that_exists_is_opened_or_followed() {
        let scratch = Scratch::new("create-exists");
        let (dir, name) = (scratch.dir(), OsStr::new("n"));
        dir.symlink(OsStr::new("elsewhere"), "n").unwrap();
        let taken = |result: Result<()>| assert_eq!(result.unwrap_err().errno(), Some(Errno::EXIST));
        taken(file(dir, name, 0o644).map(drop));
        taken(directory(dir, name, 0o700));
        taken(symlink(dir, name, OsStr::new("x")));
        taken(node(dir, name, meta::Kind::Fifo, 0o600, (0, 0)));
        dir.create_file("other", 0o600).unwrap();
        taken(hard_link(dir, OsStr::new("other"), dir, name));
        assert!(dir.lookup("elsewhere").unwrap().is_none());
    }

    #[test]
    fn what_is_said_of_a_symlink_is_not_said_of_its_target() {
        let scratch = Scratch::new("create-at");
        let (dir, name) = (scratch.dir(), OsStr::new("link"));
        dir.create_file("target", 0o600).unwrap();
        symlink(dir, name, OsStr::new("target")).unwrap();
        let before = dir.lookup("target").unwrap();
        set_modified_at(dir, name, (-5, 7)).unwrap();
        assert!(set_mode_at(dir, name, 0o777).is_err());
        assert!(set_xattr_at(dir, name, OsStr::new("user.x"), b"1").is_err());
        assert_eq!(dir.lookup("target").unwrap(), before);
        assert_eq!(dir.lookup("link").unwrap().unwrap().modified, (-5, 7));
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let scratch = Scratch::new("create-names");
        for name in ["", ".", "..", "a/b", "/etc", "a\0b"].map(OsStr::new) {
            let dir = scratch.dir();
            assert!(file(dir, name, 0o600).is_err() && directory(dir, name, 0o700).is_err(), "{name:?}");
            assert!(set_xattr_at(dir, name, OsStr::new("user.x"), b"").is_err(), "{name:?}");
            assert!(set_mode_at(dir, name, 0o600).is_err(), "{name:?}");
        }
    }
}
