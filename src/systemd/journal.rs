//! The journal, through `journalctl`: its command lines (pure), and the last lines of one run of a unit.

use crate::error::{Context, Result};
use crate::sys::poll::{For, Wait, poll_one};
use crate::sys::spawn::Program;
use crate::text::sanitize;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Looked up in PATH.
pub const PROGRAM: &str = "journalctl";

/// A journal that does not answer within this is done without.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Bytes of the last lines of a run that are looked at.
const OUTPUT_MAX: u64 = 256 * 1024;

/// What to show of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query<'a> {
    /// Only this unit's lines.
    pub unit: Option<&'a str>,
    /// The journal files below this directory, not the host's.
    pub directory: Option<&'a Path>,
    pub follow: bool,
    pub lines: Option<u32>,
    /// The user's own arguments, as they are.
    pub extra: &'a [OsString],
}

/// The arguments of `journalctl` for a query, without the zeroth.
pub fn arguments(query: &Query<'_>) -> Vec<OsString> {
    let mut arguments = Vec::new();
    if let Some(unit) = query.unit {
        arguments.push(format!("--unit={unit}").into());
    }
    if let Some(directory) = query.directory {
        let mut argument = OsString::from("--directory=");
        argument.push(directory);
        arguments.push(argument);
    }
    if query.follow {
        arguments.push("--follow".into());
    }
    if let Some(lines) = query.lines {
        arguments.push(format!("--lines={lines}").into());
    }
    arguments.extend_from_slice(query.extra);
    arguments
}

/// The arguments for the last lines of one run of a unit: what its processes wrote, and what systemd said of it. For one
/// that never came to run: what systemd has just said.
fn arguments_of_run(unit: &str, invocation_id: &str, lines: usize) -> Vec<OsString> {
    let mut arguments = vec!["--quiet".to_string(), "--no-pager".into(), "--output=cat".into()];
    arguments.push(format!("--lines={lines}"));
    if invocation_id.is_empty() {
        arguments.extend(["--since=-10s".into(), format!("UNIT={unit}")]);
    } else {
        arguments.push(format!("_SYSTEMD_INVOCATION_ID={invocation_id}"));
        arguments.push("+".into());
        arguments.push(format!("INVOCATION_ID={invocation_id}"));
    }
    arguments.into_iter().map(OsString::from).collect()
}

/// The last lines of the run of `unit` that `invocation_id` names, made printable. None where there is no journal, no
/// `journalctl`, or no answer in time: they only explain an error.
pub fn last_lines(unit: &str, invocation_id: &str, lines: usize) -> Vec<String> {
    let wait = Wait::at_most(ANSWER_LIMIT);
    // What was written a moment ago may still be on its way to the journal's files.
    let _ = output(&["--sync".into()], wait);
    let output = output(&arguments_of_run(unit, invocation_id, lines), wait).unwrap_or_default();
    sanitize::lines(&String::from_utf8_lossy(&output)).lines().map(str::to_string).collect()
}

fn output(arguments: &[OsString], wait: Wait<'_>) -> Result<Vec<u8>> {
    let program = Program::new(Path::new(PROGRAM), arguments).input(Stdio::null());
    let mut child = program.output(Stdio::piped(), Stdio::null()).end_with_us().spawn()?;
    let output = read_all(child.stdout.take(), wait);
    // It has closed its output, or said enough.
    let _ = child.kill();
    child.wait().context("waiting for journalctl")?;
    output
}

fn read_all(pipe: Option<std::process::ChildStdout>, wait: Wait<'_>) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    let Some(mut pipe) = pipe.map(|pipe| pipe.take(OUTPUT_MAX)) else { return Ok(output) };
    let mut chunk = [0; 4096];
    loop {
        poll_one(pipe.get_ref().as_fd(), For::Input, wait)?;
        match pipe.read(&mut chunk).context("reading from journalctl")? {
            0 => return Ok(output),
            count => output.extend(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_arguments_and_the_users_own_stay_as_they_are() {
        let extra = ["--since".into(), "-1h $x".into()];
        let query = Query {
            unit: Some("sdme@web.service"),
            directory: Some(Path::new("/a b")),
            follow: true,
            lines: Some(5),
            extra: &extra,
        };
        let expected = ["--unit=sdme@web.service", "--directory=/a b", "--follow", "--lines=5", "--since", "-1h $x"];
        assert_eq!(arguments(&query), expected);
        assert!(arguments(&Query::default()).is_empty());
    }

    #[test]
    fn a_run_is_found_by_its_id_and_one_that_never_was_by_its_unit() {
        let run = arguments_of_run("a.service", "00ff", 3);
        assert_eq!(run[3..], ["--lines=3", "_SYSTEMD_INVOCATION_ID=00ff", "+", "INVOCATION_ID=00ff"]);
        assert_eq!(arguments_of_run("a.service", "", 3)[4..], ["--since=-10s", "UNIT=a.service"]);
    }

    #[test]
    fn a_run_of_which_no_journal_knows_has_no_lines() {
        assert!(last_lines("none.service", "00000000000000000000000000000000", 5).is_empty());
    }
}
