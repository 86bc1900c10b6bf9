//! Our inflate beside zlib-rs's: what that one packs, in every way that it knows, cut anywhere and changed anywhere.

use crate::corpus::chance::Chance;
use codec::inflate::{Inflate, Pause};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, InflateFlush, Status, Strategy};

const STRATEGIES: [Strategy; 5] =
    [Strategy::Default, Strategy::Filtered, Strategy::HuffmanOnly, Strategy::Rle, Strategy::Fixed];
const FLUSHES: [DeflateFlush; 5] = [
    DeflateFlush::NoFlush,
    DeflateFlush::PartialFlush,
    DeflateFlush::SyncFlush,
    DeflateFlush::FullFlush,
    DeflateFlush::Block,
];

/// Letters, few and many, runs, and what stood before, near and far.
fn sample(length: usize, seed: u64) -> Vec<u8> {
    let (mut chance, mut bytes) = (Chance::new(seed), Vec::new());
    while bytes.len() < length {
        let count = chance.of(&[1, 3, 20, 300, 5000]);
        match chance.below(4) {
            0 => (0..count).for_each(|_| bytes.push(chance.below(256) as u8)),
            1 => (0..count).for_each(|_| bytes.push(b"etaoin shrdlu"[chance.below(13).min(chance.below(13)) as usize])),
            _ if bytes.is_empty() => {}
            kind => {
                let near = if kind == 2 { 20 } else { 40_000 };
                let distance = 1 + chance.below(near.min(bytes.len() as u64)) as usize;
                (0..count).for_each(|_| bytes.push(bytes[bytes.len() - distance]));
            }
        }
    }
    bytes.truncate(length);
    bytes
}

/// Raw deflate, flushed behind every so many bytes.
fn packed(bytes: &[u8], level: i32, strategy: Strategy, flush: DeflateFlush, every: usize) -> Vec<u8> {
    let config = DeflateConfig { level, window_bits: -15, strategy, ..DeflateConfig::default() };
    let mut deflate = Deflate::new_with_config(config);
    let mut packed = vec![0; bytes.len() * 2 + 10_000];
    for part in bytes.chunks(every) {
        let (taken, at) = (deflate.total_in(), deflate.total_out() as usize);
        deflate.compress(part, &mut packed[at..], flush).unwrap();
        assert_eq!(deflate.total_in() - taken, part.len() as u64);
    }
    let at = deflate.total_out() as usize;
    assert!(matches!(deflate.compress(&[], &mut packed[at..], DeflateFlush::Finish), Ok(Status::StreamEnd)));
    packed.truncate(deflate.total_out() as usize);
    packed
}

/// What becomes of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It holds this, in so many bytes.
    Whole(Vec<u8>, usize),
    Cut(Vec<u8>),
    Corrupt,
}

/// In pieces of so many bytes, into a buffer of so many.
fn ours(stream: &[u8], piece: usize, buffer: usize) -> Outcome {
    let (mut inflate, mut given, mut at) = (Inflate::default(), Vec::new(), 0);
    let mut buffer = vec![0; buffer];
    loop {
        let end = stream.len().min(at + piece);
        let Ok((taken, pause)) = inflate.unpack(&stream[at..end]) else { return Outcome::Corrupt };
        at += taken;
        while !inflate.unread().is_empty() {
            let length = inflate.read(&mut buffer);
            given.extend_from_slice(&buffer[..length]);
        }
        match pause {
            Pause::Done => return Outcome::Whole(given, at),
            Pause::Hungry if at == stream.len() => return Outcome::Cut(given),
            Pause::Hungry => assert_eq!(at, end),
            Pause::Full => {}
        }
    }
}

fn theirs(stream: &[u8]) -> Outcome {
    let (mut inflate, mut given) = (zlib_rs::Inflate::new(false, 15), Vec::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (at, before) = (inflate.total_in() as usize, inflate.total_out());
        let status = inflate.decompress(&stream[at..], &mut buffer, InflateFlush::NoFlush);
        let (taken, length) = (inflate.total_in() as usize - at, (inflate.total_out() - before) as usize);
        given.extend_from_slice(&buffer[..length]);
        match status {
            Ok(Status::StreamEnd) => return Outcome::Whole(given, inflate.total_in() as usize),
            Ok(_) if taken == 0 && length == 0 => return Outcome::Cut(given),
            Ok(_) => {}
            Err(_) => return Outcome::Corrupt,
        }
    }
}

