//! Making a container: a name, a state, empty uppers and works, a trial of the overlays; whole or not there.

use crate::container::mounts::{self, Choice};
use crate::container::open::STATE_FILE;
use crate::container::state::{Layer, Rootfs, Services, State};
use crate::container::{hide, name, overlay};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::stage::Stage;
use crate::store::{datadir, record, runtime};
use crate::sys::dir::Dir;
use crate::sys::resolve::Root;
use crate::sys::{kernel, meta};
use crate::systemd::host::Host;
use crate::systemd::machine;
use crate::text::mountinfo::{self, MOUNTINFO_MAX};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where PID 1 of a machine is looked for, in the order in which nspawn tries them.
pub const INITS: [&str; 4] =
    ["usr/lib/systemd/systemd", "lib/systemd/systemd", "sbin/init", "nix/var/nix/profiles/system/init"];

/// What the user chose.
pub struct Wish {
    /// `None`: one is made up.
    pub name: Option<Name>,
    pub rootfs: Rootfs,
    pub services: Services,
}

/// Makes the container and gives its name.
pub fn create(paths: &Paths, host: &mut Host, wish: Wish) -> Result<Name> {
    datadir::ensure(paths)?;
    let name = choose_name(paths, host, wish.name)?;
    check_rootfs(paths, &wish.rootfs)?;
    let Choice { layers, skipped } = choose_layers(paths, &wish.rootfs)?;
    let state = State {
        name: name.clone(),
        created: kernel::now(),
        rootfs: wish.rootfs,
        machine_id: kernel::hex(&kernel::random::<16>()?),
        services: wish.services,
        layers,
        skipped,
    };
    build(paths, &state).with_context(|| format!("creating {name}"))?;
    Ok(name)
}

fn build(paths: &Paths, state: &State) -> Result<()> {
    let stage = Stage::create(&datadir::containers(paths)?)?;
    let layers = stage.dir().mkdir("layers", 0o700)?;
    for layer in &state.layers {
        make_layer(paths, state, &layers, layer)?;
    }
    overlay::trial(paths, state, stage.dir())?;
    record::create(stage.dir(), STATE_FILE, state.render().as_bytes(), 0o600)?;
    stage.commit(state.name.as_str())
}

/// The root of an overlay has the attributes of its upper: they must be those of what lies beneath.
fn make_layer(paths: &Paths, state: &State, layers: &Dir, layer: &Layer) -> Result<()> {
    let directory = layers.mkdir(layer.directory(), 0o700)?;
    directory.mkdir("work", 0o700)?;
    let lower = overlay::lower(paths, state, layer)?;
    meta::copy(&lower, directory.mkdir("upper", 0o700)?)
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

/// Nothing unbootable is made: an `/etc` to write a machine id into, and an init to start.
fn check_rootfs(paths: &Paths, rootfs: &Rootfs) -> Result<()> {
    let place = match rootfs {
        Rootfs::Host => paths.host_root().to_path_buf(),
        Rootfs::Named(name) => paths.filesystems().join(name.as_str()),
    };
    let root = Root::open_path(&place).map_err(|error| unknown_rootfs(paths, rootfs, error))?;
    if !root.stat(Path::new("etc")).is_ok_and(|stat| stat.st_mode & 0o170000 == 0o040000) {
        return Err(Error::failed(format!("{place:?} has no directory /etc: it is not a system that can boot")));
    }
    if !INITS.iter().any(|init| root.stat(Path::new(init)).is_ok()) {
        return Err(Error::failed(format!(
            "{place:?} has no systemd (looked for {}): install it there first (Debian: systemd-sysv)",
            INITS.map(|init| format!("/{init}")).join(", ")
        )));
    }
    Ok(())
}

fn unknown_rootfs(paths: &Paths, rootfs: &Rootfs, error: Error) -> Error {
    let Rootfs::Named(name) = rootfs else { return error };
    if !error.is_not_found() {
        return error;
    }
    let known = datadir::filesystem_names(paths).unwrap_or_default();
    let known: Vec<&str> = known.iter().map(Name::as_str).collect();
    let there = if known.is_empty() { "there is none".to_string() } else { format!("there are: {}", known.join(", ")) };
    Error::new(Kind::NotFound, format!("there is no root filesystem {name} in {:?}; {there}", paths.filesystems()))
}

fn choose_layers(paths: &Paths, rootfs: &Rootfs) -> Result<Choice> {
    match rootfs {
        Rootfs::Host => {
            let mounts = mountinfo::parse(&read_limited(&paths.mountinfo())?)?;
            let hidden = hide::directories(paths);
            mounts::choose(&mounts, &hidden, &|point| std::fs::symlink_metadata(point).is_ok_and(|meta| meta.is_dir()))
        }
        Rootfs::Named(_) => {
            let root = Layer { mountpoint: "/".into(), fstype: String::new() };
            Ok(Choice { layers: vec![root], skipped: Vec::new() })
        }
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path).with_context(|| format!("{path:?}"))?;
    file.take(MOUNTINFO_MAX as u64).read_to_end(&mut text).with_context(|| format!("{path:?}"))?;
    Ok(text)
}
