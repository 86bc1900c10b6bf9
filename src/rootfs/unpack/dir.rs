//! A directory as the source of a tree: walked by descriptors, in one thread, while that and others copy the bytes of its files.
//!
//! No symlink of the source is followed and nothing in it is opened twice: what somebody swaps meanwhile (CVE-2018-15664)
//! is either copied as what it is, or an error. What is mounted below is not entered unless asked: its mount point comes
//! as an empty directory. Sockets are left out: nobody listens in a copy. Notes tell of both.
//!
//! A system that runs changes while it is copied: of that, what is gone or replaced meanwhile is left out and a file that
//! is written to comes as it is read, with a note. Of any other tree both are errors.
//!
//! Memory: a read buffer a level, and a path for each inode with more than one name whose others have not come yet.

use crate::error::{Context, Errno, Error, Kind, Result};
use crate::rootfs::unpack::transfer::{self, Heed, Job, Queue, Shared, changed};
use crate::rootfs::writer::{Attributes, Node, Writer, shown};
use crate::sys::dir::{Dir, Entry};
use crate::sys::meta::{self, Meta};
use std::collections::HashMap;
use std::collections::hash_map;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

/// Directories on the way down that stay open. Those above are opened again by `..` on the way back, and checked.
const OPEN_MAX: usize = 128;

#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Whether what is mounted below is part of the tree; what the kernel makes up is none (proc, sysfs and the like).
    pub cross_mounts: bool,
    /// Whether the source is a system that runs.
    pub runs: bool,
    /// Where this machine keeps its containers and root filesystems: left out, and told.
    pub datadir: Option<Meta>,
    /// Directories that are left out; the tree that is written is one of them always.
    pub except: &'a [Meta],
    /// Where in the written tree the copy goes: empty for its root, else a path without a slash at its end.
    pub below: &'a [u8],
    /// Directories whose content is left out, as paths in the written tree: something else comes there.
    pub covered: &'a [Vec<u8>],
    /// Told how many bytes more have been copied, by any thread, and 0 for a directory: progress. Its error (an
    /// interrupt) ends the copy.
    pub heed: Heed<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            cross_mounts: false,
            runs: false,
            datadir: None,
            except: &[],
            below: b"",
            covered: &[],
            heed: &|_| Ok(()),
        }
    }
}

/// Copies all of `source`, its own attributes too. Errors name the entry: one that cannot be read, or that is changed
/// while it is copied.
pub fn copy(source: &Dir, writer: &mut Writer, options: &Options) -> Result<()> {
    let (shared, receiver) = (Shared::new(options.heed, options.runs), Mutex::new(None));
    std::thread::scope(|scope| {
        let queue = transfer::start(scope, &shared, &receiver)?;
        let meta = source.meta()?;
        let except = [options.except, &[writer.identity()?]].concat();
        let mut walk = Walk {
            writer,
            queue,
            cross_mounts: options.cross_mounts,
            runs: options.runs,
            datadir: options.datadir,
            except,
            top: meta,
            levels: Vec::new(),
            path: Vec::new(),
            covered: options.covered,
            links: HashMap::new(),
            heed: options.heed,
        };
        let result = walk.run(source.reopen()?, options.below);
        drop(walk);
        transfer::work(&shared, &receiver);
        // A file that failed is the cause of what failed after it.
        shared.result().and(result)
    })?;
    shared.take_unsteady().iter().for_each(|path| {
        writer.note(|| format!("{}: it was written to while it was copied", shown(path)));
    });
    shared.result()
}

struct Walk<'a, 'q> {
    writer: &'a mut Writer,
    queue: Queue<'q>,
    cross_mounts: bool,
    runs: bool,
    datadir: Option<Meta>,
    except: Vec<Meta>,
    top: Meta,
    levels: Vec<Level>,
    /// Of the innermost directory, with a slash at its end; empty for the top.
    path: Vec<u8>,
    covered: &'a [Vec<u8>],
    /// Where each inode with more names was copied to, and how many names are still to come.
    links: HashMap<Inode, (Vec<u8>, u32)>,
    heed: Heed<'a>,
}

/// Device and number.
type Inode = ((u32, u32), u64);

