//! The leader of a running container: its PID 1, as the host sees it, and the root of its tree.
//!
//! Both are descriptors: a number may be another process's by the time it is used, a path may lead elsewhere.

use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::runtime;
use crate::sys::process::{self, Process, ProcessId};
use crate::sys::resolve::Root;
use std::fs;
use std::path::{Path, PathBuf};

/// Nothing runs, as far as can be seen.
const UNSEEN: &str = "/proc is not mounted: whether it runs cannot be seen";

pub struct Leader {
    pub process: Process,
    /// Its `/`, in its own mount namespace.
    pub root: Root,
}

/// The leader of a container; None when it does not run, or has only begun to.
pub fn find(paths: &Paths, name: &Name) -> Result<Option<Leader>> {
    match runtime::read(paths, name)?.and_then(|runtime| runtime.process) {
        Some(nspawn) => of(nspawn).with_context(|| format!("container {name}")),
        None => Ok(None),
    }
}

/// The leader below this systemd-nspawn.
pub fn of(nspawn: ProcessId) -> Result<Option<Leader>> {
    if !nspawn.is_alive() {
        return if process::are_seen() { Ok(None) } else { Err(Error::new(Kind::Unavailable, UNSEEN)) };
    }
    for pid in process::children(nspawn.pid)? {
        match open(nspawn, pid) {
            Ok(None) => {}
            Ok(leader) => return Ok(leader),
            // It ended while it was looked at.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Everything is read after the pidfd was opened, and the process found alive after everything was read: so all of it
/// belongs to one process.
fn open(nspawn: ProcessId, pid: u32) -> Result<Option<Leader>> {
    let id = ProcessId::of(pid)?;
    let process = id.open()?;
    let leads = leads_namespace(pid)? && has_begun(nspawn.pid, pid)?;
    let root = Root::open_path(Path::new(&format!("/proc/{pid}/root")))?;
    let still_there = nspawn.is_alive() && process::children(nspawn.pid)?.contains(&pid) && id.is_alive();
    if !leads || !still_there || is_host_root(&root)? {
        return Ok(None);
    }
    Ok(Some(Leader { process, root }))
}

/// PID 1 of a namespace directly below ours.
fn leads_namespace(pid: u32) -> Result<bool> {
    let depth = process::namespace_pids(std::process::id())?.len();
    let numbers = process::namespace_pids(pid)?;
    Ok(numbers.len() == depth + 1 && numbers.last() == Some(&1))
}

/// Whether systemd-nspawn's child has become the container's init. Before, it still has the host's capabilities.
fn has_begun(nspawn: u32, pid: u32) -> Result<bool> {
    Ok(program(pid)? != program(nspawn)?)
}

fn program(pid: u32) -> Result<PathBuf> {
    let link = format!("/proc/{pid}/exe");
    fs::read_link(&link).context(link)
}

/// A process that has not yet changed its root must not be taken for a container.
fn is_host_root(root: &Root) -> Result<bool> {
    let host = Root::open_path(Path::new("/"))?;
    let identity = |root: &Root| root.stat(Path::new("/")).map(|stat| (stat.st_dev, stat.st_ino));
    Ok(identity(root)? == identity(&host)?)
}

impl Leader {
    /// Its number on the host.
    pub fn pid(&self) -> u32 {
        self.process.id.pid
    }

    /// Errors: `NotFound` when it has ended.
    pub fn check_alive(&self) -> Result<()> {
        match self.process.id.is_alive() {
            true => Ok(()),
            false => Err(Error::new(crate::error::Kind::NotFound, "the container has stopped")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runtime::{Route, Runtime};

    #[test]
    fn an_ordinary_child_is_no_leader() {
        let mut child = std::process::Command::new("/bin/sleep").arg("9").spawn().unwrap();
        assert!(of(ProcessId::myself().unwrap()).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_in_a_new_namespace_that_still_has_our_root_is_no_leader() {
        if !crate::sys::credentials::is_root() {
            eprintln!("skip: a PID namespace needs root");
            return;
        }
        let mut command = std::process::Command::new("unshare");
        let Ok(mut outer) = command.args(["--pid", "--fork", "--kill-child", "sleep", "9"]).spawn() else {
            eprintln!("skip: there is no unshare(1)");
            return;
        };
        let id = ProcessId::of(outer.id()).unwrap();
        while process::children(id.pid).unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let child = process::children(id.pid).unwrap()[0];
        while !has_begun(id.pid, child).unwrap() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(leads_namespace(child).unwrap());
        assert!(of(id).unwrap().is_none());
        outer.kill().unwrap();
        outer.wait().unwrap();
    }

    #[test]
    fn what_is_not_recorded_does_not_run() {
        let folder = std::env::temp_dir().join(format!("sdme-leader-{}", std::process::id()));
        let paths = Paths::under(&folder);
        let name = Name::parse("web").unwrap();
        assert!(find(&paths, &name).unwrap().is_none());
        let dead = Some(ProcessId { start: 1, ..ProcessId::myself().unwrap() });
        let runtime = Runtime { datadir: folder.clone(), route: Route::Direct, process: dead, supervisor: None };
        runtime::write(&paths, &name, &runtime).unwrap();
        assert!(find(&paths, &name).unwrap().is_none());
        fs::remove_dir_all(folder).unwrap();
    }
}
