//! Small files of ours: read with a bound, replaced whole or not at all.

use crate::error::{Context, Error, Result};
use crate::sys::dir::Dir;
use crate::sys::kernel;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;

/// A replacement that is being written, or that was killed, begins with this. Nobody reads it.
const TEMPORARY_PREFIX: &str = ".new-";

/// Whether a name is that of a replacement.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

/// The bytes of a regular file. None when there is none.
///
/// Errors: `Invalid` when it is longer than `most` bytes, or no regular file.
pub fn read_limited(dir: &Dir, name: impl AsRef<OsStr>, most: usize) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref();
    let file = match dir.open_file(name) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("reading {name:?}"))?;
    if bytes.len() > most {
        return Err(Error::invalid(format!("{name:?} is longer than {most} bytes")));
    }
    Ok(Some(bytes))
}

/// Makes the file `name`; it is on disk when this returns, its name when the directory is synced.
pub fn create(dir: &Dir, name: impl AsRef<OsStr>, bytes: &[u8], mode: u32) -> Result<()> {
    let name = name.as_ref();
    let mut file = dir.create_file(name, mode)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| format!("writing {name:?}"))
}

/// Replaces the file `name`: whoever reads it, and whoever starts after a power cut, sees the old bytes or the new.
pub fn write(dir: &Dir, name: impl AsRef<OsStr>, bytes: &[u8], mode: u32) -> Result<()> {
    let temporary = format!("{TEMPORARY_PREFIX}{}", kernel::hex(&kernel::random::<8>()?));
    let written = create(dir, &temporary, bytes, mode).and_then(|()| dir.rename(&temporary, dir, name.as_ref()));
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = dir.unlink(&temporary);
        return Err(error);
    }
    dir.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    #[test]
    fn a_record_is_replaced_whole() {
        let scratch = Scratch::new("record-write");
        write(scratch.dir(), "r", b"one", 0o600).unwrap();
        write(scratch.dir(), "r", b"two", 0o600).unwrap();
        assert_eq!(read_limited(scratch.dir(), "r", 3).unwrap().unwrap(), b"two");
        assert_eq!(scratch.dir().entries(10).unwrap().len(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_one_alone() {
        let scratch = Scratch::new("record-failed");
        scratch.dir().mkdir("r", 0o700).unwrap().create_file("inside", 0o600).unwrap();
        assert!(write(scratch.dir(), "r", b"x", 0o600).is_err());
        assert_eq!(scratch.dir().entries(10).unwrap().len(), 1);
    }

    #[test]
    fn reading_is_bounded_and_follows_nothing() {
        let scratch = Scratch::new("record-read");
        write(scratch.dir(), "r", b"four", 0o600).unwrap();
        assert!(read_limited(scratch.dir(), "r", 3).is_err());
        assert_eq!(read_limited(scratch.dir(), "absent", 3).unwrap(), None);
        scratch.dir().symlink(OsStr::new("r"), "link").unwrap();
        assert!(read_limited(scratch.dir(), "link", 9).is_err());
    }
}
