//! LZMA against xz: what it writes is read, and of what is broken the same is taken, with the same bytes.

use crate::compressed::{compress, run, sample, unpack};
use crate::corpus::chance::Chance;
use sdme::stream::decompress::Compression::{Lzma, Xz};

/// All that the format can be told, over more than the dictionary many times.
#[test]
fn every_setting_is_read() {
    let bytes = sample(400_000);
    for model in ["lc=0,lp=0,pb=0", "lc=4,lp=0,pb=4", "lc=0,lp=4,pb=4", "lc=1,lp=3,pb=2", "lc=2,lp=2,pb=1"] {
        for finder in ["dict=4KiB,mf=hc3,mode=fast,nice=273", "dict=64KiB,mf=bt4,nice=5", "dict=8MiB,mf=bt2,nice=100"] {
            for (kind, filter, format) in [(Xz, "lzma2", "xz"), (Lzma, "lzma1", "lzma")] {
                let (format, filter) = (format!("--format={format}"), format!("--{filter}={model},{finder}"));
                let Some(packed) = compress(&["xz", "-c", &format, &filter], &bytes) else { return };
                assert!(unpack(kind, &packed).unwrap() == bytes, "{filter}");
            }
        }
    }
}

/// A dictionary that is smaller than the one a stream was made with.
#[test]
fn a_match_beyond_the_dictionary_is_refused() {
    let noise: Vec<u8> = (0..20_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let bytes = [&noise[..], &noise].concat();
    let Some(mut packed) = compress(&["xz", "-c", "--format=lzma", "--lzma1=dict=32KiB"], &bytes) else { return };
    assert!(unpack(Lzma, &packed).unwrap() == bytes);
    packed[1..5].copy_from_slice(&(16u32 << 10).to_le_bytes());
    let error = unpack(Lzma, &packed).unwrap_err().to_string();
    assert!(error.contains("before the beginning"), "{error}");
}

/// Streams with a bit turned, a byte left out or added, or another size: whether it is taken, and what it holds, is what xz
/// says.
#[test]
fn broken_streams_are_judged_as_xz_judges_them() {
    let mut chance = Chance::new(7);
    let mut next = |most: usize| chance.below(most as u64) as usize;
    let mut taken = 0;
    for round in 0..300 {
        let mut bytes = sample(1 + next(9000));
        let (kind, format) = if round % 2 == 0 { (Lzma, "--format=lzma") } else { (Xz, "--format=xz") };
        if kind == Xz && round % 8 < 4 {
            // Chunks that are not compressed.
            bytes.fill_with(|| next(256) as u8);
        }
        // Without a check, so that nothing but LZMA2 tells.
        let tool = ["xz", "-c", format, "--check=none", &format!("--lzma{}=preset=1,dict=4KiB", 1 + round % 2)];
        let Some(mut packed) = compress(&tool, &bytes) else { return };
        let (begin, end) = if kind == Xz { (24, packed.len() - 28) } else { (13, packed.len()) };
        let place = begin + next(end - begin);
        match round / 2 % 4 {
            0 | 1 if kind == Lzma => packed[5..13].copy_from_slice(&((bytes.len() + next(3)) as u64 - 1).to_le_bytes()),
            2 => drop(packed.remove(place)),
            3 => packed.insert(place, next(256) as u8),
            _ => packed[place] ^= 1 << next(8),
        }
        let judged = run(&["xz", "-dc", format], &packed).unwrap();
        let theirs = judged.status.success().then_some(judged.stdout);
        let ours = unpack(kind, &packed).ok();
        assert!(ours == theirs, "{kind:?}, round {round}: {} {}", ours.is_some(), theirs.is_some());
        taken += usize::from(ours.is_some());
    }
    assert!((30..270).contains(&taken), "{taken}");
}
