//! What is hidden of this host beside the table, and what of it is on filesystems of its own.

use crate::container::mounts::NOT_CARRIED;
use crate::container::state::State;
use crate::error::{Context, Result};
use crate::paths::{DEFAULT_DATADIR, Paths};
use crate::store::{datadir, runtime};
use crate::sys::dir::Dir;
use crate::text::mountinfo;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A line of /proc/swaps is about 100 bytes.
const SWAPS_MAX: u64 = 1 << 20;

#[derive(Default)]
pub struct Host {
    /// Hidden too: the rooms of every datadir that is known, files that are swapped to.
    pub hidden: Vec<PathBuf>,
    /// Directories of the table that are filesystems of their own and no layers: whence their skeleton is taken.
    pub mounted: Vec<(PathBuf, Dir)>,
}

impl Host {
    pub fn read(state: &State, paths: &Paths) -> Result<Host> {
        let mut hidden = rooms(paths)?;
        hidden.extend(swap_files(&swaps(paths)?));
        Ok(Host { hidden, mounted: mounted(state, paths) })
    }
}

/// The rooms of the datadir in use, of the default one, and of those of which containers were started.
fn rooms(paths: &Paths) -> Result<Vec<PathBuf>> {
    let mut datadirs = BTreeSet::from([paths.datadir().to_path_buf(), paths.host(DEFAULT_DATADIR)]);
    datadirs.extend(runtime::all(paths)?.into_iter().filter_map(|(_, runtime)| Some(runtime.ok()?.datadir)));
    let inside = datadirs.iter().filter_map(|datadir| datadir.strip_prefix(paths.host_root()).ok());
    let rooms = inside.flat_map(|datadir| datadir::ROOMS.map(|room| Path::new("/").join(datadir).join(room)));
    Ok(rooms.collect())
}

fn swaps(paths: &Paths) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // Absent where the kernel has no swap.
    if let Ok(file) = File::open(paths.host("/proc/swaps")) {
        file.take(SWAPS_MAX).read_to_end(&mut text).context("/proc/swaps")?;
    }
    Ok(text)
}

/// The files that the kernel swaps to, from the text of /proc/swaps (proc_swaps(5)).
fn swap_files(text: &[u8]) -> Vec<PathBuf> {
    let lines = text.split(|byte| *byte == b'\n').skip(1);
    let path = |line: &[u8]| {
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let path = PathBuf::from(mountinfo::unescaped(words.next()?));
        (words.next()? == b"file" && path.is_absolute()).then_some(path)
    };
    lines.filter_map(path).collect()
}

/// Only what was found to be on a disk of this machine is opened: nothing else is sure not to hang.
fn mounted(state: &State, paths: &Paths) -> Vec<(PathBuf, Dir)> {
    let own = state.skipped.iter().filter(|skipped| skipped.why == NOT_CARRIED).map(|skipped| &skipped.mountpoint);
    let open = |path: &PathBuf| {
        let there = paths.host_root().join(path.strip_prefix("/").unwrap_or(path));
        Some((path.clone(), Dir::open(&there).ok()?))
    };
    own.filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_swapped_to_are_found_and_partitions_are_not() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/vda2                               partition\t1\t0\t-2\n/a\\040b\tfile\t\t1\t0\t-3\ngarbage\n";
        assert_eq!(swap_files(text), [Path::new("/a b")]);
        assert!(swap_files(b"").is_empty());
    }
}
