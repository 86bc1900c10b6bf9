//! The records of extended headers (pax(1), "pax Extended Header"): `LENGTH KEYWORD=VALUE\n`. Pure and total.
//!
//! What is not known is passed over, as POSIX asks, but for what would change which bytes a file has (sparse forms, volumes). A global
//! header may say only what can be true of many files: owners, times, comments. Tools differ in how they read a global
//! path or size, so these are refused.

use super::sparse;
use crate::error::{Error, Result};
use crate::text::base64;

const NANOSECONDS: usize = 9;
/// Of the name of an extended attribute (XATTR_NAME_MAX).
const XATTR_NAME_MAX: usize = 255;

#[derive(Debug, Default)]
pub struct Records {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    /// Of the data in the archive.
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub modified: Option<(i64, u32)>,
    pub sparse: sparse::Records,
    /// As text.
    pub access: Option<Vec<u8>>,
    pub default: Option<Vec<u8>>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// libarchive writes each attribute twice; its own form is the exact one.
    exact: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a global header said of all entries after it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Globals {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub modified: Option<(i64, u32)>,
}

impl Records {
    pub fn parse(text: &[u8]) -> Result<Records> {
        let mut records = Records::default();
        each(text, |keyword, value| records.take(keyword, value))?;
        Ok(records)
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<()> {
        match keyword {
            b"path" => self.path = Some(path(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(path(value)?),
            b"linkpath" => self.linkpath = Some(path(value)?),
            b"size" => self.size = Some(decimal(value).ok_or_else(|| refused(value, "size"))?),
            b"uid" => self.uid = Some(owner(value).ok_or_else(|| refused(value, "owner"))?),
            b"gid" => self.gid = Some(owner(value).ok_or_else(|| refused(value, "group"))?),
            b"mtime" => self.modified = Some(time(value).ok_or_else(|| refused(value, "time"))?),
            b"SCHILY.acl.access" => self.access = some(value),
            b"SCHILY.acl.default" => self.default = some(value),
            b"SCHILY.realsize" => self.sparse.set_realsize(value)?,
            b"hdrcharset" => charset(value)?,
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((unescaped(name), value.to_vec()));
                } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = padded_base64(value).ok_or_else(|| refused(value, "base 64"))?;
                    self.exact.push((percent(name), value));
                } else if keyword.starts_with(b"GNU.sparse.") {
                    self.sparse.take(keyword, value)?;
                } else if is_volume(keyword) {
                    return Err(Error::invalid("an archive of several volumes is not read"));
                } else if keyword == b"SUN.holesdata" {
                    return Err(refused(keyword, "kind of sparse file that is read"));
                }
            }
        }
        Ok(())
    }

