//! The datadir: `containers/NAME/`, `fs/NAME/`, `locks/`. Made with 0700, refused where somebody else could write.

use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::stage::{self, ENTRIES_MAX};
use crate::sys::credentials;
use crate::sys::dir::{self, Dir};
use crate::sys::meta::Meta;
use crate::sys::poll::Wait;
use crate::sys::resolve::Root;
use std::path::{Component, Path};

/// The directories of a datadir, as [`Paths`] names them.
pub const ROOMS: [&str; 3] = ["containers", "fs", "locks"];
pub(super) const PRIVATE: u32 = 0o700;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// f_type of an overlay (statfs(2)).
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

/// The datadir and its rooms, made if they are missing, whatever the umask says.
///
/// Errors: `Failed` when others could write in it or exchange it, when it is on an overlay, or when it is one of the
/// system's own directories.
pub fn ensure(paths: &Paths) -> Result<()> {
    let datadir = if paths.is_image() { Dir::open(paths.datadir())? } else { ensure_itself(paths.datadir())? };
    for room in [paths.containers(), paths.filesystems(), paths.locks()] {
        room_of(&datadir, &room)?;
    }
    Ok(())
}

/// That of an image was made and looked at when the image was opened (`store/image`).
fn ensure_itself(path: &Path) -> Result<Dir> {
    check_place(path)?;
    let datadir = Dir::create_all(path, PRIVATE).with_context(|| format!("datadir {path:?}"))?;
    check_own(&datadir, path)?;
    check_parents(&datadir, path)?;
    Ok(datadir)
}

/// Whoever can write there could make root run a container of his.
fn room_of(datadir: &Dir, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let room = datadir.ensure(name, PRIVATE).with_context(|| format!("{path:?}"))?;
    check_own(&room, path)
}

/// Before anything is made.
fn check_place(path: &Path) -> Result<()> {
    check_path(path)?;
    let existing = path.ancestors().find_map(|part| Dir::open(part).ok());
    if existing.map_or(Ok(0), |dir| dir.filesystem())? == OVERLAYFS_MAGIC {
        return Err(on_overlay(path));
    }
    Ok(())
}

/// A clone must not lose `/etc` because the datadir, which is hidden from it, is there.
pub(super) fn check_path(path: &Path) -> Result<()> {
    let plain =
        path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain {
        return Err(Error::usage(format!("datadir {path:?} is not an absolute path without \"..\"")));
    }
    if path.parent().is_none() {
        return Err(Error::usage("the datadir cannot be \"/\": give it a directory of its own with --datadir"));
    }
    Ok(())
}

fn on_overlay(path: &Path) -> Error {
    Error::failed(format!(
        "datadir {path:?} is on an overlay filesystem, which cannot hold the changes of another: \
         give a directory on a real disk, or on a tmpfs such as /dev/shm/sdme, with --datadir"
    ))
}

pub(super) fn check_own(dir: &Dir, path: &Path) -> Result<()> {
    let meta = dir.meta()?;
    if credentials::is_root() && meta.uid != 0 {
        return Err(Error::failed(format!("{path:?} belongs to user {}: it must be root's (chown root)", meta.uid)));
    }
    if is_open_to_others(&meta) {
        return Err(Error::failed(format!(
            "{path:?} can be written by others (mode {:04o}): chmod go-w makes it safe",
            meta.mode
        )));
    }
    Ok(())
}

/// A directory above that others can write in lets them exchange ours: those on the way that was given, through
/// symlinks perhaps, and those in which it really is.
fn check_parents(dir: &Dir, path: &Path) -> Result<()> {
    for part in path.ancestors().skip(1) {
        check_parent(&Dir::open(part)?, path)?;
    }
    let mut above = dir.parent()?;
    // The parent of the root is the root.
    while !above.meta()?.is_same(&above.parent()?.meta()?) {
        check_parent(&above, path)?;
        above = above.parent()?;
    }
    Ok(())
}

pub(super) fn check_parent(above: &Dir, path: &Path) -> Result<()> {
    let meta = above.meta()?;
    if !is_open_to_others(&meta) {
        return Ok(());
    }
    Err(Error::failed(format!(
        "datadir {path:?} could be exchanged: {:?} above it can be written by others (mode {:04o})",
        dir::path_of(above)?,
        meta.mode
    )))
}

/// In a sticky directory, as `/tmp` and a fresh tmpfs are, nobody moves what is another's.
fn is_open_to_others(meta: &Meta) -> bool {
    meta.mode & WRITABLE_BY_OTHERS != 0 && meta.mode & STICKY == 0
}

/// The names of all containers, sorted. None when there is no datadir yet. What has no valid name is left out.
pub fn names(paths: &Paths) -> Result<Vec<Name>> {
    names_in(&paths.containers())
}

/// The names of all imported root filesystems, sorted.
pub fn filesystem_names(paths: &Paths) -> Result<Vec<Name>> {
    names_in(&paths.filesystems())
}

/// The error for a root filesystem that is not there: it names those that are.
pub fn no_filesystem(paths: &Paths, name: &Name) -> Error {
    let known = filesystem_names(paths).unwrap_or_default();
    let words: Vec<&str> = known.iter().map(Name::as_str).collect();
    let there = if words.is_empty() { "there is none".to_string() } else { format!("there are: {}", words.join(", ")) };
    let what = format!("there is no root filesystem {name} in {:?}; {there}", paths.shown(&paths.filesystems()));
    Error::new(Kind::NotFound, what)
}

