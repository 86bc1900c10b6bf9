//! Containers on a host whose PID 1 is not systemd: one supervisor a container, which is the same `boot` staying alive.
//! It does what the unit would: a control group closed to devices, a restart after a reboot, a status to look at.

pub mod console;
pub mod status;

use crate::container::boot;
use crate::container::nspawn::{self, Facts, Place};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::runtime::{self, Route, Runtime};
use crate::sys::cgroup::{self, Group};
use crate::sys::dir::Dir;
use crate::sys::poll::{For, Wait, poll};
use crate::sys::process::{Process, ProcessId};
use crate::sys::signal::{self, Interrupts};
use crate::sys::spawn::Program;
use crate::sys::{bpf, mountns};
use crate::systemd;
use console::ConsoleLog;
use status::{Phase, Status};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

/// The group of the hierarchy below which ours stand.
const GROUPS: &str = "sdme";
/// The group below the container's in which one life of it is: nspawn and the guest.
const LIFE: &str = "machine";
/// A notification longer than this is cut; its lines are short.
const NOTIFICATION_MAX: usize = 4096;

/// /run/sdme and what is in it are root's alone: who could write there could speak for a container.
const PRIVATE: u32 = 0o700;

/// Where the container's console goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// To our own standard streams: somebody typed `sdme boot`.
    Ours,
    /// To the log beside the status.
    Log,
}

/// Runs the container until it has powered off; a reboot inside starts it again. Returns nspawn's exit code.
pub fn supervise(paths: &Paths, name: &Name, console: Console) -> Result<u8> {
    Dir::create_all(&paths.direct(), PRIVATE).with_context(|| format!("{:?}", paths.direct()))?;
    boot::claim(paths, name, &record(paths, ProcessId::myself()?, None))?;
    let signals = Interrupts::block(&signal::ENDING)?;
    let result = Supervisor::prepare(paths, name, console, signals).and_then(|mut supervisor| supervisor.run());
    let last = match &result {
        Ok(0) => Status::new(Phase::Ended, ""),
        Ok(code) => Status::new(Phase::Failed, format!("systemd-nspawn exited with status {code}")),
        Err(error) => Status::new(Phase::Failed, error.to_string()),
    };
    status::write(paths, name, &last)?;
    result
}

struct Supervisor<'a> {
    paths: &'a Paths,
    name: &'a Name,
    signals: Interrupts,
    group: Group,
    notifications: UnixDatagram,
    log: Option<ConsoleLog>,
    /// Something that it said could not be written down.
    log_is_cut: bool,
    devices_closed: bool,
}

