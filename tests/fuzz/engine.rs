//! Runs inputs, makes new ones, and keeps those that reach new ground.

use crate::coverage::{Ground, Seen};
use crate::memory;
use crate::targets::Target;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);
/// Memory that may be held for an input: so much at any rate, and so many bytes for each of its own.
const MEMORY_BASE: usize = 1 << 20;
const MEMORY_EACH: usize = 256;
/// Inputs are made no longer than this.
const LONGEST_INPUT: usize = 16384;

/// What belongs to the project: seeds, and the smallest inputs that reach each piece of code.
fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// What fuzzing found on this machine; it goes on from there.
fn finds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz/corpus").join(target)
}

/// The corpus of a target, in the order of its file names.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    inputs(&folder(target))
}

fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Keeps an input under a name that is the same for the same bytes.
fn keep(folder: &Path, input: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{:016x}", hash(input))), input).unwrap();
}

/// Runs one input; when it is not survived, adds it to the corpus and fails the test.
pub fn survive(target: &Target, input: &[u8]) {
    let began = Instant::now();
    memory::reset();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let peak = memory::peak();
    let allowed = MEMORY_BASE + MEMORY_EACH * input.len();
    let why = match result {
        Err(_) => "it panicked".to_string(),
        Ok(()) if began.elapsed() > LONGEST => format!("it took {:?}", began.elapsed()),
        Ok(()) if peak > allowed => format!("it held {peak} bytes for {}", input.len()),
        Ok(()) => return,
    };
    keep(&folder(target.name), input);
    panic!("{}: {why}; the input is tests/fuzz/corpus/{}/{:016x} now", target.name, target.name, hash(input));
}

/// A stretch of mutations takes no longer.
const STRETCH_LIMIT: Duration = Duration::from_secs(4);

/// So many mutations, the same ones in every run; fewer of them where the decoder, built for tests, is slow.
pub fn stretch(target: &Target, count: u32) {
    let (corpus, began) = (corpus(target.name), Instant::now());
    let mut random = Random(hash(target.name.as_bytes()) | 1);
    for _ in 0..count {
        survive(target, &mutated(&corpus, &mut random));
        if began.elapsed() > STRETCH_LIMIT {
            break;
        }
    }
}

/// Looks for new ground until the time is over, and keeps what reaches some.
pub fn explore(target: &Target, limit: Duration) {
    let (mut corpus, mut seen, began) = (corpus(target.name), Seen::default(), Instant::now());
    let mut random = Random(u64::from(began.elapsed().subsec_nanos()) ^ u64::from(std::process::id()) << 20 | 1);
    corpus.extend(inputs(&finds(target.name)));
    for input in &corpus {
        survive(target, input);
        seen.take();
    }
    let (mut runs, before) = (0u64, corpus.len());
    while began.elapsed() < limit {
        let input = mutated(&corpus, &mut random);
        survive(target, &input);
        runs += 1;
        if seen.take().more_often() {
            keep(&finds(target.name), &input);
            corpus.push(input);
        }
    }
    let guided = if Seen::is_counting() { "" } else { " (no coverage counters in this build)" };
    println!("{:16} {runs:>10} runs, {} new of {} inputs{guided}", target.name, corpus.len() - before, corpus.len());
}

/// Adds to the project's corpus the shortest finds that reach code which nothing in it reaches.
pub fn distill(target: &Target) {
    let mut seen = Seen::default();
    for input in corpus(target.name) {
        survive(target, &input);
        seen.take();
    }
    let mut found = inputs(&finds(target.name));
    found.sort_by_key(|input| (input.len(), input.clone()));
    for input in found {
        survive(target, &input);
        if seen.take() == Ground::New {
            keep(&folder(target.name), &input);
        }
    }
}

/// One of the corpus, changed in up to five ways.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.one_of(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        change(&mut input, corpus, random);
    }
    input.truncate(LONGEST_INPUT);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len());
    let end = (at + 1 + random.below(32)).min(input.len());
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(7),
        1 if at < input.len() => input[at] = random.next() as u8,
        2 => input.insert(at, *random.one_of(INTERESTING).unwrap_or(&0)),
        3 => drop(input.drain(at.min(end)..end)),
        4 => {
            let copy = input[at.min(end)..end].to_vec();
            input.splice(at..at, copy);
        }
        5 => overwrite(input, at, &word(random)),
        6 => input.truncate(at),
        7 => {
            let other = random.one_of(corpus).cloned().unwrap_or_default();
            let from = random.below(other.len());
            input.truncate(at);
            input.extend(&other[from.min(other.len())..]);
        }
        _ => input.extend((0..random.below(16)).map(|_| b"\0\n=\\\"' :/%,{}()av"[random.below(15)])),
    }
}

const INTERESTING: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t =\\\"'#:;,/%$(){}[]-0123456789aAlBvys";

/// A length that lies, in either byte order.
fn word(random: &mut Random) -> [u8; 4] {
    let value = *random
        .one_of(&[0u32, 1, 7, 8, 255, 4096, 65536, 1 << 26, (1 << 26) + 1, 1 << 27, i32::MAX as u32, u32::MAX])
        .unwrap_or(&0);
    if random.below(1) == 0 { value.to_le_bytes() } else { value.to_be_bytes() }
}

fn overwrite(input: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in input.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

/// FNV-1a: file names that are the same for the same input.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `last`, both included.
    fn below(&mut self, last: usize) -> usize {
        ((self.next() >> 32) % (last as u64 + 1)) as usize
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len().checked_sub(1)?))
    }
}
