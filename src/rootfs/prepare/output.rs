//! What a program of a tree writes, as lines that are harmless, and the last of them for an error. Pure.

use crate::text::sanitize;
use std::collections::VecDeque;

/// A longer line is given out in pieces.
const LINE_MAX: usize = 1000;
/// So many of the last lines go into an error, each at most so long.
const LAST_MAX: usize = 3;
const SHOWN_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Output {
    partial: Vec<u8>,
    last: VecDeque<String>,
}

impl Output {
    /// Takes what has come, and gives the lines that are whole now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => whole.extend(self.end_line()),
                _ => self.partial.push(*byte),
            }
            if self.partial.len() == LINE_MAX {
                whole.extend(self.end_line());
            }
        }
        whole
    }

    /// The last line, if it had no end.
    pub fn finish(&mut self) -> Option<String> {
        self.end_line()
    }

    /// The last lines as one.
    pub fn last(&self) -> String {
        self.last.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    fn end_line(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.partial);
        // Colours go; what else a terminal would obey is spelled out.
        let text = sanitize::line(&sanitize::console(&String::from_utf8_lossy(&bytes)));
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if self.last.len() == LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back(text.chars().take(SHOWN_MAX).collect());
        Some(text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_come() {
        let mut output = Output::default();
        assert_eq!(output.take(b"Get:1 a"), [""; 0]);
        assert_eq!(output.take(b"pt\n\n  50%\r 100%\r\nE: no"), ["Get:1 apt", "50%", "100%"]);
        assert_eq!(output.finish().as_deref(), Some("E: no"));
        assert_eq!((output.finish(), output.last().as_str()), (None, "50%; 100%; E: no"));
    }

    #[test]
    fn nothing_of_it_is_obeyed_by_a_terminal_and_none_of_it_is_long() {
        let mut output = Output::default();
        assert_eq!(output.take(b"\x1b[31mred\x1b[0m \x07\xff\n"), ["red \\x07\u{fffd}"]);
        assert_eq!(output.take(&[b'x'; 2500]).len(), 2);
        assert!(output.last().len() < 3 * SHOWN_MAX);
    }
}
