//! Authentication ("Authentication Protocol"): the client's side of EXTERNAL and of descriptor passing, as a state
//! machine over bytes; pure. Everything is said at once, and the answers are checked as they come.

use crate::error::{Error, Kind, Result};

/// Bytes of one line of the peer, its end included. Real ones have under a hundred.
pub const LINE_MAX: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Our identity was told; `OK` is to come.
    Identity,
    /// Descriptor passing was asked for; a yes or no is to come.
    Descriptors,
    Done,
}

/// What the peer has answered so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    state: State,
    descriptors: bool,
    guid: String,
}

impl Auth {
    /// All that a client says: who it is, that it may pass descriptors, and that messages follow.
    pub fn begin(uid: u32) -> (Auth, Vec<u8>) {
        let identity: String = uid.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        let lines = format!("\0AUTH EXTERNAL {identity}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        (Auth { state: State::Identity, descriptors: false, guid: String::new() }, lines.into_bytes())
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the peer takes descriptors.
    pub fn passes_descriptors(&self) -> bool {
        self.descriptors
    }

    /// The peer's id: 32 hexadecimal digits.
    pub fn guid(&self) -> &str {
        &self.guid
    }

    /// Takes the whole lines at the start of `bytes`, as far as answers are due, and tells how many bytes they are.
    /// What follows the last one are messages.
    ///
    /// Errors: `Unavailable` when the peer turns us down, `Invalid` when it answers out of turn or without end.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while !self.is_done() {
            let Some(line) = next_line(&bytes[taken..])? else { break };
            self.answer(line)?;
            taken += line.len() + 2;
        }
        Ok(taken)
    }

    fn answer(&mut self, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (self.state, word) {
            (State::Identity, "OK") if is_guid(rest) => {
                self.guid = rest.to_string();
                self.state = State::Descriptors;
            }
            (State::Identity, "REJECTED" | "ERROR") => {
                return Err(Error::new(Kind::Unavailable, format!("the peer refused us: {line:?}")));
            }
            (State::Descriptors, "AGREE_UNIX_FD") if rest.is_empty() => {
                self.descriptors = true;
                self.state = State::Done;
            }
            (State::Descriptors, "ERROR") => self.state = State::Done,
            _ => return Err(Error::invalid(format!("the peer authenticates us with {line:?}"))),
        }
        Ok(())
    }
}

/// The first line without its end, when it is whole.
fn next_line(bytes: &[u8]) -> Result<Option<&str>> {
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_MAX {
            Ok(None)
        } else {
            Err(Error::invalid("the peer authenticates us without end"))
        };
    };
    let line = &window[..end];
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Error::invalid(format!("the peer authenticates us with \"{}\"", line.escape_ascii())));
    }
    Ok(std::str::from_utf8(line).ok())
}

fn is_guid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "OK 0123456789abcdef0123456789abcdef\r\n";

    fn after(answers: &str) -> Result<(Auth, usize)> {
        let (mut auth, _) = Auth::begin(0);
        let taken = auth.feed(answers.as_bytes())?;
        Ok((auth, taken))
    }

    #[test]
    fn all_is_said_at_once() {
        let (_, bytes) = Auth::begin(1000);
        assert_eq!(bytes, b"\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    }

    #[test]
    fn messages_follow_the_last_answer() {
        let (auth, taken) = after(&format!("{OK}AGREE_UNIX_FD\r\nl\x01")).unwrap();
        assert!(auth.is_done() && auth.passes_descriptors());
        assert_eq!(taken, OK.len() + 15);
        assert_eq!(auth.guid(), "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn a_peer_may_pass_no_descriptors() {
        let (auth, _) = after(&format!("{OK}ERROR no\r\n")).unwrap();
        assert!(auth.is_done() && !auth.passes_descriptors());
    }

    #[test]
    fn half_lines_wait_for_their_rest() {
        let answers = format!("{OK}AGREE_UNIX_FD\r\n");
        for cut in 0..answers.len() {
            let (mut auth, taken) = after(&answers[..cut]).unwrap();
            assert!(!auth.is_done(), "{cut}");
            assert_eq!(auth.feed(&answers.as_bytes()[taken..]).unwrap() + taken, answers.len());
            assert!(auth.is_done());
        }
    }

    #[test]
    fn a_refusal_is_told_as_one() {
        for line in ["REJECTED EXTERNAL\r\n", "REJECTED\r\n", "ERROR \"what\"\r\n"] {
            assert_eq!(*after(line).unwrap_err().kind(), Kind::Unavailable, "{line:?}");
        }
    }

    #[test]
    fn answers_out_of_turn_are_refused() {
        let late = [
            "AGREE_UNIX_FD\r\n".to_string(),
            "DATA\r\n".into(),
            "\r\n".into(),
            "OK\r\n".into(),
            "OK 0123\r\n".into(),
            "ok 0123456789abcdef0123456789abcdef\r\n".into(),
            "OK 0123456789abcdef0123456789abcdeg\r\n".into(),
            "OK\0\r\n".into(),
            "\u{e4}\r\n".into(),
            format!("{OK}{OK}"),
            format!("{OK}REJECTED\r\n"),
            format!("{OK}AGREE_UNIX_FD x\r\n"),
        ];
        for answers in late {
            assert_eq!(*after(&answers).unwrap_err().kind(), Kind::Invalid, "{answers:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        assert!(after(&"x".repeat(LINE_MAX - 1)).is_ok());
        assert!(after(&"x".repeat(LINE_MAX)).is_err());
        assert!(after(&format!("{}\n", "x".repeat(LINE_MAX))).is_err());
    }
}
