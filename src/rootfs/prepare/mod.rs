//! Installing what a tree lacks to be a machine, by its own package manager, before it counts.
//!
//! `manager` is the table of package managers, `contain` the command line of the container in which one runs, `place` the
//! process that becomes it, `run` one run from here, `output` what it writes.

pub mod contain;
pub mod manager;
mod output;
pub mod place;
mod run;

use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::rootfs::inspect::{self, Facts};
use crate::rootfs::prepare::manager::{Installer, Need};
use crate::sys::dir::Dir;
use crate::sys::kernel;
use crate::sys::meta::Kind;
use crate::sys::resolve::Root;
use crate::sys::signal::Watch;
use crate::sys::tree;
use crate::systemd::nspawn;
use run::{Room, Run};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

/// Whether to install.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Install {
    /// Only what is lacking is said.
    #[default]
    Never,
    /// If the user, who is asked, says so.
    Ask,
    /// Or the import fails.
    Always,
}

/// What the user's side lends.
pub struct Hands<'a> {
    /// Asks the user for a yes; a no where nobody can be asked.
    pub ask: &'a dyn Fn(&str) -> Result<bool>,
    /// Is given each line that the package manager writes, made harmless.
    pub told: &'a dyn Fn(&str),
    /// Variables that lead to the network: names and values.
    pub proxies: &'a [(&'static str, String)],
}

/// A tree in its stage.
pub struct Tree<'a> {
    pub paths: &'a Paths,
    pub stage: &'a Dir,
    pub facts: &'a Facts,
    /// Taken although it is made for another processor.
    pub forced: bool,
    /// Bytes that may still be written.
    pub room: u64,
}

/// Installs what the tree in the stage lacks, if it lacks something and that is wanted. Gives, when it did, what the tree then
/// is and a note for the record.
///
/// Errors: what cannot be installed, or failed to be, with the last lines that were said about it; `Interrupted`.
pub fn install(
    tree: &Tree<'_>,
    wish: Install,
    hands: &Hands<'_>,
    watch: &Watch,
    begin: impl FnOnce(),
) -> Result<Option<(Facts, String)>> {
    let Some(need) = tree.facts.need() else { return Ok(None) };
    let installer = match (wish, installer(tree)) {
        (Install::Never, _) | (Install::Ask, Err(_)) => return Ok(None),
        (Install::Always, Err(error)) => return Err(error),
        (_, Ok(installer)) => installer,
    };
    let packages = installer.manager.packages(need).join(" ");
    let name = installer.manager.name;
    if wish == Install::Ask {
        let lacks = tree.facts.misses().unwrap_or_default();
        let question = format!("It {lacks}. Install {packages} in it, by its own {name} in a container of its own?");
        if !(hands.ask)(&question)? {
            return Ok(None);
        }
    }
    begin();
    run_all(tree, installer, need, hands, watch)?;
    tree::remove(tree.stage, OsStr::new(place::FETCHED))?;
    let root = Root::of(tree.stage.subdir(place::TREE)?.into());
    let facts = inspect::inspect(&root);
    match facts.misses() {
        None => Ok(Some((facts, format!("installed by its own {name}: {packages}")))),
        Some(still) => Err(Error::failed(format!("{name} has installed {packages}, and yet the tree {still}"))),
    }
}

/// Errors: why nothing can be installed in it here.
fn installer(tree: &Tree<'_>) -> Result<Installer> {
    let lacks = tree.facts.misses().unwrap_or_default();
    let advice = "--install-packages=no imports it as it is";
    let installer = tree.facts.installer.ok_or_else(|| {
        Error::failed(format!("it {lacks}, and has no package manager that sdme knows to install it by: {advice}"))
    })?;
    let name = installer.manager.name;
    if !installer.manager.offers_systemd() {
        return Err(Error::failed(format!("it {lacks}, and its distribution does not offer it ({name}): {advice}")));
    }
    match &tree.facts.architecture {
        Some(its) if tree.forced && its != std::env::consts::ARCH => {
            let what = format!("it {lacks}, and its {name} is made for {its}: that does not run here: {advice}");
            Err(Error::failed(what))
        }
        _ => nspawn::program().map(|_| installer).with_context(|| format!("its {name} is to run in a container")),
    }
}

fn run_all(tree: &Tree<'_>, installer: Installer, need: Need, hands: &Hands<'_>, watch: &Watch) -> Result<()> {
    let Installer { manager, program } = installer;
    fetched(tree.stage, installer)?;
    let root = || -> Result<Root> { Ok(Root::of(tree.stage.subdir(place::TREE)?.into())) };
    let resolv_conf = tree.paths.resolv_conf().exists();
    let mounted_on = [(contain::RESOLV_CONF, resolv_conf), (contain::POLICY_RC_D, manager.heeds_policy)];
    let mounted_on = mounted_on.into_iter().filter(|(_, used)| *used).map(|(path, _)| Path::new(path));
    let before = root()?;
    let missing: Vec<&Path> = mounted_on.filter(|path| !is_there(&before, path)).collect();
    drop(before);
    let environment: Vec<(&str, String)> = hands.proxies.iter().cloned().chain(manager.environment()).collect();
    let variables: Vec<&str> = environment.iter().map(|(name, _)| *name).collect();
    let room = Room::of(tree.stage, tree.room)?;
    for words in manager.runs(need) {
        let machine = format!("install-{}", kernel::hex(&kernel::random::<8>()?));
        let facts =
            contain::Facts { machine: &machine, resolv_conf, policy: manager.heeds_policy, variables: &variables };
        let arguments = contain::arguments(&facts, program, &words);
        let (stage, environment, told) = (tree.stage, &environment[..], hands.told);
        let job = Run { stage, machine: &machine, arguments, environment, watch, room, told };
        let (status, last) = run::run(&job)?;
        if !status.code().is_some_and(|code| manager.accepts(code)) {
            let command = [&[manager.name.to_string()], &words[..]].concat().join(" ");
            return Err(Error::failed(format!("{command:?}, run in it, {}: {last}", run::words(status))));
        }
    }
    let after = root()?;
    missing.iter().try_for_each(|path| take_back(&after, path))
}

