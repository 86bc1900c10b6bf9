//! Removing a whole tree by descriptors: no symlink is followed, no mount is crossed, no depth overflows a stack.

use crate::error::{self, Context, Error, Result};
use crate::sys::dir::{Dir, Entry};
use crate::sys::meta::{self, Kind, Meta};
use crate::sys::poll::{self, Wait};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Directories on the way down that stay open: of thirty-two trees at once still below the usual limit of 1024 descriptors.
/// Those above are opened again by `..` on the way back and checked to be the ones that were left.
const OPEN_MAX: usize = 16;
/// How often a directory that was read to its end and is not empty yet is read again.
const ROUNDS_MAX: u8 = 8;
/// Names removed before an interrupt is looked for again: a few milliseconds.
const STEPS_UNHEARD: u64 = 1000;
/// Names shown of a long path.
const SHOWN_MAX: usize = 12;

/// Removes `name` in `parent`, whatever it is; a name that does not exist is no error.
///
/// Immutable and append-only flags inside are taken away. Errors: a mount below it (named; what was removed before it
/// stays removed), or the system call that failed.
pub fn remove(parent: &Dir, name: &OsStr) -> Result<()> {
    remove_within(parent, name, Wait::for_ever())
}

/// The same until a deadline or an interrupt; what has not been removed then stays.
pub fn remove_within(parent: &Dir, name: &OsStr, wait: Wait<'_>) -> Result<()> {
    let Some(meta) = parent.lookup(name)? else { return Ok(()) };
    if !meta.is_dir() {
        return unlink(parent, name, meta.kind);
    }
    let mount = parent.meta()?.mount;
    let mut walk = Walk { parent, mount, levels: Vec::new() };
    walk.enter(name.to_os_string())?;
    for step in 1u64.. {
        if walk.levels.is_empty() {
            break;
        }
        walk.step().with_context(|| format!("removing {:?}", walk.path()))?;
        if step % STEPS_UNHEARD == 0 {
            check(wait)?;
        }
    }
    Ok(())
}

fn check(wait: Wait<'_>) -> Result<()> {
    poll::pause(Duration::ZERO, wait)?;
    if wait.is_over() { Err(Error::new(error::Kind::TimedOut, "it takes too long")) } else { Ok(()) }
}

struct Walk<'a> {
    parent: &'a Dir,
    mount: u64,
    levels: Vec<Level>,
}

struct Level {
    name: OsString,
    meta: Meta,
    /// None while it is too far up to be kept open.
    dir: Option<Dir>,
    /// Read and not yet removed.
    pending: Vec<Entry>,
    rounds: u8,
}

impl Walk<'_> {
    /// Removes one name of the innermost directory, or goes down into it, or leaves.
    fn step(&mut self) -> Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let Some(dir) = &level.dir else { return Err(changed()) };
        if level.pending.is_empty() {
            level.pending = dir.next_entries()?;
        }
        let Some(entry) = level.pending.pop() else { return self.leave() };
        let kind = match entry.kind {
            Some(kind) => Some(kind),
            None => dir.lookup(&entry.name)?.map(|meta| meta.kind),
        };
        match kind {
            Some(Kind::Directory) => self.enter(entry.name),
            Some(kind) => unlink(dir, &entry.name, kind),
            None => Ok(()),
        }
    }

    fn enter(&mut self, name: OsString) -> Result<()> {
        let dir = match self.innermost()?.subdir(&name) {
            // Removed, or replaced by a file, since it was read: the next round sees to it.
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => return Ok(()),
            other => other?,
        };
        let meta = dir.meta()?;
        if meta.mount != self.mount {
            return Err(Error::failed(format!("{name:?} is a mount point: unmount it first")));
        }
        self.levels.push(Level { name, meta, dir: Some(dir), pending: Vec::new(), rounds: 0 });
        if let Some(far) = self.levels.len().checked_sub(OPEN_MAX + 1) {
            // What it had read is read again: memory stays bounded however deep the tree is.
            self.levels[far].dir = None;
            self.levels[far].pending = Vec::new();
        }
        Ok(())
    }

    /// The innermost directory has been read to its end: removes it, and goes on in the one above.
    fn leave(&mut self) -> Result<()> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        let Some(dir) = level.dir.take() else { return Err(changed()) };
        self.reopen(&dir)?;
        match rmdir(self.innermost()?, &level.name, &dir) {
            Err(error) if error.errno() == Some(Errno::NOTEMPTY) && level.rounds < ROUNDS_MAX => {
                dir.rewind()?;
                self.levels.push(Level { dir: Some(dir), rounds: level.rounds + 1, ..level });
                Ok(())
            }
            other => other,
        }
    }

    /// Opens the directory above `child` again if it had been closed.
    fn reopen(&mut self, child: &Dir) -> Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.dir.is_none() {
            let dir = child.parent()?;
            let meta = dir.meta()?;
            if !meta.is_same(&level.meta) || meta.mount != level.meta.mount {
                return Err(changed());
            }
            level.dir = Some(dir);
        }
        Ok(())
    }

    fn innermost(&self) -> Result<&Dir> {
        match self.levels.last() {
            None => Ok(self.parent),
            Some(level) => level.dir.as_ref().ok_or_else(changed),
        }
    }

    fn path(&self) -> PathBuf {
        self.levels.iter().take(SHOWN_MAX).map(|level| level.name.as_os_str()).collect()
    }
}

