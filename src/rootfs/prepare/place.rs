//! The process that becomes the systemd-nspawn in which a package manager runs: a copy of this program, known by its argv[0].
//!
//! Its standard input is the stage's directory. It gets a control group that is closed to devices (a scope of systemd's, or one
//! that it makes), a mount namespace, and in that the tree at a place that needs no quoting. What it mounts goes with it, and so
//! does what nspawn would leave in /tmp and /run when it is killed.

use crate::dbus::signature::Type;
use crate::dbus::value::Value;
use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::rootfs::prepare::contain;
use crate::sys::cgroup::{self, Group};
use crate::sys::dir::Dir;
use crate::sys::poll::Wait;
use crate::sys::spawn::Program;
use crate::sys::{bpf, confine, mount, mountns};
use crate::systemd::host::{self, Host};
use crate::systemd::manager::Manager;
use crate::systemd::unit::Transient;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The argv[0] under which this binary is that process.
pub const INSTALLER: &str = "sdme-install";
/// In the stage: the tree, and what is fetched for it.
pub const TREE: &str = "tree";
pub const FETCHED: &str = "fetched";
/// The group of the hierarchy below which ours stand, without systemd.
const GROUPS: &str = "sdme";
/// How long systemd may take to make a scope.
const SCOPE_LIMIT: Duration = Duration::from_secs(25);
/// /run/sdme and what is in it are root's alone.
const PRIVATE: u32 = 0o700;
/// invoke-rc.d(8): 101 is "action forbidden by policy".
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// `words` are the machine's name, nspawn's path, and its arguments. Returns only an error.
pub fn become_nspawn(words: &[OsString]) -> Error {
    match prepare(words) {
        Ok(nspawn) => nspawn.exec(),
        Err(error) => error,
    }
}

fn prepare(words: &[OsString]) -> Result<Program> {
    let [machine, program, arguments @ ..] = words else { return Err(Error::usage("this is for sdme itself")) };
    let machine = machine.to_string_lossy();
    confine::leave_caller()?;
    confine::forget_caller()?;
    let paths = Paths::under("/");
    let stage = Dir::from_fd(std::io::stdin().as_fd().try_clone_to_owned().context("standard input")?);
    // Of the caller's mount namespace, and therefore before the new one.
    let mounts = [TREE, FETCHED].map(|name| stage.subdir(name).and_then(mount::clone_at));
    let is_direct = enter_group(&paths, &machine)?;
    mountns::unshare()?;
    if is_direct {
        cgroup::ensure_mounted(Path::new("/sys/fs/cgroup"))?;
    }
    cover(&paths)?;
    let [tree, fetched] = mounts;
    stand(tree?, contain::TREE)?;
    mountns::forbid_devices(Path::new(contain::TREE))?;
    stand(fetched?, contain::STORE)?;
    fs::write(contain::POLICY, POLICY).context(contain::POLICY)?;
    fs::set_permissions(contain::POLICY, fs::Permissions::from_mode(0o755)).context(contain::POLICY)?;
    Ok(Program::of_the_caller(Path::new(program), arguments).input(Stdio::null()))
}

/// Joins a control group that is closed to devices; true without systemd.
fn enter_group(paths: &Paths, machine: &str) -> Result<bool> {
    match host::connect(paths)? {
        Host::Systemd(mut manager) => enter_scope(&mut manager, machine).map(|()| false),
        Host::Direct => {
            let group = Group::root()?.ensure(GROUPS)?.ensure(&group(machine))?;
            // Where the kernel has no such programs, no device can be opened for want of capabilities alone.
            let _ = bpf::close_devices(group.as_fd());
            let joined = crate::sys::io::write(group.procs()?.as_fd(), b"0");
            joined.context("joining a control group").map(|_| true)
        }
    }
}

fn enter_scope(manager: &mut Manager, machine: &str) -> Result<()> {
    let myself = Value::Array(Type::Uint32, vec![Value::Uint32(std::process::id())]);
    let scope = Transient::new(scope(machine))
        .set("Description", "Installation of packages in a root filesystem that sdme imports")
        .set("PIDs", myself)
        .set("Slice", "machine.slice")
        .set("Delegate", true)
        .set("DevicePolicy", "closed")
        .set("CollectMode", "inactive-or-failed");
    let job = manager.start_transient(scope)?;
    match manager.wait_job(&job, Wait::at_most(SCOPE_LIMIT))? {
        result if result.is_done() => Ok(()),
        result => Err(Error::failed(format!("systemd made no scope for it: {result}"))),
    }
}

/// No name of a container, which have groups beside it.
pub fn group(machine: &str) -> String {
    format!(".{machine}")
}

pub fn scope(machine: &str) -> String {
    format!("sdme-{machine}.scope")
}

/// Removes the group that a process without systemd had, when all in it has ended.
pub fn remove_group(machine: &str) -> Result<()> {
    match Group::root()?.lookup(GROUPS)? {
        Some(groups) => groups.remove(&group(machine)),
        None => Ok(()),
    }
}

/// Lays filesystems in memory over the places where nspawn makes something, and over the one where the tree is to stand.
fn cover(paths: &Paths) -> Result<()> {
    let of_nspawn = paths.host("/run/systemd/nspawn");
    for directory in [&of_nspawn, &paths.mounts()] {
        Dir::create_all(directory, PRIVATE).with_context(|| format!("{directory:?}"))?;
        mountns::cover(directory)?;
    }
    mountns::cover(&paths.host("/tmp")).map(drop)
}

fn stand(mount: OwnedFd, place: &str) -> Result<()> {
    fs::create_dir(place).with_context(|| format!("mkdir({place:?})"))?;
    mount::attach(mount, Dir::open(Path::new(place))?)
}
