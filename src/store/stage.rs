//! A thing being made: a hidden directory beside its future place, locked while its maker lives, renamed when whole.
//! A thing being removed takes the same way back: renamed to a hidden name, then taken apart.

use crate::error::{Context, Error, Kind, Result};
use crate::store::record;
use crate::sys::dir::{self, Dir};
use crate::sys::poll::{self, Wait};
use crate::sys::{kernel, lock, tree};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

const STAGE_PREFIX: &str = ".stage-";
const TRASH_PREFIX: &str = ".trash-";
/// Names in one directory of the store that we are ready to look through.
pub const ENTRIES_MAX: usize = 100_000;
/// How long a sweep may look before it is said to hang, and how often we see whether it has ended: it takes far less
/// than a millisecond.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);
const SWEEP_PAUSE: Duration = Duration::from_millis(1);
/// Left-over things that one sweep takes: each is an open descriptor.
const SWEPT_MAX: usize = 64;

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
        let (parent, name) = (parent.reopen()?, hidden(STAGE_PREFIX)?);
        let _unswept = unswept(&parent)?;
        let place = || format!("making a directory in {:?}", dir::path_of(&parent).unwrap_or_default());
        let dir = parent.mkdir(&name, 0o700).with_context(place)?;
        lock::try_exclusive(&dir)?;
        Ok(Stage { parent, dir, name, committed: false })
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
    match set_aside(parent, name)? {
        Some(trash) => trash.remove(wait).map(|()| true),
        None => Ok(false),
    }
}

/// What has lost its name and is to be taken apart; if it is not, the next [`sweep`] does it.
#[derive(Debug)]
pub struct Trash {
    parent: Dir,
    name: OsString,
    /// Locked, so that no sweep takes it too. None: it is no directory, and goes in one step.
    _held: Option<Dir>,
}

impl Trash {
    pub fn remove(self, wait: Wait<'_>) -> Result<()> {
        tree::remove_within(&self.parent, &self.name, wait)
    }
}

/// The first half of [`discard`]: takes the name away. None when there was no such name.
pub fn set_aside(parent: &Dir, name: &OsStr) -> Result<Option<Trash>> {
    let trash = hidden(TRASH_PREFIX)?;
    let _unswept = unswept(parent)?;
    match parent.rename_noreplace(name, parent, &trash) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    }
    let held = parent.subdir(&trash).ok();
    if let Some(dir) = &held {
        lock::try_exclusive(dir)?;
    }
    Ok(Some(Trash { parent: parent.reopen()?, name: trash, _held: held }))
}

/// While this lives no sweep looks for what is left over: what has its hidden name can be locked in peace.
fn unswept(parent: &Dir) -> Result<Dir> {
    let (guard, wait) = (parent.reopen()?, Wait::at_most(SWEEP_LIMIT));
    while !lock::try_shared(&guard)? {
        if wait.is_over() {
            return Err(Error::new(Kind::Busy, "another sdme looks for what killed commands left, and does not end"));
        }
        poll::pause(SWEEP_PAUSE, wait)?;
    }
    Ok(guard)
}

/// Removes what killed processes left in `parent`: stages and trash that nobody holds.
///
/// Goes on after a failure and returns the first one; what is not done at the deadline is left to the next sweep.
pub fn sweep(parent: &Dir, wait: Wait<'_>) -> Result<()> {
    let mut first = Ok(());
    for (name, _held) in left_over(parent)? {
        let removed = tree::remove_within(parent, &name, wait);
        first = first.and(removed.with_context(|| format!("left over: {name:?}")));
    }
    first
}

/// What nobody holds, now held by us. Nothing when others are making things, which sweep themselves.
fn left_over(parent: &Dir) -> Result<Vec<(OsString, Option<Dir>)>> {
    let guard = parent.reopen()?;
    if !lock::try_exclusive(&guard)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let hidden = parent.entries(ENTRIES_MAX)?.into_iter().map(|entry| entry.name).filter(|name| is_left_over(name));
    for name in hidden.take(SWEPT_MAX) {
        match parent.subdir(&name) {
            Ok(dir) if lock::try_exclusive(&dir)? => found.push((name, Some(dir))),
            Ok(_) => {}
            // A file, or gone already.
            Err(_) => found.push((name, None)),
        }
    }
    Ok(found)
}

/// Names that are never a thing of the store.
pub fn is_hidden(name: &OsStr) -> bool {
    is_left_over(name) || record::is_temporary(name)
}

/// Names of what is being made or removed, or was when its command was killed.
pub fn is_left_over(name: &OsStr) -> bool {
    [STAGE_PREFIX, TRASH_PREFIX].iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}

fn hidden(prefix: &str) -> Result<OsString> {
    Ok(OsString::from(format!("{prefix}{}", kernel::hex(&kernel::random::<8>()?))))
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
    fn many_make_discard_and_sweep_at_once() {
        let scratch = Scratch::new("stage-many");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let dir = scratch.dir();
                scope.spawn(move || {
                    for round in 0..25 {
                        sweep(dir, Wait::for_ever()).unwrap();
                        let stage = Stage::create(dir).unwrap();
                        stage.dir().create_file("f", 0o600).unwrap();
                        let name = format!("t{thread}-{round}");
                        stage.commit(&name).unwrap();
                        assert!(discard(dir, OsStr::new(&name), Wait::for_ever()).unwrap());
                    }
                });
            }
        });
        assert_eq!(names(scratch.dir()), [""; 0]);
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
