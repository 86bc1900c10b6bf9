//! A tree in the order of its manifest.
//!
//! Memory is bounded: of a directory with very many names the next [`NAMES_MAX`] in order are looked for at a time. A path
//! is kept for each inode with more than one name whose others have not come yet.

use crate::error::{Context, Error, Result};
use crate::rootfs::manifest::hash::{Batches, Heed};
use crate::rootfs::manifest::line;
use crate::rootfs::writer::{Facts, Known, shown};
use crate::sys::dir::Dir;
use crate::sys::meta::{self, Kind, Meta};
use std::collections::{BinaryHeap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

/// Some megabytes; a directory with a million names is read sixteen times.
const NAMES_MAX: usize = 64 * 1024;
/// The memory of no more is used again.
const NAMES_KEPT: usize = 256;
/// Directories on the way down that stay open. Those above are opened again by `..` on the way back, and checked.
const OPEN_MAX: usize = 128;

/// Hands out a line for each entry, the root's first, some lines at a time. Errors name the entry.
pub fn walk(tree: &Dir, known: &Known, heed: Heed<'_>, out: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let jobs = Mutex::new(None);
    std::thread::scope(|scope| {
        let batches = Batches::start(scope, &jobs, heed, out)?;
        let (top, meta) = (tree.reopen()?, tree.meta()?);
        let (levels, spare, path, line) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Walk { batches, levels, spare, path, line, links: HashMap::new(), top: meta, known }.run(top)
    })
}

/// Device and number.
type Inode = ((u32, u32), u64);

struct Walk<'a, F> {
    batches: Batches<'a, F>,
    levels: Vec<Level>,
    /// Of directories that have been left: memory that would else go back to the kernel, and come again as pages of zeros.
    spare: Vec<Names>,
    /// Of the innermost directory, with a slash at its end; empty for the top.
    path: Vec<u8>,
    /// The one that is being written.
    line: Vec<u8>,
    /// The first path of each inode with more names, and how many names are still to come.
    links: HashMap<Inode, (Vec<u8>, u32)>,
    top: Meta,
    known: &'a Known,
}

/// The next names, the last one first, and what the directory says that they are.
type Names = Vec<(OsString, Option<Kind>)>;

struct Level {
    /// None while it is too far up to be kept open.
    dir: Option<Dir>,
    meta: Meta,
    names: Names,
    /// The last name that was given out.
    last: Option<OsString>,
    /// Whether there may be names after those.
    has_more: bool,
    /// Bytes of the walk's path that are its parent's.
    parent: usize,
}

impl<F: FnMut(&[u8]) -> Result<()>> Walk<'_, F> {
    fn run(mut self, top: Dir) -> Result<()> {
        line::render(&mut self.line, b"", &self.top, &meta::xattr_values(&top)?);
        self.batches.push(&self.line, None)?;
        self.levels.push(Level::new(top, self.top, 0, Names::new()));
        while let Some(level) = self.levels.last_mut() {
            match level.next().with_context(|| format!("reading {}", shown(&self.path)))? {
                None => self.leave()?,
                Some((name, kind)) => {
                    let path = [&self.path, name.as_bytes()].concat();
                    self.entry(&name, kind, &path).with_context(|| shown(&path))?;
                }
            }
        }
        self.batches.finish()
    }

    fn entry(&mut self, name: &OsStr, kind: Option<Kind>, path: &[u8]) -> Result<()> {
        let directory = self.levels.last().map_or(0, |level| level.meta.ino);
        let known = kind.and_then(|kind| self.known.lookup(directory, name, kind));
        // A file and a directory are looked at when they are open; what else there is, by its name: opening may do something.
        match (kind, known) {
            (Some(Kind::File), Some(facts)) => self.known_file(path, &facts),
            (Some(Kind::File), None) => self.file(name, path),
            (Some(Kind::Directory), known) => self.directory(name, path, known),
            (_, Some(facts)) => self.other(name, path, &facts.meta(&self.top), &[]),
            (_, None) => self.by_name(name, path),
        }
    }

    fn known_file(&mut self, path: &[u8], facts: &Facts) -> Result<()> {
        line::render(&mut self.line, path, &facts.meta(&self.top), &[]);
        line::add_sha256(&mut self.line, &facts.digest());
        self.batches.push(&self.line, None)
    }

    fn by_name(&mut self, name: &OsStr, path: &[u8]) -> Result<()> {
        let meta = self.innermost()?.lookup(name)?.ok_or_else(changed)?;
        self.check_mount(&meta)?;
        match meta.kind {
            Kind::Directory => self.directory(name, path, None),
            Kind::File => self.file(name, path),
            _ if self.link(path, &meta)? => Ok(()),
            _ => self.other(name, path, &meta, &meta::xattr_values_at(self.innermost()?, name)?),
        }
    }

    /// Neither a file nor a directory.
    fn other(&mut self, name: &OsStr, path: &[u8], meta: &Meta, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        line::render(&mut self.line, path, meta, xattrs);
        if meta.kind == Kind::Symlink {
            let target = self.innermost()?.readlink(name)?;
            line::add_bytes(&mut self.line, "target", target.as_bytes());
        }
        self.batches.push(&self.line, None)
    }

    fn file(&mut self, name: &OsStr, path: &[u8]) -> Result<()> {
        let (file, meta) = self.innermost()?.open_file_meta(name)?;
        self.check_mount(&meta)?;
        if self.link(path, &meta)? {
            return Ok(());
        }
        line::render(&mut self.line, path, &meta, &meta::xattr_values(&file)?);
        self.batches.push(&self.line, Some((file, meta.size)))
    }

    fn check_mount(&self, meta: &Meta) -> Result<()> {
        if meta.is_mounted_in(&self.top) {
            return Err(Error::failed("something is mounted there: unmount it first"));
        }
        Ok(())
    }

    /// Gives out a later name of an inode as a link to its first.
    fn link(&mut self, path: &[u8], meta: &Meta) -> Result<bool> {
        let Some(first) = first_name(&mut self.links, path, meta) else { return Ok(false) };
        line::name(&mut self.line, path);
        line::add_bytes(&mut self.line, "link", &first);
        self.batches.push(&self.line, None).map(|()| true)
    }

    fn directory(&mut self, name: &OsStr, path: &[u8], known: Option<Facts>) -> Result<()> {
        let dir = self.innermost()?.subdir(name)?;
        let meta = dir.meta()?;
        self.check_mount(&meta)?;
        let xattrs = match known {
            Some(facts) if facts.are_of(&meta) => Vec::new(),
            _ => meta::xattr_values(&dir)?,
        };
        line::render(&mut self.line, path, &meta, &xattrs);
        self.batches.push(&self.line, None)?;
        let names = self.spare.pop().unwrap_or_default();
        self.levels.push(Level::new(dir, meta, self.path.len(), names));
        self.path.extend_from_slice(name.as_bytes());
        self.path.push(b'/');
        let far = self.levels.len().checked_sub(OPEN_MAX + 1).and_then(|far| self.levels.get_mut(far));
        if let Some(level) = far {
            // What it had read is read again: memory stays bounded however deep the tree is.
            (level.dir, level.names, level.has_more) = (None, Vec::new(), true);
        }
        Ok(())
    }

    fn innermost(&self) -> Result<&Dir> {
        self.levels.last().and_then(|level| level.dir.as_ref()).ok_or_else(changed)
    }

    /// The innermost directory has been read to its end: goes on in the one above.
    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.path.truncate(level.parent);
        if level.names.capacity() <= NAMES_KEPT && self.spare.len() < OPEN_MAX {
            self.spare.push(level.names);
        }
        let Some(above) = self.levels.last_mut() else { return Ok(()) };
        if let (None, Some(child)) = (&above.dir, &level.dir) {
            let dir = child.parent()?;
            if !dir.meta()?.is_same(&above.meta) {
                return Err(changed());
            }
            above.dir = Some(dir);
        }
        Ok(())
    }
}

