//! The last lines of one run of a unit, from the journal, through `journalctl`.

use crate::error::{Context, Error, Kind, Result};
use crate::sys::poll::{For, Wait, poll_one};
use crate::sys::spawn::Program;
use crate::text::sanitize;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Where it may be; it is never searched in `$PATH`.
const PROGRAMS: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];

/// A journal that does not answer within this is done without.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Bytes of the last lines of a run that are looked at.
const OUTPUT_MAX: u64 = 256 * 1024;

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
    let path = PROGRAMS.iter().map(Path::new).find(|path| path.exists());
    let path = path.ok_or_else(|| Error::new(Kind::NotFound, "journalctl is not installed"))?;
    let program = Program::new(path, arguments).input(Stdio::null());
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
