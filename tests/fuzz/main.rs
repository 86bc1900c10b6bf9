//! Every decoder of foreign bytes against bytes that nobody meant: nothing panics, hangs, or takes memory without end,
//! and what was read says the same when it is written and read again.
//!
//! The ordinary tests replay the corpus and a fixed stretch of mutations of it. `make fuzz` builds with the compiler's
//! coverage counters and looks for new ground for FUZZ_SECONDS a target; what finds some is kept in target/fuzz, and the
//! shortest inputs that reach new code are added to the corpus.

mod coverage;
mod engine;
mod memory;
mod targets;

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Mutations of each target in an ordinary test run.
const STRETCH: u32 = 10_000;

fn seconds() -> Option<Duration> {
    std::env::var("FUZZ_SECONDS").ok()?.parse().ok().map(Duration::from_secs)
}

#[test]
fn the_corpus_is_survived() {
    for target in targets::ALL {
        let corpus = engine::corpus(target.name);
        assert!(!corpus.is_empty(), "tests/fuzz/corpus/{} is empty", target.name);
        for input in corpus {
            engine::survive(target, &input);
        }
    }
}

#[test]
fn mutations_of_the_corpus_are_survived() {
    let only = std::env::var("FUZZ_TARGET").ok();
    for target in targets::ALL.iter().filter(|target| only.as_ref().is_none_or(|name| name == target.name)) {
        match seconds() {
            Some(limit) => {
                engine::explore(target, limit);
                engine::distill(target);
            }
            None => engine::stretch(target, STRETCH),
        }
    }
}

#[test]
fn every_cut_of_the_corpus_is_survived() {
    for target in targets::ALL {
        for input in engine::corpus(target.name).iter().filter(|input| input.len() < 4096) {
            (0..input.len()).for_each(|end| engine::survive(target, &input[..end]));
        }
    }
}