/// The directory for what is fetched, with what the manager wants to find there.
fn fetched(stage: &Dir, installer: Installer) -> Result<()> {
    // Who fetches is seldom root in there.
    let fetched = stage.mkdir(place::FETCHED, 0o755)?;
    for path in installer.manager.directories {
        let (above, name) = path.rsplit_once('/').map_or((None, *path), |(above, name)| (Some(above), name));
        let above = above.map_or_else(|| fetched.reopen(), |above| fetched.subdir(above))?;
        above.mkdir(name, 0o755)?;
    }
    for (name, text) in installer.manager.files {
        fetched.create_file(name, 0o644)?.write_all(manager::here(text).as_bytes()).context("writing its settings")?;
    }
    Ok(())
}

fn is_there(root: &Root, path: &Path) -> bool {
    matches!(parent(root, path).and_then(|(dir, name)| dir.lookup(name)), Ok(Some(_)))
}

/// Removes an empty file that was made only to be mounted on; what is written in it by now stays.
fn take_back(root: &Root, path: &Path) -> Result<()> {
    let Ok((dir, name)) = parent(root, path) else { return Ok(()) };
    match dir.lookup(name)? {
        Some(meta) if meta.kind == Kind::File && meta.size == 0 => dir.unlink(name),
        _ => Ok(()),
    }
}

fn parent<'a>(root: &Root, path: &'a Path) -> Result<(Dir, &'a OsStr)> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::invalid(format!("{path:?} has no parent")));
    };
    Ok((root.directory(above)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::{Interrupts, SIGUSR1};
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn stage(label: &str, program: &str) -> Scratch {
        let scratch = Scratch::new(label);
        let tree = scratch.path().join("tree");
        for directory in ["etc", "usr/bin", "usr/sbin", "sbin"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        fs::write(tree.join(program), "").unwrap();
        fs::set_permissions(tree.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        scratch
    }

    /// What comes of a wish when nobody is there to be asked.
    fn wished(scratch: &Scratch, wish: Install) -> Result<Option<(Facts, String)>> {
        let paths = Paths::under("/nonexistent");
        let facts = inspect::inspect(&Root::open_path(&scratch.path().join("tree")).unwrap());
        let tree = Tree { paths: &paths, stage: scratch.dir(), facts: &facts, forced: false, room: 0 };
        let hands = Hands { ask: &|_| Ok(false), told: &|_| {}, proxies: &[] };
        let watch = Interrupts::block(&[SIGUSR1]).unwrap().watch().unwrap();
        install(&tree, wish, &hands, &watch, || panic!("it begins"))
    }

    #[test]
    fn what_cannot_be_installed_is_refused_by_name_only_when_it_was_demanded() {
        for (program, words) in [("sbin/apk", "does not offer it (apk)"), ("usr/bin/x", "no package manager")] {
            let scratch = stage("prepare-refused", program);
            let error = wished(&scratch, Install::Always).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("--install-packages=no"), "{error}");
            for wish in [Install::Ask, Install::Never] {
                assert_eq!(wished(&scratch, wish).unwrap(), None);
            }
        }
    }

    #[test]
    fn without_a_yes_nothing_is_done() {
        let scratch = stage("prepare-no", "usr/bin/apt-get");
        assert_eq!(wished(&scratch, Install::Ask).unwrap(), None);
        assert!(!scratch.path().join("fetched").exists());
    }

    #[test]
    fn what_was_made_to_be_mounted_on_goes_and_nothing_else() {
        let scratch = stage("prepare-take-back", "etc/x");
        let root = Root::open_path(&scratch.path().join("tree")).unwrap();
        let path = Path::new(contain::RESOLV_CONF);
        assert!(!is_there(&root, path));
        take_back(&root, path).unwrap();
        let file = scratch.path().join("tree/etc/resolv.conf");
        symlink("/run/dangling", &file).unwrap();
        assert!(is_there(&root, path));
        take_back(&root, path).unwrap();
        assert!(file.is_symlink());
        fs::remove_file(&file).unwrap();
        fs::write(&file, "x").unwrap();
        take_back(&root, path).unwrap();
        fs::write(&file, "").unwrap();
        take_back(&root, path).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn the_place_for_what_is_fetched_is_made_for_its_manager() {
        let scratch = stage("prepare-fetched", "usr/bin/apt-get");
        let installer = manager::find(&Root::open_path(&scratch.path().join("tree")).unwrap()).unwrap();
        fetched(scratch.dir(), installer).unwrap();
        let fetched = scratch.path().join("fetched");
        assert!(fetched.join("lists/partial").is_dir() && fetched.join("archives/partial").is_dir());
        assert!(fs::read_to_string(fetched.join("apt.conf")).unwrap().contains("/run/sdme-packages/lists"));
    }
}