fn changed() -> Error {
    Error::failed("the tree is changed by somebody else meanwhile")
}

fn unlink(dir: &Dir, name: &OsStr, kind: Kind) -> Result<()> {
    let freed = |error: &Error| -> Result<bool> {
        if !is_forbidden(error) {
            return Ok(false);
        }
        let file = if kind == Kind::File { dir.open_file(name).ok() } else { None };
        let of_file = file.map_or(Ok(false), meta::clear_flags)?;
        Ok(meta::clear_flags(dir)? | of_file)
    };
    again(|| dir.unlink(name), freed)
}

fn rmdir(parent: &Dir, name: &OsStr, dir: &Dir) -> Result<()> {
    let freed = |error: &Error| Ok(is_forbidden(error) && meta::clear_flags(dir)? | meta::clear_flags(parent)?);
    again(|| parent.rmdir(name), freed)
}

/// Removes; once more if `freed` could take away what forbade it. What is gone already is well.
fn again(removal: impl Fn() -> Result<()>, freed: impl Fn(&Error) -> Result<bool>) -> Result<()> {
    let result = match removal() {
        Err(error) if freed(&error)? => removal(),
        other => other,
    };
    match result {
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(()),
        Err(error) if error.errno() == Some(Errno::BUSY) => Err(error.context("something is mounted on it")),
        other => other,
    }
}

fn is_forbidden(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::PERM | Errno::ACCESS))
}

/// A directory for a test, gone with the value.
#[cfg(test)]
pub struct Scratch {
    path: PathBuf,
    dir: Dir,
}

#[cfg(test)]
impl Scratch {
    /// On the disk where the build is: tmpfs lacks what some tests look for.
    pub fn new(name: &str) -> Scratch {
        Scratch::in_directory(&std::env::temp_dir(), name)
    }

    /// In memory.
    pub fn in_memory(name: &str) -> Scratch {
        Scratch::in_directory(std::path::Path::new("/dev/shm"), name)
    }

