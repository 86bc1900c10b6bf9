//! The only code that writes in a foreign tree, beneath one directory descriptor and nowhere else.
//!
//! Every path is resolved in the tree: the directory it stands in by openat2(2) with the tree's root as `/`, its last
//! name by calls that neither follow nor open what exists. The tree's own symlinks are followed on the way (`lib/x` with
//! `lib -> usr/lib`), inside it. A path with `..`, an empty one and one with a NUL byte are refused.
//!
//! An entry whose name is taken: the later one wins.
//! - A directory over a directory keeps what is in it and gives it its own attributes.
//! - Anything else is removed, a directory with all that is in it, and the new entry takes its place. Symlinks are
//!   replaced, never followed, by a directory too.
//! - The root stays a directory: an entry of another type for it is an error.
//! - A hard link to what already has that name changes nothing.
//!
//! A missing parent is made, root's, 0755; one that is no directory is an error. One that is a symlink to what is not there
//! is an error, too, as with GNU tar; in an image's layers what it leads to is made, in the tree, as umoci does: images have
//! `var/run -> /run`, and below it what came with a package, before anything makes `/run`.
//! Character devices 0/0 and the attributes of an overlay (see `attributes`) never reach the tree: in a lower layer they
//! would hide files. A plain directory of an archive without layers is made with its mode, and gets the rest when it is let
//! go of, through the descriptor it was made with. All others are 0700 until [`Writer::finish`]; it gives each its
//! attributes if what stands at its path then is still the directory that was made, through no symlink that took its name
//! (CVE-2026-33056).
//!
//! Needs openat2(2), Linux 5.6. New inodes are given modes for the umask that the program sets (`create::UMASK`).

mod attributes;
mod file;
mod known;
mod layer;
mod parents;
mod path;
mod pending;

pub use attributes::{Attributes, Xattrs};
pub use file::FileWriter;
pub use known::{Facts, Known};
pub(in crate::rootfs) use path::shown;

use crate::error::{Context, Errno, Error, Result};
use crate::rootfs::bounds::{Bounds, Tally, exceeded};
use crate::sys::dir::Dir;
use crate::sys::meta::{Kind, Meta};
use crate::sys::{create, credentials, dir, meta, tree};
use attributes::{Hand, Owned};
use file::Ledger;
use layer::Layer;
use parents::{Due, Parents, Place};
use path::{TreePath, as_path};
use pending::{Pending, Record};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Paths of left-out devices that are remembered, so that hard links to them are left out too.
const LEFT_OUT_MAX: usize = 100_000;
/// The mode of a directory that gets its own at the end.
const NEW_DIRECTORY: u32 = 0o700;

/// What is neither a file nor a directory nor a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Fifo,
    /// Major and minor.
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub entries: u64,
    /// Of all files, holes counted as if they were written.
    pub bytes: u64,
    /// What was left out, and why; bounded.
    pub notes: Vec<String>,
}

pub struct Writer {
    /// For what needs more than a place: files without a name.
    tree: Dir,
    parents: Parents,
    bounds: Bounds,
    tally: Tally,
    hand: Hand,
    pending: Pending,
    layer: Layer,
    left_out: HashSet<Vec<u8>>,
    known: Known,
}

impl Writer {
    /// `root` is an empty directory that nobody else may enter: the stage's tree.
    pub fn new(root: Dir, bounds: Bounds) -> Result<Writer> {
        // What it had from the directory it was made in must not pass on to what is made in it.
        let owner = credentials::effective();
        meta::set_owner(&root, owner.0, owner.1)?;
        meta::set_mode(&root, 0o700)?;
        for acl in [meta::ACL_DEFAULT, meta::ACL_ACCESS] {
            meta::remove_xattr(&root, OsStr::new(acl))?;
        }
        let tree = root.reopen()?;
        let known = Known::in_tree(&tree);
        let mut writer = Writer {
            tree,
            parents: Parents::new(root, known.clone())?,
            bounds,
            tally: Tally::new(bounds),
            hand: Hand::new(owner),
            pending: Pending::default(),
            layer: Layer::default(),
            left_out: HashSet::new(),
            known,
        };
        let top = Arc::clone(writer.parents.top());
        let plain = Owned { mode: 0o755, uid: 0, gid: 0, modified: None, xattrs: Vec::new() };
        writer.later(&[], &top, false, plain)?;
        Ok(writer)
    }

    /// The root of the tree as an inode: who copies a directory that holds it leaves it out.
    pub fn identity(&self) -> Result<Meta> {
        self.tree.meta()
    }

