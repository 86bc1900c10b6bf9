//! `sdme boot NAME`: what a container's unit runs. Mounts the container's tree in a mount namespace of its own and becomes
//! systemd-nspawn there, so that whatever ends the unit ends the mounts.

use crate::container::direct::{self, Console};
use crate::container::nspawn::{self, Facts, Place};
use crate::container::{create, open, overlay};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::lock;
use crate::store::name::Name;
use crate::store::runtime::{self, Route, Runtime};
use crate::sys::mountns;
use crate::sys::poll::Wait;
use crate::sys::process::ProcessId;
use crate::sys::resolve::Root;
use crate::sys::spawn::Program;
use crate::systemd::host::{self, Host};
use crate::systemd::{self, installed, machine};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a boot waits for another command to let go of the container.
const LOCK_LIMIT: Duration = Duration::from_secs(20);

/// Boots the container in the foreground. With systemd this process becomes systemd-nspawn and returns only an error;
/// without, it stays as its supervisor and returns the container's exit code. `notify_socket` is $NOTIFY_SOCKET, which nspawn
/// needs to tell PID 1 of the host that the guest has booted.
pub fn boot(paths: &Paths, name: &Name, notify_socket: Option<&OsStr>) -> Result<u8> {
    let paths = &located(paths, name)?;
    // Of a name that is mistyped nothing must be written down.
    open::state(paths, name)?;
    match place(paths, name)? {
        Place::Group => direct::supervise(paths, name, Console::Ours),
        place => Err(become_nspawn(paths, name, place, notify_socket)?),
    }
}

/// Writes down who runs the container from now on. Refused while somebody does: two overlays on one upper would damage
/// each other.
pub fn claim(paths: &Paths, name: &Name, record: &Runtime) -> Result<()> {
    let _lock = lock::take(paths, name, "boot", Wait::at_most(LOCK_LIMIT))?;
    let (known, myself) = (runtime::read(paths, name)?, ProcessId::myself()?);
    let others = known.iter().flat_map(|known| [known.supervisor, known.process]).flatten().filter(|id| *id != myself);
    match others.into_iter().find(ProcessId::is_alive) {
        Some(process) => Err(Error::new(Kind::Busy, format!("{name} runs already, in process {}", process.pid))),
        None => runtime::write(paths, name, record),
    }
}

/// The paths with the datadir in which this container was started, else the configured one.
pub fn located(paths: &Paths, name: &Name) -> Result<Paths> {
    let known = runtime::read(paths, name)?.map(|runtime| paths.clone().with_datadir(runtime.datadir));
    Ok(known.filter(|known| known.container(name.as_str()).is_dir()).unwrap_or_else(|| paths.clone()))
}

/// Where we are: no systemd on this host, in our unit, or typed by somebody.
fn place(paths: &Paths, name: &Name) -> Result<Place> {
    if !paths.systemd_marker().is_dir() {
        return Ok(Place::Group);
    }
    let register = machined_answers(paths);
    let groups = fs::read_to_string("/proc/self/cgroup").context("/proc/self/cgroup")?;
    Ok(if in_unit(&groups, &name.unit()) { Place::Unit { register } } else { Place::Scope { register } })
}

/// Whether a line of /proc/PID/cgroup, "0::/machine.slice/sdme@web.service", ends in this unit.
fn in_unit(groups: &str, unit: &str) -> bool {
    groups.lines().filter_map(|line| line.rsplit('/').next()).any(|last| last.replace("\\x2d", "-") == unit)
}

/// nspawn fails when it shall register and there is no bus, or no machined to be had over it.
fn machined_answers(paths: &Paths) -> bool {
    const DAEMONS: [&str; 3] = [
        "/usr/lib/systemd/systemd-machined",
        "/lib/systemd/systemd-machined",
        "/run/current-system/sw/lib/systemd/systemd-machined",
    ];
    std::os::unix::net::UnixStream::connect(paths.system_bus_socket()).is_ok()
        && DAEMONS.iter().any(|daemon| paths.host(daemon).exists())
}

