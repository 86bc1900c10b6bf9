//! Standard output and standard error. A reader of our output who has gone away is no failure of ours; a full disk is.

use crate::error::{Error, Kind, Result};
use crate::text::sanitize;
use std::io::{self, Write};

/// Writes a result to standard output, whole, at once.
///
/// Errors: whatever write(2) says, but for a broken pipe, which is success.
pub fn print(text: &str) -> Result<()> {
    write(text.as_bytes()).map(drop)
}

/// The same, telling whether anybody still reads.
pub fn write(bytes: &[u8]) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(write_failed(&error)),
        Ok(()) => Ok(true),
    }
}

fn write_failed(error: &io::Error) -> Error {
    let kind = error.raw_os_error().map_or(Kind::Failed, Kind::Os);
    Error::new(kind, "write").context("standard output")
}

/// Says something on standard error, behind the program's name. Nobody can be told when that fails.
pub fn say(text: &str) {
    complain("sdme: ", text);
}

/// Prints an error: its first line behind the program's name, in red if `colour`, what follows indented.
pub fn error(text: &str, colour: bool) {
    complain(if colour { "\x1b[31msdme:\x1b[0m " } else { "sdme: " }, text);
}

/// Text may quote a container: it is made harmless, and no line of it can pass for one of ours.
fn complain(prefix: &str, text: &str) {
    let mut lines = String::from(prefix);
    lines.push_str(&sanitize::lines(text.trim_end_matches('\n')).replace('\n', "\n    "));
    lines.push('\n');
    // One write a message: messages of parallel threads do not mix.
    let _ = io::stderr().write_all(lines.as_bytes());
}
