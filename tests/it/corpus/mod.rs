//! Trees, archives and images that nobody thought of, made from a seed, each held against what another tool makes of it.
//!
//! `SDME_CORPUS=N` makes N of each kind instead of a few, `SDME_CORPUS_SEED=S` begins with another seed. All seeds are gone through
//! before a failure is told; it says which they were: `SDME_CORPUS=1 SDME_CORPUS_SEED=S cargo test --test it corpus` does one again.

pub mod chance;
mod entries;
mod layers;
mod odd;
mod pack;
mod trees;

use std::env;
use std::process::{Command, Stdio};

/// What became of one seed: equal to the judge's; or what the judge could not tell, in a word that is counted.
type Verdict = Result<&'static str, String>;

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value:?} is no number")))
}

/// Goes through the seeds, `usual` of them when the environment says nothing.
fn each(what: &str, usual: u64, judge: impl Fn(u64) -> Verdict) {
    let first = number("SDME_CORPUS_SEED").unwrap_or(1);
    let count = number("SDME_CORPUS").unwrap_or(usual);
    let (mut failures, mut verdicts) = (Vec::new(), std::collections::BTreeMap::<&str, u64>::new());
    for seed in first..first + count {
        match judge(seed) {
            Ok(word) => *verdicts.entry(word).or_default() += 1,
            Err(why) => failures.push(format!("seed {seed}: {why}")),
        }
    }
    eprintln!("{what}: {count} from seed {first}: {verdicts:?}, {} differ", failures.len());
    let shown = failures.len().min(20);
    assert!(failures.is_empty(), "{what}: {} of {count} differ:\n{}", failures.len(), failures[..shown].join("\n"));
}

/// Whether a program is there; asked once a test, not once a seed.
fn has(tool: &str) -> bool {
    let asked = Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
    let found = asked.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skip: {tool} is not here");
    }
    found
}