    /// What the tree may come to.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What becomes known of the files that are filled; whole when the last one is finished.
    pub fn known(&self) -> Known {
        self.known.clone()
    }

    /// Adds to the notes of the totals.
    pub fn note(&self, text: impl FnOnce() -> String) {
        self.hand.note(text);
    }

    pub fn directory(&mut self, path: &[u8], attributes: &Attributes) -> Result<()> {
        let path = self.entry(path)?;
        self.make_directory(&path, attributes).with_context(|| shown(path.bytes()))
    }

    fn make_directory(&mut self, path: &TreePath, attributes: &Attributes) -> Result<()> {
        let attributes = Owned::of(attributes);
        if path.is_root() {
            let top = Arc::clone(self.parents.top());
            return self.later(&[], &top, true, attributes);
        }
        let (parent, name) = self.place(path)?;
        let is_early = !parent.is_linked && self.is_given_early(&attributes);
        let mode = if is_early { attributes.mode } else { NEW_DIRECTORY };
        let cleared = match create::directory(&parent.dir, name, mode) {
            Err(error) if error.errno() == Some(Errno::EXIST) => Some(self.clear_for_directory(&parent, name, mode)?),
            other => other.map(|()| None)?,
        };
        let birth = self.known.birth(parent.ino, name, self.tally.entries());
        if is_early && cleared != Some(false) {
            let place = Place { takes_attributes: true, ..Place::of(parent.dir.subdir(name)?)? };
            self.parents.owes_nothing(place.ino);
            let record = Record { path: path.bytes().to_vec(), ino: place.ino, is_again: false, attributes };
            self.parents.hold(path.bytes(), place, Some(Due { record, birth }));
            return Ok(());
        }
        self.known.set(birth, None);
        let place = Place { is_linked: parent.is_linked, ..Place::of(parent.dir.place(name)?)? };
        self.parents.owes_nothing(place.ino);
        let made = self.parents.hold(path.bytes(), place, None);
        self.layer.bring(&parent, name);
        let real = made.is_linked.then(|| self.real_path(&made)).flatten();
        // It may have taken the place of the symlink that its own path leads over: that path leads elsewhere now.
        if made.is_linked && cleared == Some(true) {
            self.parents.forget();
        }
        self.later(real.as_deref().unwrap_or(path.bytes()), &made, cleared == Some(false), attributes)
    }

    /// Whether a new directory can have its attributes before all is done: what is made in it later is made by root, takes
    /// nothing over from it, and no layer removes something in it.
    fn is_given_early(&self, attributes: &Owned) -> bool {
        attributes.are_plain() && self.hand.owner.0 == 0 && !self.layer.is_begun()
    }

    /// Gives directories that were let go of what is due to them.
    fn settle(&mut self) -> Result<()> {
        for (place, due) in self.parents.take_left() {
            let record = &due.record;
            if !place.takes_attributes || !self.parents.can_remember() {
                self.pending.push(&self.tree, record)?;
                continue;
            }
            let given = self.hand.give_new(&place.dir, &record.path, &record.attributes);
            given.with_context(|| shown(&record.path))?;
            let facts = Facts::of(Kind::Directory, &record.attributes);
            self.known.set(due.birth, facts.map(|facts| Facts { ino: record.ino, ..facts }));
            self.parents.remember(due);
        }
        Ok(())
    }

    /// Where it stands, when it was named by way of a symlink: that may lead elsewhere at the end. None where /proc cannot tell.
    fn real_path(&self, place: &Place) -> Option<Vec<u8>> {
        let (top, path) = (dir::path_of(&self.tree).ok()?, dir::path_of(&place.dir).ok()?);
        Some(path.strip_prefix(top).ok()?.as_os_str().as_bytes().to_vec())
    }

    /// True when the directory is a new one.
    fn clear_for_directory(&mut self, parent: &Place, name: &OsStr, mode: u32) -> Result<bool> {
        if parent.dir.lookup(name)?.is_some_and(|meta| meta.is_dir()) {
            return Ok(false);
        }
        self.clear(parent, name)?;
        create::directory(&parent.dir, name, mode).map(|()| true)
    }

