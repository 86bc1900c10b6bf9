//! Whole trees, compared entry by entry; and a place to make one in, with a canary beside it that must not change.

use crate::sandbox::Sandbox;
use rustix::fs::{AtFlags, CWD, FileType, Mode, SeekFrom};
use sdme::rootfs::bounds::Bounds;
use sdme::rootfs::manifest;
use sdme::rootfs::writer::{Attributes, Known, Totals, Writer};
use sdme::sys::dir::Dir;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// All that one entry is, but for what no tool can keep (inode number, ctime, atime).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub owner: (u32, u32),
    pub modified: (i64, i64),
    pub size: u64,
    /// Of a file its hash, of a symlink its target.
    pub content: String,
    /// Runs of data in a file, where each begins and ends.
    pub data: Vec<(u64, u64)>,
    pub rdev: u64,
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The first path in order that is the same inode.
    pub same_as: Option<PathBuf>,
}

pub type Tree = BTreeMap<PathBuf, Entry>;

/// The whole tree; its root is the empty path.
pub fn snapshot(root: &Path) -> Tree {
    snapshot_but(root, Path::new("/"))
}

/// The same without what is at and below one path.
fn snapshot_but(root: &Path, except: &Path) -> Tree {
    let mut paths = vec![PathBuf::new()];
    below(root, Path::new(""), &mut paths);
    paths.retain(|path| !path.starts_with(except));
    paths.sort();
    let mut inodes = HashMap::new();
    paths.into_iter().map(|path| (path.clone(), entry(&root.join(&path), path, &mut inodes))).collect()
}

fn below(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) {
    for found in fs::read_dir(root.join(folder)).unwrap() {
        let found = found.unwrap();
        let path = folder.join(found.file_name());
        paths.push(path.clone());
        if found.file_type().unwrap().is_dir() {
            below(root, &path, paths);
        }
    }
}

fn entry(full: &Path, path: PathBuf, inodes: &mut HashMap<(u64, u64), PathBuf>) -> Entry {
    let meta = full.symlink_metadata().unwrap();
    let kind = meta.file_type();
    let same_as =
        (!kind.is_dir() && meta.nlink() > 1).then(|| inodes.entry((meta.dev(), meta.ino())).or_insert(path).clone());
    let is_device = kind.is_char_device() || kind.is_block_device();
    Entry {
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        modified: (meta.mtime(), meta.mtime_nsec()),
        size: if kind.is_dir() { 0 } else { meta.size() },
        content: match () {
            _ if kind.is_symlink() => format!("{:?}", fs::read_link(full).unwrap()),
            _ if kind.is_file() => hash(full),
            _ => String::new(),
        },
        data: if kind.is_file() { data(full) } else { Vec::new() },
        rdev: if is_device { meta.rdev() } else { 0 },
        xattrs: xattrs(full),
        same_as,
    }
}

fn hash(file: &Path) -> String {
    let (mut file, mut buffer, mut hasher) = (File::open(file).unwrap(), vec![0; 1 << 18], DefaultHasher::new());
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return format!("{:016x}", hasher.finish()),
            length => hasher.write(&buffer[..length]),
        }
    }
}

fn data(file: &Path) -> Vec<(u64, u64)> {
    let file = File::open(file).unwrap();
    let (mut runs, mut at) = (Vec::new(), 0);
    while let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap();
        runs.push((start, at));
    }
    runs
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0u8; 65536];
    let length = rustix::fs::llistxattr(path, names.as_mut_slice()).unwrap_or(0);
    let value = |name: &[u8]| {
        let mut value = vec![0u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap();
        value[..length].to_vec()
    };
    // XFS shows each ACL to root a second time, in its own form.
    let is_doubled = |name: &[u8]| name.starts_with(b"trusted.SGI_ACL_");
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty() && !is_doubled(name));
    names.map(|name| (String::from_utf8_lossy(name).into_owned(), value(name))).collect()
}

/// What differs, a line each; empty when the trees are equal.
pub fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path))
        .map(|path| format!("{path:?}:\n  {:?}\n  {:?}", one.get(path), other.get(path)))
        .collect()
}

pub fn assert_equal(one: &Path, other: &Path) {
    let differences = differences(&snapshot(one), &snapshot(other));
    let shown = differences.len().min(10);
    assert!(differences.is_empty(), "{} entries differ:\n{}", differences.len(), differences[..shown].join("\n"));
}

/// A stage's tree, and beside it what an attack would like to reach: a tree, and a FIFO that nobody may open.
pub struct Stage {
    sandbox: Sandbox,
    canary: Tree,
    known: Mutex<Known>,
}

/// Root's, 0644, at a fixed time.
pub const PLAIN: Attributes =
    Attributes { mode: 0o644, uid: 0, gid: 0, modified: (1_000_000_000, 123_456_789), xattrs: &[] };

impl Stage {
    pub fn new(name: &str) -> Stage {
        Stage::in_sandbox(Sandbox::new(name))
    }

