//! Looking into a tree that belongs to somebody else: every name is resolved by openat2(2) as if the tree's root
//! were `/`. Neither `..`, nor a symlink, nor a magic link leads out of it. Makes nothing but directories that are asked for.

use crate::error::{Error, Kind, Result};
use crate::sys::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The kernel answers EAGAIN while somebody renames or mounts in the tree; a tree that never rests is not waited for.
const ATTEMPTS: u32 = 128;

/// The root directory of a foreign tree.
pub struct Root(OwnedFd);

/// What a search for a program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executable {
    Found(PathBuf),
    /// Something has the name, but it is no file with an execute bit.
    Refused(PathBuf),
    Missing,
}

impl Root {
    /// The tree at `path`, a path of this process's own namespace.
    pub fn open_path(path: &Path) -> Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(Root)
            .map_err(|errno| Error::os(errno, format!("open({path:?}, O_PATH|O_DIRECTORY)")))
    }

    /// The tree whose root this descriptor is.
    pub fn of(directory: OwnedFd) -> Root {
        Root(directory)
    }

    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Opens `path`; symlinks are followed inside the tree, magic links are not.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.openat2(path, flags, ResolveFlags::empty())
    }

    /// Opens `path`; a symlink anywhere in it is an error (ELOOP).
    pub fn open_exact(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.openat2(path, flags, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens `path`, whatever it is, as a place (O_PATH): nothing is read and nobody waited for.
    pub fn open_place(&self, path: &Path) -> Result<OwnedFd> {
        self.open(path, OFlags::PATH)
    }

    /// What `path` is, symlinks followed.
    pub fn stat(&self, path: &Path) -> Result<Stat> {
        stat_of(self.open(path, OFlags::PATH)?.as_fd(), path)
    }

    /// Connects to the socket `name` in `directory`, no symlink anywhere. Leaves the working directory there: only for
    /// a process with one thread.
    ///
    /// connect(2) takes paths only, and a bare name below a directory held open can lead nowhere else than to
    /// what stands in that directory; who listens there, the caller has to ask (SO_PEERCRED).
    pub fn connect_exact(&self, directory: &Path, name: &Path) -> Result<OwnedFd> {
        let path = directory.join(name);
        let socket = stat_of(self.open_exact(&path, OFlags::PATH)?.as_fd(), &path)?;
        if kind(&socket) != FileType::Socket {
            return Err(Error::invalid(format!("{path:?} is no socket but a {:?}", kind(&socket))));
        }
        let directory = self.open_directory_exact(directory)?;
        rustix::process::fchdir(directory).map_err(|errno| Error::os(errno, format!("fchdir({path:?})")))?;
        let full = || Error::new(Kind::Unavailable, format!("{path:?}: too many others wait to be heard"));
        crate::sys::socket::connect(name)?.ok_or_else(full)
    }

    /// A directory to make names in; symlinks, also at the end of `path`, are followed inside the tree.
    pub fn directory(&self, path: &Path) -> Result<Dir> {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY).map(Dir::from_fd)
    }

    /// The same, made with `mode` where it is missing; those on the way to it that are missing, so that everyone can enter.
    pub fn ensure_directory(&self, path: &Path, mode: u32) -> Result<Dir> {
        const PUBLIC: u32 = 0o755;
        let names: Vec<_> = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let (mut above, mut place) = (self.directory(Path::new("/"))?, PathBuf::from("/"));
        for (index, name) in names.iter().enumerate() {
            place.push(name);
            above = match self.directory(&place) {
                Err(error) if error.is_not_found() => {
                    let mode = if index + 1 == names.len() { mode } else { PUBLIC };
                    self.make_directory(&above, &place, mode)?
                }
                other => other?,
            };
        }
        Ok(above)
    }

    fn make_directory(&self, above: &Dir, place: &Path, mode: u32) -> Result<Dir> {
        match above.mkdir(place.file_name().unwrap_or_default(), mode) {
            // Another was faster; or what has the name is a symlink to what is not there.
            Err(error) if *error.kind() == Kind::Exists => self.directory(place).map_err(|error| match error.errno() {
                Some(Errno::NOENT) => {
                    Error::failed(format!("{place:?} is a symlink to what is not there in this tree"))
                }
                _ => error,
            }),
            other => other,
        }
    }

    /// The same for reading, and to change its attributes; a symlink at the end of `path` is an error.
    pub fn directory_itself(&self, path: &Path) -> Result<Dir> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW).map(Dir::from_fd)
    }

    /// Whether `path`, below mounts of filesystems in memory, is there; no symlink anywhere. Never waits: neither a disk
    /// nor a filesystem that the tree's owner serves is asked. A kernel before 5.12 cannot say, and says yes.
    pub fn is_in_memory(&self, path: &Path) -> bool {
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
        match rustix::fs::openat2(&self.0, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(_) | Err(Errno::INVAL) => true,
            Err(_) => false,
        }
    }

    /// Whether `path` is there and is a directory.
    pub fn is_directory(&self, path: &Path) -> bool {
        self.stat(path).is_ok_and(|stat| kind(&stat) == FileType::Directory)
    }

    /// Whether `path` is there and is a regular file.
    pub fn is_file(&self, path: &Path) -> bool {
        self.stat(path).is_ok_and(|stat| kind(&stat) == FileType::RegularFile)
    }

    /// A handle of a directory, no symlink anywhere.
    pub fn open_directory_exact(&self, path: &Path) -> Result<OwnedFd> {
        self.open_exact(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// The whole content of a regular file of at most `max` bytes.
    ///
    /// Nothing but a regular file is opened: opening a FIFO would wait, opening a device may do anything.
    /// Errors: `Invalid` for another kind of file or a longer one, ENOENT when there is none.
    pub fn read_limited(&self, path: &Path, max: usize) -> Result<Vec<u8>> {
        let stat = self.stat(path)?;
        demand_regular(&stat, path)?;
        // What takes the name's place meanwhile does not block either, and is seen not to be the same file.
        let file = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let opened = stat_of(file.as_fd(), path)?;
        demand_regular(&opened, path)?;
        read_at_most(File::from(file), path, max)
    }

    /// At most the first `length` bytes of a regular file.
    pub fn read_head(&self, path: &Path, length: usize) -> Result<Vec<u8>> {
        demand_regular(&self.stat(path)?, path)?;
        let file = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        demand_regular(&stat_of(file.as_fd(), path)?, path)?;
        let mut head = Vec::new();
        File::from(file).take(length as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Searches a program: `name` itself when it holds a slash, else in each absolute directory of `search`, a list
    /// with colons between.
    pub fn find_executable(&self, search: &str, name: &Path) -> Executable {
        // It would be each directory of the list itself.
        if name.as_os_str().is_empty() {
            return Executable::Missing;
        }
        if name.as_os_str().as_bytes().contains(&b'/') {
            return self.probe(name.to_path_buf());
        }
        let directories = search.split(':').filter(|directory| directory.starts_with('/'));
        let mut outcome = Executable::Missing;
        for directory in directories {
            match self.probe(Path::new(directory).join(name)) {
                Executable::Found(path) => return Executable::Found(path),
                Executable::Refused(path) if outcome == Executable::Missing => outcome = Executable::Refused(path),
                _ => {}
            }
        }
        outcome
    }

    fn probe(&self, path: PathBuf) -> Executable {
        match self.stat(&path) {
            Ok(stat) if kind(&stat) == FileType::RegularFile && stat.st_mode & 0o111 != 0 => Executable::Found(path),
            Ok(_) => Executable::Refused(path),
            Err(_) => Executable::Missing,
        }
    }

    fn openat2(&self, path: &Path, flags: OFlags, extra: ResolveFlags) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | extra;
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno, path)),
                Ok(fd) => return Ok(fd),
            }
        }
        Err(failed(Errno::AGAIN, path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn failed(errno: Errno, path: &Path) -> Error {
    Error::os(errno, format!("openat2(root, {path:?}, RESOLVE_IN_ROOT)"))
}

fn stat_of(fd: BorrowedFd<'_>, path: &Path) -> Result<Stat> {
    rustix::fs::fstat(fd).map_err(|errno| Error::os(errno, format!("fstat({path:?})")))
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn demand_regular(stat: &Stat, path: &Path) -> Result<()> {
    match kind(stat) {
        FileType::RegularFile => Ok(()),
        other => Err(Error::invalid(format!("{path:?} is no regular file but a {other:?}"))),
    }
}

fn read_at_most(file: File, path: &Path, max: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let length = file.take(max as u64 + 1).read_to_end(&mut content);
    match length.map_err(|error| Error::from(error).context(format!("{path:?}")))? {
        length if length > max => Err(Error::invalid(format!("{path:?} is longer than {max} bytes"))),
        _ => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Tree {
            let path = std::env::temp_dir().join(format!("sdme-resolve-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("root/etc")).unwrap();
            Tree(path)
        }

        fn inside(&self, path: &str) -> PathBuf {
            self.0.join("root").join(path)
        }

        fn root(&self) -> Root {
            Root::open_path(&self.0.join("root")).unwrap()
        }

        fn program(&self, path: &str, mode: u32) {
            fs::create_dir_all(self.inside(path).parent().unwrap()).unwrap();
            fs::write(self.inside(path), "x").unwrap();
            fs::set_permissions(self.inside(path), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn symlinks_and_dots_stay_inside_the_tree() {
        let tree = Tree::new("inside");
        fs::write(tree.0.join("secret"), "outside").unwrap();
        fs::write(tree.inside("secret"), "inside").unwrap();
        symlink("/secret", tree.inside("etc/absolute")).unwrap();
        symlink("../../../secret", tree.inside("etc/relative")).unwrap();
        for path in ["etc/absolute", "/etc/relative", "../secret", "/../../secret"] {
            assert_eq!(tree.root().read_limited(Path::new(path), 100).unwrap(), b"inside", "{path}");
        }
        let exact = tree.root().open_exact(Path::new("etc/absolute"), OFlags::PATH);
        assert_eq!(exact.unwrap_err().errno(), Some(Errno::LOOP));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let tree = Tree::new("kinds");
        rustix::fs::mknodat(rustix::fs::CWD, tree.inside("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("loop", tree.inside("loop")).unwrap();
        symlink("/proc/self/root/etc", tree.inside("magic")).unwrap();
        for path in ["fifo", "loop", "etc", "magic/passwd", "absent"] {
            assert!(tree.root().read_limited(Path::new(path), 100).is_err(), "{path}");
        }
    }

    #[test]
    fn a_magic_link_is_no_way_out() {
        let root = Root::open_path(Path::new("/")).unwrap();
        let error = root.open(Path::new("/proc/self/root/etc"), OFlags::PATH).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::LOOP));
    }

    #[test]
    fn what_is_in_memory_is_seen_without_waiting() {
        let tree = Tree(PathBuf::from(format!("/dev/shm/sdme-resolve-memory-{}", std::process::id())));
        if fs::create_dir_all(tree.inside("run")).is_err() {
            eprintln!("skip: there is no /dev/shm");
            return;
        }
        fs::write(tree.inside("run/private"), "").unwrap();
        symlink("private", tree.inside("run/link")).unwrap();
        assert!(tree.root().is_in_memory(Path::new("/run/private")));
        assert!(!tree.root().is_in_memory(Path::new("/run/absent")));
        assert!(!tree.root().is_in_memory(Path::new("/run/link")));
    }

    #[test]
    fn a_limit_is_kept_to_the_byte() {
        let tree = Tree::new("limit");
        fs::write(tree.inside("f"), [b'x'; 10]).unwrap();
        assert_eq!(tree.root().read_limited(Path::new("f"), 10).unwrap().len(), 10);
        assert!(tree.root().read_limited(Path::new("f"), 9).is_err());
    }

    #[test]
    fn programs_are_found_in_the_order_of_the_list() {
        let tree = Tree::new("path");
        tree.program("a/tool", 0o644);
        tree.program("b/tool", 0o755);
        tree.program("c/tool", 0o755);
        tree.program("a/data", 0o644);
        fs::create_dir_all(tree.inside("a/folder")).unwrap();
        let root = tree.root();
        let find = |name: &str| root.find_executable("relative::/a:/b:/c", Path::new(name));
        assert_eq!(find("tool"), Executable::Found("/b/tool".into()));
        assert_eq!(find("data"), Executable::Refused("/a/data".into()));
        assert_eq!(find("folder"), Executable::Refused("/a/folder".into()));
        assert_eq!(find("absent"), Executable::Missing);
        assert_eq!(find("/c/tool"), Executable::Found("/c/tool".into()));
        assert_eq!(find("/tool"), Executable::Missing);
        assert_eq!(find(""), Executable::Missing);
    }
}