/// machined keeps a machine as long as its unit is active: one whose processes were all killed is still there when the
/// same unit is started again at once, and nspawn would fail over it.
fn forget_machine(paths: &Paths, name: &Name) -> Result<()> {
    let Host::Systemd(mut manager) = host::connect(paths)? else { return Ok(()) };
    match machine::unit(&mut manager, name.as_str())? {
        None => Ok(()),
        Some(unit) if unit == name.unit() => machine::unregister(&mut manager, name.as_str()),
        Some(unit) => {
            let what =
                format!("a machine {name} is registered with machined already, by {unit:?}: stop that one first");
            Err(Error::new(Kind::Busy, what))
        }
    }
}

/// Mounts and becomes systemd-nspawn; `Ok` carries the error of an exec that failed.
fn become_nspawn(paths: &Paths, name: &Name, place: Place, notify_socket: Option<&OsStr>) -> Result<Error> {
    let program = systemd::nspawn::program()?;
    let process = Some(ProcessId::myself()?);
    claim(paths, name, &Runtime { datadir: paths.datadir().into(), route: Route::Unit, process, supervisor: None })?;
    if matches!(place, Place::Unit { register: true } | Place::Scope { register: true }) {
        forget_machine(paths, name)?;
    }
    mountns::unshare()?;
    let tree = mount_tree(paths, name)?;
    let facts = Facts { place, resolv_conf: resolv_conf(paths), devices_closed: true, init: init(&tree)? };
    let arguments = nspawn::arguments(name, &tree, &facts);
    let mut nspawn =
        Program::new(&program, &arguments).environment("PATH", systemd::nspawn::SAFE_PATH).environment("TERM", "vt220");
    if let Some(socket) = notify_socket {
        nspawn = nspawn.environment("NOTIFY_SOCKET", socket);
    }
    cover_tmp(paths)?;
    Ok(nspawn.exec())
}

/// nspawn makes a directory in /tmp that a SIGKILL would leave there: its /tmp goes with this process's mount namespace. Only
/// once the tree is mounted: the datadir may be in /tmp. Gives what it has covered.
pub fn cover_tmp(paths: &Paths) -> Result<Option<PathBuf>> {
    mountns::cover(&paths.host("/tmp"))
}

/// Makes the container's tree stand at its place below /run, in this process's mount namespace.
pub fn mount_tree(paths: &Paths, name: &Name) -> Result<PathBuf> {
    let state = create::ensure_machine_id(paths, open::state(paths, name)?)?;
    let target = paths.mounts().join(name.as_str());
    fs::create_dir_all(&target).with_context(|| format!("mkdir {target:?}"))?;
    // Who replaces the tree sees the container as one that runs, or is done before it is mounted.
    let _held = create::hold_rootfs(paths, &state.rootfs, Wait::at_most(LOCK_LIMIT))?;
    overlay::mount_all(paths, &state, &target).with_context(|| format!("{name}: mounting its tree"))?;
    Ok(target)
}

/// The program that nspawn has to be told of, looked up in a tree that is mounted. A named one it starts in a tree with /usr
/// only, which NixOS does not have before its first start: it is made, in the container's own layer.
pub fn init(tree: &Path) -> Result<Option<PathBuf>> {
    let root = Root::open_path(tree)?;
    let init = installed::init_to_name(&root);
    if init.is_some() {
        match root.directory(Path::new("/"))?.mkdir("usr", 0o755) {
            Err(error) if *error.kind() != Kind::Exists => return Err(error).context("making /usr in its tree"),
            _ => {}
        }
    }
    Ok(init)
}

pub fn resolv_conf(paths: &Paths) -> nspawn::ResolvConf {
    let text = fs::read_to_string(paths.resolv_conf()).ok();
    nspawn::resolv_conf(text.as_deref(), paths.resolved_stub().exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_read_from_the_control_group() {
        assert!(in_unit("0::/machine.slice/sdme@web.service\n", "sdme@web.service"));
        assert!(in_unit("1:name=systemd:/machine.slice/sdme@web.service\n0::/\n", "sdme@web.service"));
        assert!(!in_unit("0::/user.slice/user-0.slice/session-1.scope\n", "sdme@web.service"));
        assert!(!in_unit("0::/machine.slice/sdme@web2.service\n", "sdme@web.service"));
    }
}