impl Level {
    /// `names` are none: their memory is used.
    fn new(dir: Dir, meta: Meta, parent: usize, names: Names) -> Level {
        Level { dir: Some(dir), meta, names, last: None, has_more: true, parent }
    }

    fn next(&mut self) -> Result<Option<(OsString, Option<Kind>)>> {
        if self.names.is_empty() && self.has_more {
            self.read(NAMES_MAX)?;
        }
        let next = self.names.pop();
        if let Some((name, _)) = &next {
            self.last = Some(name.clone());
        }
        Ok(next)
    }

    /// The next names in order, out of all; at most so many.
    fn read(&mut self, most: usize) -> Result<()> {
        let dir = self.dir.as_ref().ok_or_else(changed)?;
        let (mut smallest, mut has_more) = (BinaryHeap::from(std::mem::take(&mut self.names)), false);
        if self.last.is_some() {
            dir.rewind()?;
        }
        dir.for_rest(|entry| {
            if self.last.as_ref().is_none_or(|last| entry.name > *last) {
                smallest.push((entry.name, entry.kind));
            }
            if smallest.len() > most {
                smallest.pop();
                has_more = true;
            }
            Ok(())
        })?;
        self.has_more = has_more;
        self.names = smallest.into_sorted_vec();
        self.names.reverse();
        Ok(())
    }
}

/// Under which name this inode has come already.
fn first_name(links: &mut HashMap<Inode, (Vec<u8>, u32)>, path: &[u8], meta: &Meta) -> Option<Vec<u8>> {
    if meta.links < 2 {
        return None;
    }
    let inode = (meta.dev, meta.ino);
    let Some((first, left)) = links.get_mut(&inode) else {
        links.insert(inode, (path.to_vec(), meta.links - 1));
        return None;
    };
    *left -= 1;
    let (first, is_last) = (first.clone(), *left == 0);
    if is_last {
        links.remove(&inode);
    }
    Some(first)
}

fn changed() -> Error {
    Error::failed("it is changed by somebody else meanwhile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    #[test]
    fn names_come_in_order_however_few_are_kept() {
        let scratch = Scratch::in_memory("manifest-names");
        for number in 0..200 {
            scratch.dir().create_file(format!("{}", number * 7919 % 1000), 0o600).unwrap();
        }
        let mut level = Level::new(scratch.dir().reopen().unwrap(), scratch.dir().meta().unwrap(), 0, Names::new());
        let mut all = Vec::new();
        loop {
            if level.names.is_empty() && level.has_more {
                level.read(7).unwrap();
                assert!(level.names.len() <= 7);
            }
            let Some(name) = level.next().unwrap() else { break };
            all.push(name.0);
        }
        assert_eq!(all.len(), 200);
        assert!(all.is_sorted());
    }
}
