//! /proc/PID/mountinfo (proc_pid_mountinfo(5)): what is mounted where, in the order of mounting. Pure and total.

use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A host with thousands of containers has some MiB of it.
pub const MOUNTINFO_MAX: usize = 64 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub id: u64,
    /// The id of the mount on which it is; that of a mount out of sight for the outermost.
    pub parent: u64,
    /// Major and minor of the filesystem.
    pub dev: (u32, u32),
    /// What of the filesystem is mounted.
    pub root: PathBuf,
    pub mountpoint: PathBuf,
    /// With its subtype: `fuse.sshfs`.
    pub fstype: String,
    pub source: OsString,
}

/// Every mount. Errors: `Invalid`, naming the line.
pub fn parse(text: &[u8]) -> Result<Vec<Mount>> {
    let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let parsed = lines.map(|(index, line)| {
        mount(line).ok_or_else(|| Error::invalid(format!("mountinfo: line {} is not understood", index + 1)))
    });
    parsed.collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = number(words.next()?)?;
    let parent = number(words.next()?)?;
    let dev = device(words.next()?)?;
    let root = PathBuf::from(unescaped(words.next()?));
    let mountpoint = PathBuf::from(unescaped(words.next()?));
    let _options = words.next()?;
    // Any number of optional fields, up to a lone hyphen.
    words.find(|word| *word == b"-")?;
    let fstype = unescaped(words.next()?).into_string().ok()?;
    let source = unescaped(words.next()?);
    let _super_options = words.next()?;
    Some(Mount { id, parent, dev, root, mountpoint, fstype, source })
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn device(word: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The kernel writes space, tab, line feed, backslash and `#` as a backslash and three octal digits.
pub fn unescaped(word: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        match (*first == b'\\').then(|| octal(after)).flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

fn octal(digits: &[u8]) -> Option<u8> {
    let [high, middle, low] = digits.get(..3)? else { return None };
    let digit = |byte: &u8| matches!(byte, b'0'..=b'7').then(|| u32::from(byte - b'0'));
    u8::try_from(digit(high)? * 64 + digit(middle)? * 8 + digit(low)?).ok()
}

/// The mounts at or below `path`.
pub fn below<'a>(mounts: &'a [Mount], path: &'a Path) -> impl Iterator<Item = &'a Mount> {
    mounts.iter().filter(move |mount| mount.mountpoint.starts_with(path))
}

/// Whether `mount` is what one finds at its mountpoint: nothing was mounted over it, nor over a directory above it.
pub fn is_reachable(mounts: &[Mount], mount: &Mount) -> bool {
    let mut inner = mount;
    if mounts
        .iter()
        .any(|child| child.parent == mount.id && child.id != mount.id && child.mountpoint == mount.mountpoint)
    {
        return false;
    }
    // Each mount on the way up must be reached through its parent, not through what covers the parent's directory.
    for _ in 0..mounts.len() {
        let Some(outer) = mounts.iter().find(|outer| outer.id == inner.parent && outer.id != inner.id) else {
            return true;
        };
        let covers = |other: &Mount| {
            other.parent == outer.id
                && other.id != inner.id
                && other.id != outer.id
                && inner.mountpoint.starts_with(&other.mountpoint)
        };
        if mounts.iter().any(covers) {
            return false;
        }
        inner = outer;
    }
    false
}

/// What one finds at `path`, if it is a mountpoint.
pub fn lookup<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.mountpoint == path && is_reachable(mounts, mount))
}

/// Whether a filesystem was unmounted from under it: the kernel appends this to the path of a directory that is gone.
pub fn is_deleted(path: &OsStr) -> bool {
    path.as_bytes().ends_with(b"//deleted")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
        28 27 0:25 / /mnt/a\\040b\\134\\012 ro shared:7 master:1 - fuse.sshfs host:/x ro,size=4k\n";

    #[test]
    fn fields_are_found_behind_optional_ones() {
        let mounts = parse(TEXT).unwrap();
        assert_eq!((mounts[0].id, mounts[0].parent, mounts[0].dev), (27, 1, (254, 0)));
        assert_eq!(mounts[1].mountpoint, Path::new("/mnt/a b\\\n"));
        assert_eq!((mounts[1].fstype.as_str(), mounts[1].source.as_bytes()), ("fuse.sshfs", &b"host:/x"[..]));
    }

    #[test]
    fn every_cut_is_an_error_or_a_whole_number_of_fields() {
        for length in 0..TEXT.len() {
            let _ = parse(&TEXT[..length]);
        }
        assert!(parse(b"27 1 254:0 / / rw\n").is_err());
        assert!(parse(b"x 1 254:0 / / rw - ext4 a rw\n").is_err());
        assert!(parse(b"27 1 254:0 / / rw shared:1 ext4 a rw\n").is_err());
    }

    #[test]
    fn what_is_no_escape_stays() {
        for (word, text) in [("\\", "\\"), ("\\04", "\\04"), ("\\777", "\\777"), ("\\0400", " 0"), ("\\x41", "\\x41")] {
            assert_eq!(unescaped(word.as_bytes()), text);
        }
    }

    #[test]
    fn the_topmost_mount_is_what_one_finds() {
        let text = b"1 0 8:1 / / rw - ext4 a rw\n\
            2 1 8:2 / /srv rw - ext4 b rw\n\
            3 2 8:3 / /srv/in rw - ext4 c rw\n\
            4 2 8:4 / /srv rw - xfs d rw\n\
            5 1 8:5 / /a rw - ext4 e rw\n\
            6 5 8:6 / /a/b rw - ext4 f rw\n";
        let mounts = parse(text).unwrap();
        let reachable: Vec<u64> = mounts.iter().filter(|m| is_reachable(&mounts, m)).map(|m| m.id).collect();
        assert_eq!(reachable, [1, 4, 5, 6]);
        assert_eq!(lookup(&mounts, Path::new("/srv")).unwrap().fstype, "xfs");
        assert_eq!(lookup(&mounts, Path::new("/srv/in")), None);
        assert_eq!(below(&mounts, Path::new("/a")).count(), 2);
    }

    #[test]
    fn mounts_that_name_each_other_end() {
        let text = b"1 2 8:1 / /x rw - ext4 a rw\n2 1 8:2 / /y rw - ext4 b rw\n3 3 8:2 / / rw - ext4 b rw\n";
        let mounts = parse(text).unwrap();
        assert!(!is_reachable(&mounts, &mounts[0]));
        assert!(is_reachable(&mounts, &mounts[2]));
    }
}
