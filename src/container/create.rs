//! Making a container: a name, a state, empty uppers and works, a trial of the overlays; whole or not there.

use crate::container::mounts::{self, Choice};
use crate::container::open::STATE_FILE;
use crate::container::state::{Layer, Rootfs, Services, State};
use crate::container::{hide, name, os, overlay, trial};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::stage::Stage;
use crate::store::{datadir, lock, mounted, record, runtime};
use crate::sys::dir::Dir;
use crate::sys::poll::{self, Wait};
use crate::sys::{kernel, lock as flock};
use crate::systemd::host::Host;
use crate::systemd::{installed, machine};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long `create` cleans up after killed commands.
const SWEEP_LIMIT: Duration = Duration::from_millis(100);

/// How long a root filesystem that is given a name is waited for: that takes milliseconds.
const HOLD_LIMIT: Duration = Duration::from_secs(2);
const HOLD_PAUSE: Duration = Duration::from_millis(2);

/// What the user chose.
pub struct Wish {
    /// `None`: one is made up.
    pub name: Option<Name>,
    pub rootfs: Rootfs,
    pub services: Services,
}

/// Makes the container and gives its name.
pub fn create(paths: &Paths, host: &mut Host, wish: Wish) -> Result<Name> {
    if paths.is_image() && wish.rootfs == Rootfs::Host {
        return Err(Error::usage(
            "a clone of / cannot be made in an image, for which filesystems its / will be made of is seen when it runs: \
             give it a root filesystem with -r, or create it on the booted system",
        ));
    }
    datadir::ensure(paths)?;
    // What is left over hinders nobody: the next command goes on with it.
    let _ = datadir::sweep(paths, Wait::at_most(SWEEP_LIMIT));
    let name = choose_name(paths, host, wish.name)?;
    let _held = hold_rootfs(paths, &wish.rootfs, Wait::at_most(HOLD_LIMIT))?;
    check_rootfs(paths, &wish.rootfs)?;
    let choice = choose_layers(paths, &wish.rootfs)?;
    let stage = Stage::create(&datadir::containers(paths)?)?;
    let built = build(paths, &stage, &name, wish.rootfs, wish.services, choice);
    let locked = built.and_then(|()| lock::ensure(paths, &name));
    locked.and_then(|()| stage.commit(name.as_str())).with_context(|| format!("creating {name}"))?;
    Ok(name)
}

fn build(paths: &Paths, stage: &Stage, name: &Name, rootfs: Rootfs, services: Services, choice: Choice) -> Result<()> {
    // Whether overlays work on the machine that builds an image says nothing about those that boot it.
    let Choice { layers, skipped } =
        if paths.is_image() { choice } else { trial::trial(paths, &rootfs, choice, stage.dir())? };
    let directory = stage.dir().mkdir(overlay::LAYERS, 0o700)?;
    for layer in &layers {
        overlay::create_layer(&directory, layer, &overlay::lower(paths, &rootfs, layer)?)?;
    }
    let (created, machine_id) = (kernel::now(), if paths.is_image() { None } else { Some(machine_id()?) });
    let state = State { name: name.clone(), created, rootfs, machine_id, services, layers, skipped };
    record::create(stage.dir(), STATE_FILE, state.render().as_bytes(), 0o600)
}

/// Draws the machine ID of a container that was made in an image, where it has none yet, and writes it down.
pub fn ensure_machine_id(paths: &Paths, state: State) -> Result<State> {
    if state.machine_id.is_some() {
        return Ok(state);
    }
    let state = State { machine_id: Some(machine_id()?), ..state };
    record::write(&datadir::open(paths, &state.name)?, STATE_FILE, state.render().as_bytes(), 0o600)
        .with_context(|| format!("{}: writing down its machine ID", state.name))?;
    Ok(state)
}

/// A random UUID of version 4, which is what machine-id(5) asks for.
fn machine_id() -> Result<String> {
    let mut bytes: [u8; 16] = kernel::random()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(kernel::hex(&bytes))
}

fn choose_name(paths: &Paths, host: &mut Host, wanted: Option<Name>) -> Result<Name> {
    let Some(wanted) = wanted else {
        let taken = taken(paths, host)?;
        return name::make_up(|name| taken.contains(name));
    };
    if datadir::exists(paths, &wanted)? {
        return Err(taken_by(&wanted, "there is a container of this name"));
    }
    match runtime::read(paths, &wanted)? {
        Some(known)
            if known.datadir != paths.datadir() && known.datadir.join("containers").join(wanted.as_str()).exists() =>
        {
            Err(taken_by(
                &wanted,
                &format!("there is one in the datadir {:?}, and a host has one machine of a name", known.datadir),
            ))
        }
        _ if is_machine(host, &wanted)? => Err(taken_by(&wanted, "a machine of this name is registered with machined")),
        _ => Ok(wanted),
    }
}

