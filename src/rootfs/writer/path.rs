//! What an archive calls a path, made a list of names below the tree's root. Pure.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a path that an error or a note shows.
const SHOWN_MAX: usize = 256;

/// Names with one slash between, none of them `.` or `..`; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// Leading slashes and `.` mean nothing. Errors: `Invalid` for an empty path, a NUL, and `..` anywhere: what it
    /// leaves depends on symlinks, and no tool that is up to good writes it.
    pub fn parse(raw: &[u8]) -> Result<TreePath> {
        let refused = |why: &str| Err(Error::invalid(format!("the name {} {why}", shown(raw))));
        if raw.is_empty() {
            return refused("is empty");
        }
        if raw.contains(&0) {
            return refused("holds a NUL byte");
        }
        let mut path = Vec::with_capacity(raw.len());
        for name in raw.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return refused("holds \"..\""),
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        Ok(TreePath(path))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of the directory it stands in, and its name there; both empty for the root.
    pub fn split(&self) -> (&[u8], &OsStr) {
        let (parent, name) = match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (self.0.get(..slash), self.0.get(slash + 1..)),
            None => (None, Some(self.0.as_slice())),
        };
        (parent.unwrap_or_default(), OsStr::from_bytes(name.unwrap_or_default()))
    }
}

/// As a path to open; the root is `.`.
pub fn as_path(path: &[u8]) -> &Path {
    if path.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(path)) }
}

/// Quoted, on one line, and not longer than a line can be.
pub fn shown(path: &[u8]) -> String {
    match path.get(..SHOWN_MAX) {
        Some(start) if path.len() > SHOWN_MAX => format!("{:?}... ({} bytes)", OsStr::from_bytes(start), path.len()),
        _ => format!("{:?}", OsStr::from_bytes(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> String {
        String::from_utf8(TreePath::parse(raw.as_bytes()).unwrap().0).unwrap()
    }

    #[test]
    fn leading_slashes_and_dots_mean_nothing() {
        for raw in ["a/b", "/a/b", "./a/b", "././/a/./b/", "//a//b/."] {
            assert_eq!(parsed(raw), "a/b", "{raw}");
        }
        for raw in [".", "/", "./", "//.//"] {
            assert!(TreePath::parse(raw.as_bytes()).unwrap().is_root(), "{raw}");
        }
        assert_eq!(parsed("...a/..b"), "...a/..b");
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused_in_one_line() {
        for raw in [&b""[..], b"..", b"../x", b"a/../../x", b"a/..", b"/../x", b"a\0b", b"\n\0\xff"] {
            let error = TreePath::parse(raw).unwrap_err().to_string();
            assert!(error.starts_with("the name \"") && !error.contains('\n'), "{error}");
        }
        let long = [b"a/".repeat(40_000), b"..".to_vec()].concat();
        assert!(TreePath::parse(&long).unwrap_err().to_string().len() < 400);
    }

    #[test]
    fn a_path_is_a_directory_and_a_name() {
        let split = |raw: &str| {
            let path = TreePath::parse(raw.as_bytes()).unwrap();
            let (parent, name) = path.split();
            (parent.to_vec(), name.to_os_string())
        };
        assert_eq!(split("a/b/c"), (b"a/b".to_vec(), "c".into()));
        assert_eq!(split("c"), (Vec::new(), "c".into()));
        assert_eq!(split("/"), (Vec::new(), "".into()));
    }
}
