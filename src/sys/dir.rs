//! A directory by its descriptor, and what is done in it by names of one component. No path is looked up twice and
//! no symlink is followed: what was opened is what is worked in, whatever anybody renames meanwhile.

use crate::error::{Context, Error, Kind, Result};
use crate::sys::meta::{self, Meta};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Filesystems of the kernel's own, by their magic numbers (linux/magic.h).
const MADE_UP: [u64; 20] = [
    0x6c6f_6f70, // binderfs
    0x4249_4e4d, // binfmt_misc
    0xcafe_4a11, // bpf
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6265_6570, // configfs
    0x6462_6720, // debugfs
    0x0000_1cd1, // devpts
    0xde5e_81e4, // efivarfs
    0x6573_5543, // fusectl
    0x1980_0202, // mqueue
    0x6e73_6673, // nsfs
    0x0000_9fa0, // proc
    0x6165_676c, // pstore
    0x6759_6969, // rpc_pipefs
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0x6265_6572, // sysfs
    0x7472_6163, // tracefs
];
/// Bytes that one getdents64(2) may fill: some hundred entries.
const ENTRIES_BUFFER: usize = 32 * 1024;

#[derive(Debug)]
pub struct Dir(OwnedFd);

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: OsString,
    /// None when the filesystem does not say: ask [`Dir::lookup`].
    pub kind: Option<meta::Kind>,
}

/// Bytes of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// That can still be written.
    pub free: u64,
    pub used: u64,
}

impl Dir {
    /// Opens a path of ours; symlinks in it are followed.
    pub fn open(path: &Path) -> Result<Dir> {
        let fd = open_to_read(CWD, path.as_os_str(), OFlags::DIRECTORY);
        fd.map(Dir).map_err(|errno| Error::os(errno, format!("open({path:?}, O_DIRECTORY)")))
    }

    /// Takes a descriptor that is known to be a directory's.
    pub fn from_fd(fd: OwnedFd) -> Dir {
        Dir(fd)
    }

    /// Opens `path`, making what is missing with `mode` whatever the umask says; what exists keeps its mode.
    pub fn create_all(path: &Path, mode: u32) -> Result<Dir> {
        let mut dir = Dir::open(Path::new("/"))?;
        for component in path.components() {
            dir = match component {
                Component::Normal(name) => dir.descend(name, mode).with_context(|| format!("{path:?}"))?,
                Component::RootDir | Component::CurDir => dir,
                other => return Err(Error::invalid(format!("{path:?} holds {:?}", other.as_os_str()))),
            };
        }
        Ok(dir)
    }

