//! From a stage to a name: a tree that is whole gets its place in `fs/`, with its record; the one it replaces goes.

use crate::error::{Context, Error, Kind, Result};
use crate::store::name::Name;
use crate::store::origin::{self, Origin};
use crate::sys::dir::Dir;
use crate::sys::poll::{self, Wait};
use crate::sys::{lock, meta};
use std::time::Duration;

/// Names change within milliseconds, but for a disk that is slow to sync.
const NAMING_LIMIT: Duration = Duration::from_secs(60);
const HOLD_LIMIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Before anything is read: the name must be free, or given up by `-f`.
pub fn check_free(filesystems: &Dir, name: &Name, force: bool) -> Result<()> {
    match filesystems.lookup(name.as_str())? {
        Some(_) if !force => Err(taken(name)),
        _ => Ok(()),
    }
}

fn taken(name: &Name) -> Error {
    let what = format!("there is a root filesystem {name} already: choose another name, or replace it with --force");
    Error::new(Kind::Exists, what)
}

/// Asked before a tree loses its name: an error if that must not be.
pub type MayGo<'a> = &'a dyn Fn() -> Result<()>;

/// Gives `tree` of the stage its name. What it replaces is in its place in the stage afterwards, and goes with that;
/// None: nothing may be replaced.
pub fn settle(
    filesystems: &Dir,
    stage: &Dir,
    tree: &str,
    name: &Name,
    origin: &Origin,
    may_go: Option<MayGo<'_>>,
) -> Result<()> {
    let _alone = naming(filesystems)?;
    check_free(filesystems, name, may_go.is_some())?;
    let announced = origin::announce(filesystems, name, stage, &stage.subdir(tree)?, origin);
    if let Err(error) = announced.and_then(|()| rename(filesystems, stage, tree, name, may_go)) {
        // The first error is the one to tell; a record without its tree counts for nothing.
        let _ = origin::withdraw(filesystems, name);
        return Err(error);
    }
    filesystems.sync()?;
    origin::settle(filesystems, name)
}

/// A tree and its record change their names in several steps: while this lives nobody else takes one of them. It is
/// the datadir that is locked, as `fs/` itself is for sweeps.
pub fn naming(filesystems: &Dir) -> Result<Dir> {
    let guard = filesystems.parent()?;
    match lock_within(&guard, NAMING_LIMIT)? {
        true => Ok(guard),
        false => Err(Error::new(Kind::Busy, "another sdme gives a root filesystem its name, and does not end")),
    }
}

/// False: somebody else had it all the time.
fn lock_within(dir: &Dir, limit: Duration) -> Result<bool> {
    let wait = Wait::at_most(limit);
    while !lock::try_exclusive(dir)? {
        if wait.is_over() {
            return Ok(false);
        }
        poll::pause(LOCK_PAUSE, wait)?;
    }
    Ok(true)
}

fn rename(filesystems: &Dir, stage: &Dir, tree: &str, name: &Name, may_go: Option<MayGo<'_>>) -> Result<()> {
    let new = stage.subdir(tree)?;
    let modified = new.meta()?.modified;
    loop {
        let may_go = match (stage.rename_noreplace(tree, filesystems, name.as_str()), may_go) {
            (Err(error), Some(may_go)) if *error.kind() == Kind::Exists => may_go,
            (Err(error), None) if *error.kind() == Kind::Exists => return Err(taken(name)),
            (other, _) => return other,
        };
        let _old = hold(filesystems, name)?;
        may_go()?;
        match stage.exchange(tree, filesystems, name.as_str()) {
            Err(error) if error.is_not_found() => {}
            other => return other.and_then(|()| keep_time(&new, modified)),
        }
    }
}

/// XFS counts an exchange as a change of both directories (6.18; not a rename): the tree would not be what its manifest says.
fn keep_time(tree: &Dir, modified: (i64, u32)) -> Result<()> {
    if tree.meta()?.modified == modified {
        return Ok(());
    }
    meta::set_modified(tree, modified)?;
    tree.sync()
}

