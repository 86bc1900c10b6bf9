//! The imported root filesystems, and what is wrong with those that are broken.

use crate::error::Result;
use crate::paths::Paths;
use crate::rootfs::inspect::{self, Facts};
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::origin::{self, Known, Origin};
use crate::store::stage::{self, ENTRIES_MAX};
use crate::sys::dir::Dir;

/// One root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: Name,
    /// Where it came from; None for a tree that was laid there by hand.
    pub origin: Option<Origin>,
    pub facts: Facts,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// What a killed command left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// Stages of imports that run, or were killed.
    pub stages: usize,
}

pub fn list(paths: &Paths) -> Result<Listing> {
    let entries = datadir::filesystem_names(paths)?.into_iter().map(|name| entry(paths, name)).collect();
    Ok(Listing { entries, stages: stages(paths)? })
}

/// One of them. Errors: `NotFound`, with those that there are.
pub fn lookup(paths: &Paths, name: &Name) -> Result<Entry> {
    match datadir::filesystem_names(paths)?.contains(name) {
        true => Ok(entry(paths, name.clone())),
        false => Err(datadir::no_filesystem(paths, name)),
    }
}

fn entry(paths: &Paths, name: Name) -> Entry {
    let (facts, fault) = match datadir::filesystem(paths, &name) {
        Ok(root) => (inspect::inspect(&root), None),
        Err(error) => (Facts::default(), Some(error.to_string())),
    };
    let (origin, mismatch) = match origin::read(paths, &name) {
        Ok(Known::Origin(origin)) => (Some(origin), None),
        Ok(Known::Nothing) => (None, None),
        Ok(Known::OfAnother(origin)) => (Some(origin), Some(origin::foreign(&name).to_string())),
        Err(error) => (None, Some(error.to_string())),
    };
    let problem = fault.or(mismatch).or_else(|| facts.lacks());
    Entry { name, origin, facts, problem }
}

fn stages(paths: &Paths) -> Result<usize> {
    let filesystems = match Dir::open(&paths.filesystems()) {
        Err(error) if error.is_not_found() => return Ok(0),
        other => other?,
    };
    Ok(filesystems.entries(ENTRIES_MAX)?.iter().filter(|entry| stage::is_left_over(&entry.name)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;

    #[test]
    fn trees_laid_there_by_hand_and_broken_ones_are_listed() {
        let scratch = Scratch::new("fs-list");
        let paths = Paths::under(scratch.path());
        assert_eq!(list(&paths).unwrap(), Listing::default());
        datadir::ensure(&paths).unwrap();
        fs::create_dir_all(paths.filesystems().join("sid/etc")).unwrap();
        fs::write(paths.filesystems().join("file"), "").unwrap();
        fs::write(paths.filesystems().join("sid.origin"), "garbage").unwrap();
        fs::create_dir(paths.filesystems().join(".stage-x")).unwrap();
        let listing = list(&paths).unwrap();
        let names: Vec<&str> = listing.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!((names, listing.stages), (vec!["file", "sid"], 1));
        assert!(listing.entries[0].problem.as_ref().unwrap().contains("file"));
        assert!(listing.entries[1].problem.as_ref().unwrap().contains("sid.origin"));
        let absent = lookup(&paths, &Name::parse("trixie").unwrap()).unwrap_err();
        assert!(absent.is_not_found() && absent.to_string().contains("there are: file, sid"));
    }
}