    /// The extended attributes, each name once: the last of its records counts, as setxattr(2) after setxattr(2) would.
    pub fn into_xattrs(self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut records = if self.exact.is_empty() { self.xattrs } else { self.exact };
        records.reverse();
        let mut names = std::collections::BTreeSet::new();
        let mut xattrs = Vec::new();
        for (name, value) in records {
            if name.is_empty() || name.len() > XATTR_NAME_MAX || name.contains(&0) {
                return Err(refused(&name, "name of an extended attribute"));
            }
            if names.insert(name.clone()) {
                xattrs.push((name, value));
            }
        }
        xattrs.reverse();
        Ok(xattrs)
    }
}

impl Globals {
    /// A later global header adds to an earlier one; an empty value takes one back.
    pub fn parse(&mut self, text: &[u8]) -> Result<()> {
        each(text, |keyword, value| self.take(keyword, value))
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<()> {
        let of_one_file = [&b"path"[..], b"linkpath", b"size"].contains(&keyword)
            || [&b"GNU.sparse."[..], b"SCHILY.acl.", b"SCHILY.xattr.", b"LIBARCHIVE.xattr."]
                .iter()
                .any(|prefix| keyword.starts_with(prefix));
        if of_one_file {
            return Err(Error::invalid(format!("a global header with {:?}", String::from_utf8_lossy(keyword))));
        }
        match (keyword, value.is_empty()) {
            (b"uid", true) => self.uid = None,
            (b"gid", true) => self.gid = None,
            (b"mtime", true) => self.modified = None,
            _ => {
                let mut records = Records::default();
                records.take(keyword, value)?;
                self.uid = records.uid.or(self.uid);
                self.gid = records.gid.or(self.gid);
                self.modified = records.modified.or(self.modified);
            }
        }
        Ok(())
    }
}

/// Hands on keyword and value of each record. All bytes must belong to one, but for NULs at the end, with which some fill up.
pub fn each(text: &[u8], mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut rest = text;
    while !rest.iter().all(|byte| *byte == 0) {
        let (keyword, value, after) = record(rest).ok_or_else(|| {
            let shown = rest.get(..rest.len().min(40)).unwrap_or_default();
            Error::invalid(format!("an extended header is malformed at {:?}", String::from_utf8_lossy(shown)))
        })?;
        take(keyword, value).map_err(|error| error.context(String::from_utf8_lossy(keyword)))?;
        rest = after;
    }
    Ok(())
}

/// The first record, and what follows it.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = text.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(text.get(..digits)?)?).ok()?;
    let body = text.get(digits + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (keyword, value) = (body.get(..equals)?, body.get(equals + 1..)?);
    let good = !keyword.is_empty() && !keyword.contains(&0);
    good.then_some((keyword, value, text.get(length..)?))
}

fn refused(value: &[u8], what: &str) -> Error {
    Error::invalid(format!("{:?} is no {what}", String::from_utf8_lossy(value)))
}

fn some(value: &[u8]) -> Option<Vec<u8>> {
    Some(value.to_vec()).filter(|value| !value.is_empty())
}

/// An empty value would take the name away and give none.
fn path(value: &[u8]) -> Result<Vec<u8>> {
    if value.is_empty() || value.contains(&0) { Err(refused(value, "name")) } else { Ok(value.to_vec()) }
}

/// Either way names are bytes.
fn charset(value: &[u8]) -> Result<()> {
    match value {
        b"BINARY" | b"ISO-IR 10646 2000 UTF-8" | b"" => Ok(()),
        _ => Err(refused(value, "character set that is read")),
    }
}

/// GNU tar's and star's words for a file whose beginning is in another archive.
fn is_volume(keyword: &[u8]) -> bool {
    [&b"GNU.volume.filename"[..], b"GNU.volume.size", b"GNU.volume.offset", b"SCHILY.offset"].contains(&keyword)
}

/// Digits only, as far as a file's size can go.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let number = text.iter().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    });
    number.filter(|number| i64::try_from(*number).is_ok())
}

/// A user's or group's number. The highest means "leave it as it is" to chown(2), so nobody has it.
pub fn owner(text: &[u8]) -> Option<u32> {
    u32::try_from(decimal(text)?).ok().filter(|id| *id != u32::MAX)
}

/// Seconds with a fraction, also before 1970; what is finer than a nanosecond is rounded down.
pub fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |text| (true, text));
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(dot)?;
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(NANOSECONDS);
    let nanoseconds = digits.fold(0u32, |value, byte| value * 10 + u32::from(byte - b'0'));
    if !negative {
        return Some((seconds, nanoseconds));
    }
    let finer = fraction.iter().skip(NANOSECONDS).any(|byte| *byte != b'0');
    match nanoseconds + u32::from(finer) {
        0 => Some((-seconds, 0)),
        back => Some((-seconds - 1, 1_000_000_000 - back)),
    }
}

/// GNU tar writes `=` and `%` of a name as %3D and %25, and nothing else.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match after.split_first_chunk::<2>() {
            Some((b"3D", after)) if *first == b'%' => (b'=', after),
            Some((b"25", after)) if *first == b'%' => (b'%', after),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// libarchive writes any byte of a name as a percent sign and two hexadecimal digits.
