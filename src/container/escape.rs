//! Leaving a session: `^]` three times within a second, as in machinectl shell. Pure.

use std::time::{Duration, Instant};

/// What the keyboard sends for `^]`.
const KEY: u8 = 0x1d;
const TIMES: u32 = 3;
const WITHIN: Duration = Duration::from_secs(1);

/// How much of the escape has been typed.
#[derive(Debug, Default, PartialEq)]
pub struct Escape {
    first: Option<Instant>,
    count: u32,
}

impl Escape {
    /// Looks through what was typed at `now`. Where the last key of the escape stands in it, when it is complete.
    pub fn find(&mut self, typed: &[u8], now: Instant) -> Option<usize> {
        typed.iter().position(|byte| self.is_complete_with(*byte, now))
    }

    fn is_complete_with(&mut self, byte: u8, now: Instant) -> bool {
        if byte != KEY {
            *self = Escape::default();
            return false;
        }
        if self.first.is_none_or(|first| now.saturating_duration_since(first) > WITHIN) {
            *self = Escape { first: Some(now), count: 0 };
        }
        self.count += 1;
        self.count == TIMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn three_in_a_second_leave() {
        let start = Instant::now();
        assert_eq!(Escape::default().find(b"ls\r\x1d\x1d\x1dx", start), Some(5));
        let mut escape = Escape::default();
        assert_eq!(escape.find(b"\x1d", start), None);
        assert_eq!(escape.find(b"\x1d", after(start, 400)), None);
        assert_eq!(escape.find(b"\x1d", after(start, 1000)), Some(0));
    }

    #[test]
    fn two_or_slow_ones_do_not() {
        let start = Instant::now();
        let mut escape = Escape::default();
        assert_eq!(escape.find(b"\x1d\x1d", start), None);
        assert_eq!(escape.find(b"\x1d", after(start, 1001)), None, "too late: it counts as the first of new ones");
        assert_eq!(escape.find(b"\x1d", after(start, 1100)), None);
        assert_eq!(escape.find(b"\x1d", after(start, 1200)), Some(0));
    }

    #[test]
    fn any_other_key_begins_anew() {
        let start = Instant::now();
        let mut escape = Escape::default();
        assert_eq!(escape.find(b"\x1d\x1dx\x1d\x1d", start), None);
        assert_eq!(escape.find(b"\x1d", start), Some(0));
    }
}
