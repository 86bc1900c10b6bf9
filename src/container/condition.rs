//! How a container is, in a word and a few more: from its unit, or from the record of our own supervisor. Pure.

use crate::container::direct::status::{Phase as Told, Status};
use crate::systemd::status::UnitStatus;

/// What systemd-nspawn puts before the words of the container's own manager.
const NSPAWN_PREFIX: &str = "Container running";
/// CLD_EXITED, CLD_KILLED and CLD_DUMPED of sigaction(2): what `ExecMainCode` holds.
const EXITED: i32 = 1;
const KILLED: i32 = 2;
const DUMPED: i32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    Starting,
    Stopping,
    Stopped,
    Failed,
    /// It is not whole: it cannot be started, only removed.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub phase: Phase,
    /// A few words, perhaps chosen by the container; empty when there is nothing to say.
    pub health: String,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Starting => "starting",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
            Phase::Broken => "broken",
        }
    }

    /// Whether processes of it may be there.
    pub fn is_up(self) -> bool {
        matches!(self, Phase::Running | Phase::Starting | Phase::Stopping)
    }
}

impl Condition {
    pub fn new(phase: Phase, health: impl Into<String>) -> Condition {
        Condition { phase, health: health.into() }
    }

    pub fn stopped() -> Condition {
        Condition::new(Phase::Stopped, "")
    }
}

/// What the host's manager says about the unit.
pub fn of_unit(unit: &UnitStatus) -> Condition {
    match unit.active.as_str() {
        "active" | "reloading" | "refreshing" => Condition::new(Phase::Running, ready(&unit.status_text)),
        "activating" if unit.sub == "auto-restart" => Condition::new(Phase::Starting, "restarting"),
        "activating" => Condition::new(Phase::Starting, words(&unit.status_text)),
        "deactivating" => Condition::new(Phase::Stopping, words(&unit.status_text)),
        "failed" => Condition::new(Phase::Failed, failure(unit)),
        _ => Condition::stopped(),
    }
}

/// What our own supervisor wrote, and whether it and systemd-nspawn are there: what is written about processes that are
/// gone is history, unless it is why they went.
pub fn of_supervisor(process_alive: bool, supervisor_alive: bool, status: Option<&Status>) -> Condition {
    let phase = status.map(|status| status.phase);
    let said = status.map_or("", |status| status.words.as_str());
    match (phase, process_alive || supervisor_alive) {
        (Some(Told::Booted), true) if process_alive => Condition::new(Phase::Running, ready(said)),
        (Some(Told::Ended | Told::Failed), true) => Condition::new(Phase::Stopping, ""),
        (_, true) => Condition::new(Phase::Starting, words(said)),
        (Some(Told::Failed), false) => Condition::new(Phase::Failed, words(said)),
        (Some(Told::Starting | Told::Booted), false) => Condition::new(Phase::Failed, "its supervisor was killed"),
        (Some(Told::Ended) | None, false) => Condition::stopped(),
    }
}

/// A manager that has booted says "Startup finished in ..." or "Ready.": one word for both.
fn ready(text: &str) -> String {
    let words = words(text);
    let is_ready = words.is_empty() || words.starts_with("Startup finished") || words == "Ready";
    if is_ready { "ready".to_string() } else { words }
}

/// The container's own words.
fn words(text: &str) -> String {
    let own = text.strip_prefix(NSPAWN_PREFIX).map_or(text, |rest| rest.trim_start_matches([':', '.', ' ']));
    own.trim().trim_end_matches('.').to_string()
}

/// Why a unit failed: how its main process ended, else systemd's word for it.
fn failure(unit: &UnitStatus) -> String {
    match (unit.result.as_str(), unit.exec_main_code) {
        ("exit-code", EXITED) => format!("exited with {}", unit.exec_main_status),
        ("signal", KILLED) | ("core-dump", DUMPED) => format!("killed by signal {}", unit.exec_main_status),
        // nspawn, and with it the guest, has ended well and has not said that it is ready.
        ("protocol", EXITED) => "powered off while it booted".to_string(),
        ("", _) => "failed".to_string(),
        (result, _) => result.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str, text: &str) -> UnitStatus {
        UnitStatus { active: active.into(), status_text: text.into(), ..UnitStatus::default() }
    }

    fn said(active: &str, text: &str) -> (&'static str, String) {
        let condition = of_unit(&unit(active, text));
        (condition.phase.as_str(), condition.health)
    }

    #[test]
    fn a_unit_that_is_up_is_told_in_its_own_words() {
        for (active, text, phase, health) in [
            ("active", "", "running", "ready"),
            ("active", "Container running.", "running", "ready"),
            ("active", "Container running: Ready.", "running", "ready"),
            ("active", "Container running: Startup finished in 1.2s.", "running", "ready"),
            ("active", "Container running: on fire", "running", "on fire"),
            ("reloading", "x", "running", "x"),
            ("activating", "Container running: Starting up...", "starting", "Starting up"),
            ("deactivating", "", "stopping", ""),
            ("inactive", "Container running: old", "stopped", ""),
            ("maintenance", "", "stopped", ""),
        ] {
            assert_eq!(said(active, text), (phase, health.to_string()), "{active} {text:?}");
        }
    }

    #[test]
    fn a_unit_that_failed_says_how() {
        for (result, code, status, told) in [
            ("exit-code", 1, 7, "exited with 7"),
            ("protocol", 1, 0, "powered off while it booted"),
            ("signal", 2, 9, "killed by signal 9"),
            ("core-dump", 3, 11, "killed by signal 11"),
            ("timeout", 2, 9, "timeout"),
            ("", 0, 0, "failed"),
        ] {
            let unit = UnitStatus {
                result: result.into(),
                exec_main_code: code,
                exec_main_status: status,
                ..unit("failed", "x")
            };
            assert_eq!(of_unit(&unit), Condition::new(Phase::Failed, told));
        }
    }

    #[test]
    fn what_a_supervisor_wrote_counts_while_somebody_lives() {
        for (process, supervisor, told, phase, health) in [
            (true, true, Some(Told::Starting), "starting", "words"),
            (true, true, Some(Told::Booted), "running", "words"),
            (false, true, Some(Told::Booted), "starting", "words"),
            (false, true, Some(Told::Starting), "starting", "words"),
            (false, true, Some(Told::Ended), "stopping", ""),
            (true, false, Some(Told::Booted), "running", "words"),
            (false, false, Some(Told::Booted), "failed", "its supervisor was killed"),
            (false, false, Some(Told::Failed), "failed", "words"),
            (false, false, Some(Told::Ended), "stopped", ""),
            (false, false, None, "stopped", ""),
            (true, true, None, "starting", ""),
        ] {
            let status = told.map(|told| Status::new(told, "Container running: words."));
            let condition = of_supervisor(process, supervisor, status.as_ref());
            assert_eq!((condition.phase.as_str(), condition.health.as_str()), (phase, health), "{told:?}");
        }
    }
}
