//! The guest's own manager: reached, asked, and not believed further than what is asked for. The guest is hostile: each
//! step has a deadline, messages are small, descriptors are not taken.

use crate::container::enter::Entered;
use crate::container::leader::{self, Leader};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::sys::poll::{self, Wait};
use crate::systemd::manager::Manager;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the manager listens; until the socket is there, nobody needs to be sent in to look.
const SOCKET: &str = "/run/systemd/private";
/// Between two looks at a guest that boots. It could tell us, but what it tells need not be true.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long one look may take: a manager that is about to run its generators answers late.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// How long one call may take once the manager has answered; what D-Bus libraries wait, too.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// Jobs that are told of when a boot hangs.
const JOBS_TOLD: usize = 5;

pub struct Guest {
    leader: Leader,
    entered: Option<Entered>,
}

/// The guest of a container, as soon as there is one while it boots; None when it neither runs nor boots.
pub fn find(paths: &Paths, name: &Name, is_booting: &mut dyn FnMut() -> bool, wait: Wait<'_>) -> Result<Option<Guest>> {
    loop {
        match leader::find(paths, name)? {
            Some(leader) => return Ok(Some(Guest::open(leader))),
            None if !is_booting() => return Ok(None),
            None => poll::pause(LOOK_AGAIN, wait)?,
        }
        if wait.is_over() {
            return Err(Error::new(Kind::TimedOut, format!("{name} does not come up in time")));
        }
    }
}

impl Guest {
    pub fn open(leader: Leader) -> Guest {
        Guest { leader, entered: None }
    }

    pub fn leader(&self) -> &Leader {
        &self.leader
    }

    /// Our process in the container, started if it is not there.
    pub fn inside(&mut self, wait: Wait<'_>) -> Result<&mut Entered> {
        self.let_go_of_dead();
        if self.entered.is_none() {
            self.entered = Some(Entered::start(&self.leader, wait)?);
        }
        self.entered.as_mut().ok_or_else(|| Error::failed("the container was not entered"))
    }

    /// The same, to be kept: it can then become a program.
    pub fn take_inside(&mut self, wait: Wait<'_>) -> Result<Entered> {
        self.inside(wait)?;
        self.entered.take().ok_or_else(|| Error::failed("the container was not entered"))
    }

    /// Our process inside is reaped when it has died: until then the kernel does not let the guest's PID 1 end, for whose end
    /// we may be waiting.
    fn let_go_of_dead(&mut self) {
        self.entered.take_if(|entered| !entered.is_there());
    }

    /// The guest's manager, which has answered once.
    ///
    /// Errors: `NotFound` when it has no socket (yet) or has stopped, `TimedOut` when it does not answer.
    pub fn manager(&mut self, wait: Wait<'_>) -> Result<Manager> {
        self.let_go_of_dead();
        self.leader.check_alive()?;
        if !self.leader.root.is_in_memory(Path::new(SOCKET)) {
            return Err(Error::new(Kind::NotFound, "the container's manager has no socket"));
        }
        let pid = self.leader.pid();
        let socket = self.inside(wait)?.connect(pid, wait).context("the container's manager")?;
        let mut manager = Manager::of_guest(socket, left(wait)).context("the container's manager")?;
        manager.set_limit(CALL_LIMIT);
        Ok(manager)
    }

    /// Whether its manager answers: then a unit without default dependencies can be run.
    ///
    /// Errors: only an interrupt.
    pub fn is_reachable(&mut self, wait: Wait<'_>) -> Result<bool> {
        match self.manager(wait) {
            Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => Err(error),
            other => Ok(other.is_ok()),
        }
    }

    /// Waits until the manager answers.
    ///
    /// Errors: `TimedOut`, with what was wrong last; `NotFound` when the container stopped.
    pub fn wait_reachable(&mut self, wait: Wait<'_>) -> Result<Manager> {
        loop {
            let error = match self.manager(wait.no_longer_than(LOOK_LIMIT)) {
                Err(error) => error,
                reached => return reached,
            };
            self.leader.check_alive()?;
            if matches!(error.kind(), Kind::Interrupted(_)) {
                return Err(error);
            }
            poll::pause(LOOK_AGAIN, wait)?;
            if wait.is_over() {
                return Err(error.with_kind(Kind::TimedOut));
            }
        }
    }

    /// systemd's word: "starting", "running", "degraded" ...
    pub fn system_state(&mut self, wait: Wait<'_>) -> Result<String> {
        let mut manager = self.manager(wait)?;
        manager.set_deadline(wait.deadline);
        manager.system_state()
    }

    /// The jobs that its manager has not finished, the running ones first: "foo.service (start)". At most a few.
    pub fn hanging_jobs(&mut self, wait: Wait<'_>) -> Result<Vec<String>> {
        let mut manager = self.manager(wait)?;
        manager.set_deadline(wait.deadline);
        let mut jobs = manager.jobs()?;
        jobs.sort_by_key(|job| job.state != "running");
        jobs.truncate(JOBS_TOLD);
        Ok(jobs.into_iter().map(|job| format!("{} ({})", job.unit, job.kind)).collect())
    }
}

/// What is left until the deadline.
fn left(wait: Wait<'_>) -> Duration {
    wait.deadline.map_or(CALL_LIMIT, |deadline| deadline.saturating_duration_since(Instant::now()))
}