/// Where a stream is both cut and corrupt, which of the two is noticed first may differ.
fn agree(one: &Outcome, other: &Outcome) -> bool {
    let is_whole = |outcome: &Outcome| matches!(outcome, Outcome::Whole(..));
    one == other || !is_whole(one) && !is_whole(other) && std::mem::discriminant(one) != std::mem::discriminant(other)
}

#[test]
fn every_level_strategy_and_flush() {
    for (number, length) in [0, 1, 257, 70_000, 300_000].into_iter().enumerate() {
        let bytes = sample(length, number as u64);
        for strategy in STRATEGIES {
            for level in 0..10 {
                let flush = FLUSHES[(level as usize + number) % FLUSHES.len()];
                let mut stream = packed(&bytes, level, strategy, flush, length / 7 + 1);
                let whole = Outcome::Whole(bytes.clone(), stream.len());
                stream.extend(b"what follows is not touched");
                let piece = [usize::MAX >> 1, 1 << 16, 4096, 100, 33][(level as usize + strategy as usize) % 5];
                assert!(ours(&stream, piece, 1 << 20) == whole, "{length} {level} {strategy:?} {flush:?}");
            }
        }
    }
}

#[test]
fn pieces_and_buffers_of_every_size() {
    let bytes = sample(100_000, 11);
    for (level, flush, every) in [(1, DeflateFlush::PartialFlush, 100), (6, DeflateFlush::SyncFlush, 3000)] {
        let stream = packed(&bytes, level, Strategy::Default, flush, every);
        for piece in [1, 2, 3, 15, 16, 17, 31, 32, 33, 1000] {
            for buffer in [1, 2, 258, 259, 4096] {
                let outcome = ours(&stream, piece, buffer);
                assert!(outcome == Outcome::Whole(bytes.clone(), stream.len()), "{piece} {buffer}");
            }
        }
    }
}

#[test]
fn small_streams_split_and_cut_anywhere() {
    let bytes = sample(700, 5);
    for strategy in STRATEGIES {
        for flush in FLUSHES {
            let stream = packed(&bytes, 9, strategy, flush, 300);
            for at in 0..stream.len() {
                let mut inflate = Inflate::default();
                assert_eq!(inflate.unpack(&stream[..at]).unwrap(), (at, Pause::Hungry), "{strategy:?} {flush:?}");
                assert_eq!(inflate.unpack(&stream[at..]).unwrap(), (stream.len() - at, Pause::Done));
                assert!(inflate.unread() == bytes);
                assert!(agree(&ours(&stream[..at], 1 << 20, 999), &theirs(&stream[..at])), "{at}");
            }
        }
    }
}

/// `SDME_INFLATE=500000` goes on for as many.
#[test]
fn changed_streams_come_out_as_zlib_has_them() {
    let rounds = std::env::var("SDME_INFLATE").map_or(4000, |count| count.parse().unwrap());
    let mut chance = Chance::new(3);
    let mut whole = 0;
    for round in 0..rounds {
        let bytes = sample(chance.of(&[40, 400, 3000]), round as u64 / 8);
        let (level, strategy) = (chance.below(10) as i32, chance.of(&STRATEGIES));
        let mut stream = packed(&bytes, level, strategy, chance.of(&FLUSHES), bytes.len() / 2);
        // What codes are made of stands in front.
        let reach = if chance.once_in(3) { stream.len() } else { stream.len().min(60) };
        for _ in 0..=chance.below(3) {
            stream[chance.below(reach as u64) as usize] ^= 1 << chance.below(8);
        }
        let judge = theirs(&stream);
        let piece = chance.of(&[1 << 20, 64, 7]);
        let outcome = ours(&stream, piece, 4096);
        assert!(agree(&outcome, &judge), "round {round}: {outcome:?}, zlib: {judge:?}");
        whole += usize::from(matches!(judge, Outcome::Whole(..)));
    }
    assert!(whole > rounds / 10 && whole < rounds - rounds / 10, "{whole} of {rounds} were read");
}
