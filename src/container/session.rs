//! A unit of the guest's manager with a payload of ours in it: started, watched, its wires copied, its signals passed
//! on, its end told exactly.

use crate::container::guest::Guest;
use crate::container::relay::Step;
use crate::container::request::Plan;
use crate::container::terminal::Wires;
use crate::error::{Error, Kind, Result};
use crate::sys::poll::Wait;
use crate::sys::signal::{self, Interrupts};
use crate::systemd::manager::{Ended, Manager};
use crate::systemd::unit::Transient;
use std::os::fd::AsFd;
use std::time::Duration;

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
/// A unit whose start has failed has ended; the signal that says so may be a moment behind.
const FAILED_LIMIT: Duration = Duration::from_secs(2);

/// CLD_EXITED of sigaction(2): what `code` is when `status` is an exit status.
const EXITED: i32 = 1;
/// With these systemd.exec(5) says that it could not get as far as the program.
const STEPS: std::ops::RangeInclusive<i32> = 200..=245;
const EXIT_EXEC: i32 = 203;
const EXIT_PAM: i32 = 224;

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
    /// The same command, for finding out why the unit did not run it.
    pub plan: Plan,
    pub wires: Wires,
    /// All of [`PASSED`].
    pub signals: &'a Interrupts,
}

impl<'a> Session<'a> {
    /// Starts the unit and stays with it to its end. After the start was asked for nothing is ever tried again.
    pub fn run(mut self, unit: Transient) -> Result<End> {
        let job = self.manager.start_transient(unit)?;
        loop {
            let wait = self.wait();
            match self.manager.wait_job(&job, wait) {
                Ok(result) if result.is_done() => break,
                Ok(_) => return self.explain_failure(),
                Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => self.cancel_or_resize(error)?,
                Err(error) => return Err(error),
            }
        }
        self.wires.engage()?;
        let end = self.follow()?;
        let wait = self.wait();
        match end {
            // What is closed now hangs up the terminal; what does not care for that is stopped.
            End::Left => drop(self.manager.stop_unit(&self.unit)),
            _ => self.wires.relay.drain(wait)?,
        }
        Ok(end)
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

    fn follow(&mut self) -> Result<End> {
        loop {
            match self.manager.ended(&self.unit) {
                Ok(Some(ended)) => return self.status(&ended),
                Ok(None) => self.guest.leader().check_alive()?,
                Err(error) if *error.kind() == Kind::Unavailable => self.reconnect(error)?,
                Err(error) => return Err(error),
            }
            let wait = self.wait();
            match self.wires.relay.step(&[self.manager.fd(), self.guest.leader().process.as_fd()], wait) {
                Ok(Step::Left) => return Ok(End::Left),
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

    /// The unit goes on when the manager is executed anew; the connection does not.
    fn reconnect(&mut self, lost: Error) -> Result<()> {
        self.guest.leader().check_alive()?;
        let wait = Wait::at_most(RETURN_LIMIT).interrupted_by(self.signals);
        self.manager = match self.guest.wait_reachable(wait) {
            Err(error) if *error.kind() == Kind::TimedOut => return Err(lost),
            other => other?,
        };
        // Asks once how the unit is; to wait for it is not needed.
        match self.manager.wait_ended(&self.unit, Wait::at_most(Duration::ZERO)) {
            Err(error) if *error.kind() == Kind::TimedOut => Ok(()),
            Err(error) if matches!(error.kind(), Kind::Dbus(_)) => {
                Err(error.context("the command has ended while the container's systemd was away; its status is lost"))
            }
            other => other.map(drop),
        }
    }

    /// A unit whose start has failed. Either systemd could not execute the program, and says by a number of its own at
    /// which step that was; or the program has ended with a failure before systemd noticed that it ran.
    fn explain_failure(&mut self) -> Result<End> {
        let ended = self.manager.wait_ended(&self.unit, Wait::at_most(FAILED_LIMIT))?;
        if ended.code != EXITED || !STEPS.contains(&ended.status) {
            return self.status(&ended);
        }
        if ended.status == EXIT_PAM {
            return Err(Error::failed("PAM of the container refuses the session"));
        }
        let wait = Wait::at_most(FAILED_LIMIT).interrupted_by(self.signals);
        match self.guest.inside(wait).and_then(|inside| inside.rehearse(&self.plan, wait)) {
            Ok(Some(why)) => Ok(End::Unexecuted(why)),
            Ok(None) => self.status(&ended),
            Err(_) if ended.status == EXIT_EXEC => Ok(End::Unexecuted("the container's systemd says no more".into())),
            Err(_) => self.status(&ended),
        }
    }

    fn status(&self, ended: &Ended) -> Result<End> {
        match ended.code {
            EXITED => Ok(End::Status(ended.status as u8)),
            2 | 3 => Ok(End::Status(128 + (ended.status & 0x7f) as u8)),
            _ => Err(Error::failed("the container's systemd ended the command before it ran")),
        }
    }
}

/// What a terminal sends goes to all who are at it; what is sent to one process goes to one.
fn receivers(signal: i32) -> &'static str {
    match signal {
        signal::SIGINT | signal::SIGQUIT | signal::SIGHUP => "all",
        _ => "main",
    }
}
