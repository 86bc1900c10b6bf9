//! systemd's manager as a peer (org.freedesktop.systemd1(5)): the host's PID 1 on the bus or on its private socket, or a
//! guest's on a socket that somebody else connected. Jobs, status and watching are in files of their own.
//!
//! On a bus every signal's sender is checked: any user may send signals, only a broker may say from whom they are.

use crate::dbus::Limits;
use crate::dbus::connection::Connection;
use crate::dbus::message::Message;
use crate::dbus::rule::Rule;
use crate::dbus::value::Value;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::poll::Wait;
use crate::systemd::job::Jobs;
pub use crate::systemd::job::{Job, JobResult, QueuedJob};
pub use crate::systemd::status::{UnitJob, UnitStatus};
pub use crate::systemd::watch::Ended;
use crate::systemd::watch::Watches;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

pub const SYSTEMD: &str = "org.freedesktop.systemd1";
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const PATH: &str = "/org/freedesktop/systemd1";
const BROKER: &str = "org.freedesktop.DBus";

/// The name of the error for a unit that is not loaded.
pub const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// The name of the error for a unit that cannot be started for what is under way, as a shutdown is.
pub const TRANSACTION_IS_DESTRUCTIVE: &str = "org.freedesktop.systemd1.TransactionIsDestructive";

/// One call, unless [`Manager::set_limit`] says otherwise; what D-Bus libraries wait, too.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// Reading all unit files again may run generators.
const RELOAD_LIMIT: Duration = Duration::from_secs(90);

pub struct Manager {
    pub(super) connection: Connection,
    /// The manager's unique name; `None` without a broker, where nobody else can speak.
    owner: Option<String>,
    version: String,
    limit: Duration,
    deadline: Option<Instant>,
    subscribed: bool,
    pub(super) jobs: Jobs,
    pub(super) watches: Watches,
}

impl Manager {
    /// The manager on a bus to which `connection` has said Hello.
    ///
    /// Errors: `Unavailable` when no manager is on that bus.
    pub fn on_bus(connection: Connection, limit: Duration) -> Result<Manager> {
        let mut manager = Manager::unproven(connection, limit);
        let reply = manager.get(PATH, MANAGER, "Version").map_err(no_manager)?;
        let owner = reply.header.sender.clone();
        manager.owner = Some(owner.ok_or_else(|| Error::invalid("the broker does not say who answers"))?);
        manager.version = text(&reply)?;
        Ok(manager)
    }

    /// The manager at the other end of `connection` itself.
    pub fn private(connection: Connection, limit: Duration) -> Result<Manager> {
        let mut manager = Manager::unproven(connection, limit);
        manager.version = text(&manager.get(PATH, MANAGER, "Version")?)?;
        Ok(manager)
    }

    /// A guest's manager on its private socket, which `socket` is connected to. Nothing it says is believed further
    /// than its own unit's end.
    pub fn of_guest(socket: OwnedFd, limit: Duration) -> Result<Manager> {
        Manager::private(Connection::over(socket, Limits::HOSTILE)?, limit)
    }

    fn unproven(connection: Connection, limit: Duration) -> Manager {
        Manager {
            connection,
            owner: None,
            version: String::new(),
            limit,
            deadline: None,
            subscribed: false,
            jobs: Jobs::default(),
            watches: Watches::default(),
        }
    }

