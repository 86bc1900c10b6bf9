//! The directories that are being written in, held open: consecutive entries of one directory cost no lookup.
//!
//! A path is resolved by the kernel as if the tree's root were `/`: symlinks in it (`lib -> usr/lib`) are followed
//! inside the tree, and nothing leads out of it. What is missing on the way is made; in an image's layers also what a
//! symlink on the way leads to.
//!
//! A directory may have something due: the attributes that it gets when nothing more is made in it. Archives hold what is
//! in a directory together, as a rule: when it is let go of, its time has come ([`Parents::take_left`]). When it is opened
//! again all the same it gets them once more.

use crate::error::{Context, Errno, Error, Result};
use crate::rootfs::writer::known::{Birth, Known};
use crate::rootfs::writer::path::{as_path, shown};
use crate::rootfs::writer::pending::Record;
use crate::sys::create;
use crate::sys::dir::Dir;
use crate::sys::meta::Kind;
use crate::sys::resolve::Root;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

/// Directories held open, the innermost ones of a path; far below the usual limit of 1024 descriptors.
const HELD_MAX: usize = 64;
/// Symlinks on one path, as in the kernel.
const LINKS_MAX: usize = 40;

/// Directories that are remembered to have got what was due, 3 MB; others wait for the end.
const GIVEN_MAX: usize = 16 * 1024;

/// A directory in the tree.
#[derive(Debug)]
pub struct Place {
    pub dir: Dir,
    pub ino: u64,
    /// Its path leads over a symlink, which may lead elsewhere later.
    pub is_linked: bool,
    /// It is open for more than making names in it.
    pub takes_attributes: bool,
}

/// Told of each directory that was made: its path, the directory it is in and its name there.
pub type Made<'a> = &'a mut dyn FnMut(&[u8], &Place, &OsStr) -> Result<()>;

impl Place {
    pub fn of(dir: Dir) -> Result<Place> {
        let ino = dir.meta()?.ino;
        Ok(Place { dir, ino, is_linked: false, takes_attributes: false })
    }
}

/// What a directory is to get, and the name that it was made under.
#[derive(Debug)]
pub struct Due {
    pub record: Record,
    pub birth: Birth,
}

struct Held {
    /// Of its path.
    length: usize,
    place: Arc<Place>,
    due: Option<Due>,
}

pub struct Parents {
    root: Root,
    top: Arc<Place>,
    /// The path of the innermost directory held; the others are beginnings of it.
    path: Vec<u8>,
    held: Vec<Held>,
    /// Let go of, with something due.
    left: Vec<(Arc<Place>, Due)>,
    /// What directories have got, by their inode numbers.
    given: HashMap<u64, Due>,
    known: Known,
}

impl Parents {
    pub fn new(root: Dir, known: Known) -> Result<Parents> {
        let top = Arc::new(Place::of(root.reopen()?)?);
        Ok(Parents {
            root: Root::of(root.into()),
            top,
            path: Vec::new(),
            held: Vec::new(),
            left: Vec::new(),
            given: HashMap::new(),
            known,
        })
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    pub fn top(&self) -> &Arc<Place> {
        &self.top
    }

    /// The directory at a clean path. Errors: ENOENT, and what the kernel says of a path through something else.
    pub fn open(&mut self, path: &[u8]) -> Result<Arc<Place>> {
        let innermost = self.leave(path);
        if innermost == path.len() {
            return Ok(Arc::clone(self.innermost()));
        }
        let (dir, is_linked) = match self.root.open_directory_exact(as_path(path)) {
            Err(error) if error.errno() == Some(Errno::LOOP) => (self.root.directory(as_path(path))?, true),
            other => (Dir::from_fd(other?), false),
        };
        let place = Place { is_linked, ..Place::of(dir)? };
        let due = self.due(place.ino);
        Ok(self.hold(path, place, due))
    }

    /// The same; None when there is no such directory, for whatever reason.
    pub fn lookup(&mut self, path: &[u8]) -> Result<Option<Arc<Place>>> {
        match self.open(path) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The same; directories that are missing are made, root's with mode 0755, and told to `made`. `through`: where a
    /// symlink has the name of a directory and leads to nothing, what it leads to is made.
    pub fn ensure(&mut self, path: &[u8], through: bool, made: Made<'_>) -> Result<Arc<Place>> {
        match self.open(path) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            other => return other.with_context(|| format!("the directory {}", shown(path))),
        }
        let mut start = self.leave(path);
        while start < path.len() {
            let from = if start == 0 { 0 } else { start + 1 };
            let rest = path.get(from..).unwrap_or_default();
            let end = from + rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let (prefix, name) = (path.get(..end).unwrap_or_default(), path.get(from..end).unwrap_or_default());
            self.ensure_one(prefix, OsStr::from_bytes(name), through, made)
                .with_context(|| format!("the directory {}", shown(prefix)))?;
            start = end;
        }
        Ok(Arc::clone(self.innermost()))
    }

    fn ensure_one(&mut self, prefix: &[u8], name: &OsStr, through: bool, made: Made<'_>) -> Result<()> {
        let above = Arc::clone(self.innermost());
        match self.open(prefix) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            other => return other.map(drop),
        }
        match create::directory(&above.dir, name, 0o755) {
            Err(error) if error.errno() == Some(Errno::EXIST) && through => {
                let target = self.target(prefix)?;
                self.ensure(&target, false, made)?;
                return self.open(prefix).map(drop).map_err(|_| nowhere());
            }
            Err(error) if error.errno() == Some(Errno::EXIST) => return Err(nowhere()),
            other => other?,
        }
        made(prefix, &above, name)?;
        let made = self.open(prefix)?;
        self.owes_nothing(made.ino);
        Ok(())
    }

