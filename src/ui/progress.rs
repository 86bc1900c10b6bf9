//! One line on the terminal that tells how far something has come, redrawn a few times a second, wiped at the end.

use crate::text::{sanitize, size};
use crate::ui::out;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two drawings.
const PERIOD: Duration = Duration::from_millis(200);
/// Before the first: what takes less needs no line.
const PATIENCE: Duration = Duration::from_millis(400);
/// Longer than a terminal is wide it would leave marks.
const WIDTH: usize = 79;

/// To the line's beginning, and it is empty.
pub const WIPE: &str = "\r\x1b[K";

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Empty: nothing is to be drawn now, somebody else writes there.
    pub what: String,
    /// Bytes done, and all there are if that is known.
    pub done: u64,
    pub whole: Option<u64>,
    /// Whether the bytes are what is being done now.
    pub counts: bool,
}

/// Does `work`, and shows what `line` says of it meanwhile if `shown`.
pub fn while_shown<T>(shown: bool, line: impl Fn() -> Line + Sync, work: impl FnOnce() -> T) -> T {
    if !shown {
        return work();
    }
    let (end, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let line = &line;
        scope.spawn(move || {
            let began = Instant::now();
            let (mut pause, mut drawn) = (PATIENCE, false);
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = PERIOD;
                let line = line();
                if !line.what.is_empty() {
                    out::print_error(&format!("{WIPE}{}", render(&line, began.elapsed())));
                    drawn = true;
                }
            }
            if drawn {
                out::print_error(WIPE);
            }
        });
        let result = work();
        drop(end);
        result
    })
}

fn render(line: &Line, elapsed: Duration) -> String {
    let mut text = sanitize::line(&line.what);
    if line.counts {
        text.push_str(&format!(" {}", size::render(line.done)));
        if let Some(whole) = line.whole {
            text.push_str(&format!(" of {}", size::render(whole)));
        }
        let rate = line.done as f64 / elapsed.as_secs_f64().max(0.001);
        text.push_str(&format!(", {}/s", size::render(rate as u64)));
        if let Some(left) = line.whole.and_then(|whole| whole.checked_sub(line.done)).filter(|_| rate >= 1.0) {
            text.push_str(&format!(", {} s left", (left as f64 / rate).ceil() as u64));
        }
    }
    text.chars().take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_known() {
        let line = Line { what: "sid: reading".into(), done: 50 << 20, whole: Some(100 << 20), counts: true };
        let text = render(&line, Duration::from_secs(2));
        assert!(text.starts_with("sid: reading 50") && text.ends_with("2 s left"), "{text}");
        let text = render(&Line { whole: None, ..line.clone() }, Duration::from_secs(2));
        assert!(!text.contains("left") && text.ends_with("/s"), "{text}");
        assert_eq!(render(&Line { counts: false, ..line }, Duration::ZERO), "sid: reading");
    }

    #[test]
    fn the_work_is_done_with_and_without_a_line() {
        let line = || Line { what: String::new(), done: 0, whole: None, counts: false };
        assert_eq!((while_shown(false, line, || 7), while_shown(true, line, || 8)), (7, 8));
    }
}
