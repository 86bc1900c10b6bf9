//! machined (org.freedesktop.machine1(5)): who is registered under which name, and waiting until one is gone. It is never
//! started by asking: one that does not run has no machines. Without a bus it cannot be reached, and counts as empty.

use crate::dbus::message::Message;
use crate::dbus::rule::Rule;
use crate::dbus::value::Value;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::poll::Wait;
use crate::systemd::manager::{Manager, PROPERTIES};

const MACHINED: &str = "org.freedesktop.machine1";
const PATH: &str = "/org/freedesktop/machine1";
const INTERFACE: &str = "org.freedesktop.machine1.Manager";
const MACHINE: &str = "org.freedesktop.machine1.Machine";
const BROKER: &str = "org.freedesktop.DBus";
const NO_SUCH_MACHINE: &str = "org.freedesktop.machine1.NoSuchMachine";

/// What the broker answers for a service that does not run.
const NOT_RUNNING: [&str; 2] =
    ["org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub name: String,
    /// "container", "vm" or "host".
    pub class: String,
    /// Who registered it: "systemd-nspawn", "libvirt-lxc" ...
    pub service: String,
}

/// All machines, the host itself (".host") too where machined runs.
pub fn list(manager: &mut Manager) -> Result<Vec<Machine>> {
    let Some(reply) = ask(manager, method("ListMachines"))? else { return Ok(Vec::new()) };
    let rows = reply.body.first().map_or(&[][..], Value::items);
    Ok(rows.iter().filter_map(|row| parse_row(row.items())).collect())
}

/// Whether a machine of this name is registered.
pub fn exists(manager: &mut Manager, name: &str) -> Result<bool> {
    Ok(lookup(manager, name)?.is_some())
}

/// The unit of the machine of this name, if one is registered.
pub fn unit(manager: &mut Manager, name: &str) -> Result<Option<String>> {
    let Some(reply) = lookup(manager, name)? else { return Ok(None) };
    let [Value::Path(path)] = reply.body.as_slice() else {
        return Err(Error::invalid("machined answers with something else than a path"));
    };
    let call = Message::call(path, PROPERTIES, "Get").to(MACHINED).with(MACHINE).with("Unit");
    match ask(manager, call) {
        // It went between the two questions.
        Err(error) if is_unknown(&error) => Ok(None),
        other => Ok(other?.and_then(|reply| reply.body.first()?.inner().as_str().map(str::to_string))),
    }
}

/// Makes machined forget a machine; nothing is stopped. One that it does not know is forgotten.
pub fn unregister(manager: &mut Manager, name: &str) -> Result<()> {
    match ask(manager, method("UnregisterMachine").with(name)) {
        Err(error) if is_unknown(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Waits until no machine of this name is registered.
///
/// Errors: `TimedOut`, `Interrupted`, `Unavailable` when the bus goes away.
pub fn wait_gone(manager: &mut Manager, name: &str, wait: Wait<'_>) -> Result<()> {
    if !manager.is_on_bus() {
        return Ok(());
    }
    let removed = Rule::signal(MACHINED, INTERFACE, "MachineRemoved").at(PATH).about(name);
    let stopped = Rule::signal(BROKER, BROKER, "NameOwnerChanged").about(MACHINED);
    manager.watch(removed.clone())?;
    manager.watch(stopped.clone())?;
    let gone = until_gone(manager, name, &[removed.clone(), stopped.clone()], wait);
    manager.unwatch(&removed)?;
    manager.unwatch(&stopped)?;
    gone.with_context(|| format!("waiting until machine {name:?} is gone"))
}

/// Asks anew after each signal: the signal may be a forgery, the answer is machined's own.
fn until_gone(manager: &mut Manager, name: &str, rules: &[Rule], wait: Wait<'_>) -> Result<()> {
    while lookup(manager, name)?.is_some() {
        loop {
            let signal = manager.listen(wait)?;
            if rules.iter().any(|rule| rule.matches(&signal)) {
                break;
            }
        }
    }
    Ok(())
}

fn lookup(manager: &mut Manager, name: &str) -> Result<Option<Message>> {
    match ask(manager, method("GetMachine").with(name)) {
        Err(error) if *error.kind() == Kind::Dbus(NO_SUCH_MACHINE.into()) => Ok(None),
        other => other,
    }
}

/// `None` when machined does not run.
fn ask(manager: &mut Manager, call: Message) -> Result<Option<Message>> {
    if !manager.is_on_bus() {
        return Ok(None);
    }
    match manager.call(call) {
        Err(error) if is_not_running(&error) => Ok(None),
        other => other.map(Some).context("machined"),
    }
}

fn is_not_running(error: &Error) -> bool {
    matches!(error.kind(), Kind::Dbus(name) if NOT_RUNNING.contains(&name.as_str()))
}

fn is_unknown(error: &Error) -> bool {
    matches!(error.kind(), Kind::Dbus(name) if name == NO_SUCH_MACHINE || name.ends_with(".UnknownObject"))
}

fn method(member: &str) -> Message {
    Message::call(PATH, INTERFACE, member).to(MACHINED)
}

fn parse_row(row: &[Value]) -> Option<Machine> {
    let [Value::String(name), Value::String(class), Value::String(service), ..] = row else { return None };
    Some(Machine { name: name.clone(), class: class.clone(), service: service.clone() })
}
