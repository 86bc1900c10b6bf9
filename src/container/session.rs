//! A unit of the guest's manager with a payload of ours in it: started, watched, its wires copied, its signals passed
//! on, its end told exactly.

use crate::container::guest::Guest;
use crate::container::relay::Step;
use crate::container::request::Plan;
use crate::container::terminal::Wires;
use crate::error::{Error, Kind, Result};
use crate::sys::ns;
use crate::sys::poll::{self, For, Wait};
use crate::sys::signal::{self, Interrupts};
use crate::systemd::manager::{Ended, Job, JobResult, Manager, TRANSACTION_IS_DESTRUCTIVE};
use crate::systemd::unit::Transient;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Passed on to the payload; SIGWINCH to its terminal.
pub const PASSED: [i32; 7] = [
    signal::SIGINT,
    signal::SIGTERM,
    signal::SIGHUP,
    signal::SIGQUIT,
    signal::SIGUSR1,
    signal::SIGUSR2,
    signal::SIGWINCH,
];

/// A manager that executes itself anew, as after an upgrade, comes back within this, or the status is lost.
const RETURN_LIMIT: Duration = Duration::from_secs(20);
/// A login that systemd could not begin has failed within this.
const LOGIN_LIMIT: Duration = Duration::from_secs(2);
/// A command that has made the manager execute itself anew mostly ends just after.
const QUICK_LIMIT: Duration = Duration::from_millis(100);
/// How long it may take to find out whether the kernel would have executed a program.
const REHEARSAL_LIMIT: Duration = Duration::from_secs(2);

/// CLD_EXITED, CLD_KILLED and CLD_DUMPED of sigaction(2): what a code says about its status.
const EXITED: i32 = 1;
const KILLED: i32 = 2;
const DUMPED: i32 = 3;

/// With these systemd.exec(5) says that it could not get as far as the program.
const STEPS: RangeInclusive<u8> = 200..=245;
const STEP_EXEC: u8 = 203;
const STEP_PAM: u8 = 224;

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The payload's exit status, 128+N when signal N ended it.
    Status(u8),
    /// The program could not be executed, for this reason.
    Unexecuted(String),
    /// The user has left.
    Left,
}

/// One unit and who speaks to it.
pub struct Session<'a> {
    pub guest: &'a mut Guest,
    pub manager: Manager,
    pub unit: String,
    /// PAM makes a session of it.
    pub is_login: bool,
    /// The same command, for finding out why the unit did not run it.
    pub plan: Plan,
    pub wires: Wires,
    /// All of [`PASSED`].
    pub signals: &'a Interrupts,
}

impl<'a> Session<'a> {
    /// Starts the unit and stays with it to its end. After the start was asked for nothing is ever tried again.
    pub fn run(mut self, unit: Transient) -> Result<End> {
        let job = self.manager.start_transient(unit).map_err(refused)?;
        let result = self.await_start(&job)?;
        let started = Instant::now();
        self.wires.engage()?;
        let Some(ended) = self.follow()? else {
            // What is closed now hangs up the terminal; what does not care for that is stopped.
            let _ = self.manager.stop_unit(&self.unit);
            return Ok(End::Left);
        };
        let wait = self.wait();
        self.wires.relay.drain(wait)?;
        let is_unsure = if self.is_login { started.elapsed() < LOGIN_LIMIT } else { !result.is_done() };
        self.explain(&ended, is_unsure)
    }

    fn await_start(&mut self, job: &Job) -> Result<JobResult> {
        loop {
            let wait = self.wait();
            match self.manager.wait_job(job, wait) {
                Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => self.cancel_or_resize(error)?,
                other => return other,
            }
        }
    }

