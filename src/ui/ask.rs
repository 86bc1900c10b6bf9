//! Questions. The caller knows that somebody is there: standard input and standard error are a terminal.

use crate::error::Result;
use crate::sys::poll::{For, Wait, poll_one};
use crate::text::sanitize;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

/// An answer longer than this is none.
const ANSWER_MAX: usize = 64;

/// Asks, and takes everything but a yes for a no; the end of input too.
pub fn yes_or_no(question: &str) -> Result<bool> {
    yes_or_no_within(question, Wait::for_ever())
}

/// The same, for who has the signals blocked that would end a question. Errors: `TimedOut`, `Interrupted`.
pub fn yes_or_no_within(question: &str, wait: Wait<'_>) -> Result<bool> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(format!("{} [y/N] ", sanitize::line(question)).as_bytes())?;
    // A terminal is ready when there is a whole line, or its end.
    let answered = poll_one(io::stdin().as_fd(), For::Input, wait);
    if answered.is_err() {
        // What follows is not to stand behind the question.
        stderr.write_all(b"\n")?;
    }
    answered?;
    Ok(is_yes(&read_line()?))
}

/// One line. A terminal hands out one at a time: what was typed ahead stays for whoever reads next.
fn read_line() -> Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    let mut byte = [0];
    while stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
        if line.len() < ANSWER_MAX {
            line.push(byte[0]);
        }
    }
    Ok(line)
}

fn is_yes(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).trim().to_ascii_lowercase();
    answer == "y" || answer == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for answer in ["y", "Y", "yes", " Yes \r"] {
            assert!(is_yes(answer.as_bytes()), "{answer:?}");
        }
        for answer in ["", "n", "no", "yess", "ye", "j", "y n"] {
            assert!(!is_yes(answer.as_bytes()), "{answer:?}");
        }
    }
}