fn percent(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.split_first_chunk::<2>().filter(|_| *first == b'%');
        let decoded =
            digits.and_then(|([high, low], after)| Some((hexadecimal(*high)? << 4 | hexadecimal(*low)?, after)));
        let (byte, after) = decoded.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// libarchive leaves out the padding.
fn padded_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut padded = text.to_vec();
    padded.resize(text.len().next_multiple_of(4), b'=');
    base64::decode(&padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keyword: &[u8], value: &[u8]) -> Vec<u8> {
        let rest = [b" ", keyword, b"=", value, b"\n"].concat();
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        [length.to_string().as_bytes(), &rest].concat()
    }

    fn records(list: &[(&str, &[u8])]) -> Vec<u8> {
        list.iter().flat_map(|(keyword, value)| record(keyword.as_bytes(), value)).collect()
    }

    #[test]
    fn every_record_is_found() {
        let text = records(&[
            ("path", b"a=b\nc"),
            ("size", b"18"),
            ("comment", b""),
            ("uid", b"4294967294"),
            ("hdrcharset", b"BINARY"),
            ("SCHILY.xattr.user.x", b"\0=\n"),
            ("SCHILY.fflags", b"nodump"),
        ]);
        let read = Records::parse(&[&text[..], &[0; 20]].concat()).unwrap();
        assert_eq!((read.path.as_deref(), read.size), (Some(&b"a=b\nc"[..]), Some(18)));
        assert_eq!((read.uid, read.gid), (Some(u32::MAX - 1), None));
        assert_eq!(read.into_xattrs().unwrap(), [(b"user.x".to_vec(), b"\0=\n".to_vec())]);
    }

    #[test]
    fn every_cut_but_between_records_is_an_error() {
        let first = record(b"path", b"abc");
        let text = [&first[..], &record(b"mtime", b"1.5")].concat();
        for cut in 0..text.len() {
            assert_eq!(Records::parse(&text[..cut]).is_ok(), [0, first.len()].contains(&cut), "{cut}");
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for text in [
            &b"6 a=b"[..],
            b"5 a=b\n",
            b"7 a=b\n",
            b"0 a=b\n",
            b"-6 a=b\n",
            b" 6 a=b\n",
            b"99999999999999999999 a=b\n",
            b"18446744073709551615 a=b\n",
            b"6\0a=b\n",
            b"4 ab\n",
            b"5 =b\n",
            b"6 \0=b\n",
            b"3 \n",
            b"2\n",
            b"6 a=b\n\0x",
            b"6 a=b\nx",
        ] {
            assert!(Records::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for (keyword, value) in [
            ("path", &b""[..]),
            ("path", b"a\0b"),
            ("linkpath", b""),
            ("size", b""),
            ("size", b"-1"),
            ("size", b"1.5"),
            ("size", b"0x10"),
            ("size", b"+1"),
            ("size", b"9223372036854775808"),
            ("uid", b"4294967295"),
            ("uid", b"-2"),
            ("gid", b"99999999999999"),
            ("mtime", b""),
            ("mtime", b"1e9"),
            ("mtime", b"."),
            ("mtime", b"1.2.3"),
            ("mtime", b"99999999999999999999"),
            ("hdrcharset", b"KOI8-R"),
            ("LIBARCHIVE.xattr.user.a", b"A"),
            ("LIBARCHIVE.xattr.user.a", b"!!!!"),
            ("GNU.volume.offset", b"512"),
            ("GNU.sparse.nonesuch", b"1"),
            ("SUN.holesdata", b" 0 1"),
        ] {
            assert!(Records::parse(&record(keyword.as_bytes(), value)).is_err(), "{keyword} {value:?}");
        }
    }

    #[test]
    fn times_before_and_after_1970() {
        for (text, value) in [
            ("0", (0, 0)),
            ("1.5", (1, 500_000_000)),
            ("1.", (1, 0)),
            ("1700000000.123456789987", (1_700_000_000, 123_456_789)),
            ("-1", (-1, 0)),
            ("-1.5", (-2, 500_000_000)),
            ("-0.000000001", (-1, 999_999_999)),
            ("-0.0000000001", (-1, 999_999_999)),
            ("-1.9999999999", (-2, 0)),
            ("-1.0", (-1, 0)),
            ("9223372036854775807.999999999", (i64::MAX, 999_999_999)),
            ("-9223372036854775807.5", (i64::MIN, 500_000_000)),
        ] {
            assert_eq!(time(text.as_bytes()), Some(value), "{text}");
        }
    }

    #[test]
    fn attributes_of_both_writers() {
        let gnu = records(&[("SCHILY.xattr.user.x%3Dy%25z%20", b"1"), ("SCHILY.xattr.user.x%3Dy%25z%20", b"2")]);
        assert_eq!(Records::parse(&gnu).unwrap().into_xattrs().unwrap(), [(b"user.x=y%z%20".to_vec(), b"2".to_vec())]);
        let bsd = records(&[
            ("LIBARCHIVE.xattr.user.x%3Dy%20z", b"AP8"),
            ("SCHILY.xattr.user.x%3Dy%20z", b"\0\xff"),
            ("LIBARCHIVE.xattr.user.e", b""),
        ]);
        let both = [(b"user.x=y z".to_vec(), b"\0\xff".to_vec()), (b"user.e".to_vec(), Vec::new())];
        assert_eq!(Records::parse(&bsd).unwrap().into_xattrs().unwrap(), both);
    }

    #[test]
    fn what_cannot_be_a_name_of_an_attribute() {
        let long = format!("SCHILY.xattr.user.{}", "x".repeat(255));
        for keyword in ["SCHILY.xattr.", "LIBARCHIVE.xattr.user.a%00b", &long] {
            assert!(Records::parse(&records(&[(keyword, b"eQ==")])).unwrap().into_xattrs().is_err(), "{keyword}");
        }
    }

    #[test]
    fn a_global_header_speaks_of_many_files_only() {
        let mut globals = Globals::default();
        globals.parse(&records(&[("comment", b"0123"), ("uid", b"5"), ("mtime", b"7.5")])).unwrap();
        globals.parse(&records(&[("uid", b""), ("gid", b"6"), ("GNU.volume.label", b"x")])).unwrap();
        assert_eq!((globals.uid, globals.gid, globals.modified), (None, Some(6), Some((7, 500_000_000))));
        for keyword in ["path", "linkpath", "size", "GNU.sparse.size", "SCHILY.xattr.user.a", "SCHILY.acl.access"] {
            assert!(globals.parse(&records(&[(keyword, b"1")])).is_err(), "{keyword}");
        }
        assert!(globals.parse(&records(&[("gid", b"x")])).is_err());
    }

    #[test]
    fn base64_with_and_without_padding() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg", b"f"), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("+/8", b"\xfb\xff")]
        {
            assert_eq!(padded_base64(text.as_bytes()).as_deref(), Some(bytes), "{text:?}");
        }
        for text in ["Zg===", "Z", "Z=g", "Zh", "!!!!"] {
            assert_eq!(padded_base64(text.as_bytes()), None, "{text:?}");
        }
    }
}
