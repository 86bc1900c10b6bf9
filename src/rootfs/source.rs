//! What was typed as SOURCE: a directory, a file, standard input or a URL; and the name that it suggests. Pure but for one
//! look at what a path is, which the caller lends.

use crate::error::{Error, Kind, Result};
use crate::http::url::Url;
use crate::store::name::{NAME_MAX, Name};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where an import comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Directory(PathBuf),
    /// A regular file, or a device or FIFO that is read like one.
    File(PathBuf),
    Stdin,
    /// `http://` or `https://`.
    Url(String),
}

/// Endings of file names that say nothing of what is in them, longest first within each round.
const ENDINGS: [&str; 32] = [
    ".gz",
    ".xz",
    ".bz2",
    ".zst",
    ".zstd",
    ".lz4",
    ".lzma",
    ".tgz",
    ".txz",
    ".tbz2",
    ".tbz",
    ".tzst",
    ".tar",
    ".oci",
    ".ociarchive",
    ".qcow2",
    ".raw",
    ".img",
    ".iso",
    ".vmdk",
    ".vhd",
    ".vhdx",
    ".squashfs",
    ".erofs",
    ".ext4",
    ".rootfs",
    "-rootfs",
    ".tree",
    ".d",
    ".root",
    ".docker",
    ".image",
];

impl Source {
    /// `is_directory` looks at a path of the caller's.
    ///
    /// Errors: `Usage` for a URL of a scheme that is not read.
    pub fn parse(typed: &OsStr, is_directory: impl Fn(&Path) -> bool) -> Result<Source> {
        if typed == "-" {
            return Ok(Source::Stdin);
        }
        let path = match scheme(typed.as_bytes()) {
            None => PathBuf::from(typed),
            Some(scheme) if scheme == "http" || scheme == "https" => return url(typed),
            Some(scheme) if scheme == "file" => file_url(typed)?,
            Some(scheme) => {
                let known = "http, https and file";
                return Err(Error::usage(format!("{typed:?}: {scheme} is none of the schemes that are read: {known}")));
            }
        };
        if path.as_os_str().is_empty() {
            return Err(Error::usage("SOURCE is empty"));
        }
        Ok(if is_directory(&path) { Source::Directory(path) } else { Source::File(path) })
    }

    /// As it stands in messages and in the origin record: a URL without the credentials in it.
    pub fn shown(&self) -> String {
        match self {
            Source::Directory(path) | Source::File(path) => path.to_string_lossy().into_owned(),
            Source::Stdin => "-".to_string(),
            Source::Url(url) => without_credentials(url),
        }
    }

    /// As the origin record keeps it: as shown, but a path from the root on, so that it is found again from anywhere.
    /// Symlinks in it stay: what they lead to next time is what is wanted then.
    pub fn recorded(&self) -> String {
        match self {
            Source::Directory(path) | Source::File(path) => match std::path::absolute(path) {
                Ok(path) => path.to_string_lossy().into_owned(),
                // Without a working directory that can be named.
                Err(_) => self.shown(),
            },
            Source::Stdin | Source::Url(_) => self.shown(),
        }
    }

    /// The name that the source suggests: its last word without what only says how it is packed.
    pub fn suggested_name(&self) -> Option<Name> {
        match self {
            Source::Directory(path) | Source::File(path) => name_of(path.file_name()?.as_bytes()),
            Source::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                name_of(path.trim_end_matches('/').rsplit('/').next()?.as_bytes())
            }
            Source::Stdin => None,
        }
    }
}

fn url(typed: &OsStr) -> Result<Source> {
    let text = typed.to_str().filter(|text| !text.chars().any(|c| c.is_control() || c.is_whitespace()));
    let text = text.ok_or_else(|| Error::usage(format!("{typed:?} is no URL: other characters are written as %XX")))?;
    Url::parse(text).map_err(|error| error.with_kind(Kind::Usage))?;
    Ok(Source::Url(text.to_string()))
}

