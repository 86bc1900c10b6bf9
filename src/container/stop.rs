//! Stopping a container: ask the guest to power off, then end it, then kill it, each with a limit of its own; done when
//! unit, machine and mounts are gone.

use crate::container::{direct, leader};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::lock::{self, Lock};
use crate::store::name::Name;
use crate::store::runtime::{self, Route};
use crate::sys::poll::{For, Wait, poll_one};
use crate::sys::process::{Process, ProcessId};
use crate::sys::signal::{SIGKILL, SIGRTMIN, SIGTERM};
use crate::systemd::host::Host;
use crate::systemd::machine;
use crate::systemd::manager::{Job, Manager};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long `stop` waits for another command to let go of the container.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// machined hears of the end a moment after the unit.
const MACHINE_LIMIT: Duration = Duration::from_secs(5);

/// What systemd as a guest's PID 1 takes for "power off" (systemd(1)).
const POWER_OFF: i32 = SIGRTMIN + 4;
/// Before it is asked for that again, and twice as long each time after: one that has only begun hears no signal yet, and
/// nspawn passes the first request on once, then takes another for the end of its patience.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Between two requests to end: signals that arrive together count as one.
const INSIST_EVERY: Duration = Duration::from_millis(100);

/// How long each way of stopping may take before the next; zero leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The guest powers off by itself.
    pub power_off: Duration,
    /// systemd-nspawn ends the guest.
    pub terminate: Duration,
    /// Everything in the control group is killed.
    pub kill: Duration,
}

impl Limits {
    const TERMINATE: Duration = Duration::from_secs(10);
    const KILL: Duration = Duration::from_secs(10);

    /// All three ways, the first with this limit.
    pub fn politely(power_off: Duration) -> Limits {
        Limits { power_off, terminate: Limits::TERMINATE, kill: Limits::KILL }
    }

    pub fn at_once() -> Limits {
        Limits { power_off: Duration::ZERO, ..Limits::politely(Duration::ZERO) }
    }

    pub fn by_force() -> Limits {
        Limits { terminate: Duration::ZERO, ..Limits::at_once() }
    }
}

/// Stops the container; one that does not run is stopped already.
pub fn stop(paths: &Paths, host: &mut Host, name: &Name, limits: Limits, wait: Wait<'_>) -> Result<()> {
    let lock = lock::take(paths, name, "stop", wait.no_longer_than(LOCK_LIMIT))?;
    stop_held(paths, host, &lock, limits, wait)
}

/// The same for whoever has the container's lock already, and goes on with it.
pub fn stop_held(paths: &Paths, host: &mut Host, lock: &Lock, limits: Limits, wait: Wait<'_>) -> Result<()> {
    let name = lock.name();
    match host {
        Host::Systemd(manager) => stop_unit(paths, manager, name, limits, wait)?,
        Host::Direct => {}
    }
    // What no unit runs: a supervisor without systemd, or a `sdme boot` that somebody typed.
    stop_process(paths, name, limits, wait)
}

fn stop_unit(paths: &Paths, manager: &mut Manager, name: &Name, limits: Limits, wait: Wait<'_>) -> Result<()> {
    let unit = name.unit();
    let status = manager.status(&unit)?;
    if matches!(status.active.as_str(), "inactive" | "failed" | "") {
        return Ok(());
    }
    let job = manager.stop_unit(&unit).with_context(|| format!("{name}: stopping {unit}"))?;
    // The stop job has sent SIGTERM to nspawn, which asks the guest to power off; on a further one it ends it itself.
    let powered_off =
        powers_off(paths, name, limits.power_off, wait, &mut |step| job_ended(manager, &job, step, wait))?;
    let stopped =
        powered_off || terminate(manager, &job, limits.terminate, wait)? || kill(manager, &job, limits.kill, wait)?;
    if stopped {
        // Ended on request: that nspawn was not asked politely is no failure of the unit.
        manager.reset_failed(&unit)?;
        return machine::wait_gone(manager, name.as_str(), Wait::at_most(MACHINE_LIMIT));
    }
    Err(Error::new(Kind::TimedOut, format!("{name} did not stop, not even killed (see: systemctl status {unit})")))
}

