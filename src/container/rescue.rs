//! A payload in a container whose manager does not answer: run by our process inside, which becomes it.

use crate::container::enter::{Entered, Payload, Start};
use crate::container::relay::Step;
use crate::container::request::Plan;
use crate::container::session::End;
use crate::container::terminal::Wires;
use crate::error::{Kind, Result};
use crate::sys::poll::Wait;
use crate::sys::signal::{self, Interrupts};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long our process may take to become the payload: a frozen container never lets it.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Runs the plan and stays with it to its end. `signals` are those that are passed on.
pub fn run(entered: Entered, plan: &Plan, mut wires: Wires, signals: &Interrupts) -> Result<End> {
    let stdio = wires.take_ends()?;
    let payload = match entered.run(plan, stdio, Wait::at_most(START_LIMIT))? {
        Start::Unexecuted(why) => return Ok(End::Unexecuted(why)),
        Start::Running(payload) => payload,
    };
    wires.engage()?;
    let end = follow(&payload, &mut wires, signals)?;
    if end != End::Left {
        wires.relay.drain(Wait::for_ever().interrupted_by(signals))?;
    }
    Ok(end)
}

fn follow(payload: &Payload, wires: &mut Wires, signals: &Interrupts) -> Result<End> {
    loop {
        match wires.relay.step(&[payload.as_fd()], Wait::for_ever().interrupted_by(signals)) {
            Ok(Step::Left) => return Ok(End::Left),
            Ok(Step::Other) => return payload.status().map(End::Status),
            Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => pass_signals(payload, wires, signals)?,
            Err(error) => return Err(error),
        }
    }
}

fn pass_signals(payload: &Payload, wires: &Wires, signals: &Interrupts) -> Result<()> {
    while let Some(signal) = signals.take() {
        match signal {
            signal::SIGWINCH => wires.resize(),
            other => payload.signal(other)?,
        }
    }
    Ok(())
}
