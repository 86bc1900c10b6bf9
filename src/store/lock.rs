//! Who works on a container: one flock(2) a name, in `locks/`, with the holder's pid and verb written inside.

use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::stage::ENTRIES_MAX;
use crate::sys::dir::Dir;
use crate::sys::lock;
use crate::sys::meta;
use crate::sys::poll::{self, Wait};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

/// flock(2) knows no deadline, so a taken lock is asked for again: soon at first, as most commands are short.
const PAUSE_FIRST: Duration = Duration::from_millis(2);
const PAUSE_LONGEST: Duration = Duration::from_millis(50);
/// "PID VERB" of a holder.
const HOLDER_MAX: u64 = 64;

/// Held until dropped; the kernel drops it for a process that is killed.
#[derive(Debug)]
pub struct Lock {
    file: File,
    locks: Dir,
    name: Name,
}

/// Takes the lock of one container for the verb that is running.
///
/// Errors: `Busy`, naming the holder, when it is still taken at the deadline; `Interrupted`.
pub fn take(paths: &Paths, name: &Name, verb: &str, wait: Wait<'_>) -> Result<Lock> {
    let locks = Dir::open(&paths.locks())?;
    let mut pause = PAUSE_FIRST;
    loop {
        let file = locks.open_or_create_file(name.as_str())?;
        if lock::try_exclusive(&file)? {
            // Its last holder may have removed it between our opening and our locking.
            if is_still(&locks, name, &file)? {
                let mut lock = Lock { file, locks, name: name.clone() };
                // Who holds it is for a message only; on a full disk, which rm is to help, it cannot be written.
                let _ = lock.sign(verb);
                return Ok(lock);
            }
            continue;
        }
        if wait.is_over() {
            return Err(busy(name, &file));
        }
        poll::pause(pause, wait)?;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// Makes the file of a container's lock: later, when the container is to be removed from a full disk, it could not be made.
pub fn ensure(paths: &Paths, name: &Name) -> Result<()> {
    Dir::open(&paths.locks())?.open_or_create_file(name.as_str()).map(drop)
}

impl Lock {
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The container is gone: takes the file away too, then lets go.
    pub fn remove(self) -> Result<()> {
        self.locks.unlink(self.name.as_str())
    }

    /// Not a file that has another name elsewhere: whoever made an image can have linked it to what is not the image's.
    fn sign(&mut self, verb: &str) -> Result<()> {
        if meta::of(&self.file)?.links > 1 {
            return Ok(());
        }
        self.file.set_len(0)?;
        self.file.rewind()?;
        Ok(self.file.write_all(format!("{} {verb}\n", std::process::id()).as_bytes())?)
    }
}

/// Removes the lock files of containers that are no more: a killed removal leaves its own.
pub fn sweep(paths: &Paths) -> Result<()> {
    let locks = match Dir::open(&paths.locks()) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    for entry in locks.entries(ENTRIES_MAX)? {
        let Some(name) = entry.name.to_str().and_then(|name| Name::parse(name).ok()) else { continue };
        if datadir::exists(paths, &name)? {
            continue;
        }
        let file = locks.open_or_create_file(name.as_str())?;
        if lock::try_exclusive(&file)? && is_still(&locks, &name, &file)? {
            locks.unlink(name.as_str())?;
        }
    }
    Ok(())
}

fn is_still(locks: &Dir, name: &Name, file: &File) -> Result<bool> {
    let meta = meta::of(file)?;
    Ok(locks.lookup(name.as_str())?.is_some_and(|there| there.is_same(&meta)))
}

fn busy(name: &Name, file: &File) -> Error {
    let mut text = String::new();
    let _ = file.take(HOLDER_MAX).read_to_string(&mut text);
    let message = match text.trim_end().split_once(' ') {
        Some((pid, verb)) if pid.parse::<u32>().is_ok() && verb.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            format!("{name} is being {} by process {pid} (sdme {verb})", participle(verb))
        }
        _ => format!("{name} is in use by another sdme"),
    };
    Error::new(Kind::Busy, message)
}

fn participle(verb: &str) -> &'static str {
    match verb {
        "create" | "new" => "created",
        "start" => "started",
        "boot" => "booted",
        "stop" => "stopped",
        "rm" => "removed",
        "join" => "joined",
        _ => "used",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::time::Instant;

    fn setup(name: &str) -> (Scratch, Paths, Name) {
        let scratch = Scratch::new(name);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        (scratch, paths, Name::parse("web").unwrap())
    }

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let (_scratch, paths, web) = setup("lock-busy");
        let held = take(&paths, &web, "start", Wait::for_ever()).unwrap();
        let error = take(&paths, &web, "rm", Wait::at_most(Duration::ZERO)).unwrap_err();
        let me = std::process::id();
        assert_eq!(*error.kind(), Kind::Busy);
        assert_eq!(error.to_string(), format!("web is being started by process {me} (sdme start)"));
        drop(held);
        take(&paths, &web, "rm", Wait::at_most(Duration::ZERO)).unwrap();
    }

    #[test]
    fn waiting_ends_at_the_deadline_or_with_the_lock() {
        let (_scratch, paths, web) = setup("lock-wait");
        let held = take(&paths, &web, "start", Wait::for_ever()).unwrap();
        let before = Instant::now();
        assert!(take(&paths, &web, "stop", Wait::at_most(Duration::from_millis(80))).is_err());
        assert!(before.elapsed() >= Duration::from_millis(80));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| take(&paths, &web, "stop", Wait::at_most(Duration::from_secs(5))));
            std::thread::sleep(Duration::from_millis(30));
            drop(held);
            assert!(second.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_sweep_takes_the_locks_of_containers_that_are_no_more() {
        let (_scratch, paths, web) = setup("lock-sweep");
        let db = Name::parse("db").unwrap();
        datadir::containers(&paths).unwrap().mkdir("db", 0o700).unwrap();
        drop(take(&paths, &db, "stop", Wait::for_ever()).unwrap());
        let held = take(&paths, &web, "rm", Wait::for_ever()).unwrap();
        sweep(&paths).unwrap();
        let names = || Dir::open(&paths.locks()).unwrap().entries(9).unwrap().len();
        assert_eq!(names(), 2);
        drop(held);
        sweep(&paths).unwrap();
        assert_eq!(names(), 1);
    }

    #[test]
    fn a_removed_lock_is_never_held_by_two() {
        let (_scratch, paths, web) = setup("lock-removed");
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let lock = take(&paths, &web, "rm", Wait::for_ever()).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        lock.remove().unwrap();
                    }
                });
            }
        });
    }
}
