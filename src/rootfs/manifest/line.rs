//! One line of a manifest, and the order of lines. Pure.

use crate::digest::{Algorithm, Digest};
use crate::sys::meta::{Kind, Meta};
use std::cmp::Ordering;
use std::io::Write;

/// A longer value of an extended attribute stands as its digest.
const VALUE_MAX: usize = 64;

/// Begins a line anew: all of an entry but its content.
pub fn render(line: &mut Vec<u8>, path: &[u8], meta: &Meta, xattrs: &[(Vec<u8>, Vec<u8>)]) {
    name(line, path);
    let letter = match meta.kind {
        Kind::File => 'f',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    };
    add(line, format_args!(" type={letter}"));
    if meta.kind != Kind::Symlink {
        add(line, format_args!(" mode={:04o}", meta.mode));
    }
    let (seconds, nanoseconds) = meta.modified;
    add(line, format_args!(" uid={} gid={} mtime={seconds}.{nanoseconds:09}", meta.uid, meta.gid));
    match meta.kind {
        Kind::File => add(line, format_args!(" size={}", meta.size)),
        Kind::CharDevice | Kind::BlockDevice => add(line, format_args!(" rdev={}:{}", meta.rdev.0, meta.rdev.1)),
        _ => {}
    }
    let mut sorted: Vec<_> = xattrs.iter().filter(|(name, _)| name != b"security.selinux").collect();
    sorted.sort();
    for (name, value) in sorted {
        line.extend_from_slice(b" xattr.");
        escape(line, name, b"=");
        line.push(b'=');
        match value.len() {
            0..=VALUE_MAX => value.iter().for_each(|byte| add(line, format_args!("{byte:02x}"))),
            _ => add(line, format_args!("{}", Digest::of(Algorithm::Sha256, value))),
        }
    }
}

/// Adds the digest of a file's bytes: the last word of its line.
pub fn add_sha256(line: &mut Vec<u8>, digest: &Digest) {
    add(line, format_args!(" sha256={}", digest.hex()));
}

/// Adds a word whose value are foreign bytes.
pub fn add_bytes(line: &mut Vec<u8>, key: &str, value: &[u8]) {
    add(line, format_args!(" {key}="));
    escape(line, value, b"");
}

pub fn add(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Into memory, which does not fail.
    let _ = line.write_fmt(text);
}

/// Begins a line anew with its first word; the root is a dot.
pub fn name(line: &mut Vec<u8>, path: &[u8]) {
    line.clear();
    match path {
        [] => line.push(b'.'),
        _ => escape(line, path, b""),
    }
}

fn escape(to: &mut Vec<u8>, bytes: &[u8], also: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' => to.extend_from_slice(b"\\x5c"),
            b'!'..=b'~' if !also.contains(byte) => to.push(*byte),
            _ => add(to, format_args!("\\x{byte:02x}")),
        }
    }
}

/// The bytes that a word stands for; what is no escape stands for itself.
pub fn unescape(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(1..3).filter(|_| rest.starts_with(b"\\x"));
        let code = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// The first word and the others.
pub fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(space) => (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default()),
        None => (line, &[]),
    }
}

/// Which of two names (as they stand in a line) comes first in a manifest: a directory before what is in it, and all that
/// before what follows it.
pub fn order(one: &[u8], other: &[u8]) -> Ordering {
    match (one, other) {
        (b".", b".") => Ordering::Equal,
        (b".", _) => Ordering::Less,
        (_, b".") => Ordering::Greater,
        _ => {
            let (one, other) = (unescape(one), unescape(other));
            one.split(|byte| *byte == b'/').cmp(other.split(|byte| *byte == b'/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &[u8]) -> Vec<u8> {
        let mut line = b"of before".to_vec();
        super::name(&mut line, path);
        line
    }

    #[test]
    fn names_survive_a_line() {
        for path in [&b"a"[..], b"a b", b"\\", b"\\x41", b"\n\0\xff", "\u{e9}/x=y".as_bytes(), b"..."] {
            let word = name(path);
            assert!(word.iter().all(|byte| (b'!'..=b'~').contains(byte)), "{word:?}");
            assert_eq!(unescape(&word), path);
        }
        assert_eq!(name(b""), b".");
        for cut in [&b"\\x"[..], b"\\x4", b"\\xzz", b"\\", b"\\x+1"] {
            unescape(cut);
        }
    }

    #[test]
    fn a_directory_comes_before_its_content_and_that_before_the_next() {
        let names = ["", "a", "a/b", "a/b/c", "a/c", "a b", "a!", "a.d", "a.d/x", "b"];
        let mut sorted: Vec<_> = names.iter().map(|path| name(path.as_bytes())).collect();
        sorted.reverse();
        sorted.sort_by(|one, other| order(one, other));
        assert_eq!(sorted, names.map(|path| name(path.as_bytes())));
    }
}
