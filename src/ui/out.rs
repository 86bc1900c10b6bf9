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

/// Prints text of our own on standard error as it is.
pub fn print_error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Says something on standard error, behind the program's name. Nobody can be told when that fails.
pub fn say(text: &str) {
    print_error(&message("sdme: ", text));
}

/// Prints an error: its first line behind the program's name, in red if `colour`, what follows indented.
pub fn error(text: &str, colour: bool) {
    print_error(&message(if colour { "\x1b[31msdme:\x1b[0m " } else { "sdme: " }, text));
}

/// Text may quote a container: it is made harmless, and no line of it can pass for one of ours. One string, one write:
/// the messages of parallel threads do not mix.
fn message(prefix: &str, text: &str) -> String {
    let mut lines = String::from(prefix);
    lines.push_str(&sanitize::lines(text.trim_end_matches('\n')).replace('\n', "\n    "));
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_foreign_text_can_pass_for_one_of_ours() {
        assert_eq!(
            message("sdme: ", "web: failed\nsdme: all is well\n\n"),
            "sdme: web: failed\n    sdme: all is well\n"
        );
        assert_eq!(message("sdme: ", "a\r\x1b[2K\x1b[31mb"), "sdme: a\\r\\x1b[2K\\x1b[31mb\n");
    }
}