fn taken_by(name: &Name, why: &str) -> Error {
    Error::new(Kind::Exists, format!("{name} is taken: {why}; choose another name"))
}

fn is_machine(host: &mut Host, name: &Name) -> Result<bool> {
    match host {
        Host::Systemd(manager) => machine::exists(manager, name.as_str()),
        Host::Direct => Ok(false),
    }
}

/// Every name in use: in the datadir, in this boot of the host, by a unit, with machined.
fn taken(paths: &Paths, host: &mut Host) -> Result<BTreeSet<Name>> {
    let mut taken: BTreeSet<Name> = datadir::names(paths)?.into_iter().collect();
    taken.extend(runtime::all(paths)?.into_iter().map(|(name, _)| name));
    if let Host::Systemd(manager) = host {
        let units = manager.statuses("sdme@*.service")?;
        taken.extend(units.iter().filter_map(|unit| Name::of_unit(&unit.name)));
        taken.extend(machine::list(manager)?.iter().filter_map(|machine| Name::parse(&machine.name).ok()));
    }
    Ok(taken)
}

/// While a container is made of it or mounts it, nobody removes, renames or replaces a root filesystem.
pub fn hold_rootfs(paths: &Paths, rootfs: &Rootfs, wait: Wait<'_>) -> Result<Option<Dir>> {
    let Rootfs::Named(name) = rootfs else { return Ok(None) };
    let filesystems = Dir::open(&paths.filesystems())?;
    let open = || filesystems.subdir(name.as_str()).map_err(|error| unknown_rootfs(paths, rootfs, error));
    loop {
        let tree = open()?;
        // Between the opening and the locking another may have taken its place.
        if flock::try_shared(&tree)? && open()?.meta()?.is_same(&tree.meta()?) {
            return Ok(Some(tree));
        }
        if wait.is_over() {
            return Err(Error::new(Kind::Busy, format!("root filesystem {name} is being changed by another sdme")));
        }
        poll::pause(HOLD_PAUSE, wait)?;
    }
}

/// Nothing unbootable is made: an `/etc` to write a machine id into, and an init to start.
fn check_rootfs(paths: &Paths, rootfs: &Rootfs) -> Result<()> {
    let place = match rootfs {
        Rootfs::Host => paths.host_root().to_path_buf(),
        Rootfs::Named(name) => paths.shown(&paths.filesystems().join(name.as_str())),
    };
    let root = os::lower(paths, rootfs).map_err(|error| unknown_rootfs(paths, rootfs, error))?;
    if !root.is_directory(Path::new("etc")) {
        return Err(Error::failed(format!("{place:?} has no directory /etc: it is not a system that can boot")));
    }
    if installed::init(&root).is_none() {
        return Err(Error::failed(format!(
            "{place:?} has no systemd that could be its PID 1 (looked for {}): install it there first (Debian: the \
             package systemd)",
            installed::SYSTEMDS.join(", ")
        )));
    }
    Ok(())
}

fn unknown_rootfs(paths: &Paths, rootfs: &Rootfs, error: Error) -> Error {
    match rootfs {
        Rootfs::Named(name) if error.is_not_found() => datadir::no_filesystem(paths, name),
        _ => error,
    }
}

