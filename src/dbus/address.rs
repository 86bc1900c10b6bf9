//! Server addresses ("Server Addresses"): text to the sockets that we can open; pure.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Bytes of an address list; one entry has under three hundred.
pub const ADDRESS_MAX: usize = 8192;

/// Where a peer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Path(PathBuf),
    /// A name in the abstract namespace, without its leading NUL.
    Abstract(Vec<u8>),
}

/// The entries of a list that name a Unix socket, in their order; other transports are passed over.
///
/// Errors: `Invalid` when any entry breaks the rules.
pub fn parse(text: &str) -> Result<Vec<Address>> {
    if text.len() > ADDRESS_MAX {
        return Err(Error::invalid(format!("a D-Bus address of {} bytes is too long", text.len())));
    }
    let entries = text.split(';').filter(|entry| !entry.is_empty());
    let parsed: Result<Vec<Option<Address>>> = entries
        .map(|entry| parse_entry(entry).map_err(|error| error.context(format!("D-Bus address {entry:?}"))))
        .collect();
    Ok(parsed?.into_iter().flatten().collect())
}

fn parse_entry(entry: &str) -> Result<Option<Address>> {
    let (transport, rest) = entry.split_once(':').ok_or_else(|| Error::invalid("it has no transport"))?;
    let pairs = rest.split(',').filter(|pair| !pair.is_empty()).map(parse_pair).collect::<Result<Vec<_>>>()?;
    if (1..pairs.len()).any(|at| pairs[..at].iter().any(|(key, _)| *key == pairs[at].0)) {
        return Err(Error::invalid("it has a key twice"));
    }
    if transport != "unix" {
        return Ok(None);
    }
    let value = |wanted: &str| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.clone());
    match (value("path"), value("abstract")) {
        (Some(path), None) => Ok(Some(Address::Path(OsString::from_vec(path).into()))),
        (None, Some(name)) => Ok(Some(Address::Abstract(name))),
        (Some(_), Some(_)) => Err(Error::invalid("it has both a path and an abstract name")),
        (None, None) => Ok(None),
    }
}

fn parse_pair(pair: &str) -> Result<(&str, Vec<u8>)> {
    let (key, value) = pair.split_once('=').ok_or_else(|| Error::invalid("it has a key without a value"))?;
    if key.is_empty() || value.is_empty() {
        return Err(Error::invalid("it has an empty key or value"));
    }
    Ok((key, unescape(value)?))
}

/// `%xx` is a byte; whatever is not in the small set that may stand for itself must be written so.
fn unescape(value: &str) -> Result<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'\\' | b'.' | b'*' => byte,
            _ => return Err(Error::invalid("it has a byte that must be escaped")),
        });
    }
    if plain.contains(&0) { Err(Error::invalid("it holds NUL")) } else { Ok(plain) }
}

fn hex(digit: Option<u8>) -> Result<u8> {
    let value = digit.and_then(|digit| (digit as char).to_digit(16));
    value.map(|value| value as u8).ok_or_else(|| Error::invalid("it has a broken escape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_their_order() {
        let text = "tcp:host=127.0.0.1,port=1;unix:path=/run/a%20b,guid=00ff;unix:abstract=/tmp/x%2cy;";
        let expected = [Address::Path("/run/a b".into()), Address::Abstract(b"/tmp/x,y".to_vec())];
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("unix:runtime=yes").unwrap(), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        assert_eq!(parse("unix:abstract=%ff%FE").unwrap(), [Address::Abstract(vec![0xff, 0xfe])]);
    }

    #[test]
    fn broken_entries() {
        let bad = [
            "unix",
            "unix:path",
            "unix:path=",
            "unix:=x",
            "unix:path=/a,path=/b",
            "unix:path=/a b",
            "unix:path=%2",
            "unix:path=%zz",
            "unix:path=%00",
            "unix:path=/a,abstract=b",
            "unix:path=\u{e4}",
            "unix:path=%+1",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&format!("unix:path={}", "x".repeat(ADDRESS_MAX))).is_err());
    }
}