    /// A regular file of exactly `size` bytes, holes included. It can be filled and finished at any time and by any
    /// thread, also after later entries.
    pub fn file(&mut self, path: &[u8], size: u64, attributes: &Attributes) -> Result<FileWriter> {
        self.tally.add_bytes(size)?;
        let path = self.entry(path)?;
        let make = |dir: &Dir, name: &OsStr| create::file(dir, name, attributes.mode);
        let (file, ino) = self.make(&path, make).with_context(|| shown(path.bytes()))?;
        let birth = self.known.birth(ino, path.split().1, self.tally.entries());
        // What had the name before has it no more, also if this one is never finished.
        self.known.set(birth, None);
        let ledger = Ledger { known: self.known.clone(), birth };
        Ok(FileWriter::new(file, path.bytes(), size, Owned::of(attributes), self.hand.clone(), ledger))
    }

    pub fn symlink(&mut self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<()> {
        let path = self.entry(path)?;
        let make = |dir: &Dir, name: &OsStr| create::symlink(dir, name, OsStr::from_bytes(target));
        let ino = self.make_at(&path, make, attributes, false).with_context(|| shown(path.bytes()))?;
        let birth = self.known.birth(ino, path.split().1, self.tally.entries());
        // A symlink has no mode.
        let attributes = Owned { mode: 0, ..Owned::of(attributes) };
        self.known.set(birth, Facts::of(Kind::Symlink, &attributes));
        Ok(())
    }

    /// A FIFO or a device. A character device 0/0 is left out with a note.
    pub fn node(&mut self, path: &[u8], node: Node, attributes: &Attributes) -> Result<()> {
        let path = self.entry(path)?;
        let (kind, rdev) = match node {
            Node::Fifo => (Kind::Fifo, (0, 0)),
            Node::CharDevice(0, 0) => {
                return self.leave_out(path, "a character device 0/0 would be an overlay's whiteout");
            }
            Node::CharDevice(major, minor) => (Kind::CharDevice, (major, minor)),
            Node::BlockDevice(major, minor) => (Kind::BlockDevice, (major, minor)),
        };
        let make = |dir: &Dir, name: &OsStr| create::node(dir, name, kind, attributes.mode, rdev);
        self.make_at(&path, make, attributes, true).map(drop).with_context(|| shown(path.bytes()))
    }

    /// Another name for what is in the tree already, not for a directory; of a symlink itself.
    pub fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<()> {
        let path = self.entry(path)?;
        let old = TreePath::parse(target)?;
        match self.link(&path, &old) {
            Err(error) if error.is_not_found() && self.left_out.contains(old.bytes()) => {
                self.leave_out(path, "what it is a hard link to was left out")
            }
            other => other.with_context(|| format!("{}: hard link to {}", shown(path.bytes()), shown(old.bytes()))),
        }
    }

    fn link(&mut self, path: &TreePath, old: &TreePath) -> Result<()> {
        let (old_parent, old_name) = old.split();
        // Before the new one: what is held open then is where the next entry goes.
        let old_place = self.parents.open(old_parent)?;
        let found = old_place.dir.lookup(old_name)?;
        let Some(found) = found else { return Err(Error::os(Errno::NOENT, format!("statx({old_name:?})"))) };
        if found.is_dir() {
            return Err(Error::invalid("that is a directory"));
        }
        let (place, name) = self.place(path)?;
        if place.dir.lookup(name)?.is_some_and(|present| present.is_same(&found)) {
            self.layer.bring(&place, name);
            return Ok(());
        }
        let (_, ino) = self.make(path, |dir, name| create::hard_link(&old_place.dir, old_name, dir, name))?;
        // Whichever of two names a walk sees first, it has to see that there are two.
        for birth in [(ino, name), (old_place.ino, old_name)] {
            self.known.set(self.known.birth(birth.0, birth.1, self.tally.entries()), None);
        }
        Ok(())
    }

    /// OCI: what follows belongs to the next layer; the first one has nothing to remove.
    pub fn begin_layer(&mut self) -> Result<()> {
        if self.layer.begin() > self.bounds.layers {
            return Err(exceeded("layers", self.bounds.layers as u64, "max-layers"));
        }
        Ok(())
    }

    /// OCI: removes what earlier layers brought under this name; nothing there is no error.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let path = self.entry(path)?;
        if path.is_root() {
            return Err(Error::invalid("a whiteout of the root of the tree"));
        }
        self.remove_earlier(&path).with_context(|| format!("whiteout of {}", shown(path.bytes())))
    }

    fn remove_earlier(&mut self, path: &TreePath) -> Result<()> {
        let (parent, name) = path.split();
        let Some(place) = self.parents.lookup(parent)?.filter(|_| self.layer.has_earlier()) else { return Ok(()) };
        self.parents.forget();
        self.layer.remove(&place, name).map(drop)
    }

