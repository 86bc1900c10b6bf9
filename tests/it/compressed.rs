//! Decompression against the tools that compress: whole, cut at every byte, a byte too long, with every bit turned.
//!
//! A tool that is not installed is told and left out; `packaging/setup test` brings them all.

use sdme::stream::decompress::{Compression, Limits, open_within, sniff};
use std::io::{self, Read, Write};
use std::process::{Command, Output, Stdio};

/// A format as a tool writes it.
struct Form {
    kind: Compression,
    tool: &'static [&'static str],
    /// Whether wrong contents are always noticed.
    checked: bool,
}

const fn form(kind: Compression, tool: &'static [&'static str]) -> Form {
    Form { kind, tool, checked: true }
}

const fn unchecked(kind: Compression, tool: &'static [&'static str]) -> Form {
    Form { kind, tool, checked: false }
}

use Compression::{Bzip2, Gzip, Lz4, Lzma, Xz, Zstd};

const FORMS: &[Form] = &[
    form(Gzip, &["gzip", "-c"]),
    form(Gzip, &["gzip", "-1", "-c"]),
    form(Gzip, &["pigz", "-c", "-b", "128"]),
    // One go of fifteen: the stream has the same form, and is there in a third of the time.
    form(Gzip, &["pigz", "-c", "-11", "-I", "1", "-i"]),
    form(Gzip, &["bgzip", "-c"]),
    form(Bzip2, &["bzip2", "-c"]),
    form(Bzip2, &["bzip2", "-1", "-c"]),
    form(Bzip2, &["pbzip2", "-c", "-b1"]),
    form(Bzip2, &["lbzip2", "-c", "-1"]),
    form(Xz, &["xz", "-c", "-T1"]),
    form(Xz, &["xz", "-c", "-T2", "--block-size=200KiB"]),
    form(Xz, &["xz", "-c", "-T1", "--block-size=200KiB", "--check=sha256"]),
    form(Xz, &["xz", "-c", "--check=crc32", "--x86", "--lzma2=preset=1"]),
    form(Xz, &["xz", "-c", "--delta=dist=3", "--arm64", "--lzma2=preset=0,pb=0"]),
    form(Xz, &["xz", "-c", "--delta=dist=4", "--lzma2=preset=0"]),
    unchecked(Xz, &["xz", "-c", "--check=none"]),
    unchecked(Lzma, &["xz", "-c", "--format=lzma"]),
    form(Zstd, &["zstd", "-q", "-c"]),
    form(Zstd, &["zstd", "-q", "-c", "-10", "--long=27"]),
    form(Zstd, &["zstd", "-q", "-c", "--fast=5"]),
    form(Zstd, &["pzstd", "-q", "-c", "-p", "2"]),
    unchecked(Zstd, &["zstd", "-q", "-c", "--no-check"]),
    form(Lz4, &["lz4", "-q", "-c"]),
    form(Lz4, &["lz4", "-q", "-c", "-9", "-B4", "-BD", "-BX"]),
    form(Lz4, &["lz4", "-q", "-c", "-B6", "--content-size"]),
    unchecked(Lz4, &["lz4", "-q", "-c", "-l"]),
];

/// What the tool writes for these bytes. None when it is not installed, or too old for its arguments.
pub fn compress(tool: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let output = run(tool, bytes)?;
    if !output.status.success() {
        eprintln!("skip: {tool:?} does not work here");
        return None;
    }
    Some(output.stdout)
}

