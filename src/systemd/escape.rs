//! Names as systemd escapes them: unit names and paths (systemd.unit(5), "String Escaping for Inclusion in Unit Names"),
//! and object paths; pure.

use crate::error::{Error, Result};

const UNITS: &str = "/org/freedesktop/systemd1/unit/";

/// What `systemd-escape TEXT` prints.
pub fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if at == 0 => escaped.push_str("\\x2e"),
            b':' | b'_' | b'.' => escaped.push(*byte as char),
            byte if byte.is_ascii_alphanumeric() => escaped.push(*byte as char),
            byte => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

/// What `systemd-escape --unescape TEXT` prints.
pub fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'-' => b'/',
            b'\\' if bytes.next() == Some(b'x') => hex(bytes.next(), text)? << 4 | hex(bytes.next(), text)?,
            b'\\' => return Err(broken(text)),
            byte => byte,
        });
    }
    Ok(plain)
}

/// What `systemd-escape --path PATH` prints: doubled and outer slashes do not count, the root is `-`.
///
/// Errors: `Invalid` for a path with `..` in it; `.` is passed over.
pub fn escape_path(path: &[u8]) -> Result<String> {
    let elements: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|element| !element.is_empty() && element != b".").collect();
    if elements.iter().any(|element| element == b"..") {
        return Err(Error::invalid(format!("\"{}\" holds \"..\": it cannot become a unit name", path.escape_ascii())));
    }
    Ok(if elements.is_empty() { "-".to_string() } else { escape(&elements.join(&b'/')) })
}

/// The object of a unit at its manager: each byte that is no letter or digit becomes `_xx`.
pub fn unit_path(unit: &str) -> String {
    let mut path = UNITS.to_string();
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(byte as char);
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

fn hex(digit: Option<u8>, text: &str) -> Result<u8> {
    let value = digit.and_then(|digit| (digit as char).to_digit(16));
    value.map(|value| value as u8).ok_or_else(|| broken(text))
}

fn broken(text: &str) -> Error {
    Error::invalid(format!("{text:?} is not escaped as systemd does it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_systemd_escape_prints() {
        assert_eq!(escape(b".a/b-c d%\xc3\xa4:_.\\"), "\\x2ea-b\\x2dc\\x20d\\x25\\xc3\\xa4:_.\\x5c");
        assert_eq!(escape(b""), "");
        assert_eq!(escape_path(b"//srv/./a b//").unwrap(), "srv-a\\x20b");
        assert_eq!(escape_path(b"/").unwrap(), "-");
        assert_eq!(escape_path(b"/.hidden").unwrap(), "\\x2ehidden");
        assert!(escape_path(b"/a/../b").is_err());
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&all)).unwrap(), all);
        for broken in ["\\", "\\x", "\\x2", "\\xzz", "\\n20", "\\x+1"] {
            assert!(unescape(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn object_paths_of_units() {
        assert_eq!(unit_path("sdme@my-web.service"), format!("{UNITS}sdme_40my_2dweb_2eservice"));
        assert_eq!(unit_path("1_a.scope"), format!("{UNITS}_31_5fa_2escope"));
        assert!(crate::dbus::name::is_path(&unit_path("\\x2d\u{e4}.mount")));
    }
}
