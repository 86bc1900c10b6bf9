//! Records as `key=value` lines: any bytes as value, one line a pair, no line without its line feed.
//!
//! Strict, because only programs write them: a record that was cut, edited with CRLF or appended to is refused with
//! the number of the line.

use crate::error::{Error, Result};

/// No record of ours has more lines; it also bounds the search for duplicates.
pub const PAIRS_MAX: usize = 4096;

/// The pairs of a record, in order; no key twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs(Vec<(String, Vec<u8>)>);

impl Pairs {
    pub fn new() -> Pairs {
        Pairs::default()
    }

    /// Adds a pair. `key` consists of `a-z`, `0-9`, `_`, `.` and `-`, and is new.
    pub fn push(&mut self, key: impl Into<String>, value: impl AsRef<[u8]>) {
        let key = key.into();
        debug_assert!(is_key(key.as_bytes()) && self.get(&key).is_none(), "{key:?} cannot be a key");
        self.0.push((key, value.as_ref().to_vec()));
    }

    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_slice())
    }

    /// A value that must be there. Errors: `Invalid`.
    pub fn need(&self, key: &str) -> Result<&[u8]> {
        self.get(key).ok_or_else(|| Error::invalid(format!("{key} is missing")))
    }

    /// A value that must be there and be text. Errors: `Invalid`.
    pub fn text(&self, key: &str) -> Result<&str> {
        std::str::from_utf8(self.need(key)?).map_err(|_| Error::invalid(format!("{key} is not UTF-8")))
    }

    /// A value that must be there and be a whole number. Errors: `Invalid`.
    pub fn number(&self, key: &str) -> Result<u64> {
        let text = self.text(key)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain);
        number.ok_or_else(|| Error::invalid(format!("{key}: {text:?} is not a whole number")))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.0 {
            text.push_str(key);
            text.push('=');
            push_escaped(&mut text, value);
            text.push('\n');
        }
        text
    }

    /// Errors: `Invalid`, naming the line.
    pub fn parse(text: &[u8]) -> Result<Pairs> {
        let mut pairs = Pairs::default();
        for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let fault = |what: String| Error::invalid(format!("line {}: {what}", number + 1));
            if number == PAIRS_MAX {
                return Err(fault(format!("there are more than {PAIRS_MAX}")));
            }
            let (key, value) = pair(line).map_err(|what| fault(what.to_string()))?;
            if pairs.get(&key).is_some() {
                return Err(fault(format!("{key} stands there twice")));
            }
            pairs.0.push((key, value));
        }
        Ok(pairs)
    }
}

fn pair(line: &[u8]) -> std::result::Result<(String, Vec<u8>), &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("it is cut off")?;
    let equals = line.iter().position(|byte| *byte == b'=').ok_or("there is no '='")?;
    let key = line.get(..equals).filter(|key| is_key(key)).ok_or("the key is malformed")?;
    let value = unescaped(line.get(equals + 1..).unwrap_or_default()).ok_or("the value is malformed")?;
    Ok((String::from_utf8_lossy(key).into_owned(), value))
}

fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
}

/// Printable text as it is, a backslash doubled, every other byte as `\xHH`.
fn push_escaped(text: &mut String, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                _ if character.is_control() => push_bytes(text, character.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => text.push(character),
            }
        }
        push_bytes(text, chunk.invalid());
    }
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push_str("\\x");
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// The inverse; None for a raw control character or an escape that is none of ours.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => value.push(match bytes.next()? {
                b'\\' => b'\\',
                b'x' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
                _ => return None,
            }),
            0..=0x1f | 0x7f => return None,
            _ => value.push(byte),
        }
    }
    Some(value)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &[u8]) -> Pairs {
        let mut pairs = Pairs::new();
        pairs.push("key", value);
        pairs
    }

    #[test]
    fn any_bytes_come_back_as_they_were() {
        let all: Vec<u8> = (0..=255).collect();
        for value in [&b""[..], b" a b ", b"a=b", b"\\", b"\\x41", b"line\nline\r\n", "grün ✓ \u{85}".as_bytes(), &all]
        {
            let text = one(value).render();
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert_eq!(Pairs::parse(text.as_bytes()).unwrap().get("key"), Some(value), "{text:?}");
        }
    }

    #[test]
    fn the_text_form_is_this() {
        let mut pairs = one(b"a b\\\n\xff");
        pairs.push("layer.0", "/srv/\u{e4}");
        assert_eq!(pairs.render(), "key=a b\\\\\\x0a\\xff\nlayer.0=/srv/\u{e4}\n");
    }

    #[test]
    fn a_record_that_nobody_wrote_is_refused_with_its_line() {
        for (text, told) in [
            (&b"a=1\nb=2"[..], "line 2: it is cut off"),
            (b"a=1\n\nb=2\n", "line 2: there is no '='"),
            (b"a=1\nb\n", "line 2: there is no '='"),
            (b"=1\n", "line 1: the key is malformed"),
            (b"A=1\n", "line 1: the key is malformed"),
            (b"a =1\n", "line 1: the key is malformed"),
            (b"a=1\r\n", "line 1: the value is malformed"),
            (b"a=\\n\n", "line 1: the value is malformed"),
            (b"a=\\x0\n", "line 1: the value is malformed"),
            (b"a=\\x0G\n", "line 1: the value is malformed"),
            (b"a=\0\n", "line 1: the value is malformed"),
            (b"a=1\nb=2\na=1\n", "line 3: a stands there twice"),
        ] {
            assert_eq!(Pairs::parse(text).unwrap_err().to_string(), told, "{text:?}");
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_refused_or_lacks_whole_lines() {
        let text = b"version=1\nname=web\nlayer.0=/\n";
        for end in 0..text.len() {
            let parsed = Pairs::parse(&text[..end]);
            assert_eq!(parsed.is_ok(), end == 0 || text[end - 1] == b'\n', "{end}");
        }
    }

    #[test]
    fn a_record_of_endless_lines_is_refused() {
        let text: String = (0..=PAIRS_MAX).map(|number| format!("k{number}=\n")).collect();
        assert_eq!(Pairs::parse(text.as_bytes()).unwrap_err().to_string(), "line 4097: there are more than 4096");
    }

    #[test]
    fn typed_values() {
        let pairs = Pairs::parse(b"a=12\nb=+1\nc=\\xff\nd=\n").unwrap();
        assert_eq!(pairs.number("a").unwrap(), 12);
        assert!(pairs.number("b").is_err() && pairs.number("d").is_err());
        assert_eq!(pairs.text("c").unwrap_err().to_string(), "c is not UTF-8");
        assert_eq!(pairs.text("x").unwrap_err().to_string(), "x is missing");
    }
}