fn names_in(path: &Path) -> Result<Vec<Name>> {
    let dir = match Dir::open(path) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    let entries = dir.entries(ENTRIES_MAX)?;
    let mut names: Vec<Name> = entries.iter().filter_map(|entry| Name::parse(entry.name.to_str()?).ok()).collect();
    names.sort();
    Ok(names)
}

/// The directory in which containers are made and removed.
pub fn containers(paths: &Paths) -> Result<Dir> {
    Dir::open(&paths.containers())
}

/// The tree of a root filesystem; what is no directory itself is an error.
pub fn filesystem(paths: &Paths, name: &Name) -> Result<Root> {
    let filesystems = Root::open_path(&paths.filesystems())?;
    filesystems.open_directory_exact(Path::new(name.as_str())).map(Root::of)
}

/// The directory of one container. `NotFound` when there is none.
pub fn open(paths: &Paths, name: &Name) -> Result<Dir> {
    let missing = || Error::new(Kind::NotFound, format!("there is no container {:?}", name.as_str()));
    let containers = match containers(paths) {
        Err(error) if error.is_not_found() => return Err(missing()),
        other => other?,
    };
    containers.lookup_dir(name.as_str()).with_context(|| format!("container {:?}", name.as_str()))?.ok_or_else(missing)
}

/// Whether there is anything, however broken, under the name.
pub fn exists(paths: &Paths, name: &Name) -> Result<bool> {
    match containers(paths) {
        Err(error) if error.is_not_found() => Ok(false),
        other => Ok(other?.lookup(name.as_str())?.is_some()),
    }
}

/// Removes what killed commands left beside the containers; their locks are [`crate::store::lock::sweep`]'s.
pub fn sweep(paths: &Paths, wait: Wait<'_>) -> Result<()> {
    match containers(paths) {
        Err(error) if error.is_not_found() => Ok(()),
        other => stage::sweep(&other?, wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::meta;
    use crate::sys::tree::Scratch;

    fn under(scratch: &Scratch) -> Paths {
        Paths::under(scratch.path())
    }

    #[test]
    fn the_tree_is_private() {
        let scratch = Scratch::new("datadir-private");
        let paths = under(&scratch).with_datadir(scratch.path().join("a b%,:"));
        ensure(&paths).unwrap();
        ensure(&paths).unwrap();
        for path in [paths.datadir(), &paths.containers(), &paths.filesystems(), &paths.locks()] {
            assert_eq!(Dir::open(path).unwrap().meta().unwrap().mode, 0o700, "{path:?}");
        }
        assert_eq!(names(&paths).unwrap(), []);
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let scratch = Scratch::new("datadir-open");
        let open = scratch.dir().mkdir("open", 0o777).unwrap();
        let at = |path: &str| ensure(&under(&scratch).with_datadir(scratch.path().join(path)));
        assert!(at("open").unwrap_err().to_string().contains("0777"));
        assert!(at("open/sdme").unwrap_err().to_string().contains("exchanged"));
        std::os::unix::fs::symlink("open", scratch.path().join("link")).unwrap();
        assert!(at("link/sdme").unwrap_err().to_string().contains("exchanged"));
        let deep = open.mkdir("deep", 0o700).unwrap();
        std::os::unix::fs::symlink("open/deep", scratch.path().join("deep")).unwrap();
        assert!(at("deep").unwrap_err().to_string().contains("exchanged"));
        meta::set_mode(&deep, 0o770).unwrap();
        meta::set_mode(&open, 0o1777).unwrap();
        assert!(at("open/deep").unwrap_err().to_string().contains("0770"));
        at("open/sdme").unwrap();
        at("open").unwrap();
    }

    #[test]
    fn a_room_that_is_a_symlink_is_refused() {
        let scratch = Scratch::new("datadir-link");
        let datadir = scratch.dir().mkdir("d", 0o700).unwrap();
        datadir.symlink(std::ffi::OsStr::new("/tmp"), "containers").unwrap();
        assert!(ensure(&under(&scratch).with_datadir(scratch.path().join("d"))).is_err());
    }

    #[test]
    fn odd_places_are_refused() {
        let scratch = Scratch::new("datadir-odd");
        for place in ["/", "relative", "/tmp/../x"] {
            assert!(ensure(&under(&scratch).with_datadir(place)).is_err(), "{place:?}");
        }
    }

    #[test]
    fn only_names_are_listed() {
        let scratch = Scratch::new("datadir-names");
        let paths = under(&scratch);
        ensure(&paths).unwrap();
        for name in ["web", "db", ".stage-1", "Bad"] {
            containers(&paths).unwrap().mkdir(name, 0o700).unwrap();
        }
        let names: Vec<String> = names(&paths).unwrap().iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["db", "web"]);
        let web = Name::parse("web").unwrap();
        assert!(open(&paths, &web).is_ok() && exists(&paths, &web).unwrap());
        assert!(open(&paths, &Name::parse("none").unwrap()).unwrap_err().is_not_found());
    }
}