    /// How long each call from now on may take.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// When all calls from now on must be done, however many; `None` takes it back.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// As the manager calls it: "252.38-1~deb12u1".
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Readable when something new may have come. Ask (`ended`, `job_result`) before each wait for it: what came together
    /// with an earlier answer is not announced again.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.connection.fd()
    }

    /// Whether a broker stands between; machined can only be reached if so.
    pub fn is_on_bus(&self) -> bool {
        self.owner.is_some()
    }

    /// "initializing", "starting", "running", "degraded", "maintenance", "stopping".
    pub fn system_state(&mut self) -> Result<String> {
        text(&self.get(PATH, MANAGER, "SystemState")?)
    }

    /// Sends a signal to the processes of a unit; `who` is "main", "control" or "all".
    pub fn kill_unit(&mut self, unit: &str, who: &str, signal: i32) -> Result<()> {
        let call = self.method("KillUnit").with(unit).with(who).with(signal);
        self.call(call).map(drop).with_context(|| unit.to_string())
    }

    /// Reads all unit files again.
    pub fn reload(&mut self) -> Result<()> {
        let call = self.method("Reload");
        let wait = self.wait().no_longer_than(RELOAD_LIMIT);
        let wait = if self.deadline.is_none() { Wait::at_most(RELOAD_LIMIT) } else { wait };
        self.connection.call(call, wait).map(drop)
    }

    /// Forgets that a unit has failed; one that is not loaded has nothing to forget.
    pub fn reset_failed(&mut self, unit: &str) -> Result<()> {
        let call = self.method("ResetFailedUnit").with(unit);
        match self.call(call) {
            Err(error) if *error.kind() == Kind::Dbus(NO_SUCH_UNIT.into()) => Ok(()),
            other => other.map(drop).with_context(|| unit.to_string()),
        }
    }

    /// "enabled", "disabled", "static", "masked" ...
    pub fn unit_file_state(&mut self, unit: &str) -> Result<String> {
        let call = self.method("GetUnitFileState").with(unit);
        text(&self.call(call).with_context(|| unit.to_string())?)
    }

    /// Makes the links that start a unit at boot, as the `[Install]` of its file says.
    pub fn enable_unit_files(&mut self, units: &[&str]) -> Result<()> {
        let units = Value::strings(units.iter().copied());
        let call = self.method("EnableUnitFiles").with(units).with(false).with(false);
        self.call(call).map(drop)
    }

    /// Removes the links that start a unit at boot.
    pub fn disable_unit_files(&mut self, units: &[&str]) -> Result<()> {
        let call = self.method("DisableUnitFiles").with(Value::strings(units.iter().copied())).with(false);
        self.call(call).map(drop)
    }

    /// Subscribes to what happens to jobs, once. A private socket tells without being asked.
    pub(super) fn subscribe(&mut self) -> Result<()> {
        if self.subscribed {
            return Ok(());
        }
        self.watch(Rule::signal(SYSTEMD, MANAGER, "JobRemoved").at(PATH))?;
        if self.is_on_bus() {
            self.watch(Rule::signal(BROKER, BROKER, "NameOwnerChanged").about(SYSTEMD))?;
            let call = self.method("Subscribe");
            self.call(call)?;
        }
        self.subscribed = true;
        Ok(())
    }

    pub(super) fn watch(&mut self, rule: Rule) -> Result<()> {
        let wait = self.wait();
        self.connection.watch(rule, wait)
    }

    pub(super) fn unwatch(&mut self, rule: &Rule) -> Result<()> {
        let wait = self.wait();
        self.connection.unwatch(rule, wait)
    }

    pub(super) fn method(&self, member: &str) -> Message {
        Message::call(PATH, MANAGER, member).to(SYSTEMD)
    }

    pub(super) fn call(&mut self, message: Message) -> Result<Message> {
        let wait = self.wait();
        self.connection.call(message, wait)
    }

    pub(super) fn get(&mut self, path: &str, interface: &str, property: &str) -> Result<Message> {
        self.call(get(path, interface, property)).with_context(|| property.to_string())
    }

    /// Until when a call that starts now may take.
    pub(super) fn wait(&self) -> Wait<'static> {
        let wait = Wait::at_most(self.limit);
        match self.deadline {
            Some(deadline) => Wait { deadline: wait.deadline.map(|own| own.min(deadline)), ..wait },
            None => wait,
        }
    }

    /// Waits for one signal, whichever it is, and takes note of it.
    pub(super) fn listen(&mut self, wait: Wait<'_>) -> Result<Message> {
        let signal = self.connection.next_signal(wait)?;
        self.note(&signal)?;
        // Signals without end must not keep us past the deadline.
        if wait.is_over() { Err(Error::new(Kind::TimedOut, "timed out")) } else { Ok(signal) }
    }

    /// Takes note of all that has come, without waiting.
    ///
    /// Errors: `Unavailable` when the manager is gone.
    pub fn drain(&mut self) -> Result<()> {
        self.connection.drain()?;
        while let Some(signal) = self.connection.take_signal() {
            self.note(&signal)?;
        }
        self.connection.alive()
    }

    fn note(&mut self, signal: &Message) -> Result<()> {
        if signal.is_signal(BROKER, "NameOwnerChanged") {
            return self.note_owner(signal);
        }
        if self.owner.is_none() || signal.header.sender == self.owner {
            self.jobs.note(signal);
            self.watches.note(signal);
        }
        Ok(())
    }

    /// A manager that has left or changed its name answers nothing that the old one was asked.
    fn note_owner(&self, signal: &Message) -> Result<()> {
        let now = match signal.body.as_slice() {
            [Value::String(name), _, Value::String(now)] if name == SYSTEMD => now,
            _ => return Ok(()),
        };
        let from_broker = signal.header.sender.as_deref() == Some(BROKER);
        if !from_broker || self.owner.as_deref() == Some(now) {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "the service manager has left the bus or was restarted; try again"))
    }
}

pub(super) fn get(path: &str, interface: &str, property: &str) -> Message {
    Message::call(path, PROPERTIES, "Get").to(SYSTEMD).with(interface).with(property)
}

/// The text that is the first value of an answer.
pub(super) fn text(reply: &Message) -> Result<String> {
    match reply.body.first().and_then(Value::as_str) {
        Some(text) => Ok(text.to_string()),
        None => Err(Error::invalid("the service manager answers with something else than a text")),
    }
}

fn no_manager(error: Error) -> Error {
    match error.kind() {
        Kind::Dbus(_) => error.context("no service manager on the bus").with_kind(Kind::Unavailable),
        _ => error,
    }
}

/// How long one call may take where nothing else is said.
pub fn default_limit() -> Duration {
    CALL_LIMIT
}
