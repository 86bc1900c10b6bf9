//! Whether a root filesystem is still what was imported: its tree is read again and held against its manifest, and that
//! against its record.

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::rootfs::{list, manifest};
use crate::store::name::Name;
use crate::store::origin::{self, Known};
use crate::sys::dir::Dir;
use std::io::BufReader;

/// Differences that are named.
const NAMED_MAX: usize = 100;

pub enum Verdict {
    Same,
    /// A line each.
    Changed(Vec<String>),
}

/// Errors: `NotFound`; it was never imported, or its manifest is not the one that its record tells of.
pub fn verify(paths: &Paths, name: &Name) -> Result<Verdict> {
    // What is not there is told with what there is.
    list::lookup(paths, name)?;
    let origin = match origin::read(paths, name).with_context(|| format!("root filesystem {name}"))? {
        Known::Origin(origin) => origin,
        Known::OfAnother(_) => return Err(origin::foreign(name)),
        Known::Nothing => {
            return Err(Error::failed(format!("{name} was not imported: there is nothing to compare it with")));
        }
    };
    let filesystems = Dir::open(&paths.filesystems())?;
    let written = origin::open_manifest(&filesystems, name).with_context(|| format!("{name}: its manifest"))?;
    let found = manifest::verify(&filesystems.subdir(name.as_str())?, BufReader::new(written), NAMED_MAX)?;
    if found.recorded != Digest::parse(&origin.tree)? {
        return Err(Error::failed(format!(
            "{name}: its manifest is not the one that was written when it was imported"
        )));
    }
    if found.count == 0 {
        return Ok(Verdict::Same);
    }
    let mut lines: Vec<String> = found.differences.iter().map(|difference| difference.to_string()).collect();
    let more = found.count - lines.len() as u64;
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Ok(Verdict::Changed(lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;

    #[test]
    fn what_is_not_there_is_told_with_what_there_is() {
        let scratch = Scratch::new("verify-absent");
        let paths = Paths::under(scratch.path());
        fs::create_dir_all(paths.filesystems().join("sid")).unwrap();
        let Err(error) = verify(&paths, &Name::parse("noble").unwrap()) else { panic!("it is not there") };
        assert!(error.is_not_found() && error.to_string().contains("there are: sid"), "{error}");
    }
}
