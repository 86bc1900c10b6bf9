//! Watching a unit to its end. The values come from the signals themselves: a unit that has ended is collected at once,
//! and holding it (AddRef) is refused on a private socket. systemd sends the last change before it says that the unit is
//! gone, and the service's properties before the unit's.

use crate::dbus::message::Message;
use crate::dbus::rule::Rule;
use crate::dbus::value::Value;
use crate::error::{Context, Result};
use crate::sys::poll::Wait;
use crate::systemd::escape;
use crate::systemd::manager::{MANAGER, Manager, PROPERTIES, SYSTEMD, get};

const SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// How the main process of a unit ended. A start job that failed does not tell whether the program ran: one of `Type=exec`
/// whose program ends at once with an error fails, too, when systemd sees the end of the process before it sees that it
/// was executed (tried: every twentieth run, 252).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// 1 exited, 2 killed, 3 killed with a core (CLD_EXITED and so on of sigaction(2)); 0: it was never started.
    pub code: i32,
    /// The exit status or the signal's number.
    pub status: i32,
    /// systemd's word: "success", "exit-code", "signal", "timeout", "oom-kill" ...
    pub result: String,
}

#[derive(Default)]
struct Watch {
    unit: String,
    path: String,
    active: String,
    /// It was said to be gone, which a manager that reads its units again says of all of them.
    removed: bool,
    /// It was asked for and is not there.
    gone: bool,
    main_pid: u32,
    end: Ended,
}

impl Watch {
    fn has_ended(&self) -> bool {
        let is_down = matches!(&*self.active, "inactive" | "failed");
        self.gone || self.active == "failed" || ((is_down || self.removed) && self.end.code != 0)
    }

    fn set(&mut self, name: &str, value: &Value) {
        match name {
            "ActiveState" => self.active = value.as_str().unwrap_or_default().to_string(),
            // 0 once it has ended: the last number is kept.
            "MainPID" => self.main_pid = value.as_u32().filter(|pid| *pid != 0).unwrap_or(self.main_pid),
            "ExecMainCode" => self.end.code = value.as_i32().unwrap_or_default(),
            "ExecMainStatus" => self.end.status = value.as_i32().unwrap_or_default(),
            "Result" => self.end.result = value.as_str().unwrap_or_default().to_string(),
            _ => {}
        }
    }
}

#[derive(Default)]
pub(super) struct Watches(Vec<Watch>);

impl Watches {
    pub(super) fn note(&mut self, signal: &Message) {
        if signal.is_signal(PROPERTIES, "PropertiesChanged") {
            self.note_change(signal);
        } else if signal.is_signal(MANAGER, "UnitRemoved") {
            let unit = signal.body.first().and_then(Value::as_str);
            self.0.iter_mut().filter(|watch| Some(&*watch.unit) == unit).for_each(|watch| watch.removed = true);
        }
    }

    fn note_change(&mut self, signal: &Message) {
        let Some(watch) = self.0.iter_mut().find(|watch| signal.header.path.as_ref() == Some(&watch.path)) else {
            return;
        };
        if let Some(Value::Dict(_, changes)) = signal.body.get(1) {
            for (name, value) in changes {
                watch.set(name.as_str().unwrap_or_default(), value.inner());
            }
        }
    }

    fn find(&mut self, unit: &str) -> Option<&mut Watch> {
        self.0.iter_mut().find(|watch| watch.unit == unit)
    }
}

impl Manager {
    /// Asks for what happens to a unit, which need not be there yet.
    pub fn watch_unit(&mut self, unit: &str) -> Result<()> {
        if self.watches.find(unit).is_some() {
            return Ok(());
        }
        self.subscribe()?;
        let path = escape::unit_path(unit);
        self.watch(Rule::signal(SYSTEMD, PROPERTIES, "PropertiesChanged").at(&path))?;
        self.watch(Rule::signal(SYSTEMD, MANAGER, "UnitRemoved").about(unit))?;
        self.watches.0.push(Watch { unit: unit.to_string(), path, ..Watch::default() });
        Ok(())
    }

    /// Waits until the main process of a unit has ended and the unit with it.
    ///
    /// A unit that is not watched yet is asked once how it is. Errors: as [`Manager::wait_job`].
    pub fn wait_ended(&mut self, unit: &str, wait: Wait<'_>) -> Result<Ended> {
        self.watch_or_ask(unit)?;
        loop {
            if let Some(ended) = self.known_or_asked_end(unit)? {
                return Ok(ended);
            }
            self.listen(wait).with_context(|| format!("waiting for {unit:?}"))?;
        }
    }

    /// How a watched unit has ended, if it has; waits only for an answer, when one is needed.
    pub fn ended(&mut self, unit: &str) -> Result<Option<Ended>> {
        let drained = self.drain();
        match self.known_end(unit) {
            Some(ended) => Ok(Some(ended)),
            None => drained.and_then(|()| self.known_or_asked_end(unit)),
        }
    }

    /// The main process of a watched unit, by its number in the manager's own namespace, as far as it was told.
    pub fn main_pid(&mut self, unit: &str) -> Option<u32> {
        self.watches.find(unit).map(|watch| watch.main_pid).filter(|pid| *pid != 0)
    }

    /// A unit that goes without its end having been told may have come back under the same name.
    fn known_or_asked_end(&mut self, unit: &str) -> Result<Option<Ended>> {
        while self.known_end(unit).is_none() && self.watches.find(unit).is_some_and(|watch| watch.removed) {
            self.ask(unit)?;
        }
        Ok(self.known_end(unit))
    }

    fn known_end(&mut self, unit: &str) -> Option<Ended> {
        self.watches.find(unit).filter(|watch| watch.has_ended()).map(|watch| watch.end.clone())
    }

    fn watch_or_ask(&mut self, unit: &str) -> Result<()> {
        if self.watches.find(unit).is_some() {
            return Ok(());
        }
        self.watch_unit(unit)?;
        self.ask(unit)
    }

    fn ask(&mut self, unit: &str) -> Result<()> {
        if let Some(watch) = self.watches.find(unit) {
            watch.removed = false;
        }
        let path = escape::unit_path(unit);
        let asked =
            [(SERVICE, "Result"), (SERVICE, "ExecMainCode"), (SERVICE, "ExecMainStatus"), (UNIT, "ActiveState")];
        for (interface, property) in asked {
            let reply = self.call(get(&path, interface, property)).with_context(|| unit.to_string())?;
            if let (Some(watch), Some(value)) = (self.watches.find(unit), reply.body.first()) {
                watch.set(property, value.inner());
            }
        }
        // What was told while it was asked is told of the unit itself; the last answers may be of an empty one that was
        // made for the question.
        self.drain()?;
        if let Some(watch) = self.watches.find(unit) {
            watch.gone = matches!(&*watch.active, "inactive" | "failed");
        }
        Ok(())
    }
}
