//! Two manifests side by side, in one pass and with one line of each in memory.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Context, Error, Result};
use crate::rootfs::manifest::line::{self, order};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Read};

/// A longest path with each byte escaped, and an inode full of attributes.
const LINE_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// As it stands in a manifest: printable.
    pub path: String,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Missing,
    Added,
    /// What of it, what that was, and what it is; empty for what is not there.
    Changed(Vec<(String, String, String)>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        let Change::Changed(words) = &self.change else {
            return f.write_str(if self.change == Change::Added { "added" } else { "missing" });
        };
        for (index, (key, old, new)) in words.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match (old.is_empty(), new.is_empty()) {
                (true, _) => write!(f, "{comma}{key} {new} added")?,
                (_, true) => write!(f, "{comma}{key} {old} gone")?,
                _ => write!(f, "{comma}{key} {old} is now {new}")?,
            }
        }
        Ok(())
    }
}

pub struct Comparison<R> {
    old: R,
    /// The old line that has not been compared yet; None at the end.
    waiting: Option<Vec<u8>>,
    hasher: Hasher,
    most: usize,
    differences: Vec<Difference>,
    count: u64,
}

impl<R: BufRead> Comparison<R> {
    pub fn begin(mut old: R, header: &[u8], most: usize) -> Result<Comparison<R>> {
        demand_header(&mut old, header)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(header);
        hasher.update(b"\n");
        let mut comparison = Comparison { old, waiting: None, hasher, most, differences: Vec::new(), count: 0 };
        comparison.advance()?;
        Ok(comparison)
    }

    /// The next line of the new one.
    pub fn next(&mut self, new: &[u8]) -> Result<()> {
        let (name, words) = line::split(new);
        while let Some(old) = self.waiting.take() {
            let (old_name, old_words) = line::split(&old);
            match order(old_name, name) {
                Ordering::Less => self.add(old_name, || Change::Missing),
                Ordering::Equal => {
                    if old_words != words {
                        self.add(name, || Change::Changed(changed(old_words, words)));
                    }
                    return self.advance();
                }
                Ordering::Greater => {
                    self.waiting = Some(old);
                    break;
                }
            }
            self.advance()?;
        }
        self.add(name, || Change::Added);
        Ok(())
    }

    /// The digest of the old one, the differences, and how many there are.
    pub fn finish(mut self) -> Result<(Digest, Vec<Difference>, u64)> {
        while let Some(old) = self.waiting.take() {
            self.add(line::split(&old).0, || Change::Missing);
            self.advance()?;
        }
        Ok((self.hasher.finish(), self.differences, self.count))
    }

    fn add(&mut self, name: &[u8], change: impl FnOnce() -> Change) {
        self.count += 1;
        if self.differences.len() < self.most {
            self.differences.push(Difference { path: printable(name), change: change() });
        }
    }

    fn advance(&mut self) -> Result<()> {
        self.waiting = read_line(&mut self.old)?;
        if let Some(line) = &self.waiting {
            self.hasher.update(line);
            self.hasher.update(b"\n");
        }
        Ok(())
    }
}

pub fn demand_header(manifest: &mut impl BufRead, header: &[u8]) -> Result<()> {
    match read_line(manifest)? {
        Some(line) if line == header => Ok(()),
        _ => Err(Error::invalid("it is no manifest of a tree that this version knows")),
    }
}

/// A line without its end. Errors: `Invalid` for one without an end, or of more than [`LINE_MAX`] bytes.
pub fn read_line(manifest: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let length = manifest.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).context("reading a manifest")?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if length as u64 == LINE_MAX => Err(Error::invalid("a line of the manifest does not end")),
        Some(_) => Err(Error::invalid("the manifest is cut off")),
    }
}

fn changed(old: &[u8], new: &[u8]) -> Vec<(String, String, String)> {
    let (mut old, new) = (words(old), words(new));
    let mut changed = Vec::new();
    for (key, value) in new {
        let was = old.remove(&key).unwrap_or_default();
        if was != value {
            changed.push((key, was, value));
        }
    }
    changed.extend(old.into_iter().map(|(key, was)| (key, was, String::new())));
    changed
}

fn words(line: &[u8]) -> BTreeMap<String, String> {
    let pair = |word: &[u8]| {
        let word = printable(word);
        match word.split_once('=') {
            Some((key, value)) => (key.to_string(), value.to_string()),
            None => (word, String::new()),
        }
    };
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(pair).collect()
}

/// A manifest may have been written by somebody else since.
fn printable(word: &[u8]) -> String {
    let mut safe = Vec::new();
    for byte in word {
        match byte {
            b'!'..=b'~' => safe.push(*byte),
            _ => line::add(&mut safe, format_args!("\\x{byte:02x}")),
        }
    }
    String::from_utf8_lossy(&safe).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::manifest::{HEADER, compare};

    fn compared(old: &str, new: &str, most: usize) -> (Vec<String>, u64) {
        let whole = |lines: &str| format!("sdme tree 1\n{lines}");
        let (differences, count) = compare(whole(old).as_bytes(), whole(new).as_bytes(), most).unwrap();
        (differences.iter().map(Difference::to_string).collect(), count)
    }

    #[test]
    fn what_is_gone_new_and_changed_is_named() {
        let old = ". type=d\na type=f size=1\na/b type=d\nb mode=0644 size=2 xattr.user.x=00\nz type=p\n";
        let new = ". type=d\na type=f size=1\na.d type=d\nb mode=0600 size=2 xattr.user.y=01\nc type=f\n";
        let (lines, count) = compared(old, new, 10);
        assert_eq!(
            lines,
            [
                "a/b: missing",
                "a.d: added",
                "b: mode 0644 is now 0600, xattr.user.y 01 added, xattr.user.x 00 gone",
                "c: added",
                "z: missing"
            ]
        );
        assert_eq!(count, 5);
        assert_eq!(compared(old, old, 10), (Vec::new(), 0));
        assert_eq!(compared(old, "", 2), (vec![".: missing".to_string(), "a: missing".to_string()], 5));
        assert_eq!(compared("", new, 0), (Vec::new(), 5));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for text in ["", "sdme tree 2\n", "sdme tree 1", "sdme tree 1\n. type=d", "\n"] {
            assert!(compare(text.as_bytes(), &b"sdme tree 1\n"[..], 9).is_err(), "{text:?}");
        }
        let endless = format!("sdme tree 1\n{}", "x".repeat(2 << 20));
        assert!(compare(endless.as_bytes(), &b"sdme tree 1\n"[..], 9).is_err());
        assert!(Comparison::begin(&b"sdme tree 1\n\x1b[0m x\n"[..], HEADER, 9).is_ok());
        assert_eq!(compared("\x1b[0m x\n", "", 9).0, ["\\x1b[0m: missing"]);
    }
}