fn choose_layers(paths: &Paths, rootfs: &Rootfs) -> Result<Choice> {
    match rootfs {
        Rootfs::Host => {
            let (mounts, hidden) = (mounted::read(paths)?, hide::directories(paths));
            let there = |point: &Path| paths.host_root().join(point.strip_prefix("/").unwrap_or(point));
            // lstat(2) triggers no automount.
            let is_directory = |point: &Path| there(point).symlink_metadata().is_ok_and(|meta| meta.is_dir());
            mounts::choose(&mounts, &hidden, &is_directory)
        }
        Rootfs::Named(_) => {
            let root = Layer { mountpoint: "/".into(), fstype: String::new() };
            Ok(Choice { layers: vec![root], skipped: Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::open;
    use crate::store::runtime::{Route, Runtime};
    use crate::sys::tree::Scratch;
    use crate::sys::{credentials, mount, mountns};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A folder with what a system needs to boot.
    fn system(name: &str) -> (Scratch, Paths) {
        let scratch = Scratch::new(name);
        let paths = Paths::under(scratch.path());
        for directory in ["etc", "usr/lib/systemd", "proc/self"] {
            fs::create_dir_all(scratch.path().join(directory)).unwrap();
        }
        let systemd = scratch.path().join("usr/lib/systemd/systemd");
        fs::write(&systemd, "").unwrap();
        fs::set_permissions(systemd, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(scratch.path().join("proc/self/mountinfo"), "1 0 8:1 / / rw - ext4 a rw\n").unwrap();
        (scratch, paths)
    }

    fn wish(name: Option<&str>, rootfs: Rootfs) -> Wish {
        Wish { name: name.map(|name| Name::parse(name).unwrap()), rootfs, services: Services::Basic }
    }

    fn made(paths: &Paths, name: Option<&str>) -> Result<Name> {
        create(paths, &mut Host::Direct, wish(name, Rootfs::Host))
    }

    fn refusal(paths: &Paths, name: &str) -> String {
        made(paths, Some(name)).unwrap_err().to_string()
    }

    #[test]
    fn a_container_is_whole_and_has_an_identity_of_its_own() {
        if !credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let (_scratch, paths) = system("create-whole");
        let (web, other) = (made(&paths, Some("web")).unwrap(), made(&paths, None).unwrap());
        let (web, other) = (open::state(&paths, &web).unwrap(), open::state(&paths, &other).unwrap());
        assert_eq!(web.layers, [Layer { mountpoint: "/".into(), fstype: "ext4".into() }]);
        assert!(web.machine_id != other.machine_id && web.machine_id.unwrap().as_bytes()[12] == b'4');
        let mut inside: Vec<_> =
            fs::read_dir(paths.container("web")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        inside.sort();
        assert_eq!(inside, ["layers", "state"]);
        assert_eq!(refusal(&paths, "web"), "web is taken: there is a container of this name; choose another name");
    }

    #[test]
    fn what_cannot_boot_is_refused_with_the_reason_and_leaves_nothing() {
        let (scratch, paths) = system("create-odd");
        let systemd = scratch.path().join("usr/lib/systemd/systemd");
        fs::set_permissions(&systemd, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refusal(&paths, "web").contains("has no systemd"));
        fs::create_dir_all(scratch.path().join("sbin")).unwrap();
        fs::write(scratch.path().join("sbin/init"), "").unwrap();
        assert!(refusal(&paths, "web").contains("has no systemd"));
        fs::remove_dir(scratch.path().join("etc")).unwrap();
        symlink("/etc", scratch.path().join("etc")).unwrap();
        assert!(refusal(&paths, "web").contains("has no directory /etc"));
        assert_eq!(datadir::containers(&paths).unwrap().entries(9).unwrap(), []);
    }

    #[test]
    fn a_missing_root_filesystem_is_answered_with_those_there_are() {
        let (_scratch, paths) = system("create-named");
        let named = Rootfs::Named(Name::parse("fedora").unwrap());
        let refusal = || create(&paths, &mut Host::Direct, wish(Some("web"), named.clone())).unwrap_err().to_string();
        assert!(refusal().ends_with("there is none"), "{}", refusal());
        fs::create_dir_all(paths.filesystems().join("debian")).unwrap();
        assert!(refusal().ends_with("there are: debian"), "{}", refusal());
    }

    #[test]
    fn a_name_that_lives_in_another_datadir_is_refused() {
        let (scratch, paths) = system("create-elsewhere");
        let (web, elsewhere) = (Name::parse("web").unwrap(), scratch.path().join("elsewhere"));
        let known = Runtime { datadir: elsewhere.clone(), route: Route::Unit, process: None, supervisor: None };
        runtime::write(&paths, &web, &known).unwrap();
        fs::create_dir_all(elsewhere.join("containers/web")).unwrap();
        assert!(refusal(&paths, "web").contains("in the datadir"), "{}", refusal(&paths, "web"));
    }

    #[test]
    fn a_stage_that_fails_in_its_middle_leaves_nothing() {
        let (scratch, paths) = system("create-middle");
        datadir::ensure(&paths).unwrap();
        // Looked at, it is a system; opened as the one in the datadir, it is a symlink.
        symlink(scratch.path(), paths.filesystems().join("link")).unwrap();
        let named = Rootfs::Named(Name::parse("link").unwrap());
        assert!(create(&paths, &mut Host::Direct, wish(None, named)).is_err());
        assert_eq!(datadir::containers(&paths).unwrap().entries(9).unwrap(), []);
    }

    #[test]
    fn a_full_disk_is_told_and_holds_nothing_more_than_before() {
        if !credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let full = || {
            crate::sys::mountns::unshare().unwrap();
            let (scratch, paths) = system("create-full");
            for inodes in 4..16 {
                let datadir = scratch.path().join(format!("d{inodes}"));
                fs::create_dir_all(&datadir).unwrap();
                let small =
                    mount::filesystem("tmpfs", &[("nr_inodes", &inodes.to_string()), ("mode", "0700")]).unwrap();
                mount::attach(small, mount::place(&datadir).unwrap()).unwrap();
                let paths = paths.clone().with_datadir(&datadir);
                match made(&paths, Some("web")) {
                    Ok(web) => assert_eq!(open::state(&paths, &web).unwrap().name, web),
                    Err(error) => {
                        assert!(error.to_string().contains("No space left"), "{error}");
                        let left = datadir::containers(&paths).map_or(Vec::new(), |dir| dir.entries(9).unwrap());
                        assert_eq!(left, []);
                    }
                }
                mountns::detach(&datadir).unwrap();
            }
        };
        std::thread::scope(|scope| scope.spawn(full).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