struct Level {
    /// None while it is too far up to be kept open.
    dir: Option<Dir>,
    meta: Meta,
    /// Where reading goes on when it is opened again.
    position: u64,
    /// Read and not yet copied.
    pending: Vec<Entry>,
    /// Bytes of the walk's path that are its parent's.
    parent: usize,
}

impl Walk<'_, '_> {
    fn run(&mut self, source: Dir, below: &[u8]) -> Result<()> {
        let (meta, xattrs) = (self.top, meta::xattr_values(&source)?);
        self.writer.directory(if below.is_empty() { b"." } else { below }, &attributes(&meta, &xattrs))?;
        if !below.is_empty() {
            self.path = [below, b"/"].concat();
        }
        self.levels.push(Level { dir: Some(source), meta, position: 0, pending: Vec::new(), parent: 0 });
        while !self.levels.is_empty() {
            self.step()?;
        }
        self.queue.flush()
    }

    /// Copies one name of the innermost directory, or goes down into it, or leaves.
    fn step(&mut self) -> Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let Some(dir) = &level.dir else { return Err(changed()) };
        if level.pending.is_empty() {
            level.pending = match dir.next_entries() {
                Err(error) if self.runs && error.is_not_found() => Vec::new(),
                read => read.with_context(|| format!("reading {}", shown(&self.path)))?,
            };
        }
        let Some(entry) = level.pending.pop() else { return self.leave() };
        let path = [&self.path, entry.name.as_bytes()].concat();
        match self.entry(&entry, &path) {
            Err(error) if self.runs && *error.kind() == Kind::Busy => {
                self.writer.note(|| format!("{}: it went while it was copied: left out", shown(&path)));
                Ok(())
            }
            other => other.with_context(|| format!("copying {}", shown(&path))),
        }
    }

    fn entry(&mut self, entry: &Entry, path: &[u8]) -> Result<()> {
        // A file is looked at when it is open; what else there is, by its name first: opening may do something.
        if entry.kind == Some(meta::Kind::File) {
            return self.file(&entry.name, path);
        }
        let meta = self.innermost()?.lookup(&entry.name)?.ok_or_else(changed)?;
        match meta.kind {
            meta::Kind::File => self.file(&entry.name, path),
            meta::Kind::Directory => self.directory(&entry.name, path, &meta),
            meta::Kind::Socket => {
                self.writer.note(|| format!("{}: a socket: left out", shown(path)));
                Ok(())
            }
            _ if self.is_left_out(path, &meta) || self.link(path, &meta)? => Ok(()),
            _ => self.special(&entry.name, path, &meta),
        }
    }

    fn directory(&mut self, name: &OsStr, path: &[u8], meta: &Meta) -> Result<()> {
        if self.is_left_out(path, meta) {
            return if self.is_excepted(meta) { Ok(()) } else { self.writer.directory(path, &attributes(meta, &[])) };
        }
        let dir = self.innermost()?.subdir(name).map_err(swapped)?;
        let now = dir.meta()?;
        if !now.is_same(meta) || now.mount != meta.mount {
            return Err(changed());
        }
        if self.is_made_up(&dir, &now)? {
            self.writer.note(|| format!("{}: what the kernel makes up there is left out", shown(path)));
            return self.writer.directory(path, &attributes(&now, &[]));
        }
        self.writer.directory(path, &attributes(&now, &meta::xattr_values(&dir)?))?;
        (self.heed)(0)?;
        if self.covered.iter().any(|covered| covered == path) {
            return Ok(());
        }
        let parent = self.path.len();
        self.path.extend_from_slice(name.as_bytes());
        self.path.push(b'/');
        self.levels.push(Level { dir: Some(dir), meta: now, position: 0, pending: Vec::new(), parent });
        self.close_far()
    }

    fn file(&mut self, name: &OsStr, path: &[u8]) -> Result<()> {
        let (from, meta) = self.innermost()?.open_file_meta(name).map_err(swapped)?;
        if self.is_left_out(path, &meta) || self.link(path, &meta)? {
            return Ok(());
        }
        let xattrs = meta::xattr_values(&from)?;
        let may_be_sparse = meta.blocks.saturating_mul(512) < meta.size || !xattrs.is_empty();
        let to = self.writer.file(path, meta.size, &attributes(&meta, &xattrs))?;
        self.queue.push(Job { from, meta, may_be_sparse, to, path: path.to_vec() })
    }

    /// A symlink or a node.
    fn special(&mut self, name: &OsStr, path: &[u8], meta: &Meta) -> Result<()> {
        let dir = self.levels.last().and_then(|level| level.dir.as_ref()).ok_or_else(changed)?;
        let xattrs = meta::xattr_values_at(dir, name).map_err(swapped)?;
        let attributes = attributes(meta, &xattrs);
        let node = match meta.kind {
            meta::Kind::CharDevice => Node::CharDevice(meta.rdev.0, meta.rdev.1),
            meta::Kind::BlockDevice => Node::BlockDevice(meta.rdev.0, meta.rdev.1),
            meta::Kind::Fifo => Node::Fifo,
            _ => {
                let target = dir.readlink(name).map_err(swapped)?;
                return self.writer.symlink(path, target.as_bytes(), &attributes);
            }
        };
        self.writer.node(path, node, &attributes)
    }

    /// Makes a hard link if this inode has been copied under another name.
    fn link(&mut self, path: &[u8], meta: &Meta) -> Result<bool> {
        if meta.links < 2 {
            return Ok(false);
        }
        match self.links.entry((meta.dev, meta.ino)) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert((path.to_vec(), meta.links - 1));
                Ok(false)
            }
            hash_map::Entry::Occupied(mut occupied) => {
                let (first, left) = occupied.get_mut();
                self.writer.hard_link(path, first)?;
                *left -= 1;
                if *left == 0 {
                    occupied.remove();
                }
                Ok(true)
            }
        }
    }

    /// Whether it is not part of the tree; says so.
    fn is_left_out(&self, path: &[u8], meta: &Meta) -> bool {
        let is_mounted = !self.cross_mounts && meta.is_mounted_in(&self.top);
        if is_mounted {
            self.writer.note(|| format!("{}: what is mounted there is left out", shown(path)));
        }
        if self.is_datadir(meta) {
            self.writer.note(|| format!("{}: the datadir of this machine: left out", shown(path)));
        }
        is_mounted || self.is_excepted(meta)
    }

    fn is_excepted(&self, meta: &Meta) -> bool {
        self.is_datadir(meta) || self.except.iter().any(|one| one.is_same(meta))
    }

    fn is_datadir(&self, meta: &Meta) -> bool {
        self.datadir.is_some_and(|datadir| datadir.is_same(meta))
    }

    /// Whether another filesystem than above begins here, one that has no files of its own. Asked of no other directory.
    fn is_made_up(&self, dir: &Dir, meta: &Meta) -> Result<bool> {
        let begins = self.levels.last().is_some_and(|above| meta.is_mounted_in(&above.meta));
        Ok(self.cross_mounts && begins && dir.is_made_up()?)
    }

    /// The innermost directory has been read to its end: goes on in the one above.
    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.path.truncate(level.parent);
        let Some(above) = self.levels.last_mut() else { return Ok(()) };
        if let (None, Some(child)) = (&above.dir, &level.dir) {
            let dir = child.parent()?;
            let meta = dir.meta()?;
            if !meta.is_same(&above.meta) || meta.mount != above.meta.mount {
                return Err(changed());
            }
            dir.seek(above.position)?;
            above.dir = Some(dir);
        }
        Ok(())
    }

    fn close_far(&mut self) -> Result<()> {
        let far = self.levels.len().checked_sub(OPEN_MAX + 1).and_then(|far| self.levels.get_mut(far));
        let Some(level) = far else { return Ok(()) };
        if let Some(dir) = level.dir.take() {
            level.position = dir.position()?;
        }
        Ok(())
    }

    fn innermost(&self) -> Result<&Dir> {
        self.levels.last().and_then(|level| level.dir.as_ref()).ok_or_else(changed)
    }
}

/// A name that has become something else, or nothing, since it was read.
fn swapped(error: Error) -> Error {
    let is_swapped =
        matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NXIO));
    if is_swapped || *error.kind() == Kind::Invalid { changed() } else { error }
}

fn attributes<'a>(meta: &Meta, xattrs: &'a [(Vec<u8>, Vec<u8>)]) -> Attributes<'a> {
    Attributes { mode: meta.mode, uid: meta.uid, gid: meta.gid, modified: meta.modified, xattrs }
}
