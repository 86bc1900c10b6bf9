//! A thing being made: a hidden directory beside its future place, locked while its maker lives, renamed when whole.
//! A thing being removed takes the same way back: renamed to a hidden name, then taken apart.

use crate::error::{Context, Error, Kind, Result};
use crate::store::record::TEMPORARY_PREFIX;
use crate::sys::dir::Dir;
use crate::sys::poll::Wait;
use crate::sys::{kernel, lock, tree};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

const STAGE_PREFIX: &str = ".stage-";
const TRASH_PREFIX: &str = ".trash-";
/// Names in one directory of the store that we are ready to look through.
pub const ENTRIES_MAX: usize = 100_000;
/// Random names that are tried before we say that something is wrong.
const ATTEMPTS: usize = 8;

/// Dropped without a commit it is removed; killed, it is removed by the next [`sweep`].
#[derive(Debug)]
pub struct Stage {
    parent: Dir,
    /// Locked: a sweep takes only what nobody holds.
    dir: Dir,
    name: OsString,
    committed: bool,
}

impl Stage {
    /// A new hidden directory, mode 0700, in `parent`.
    pub fn create(parent: &Dir) -> Result<Stage> {
        for _ in 0..ATTEMPTS {
            let name = hidden(STAGE_PREFIX)?;
            let dir = parent.mkdir(&name, 0o700)?;
            // Between the two a sweep may have found it unlocked.
            if lock::try_exclusive(&dir)? && is_still(parent, &name, &dir)? {
                return Ok(Stage { parent: parent.reopen()?, dir, name, committed: false });
            }
        }
        Err(Error::failed("a stage is removed as fast as it is made"))
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Gives it its name; `Exists` when that is taken.
    ///
    /// What its files hold must be on disk already. Names in it need no sync of their own: every filesystem that can
    /// hold an upper makes the changes of names durable in their order, and the last one, the rename, is synced.
    pub fn commit(mut self, name: &str) -> Result<()> {
        self.parent.rename_noreplace(&self.name, &self.parent, name)?;
        self.committed = true;
        self.parent.sync()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to hear of a failure; the next sweep tries again.
            let _ = tree::remove(&self.parent, &self.name);
        }
    }
}

/// Removes `name` in `parent`, whatever it is: at once gone under its name, and whole or not there after a crash.
///
/// False when there was no such name. An error, also that of an interrupt, leaves the rest under a hidden name that
/// [`sweep`] removes.
pub fn discard(parent: &Dir, name: &OsStr, wait: Wait<'_>) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        let trash = hidden(TRASH_PREFIX)?;
        match parent.rename_noreplace(name, parent, &trash) {
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) if *error.kind() == Kind::Exists => continue,
            other => other?,
        }
        // Held so that no sweep works on it at the same time; a thing that is no directory goes in one step anyway.
        let held = parent.subdir(&trash).ok();
        if let Some(dir) = &held {
            lock::try_exclusive(dir)?;
        }
        tree::remove_within(parent, &trash, wait)?;
        return Ok(true);
    }
    Err(Error::failed("no free name to move it to"))
}

/// Removes what killed processes left in `parent`: stages and trash that nobody holds.
///
/// Goes on after a failure and returns the first one; what is not done at the deadline is left to the next sweep.
pub fn sweep(parent: &Dir, wait: Wait<'_>) -> Result<()> {
    let mut first = Ok(());
    for entry in parent.entries(ENTRIES_MAX)? {
        if is_left_over(&entry.name) {
            first = first.and(take_away(parent, &entry.name, wait));
        }
    }
    first
}

fn take_away(parent: &Dir, name: &OsStr, wait: Wait<'_>) -> Result<()> {
    let held = match parent.subdir(name) {
        Ok(dir) => lock::try_exclusive(&dir)?.then_some(dir).is_none(),
        // A file, or gone already.
        Err(_) => false,
    };
    if held { Ok(()) } else { tree::remove_within(parent, name, wait).with_context(|| format!("left over: {name:?}")) }
}

/// Names that are never a thing of the store.
pub fn is_hidden(name: &OsStr) -> bool {
    is_left_over(name) || name.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

fn is_left_over(name: &OsStr) -> bool {
    [STAGE_PREFIX, TRASH_PREFIX].iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}

fn hidden(prefix: &str) -> Result<OsString> {
    Ok(OsString::from(format!("{prefix}{}", kernel::hex(&kernel::random::<8>()?))))
}

fn is_still(parent: &Dir, name: &OsStr, dir: &Dir) -> Result<bool> {
    let meta = dir.meta()?;
    Ok(parent.lookup(name)?.is_some_and(|there| there.is_same(&meta)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    fn names(dir: &Dir) -> Vec<OsString> {
        dir.entries(100).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn a_commit_gives_the_name_and_never_replaces() {
        let scratch = Scratch::new("stage-commit");
        Stage::create(scratch.dir()).unwrap().commit("web").unwrap();
        let error = Stage::create(scratch.dir()).unwrap().commit("web").unwrap_err();
        assert_eq!(*error.kind(), Kind::Exists);
        assert_eq!(names(scratch.dir()), ["web"]);
    }

    #[test]
    fn a_dropped_stage_leaves_nothing() {
        let scratch = Scratch::new("stage-drop");
        Stage::create(scratch.dir()).unwrap().dir().mkdir("d", 0o700).unwrap();
        assert_eq!(names(scratch.dir()), [""; 0]);
    }

    #[test]
    fn a_sweep_takes_what_the_dead_left_and_nothing_else() {
        let scratch = Scratch::new("stage-sweep");
        let dead = scratch.dir().mkdir(".stage-dead", 0o700).unwrap();
        dead.create_file("f", 0o600).unwrap();
        drop(dead);
        scratch.dir().mkdir(".trash-dead", 0o700).unwrap();
        scratch.dir().create_file(".trash-file", 0o600).unwrap();
        scratch.dir().create_file(".other", 0o600).unwrap();
        scratch.dir().mkdir("web", 0o700).unwrap();
        let alive = Stage::create(scratch.dir()).unwrap();
        sweep(scratch.dir(), Wait::for_ever()).unwrap();
        alive.commit("alive").unwrap();
        let mut left = names(scratch.dir());
        left.sort();
        assert_eq!(left, [".other", "alive", "web"]);
    }

    #[test]
    fn what_is_discarded_is_gone_whatever_it_was() {
        let scratch = Scratch::new("stage-discard");
        scratch.dir().mkdir("dir", 0o700).unwrap().create_file("f", 0o600).unwrap();
        scratch.dir().create_file("file", 0o600).unwrap();
        scratch.dir().symlink(OsStr::new("/"), "link").unwrap();
        for name in ["dir", "file", "link"] {
            assert!(discard(scratch.dir(), OsStr::new(name), Wait::for_ever()).unwrap());
        }
        assert!(!discard(scratch.dir(), OsStr::new("dir"), Wait::for_ever()).unwrap());
        assert_eq!(names(scratch.dir()), [""; 0]);
    }
}
