//! The template `sdme@.service` on this host: the package's own, or one that a bare binary writes below /run, and below /etc
//! where it is to last.

use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::store::record;
use crate::sys::dir::Dir;
use crate::sys::meta;
use crate::sys::resolve::{Executable, Root};
use crate::systemd::{links, unit};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const FILE: &str = "sdme@.service";
const MODE: u32 = 0o644;
/// Others may make entries in a sticky directory, but not replace root's.
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Sees to it that systemd finds a template, and tells whether it must be told to look again.
pub fn ensure(paths: &Paths) -> Result<bool> {
    let directory = paths.host("/run/systemd/system");
    let ours = directory.join(FILE);
    let theirs = paths
        .unit_directories()
        .into_iter()
        .map(|directory| directory.join(FILE))
        .find(|path| *path != ours && path.exists());
    if theirs.is_some() {
        return Ok(false);
    }
    let text = unit::template(&own_binary()?)?;
    match fs::read_to_string(&ours) {
        Ok(present) if present == text => Ok(false),
        _ => write(&directory, &text).map(|()| true),
    }
}

/// Sees to it that there is a template that outlasts a boot, and gives its path: a link to one below /run dangles after it.
///
/// Errors: it is masked; there is none, and none can be written.
pub fn ensure_lasting(paths: &Paths, root: &Root) -> Result<PathBuf> {
    if let Some(path) = links::find(root, FILE)? {
        return Ok(path);
    }
    let text = unit::template(&if paths.is_image() { binary_in(root)? } else { own_binary()? })?;
    let written = root
        .ensure_directory(Path::new(links::DIRECTORY), 0o755)
        .and_then(|dir| record::write(&dir.reopen()?, FILE, text.as_bytes(), MODE));
    written.with_context(|| format!("writing {FILE} in {}", links::DIRECTORY))?;
    Ok(Path::new(links::DIRECTORY).join(FILE))
}

fn own_binary() -> Result<PathBuf> {
    let binary = fs::read_link("/proc/self/exe").context("/proc/self/exe")?;
    check_owner(&binary)?;
    Ok(binary)
}

/// Where the program stands in an image: the one that makes it is the builder's, and may stand anywhere.
fn binary_in(root: &Root) -> Result<PathBuf> {
    const PLACES: [&str; 2] = ["/usr/bin/sdme", "/usr/local/bin/sdme"];
    let found = PLACES.iter().find_map(|place| match root.find_executable("", Path::new(place)) {
        Executable::Found(path) => Some(path),
        _ => None,
    });
    let binary = found.ok_or_else(|| {
        Error::failed(format!(
            "the image has neither the unit {FILE} nor sdme itself (looked for {}): install the package or the program there \
             first",
            PLACES.join(", ")
        ))
    })?;
    let meta = meta::of(root.open_place(&binary)?)?;
    match fault(meta.uid, meta.mode, false) {
        Some(fault) => Err(Error::failed(format!(
            "systemd is to run the image's {binary:?} as root, but it {fault}: chown, chmod it"
        ))),
        None => Ok(binary),
    }
}

/// systemd will run this file as root: nobody but root may be able to change it, nor any directory on the way to it.
fn check_owner(binary: &Path) -> Result<()> {
    for path in binary.ancestors() {
        let meta = fs::symlink_metadata(path).with_context(|| format!("{path:?}"))?;
        if let Some(fault) = fault(meta.uid(), meta.mode(), path != binary) {
            return Err(Error::failed(format!(
                "systemd is to run {binary:?} as root, but {path:?} {fault}: \
                 install it first (make install, or: install -m 755 {binary:?} /usr/local/bin/sdme)"
            )));
        }
    }
    Ok(())
}

fn fault(uid: u32, mode: u32, directory: bool) -> Option<&'static str> {
    if uid != 0 {
        Some("does not belong to root")
    } else if mode & WRITABLE_BY_OTHERS != 0 && !(directory && mode & STICKY != 0) {
        Some("can be written by others than root")
    } else {
        None
    }
}

/// Each start of a batch may do this at once.
fn write(directory: &Path, text: &str) -> Result<()> {
    let written = Dir::open(directory).and_then(|dir| record::write(&dir, FILE, text.as_bytes(), MODE));
    written.with_context(|| format!("writing {FILE} in {directory:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    #[test]
    fn a_batch_of_starts_writes_it_at_once() {
        for _ in 0..20 {
            let scratch = Scratch::new("template-batch");
            std::thread::scope(|scope| {
                for starter in [0; 8].map(|_| scope.spawn(|| write(scratch.path(), "text"))) {
                    starter.join().unwrap().unwrap();
                }
            });
            assert_eq!(scratch.dir().entries(9).unwrap().len(), 1);
            assert_eq!(fs::read_to_string(scratch.path().join(FILE)).unwrap(), "text");
        }
    }

    #[test]
    fn only_roots_own_files_are_run_as_root() {
        assert_eq!(fault(0, 0o100755, false), None);
        assert_eq!(fault(0, 0o041777, true), None);
        assert!(fault(1000, 0o100755, false).is_some());
        assert!(fault(0, 0o100775, false).is_some());
        assert!(fault(0, 0o040757, true).is_some());
        assert!(fault(0, 0o101777, false).is_some());
    }
}