    fn in_directory(directory: &std::path::Path, name: &str) -> Scratch {
        let path = directory.join(format!("sdme-test-{name}-{}", std::process::id()));
        let name = path.file_name().unwrap().to_os_string();
        let parent = Dir::open(directory).unwrap();
        remove(&parent, &name).unwrap();
        Scratch { dir: parent.mkdir(name, 0o700).unwrap(), path }
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        let parent = Dir::open(self.path.parent().unwrap()).unwrap();
        let _ = remove(&parent, self.path.file_name().unwrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(start: &Dir, depth: usize) {
        let mut dir = start.reopen().unwrap();
        for _ in 0..depth {
            dir = dir.mkdir("d", 0o700).unwrap();
            dir.create_file("f", 0o600).unwrap();
        }
    }

    #[test]
    fn a_tree_deeper_than_any_path_goes() {
        let scratch = Scratch::in_memory("tree-deep");
        let top = scratch.dir().mkdir("top", 0o700).unwrap();
        deep(&top, 10_000);
        remove(scratch.dir(), OsStr::new("top")).unwrap();
        assert_eq!(scratch.dir().entries(10).unwrap(), []);
    }

    #[test]
    fn a_wide_tree_goes() {
        let scratch = Scratch::in_memory("tree-wide");
        let top = scratch.dir().mkdir("top", 0o700).unwrap();
        for number in 0..5000 {
            top.mkdir(format!("d{number}"), 0o700).unwrap();
            top.create_file(format!("f{number}"), 0o600).unwrap();
        }
        remove(scratch.dir(), OsStr::new("top")).unwrap();
        assert_eq!(scratch.dir().entries(10).unwrap(), []);
    }

    #[test]
    fn what_symlinks_point_at_stays() {
        let scratch = Scratch::new("tree-links");
        let victim = scratch.dir().mkdir("victim", 0o700).unwrap();
        victim.create_file("precious", 0o600).unwrap();
        let top = scratch.dir().mkdir("top", 0o700).unwrap();
        top.symlink(OsStr::new("../victim"), "relative").unwrap();
        top.symlink(scratch.path().join("victim").as_os_str(), "absolute").unwrap();
        remove(scratch.dir(), OsStr::new("top")).unwrap();
        assert!(victim.lookup("precious").unwrap().is_some());
        scratch.dir().symlink(OsStr::new("victim"), "link").unwrap();
        remove(scratch.dir(), OsStr::new("link")).unwrap();
        assert!(victim.lookup("precious").unwrap().is_some());
    }

    #[test]
    fn immutable_and_append_only_things_go() {
        if !crate::sys::credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let scratch = Scratch::new("tree-flags");
        let top = scratch.dir().mkdir("top", 0o700).unwrap();
        let file = top.create_file("f", 0o600).unwrap();
        let inner = top.mkdir("inner", 0o700).unwrap();
        inner.create_file("g", 0o600).unwrap();
        let flag = |fd: &dyn std::os::fd::AsFd, flags| rustix::fs::ioctl_setflags(fd.as_fd(), flags);
        if flag(&file, rustix::fs::IFlags::IMMUTABLE).is_err() {
            return eprintln!("skip: this filesystem has no inode flags");
        }
        flag(&inner, rustix::fs::IFlags::APPEND).unwrap();
        flag(&top, rustix::fs::IFlags::IMMUTABLE).unwrap();
        remove(scratch.dir(), OsStr::new("top")).unwrap();
        assert_eq!(scratch.dir().entries(10).unwrap(), []);
    }

    #[test]
    fn a_removal_ends_at_its_deadline_and_goes_on_with_the_next() {
        let scratch = Scratch::in_memory("tree-deadline");
        let top = scratch.dir().mkdir("top", 0o700).unwrap();
        for number in 0..3000 {
            top.create_file(format!("f{number}"), 0o600).unwrap();
        }
        let over = Wait::at_most(std::time::Duration::ZERO);
        assert!(remove_within(scratch.dir(), OsStr::new("top"), over).is_err());
        assert!(scratch.dir().lookup("top").unwrap().is_some());
        remove(scratch.dir(), OsStr::new("top")).unwrap();
    }

    /// Runs in a mount namespace of its own, which ends with its thread.
    fn apart(test: impl FnOnce() + Send) {
        if !crate::sys::credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let run = || {
            crate::sys::mountns::unshare().unwrap();
            test();
        };
        std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    #[test]
    fn no_mount_is_crossed_not_even_one_of_the_same_filesystem() {
        apart(|| {
            let scratch = Scratch::new("tree-mount");
            let victim = scratch.dir().mkdir("victim", 0o700).unwrap();
            victim.create_file("precious", 0o600).unwrap();
            scratch.dir().mkdir("top", 0o700).unwrap().mkdir("bound", 0o700).unwrap();
            let bound = scratch.path().join("top/bound");
            rustix::mount::mount_bind(scratch.path().join("victim"), &bound).unwrap();
            let error = remove(scratch.dir(), OsStr::new("top")).unwrap_err().to_string();
            assert!(error.contains("\"bound\" is a mount point"), "{error}");
            assert!(victim.lookup("precious").unwrap().is_some());
            crate::sys::mountns::detach(&bound).unwrap();
        });
    }

    #[test]
    fn a_mount_on_a_file_is_told() {
        apart(|| {
            let scratch = Scratch::new("tree-mounted-file");
            let top = scratch.dir().mkdir("top", 0o700).unwrap();
            for name in ["file", "other"] {
                top.create_file(name, 0o600).unwrap();
            }
            let path = scratch.path().join("top/file");
            rustix::mount::mount_bind(scratch.path().join("top/other"), &path).unwrap();
            let error = remove(scratch.dir(), OsStr::new("top")).unwrap_err().to_string();
            assert!(error.contains("mounted on it"), "{error}");
            crate::sys::mountns::detach(&path).unwrap();
        });
    }

    #[test]
    fn one_who_swaps_directories_for_symlinks_gains_nothing() {
        let scratch = Scratch::in_memory("tree-race");
        let victim = scratch.dir().mkdir("victim", 0o700).unwrap();
        victim.create_file("precious", 0o600).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let target = scratch.path().join("victim");
                let attacker = Dir::open(scratch.path()).unwrap();
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let Ok(top) = attacker.subdir("top") else { continue };
                    let _ = top.rename_noreplace("d", &top, "moved");
                    let _ = top.symlink(target.as_os_str(), "d");
                    let _ = top.unlink("d");
                    let _ = top.rename_noreplace("moved", &top, "d");
                }
            });
            for _ in 0..300 {
                let top = scratch.dir().ensure("top", 0o700).unwrap();
                if let Ok(dir) = top.ensure("d", 0o700) {
                    let _ = dir.create_file("f", 0o600);
                }
                // It may say that somebody changes the tree; the victim is what matters.
                let _ = remove(scratch.dir(), OsStr::new("top"));
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(victim.lookup("precious").unwrap().is_some());
    }

    #[test]
    fn a_missing_name_is_no_error() {
        let scratch = Scratch::new("tree-missing");
        remove(scratch.dir(), OsStr::new("nothing")).unwrap();
    }
}
