//! What all our records share, around their pairs: the version before them, and after them a last line `end` by which
//! a record that was cut is known. Pure.

use crate::error::{Error, Result};
use crate::text::keyvalue::Pairs;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const END: &[u8] = b"end\n";

/// The text of a record: its version, its pairs, its end.
pub fn render(version: u32, pairs: &Pairs) -> String {
    format!("version={version}\n{}end\n", pairs.render())
}

/// The pairs of a record; whoever reads it takes each, and then says that this was all.
#[derive(Debug)]
pub struct Fields {
    pairs: Pairs,
    taken: BTreeSet<String>,
}

impl Fields {
    /// Errors: `Invalid`: empty, cut, rewritten by an editor, garbage (with its line), or of a newer version.
    pub fn parse(bytes: &[u8], version: u32) -> Result<Fields> {
        if bytes.is_empty() {
            return Err(Error::invalid("it is empty"));
        }
        if bytes.contains(&b'\r') {
            return Err(Error::invalid("it has CR LF line ends: an editor has rewritten it"));
        }
        let pairs = match bytes.strip_suffix(END) {
            Some(pairs) if pairs.ends_with(b"\n") => Pairs::parse(pairs)?,
            // The line that is garbage says more than the missing end.
            _ => {
                return Err(Pairs::parse(bytes)
                    .err()
                    .unwrap_or_else(|| Error::invalid("it was cut: its end is missing")));
            }
        };
        let mut fields = Fields { pairs, taken: BTreeSet::new() };
        fields.check_version(version)?;
        Ok(fields)
    }

    /// An older program must not guess what a newer one meant.
    fn check_version(&mut self, known: u32) -> Result<()> {
        match self.number("version")? {
            0 => Err(Error::invalid("there is no version 0")),
            version if version > u64::from(known) => Err(Error::invalid(format!(
                "it has version {version} and this program knows {known}: use the newer sdme that wrote it"
            ))),
            _ => Ok(()),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.pairs.get(key).is_some()
    }

    pub fn number(&mut self, key: &str) -> Result<u64> {
        self.take(key);
        self.pairs.number(key)
    }

    pub fn text(&mut self, key: &str) -> Result<String> {
        self.take(key);
        Ok(self.pairs.text(key)?.to_string())
    }

    /// An absolute path without empty, `.` or `..` components.
    pub fn path(&mut self, key: &str) -> Result<PathBuf> {
        self.take(key);
        let bytes = self.pairs.need(key)?;
        let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let is_odd = |word: &[u8]| matches!(word, b"" | b"." | b"..");
        let plain =
            bytes == b"/" || bytes.strip_prefix(b"/").is_some_and(|rest| !rest.split(|b| *b == b'/').any(is_odd));
        if plain && !bytes.contains(&0) {
            Ok(path)
        } else {
            Err(Error::invalid(format!("{key}: {path:?} is no absolute path")))
        }
    }

    /// Every field has been taken, or the record says something that we do not understand.
    pub fn finish(self) -> Result<()> {
        match self.pairs.iter().find(|(key, _)| !self.taken.contains(*key)) {
            None => Ok(()),
            Some((key, _)) => Err(Error::invalid(format!("{key} is unknown"))),
        }
    }

    fn take(&mut self, key: &str) {
        self.taken.insert(key.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        Fields::parse(text, 1).unwrap_err().to_string()
    }

    #[test]
    fn fields_come_back() {
        let mut pairs = Pairs::new();
        pairs.push("path", b"/a b\\%\n\xff=\r");
        let text = render(1, &pairs);
        let mut fields = Fields::parse(text.as_bytes(), 1).unwrap();
        assert_eq!(fields.path("path").unwrap().into_os_string().into_vec(), b"/a b\\%\n\xff=\r");
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
        let cases: [(&[u8], &str); 8] = [
            (b"", "empty"),
            (b"version=1\r\nend\r\n", "CR LF"),
            (b"version=2\nend\n", "version 2"),
            (b"version=0\nend\n", "version 0"),
            (b"version=1\nname\nend\n", "line 2"),
            (b"version=1\n\x00\nend\n", "line 2"),
            (b"version=1\na=1\n", "cut"),
            (b"name=x\nend\n", "version is missing"),
        ];
        for (text, told) in cases {
            assert!(fault(text).contains(told), "{text:?}: {}", fault(text));
        }
        assert!(Fields::parse(b"version=1\nend\nmore=1\n", 1).is_err());
        assert!(Fields::parse(b"version=1\nx=end\n", 1).is_err());
    }

    #[test]
    fn unknown_keys_are_errors() {
        let fields = Fields::parse(b"version=1\na=1\nend\n", 1).unwrap();
        assert_eq!(fields.finish().unwrap_err().to_string(), "a is unknown");
    }

    #[test]
    fn paths_are_plain() {
        for path in ["", "a", "/a/", "//", "/a/../b", "/a/./b", "/a\\x00b"] {
            let text = format!("version=1\npath={path}\nend\n");
            assert!(Fields::parse(text.as_bytes(), 1).unwrap().path("path").is_err(), "{path:?}");
        }
    }
}
