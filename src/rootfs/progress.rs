//! How far an import has come, for whoever shows it: counters that its threads write and another reads.

use crate::stream::count::Counter;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Reading,
    /// Out of a disk image that has been read.
    Copying,
    /// The user is asked: nothing is to be shown.
    Asking,
    Installing,
    Checking,
    Syncing,
    Done,
}

const STEPS: [(Step, &str); 7] = [
    (Step::Reading, "reading"),
    (Step::Copying, "copying"),
    (Step::Asking, ""),
    (Step::Installing, "installing"),
    (Step::Checking, "checking"),
    (Step::Syncing, "syncing"),
    (Step::Done, "done"),
];

impl Step {
    /// The step in a word.
    pub fn word(self) -> &'static str {
        STEPS.iter().find(|(known, _)| *known == self).map_or("", |(_, word)| word)
    }
}

#[derive(Debug)]
pub struct Progress {
    step: AtomicU8,
    /// Those begun that nobody has taken yet; at most as many as there are.
    begun: Mutex<Vec<&'static str>>,
    /// Bytes of the source that were read.
    read: Counter,
    /// Bytes that it has; 0 when nobody knows.
    length: AtomicU64,
}

impl Default for Progress {
    fn default() -> Progress {
        let [(_, first), ..] = STEPS;
        let begun = Mutex::new(vec![first]);
        Progress { step: AtomicU8::default(), begun, read: Counter::default(), length: AtomicU64::default() }
    }
}

impl Progress {
    pub fn enter(&self, step: Step) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(step.word());
        self.step.store(STEPS.iter().position(|(known, _)| *known == step).unwrap_or(0) as u8, Relaxed);
    }

    pub fn step(&self) -> Step {
        STEPS.get(usize::from(self.step.load(Relaxed))).map_or(Step::Done, |(step, _)| *step)
    }

    /// The words of the steps that were begun since this was asked last.
    pub fn take_begun(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The step in a word.
    pub fn word(&self) -> &'static str {
        STEPS.get(usize::from(self.step.load(Relaxed))).map_or("", |(_, word)| word)
    }

    /// For whoever counts the source's bytes.
    pub fn counter(&self) -> Counter {
        self.read.clone()
    }

    pub fn read(&self) -> u64 {
        self.read.get()
    }

    pub fn set_length(&self, length: Option<u64>) {
        self.length.store(length.unwrap_or(0), Relaxed);
    }

    pub fn length(&self) -> Option<u64> {
        Some(self.length.load(Relaxed)).filter(|length| *length > 0)
    }
}