impl<'a> Supervisor<'a> {
    fn prepare(paths: &'a Paths, name: &'a Name, console: Console, signals: Interrupts) -> Result<Supervisor<'a>> {
        status::write(paths, name, &Status::new(Phase::Starting, ""))?;
        mountns::unshare()?;
        cgroup::ensure_mounted(Path::new("/sys/fs/cgroup"))?;
        let group = fresh_group(name)?;
        let devices_closed = bpf::close_devices(group.as_fd()).is_ok();
        let log = match console {
            Console::Ours => None,
            Console::Log => Some(ConsoleLog::create(&status::log_path(paths, name))?),
        };
        let notifications = notification_socket(paths, name)?;
        Ok(Supervisor { paths, name, signals, group, notifications, log, log_is_cut: false, devices_closed })
    }

    fn run(&mut self) -> Result<u8> {
        let ended = loop {
            let ended = self.run_once()?;
            if ended.code() != Some(nspawn::REBOOT) {
                break ended;
            }
            status::write(self.paths, self.name, &Status::new(Phase::Starting, "rebooting"))?;
        };
        Group::root()?.ensure(GROUPS)?.end(self.name.as_str())?;
        if self.log_is_cut {
            let place = self.paths.direct();
            return Err(Error::failed(format!(
                "part of its console is lost: {place:?} could not be written (is it full?)"
            )));
        }
        Ok(ended.code().map_or_else(|| 128 + ended.signal().unwrap_or(0) as u8, |code| code as u8))
    }

    /// One boot, from mounting to the last process gone.
    fn run_once(&mut self) -> Result<ExitStatus> {
        let tree = boot::mount_tree(self.paths, self.name)?;
        let covered = boot::cover_tmp(self.paths)?;
        let result = self.spawn(&tree).and_then(|mut child| self.attend(&mut child));
        // Said before the cleaning up, which may take a while: nobody must take it for booted meanwhile.
        if !matches!(&result, Ok(ended) if ended.code() == Some(nspawn::REBOOT)) {
            status::write(self.paths, self.name, &Status::new(Phase::Ended, ""))?;
        }
        // Nothing that was killed is used again: Linux 6.18 kills what is cloned (CLONE_INTO_CGROUP, as systemd does since
        // 254) from a group that was ever killed into one that was not. The guest's next PID 1 could start nothing.
        self.group.end(LIFE)?;
        covered.as_deref().map_or(Ok(()), mountns::detach)?;
        mountns::detach(&tree)?;
        result
    }

    fn spawn(&mut self, tree: &Path) -> Result<Child> {
        let facts = Facts {
            place: Place::Group,
            resolv_conf: boot::resolv_conf(self.paths),
            devices_closed: self.devices_closed,
            init: boot::init(tree)?,
        };
        let arguments = nspawn::arguments(self.name, tree, &facts);
        let mut program = Program::new(&systemd::nspawn::program()?, &arguments)
            .environment("PATH", systemd::nspawn::SAFE_PATH)
            .environment("TERM", "vt220")
            .environment("NOTIFY_SOCKET", status::socket_path(self.paths, self.name))
            .end_with_us()
            .in_group(self.group.ensure(LIFE)?.procs()?);
        if let Some(log) = &self.log {
            program = program.input(Stdio::null()).output(log.input()?.into(), log.input()?.into());
        }
        program.spawn()
    }

    /// Listens until nspawn has ended: to it, to its console, and to whoever asks us to end.
    fn attend(&mut self, child: &mut Child) -> Result<ExitStatus> {
        let process = ProcessId::of(child.id())?;
        runtime::write(self.paths, self.name, &record(self.paths, ProcessId::myself()?, Some(process)))?;
        let process = process.open()?;
        while !self.attend_once(&process)? {}
        child.wait().context("waiting for systemd-nspawn")
    }

    /// Handles what has come; true when nspawn has ended.
    fn attend_once(&mut self, process: &Process) -> Result<bool> {
        let output = self.log.as_ref().map(|log| log.output());
        let mut fds = vec![(process.as_fd(), For::Input), (self.notifications.as_fd(), For::Input)];
        fds.extend(output.map(|fd| (fd, For::Input)));
        let ready = match poll(&fds, Wait::for_ever().interrupted_by(&self.signals)) {
            Ok(ready) => ready,
            // nspawn knows what a second SIGTERM means: the first asks the guest to power off, the next ends it.
            Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => {
                self.signals.take();
                process.signal(signal::SIGTERM)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if ready.get(2) == Some(&true) {
            self.drain_console();
        }
        if ready[1] {
            self.take_notification()?;
        }
        Ok(ready[0])
    }

    /// A full /run costs a container its words, not its life.
    fn drain_console(&mut self) {
        if self.log.as_mut().is_some_and(|log| log.drain().is_err()) {
            // The stream has been read, so that the guest goes on; there is no place left to say that.
            self.log_is_cut = true;
        }
    }

    /// The protocol of sd_notify(3); only nspawn can reach the socket, whose directory is root's alone.
    fn take_notification(&mut self) -> Result<()> {
        let mut buffer = [0u8; NOTIFICATION_MAX];
        let length = self.notifications.recv(&mut buffer).context("reading a notification")?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let phase = if text.lines().any(|line| line == "READY=1") { Some(Phase::Booted) } else { None };
        let words = text.lines().find_map(|line| line.strip_prefix("STATUS="));
        self.log_is_cut |= status::update(self.paths, self.name, phase, words).is_err();
        Ok(())
    }
}

/// Who runs the container: this supervisor, and systemd-nspawn once it is there.
fn record(paths: &Paths, supervisor: ProcessId, process: Option<ProcessId>) -> Runtime {
    Runtime { datadir: paths.datadir().into(), route: Route::Direct, process, supervisor: Some(supervisor) }
}

/// The container's group, empty: what a killed supervisor may have left in it is ended first.
fn fresh_group(name: &Name) -> Result<Group> {
    let groups = Group::root()?.ensure(GROUPS)?;
    groups.end(name.as_str())?;
    groups.ensure(name.as_str())
}

/// Ends what is left of a container whose supervisor is gone.
pub fn clear(paths: &Paths, name: &Name) -> Result<()> {
    if let Some(groups) = Group::root()?.lookup(GROUPS)? {
        groups.end(name.as_str())?;
    }
    status::remove(paths, name)
}

fn notification_socket(paths: &Paths, name: &Name) -> Result<UnixDatagram> {
    let path = status::socket_path(paths, name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{path:?}"));
        }
        _ => {}
    }
    UnixDatagram::bind(&path).with_context(|| format!("binding {path:?}"))
}

/// Starts a supervisor that outlives this command, and writes it down for it: whoever gets the container's lock next must
/// find it, however little of it has run.
pub fn spawn_supervisor(paths: &Paths, name: &Name) -> Result<Child> {
    let arguments = [paths.datadir().into(), name.as_str().into()];
    let mut child = Program::new(Path::new("/proc/self/exe"), &arguments)
        .argument_zero(SUPERVISOR)
        .input(Stdio::null())
        .output(Stdio::null(), Stdio::null())
        .own_session()
        .spawn()?;
    let written = ProcessId::of(child.id()).and_then(|id| runtime::write(paths, name, &record(paths, id, None)));
    if written.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    written.map(|()| child)
}

/// The argv[0] under which this binary is a supervisor.
pub const SUPERVISOR: &str = "sdme-supervisor";