/// Runs a tool over these bytes. None when it is not installed.
pub fn run(tool: &[&str], bytes: &[u8]) -> Option<Output> {
    let [program, arguments @ ..] = tool else { return None };
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("skip: {program} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Some(output)
}

fn unpack_with(kind: Compression, bytes: &[u8], threads: usize) -> io::Result<Vec<u8>> {
    let limits = Limits { threads, ..Limits::default() };
    let mut unpacked = Vec::new();
    open_within(Box::new(io::Cursor::new(bytes.to_vec())), kind, limits).unwrap().read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

pub fn unpack(kind: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    unpack_with(kind, bytes, 2)
}

/// Bytes of many kinds: text, runs, noise, what was there before. The same ones each time.
pub fn sample(length: usize) -> Vec<u8> {
    let (mut bytes, mut state) = (Vec::new(), 1u32);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize
    };
    while bytes.len() < length {
        let count = next() % 700 + 1;
        match next() % 6 {
            0 => bytes.extend((0..count).map(|_| next() as u8)),
            1 => bytes.extend(std::iter::repeat_n(next() as u8, count * 3)),
            2 if bytes.len() > count => {
                let from = (next() << 15 | next()) % (bytes.len() - count);
                bytes.extend_from_within(from..from + count);
            }
            _ => (0..count / 4).for_each(|_| {
                let words: [&[u8]; 8] = [b"the ", b"root ", b"of ", b"a ", b"tree\n", b"has ", b"no ", b"parent, "];
                bytes.extend(words[next() % 8]);
            }),
        }
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn what_tools_write_is_read_whole() {
    for length in [0, 1, 100, 70_000, 1_200_000] {
        let bytes = sample(length);
        for form in FORMS {
            let Some(packed) = compress(form.tool, &bytes) else { continue };
            // A legacy frame of nothing is a cut one as well.
            if form.kind == Lz4 && packed.len() == 4 {
                continue;
            }
            assert_eq!(sniff(&packed), form.kind, "{:?} of {length} bytes", form.tool);
            for threads in [1, 2, 5] {
                match unpack_with(form.kind, &packed, threads) {
                    Ok(unpacked) => assert!(unpacked == bytes, "{:?} of {length} bytes", form.tool),
                    Err(error) => panic!("{:?} of {length} bytes: {error}", form.tool),
                }
            }
        }
    }
}

/// Streams one after the other, also of different tools, with the padding that the format allows.
#[test]
fn many_streams_are_one() {
    let (first, second) = (sample(10_000), sample(1_000));
    let both = [first.as_slice(), &second].concat();
    for form in FORMS.iter().filter(|form| form.kind != Lzma) {
        let Some(one) = compress(form.tool, &first) else { continue };
        for other in FORMS.iter().filter(|other| other.kind == form.kind) {
            let Some(two) = compress(other.tool, &second) else { continue };
            let padding: &[u8] = if form.kind == Xz { &[0; 8] } else { &[] };
            let packed = [&one, padding, &two, padding].concat();
            match unpack(form.kind, &packed) {
                Ok(unpacked) => assert!(unpacked == both, "{:?}, then {:?}", form.tool, other.tool),
                Err(error) => panic!("{:?}, then {:?}: {error}", form.tool, other.tool),
            }
        }
    }
}

#[test]
fn a_cut_anywhere_is_an_error() {
    for form in FORMS {
        let Some(packed) = compress(form.tool, &sample(300)) else { continue };
        for end in 0..packed.len() {
            // bgzip ends with an empty member: a file without it is whole too.
            if let Ok(unpacked) = unpack(form.kind, &packed[..end]) {
                assert!(unpacked == sample(300), "{:?} cut at {end} of {}", form.tool, packed.len());
            }
        }
    }
}

#[test]
fn zeros_may_follow_and_garbage_may_not() {
    let bytes = sample(300);
    for form in FORMS {
        let Some(packed) = compress(form.tool, &bytes) else { continue };
        for zeros in [4, 512, 1 << 20] {
            let padded = [packed.as_slice(), &vec![0; zeros]].concat();
            assert_eq!(unpack(form.kind, &padded).unwrap(), bytes, "{:?}", form.tool);
        }
        for garbage in [&b"x"[..], b"\0\0\0\0\0\0\0x", b"garbage of some length, more than a header"] {
            let outcome = unpack(form.kind, &[packed.as_slice(), garbage].concat());
            assert!(outcome.is_err(), "{:?} takes {garbage:?} behind it", form.tool);
        }
    }
}

#[test]
fn a_turned_bit_is_noticed() {
    let bytes = sample(120);
    for form in FORMS {
        let Some(packed) = compress(form.tool, &bytes) else { continue };
        for bit in 0..packed.len() * 8 {
            let mut turned = packed.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            match unpack(form.kind, &turned) {
                Ok(unpacked) if form.checked => assert!(unpacked == bytes, "{:?}: bit {bit}", form.tool),
                _ => {}
            }
        }
    }
}

/// The limit is the one of `zstd -d` without options: what it refuses is refused, by name.
#[test]
fn long_windows_have_a_limit() {
    let bytes = sample(100_000);
    for (log, accepted) in [("27", true), ("28", false), ("31", false)] {
        let long = format!("--long={log}");
        let Some(packed) = compress(&["zstd", "-q", "-c", "--ultra", &long], &bytes) else { return };
        match unpack(Zstd, &packed) {
            Ok(unpacked) => assert!(accepted && unpacked == bytes, "{log}"),
            Err(error) => {
                assert!(!accepted, "{log}: {error}");
                assert!(error.to_string().contains("window"), "{error}");
            }
        }
    }
    for tool in [
        &["xz", "-c", "--lzma2=preset=0,dict=192MiB"][..],
        &["xz", "-c", "--format=lzma", "--lzma1=preset=0,dict=192MiB"],
    ] {
        let Some(packed) = compress(tool, &bytes) else { return };
        let error = unpack(sniff(&packed), &packed).unwrap_err().to_string();
        assert!(error.contains("window") && error.contains("--max-window"), "{error}");
    }
}

/// pixz knows tar alone, and adds an index of it as a block of its own.
#[test]
fn pixz() {
    let Some(packed) = compress(&["pixz", "-t"], &sample(1_000_000)) else { return };
    assert_eq!(sniff(&packed), Xz);
    assert!(unpack(Xz, &packed).unwrap() == sample(1_000_000));
}

/// A source that says when it is gone, with the thread that reads it.
struct Source {
    bytes: io::Cursor<Vec<u8>>,
    _alive: std::sync::Arc<()>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

#[test]
fn what_is_dropped_half_read_ends_its_threads() {
    let (bytes, alive) = (sample(2_000_000), std::sync::Arc::new(()));
    for form in FORMS {
        let Some(packed) = compress(form.tool, &bytes) else { continue };
        let source = Source { bytes: io::Cursor::new(packed), _alive: alive.clone() };
        let mut reader = open_within(Box::new(source), form.kind, Limits::default()).unwrap();
        reader.read_exact(&mut [0; 1000]).unwrap();
    }
    let began = std::time::Instant::now();
    while std::sync::Arc::strong_count(&alive) > 1 {
        assert!(began.elapsed().as_secs() < 60, "a source is held");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

struct Fails;

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

/// Blocks of many pieces, which workers unpack as they come: what is wrong with the source is what the reader hears of.
#[test]
fn a_source_that_fails_within_a_block() {
    let bytes = sample(6_000_000);
    let Some(packed) = compress(&["xz", "-c", "-T2", "--block-size=3MiB"], &bytes) else { return };
    assert!(unpack(Xz, &packed).unwrap() == bytes);
    for end in (30..packed.len()).step_by(packed.len() / 7) {
        let source = io::Cursor::new(packed[..end].to_vec()).chain(Fails);
        let limits = Limits { threads: 2, ..Limits::default() };
        let mut unpacked = Vec::new();
        let error = open_within(Box::new(source), Xz, limits).unwrap().read_to_end(&mut unpacked).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5), "{end}: {error}");
        assert!(bytes.starts_with(&unpacked));
        let error = unpack(Xz, &packed[..end]).unwrap_err().to_string();
        assert!(error.contains("cut short"), "{end}: {error}");
    }
}

/// Bombs come out a piece at a time.
#[test]
fn zeros_without_end() {
    let zeros = vec![0; 20 << 20];
    for form in FORMS {
        let Some(packed) = compress(form.tool, &zeros) else { continue };
        let mut reader = open_within(Box::new(io::Cursor::new(packed)), form.kind, Limits::default()).unwrap();
        assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), 20 << 20, "{:?}", form.tool);
    }
}
