//! The text form of our own records: a line `KEY=VALUE` a field, and a last line `end` by which a record that was cut
//! is known. Pure. Values are printable ASCII; every other byte, the backslash and, inside a word, the space are
//! written as `\xNN`, so that a value of several words splits at its spaces whatever is in them.

use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str::FromStr;

const END: &str = "end";

/// The fields of one record, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the text of a record of the given version, which its first line states.
    ///
    /// Errors: `Invalid`, naming the line.
    pub fn parse(bytes: &[u8], version: u32) -> Result<Fields> {
        let mut lines = lines(bytes)?;
        match lines.pop() {
            Some(END) => {}
            _ => return Err(Error::invalid("it was cut: the last line is not \"end\"")),
        }
        let fields =
            lines.iter().enumerate().map(|(index, line)| field(line, index + 1)).collect::<Result<Vec<_>>>()?;
        let mut fields = Fields(fields);
        fields.take_version(version)?;
        Ok(fields)
    }

    /// An older program must not guess what a newer one meant.
    fn take_version(&mut self, known: u32) -> Result<()> {
        let version: u32 = match self.0.first() {
            Some((key, _)) if key == "version" => self.number("version")?,
            _ => return Err(Error::invalid("line 1: no version")),
        };
        if version > known {
            return Err(Error::invalid(format!(
                "it has version {version} and this program knows {known}: use the newer sdme that wrote it"
            )));
        }
        if version == 0 {
            return Err(Error::invalid("line 1: there is no version 0"));
        }
        Ok(())
    }

    /// Takes the one value of `key`; twice the same key is an error.
    pub fn lookup(&mut self, key: &str) -> Result<Option<String>> {
        let mut values = self.all(key);
        let last = values.pop();
        if values.is_empty() { Ok(last) } else { Err(Error::invalid(format!("key {key:?} is there twice"))) }
    }

    /// Takes the one value of `key`, which must be there.
    pub fn one(&mut self, key: &str) -> Result<String> {
        self.lookup(key)?.ok_or_else(|| Error::invalid(format!("key {key:?} is missing")))
    }

    pub fn number<T: FromStr>(&mut self, key: &str) -> Result<T> {
        let value = self.one(key)?;
        number(&value).ok_or_else(|| Error::invalid(format!("{key:?} is {value:?}, which is no number")))
    }

    /// Takes every value of a key that may be there any number of times.
    pub fn all(&mut self, key: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name == key);
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Every field has been taken, or the record says something we do not understand.
    pub fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(Error::invalid(format!("key {key:?} is unknown"))),
        }
    }
}

fn lines(bytes: &[u8]) -> Result<Vec<&str>> {
    if bytes.is_empty() {
        return Err(Error::invalid("it is empty"));
    }
    if bytes.contains(&b'\r') {
        return Err(Error::invalid("it has CR LF line ends: an editor has rewritten it"));
    }
    let is_text = |byte: &u8| *byte == b'\n' || (b' '..=b'~').contains(byte);
    if let Some(place) = bytes.iter().position(|byte| !is_text(byte)) {
        let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
        return Err(Error::invalid(format!("line {line}: it is not text")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("it is not text"))?;
    match text.strip_suffix('\n') {
        Some(text) => Ok(text.split('\n').collect()),
        None => Err(Error::invalid("it was cut: the last line has no end")),
    }
}

fn field(line: &str, number: usize) -> Result<(String, String)> {
    let fault = || Error::invalid(format!("line {number}: {:?} is not KEY=VALUE", abridged(line)));
    let (key, value) = line.split_once('=').ok_or_else(fault)?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
    if is_key { Ok((key.to_string(), value.to_string())) } else { Err(fault()) }
}

fn abridged(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A decimal number as we write it: no sign, no leading zero.
pub fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Writes a record line by line.
#[derive(Debug)]
pub struct Writer(String);

impl Writer {
    pub fn new(version: u32) -> Writer {
        Writer(format!("version={version}\n"))
    }

    /// Adds a field whose value is the words given, each escaped.
    pub fn field(&mut self, key: &str, words: &[&OsStr]) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        self.0.push_str(&format!("{key}={}\n", words.join(" ")));
    }

    pub fn finish(mut self) -> String {
        self.0.push_str(END);
        self.0.push('\n');
        self.0
    }
}

/// A word of which nothing but its own escapes has a meaning; [`unescape`] gives it back.
pub fn escape(word: &OsStr) -> String {
    let mut text = String::new();
    for byte in word.as_bytes() {
        match byte {
            b'\\' | b' ' => text.push_str(&format!("\\x{byte:02x}")),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Errors: `Invalid` when an escape is not one that [`escape`] writes.
pub fn unescape(text: &str) -> Result<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let byte = after.get(..3).and_then(escaped);
        bytes.push(byte.ok_or_else(|| Error::invalid(format!("{:?} holds a wrong escape", abridged(text))))?);
        rest = &after[3..];
    }
    Ok(OsString::from_vec(bytes))
}

fn escaped(escape: &[u8]) -> Option<u8> {
    let [b'x', high, low] = escape else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(*high)? * 16 + digit(*low)?) as u8)
}

/// The words of a value, of which there must be as many as asked.
pub fn words<const N: usize>(value: &str) -> Result<[OsString; N]> {
    let words = value.split(' ').map(unescape).collect::<Result<Vec<_>>>()?;
    <[OsString; N]>::try_from(words).map_err(|_| Error::invalid(format!("{:?} is not {N} words", abridged(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        Fields::parse(text, 1).unwrap_err().to_string()
    }

    #[test]
    fn fields_come_back() {
        let mut writer = Writer::new(1);
        writer.field("path", &[OsStr::from_bytes(b"/a b\\%\n\xff=\r"), OsStr::new("x")]);
        let text = writer.finish();
        let mut fields = Fields::parse(text.as_bytes(), 1).unwrap();
        let [path, x] = words(&fields.one("path").unwrap()).unwrap();
        assert_eq!((path.as_bytes(), x.as_bytes()), (&b"/a b\\%\n\xff=\r"[..], &b"x"[..]));
        fields.finish().unwrap();
    }

    #[test]
    fn every_cut_is_seen() {
        let text = b"version=1\nname=web\nend\n";
        for length in 0..text.len() {
            assert!(Fields::parse(&text[..length], 1).is_err(), "{length}");
        }
        assert!(Fields::parse(text, 1).is_ok());
    }

    #[test]
    fn each_fault_has_its_words() {
        assert!(fault(b"").contains("empty"));
        assert!(fault(b"version=1\r\nend\r\n").contains("CR LF"));
        assert!(fault(b"version=2\nend\n").contains("version 2"));
        assert!(fault(b"version=1\nname\nend\n").contains("line 2"));
        assert!(fault(b"version=1\n\x00\nend\n").contains("line 2"));
        assert!(fault(b"version=1\nend\nmore=1\n").contains("cut"));
        assert!(fault(b"name=x\nend\n").contains("no version"));
        assert!(fault(b"version=+1\nend\n").contains("number"));
    }

    #[test]
    fn duplicate_and_unknown_keys_are_errors() {
        let parse = |text: &[u8]| Fields::parse(text, 1).unwrap();
        assert!(parse(b"version=1\na=1\na=2\nend\n").one("a").unwrap_err().to_string().contains("twice"));
        assert!(parse(b"version=1\na=1\nend\n").finish().unwrap_err().to_string().contains("unknown"));
    }

    #[test]
    fn wrong_escapes_are_errors() {
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\n", "\\x+1"] {
            assert!(unescape(text).is_err(), "{text:?}");
        }
    }
}
