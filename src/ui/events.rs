//! Events for scripts (docs/json.md): one JSON object a line on standard output. How far something has come, a few times a
//! second and at each step; how it failed. Who has a result prints it himself, as the last line.

use crate::error::Error;
use crate::text::json::Writer;
use crate::ui::out;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two looks for a new step.
const LOOK: Duration = Duration::from_millis(50);
/// Between two events of one step.
const PERIOD: Duration = Duration::from_millis(500);

/// How far something has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Bytes of the source read, and all there are if that is known.
    pub bytes: u64,
    pub total: Option<u64>,
}

/// What is told of.
pub trait Told: Sync {
    fn name(&self) -> &str;
    /// The steps begun since this was last asked, in their order; the first of all is among them.
    fn steps(&self) -> Vec<&'static str>;
    fn state(&self) -> State;
    /// Whether bytes are what this step is about.
    fn counts(&self, step: &str) -> bool;
}

/// Does `work`, and tells how far it has come meanwhile if `told`.
pub fn while_told<T>(told: bool, of: &impl Told, work: impl FnOnce() -> T) -> T {
    if !told {
        return work();
    }
    // Who stops listening is told nothing more; that the result cannot be written either is told then.
    while_printed(of, &|line| out::write(line.as_bytes()).unwrap_or(false), work)
}

/// `print` says whether anybody still reads.
fn while_printed<T>(of: &impl Told, print: &(impl Fn(&str) -> bool + Sync), work: impl FnOnce() -> T) -> T {
    let (end, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let teller = move || {
            let (began, mut step, mut last) = (Instant::now(), "", Instant::now());
            loop {
                let is_over = ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout);
                let steps = of.steps();
                let is_due = !is_over && last.elapsed() >= PERIOD && steps.is_empty();
                let again = Some(step).filter(|_| is_due);
                for now in steps.into_iter().chain(again) {
                    (step, last) = (now, Instant::now());
                    if !print(&render(of, step, began.elapsed())) {
                        return;
                    }
                }
                if is_over {
                    return;
                }
            }
        };
        // Where no thread can be had the result alone is told.
        let _ = std::thread::Builder::new().spawn_scoped(scope, teller);
        let result = work();
        drop(end);
        result
    })
}

fn render(of: &impl Told, step: &str, elapsed: Duration) -> String {
    let State { bytes, total } = of.state();
    let rate = Some((bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64).filter(|_| of.counts(step));
    let left = rate.filter(|rate| *rate > 0).and_then(|rate| Some(total?.checked_sub(bytes)?.div_ceil(rate)));
    let mut json = Writer::new();
    json.begin_object().key("event").string("progress").key("name").string(of.name()).key("step").string(step);
    json.key("bytes").number(bytes);
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    for (key, number) in [("total", total), ("rate", rate), ("left", left), ("elapsed", Some(millis))] {
        json.key(key).optional_number(number);
    }
    json.end_object();
    json.finish()
}

/// The last line where there is no result. Standard error says it too, and the exit status is the same.
pub fn failed(error: &Error) {
    let mut json = Writer::new();
    json.begin_object().key("event").string("failed").key("message").string(&error.to_string());
    json.key("exit_code").number(u64::from(error.exit_code())).end_object();
    // Nobody can be told when that fails too.
    let _ = out::print(&json.finish());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::json::{Limits, Value, parse};
    use std::sync::Mutex;

    struct Work(Mutex<Vec<&'static str>>);

    impl Told for Work {
        fn name(&self) -> &str {
            "noble"
        }

        fn steps(&self) -> Vec<&'static str> {
            std::mem::take(&mut self.0.lock().unwrap())
        }

        fn state(&self) -> State {
            State { bytes: 50, total: Some(100) }
        }

        fn counts(&self, step: &str) -> bool {
            step == "reading"
        }
    }

    #[test]
    fn every_step_is_told_once_in_its_order_however_short() {
        let of = Work(Mutex::new(vec!["reading"]));
        let lines = Mutex::new(Vec::new());
        let print = |line: &str| {
            lines.lock().unwrap().push(line.to_string());
            true
        };
        let work = || {
            of.0.lock().unwrap().extend(["checking", "syncing"]);
            7
        };
        let result = while_printed(&of, &print, work);
        assert_eq!(result, 7);
        let lines = lines.into_inner().unwrap();
        let steps: Vec<String> = lines
            .iter()
            .map(|line| {
                let value = parse(line.as_bytes(), Limits::default()).unwrap();
                assert_eq!(value.get("event").and_then(Value::as_str), Some("progress"), "{line}");
                value.get("step").and_then(Value::as_str).unwrap().to_string()
            })
            .collect();
        assert_eq!(steps, ["reading", "checking", "syncing"]);
        assert!(lines.iter().all(|line| line.ends_with("}\n") && line.matches('\n').count() == 1));
    }

    #[test]
    fn rate_and_time_left_belong_to_reading() {
        let of = Work(Mutex::default());
        let line = render(&of, "reading", Duration::from_secs(2));
        assert!(line.contains(r#""bytes":50,"total":100,"rate":25,"left":2,"elapsed":2000"#), "{line}");
        let line = render(&of, "syncing", Duration::from_secs(2));
        assert!(line.contains(r#""bytes":50,"total":100,"rate":null,"left":null,"elapsed":2000"#), "{line}");
    }

    #[test]
    fn who_does_not_listen_is_told_no_more() {
        let of = Work(Mutex::new(vec!["reading", "checking"]));
        let count = Mutex::new(0);
        let print = |_: &str| {
            *count.lock().unwrap() += 1;
            false
        };
        while_printed(&of, &print, || std::thread::sleep(LOOK * 3));
        assert_eq!(*count.lock().unwrap(), 1);
    }
}
