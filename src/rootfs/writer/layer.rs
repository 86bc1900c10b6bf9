//! Whiteouts of OCI layers: what earlier layers brought is removed, never what the same layer brings.
//!
//! What a layer brought is remembered as a keyed hash of the inode number of its directory and its name there: the same
//! however the path was written, through whichever symlink, and 8 bytes. Nothing is remembered of the first layer, the
//! largest as a rule: below it there is nothing to remove. An inode number that is used again within a layer is that of a
//! directory which the layer itself made, and all in it is the layer's.

use crate::error::Errno;
use crate::error::{Error, Result};
use crate::rootfs::writer::parents::Place;
use crate::sys::dir::{Dir, Entry};
use crate::sys::tree;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::BuildHasher;

/// Directories in one another below an opaque one that also holds what its own layer brings: each is an open descriptor.
const DEPTH_MAX: usize = 500;
/// How often a directory that was read to its end and is not empty yet is read again.
const ROUNDS_MAX: u8 = 8;

#[derive(Debug, Default)]
pub struct Layer {
    /// 0 before the first: then there are no layers, and nothing to remove.
    number: usize,
    brought: HashSet<u64>,
    key: RandomState,
}

impl Layer {
    pub fn begin(&mut self) -> usize {
        self.number += 1;
        self.brought = HashSet::new();
        self.number
    }

    /// Remembers a name that this layer brings.
    pub fn bring(&mut self, place: &Place, name: &OsStr) {
        if self.has_earlier() {
            self.brought.insert(self.key.hash_one((place.ino, name)));
        }
    }

    fn has_brought(&self, ino: u64, name: &OsStr) -> bool {
        self.brought.contains(&self.key.hash_one((ino, name)))
    }

    /// Whether what is written are layers at all.
    pub fn is_begun(&self) -> bool {
        self.number > 0
    }

    pub fn has_earlier(&self) -> bool {
        self.number > 1
    }

    /// Removes `name` as far as earlier layers brought it. True when nothing of it is left.
    pub fn remove(&self, place: &Place, name: &OsStr) -> Result<bool> {
        let entry = Entry { name: name.to_os_string(), kind: None };
        self.remove_entry(&place.dir, place.ino, &entry, 0)
    }

    /// The same for all names in a directory.
    pub fn clear(&self, place: &Place) -> Result<bool> {
        self.clear_directory(&place.dir.reopen()?, place.ino, 0)
    }

    fn remove_entry(&self, dir: &Dir, ino: u64, entry: &Entry, depth: usize) -> Result<bool> {
        let name = entry.name.as_os_str();
        if self.brought.is_empty() {
            return tree::remove(dir, name).map(|()| true);
        }
        let Some(meta) = dir.lookup(name)? else { return Ok(true) };
        let is_ours = self.has_brought(ino, name);
        if !meta.is_dir() {
            return if is_ours { Ok(false) } else { dir.unlink(name).map(|()| true) };
        }
        let inner = dir.subdir(name)?;
        for _ in 0..ROUNDS_MAX {
            if !self.clear_directory(&inner, meta.ino, depth + 1)? || is_ours {
                return Ok(false);
            }
            match dir.rmdir(name) {
                Err(error) if error.errno() == Some(Errno::NOTEMPTY) => inner.rewind()?,
                other => return other.map(|()| true),
            }
        }
        Err(Error::failed(format!("{name:?} is filled by somebody else meanwhile")))
    }

    fn clear_directory(&self, dir: &Dir, ino: u64, depth: usize) -> Result<bool> {
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("a whiteout of more than {DEPTH_MAX} directories in one another")));
        }
        let mut all = true;
        loop {
            let entries = dir.next_entries()?;
            if entries.is_empty() {
                return Ok(all);
            }
            for entry in entries {
                all &= self.remove_entry(dir, ino, &entry, depth)?;
            }
        }
    }
}