    fn wait(&self) -> Wait<'a> {
        Wait::for_ever().interrupted_by(self.signals)
    }

    /// Before the payload runs, a signal is for us.
    fn cancel_or_resize(&mut self, error: Error) -> Result<()> {
        while let Some(signal) = self.signals.take() {
            if signal != signal::SIGWINCH {
                let _ = self.manager.stop_unit(&self.unit);
                return Err(error);
            }
            self.wires.resize();
        }
        Ok(())
    }

    /// How the unit ended; None when the user has left.
    fn follow(&mut self) -> Result<Option<Ended>> {
        loop {
            match self.manager.ended(&self.unit) {
                Ok(Some(ended)) => return Ok(Some(ended)),
                Ok(None) => self.guest.leader().check_alive()?,
                Err(error) if *error.kind() == Kind::Unavailable => match self.reconnect(error)? {
                    Some(ended) => return Ok(Some(ended)),
                    None => continue,
                },
                Err(error) => return Err(error),
            }
            let wait = self.wait();
            match self.wires.relay.step(&[self.manager.fd(), self.guest.leader().process.as_fd()], wait) {
                Ok(Step::Left) => return Ok(None),
                Ok(Step::Other) => {}
                Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => self.pass_signals()?,
                Err(error) => return Err(error),
            }
        }
    }

    fn pass_signals(&mut self) -> Result<()> {
        while let Some(signal) = self.signals.take() {
            if signal == signal::SIGWINCH {
                self.wires.resize();
                continue;
            }
            match self.manager.kill_unit(&self.unit, receivers(signal), signal) {
                // It has just ended, or its manager has: either is found out next.
                Err(error) if !matches!(error.kind(), Kind::Dbus(_) | Kind::Unavailable) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The unit goes on when the manager executes itself anew, as it does when systemd is upgraded; the connection does
    /// not. What ends meanwhile is collected before it can be asked about: its process is looked at instead.
    fn reconnect(&mut self, lost: Error) -> Result<Option<Ended>> {
        self.guest.leader().check_alive()?;
        let wait = Wait::at_most(RETURN_LIMIT).interrupted_by(self.signals);
        let process = self.main_process();
        if let Some(status) = process.as_ref().and_then(|process| quick_status(process.as_fd())) {
            return Ok(Some(exited(status)));
        }
        loop {
            self.manager = match self.guest.wait_reachable(wait) {
                Err(error) if *error.kind() == Kind::TimedOut => return Err(lost),
                other => other?,
            };
            // Asks once how the unit is; what happens to it from now on is followed by who called.
            match self.manager.wait_ended(&self.unit, Wait::at_most(Duration::ZERO)) {
                Ok(ended) if ended.code != 0 => return Ok(Some(ended)),
                Ok(_) => break,
                Err(error) if *error.kind() == Kind::TimedOut => return Ok(None),
                // That was the old manager still.
                Err(error) if *error.kind() == Kind::Unavailable && !wait.is_over() => {}
                Err(error) => return Err(error),
            }
        }
        let status = process.as_ref().and_then(|process| ns::foreign_status(process.as_fd()));
        let unknown = "the command ended while the container's systemd executed itself anew: its exit status is lost";
        status.map(|status| Some(exited(status))).ok_or_else(|| Error::failed(unknown))
    }

    fn main_process(&mut self) -> Option<OwnedFd> {
        let pid = self.manager.main_pid(&self.unit)?;
        let wait = Wait::at_most(RETURN_LIMIT).interrupted_by(self.signals);
        self.guest.inside(wait).and_then(|inside| inside.process(pid, wait)).ok()
    }

    /// From the unit's end to the command's. Where it is unsure whether the command ran at all, some numbers may mean
    /// that systemd could not execute it, or that it ran and ended with them before systemd noticed.
    fn explain(&mut self, ended: &Ended, is_unsure: bool) -> Result<End> {
        let status = match ended.code {
            EXITED => ended.status as u8,
            KILLED | DUMPED => 128 + (ended.status & 0x7f) as u8,
            _ => return Err(Error::failed("the container's systemd ended the command before it ran")),
        };
        if !is_unsure || ended.code != EXITED || !STEPS.contains(&status) {
            return Ok(End::Status(status));
        }
        if self.is_login && status == STEP_PAM {
            return Err(Error::failed("PAM of the container refuses the session"));
        }
        let wait = Wait::at_most(REHEARSAL_LIMIT).interrupted_by(self.signals);
        Ok(match self.guest.inside(wait).and_then(|inside| inside.rehearse(&self.plan, wait)) {
            Ok(Some(why)) => End::Unexecuted(why),
            Err(_) if status == STEP_EXEC => End::Unexecuted("its systemd does not say why".to_string()),
            _ => End::Status(status),
        })
    }
}

/// Our unit conflicts with nothing but the guest's shutdown.
fn refused(error: Error) -> Error {
    match error.kind() {
        Kind::Dbus(name) if name == TRANSACTION_IS_DESTRUCTIVE => {
            Error::new(Kind::NotFound, "the container is shutting down")
        }
        _ => error,
    }
}

/// The status of a process that ends at once; its parent is busy and leaves it for a while.
fn quick_status(process: BorrowedFd<'_>) -> Option<u8> {
    poll::poll_one(process, For::Input, Wait::at_most(QUICK_LIMIT)).ok()?;
    ns::foreign_status(process)
}

/// An end with this status, a signal's number already made one.
fn exited(status: u8) -> Ended {
    Ended { code: EXITED, status: i32::from(status), result: String::new() }
}

/// What a terminal sends goes to all who are at it; what is sent to one process goes to one.
fn receivers(signal: i32) -> &'static str {
    match signal {
        signal::SIGINT | signal::SIGQUIT | signal::SIGHUP => "all",
        _ => "main",
    }
}