    fn in_sandbox(sandbox: Sandbox) -> Stage {
        let beside = sandbox.dir.join("canary");
        fs::create_dir_all(sandbox.dir.join("stage/tree")).unwrap();
        fs::create_dir_all(beside.join("etc")).unwrap();
        fs::write(beside.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        fs::write(sandbox.dir.join("stage/secret"), "beside the tree").unwrap();
        symlink("etc/passwd", beside.join("link")).unwrap();
        rustix::fs::mknodat(CWD, beside.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        rustix::fs::linkat(CWD, beside.join("etc/passwd"), CWD, beside.join("hard"), AtFlags::empty()).unwrap();
        let canary = Stage::outside(&sandbox);
        Stage { sandbox, canary, known: Mutex::new(Known::nothing()) }
    }

    /// All that is not the stage's tree.
    fn outside(sandbox: &Sandbox) -> Tree {
        snapshot_but(&sandbox.dir, Path::new("stage/tree"))
    }

    pub fn tree(&self) -> PathBuf {
        self.sandbox.dir.join("stage/tree")
    }

    pub fn canary(&self) -> PathBuf {
        self.sandbox.dir.join("canary")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.tree().join(path)
    }

    pub fn writer(&self) -> Writer {
        self.bounded(Bounds::default())
    }

    pub fn bounded(&self, bounds: Bounds) -> Writer {
        let writer = Writer::new(Dir::open(&self.tree()).unwrap(), bounds).unwrap();
        *self.known.lock().unwrap() = writer.known();
        writer
    }

    /// What the last writer knows of its files is what they are.
    fn assert_known(&self) {
        // A digest of gigabytes of holes takes minutes.
        let Ok(tree) = Dir::open(&self.tree()) else { return };
        if largest(&self.tree()) > 1 << 30 {
            return;
        }
        let text = |known: &Known| {
            let mut text = Vec::new();
            let lines = manifest::render_with(&tree, known, &|| Ok(()), |line| {
                text.extend_from_slice(line);
                Ok(())
            });
            lines.map(|_| String::from_utf8(text).unwrap())
        };
        let Ok(seen) = text(&Known::nothing()) else { return };
        assert_eq!(text(&self.known.lock().unwrap()).unwrap(), seen);
    }

    pub fn assert_nothing_outside_changed(&self) {
        let differences = differences(&self.canary, &Stage::outside(&self.sandbox));
        assert!(differences.is_empty(), "outside the stage:\n{}", differences.join("\n"));
    }

    /// Everything below the tree, with one letter for its type: `d etc`, `f etc/passwd`, `l link -> target`.
    pub fn listing(&self) -> Vec<String> {
        let line = |(path, entry): (&PathBuf, &Entry)| {
            let path = path.display();
            match FileType::from_raw_mode(entry.mode) {
                FileType::Directory => format!("d {path}"),
                FileType::Symlink => format!("l {path} -> {}", entry.content.trim_matches('"')),
                FileType::RegularFile => format!("f {path}"),
                other => format!("{other:?} {path}"),
            }
        };
        snapshot(&self.tree()).iter().skip(1).map(line).collect()
    }
}

/// Bytes of the largest file below a directory.
fn largest(top: &Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => largest(&entry.path()),
        Ok(meta) if meta.is_file() => meta.len(),
        _ => 0,
    };
    fs::read_dir(top).into_iter().flatten().flatten().map(of).max().unwrap_or(0)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_outside_changed();
            self.assert_known();
        }
    }
}

/// What is written most often in tests.
pub trait Short {
    fn put(&mut self, path: &str, content: &str) -> sdme::error::Result<()>;
    fn dir(&mut self, path: &str) -> sdme::error::Result<()>;
    fn link(&mut self, path: &str, target: &str) -> sdme::error::Result<()>;
    fn hard(&mut self, path: &str, target: &str) -> sdme::error::Result<()>;
    fn done(self) -> Totals;
}

impl Short for Writer {
    fn put(&mut self, path: &str, content: &str) -> sdme::error::Result<()> {
        let mut file = self.file(path.as_bytes(), content.len() as u64, &PLAIN)?;
        file.write_at(0, content.as_bytes())?;
        file.finish()
    }

    fn dir(&mut self, path: &str) -> sdme::error::Result<()> {
        self.directory(path.as_bytes(), &Attributes { mode: 0o755, ..PLAIN })
    }

    fn link(&mut self, path: &str, target: &str) -> sdme::error::Result<()> {
        self.symlink(path.as_bytes(), Path::new(target).as_os_str().as_bytes(), &PLAIN)
    }

    fn hard(&mut self, path: &str, target: &str) -> sdme::error::Result<()> {
        self.hard_link(path.as_bytes(), target.as_bytes())
    }

    fn done(self) -> Totals {
        self.finish().unwrap()
    }
}

/// A number for a seed, so that a tree can be made again.
pub fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
