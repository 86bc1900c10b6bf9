//! What `exec` and `join` have in common: reach the container's manager, look everything up, lay the wires, run, and
//! tell the exit status. When the manager does not answer, the container is entered directly, and that is said.

use crate::container::guest::Guest;
use crate::container::lookup::{self, Command, EXIT_UNEXECUTED, Lookup, Prepared};
use crate::container::rescue;
use crate::container::session::{End, PASSED, Session};
use crate::container::terminal::{Caller, Wires};
use crate::dbus::value::Value;
use crate::error::{Context, Kind, Result};
use crate::sys::kernel;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::manager::Manager;
use crate::systemd::unit::Transient;
use std::time::Duration;

/// How long the manager of a container that has booted may take to answer.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// How long our process inside may take for one question about the guest's tree.
pub const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What the verbs lend.
pub struct Verb<'a> {
    pub caller: Caller<'a>,
    /// Tells the user something, on one line.
    pub say: &'a mut dyn FnMut(&str),
    /// Tells the user what went wrong, on one line.
    pub complain: &'a mut dyn FnMut(&str),
    /// Whether the container has not finished booting. Asked only when its manager does not answer.
    pub is_booting: &'a mut dyn FnMut() -> bool,
    /// How long a container that boots is waited for.
    pub boot_limit: Duration,
}

/// Makes the unit for a command; it is started at once, and never a second time.
pub type MakeUnit<'a> = &'a dyn Fn(&Prepared, &Wires) -> Result<Transient>;

/// Runs the command and gives its exit status; 126 and 127, after saying why, when it could not be executed or found.
///
/// Errors: sdme's own failures; `Interrupted` when a signal came before the command ran.
pub fn run(guest: &mut Guest, command: &Command<'_>, verb: &mut Verb<'_>, make: MakeUnit<'_>) -> Result<u8> {
    lookup::check(command)?;
    // Blocked from here to the end; but before the command runs, only some of them end the waiting.
    let signals = Interrupts::block(&PASSED)?;
    let ending = Interrupts::block(&ENDING)?;
    let wait = Wait::for_ever().interrupted_by(&ending);
    let manager = reach(guest, verb, wait)?;
    let look = wait.no_longer_than(LOOK_LIMIT);
    let prepared = match lookup::prepare(guest.inside(look)?, command, look)? {
        Lookup::Ready(prepared) => prepared,
        Lookup::Refused(code, why) => {
            (verb.complain)(&why);
            return Ok(code);
        }
    };
    let mut wires = lay(guest, command, verb.caller, look)?;
    let plan = prepared.plan(command.terminal);
    let end = match manager {
        Some(manager) => {
            let unit = make(&prepared, &wires)?;
            let unit = hand_over(unit, &mut wires);
            let (name, is_login) = (unit.name().to_string(), command.is_login);
            Session { guest, manager, unit: name, is_login, plan, wires, signals: &signals }.run(unit)?
        }
        None => rescue::run(guest.take_inside(look)?, &plan, wires, &signals)?,
    };
    Ok(status(end, &prepared, verb))
}

/// The container's manager; None, after saying so, when it does not answer.
fn reach(guest: &mut Guest, verb: &mut Verb<'_>, wait: Wait<'_>) -> Result<Option<Manager>> {
    let probe = wait.no_longer_than(PROBE_LIMIT);
    let mut reached = guest.manager(probe);
    if reached.is_err() {
        guest.leader().check_alive()?;
        let patience = if (verb.is_booting)() { wait.no_longer_than(verb.boot_limit) } else { probe };
        reached = guest.wait_reachable(patience);
    }
    match reached {
        Ok(manager) => Ok(Some(manager)),
        Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => Err(error),
        Err(error) => {
            guest.leader().check_alive()?;
            // A manager without a socket was never asked; whether the container can be entered is another question.
            if let Err(error) = guest.inside(wait.no_longer_than(LOOK_LIMIT)).map(drop) {
                guest.leader().check_alive()?;
                return Err(error.context("no process gets into the container, it may be frozen"));
            }
            (verb.say)(&format!("the container's systemd does not answer, so it is entered directly ({error})"));
            Ok(None)
        }
    }
}

fn lay(guest: &mut Guest, command: &Command<'_>, caller: Caller<'_>, wait: Wait<'_>) -> Result<Wires> {
    if !command.terminal {
        return Wires::files(caller);
    }
    let master = guest.inside(wait)?.terminal(wait).context("making a terminal in the container")?;
    Wires::terminal(caller, master)
}

/// The parts that every unit of ours has.
pub fn unit(prefix: &str, prepared: &Prepared, wires: &Wires) -> Result<Transient> {
    let unit = Transient::new(format!("{prefix}-{}.service", token()?))
        .set("CollectMode", "inactive-or-failed")
        // A command need not wait for the rest of the boot; but it ends before a shutdown does.
        .set("DefaultDependencies", false)
        .set("Conflicts", Value::strings(["shutdown.target"]))
        .set("Before", Value::strings(["shutdown.target"]))
        .set("IgnoreSIGPIPE", false)
        .set("Environment", Value::strings(prepared.assignments()))
        .run(&prepared.program, &prepared.words);
    Ok(match &wires.terminal {
        Some(terminal) => unit
            .set("TTYPath", terminal.path())
            .set("StandardInput", "tty")
            .set("StandardOutput", "tty")
            .set("StandardError", "tty")
            .set("SendSIGHUP", true),
        None => unit,
    })
}

fn hand_over(unit: Transient, wires: &mut Wires) -> Transient {
    let Some([input, output, error]) = wires.take_files() else { return unit };
    unit.pass("StandardInputFileDescriptor", input)
        .pass("StandardOutputFileDescriptor", output)
        .pass("StandardErrorFileDescriptor", error)
}

/// Random, so that nobody in the container can have the unit before us.
fn token() -> Result<String> {
    let bytes: [u8; 8] = kernel::random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn status(end: End, prepared: &Prepared, verb: &mut Verb<'_>) -> u8 {
    match end {
        End::Status(status) => status,
        End::Left => 0,
        End::Unexecuted(why) => {
            (verb.complain)(&format!("{:?} of the container cannot be executed: {why}", prepared.program));
            EXIT_UNEXECUTED
        }
    }
}
