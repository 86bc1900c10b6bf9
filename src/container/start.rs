//! Starting a container, by its unit or by a supervisor, and waiting for it without polling what can be listened to.

use crate::container::direct::{self, status::Phase};
use crate::container::guest::Guest;
use crate::container::stop::{self, Limits};
use crate::container::{leader, open, template};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::lock;
use crate::store::name::Name;
use crate::store::runtime::{self, Route, Runtime};
use crate::sys::poll::{For, Wait, pause, poll_one};
use crate::systemd::host::Host;
use crate::systemd::journal;
use crate::systemd::manager::{Job, Manager, UnitStatus};
use crate::systemd::nspawn;
use crate::text::sanitize;
use std::fs;
use std::os::fd::AsFd;
use std::process::Child;
use std::time::Duration;

/// How long `start` waits for another command to let go of the container.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a guest that says nothing of itself that could be trusted.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// For one question to a guest's manager.
const GUEST_ANSWER: Duration = Duration::from_millis(500);
/// How much of the log a failure shows.
const LOG_LINES: usize = 10;

/// When `start` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The guest has said that it has booted.
    Booted,
    /// A command can be run in it.
    Reachable,
    /// The start has been asked for.
    None,
}

/// Starts the container and waits. One that runs already is waited for in the same way.
///
/// Errors: `TimedOut` leaves it running and names the job that hangs; `Interrupted` stops it again if it was this call that
/// started it; any other says why it did not start, with the last lines of its log.
pub fn start(paths: &Paths, host: &mut Host, name: &Name, wait_for: WaitFor, wait: Wait<'_>) -> Result<()> {
    let lock = lock::take(paths, name, "start", wait.no_longer_than(LOCK_LIMIT))?;
    refuse_other_datadir(paths, name)?;
    open::state(paths, name)?;
    let begun = begin(paths, host, name)?;
    let is_ours = begun.is_ours();
    // Whoever wants to stop a start that hangs must not have to wait for it.
    drop(lock);
    let result = match begun {
        Begun::Unit { job, .. } => await_unit(paths, host, name, &job, wait_for, wait),
        Begun::Supervisor(child) => await_supervisor(paths, name, child, wait_for, wait),
    };
    match result {
        Err(error) if matches!(error.kind(), Kind::Interrupted(_)) && is_ours => {
            stop::stop(paths, host, name, Limits::at_once(), Wait::for_ever())?;
            Err(error.context(format!("{name}: start stopped again")))
        }
        Err(error) if *error.kind() == Kind::TimedOut => Err(hanging(paths, name, wait_for)),
        other => other,
    }
}

enum Begun {
    Unit {
        job: Job,
        /// It was stopped before.
        is_new: bool,
    },
    /// `None`: another command's supervisor runs it.
    Supervisor(Option<Child>),
}

impl Begun {
    /// Whether this call started it: what runs or boots already is not ours to stop.
    fn is_ours(&self) -> bool {
        matches!(self, Begun::Unit { is_new: true, .. } | Begun::Supervisor(Some(_)))
    }
}

fn begin(paths: &Paths, host: &mut Host, name: &Name) -> Result<Begun> {
    match host {
        Host::Systemd(manager) => begin_unit(paths, manager, name),
        Host::Direct => begin_supervisor(paths, name).map(Begun::Supervisor),
    }
}

fn begin_unit(paths: &Paths, manager: &mut Manager, name: &Name) -> Result<Begun> {
    if template::ensure(paths)? {
        manager.reload()?;
    }
    if runtime::read(paths, name)?.is_none_or(|known| known.datadir != paths.datadir()) {
        let datadir = paths.datadir().into();
        runtime::write(paths, name, &Runtime { datadir, route: Route::Unit, process: None, supervisor: None })?;
    }
    let unit = name.unit();
    let is_new = matches!(manager.status(&unit)?.active.as_str(), "inactive" | "failed" | "deactivating");
    let job = manager.start_unit(&unit).with_context(|| format!("{name}: starting {unit}"))?;
    Ok(Begun::Unit { job, is_new })
}