    /// Where a path leads in the tree, as a clean path without a symlink in it, also when nothing is there: what is missing
    /// counts as a directory.
    fn target(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut to_go = Vec::new();
        push_names(&mut to_go, path);
        let (mut names, mut links): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        while let Some(name) = to_go.pop() {
            if name == b".." {
                names.pop();
                continue;
            }
            match self.link(&names.join(&b'/'), OsStr::from_bytes(&name))? {
                None => names.push(name),
                Some(_) if links == LINKS_MAX => return Err(nowhere()),
                Some(target) => {
                    links += 1;
                    if target.starts_with(b"/") {
                        names.clear();
                    }
                    push_names(&mut to_go, &target);
                }
            }
        }
        Ok(names.join(&b'/'))
    }

    /// What a symlink says; None for anything else, and where nothing is.
    fn link(&self, directory: &[u8], name: &OsStr) -> Result<Option<Vec<u8>>> {
        let dir = match self.root.open_directory_exact(as_path(if directory.is_empty() { b"." } else { directory })) {
            Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(None),
            other => Dir::from_fd(other?),
        };
        match dir.lookup(name)? {
            Some(meta) if meta.kind == Kind::Symlink => Ok(Some(dir.readlink(name)?.into_vec())),
            _ => Ok(None),
        }
    }

    /// Holds a directory that has just been made.
    pub fn hold(&mut self, path: &[u8], place: Place, due: Option<Due>) -> Arc<Place> {
        self.leave(path);
        if self.held.len() == HELD_MAX {
            let outermost = self.held.remove(0);
            self.let_go(outermost);
        }
        let place = Arc::new(place);
        self.path.clear();
        self.path.extend_from_slice(path);
        self.held.push(Held { length: path.len(), place: Arc::clone(&place), due });
        place
    }

    /// Forgets what is held: something that may be on its path is about to be replaced.
    pub fn forget(&mut self) {
        while let Some(held) = self.held.pop() {
            self.let_go(held);
        }
    }

    /// Directories that were let go of, and what is due to them.
    pub fn take_left(&mut self) -> Vec<(Arc<Place>, Due)> {
        std::mem::take(&mut self.left)
    }

    /// Whether one more directory can be remembered.
    pub fn can_remember(&self) -> bool {
        self.given.len() < GIVEN_MAX
    }

    /// Remembers what a directory has got.
    pub fn remember(&mut self, due: Due) {
        self.given.insert(due.record.ino, due);
    }

    /// Nothing is due to the directory of this number any more: it is a new one, or something else becomes of it.
    pub fn owes_nothing(&mut self, ino: u64) {
        self.given.remove(&ino);
        self.left.retain(|(_, due)| due.record.ino != ino);
        self.held.iter_mut().filter(|held| held.place.ino == ino).for_each(|held| held.due = None);
    }

    /// What a directory that is opened again was to get, or has got.
    fn due(&mut self, ino: u64) -> Option<Due> {
        match self.left.iter().position(|(_, due)| due.record.ino == ino) {
            Some(index) => Some(self.left.swap_remove(index).1),
            None => self.given.remove(&ino).inspect(|due| self.known.set(due.birth, None)),
        }
    }

    fn let_go(&mut self, held: Held) {
        if let Some(due) = held.due {
            self.left.push((held.place, due));
        }
    }

    fn innermost(&self) -> &Arc<Place> {
        self.held.last().map_or(&self.top, |held| &held.place)
    }

    /// Lets go of what is not on the way to `path`; the length of the beginning of `path` that is still held.
    fn leave(&mut self, path: &[u8]) -> usize {
        while let Some(held) = self.held.pop() {
            let beginning = path.get(..held.length);
            let on_the_way = beginning.is_some() && beginning == self.path.get(..held.length);
            if on_the_way && matches!(path.get(held.length), None | Some(b'/')) {
                let length = held.length;
                self.held.push(held);
                return length;
            }
            self.let_go(held);
        }
        0
    }
}

/// The names of a path, the first of them last.
fn push_names(to_go: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    to_go.extend(names.rev().map(<[u8]>::to_vec));
}

fn nowhere() -> Error {
    Error::invalid("a symlink that leads nowhere has its name")
}
