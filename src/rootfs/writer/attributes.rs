//! What an entry carries beside its bytes, and how it gets there: owner, then mode, then extended attributes, then times.
//!
//! The order is the kernel's: a change of owner takes set-id bits and file capabilities away, and every change but that
//! of the times leaves the times alone.
//!
//! Extended attributes arrive as they are, but for these: `trusted.overlay.*` and `user.overlay.*` would be orders to
//! the overlay that the tree becomes the lower layer of, and are left out with a note; `security.selinux` belongs to the
//! policy of the host where the tree was, and is left out in silence, as the form is that XFS keeps an ACL in, beside which
//! archives have the ACL itself; what the filesystem or the kernel does not take
//! (EOPNOTSUPP, EPERM), ACLs and capabilities too, is left out with a note. Any other failure is an error.

use crate::error::{Context, Errno, Result};
use crate::rootfs::writer::path::shown;
use crate::sys::dir::Dir;
use crate::sys::{create, meta};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Notes that are kept; more are counted.
const NOTES_MAX: usize = 100;

/// Names and values of extended attributes; ACLs as the kernel's own `system.posix_acl_*`.
pub type Xattrs = [(Vec<u8>, Vec<u8>)];

#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Permission bits, set-id and sticky bits too.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    pub xattrs: &'a Xattrs,
}

/// The same, for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// None: as it comes.
    pub modified: Option<(i64, u32)>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Owned {
    pub fn of(attributes: &Attributes) -> Owned {
        let Attributes { mode, uid, gid, modified, xattrs } = *attributes;
        Owned { mode: mode & 0o7777, uid, gid, modified: Some(modified), xattrs: xattrs.to_vec() }
    }

    /// Neither set-id nor sticky bits, nor anything that what is made beneath would inherit.
    pub fn are_plain(&self) -> bool {
        self.mode & 0o7000 == 0 && self.xattrs.is_empty()
    }
}

/// Who gives attributes: as whom new inodes are made, and where notes go. Cheap to clone, for other threads too.
#[derive(Debug, Clone)]
pub struct Hand {
    pub owner: (u32, u32),
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    kept: Vec<String>,
    more: u64,
}

impl Hand {
    /// New inodes belong to `owner`.
    pub fn new(owner: (u32, u32)) -> Hand {
        Hand { owner, notes: Arc::default() }
    }

    /// The same for inodes that belong to somebody else.
    pub fn of(&self, owner: (u32, u32)) -> Hand {
        Hand { owner, notes: Arc::clone(&self.notes) }
    }

    pub fn note(&self, text: impl FnOnce() -> String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.kept.len() < NOTES_MAX { notes.kept.push(text()) } else { notes.more += 1 }
    }

    /// All notes so far; the last one counts those that were too many.
    pub fn take_notes(&self) -> Vec<String> {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let more = (notes.more > 0).then(|| format!("and {} more of such notes", notes.more));
        notes.kept.into_iter().chain(more).collect()
    }

    /// Gives all to what is open; `has` is the mode it has now.
    pub fn give(&self, fd: impl AsFd, path: &[u8], has: u32, attributes: &Owned) -> Result<()> {
        if (attributes.uid, attributes.gid) != self.owner {
            meta::set_owner(&fd, attributes.uid, attributes.gid)?;
        }
        if attributes.mode != has {
            meta::set_mode(&fd, attributes.mode)?;
        }
        let set = |name: &OsStr, value: &[u8]| meta::set_xattr(&fd, name, value);
        self.give_xattrs(path, &attributes.xattrs, set)?;
        attributes.modified.map_or(Ok(()), |time| meta::set_modified(&fd, time))
    }

    /// The same for a file or a directory that was made with the mode it is to have.
    pub fn give_new(&self, fd: impl AsFd, path: &[u8], attributes: &Owned) -> Result<()> {
        let has = if create::is_whole_at_birth(attributes.mode) { attributes.mode } else { u32::MAX };
        self.give(fd, path, has, attributes)
    }

    /// The same for a name of a symlink (which has no mode) or a node.
    pub fn give_at(&self, dir: &Dir, name: &OsStr, path: &[u8], attributes: &Attributes, has_mode: bool) -> Result<()> {
        if (attributes.uid, attributes.gid) != self.owner {
            create::set_owner_at(dir, name, attributes.uid, attributes.gid)?;
        }
        if has_mode && !create::is_whole_at_birth(attributes.mode) {
            create::set_mode_at(dir, name, attributes.mode)?;
        }
        let set = |xattr: &OsStr, value: &[u8]| create::set_xattr_at(dir, name, xattr, value);
        self.give_xattrs(path, attributes.xattrs, set)?;
        create::set_modified_at(dir, name, attributes.modified)
    }

    fn give_xattrs(&self, path: &[u8], xattrs: &Xattrs, set: impl Fn(&OsStr, &[u8]) -> Result<()>) -> Result<()> {
        for (name, value) in xattrs {
            if name == b"security.selinux" || meta::is_acl_of_xfs(name) && has_acl(xattrs, name) {
                continue;
            }
            if is_overlay(name) || meta::is_acl_of_xfs(name) {
                self.note(|| format!("{}: {} is not taken over", shown(path), shown(name)));
                continue;
            }
            match set(OsStr::from_bytes(name), value) {
                Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::PERM)) => {
                    self.note(|| format!("{}: {} cannot be kept on this filesystem", shown(path), shown(name)));
                }
                other => other.with_context(|| format!("extended attribute {}", shown(name)))?,
            }
        }
        Ok(())
    }
}

/// Whether the ACL that XFS keeps under this name is here as such.
fn has_acl(xattrs: &Xattrs, name: &[u8]) -> bool {
    let acl = if name.ends_with(b"DEFAULT") { meta::ACL_DEFAULT } else { meta::ACL_ACCESS };
    xattrs.iter().any(|(name, _)| name == acl.as_bytes())
}

fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_and_counted() {
        let hand = Hand::new((0, 0));
        for number in 0..NOTES_MAX + 7 {
            hand.note(|| number.to_string());
        }
        let notes = hand.take_notes();
        assert_eq!(notes.len(), NOTES_MAX + 1);
        assert_eq!(notes.last().unwrap(), "and 7 more of such notes");
        assert_eq!(hand.take_notes(), [""; 0]);
    }
}