/// Waits for the end, and asks for it again: whatever the guest does meanwhile, one request too many does no harm.
fn powers_off(
    paths: &Paths,
    name: &Name,
    limit: Duration,
    wait: Wait<'_>,
    has_ended: &mut dyn FnMut(Wait<'_>) -> Result<bool>,
) -> Result<bool> {
    let (end, mut pause) = (wait.no_longer_than(limit), ASK_AGAIN);
    while !end.is_over() {
        if has_ended(end.no_longer_than(pause))? {
            return Ok(true);
        }
        if let Ok(Some(leader)) = leader::find(paths, name) {
            leader.process.signal(POWER_OFF)?;
        }
        pause *= 2;
    }
    Ok(false)
}

fn terminate(manager: &mut Manager, job: &Job, limit: Duration, wait: Wait<'_>) -> Result<bool> {
    let end = wait.no_longer_than(limit);
    while !end.is_over() {
        manager.kill_unit(&job.unit, "main", SIGTERM).or_else(tolerate_gone)?;
        if job_ended(manager, job, end.no_longer_than(INSIST_EVERY), wait)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn kill(manager: &mut Manager, job: &Job, limit: Duration, wait: Wait<'_>) -> Result<bool> {
    manager.kill_unit(&job.unit, "all", SIGKILL).or_else(tolerate_gone)?;
    job_ended(manager, job, wait.no_longer_than(limit), wait)
}

fn job_ended(manager: &mut Manager, job: &Job, step: Wait<'_>, whole: Wait<'_>) -> Result<bool> {
    match manager.wait_job(job, step) {
        Ok(_) => Ok(true),
        Err(error) if *error.kind() == Kind::TimedOut && !whole.is_over() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A unit whose last process has just gone has none to kill.
fn tolerate_gone(error: Error) -> Result<()> {
    match error.kind() {
        Kind::Dbus(name) if name.ends_with("NoSuchProcess") || name.ends_with("NoSuchUnit") => Ok(()),
        _ => Err(error),
    }
}

fn stop_process(paths: &Paths, name: &Name, limits: Limits, wait: Wait<'_>) -> Result<()> {
    let Some(known) = runtime::read(paths, name)? else { return Ok(()) };
    let Some(process) = known.supervisor.or(known.process) else { return Ok(()) };
    if let Some(process) = open_living(process)? {
        end_process(paths, name, &process, limits, wait)?;
    }
    if known.route == Route::Direct { direct::clear(paths, name) } else { Ok(()) }
}

fn end_process(paths: &Paths, name: &Name, process: &Process, limits: Limits, wait: Wait<'_>) -> Result<()> {
    if ask_politely(paths, name, process, limits.power_off, wait)? || insist(process, limits.terminate, wait)? {
        return Ok(());
    }
    kill_all(paths, name, process)?;
    if ended(process, wait.no_longer_than(limits.kill), wait)? {
        return Ok(());
    }
    Err(Error::new(Kind::TimedOut, format!("{name} did not stop, not even killed: process {} stays", process.id.pid)))
}

fn ask_politely(paths: &Paths, name: &Name, process: &Process, limit: Duration, wait: Wait<'_>) -> Result<bool> {
    if limit.is_zero() {
        return Ok(false);
    }
    process.signal(SIGTERM)?;
    powers_off(paths, name, limit, wait, &mut |step| ended(process, step, wait))
}

fn insist(process: &Process, limit: Duration, wait: Wait<'_>) -> Result<bool> {
    let end = wait.no_longer_than(limit);
    while !end.is_over() {
        process.signal(SIGTERM)?;
        if ended(process, end.no_longer_than(INSIST_EVERY), wait)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open_living(process: ProcessId) -> Result<Option<Process>> {
    match process.open() {
        Ok(process) => Ok(Some(process)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The guest's PID 1 first: with it goes everything in its namespace.
fn kill_all(paths: &Paths, name: &Name, supervisor: &Process) -> Result<()> {
    if let Ok(Some(leader)) = leader::find(paths, name) {
        leader.process.signal(SIGKILL)?;
    }
    supervisor.signal(SIGKILL)
}

fn ended(process: &Process, step: Wait<'_>, whole: Wait<'_>) -> Result<bool> {
    match poll_one(process.as_fd(), For::Input, step) {
        Ok(()) => Ok(true),
        Err(error) if *error.kind() == Kind::TimedOut && !whole.is_over() => Ok(false),
        Err(error) => Err(error),
    }
}
