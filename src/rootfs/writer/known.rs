//! What the writer knows of the files that it has filled, of symlinks, and of directories that it is done with: enough for
//! their lines in the manifest, so that nobody has to look at them again.
//!
//! An entry is known by its directory's inode number and its name there. It is known only if what it was given is what it
//! has: plain permission bits, no extended attributes, a time that every filesystem here keeps; of a file also one name,
//! and its bytes written from first to last. Of anything else nothing is known, and it is looked at.
//!
//! Keys are hashes under a key of this process: two of a hundred thousand names meet once in a billion imports, and an
//! archive cannot aim at it.

use crate::digest::Digest;
use crate::error::Result;
use crate::rootfs::writer::attributes::Owned;
use crate::sys::dir::Dir;
use crate::sys::meta::{self, Kind, Meta};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// Entries that are remembered: 8 MB, as much as a table of 64 Ki places holds. Others are looked at again.
const KNOWN_MAX: usize = 56 * 1024;
/// A time at the finest step, within the bounds of every filesystem.
const FINE_TIME: (i64, u32) = (1, 999_999_999);
const LAST_TIME: i64 = i32::MAX as i64;

/// Of one file, symlink or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub modified: (u32, u32),
    /// Of a file: its bytes.
    pub size: u64,
    pub sha256: [u8; 32],
    /// Of a directory: its own number.
    pub ino: u64,
}

impl Facts {
    /// Of what was given these attributes. None when something of them may have become something else.
    pub(super) fn of(kind: Kind, attributes: &Owned) -> Option<Facts> {
        let Owned { mode, uid, gid, modified, .. } = *attributes;
        let (seconds, nanoseconds) = modified?;
        let is_kept = attributes.are_plain() && (0..=LAST_TIME).contains(&seconds);
        let modified = (u32::try_from(seconds).ok()?, nanoseconds);
        is_kept.then_some(Facts { kind, mode, uid, gid, modified, size: 0, sha256: [0; 32], ino: 0 })
    }

    /// As a look at it would tell, as far as a manifest needs it; `top` is in the same mount.
    pub fn meta(&self, top: &Meta) -> Meta {
        let (seconds, nanoseconds) = self.modified;
        Meta {
            kind: self.kind,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            dev: top.dev,
            ino: self.ino,
            size: self.size,
            blocks: 0,
            links: 1,
            rdev: (0, 0),
            mount: top.mount,
            modified: (i64::from(seconds), nanoseconds),
        }
    }

    /// Whether a directory is still the one that they were written down of.
    pub fn are_of(&self, directory: &Meta) -> bool {
        let Meta { ino, mode, uid, gid, modified, .. } = *directory;
        let (seconds, nanoseconds) = self.modified;
        let is_given =
            (self.mode, self.uid, self.gid) == (mode, uid, gid) && (i64::from(seconds), nanoseconds) == modified;
        self.ino == ino && is_given
    }

    pub fn digest(&self) -> Digest {
        Digest::of_sha256(self.sha256)
    }
}

/// A name, and when it was made: of two that had it the later one counts, whichever is filled first.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    key: u64,
    number: u64,
}

/// Shared by the writer and its files, which threads fill.
#[derive(Debug, Clone)]
pub struct Known(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    key: RandomState,
    /// 0 where files are not what they are given.
    most: usize,
    entries: Mutex<HashMap<u64, (u64, Option<Facts>)>>,
}

impl Known {
    /// Nothing is known.
    pub fn nothing() -> Known {
        Known::of(0)
    }

    /// `tree` is on the filesystem on which files are made.
    pub fn in_tree(tree: &Dir) -> Known {
        Known::of(if keeps_what_it_is_given(tree).unwrap_or(false) { KNOWN_MAX } else { 0 })
    }

    fn of(most: usize) -> Known {
        Known(Arc::new(Shared { key: RandomState::new(), most, entries: Mutex::default() }))
    }

    pub(super) fn birth(&self, directory: u64, name: &OsStr, number: u64) -> Birth {
        Birth { key: self.0.key.hash_one((directory, name)), number }
    }

    /// Whether it is worth to find out anything.
    pub(super) fn remembers(&self) -> bool {
        self.0.most > 0
    }

    /// None: what has the name now must be looked at.
    pub(super) fn set(&self, birth: Birth, facts: Option<Facts>) {
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = entries.len() < self.0.most;
        match entries.get_mut(&birth.key) {
            Some((number, known)) if *number <= birth.number => (*number, *known) = (birth.number, facts),
            Some(_) => {}
            None if has_room => drop(entries.insert(birth.key, (birth.number, facts))),
            None => {}
        }
    }

    /// What is known of a name in a directory of this inode number, if it is of this kind.
    pub fn lookup(&self, directory: u64, name: &OsStr, kind: Kind) -> Option<Facts> {
        if self.0.most == 0 {
            return None;
        }
        let key = self.0.key.hash_one((directory, name));
        let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&key).and_then(|(_, facts)| *facts).filter(|facts| facts.kind == kind)
    }
}

/// Whether a new file keeps its time, and gets no attributes but those it is given. `security.selinux` is no part of a tree.
fn keeps_what_it_is_given(tree: &Dir) -> Result<bool> {
    let file = tree.nameless_file(0o600)?;
    meta::set_modified(&file, FINE_TIME)?;
    let keeps_time = meta::of(&file)?.modified == FINE_TIME;
    Ok(keeps_time && meta::xattrs(&file)?.iter().all(|name| name == "security.selinux"))
}

#[cfg(test)]
mod tests {
    use super::*;
    fn facts(size: u64) -> Option<Facts> {
        let (mode, uid, gid) = (0o644, 0, 0);
        Some(Facts { kind: Kind::File, mode, uid, gid, size, modified: (1, 2), sha256: [7; 32], ino: 0 })
    }

    #[test]
    fn the_later_of_two_counts_whichever_is_filled_first() {
        let known = Known::of(10);
        let name = OsStr::new("a");
        let (first, second) = (known.birth(7, name, 1), known.birth(7, name, 2));
        known.set(second, facts(2));
        known.set(first, facts(1));
        assert_eq!(known.lookup(7, name, Kind::File), facts(2));
        assert_eq!(known.lookup(8, name, Kind::File), None);
        known.set(known.birth(7, name, 3), None);
        known.set(second, facts(2));
        assert_eq!(known.lookup(7, name, Kind::File), None);
    }

    #[test]
    fn what_does_not_fit_is_not_known_and_what_is_known_is_still_replaced() {
        let known = Known::of(2);
        for number in 0..4 {
            known.set(known.birth(number, OsStr::new("a"), number), facts(number));
        }
        let found: Vec<_> = (0..4).map(|number| known.lookup(number, OsStr::new("a"), Kind::File)).collect();
        assert_eq!(found, [facts(0), facts(1), None, None]);
        known.set(known.birth(1, OsStr::new("a"), 9), facts(9));
        assert_eq!(known.lookup(1, OsStr::new("a"), Kind::File), facts(9));
        assert_eq!(Known::nothing().lookup(1, OsStr::new("a"), Kind::File), None);
    }
}