    /// OCI: removes all that earlier layers brought in this directory.
    pub fn opaque(&mut self, directory: &[u8]) -> Result<()> {
        let path = self.entry(directory)?;
        let place = self.parents.lookup(path.bytes())?;
        let Some(place) = place.filter(|_| self.layer.has_earlier()) else { return Ok(()) };
        self.parents.forget();
        self.layer.clear(&place).map(drop).with_context(|| format!("opaque whiteout in {}", shown(path.bytes())))
    }

    /// Gives the directories their attributes.
    pub fn finish(mut self) -> Result<Totals> {
        self.parents.forget();
        self.settle()?;
        let (parents, hand) = (&self.parents, &self.hand);
        self.pending.for_each(|record| give_directory(parents, hand, &record).with_context(|| shown(&record.path)))?;
        Ok(Totals { entries: self.tally.entries(), bytes: self.tally.bytes(), notes: self.hand.take_notes() })
    }

    /// Begins an entry: counts it and checks its path.
    fn entry(&mut self, path: &[u8]) -> Result<TreePath> {
        self.settle()?;
        self.tally.add_entry(path)?;
        TreePath::parse(path)
    }

    /// Where an entry goes: the directory, and the name in it.
    fn place<'p>(&mut self, path: &'p TreePath) -> Result<(Arc<Place>, &'p OsStr)> {
        let (parent, name) = path.split();
        if path.is_root() {
            return Err(Error::invalid("the root of the tree is no directory"));
        }
        let Writer { parents, tally, layer, hand, known, .. } = self;
        let through = layer.is_begun();
        let place = parents.ensure(parent, through, &mut |path, above, name| {
            tally.add_entry(path)?;
            layer.bring(above, name);
            known.set(known.birth(above.ino, name, tally.entries()), None);
            if hand.owner == (0, 0) { Ok(()) } else { create::set_owner_at(&above.dir, name, 0, 0) }
        })?;
        Ok((place, name))
    }

    /// Makes something that is no directory; what has the name is removed first. The second is its directory's inode number.
    fn make<T>(&mut self, path: &TreePath, make: impl Fn(&Dir, &OsStr) -> Result<T>) -> Result<(T, u64)> {
        let (place, name) = self.place(path)?;
        let made = match make(&place.dir, name) {
            Err(error) if error.errno() == Some(Errno::EXIST) => {
                self.clear(&place, name)?;
                make(&place.dir, name)?
            }
            other => other?,
        };
        self.layer.bring(&place, name);
        Ok((made, place.ino))
    }

    /// The same for what gets its attributes by its name. Gives its directory's inode number.
    fn make_at(
        &mut self,
        path: &TreePath,
        make: impl Fn(&Dir, &OsStr) -> Result<()>,
        attributes: &Attributes,
        has_mode: bool,
    ) -> Result<u64> {
        // Before: what is made may take the place of a symlink that led here.
        let (place, name) = self.place(path)?;
        self.make(path, make)?;
        self.hand.give_at(&place.dir, name, path.bytes(), attributes, has_mode)?;
        Ok(place.ino)
    }

    /// Removes what has the name of a new entry.
    fn clear(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        self.parents.forget();
        tree::remove(&place.dir, name)
    }

    fn leave_out(&mut self, path: TreePath, why: &str) -> Result<()> {
        self.note(|| format!("{}: {why}: left out", shown(path.bytes())));
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.insert(path.bytes().to_vec());
        }
        Ok(())
    }

    fn later(&mut self, path: &[u8], place: &Place, is_again: bool, attributes: Owned) -> Result<()> {
        let record = Record { path: path.to_vec(), ino: place.ino, is_again, attributes };
        self.pending.push(&self.tree, &record)
    }
}

/// Gives a directory its attributes, if it is still the one that is meant.
fn give_directory(parents: &Parents, hand: &Hand, record: &Record) -> Result<()> {
    let dir = match parents.root().directory_itself(as_path(&record.path)) {
        // Removed or replaced by a later entry or a whiteout.
        Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => return Ok(()),
        other => other?,
    };
    let now = dir.meta()?;
    if now.ino != record.ino {
        return Ok(());
    }
    if record.is_again {
        for name in meta::xattrs(&dir)? {
            if name != "security.selinux" {
                meta::remove_xattr(&dir, &name)?;
            }
        }
    }
    hand.of((now.uid, now.gid)).give(&dir, &record.path, now.mode, &record.attributes)
}