fn begin_supervisor(paths: &Paths, name: &Name) -> Result<Option<Child>> {
    let supervisor = runtime::read(paths, name)?.and_then(|known| known.supervisor);
    if let Some(process) = supervisor.and_then(|supervisor| supervisor.open().ok()) {
        let phase = direct::status::read(paths, name)?.map(|status| status.phase);
        if !matches!(phase, Some(Phase::Ended | Phase::Failed)) {
            return Ok(None);
        }
        // It is cleaning up after the last run; a reboot says so before this limit.
        if poll_one(process.as_fd(), For::Input, Wait::at_most(LOCK_LIMIT)).is_err() {
            return Ok(None);
        }
    }
    direct::clear(paths, name)?;
    nspawn::program()?;
    direct::spawn_supervisor(paths, name).map(Some)
}

fn refuse_other_datadir(paths: &Paths, name: &Name) -> Result<()> {
    let Some(known) = runtime::read(paths, name)? else { return Ok(()) };
    let alive = [known.process, known.supervisor].into_iter().flatten().any(|process| process.is_alive());
    if alive && known.datadir != paths.datadir() {
        let other = &known.datadir;
        return Err(Error::new(
            Kind::Busy,
            format!(
                "{name} runs already, from the datadir {other:?}: stop that one first (sdme --datadir {other:?} stop {name})"
            ),
        ));
    }
    Ok(())
}

fn await_unit(paths: &Paths, host: &mut Host, name: &Name, job: &Job, wait_for: WaitFor, wait: Wait<'_>) -> Result<()> {
    let Host::Systemd(manager) = host else { return Ok(()) };
    let result = match wait_for {
        WaitFor::None => return Ok(()),
        WaitFor::Booted => manager.wait_job(job, wait)?,
        WaitFor::Reachable => loop {
            if is_reachable(paths, name, wait)? {
                return Ok(());
            }
            match manager.wait_job(job, wait.no_longer_than(LOOK_AGAIN)) {
                Err(error) if *error.kind() == Kind::TimedOut && !wait.is_over() => continue,
                Ok(result) if result == "done" => return Ok(()),
                other => break other?,
            }
        },
    };
    if result == "done" { Ok(()) } else { Err(unit_failure(manager, name, &result)?) }
}

fn is_reachable(paths: &Paths, name: &Name, wait: Wait<'_>) -> Result<bool> {
    match leader::find(paths, name) {
        Ok(Some(leader)) => Guest::open(leader).is_reachable(wait.no_longer_than(GUEST_ANSWER)),
        // A leader that goes while it is looked at is as good as none; the job will tell.
        Ok(None) | Err(_) => Ok(false),
    }
}

fn unit_failure(manager: &mut Manager, name: &Name, job_result: &str) -> Result<Error> {
    let status = manager.status(&name.unit())?;
    let log = journal::last_lines(&name.unit(), &status.invocation_id, LOG_LINES);
    let why = reason(&status, job_result);
    Ok(failure(name, &why, &log))
}

fn reason(status: &UnitStatus, job_result: &str) -> String {
    let ended = match status.exec_main_code {
        1 => format!(", exit status {}", status.exec_main_status),
        2 | 3 => format!(", killed by signal {}", status.exec_main_status),
        _ => String::new(),
    };
    match (job_result, status.result.as_str()) {
        // What systemd calls it when nspawn, and with it the guest, ends well and has not said that it is ready.
        ("failed", "protocol") => "it powered off while it booted".to_string(),
        ("failed", "" | "success") => format!("its start job failed{ended}"),
        ("failed", result) => format!("its unit failed: {result}{ended}"),
        ("canceled", _) => "its start was canceled by another command".to_string(),
        (job_result, _) => format!("its start job ended with {job_result:?}{ended}"),
    }
}

