//! The same work on several containers at once: goes on after a failure and reports each.

use crate::cmd::Context;
use crate::cmd::select::Selection;
use crate::error::{Error, Kind, Result};
use crate::store::name::Name;
use crate::ui::out;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// At most this many containers are worked on at once: each costs a thread, a few descriptors and, starting, a boot.
const PARALLEL_MAX: usize = 32;

/// Runs `work` for every name of the selection, in parallel, and gives the exit code.
///
/// One name alone: its failure is the result. Several: each failure is printed when it happens; 1 when there was one,
/// or the signal's code when the user interrupted.
pub fn run(cx: &Context, selection: Selection, work: impl Fn(&Name) -> Result<()> + Sync) -> Result<u8> {
    let Selection { names, mut failures } = selection;
    match (names.as_slice(), failures.len()) {
        ([], 1) => return Err(failures.remove(0)),
        ([name], 0) => return work(name).map(|()| 0).map_err(|error| named(error, name)),
        _ => {}
    }
    let code = Mutex::new(0);
    let report = |error: Error| {
        out::error(&error.to_string(), cx.colour);
        if let Ok(mut code) = code.lock() {
            *code = worst(*code, &error);
        }
    };
    failures.into_iter().for_each(report);
    for_each(&names, |name| {
        if let Err(error) = work(name) {
            report(named(error, name));
        }
    });
    Ok(code.into_inner().unwrap_or(1))
}

/// An interruption counts more than a failure; of a batch, a wrong name is a failure too.
fn worst(code: u8, error: &Error) -> u8 {
    match error.kind() {
        Kind::Interrupted(_) => error.exit_code(),
        _ => code.max(1),
    }
}

/// An error of a batch must say whose it is.
fn named(error: Error, name: &Name) -> Error {
    if error.to_string().contains(name.as_str()) { error } else { error.context(name.as_str()) }
}

/// This thread works too: where no thread can be had, the batch is slow but whole.
fn for_each(names: &[Name], work: impl Fn(&Name) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(name);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..names.len().min(PARALLEL_MAX) {
            if std::thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn names(count: usize) -> Vec<Name> {
        (0..count).map(|number| Name::parse(&format!("c{number}")).unwrap()).collect()
    }

    #[test]
    fn every_name_is_worked_on_once() {
        let names = names(100);
        let seen = Mutex::new(Vec::new());
        for_each(&names, |name| seen.lock().unwrap().push(name.clone()));
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        let mut expected = names;
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_work_is_done_in_parallel() {
        let names = names(PARALLEL_MAX);
        let barrier = Barrier::new(PARALLEL_MAX);
        for_each(&names, |_| {
            barrier.wait();
        });
    }

    #[test]
    fn an_interruption_outweighs_a_failure() {
        let interrupted = Error::new(Kind::Interrupted(2), "interrupted");
        assert_eq!(worst(worst(0, &interrupted), &Error::usage("x")), 130);
        assert_eq!(worst(worst(0, &Error::usage("x")), &interrupted), 130);
        assert_eq!(worst(0, &Error::usage("x")), 1);
    }

    #[test]
    fn an_error_names_its_container_once() {
        let name = Name::parse("web").unwrap();
        assert_eq!(named(Error::failed("boom"), &name).to_string(), "web: boom");
        assert_eq!(named(Error::failed("web is gone"), &name).to_string(), "web is gone");
    }
}