    /// The admin's own symlinks on the way to a chosen path are followed (`/var/lib/sdme` may be one).
    fn descend(&self, name: &OsStr, mode: u32) -> Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(self, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Dir(fd)),
            Err(Errno::NOENT) => self.ensure(name, mode),
            Err(errno) => Err(Error::os(errno, format!("openat({name:?}, O_DIRECTORY)"))),
        }
    }

    /// Opens for reading what is opened as a place (O_PATH) only.
    pub fn at_place(place: &OwnedFd) -> Result<Dir> {
        Dir(place.try_clone()?).reopen()
    }

    /// A second descriptor with a reading position of its own.
    pub fn reopen(&self) -> Result<Dir> {
        self.open_at(OsStr::new("."))
    }

    /// Opens a subdirectory. A symlink is refused with ENOTDIR or ELOOP.
    pub fn subdir(&self, name: impl AsRef<OsStr>) -> Result<Dir> {
        self.open_at(component(name.as_ref())?)
    }

    /// Opens a subdirectory as a place (O_PATH): to make names in, not to be read.
    pub fn place(&self, name: impl AsRef<OsStr>) -> Result<Dir> {
        let name = component(name.as_ref())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self, name, flags, Mode::empty());
        fd.map(Dir).map_err(|errno| Error::os(errno, format!("openat({name:?}, O_PATH|O_DIRECTORY|O_NOFOLLOW)")))
    }

    fn open_at(&self, name: &OsStr) -> Result<Dir> {
        let fd = open_to_read(self.as_fd(), name, OFlags::DIRECTORY | OFlags::NOFOLLOW);
        fd.map(Dir).map_err(|errno| Error::os(errno, format!("openat({name:?}, O_DIRECTORY|O_NOFOLLOW)")))
    }

    /// The parent, by the directory's own `..`.
    pub fn parent(&self) -> Result<Dir> {
        self.open_at(OsStr::new(".."))
    }

    /// Opens a subdirectory if there is one; what is not a directory is an error.
    pub fn lookup_dir(&self, name: impl AsRef<OsStr>) -> Result<Option<Dir>> {
        match self.subdir(name) {
            Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes a subdirectory with exactly `mode`. `Exists` when the name is taken.
    pub fn mkdir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Dir> {
        let name = component(name.as_ref())?;
        rustix::fs::mkdirat(self, name, Mode::from_raw_mode(mode & 0o700))
            .map_err(|errno| made(errno, "mkdirat", name))?;
        let dir = self.open_at(name)?;
        meta::set_mode(&dir, mode)?;
        Ok(dir)
    }

    /// Opens a subdirectory, made with exactly `mode` if it is missing.
    pub fn ensure(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Dir> {
        let name = name.as_ref();
        match self.lookup_dir(name)? {
            Some(dir) => Ok(dir),
            None => match self.mkdir(name, mode) {
                Err(error) if *error.kind() == Kind::Exists => self.subdir(name),
                other => other,
            },
        }
    }

    /// What `name` is, itself if it is a symlink.
    pub fn lookup(&self, name: impl AsRef<OsStr>) -> Result<Option<Meta>> {
        meta::lookup(self, component(name.as_ref())?)
    }

    pub fn meta(&self) -> Result<Meta> {
        meta::of(self)
    }

    /// Opens a regular file for reading; symlinks, FIFOs and devices are refused without waiting for a peer.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.open_file_meta(name).map(|(file, _)| file)
    }

    /// The same, with what it is.
    pub fn open_file_meta(&self, name: impl AsRef<OsStr>) -> Result<(File, Meta)> {
        let name = component(name.as_ref())?;
        let fd = open_to_read(self.as_fd(), name, OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
            .map_err(|errno| Error::os(errno, format!("openat({name:?}, O_RDONLY|O_NOFOLLOW)")))?;
        let meta = meta::of(&fd)?;
        if meta.kind != meta::Kind::File {
            return Err(Error::invalid(format!("{name:?} is not a regular file")));
        }
        Ok((File::from(fd), meta))
    }

    /// Makes a regular file with exactly `mode`. `Exists` when the name is taken.
    pub fn create_file(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File> {
        let name = component(name.as_ref())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self, name, flags, Mode::from_raw_mode(mode & 0o600))
            .map_err(|errno| made(errno, "openat", name))?;
        meta::set_mode(&fd, mode)?;
        Ok(File::from(fd))
    }

    /// A lock file: opened for reading and writing, made with 0600 if it is missing.
    pub fn open_or_create_file(&self, name: impl AsRef<OsStr>) -> Result<File> {
        let name = component(name.as_ref())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self, name, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| Error::os(errno, format!("openat({name:?}, O_RDWR|O_CREAT|O_NOFOLLOW)")))?;
        if meta::of(&fd)?.kind != meta::Kind::File {
            return Err(Error::invalid(format!("{name:?} is not a regular file")));
        }
        Ok(File::from(fd))
    }

    /// A file without a name, to be given one whole by [`Dir::link`]; a crash before that leaves nothing.
    pub fn nameless_file(&self, mode: u32) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self, ".", flags, Mode::from_raw_mode(mode & 0o600))
            .map_err(|errno| Error::os(errno, "openat(O_TMPFILE)"))?;
        meta::set_mode(&fd, mode)?;
        Ok(File::from(fd))
    }

    /// Gives a nameless file its name. `Exists` when the name is taken.
    pub fn link(&self, file: &File, name: impl AsRef<OsStr>) -> Result<()> {
        let name = component(name.as_ref())?;
        let source = proc_path(file.as_fd());
        rustix::fs::linkat(CWD, source, self, name, AtFlags::SYMLINK_FOLLOW)
            .map_err(|errno| made(errno, "linkat", name))
    }

    pub fn symlink(&self, target: &OsStr, name: impl AsRef<OsStr>) -> Result<()> {
        let name = component(name.as_ref())?;
        rustix::fs::symlinkat(target, self, name).map_err(|errno| made(errno, "symlinkat", name))
    }

    pub fn readlink(&self, name: impl AsRef<OsStr>) -> Result<OsString> {
        let name = component(name.as_ref())?;
        let target = rustix::fs::readlinkat(self, name, Vec::new())
            .map_err(|errno| Error::os(errno, format!("readlinkat({name:?})")))?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Overlayfs' "there is nothing here". `Exists` when the name is taken.
    pub fn whiteout(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = component(name.as_ref())?;
        rustix::fs::mknodat(self, name, FileType::CharacterDevice, Mode::empty(), 0)
            .map_err(|errno| made(errno, "mknodat", name))
    }

    pub fn unlink(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = component(name.as_ref())?;
        rustix::fs::unlinkat(self, name, AtFlags::empty())
            .map_err(|errno| Error::os(errno, format!("unlinkat({name:?})")))
    }

    pub fn rmdir(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = component(name.as_ref())?;
        rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR)
            .map_err(|errno| Error::os(errno, format!("unlinkat({name:?}, AT_REMOVEDIR)")))
    }

    /// Renames over whatever has the new name.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: &Dir, name: impl AsRef<OsStr>) -> Result<()> {
        self.rename_with(from.as_ref(), to, name.as_ref(), RenameFlags::empty())
    }

    /// Renames; `Exists` when the new name is taken.
    pub fn rename_noreplace(&self, from: impl AsRef<OsStr>, to: &Dir, name: impl AsRef<OsStr>) -> Result<()> {
        self.rename_with(from.as_ref(), to, name.as_ref(), RenameFlags::NOREPLACE)
    }

    /// Two names change places, at once.
    pub fn exchange(&self, one: impl AsRef<OsStr>, to: &Dir, other: impl AsRef<OsStr>) -> Result<()> {
        self.rename_with(one.as_ref(), to, other.as_ref(), RenameFlags::EXCHANGE)
    }

    fn rename_with(&self, from: &OsStr, to: &Dir, name: &OsStr, flags: RenameFlags) -> Result<()> {
        let (from, name) = (component(from)?, component(name)?);
        rustix::fs::renameat_with(self, from, to, name, flags).map_err(|errno| match errno {
            Errno::EXIST => Error::new(Kind::Exists, format!("{name:?} exists")),
            _ => Error::os(errno, format!("renameat2({from:?}, {name:?})")),
        })
    }

    /// Makes the names in it survive a power cut.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(self).map_err(|errno| Error::os(errno, "fsync"))
    }

    /// Makes everything in its filesystem survive a power cut.
    pub fn sync_filesystem(&self) -> Result<()> {
        rustix::fs::syncfs(self).map_err(|errno| Error::os(errno, "syncfs"))
    }

    /// The magic number of its filesystem (statfs(2)).
    pub fn filesystem(&self) -> Result<u64> {
        let stat = rustix::fs::fstatfs(self).map_err(|errno| Error::os(errno, "fstatfs"))?;
        Ok(stat.f_type as u64 & 0xffff_ffff)
    }

    /// Whether the kernel makes up what is in it: its filesystem has no files that somebody put there.
    pub fn is_made_up(&self) -> Result<bool> {
        Ok(MADE_UP.contains(&self.filesystem()?))
    }

    /// How full its filesystem is.
    pub fn space(&self) -> Result<Space> {
        let stat = rustix::fs::fstatvfs(self).map_err(|errno| Error::os(errno, "fstatvfs"))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        // A filesystem without a size has no end either.
        let free = if stat.f_blocks == 0 { u64::MAX } else { bytes(stat.f_bavail) };
        Ok(Space { free, used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)) })
    }

    /// The next names from the reading position on, at most a buffer full; empty at the end. `.` and `..` are left out.
    pub fn next_entries(&self) -> Result<Vec<Entry>> {
        // On the stack: so much from musl's allocator is a mapping of its own each time.
        let mut buffer = [const { MaybeUninit::uninit() }; ENTRIES_BUFFER];
        let mut reader = RawDir::new(self, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(|errno| Error::os(errno, "getdents64"))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let kind = (entry.file_type() != FileType::Unknown).then(|| meta::kind(entry.file_type()));
                entries.push(Entry { name: OsStr::from_bytes(name).to_os_string(), kind });
            }
            if reader.is_buffer_empty() && !entries.is_empty() {
                break;
            }
        }
        Ok(entries)
    }

    /// Puts the reading position back to the beginning.
    pub fn rewind(&self) -> Result<()> {
        self.seek(0)
    }

    /// The reading position, for [`Dir::seek`] on another descriptor of the same directory.
    pub fn position(&self) -> Result<u64> {
        rustix::fs::tell(self).map_err(|errno| Error::os(errno, "lseek"))
    }

    pub fn seek(&self, position: u64) -> Result<()> {
        let start = rustix::fs::SeekFrom::Start(position);
        rustix::fs::seek(self, start).map(drop).map_err(|errno| Error::os(errno, "lseek"))
    }

    /// Visits every name, however many there are; what is made or removed meanwhile may be seen or not.
    pub fn for_each(&self, visit: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        self.reopen()?.for_rest(visit)
    }

    /// The same from the reading position on.
    pub fn for_rest(&self, mut visit: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        loop {
            let next = self.next_entries()?;
            if next.is_empty() {
                return Ok(());
            }
            next.into_iter().try_for_each(&mut visit)?;
        }
    }

    /// All names, in no order. `Invalid` when there are more than `most`.
    pub fn entries(&self, most: usize) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        self.for_each(|entry| {
            if all.len() == most {
                return Err(Error::invalid(format!("a directory holds more than {most} names")));
            }
            all.push(entry);
            Ok(())
        })?;
        Ok(all)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> OwnedFd {
        dir.0
    }
}

