//! Removing a root filesystem, and giving it another name. Whether a container needs it the caller has found out.

use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::rootfs::claim;
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::stage::{self, ENTRIES_MAX};
use crate::store::{mounted, origin, record};
use crate::sys::dir::Dir;
use crate::sys::poll::Wait;
use std::ffi::OsStr;

/// Removes it, whatever it is; `is_needed` is asked once nobody can make a container of it any more.
///
/// Errors: `NotFound`; `Busy`, also while something is mounted in it; what `is_needed` says.
pub fn remove(paths: &Paths, name: &Name, is_needed: impl FnOnce() -> Result<()>, wait: Wait<'_>) -> Result<()> {
    let filesystems = open(paths, name)?;
    let (held, trash) = {
        // First: what has the name is what is held. An import that takes the name later has a record of its own, which must stay.
        let _alone = claim::naming(&filesystems)?;
        let held = claim::hold(&filesystems, name)?;
        is_needed()?;
        mounted::refuse_below(paths, &paths.filesystems(), name.as_str())?;
        let trash = stage::set_aside(&filesystems, OsStr::new(name.as_str()))?
            .ok_or_else(|| datadir::no_filesystem(paths, name))?;
        origin::remove(&filesystems, name)?;
        (held, trash)
    };
    drop(held);
    trash.remove(wait)
}

/// Errors: `NotFound`; `Exists`; `Busy`; what `is_needed` says.
pub fn rename(paths: &Paths, old: &Name, new: &Name, is_needed: impl FnOnce() -> Result<()>) -> Result<()> {
    let filesystems = open(paths, old)?;
    let _alone = claim::naming(&filesystems)?;
    // Another may have taken it away before we were alone.
    open(paths, old)?;
    let _held = claim::hold(&filesystems, old)?;
    is_needed()?;
    if filesystems.lookup(new.as_str())?.is_some() {
        return Err(Error::new(Kind::Exists, format!("there is a root filesystem {new} already")));
    }
    let copied = origin::copy(&filesystems, old, new);
    if let Err(error) = copied.and_then(|()| filesystems.rename_noreplace(old.as_str(), &filesystems, new.as_str())) {
        // The first error is the one to tell; a record without its tree counts for nothing.
        let _ = origin::remove(&filesystems, new);
        return Err(error);
    }
    filesystems.sync()?;
    origin::remove(&filesystems, old)
}

/// Removes what killed commands left, and records without a tree.
pub fn sweep(paths: &Paths, wait: Wait<'_>) -> Result<()> {
    let filesystems = match Dir::open(&paths.filesystems()) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    let swept = stage::sweep(&filesystems, wait);
    let _alone = claim::naming(&filesystems)?;
    for entry in filesystems.entries(ENTRIES_MAX)? {
        // Nobody else writes a record now.
        if record::is_temporary(&entry.name) {
            filesystems.unlink(&entry.name)?;
        }
        let Some(owner) = entry.name.to_str().and_then(origin::owner) else { continue };
        if filesystems.lookup(owner.as_str())?.is_none() {
            origin::remove(&filesystems, &owner)?;
        }
    }
    swept
}