/// Keeps everybody else from making containers of a tree and from booting them, which takes them milliseconds. Only for who is
/// alone with the names ([`naming`]): else another tree may have the name by then. None: there is none, or what has the name
/// is no directory.
pub fn hold(filesystems: &Dir, name: &Name) -> Result<Option<Dir>> {
    match filesystems.lookup(name.as_str())? {
        Some(meta) if meta.kind == meta::Kind::Directory => {}
        _ => return Ok(None),
    }
    let Some(tree) = filesystems.lookup_dir(name.as_str())? else { return Ok(None) };
    match lock_within(&tree, HOLD_LIMIT).with_context(|| format!("{name}"))? {
        true => Ok(Some(tree)),
        false => Err(Error::new(Kind::Busy, format!("{name} is in use by another sdme"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;
    use crate::store::datadir;
    use crate::store::origin::Known;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::io::Read;

    fn stand(label: &str) -> (Scratch, Paths, Dir, Name) {
        let scratch = Scratch::new(label);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        let filesystems = Dir::open(&paths.filesystems()).unwrap();
        (scratch, paths, filesystems, Name::parse("sid").unwrap())
    }

    /// A stage with a tree and a manifest that says its source.
    fn stage(paths: &Paths, filesystems: &Dir, source: &str) -> (Dir, Origin) {
        let stage = filesystems.mkdir(format!(".stage-{source}"), 0o700).unwrap();
        stage.mkdir("tree", 0o755).unwrap();
        fs::write(paths.filesystems().join(format!(".stage-{source}/sid.manifest")), source).unwrap();
        (stage, Origin { source: source.to_string(), ..Origin::default() })
    }

    fn is_whole(paths: &Paths, filesystems: &Dir, name: &Name, source: &str) {
        let Known::Origin(origin) = origin::read(paths, name).unwrap() else { panic!("no record of {source}") };
        let mut manifest = String::new();
        origin::open_manifest(filesystems, name).unwrap().read_to_string(&mut manifest).unwrap();
        assert_eq!((origin.source.as_str(), manifest.as_str()), (source, source));
    }

    #[test]
    fn killed_at_any_step_a_replaced_tree_has_its_own_record_and_manifest() {
        let (_scratch, paths, filesystems, name) = stand("claim-killed");
        let (first, origin) = stage(&paths, &filesystems, "first");
        settle(&filesystems, &first, "tree", &name, &origin, None).unwrap();
        is_whole(&paths, &filesystems, &name, "first");
        // Killed before its tree has the name.
        let (second, origin) = stage(&paths, &filesystems, "second");
        origin::announce(&filesystems, &name, &second, &second.subdir("tree").unwrap(), &origin).unwrap();
        is_whole(&paths, &filesystems, &name, "first");
        // Killed after it.
        let (third, origin) = stage(&paths, &filesystems, "third");
        origin::announce(&filesystems, &name, &third, &third.subdir("tree").unwrap(), &origin).unwrap();
        third.exchange("tree", &filesystems, "sid").unwrap();
        is_whole(&paths, &filesystems, &name, "third");
        // The next, which fails or is killed before it has the name, takes nothing from it.
        let (fourth, origin) = stage(&paths, &filesystems, "fourth");
        assert_eq!(*settle(&filesystems, &fourth, "tree", &name, &origin, None).unwrap_err().kind(), Kind::Exists);
        is_whole(&paths, &filesystems, &name, "third");
        origin::announce(&filesystems, &name, &fourth, &fourth.subdir("tree").unwrap(), &origin).unwrap();
        is_whole(&paths, &filesystems, &name, "third");
    }

    /// As when a container was started on it while its successor was still being unpacked.
    #[test]
    fn what_may_not_go_any_more_stays_whole() {
        let (_scratch, paths, filesystems, name) = stand("claim-stays");
        let (first, origin) = stage(&paths, &filesystems, "first");
        settle(&filesystems, &first, "tree", &name, &origin, None).unwrap();
        let (second, origin) = stage(&paths, &filesystems, "second");
        let runs = || Err(Error::new(Kind::Busy, "web runs on it"));
        let error = settle(&filesystems, &second, "tree", &name, &origin, Some(&runs)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::Busy, "web runs on it"));
        is_whole(&paths, &filesystems, &name, "first");
    }

    /// The one that comes late must not put its record in the place of the other's.
    #[test]
    fn many_that_take_one_name_leave_one_whole() {
        let (_scratch, paths, filesystems, name) = stand("claim-many");
        let stages: Vec<_> = (0..8).map(|number| stage(&paths, &filesystems, &format!("s{number}"))).collect();
        std::thread::scope(|scope| {
            for (number, (stage, origin)) in stages.iter().enumerate() {
                let (filesystems, name) = (&filesystems, &name);
                scope.spawn(move || {
                    // What a lost race gives is no matter here.
                    let _ = settle(filesystems, stage, "tree", name, origin, (number % 2 == 0).then_some(&|| Ok(())));
                });
            }
        });
        let Known::Origin(origin) = origin::read(&paths, &name).unwrap() else { panic!("a record of another tree") };
        is_whole(&paths, &filesystems, &name, &origin.source);
    }
}