/// `file:///path` or `file://localhost/path`, with %XX.
fn file_url(typed: &OsStr) -> Result<PathBuf> {
    let refused = |why: &str| Error::usage(format!("{typed:?}: {why}"));
    let rest = typed.as_bytes().get("file://".len()..).unwrap_or_default();
    let path = rest.strip_prefix(b"localhost").unwrap_or(rest);
    if !path.starts_with(b"/") {
        return Err(refused("a file URL names a path of this machine: file:///path"));
    }
    let path = decoded(path).ok_or_else(|| refused("a % is not followed by two hexadecimal digits"))?;
    if path.contains(&0) {
        return Err(refused("%00 cannot be in a path"));
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => (digit(*rest.next()?)? << 4) | digit(*rest.next()?)?,
            other => *other,
        });
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The lower-case scheme before `://`; a path such as `a:b` has none.
fn scheme(typed: &[u8]) -> Option<String> {
    let end = typed.windows(3).position(|three| three == b"://")?;
    let scheme = typed.get(..end).filter(|word| !word.is_empty())?;
    let fits = scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    fits.then(|| String::from_utf8_lossy(scheme).to_ascii_lowercase())
}

fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn name_of(word: &[u8]) -> Option<Name> {
    let mut word = String::from_utf8_lossy(word).to_ascii_lowercase();
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending)) {
        word = shorter.to_string();
    }
    let plain = word.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let mut name = String::new();
    for letter in plain {
        if letter != '-' || !name.ends_with('-') {
            name.push(letter);
        }
    }
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let cut = name.get(..name.len().min(NAME_MAX))?;
    Name::parse(cut.trim_end_matches('-')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Source> {
        Source::parse(OsStr::new(typed), |path| path.ends_with("dir"))
    }

    #[test]
    fn each_form_is_known_by_its_look() {
        assert_eq!(parse("-").unwrap(), Source::Stdin);
        assert_eq!(parse("/a/dir").unwrap(), Source::Directory("/a/dir".into()));
        assert_eq!(parse("a:b.tar").unwrap(), Source::File("a:b.tar".into()));
        assert_eq!(parse("file:///a%20b").unwrap(), Source::File("/a b".into()));
        assert_eq!(parse("file://localhost/x/dir").unwrap(), Source::Directory("/x/dir".into()));
        assert_eq!(parse("HTTPS://h/x").unwrap(), Source::Url("HTTPS://h/x".into()));
        for wrong in [
            "ftp://h/x",
            "file://host/x",
            "file:///a%2",
            "file:///a%zz",
            "file:///%00",
            "http://h/a b",
            "",
            "http:///x",
            "http://h:0/x",
            "https://h:x/",
        ] {
            assert_eq!(*parse(wrong).unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
    }

    #[test]
    fn names_are_taken_from_the_last_word() {
        let cases = [
            ("/tmp/Debian_13.2.tar.xz", "debian-13-2"),
            ("https://h/images/noble-rootfs.tar.gz?x=1#y", "noble"),
            ("https://u:p@h/Fedora-Container-Base.oci.tar.xz", "fedora-container-base"),
            ("/srv/trees/sid/dir", "dir"),
            ("24.04-ubuntu.tgz", "ubuntu"),
            ("a--b__c.tar", "a-b-c"),
        ];
        for (typed, name) in cases {
            assert_eq!(parse(typed).unwrap().suggested_name().unwrap().as_str(), name, "{typed}");
        }
        for typed in ["-", "/tmp/123.tar", "https://h/", "/"] {
            let name = parse(typed).unwrap().suggested_name();
            assert!(name.is_none() || typed == "https://h/", "{typed}: {name:?}");
        }
        let long = format!("/{}.tar", "x".repeat(300));
        assert_eq!(parse(&long).unwrap().suggested_name().unwrap().as_str().len(), NAME_MAX);
    }

    #[test]
    fn a_path_is_recorded_from_the_root_on() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(parse("./a/x.tar").unwrap().recorded(), here.join("a/x.tar").to_str().unwrap());
        assert_eq!(parse("../dir").unwrap().recorded(), here.join("../dir").to_str().unwrap());
        assert_eq!(parse("/x.tar").unwrap().recorded(), "/x.tar");
        for as_shown in ["-", "https://h/x"] {
            assert_eq!(parse(as_shown).unwrap().recorded(), as_shown);
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(parse("https://user:secret@h:8/p@q").unwrap().shown(), "https://h:8/p@q");
        assert_eq!(parse("https://h/p").unwrap().shown(), "https://h/p");
    }
}