/// The name by which the kernel finds an open file again: no escaping, no second lookup.
pub fn proc_path(fd: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The path of an open file as the kernel knows it now, without symlinks.
pub fn path_of(fd: impl AsFd) -> Result<PathBuf> {
    let link = proc_path(fd.as_fd());
    let path =
        rustix::fs::readlink(&*link, Vec::new()).map_err(|errno| Error::os(errno, format!("readlink({link:?})")))?;
    Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

/// Opens for reading, and leaves the time of access alone where that may be: the owner of a file may, and root. A walk over a
/// tree would else write to every inode in it.
fn open_to_read(at: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let open = |flags| rustix::fs::openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty());
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        other => other,
    }
}

/// A name with a slash, or `..`, would leave the directory.
pub(super) fn component(name: &OsStr) -> Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(Error::invalid(format!("{name:?} is not the name of a directory entry")));
    }
    Ok(name)
}

fn made(errno: Errno, call: &str, name: &OsStr) -> Error {
    match errno {
        Errno::EXIST => Error::new(Kind::Exists, format!("{name:?} exists")),
        _ => Error::os(errno, format!("{call}({name:?})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    #[test]
    fn names_cannot_leave_the_directory() {
        let scratch = Scratch::new("dir-names");
        for name in ["", ".", "..", "a/b", "/etc", "a\0b"] {
            assert!(scratch.dir().mkdir(name, 0o700).is_err(), "{name:?}");
            assert!(scratch.dir().subdir(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn symlinks_are_not_followed() {
        let scratch = Scratch::new("dir-links");
        scratch.dir().symlink(OsStr::new("/etc"), "link").unwrap();
        scratch.dir().symlink(OsStr::new("/etc/passwd"), "file").unwrap();
        assert!(scratch.dir().subdir("link").is_err());
        assert!(scratch.dir().ensure("link", 0o700).is_err());
        assert!(scratch.dir().open_file("file").is_err());
        assert!(scratch.dir().open_or_create_file("file").is_err());
    }

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        let scratch = Scratch::new("dir-modes");
        assert_eq!(scratch.dir().mkdir("d", 0o1777).unwrap().meta().unwrap().mode, 0o1777);
        scratch.dir().create_file("f", 0o444).unwrap();
        assert_eq!(scratch.dir().lookup("f").unwrap().unwrap().mode, 0o444);
    }

    #[test]
    fn a_fifo_is_no_file_and_nobody_waits_for_its_peer() {
        let scratch = Scratch::new("dir-fifo");
        rustix::fs::mknodat(scratch.dir(), "p", FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(scratch.dir().open_file("p").is_err());
    }

    #[test]
    fn all_entries_are_listed_and_no_more_than_asked() {
        let scratch = Scratch::new("dir-entries");
        for number in 0..2000 {
            scratch.dir().create_file(format!("{number}-{}", "x".repeat(100)), 0o600).unwrap();
        }
        assert_eq!(scratch.dir().entries(2000).unwrap().len(), 2000);
        assert!(scratch.dir().entries(1999).is_err());
    }
}
