//! Jobs of a manager: starting and stopping units, and how that ends. The end is told by a signal that is asked for
//! before the job is made: nothing polls, and a job that ends before its own path is known is not missed.

use crate::dbus::message::Message;
use crate::dbus::value::Value;
use crate::error::{Context, Error, Result};
use crate::sys::poll::Wait;
use crate::systemd::manager::{MANAGER, Manager};
use crate::systemd::unit::Transient;
use std::fmt;
use std::ops::Deref;

/// Jobs that one command may wait for at once.
const JOBS_MAX: usize = 4096;

/// A job that we asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: u32,
    pub path: String,
    pub unit: String,
}

/// How a job ended: "done", "failed", "canceled", "timeout", "dependency", "skipped" ...
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult(String);

impl JobResult {
    pub fn is_done(&self) -> bool {
        self.0 == "done"
    }
}

impl Deref for JobResult {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for JobResult {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for JobResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job in a manager's queue, whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    pub id: u32,
    pub unit: String,
    /// "start", "stop", "restart" ...
    pub kind: String,
    /// "waiting" or "running".
    pub state: String,
}

/// What is known of the jobs that we asked for.
#[derive(Default)]
pub(super) struct Jobs(Vec<(Job, Option<JobResult>)>);

impl Jobs {
    pub(super) fn note(&mut self, signal: &Message) {
        if !signal.is_signal(MANAGER, "JobRemoved") {
            return;
        }
        let [_, Value::Path(path), _, Value::String(result)] = signal.body.as_slice() else { return };
        if let Some((_, known)) = self.0.iter_mut().find(|(job, _)| job.path == *path) {
            known.get_or_insert_with(|| JobResult(plain(result)));
        }
    }

    fn result(&self, job: &Job) -> Option<JobResult> {
        self.0.iter().find(|(known, _)| known == job)?.1.clone()
    }
}

/// The words of systemd are lower-case letters and `-`; a guest's may be anything.
fn plain(word: &str) -> String {
    word.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '?' }).collect()
}

impl Manager {
    /// Queues a start; a job that is in its way is replaced.
    pub fn start_unit(&mut self, unit: &str) -> Result<Job> {
        self.queue("StartUnit", unit)
    }

    /// Queues a stop; a job that is in its way is replaced.
    pub fn stop_unit(&mut self, unit: &str) -> Result<Job> {
        self.queue("StopUnit", unit)
    }

    /// Makes a unit that has no file, watches it, and queues its start.
    pub fn start_transient(&mut self, unit: Transient) -> Result<Job> {
        self.watch_unit(unit.name())?;
        let name = unit.name().to_string();
        let call = unit.into_call(self.method("StartTransientUnit"));
        self.queue_call(call, &name)
    }

    fn queue(&mut self, member: &str, unit: &str) -> Result<Job> {
        let call = self.method(member).with(unit).with("replace");
        self.queue_call(call, unit)
    }

    fn queue_call(&mut self, call: Message, unit: &str) -> Result<Job> {
        self.subscribe()?;
        let reply = self.call(call).with_context(|| unit.to_string())?;
        let job = parse_job(&reply, unit)?;
        if self.jobs.0.len() >= JOBS_MAX {
            return Err(Error::failed(format!("more than {JOBS_MAX} jobs")));
        }
        self.jobs.0.push((job.clone(), None));
        Ok(job)
    }

    /// Waits until a job has ended. It may be asked again, and in any order.
    ///
    /// Errors: `TimedOut` (the job goes on), `Interrupted`, `Unavailable` when the manager goes away.
    pub fn wait_job(&mut self, job: &Job, wait: Wait<'_>) -> Result<JobResult> {
        loop {
            if let Some(result) = self.jobs.result(job) {
                return Ok(result);
            }
            self.listen(wait).with_context(|| format!("waiting for {:?}", job.unit))?;
        }
    }

    /// How a job has ended, if it has; never waits.
    pub fn job_result(&mut self, job: &Job) -> Result<Option<JobResult>> {
        let drained = self.drain();
        match self.jobs.result(job) {
            Some(result) => Ok(Some(result)),
            None => drained.map(|()| None),
        }
    }

    /// All that is queued: what a boot that hangs is waiting for.
    pub fn jobs(&mut self) -> Result<Vec<QueuedJob>> {
        let call = self.method("ListJobs");
        let reply = self.call(call)?;
        let rows = reply.body.first().map_or(&[][..], Value::items);
        Ok(rows.iter().filter_map(|row| parse_queued(row.items())).collect())
    }
}

fn parse_job(reply: &Message, unit: &str) -> Result<Job> {
    let [Value::Path(path)] = reply.body.as_slice() else {
        return Err(Error::invalid(format!("{unit}: the service manager answers with no job")));
    };
    let id = path.rsplit('/').next().and_then(|last| last.parse().ok());
    let id = id.ok_or_else(|| Error::invalid(format!("{unit}: {path:?} is no job")))?;
    Ok(Job { id, path: path.clone(), unit: unit.to_string() })
}

fn parse_queued(row: &[Value]) -> Option<QueuedJob> {
    let [Value::Uint32(id), Value::String(unit), Value::String(kind), Value::String(state), ..] = row else {
        return None;
    };
    Some(QueuedJob { id: *id, unit: unit.clone(), kind: kind.clone(), state: state.clone() })
}