fn open(paths: &Paths, name: &Name) -> Result<Dir> {
    match Dir::open(&paths.filesystems()) {
        Ok(filesystems) if filesystems.lookup(name.as_str())?.is_some() => Ok(filesystems),
        Ok(_) => Err(datadir::no_filesystem(paths, name)),
        Err(error) if error.is_not_found() => Err(datadir::no_filesystem(paths, name)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::origin::{Known, Origin};
    use crate::sys::lock;
    use crate::sys::tree::{self, Scratch};
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn stand(label: &str) -> (Scratch, Paths, Name) {
        let scratch = Scratch::new(label);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        let (filesystems, name) = (Dir::open(&paths.filesystems()).unwrap(), Name::parse("sid").unwrap());
        let tree = filesystems.mkdir("sid", 0o755).unwrap();
        origin::announce(&filesystems, &name, &filesystems, &tree, &Origin::default()).unwrap();
        origin::settle(&filesystems, &name).unwrap();
        (scratch, paths, name)
    }

    fn names(paths: &Paths) -> Vec<String> {
        let entries = fs::read_dir(paths.filesystems()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_left_of_what_is_removed() {
        let (_scratch, paths, name) = stand("fs-remove");
        remove(&paths, &name, || Ok(()), Wait::for_ever()).unwrap();
        assert!(names(&paths).is_empty());
        assert!(remove(&paths, &name, || Ok(()), Wait::for_ever()).unwrap_err().is_not_found());
    }

    #[test]
    fn what_is_needed_or_held_stays() {
        let (_scratch, paths, name) = stand("fs-needed");
        let needed = || Err(Error::failed("needed by web"));
        assert!(remove(&paths, &name, needed, Wait::for_ever()).is_err());
        let tree = Dir::open(&paths.filesystems().join("sid")).unwrap();
        assert!(lock::try_shared(&tree).unwrap());
        assert_eq!(*remove(&paths, &name, || Ok(()), Wait::for_ever()).unwrap_err().kind(), Kind::Busy);
        assert_eq!(names(&paths), ["sid", "sid.origin"]);
    }

    /// Replaced, removed and renamed all the time, a tree that a container is being made of keeps its name.
    #[test]
    fn what_somebody_holds_keeps_its_name_whoever_else_is_about() {
        let (_scratch, paths, name) = stand("fs-races");
        let filesystems = Dir::open(&paths.filesystems()).unwrap();
        let (over, path) = (AtomicBool::new(false), paths.filesystems().join("sid"));
        let aside = Name::parse("aside").unwrap();
        let import = |number: usize| {
            let folder = filesystems.mkdir(format!(".stage-{number}"), 0o700).unwrap();
            folder.mkdir("tree", 0o755).unwrap();
            // Who loses a race is refused: that is no matter here.
            let _ = claim::settle(&filesystems, &folder, "tree", &name, &Origin::default(), Some(&|| Ok(())));
            drop(folder);
            tree::remove(&filesystems, OsStr::new(&format!(".stage-{number}"))).unwrap();
        };
        let is_over = || over.load(Ordering::Relaxed);
        let pause = || {
            std::thread::sleep(std::time::Duration::from_micros(700));
            Ok(())
        };
        let held = std::thread::scope(|scope| {
            scope.spawn(|| (0..).take_while(|_| !is_over()).for_each(import));
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over() {
                        let _ = remove(&paths, &name, pause, Wait::for_ever());
                    }
                });
            }
            scope.spawn(|| {
                while !is_over() {
                    let _ = rename(&paths, &name, &aside, pause);
                    let _ = remove(&paths, &aside, || Ok(()), Wait::for_ever());
                }
            });
            let mut held = Ok(0);
            let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
            while std::time::Instant::now() < until && held.is_ok() {
                let Ok(tree) = Dir::open(&path) else { continue };
                let is_there = || Dir::open(&path).is_ok_and(|now| now.meta().unwrap().is_same(&tree.meta().unwrap()));
                if lock::try_shared(&tree).unwrap() && is_there() {
                    std::thread::sleep(std::time::Duration::from_micros(300));
                    held = if is_there() { held.map(|held| held + 1) } else { Err("it has gone") };
                }
            }
            over.store(true, Ordering::Relaxed);
            held
        });
        assert!(held.unwrap() > 20, "{held:?}");
    }

    #[test]
    fn a_record_follows_its_tree() {
        let (_scratch, paths, name) = stand("fs-rename");
        let new = Name::parse("unstable").unwrap();
        rename(&paths, &name, &new, || Ok(())).unwrap();
        assert_eq!(origin::read(&paths, &new).unwrap(), Known::Origin(Origin::default()));
        assert_eq!(names(&paths), ["unstable", "unstable.origin"]);
        fs::create_dir(paths.filesystems().join("sid")).unwrap();
        assert_eq!(*rename(&paths, &name, &new, || Ok(())).unwrap_err().kind(), Kind::Exists);
    }

    /// A removal takes its time over the tree: the name is free meanwhile, and the next one's record is not its own.
    #[test]
    fn a_tree_that_takes_the_name_of_a_removed_one_keeps_its_record() {
        let (_scratch, paths, name) = stand("fs-remove-import");
        let filesystems = Dir::open(&paths.filesystems()).unwrap();
        let next = Origin { source: "next".into(), ..Origin::default() };
        let trash = stage::set_aside(&filesystems, OsStr::new("sid")).unwrap().unwrap();
        origin::remove(&filesystems, &name).unwrap();
        let folder = filesystems.mkdir(".stage-0", 0o700).unwrap();
        folder.mkdir("tree", 0o755).unwrap();
        claim::settle(&filesystems, &folder, "tree", &name, &next, None).unwrap();
        trash.remove(Wait::for_ever()).unwrap();
        assert_eq!(origin::read(&paths, &name).unwrap(), Known::Origin(next));
    }

    /// As a `kill -9` leaves it just before the tree has its new name.
    #[test]
    fn a_rename_that_is_killed_leaves_the_record_with_the_tree() {
        let (_scratch, paths, name) = stand("fs-rename-killed");
        let (filesystems, new) = (Dir::open(&paths.filesystems()).unwrap(), Name::parse("unstable").unwrap());
        fs::write(paths.filesystems().join("sid.manifest"), "m").unwrap();
        origin::copy(&filesystems, &name, &new).unwrap();
        assert_eq!(origin::read(&paths, &name).unwrap(), Known::Origin(Origin::default()));
        filesystems.rename_noreplace("sid", &filesystems, "unstable").unwrap();
        assert_eq!(origin::read(&paths, &new).unwrap(), Known::Origin(Origin::default()));
        sweep(&paths, Wait::for_ever()).unwrap();
        assert_eq!(names(&paths), ["unstable", "unstable.manifest", "unstable.origin"]);
    }

    #[test]
    fn records_without_a_tree_are_swept() {
        let (_scratch, paths, _) = stand("fs-sweep");
        fs::write(paths.filesystems().join("sid.manifest-new"), "").unwrap();
        fs::write(paths.filesystems().join(".new-0123"), "").unwrap();
        fs::remove_dir(paths.filesystems().join("sid")).unwrap();
        fs::write(paths.filesystems().join("other.txt"), "").unwrap();
        sweep(&paths, Wait::for_ever()).unwrap();
        assert_eq!(names(&paths), ["other.txt"]);
    }
}
