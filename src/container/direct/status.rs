//! What a supervisor tells everybody else: one small text file a container, replaced whole. First line the phase, second
//! line words about it.

use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Booted,
    /// Powered off by itself or by request.
    Ended,
    Failed,
}

const PHASES: [(Phase, &str); 4] =
    [(Phase::Starting, "starting"), (Phase::Booted, "booted"), (Phase::Ended, "ended"), (Phase::Failed, "failed")];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub phase: Phase,
    /// What the guest or an error said; not yet fit for a terminal.
    pub words: String,
}

impl Status {
    pub fn new(phase: Phase, words: impl Into<String>) -> Status {
        Status { phase, words: words.into() }
    }

    fn parse(text: &str) -> Option<Status> {
        let (phase, words) = text.split_once('\n')?;
        let (phase, _) = PHASES.iter().find(|(_, word)| *word == phase)?;
        Some(Status::new(*phase, words.trim_end_matches('\n')))
    }

    fn render(&self) -> String {
        let word = PHASES.iter().find(|(phase, _)| *phase == self.phase).map_or("", |(_, word)| *word);
        format!("{word}\n{}\n", self.words)
    }
}

pub fn log_path(paths: &Paths, name: &Name) -> PathBuf {
    file(paths, name, "log")
}

pub fn socket_path(paths: &Paths, name: &Name) -> PathBuf {
    file(paths, name, "notify")
}

/// `None` when no supervisor has ever run it since the host booted.
pub fn read(paths: &Paths, name: &Name) -> Result<Option<Status>> {
    let path = file(paths, name, "status");
    match fs::read_to_string(&path) {
        Ok(text) => Status::parse(&text).map(Some).ok_or_else(|| Error::invalid(format!("{path:?} is not understood"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{path:?}")),
    }
}

/// Not synced: it is about processes, and they do not survive a power cut either.
pub fn write(paths: &Paths, name: &Name, status: &Status) -> Result<()> {
    let (path, new) = (file(paths, name, "status"), file(paths, name, "status.new"));
    fs::write(&new, status.render()).with_context(|| format!("{new:?}"))?;
    fs::rename(&new, &path).with_context(|| format!("{path:?}"))
}

/// Changes what is given and keeps the rest.
pub fn update(paths: &Paths, name: &Name, phase: Option<Phase>, words: Option<&str>) -> Result<()> {
    let old = read(paths, name)?.unwrap_or(Status::new(Phase::Starting, ""));
    let words = words.map_or(old.words, str::to_string);
    write(paths, name, &Status { phase: phase.unwrap_or(old.phase), words })
}

/// Removes everything a supervisor left here.
pub fn remove(paths: &Paths, name: &Name) -> Result<()> {
    for ending in ["status", "status.new", "notify", "log", "log.1"] {
        match fs::remove_file(file(paths, name, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context(format!("{name}: removing its {ending}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn file(paths: &Paths, name: &Name, ending: &str) -> PathBuf {
    paths.direct().join(format!("{name}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_comes_back_as_it_was_written() {
        for (phase, _) in PHASES {
            let status = Status::new(phase, "words: with\nlines");
            assert_eq!(Status::parse(&status.render()), Some(status));
        }
        assert_eq!(Status::parse(""), None);
        assert_eq!(Status::parse("runing\n"), None);
    }
}