fn failure(name: &Name, why: &str, log: &[String]) -> Error {
    let mut message = format!("{name} did not start: {why} (more: sdme logs {name})");
    for line in log {
        message.push_str("\n  ");
        message.push_str(&sanitize::line(line));
    }
    Error::failed(message)
}

fn await_supervisor(
    paths: &Paths,
    name: &Name,
    mut child: Option<Child>,
    wait_for: WaitFor,
    wait: Wait<'_>,
) -> Result<()> {
    if wait_for == WaitFor::None {
        return Ok(());
    }
    loop {
        let ended = match &mut child {
            Some(child) => child.try_wait().context("waiting for the supervisor")?.is_some(),
            None => !supervisor_lives(paths, name)?,
        };
        let status = direct::status::read(paths, name)?;
        match status.as_ref().map(|status| status.phase) {
            Some(Phase::Booted) => return Ok(()),
            Some(Phase::Starting) if wait_for == WaitFor::Reachable && is_reachable(paths, name, wait)? => {
                return Ok(());
            }
            Some(Phase::Ended | Phase::Failed) => return Err(supervisor_failure(paths, name)?),
            _ if ended => return Err(supervisor_failure(paths, name)?),
            _ => pause(LOOK_AGAIN, wait)?,
        }
        if wait.is_over() {
            return Err(Error::new(Kind::TimedOut, "timed out"));
        }
    }
}

fn supervisor_lives(paths: &Paths, name: &Name) -> Result<bool> {
    let supervisor = runtime::read(paths, name)?.and_then(|known| known.supervisor);
    Ok(supervisor.is_some_and(|supervisor| supervisor.is_alive()))
}

fn supervisor_failure(paths: &Paths, name: &Name) -> Result<Error> {
    let why = match direct::status::read(paths, name)? {
        Some(status) if status.phase == Phase::Ended => "it powered off while it booted".to_string(),
        Some(status) if !status.words.is_empty() => sanitize::line(&status.words),
        _ => "its supervisor was killed".to_string(),
    };
    let log = fs::read(direct::status::log_path(paths, name)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<String> = log.lines().map(str::to_string).collect();
    Ok(failure(name, &why, &lines[lines.len().saturating_sub(LOG_LINES)..]))
}

/// The error of a start that took too long, with what the guest is waiting for.
fn hanging(paths: &Paths, name: &Name, wait_for: WaitFor) -> Error {
    let jobs = leader::find(paths, name)
        .ok()
        .flatten()
        .map(|leader| Guest::open(leader).hanging_jobs(Wait::at_most(GUEST_ANSWER)));
    let waits = match jobs {
        Some(Ok(jobs)) if !jobs.is_empty() => format!("it waits for {}", sanitize::line(&jobs.join(", "))),
        Some(_) => "its manager does not say what it waits for".to_string(),
        None => "it has no PID 1 yet".to_string(),
    };
    let goal = if wait_for == WaitFor::Reachable { "reachable" } else { "booted" };
    Error::new(
        Kind::TimedOut,
        format!(
            "{name} is not {goal} in time and is left running; {waits} (see: sdme logs {name}; end it: sdme stop {name})"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_powers_off_while_it_boots_is_told_in_plain_words() {
        let unit = |result: &str| UnitStatus { result: result.into(), exec_main_code: 1, ..UnitStatus::default() };
        assert_eq!(reason(&unit("protocol"), "failed"), "it powered off while it booted");
        assert_eq!(reason(&unit("exit-code"), "failed"), "its unit failed: exit-code, exit status 0");
    }

    #[test]
    fn a_failure_is_one_line_and_the_log_below_it() {
        let error = failure(&Name::parse("web").unwrap(), "its unit failed: exit-code", &["bad\x1b[31mline".into()]);
        let text = error.to_string();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("web did not start: its unit failed: exit-code"));
        let log = lines.next().unwrap();
        assert!(log.starts_with("  ") && !log.contains('\x1b'), "{log:?}");
    }
}
