//! Removing a root filesystem, and giving it another name. Whether a container needs it the caller has found out.

use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::rootfs::claim;
use crate::store::name::Name;
use crate::store::origin;
use crate::store::stage::{self, ENTRIES_MAX};
use crate::sys::dir::Dir;
use crate::sys::poll::Wait;
use std::ffi::OsStr;

/// Removes it, whatever it is; `is_needed` is asked once nobody can make a container of it any more.
///
/// Errors: `NotFound`; `Busy`; what `is_needed` says.
pub fn remove(paths: &Paths, name: &Name, is_needed: impl FnOnce() -> Result<()>, wait: Wait<'_>) -> Result<()> {
    let filesystems = open(paths, name)?;
    let held = claim::hold(&filesystems, name)?;
    is_needed()?;
    if !stage::discard(&filesystems, OsStr::new(name.as_str()), wait)? {
        return Err(missing(name));
    }
    drop(held);
    origin::remove(&filesystems, name)
}

/// Errors: `NotFound`; `Exists`; `Busy`; what `is_needed` says.
pub fn rename(paths: &Paths, old: &Name, new: &Name, is_needed: impl FnOnce() -> Result<()>) -> Result<()> {
    let filesystems = open(paths, old)?;
    let _held = claim::hold(&filesystems, old)?;
    is_needed()?;
    filesystems.rename_noreplace(old.as_str(), &filesystems, new.as_str()).map_err(|error| match error.kind() {
        Kind::Exists => Error::new(Kind::Exists, format!("there is a root filesystem {new} already")),
        _ => error,
    })?;
    origin::rename(&filesystems, old, new)
}

/// Removes what killed imports left, and records without a tree.
pub fn sweep(paths: &Paths, wait: Wait<'_>) -> Result<()> {
    let filesystems = match Dir::open(&paths.filesystems()) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    stage::sweep(&filesystems, wait)?;
    for entry in filesystems.entries(ENTRIES_MAX)? {
        let Some(owner) = entry.name.to_str().and_then(origin::owner) else { continue };
        // An import that is about to give its tree this name has a stage: then nothing is certain yet.
        if filesystems.lookup(owner.as_str())?.is_none() && !has_stage(&filesystems)? {
            origin::remove(&filesystems, &owner)?;
        }
    }
    Ok(())
}

fn has_stage(filesystems: &Dir) -> Result<bool> {
    Ok(filesystems.entries(ENTRIES_MAX)?.iter().any(|entry| stage::is_left_over(&entry.name)))
}

fn open(paths: &Paths, name: &Name) -> Result<Dir> {
    match Dir::open(&paths.filesystems()) {
        Ok(filesystems) if filesystems.lookup(name.as_str())?.is_some() => Ok(filesystems),
        Ok(_) => Err(missing(name)),
        Err(error) if error.is_not_found() => Err(missing(name)),
        Err(error) => Err(error),
    }
}

fn missing(name: &Name) -> Error {
    Error::new(Kind::NotFound, format!("there is no root filesystem {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::datadir;
    use crate::store::origin::{Known, Origin};
    use crate::sys::lock;
    use crate::sys::tree::Scratch;
    use std::fs;

    fn stand(label: &str) -> (Scratch, Paths, Name) {
        let scratch = Scratch::new(label);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        let (filesystems, name) = (Dir::open(&paths.filesystems()).unwrap(), Name::parse("sid").unwrap());
        let tree = filesystems.mkdir("sid", 0o755).unwrap();
        origin::announce(&filesystems, &name, &tree, &Origin::default()).unwrap();
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

    #[test]
    fn records_without_a_tree_are_swept() {
        let (_scratch, paths, _) = stand("fs-sweep");
        fs::remove_dir(paths.filesystems().join("sid")).unwrap();
        fs::write(paths.filesystems().join("other.txt"), "").unwrap();
        sweep(&paths, Wait::for_ever()).unwrap();
        assert_eq!(names(&paths), ["other.txt"]);
    }
}
