//! Removing a container with all that was written in it, however broken it is.

use crate::container::enable;
use crate::container::stop::{self, Limits};
use crate::error::{Context, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::{datadir, lock, mounted, runtime, stage};
use crate::sys::poll::Wait;
use crate::systemd::host::Host;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

/// How long `rm` waits for another command to let go of the container.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Stops the container and removes it, its record and the links that start it at boot.
///
/// Errors: `NotFound`; `Busy` when something is mounted in it, or another command works on it.
pub fn remove(paths: &Paths, host: &mut Host, name: &Name, limits: Limits, wait: Wait<'_>) -> Result<()> {
    if !datadir::exists(paths, name)? && !is_remembered(paths, name) {
        return Err(Error::new(
            Kind::NotFound,
            format!("there is no container {name} in {:?}", paths.shown(&paths.containers())),
        ));
    }
    // The rooms may be gone with the container.
    datadir::ensure(paths)?;
    // Held from before the stop until nothing is left: nobody starts it in between.
    let lock = lock::take(paths, name, "rm", wait.no_longer_than(LOCK_LIMIT))?;
    if datadir::exists(paths, name)? {
        mounted::refuse_below(paths, &paths.containers(), name.as_str())?;
    }
    drop_broken_record(paths, name)?;
    if !runs_elsewhere(paths, name)? {
        stop::stop_held(paths, host, &lock, limits, wait)?;
    }
    if datadir::exists(paths, name)? {
        let containers = datadir::containers(paths)?;
        stage::discard(&containers, OsStr::new(name.as_str()), wait).with_context(|| format!("removing {name}"))?;
    }
    forget(paths, host, name)?;
    lock.remove()
}

/// A container whose directory was taken away may still run, or be known to have run from this datadir.
fn is_remembered(paths: &Paths, name: &Name) -> bool {
    matches!(runtime::read(paths, name), Ok(Some(known)) if known.datadir == paths.datadir())
}

/// A record that says nothing stops nobody.
fn drop_broken_record(paths: &Paths, name: &Name) -> Result<()> {
    runtime::read(paths, name).map(drop).or_else(|_| runtime::remove(paths, name))
}

/// A container of the same name in another datadir is another container.
fn runs_elsewhere(paths: &Paths, name: &Name) -> Result<bool> {
    Ok(runtime::read(paths, name)?.is_some_and(|known| known.datadir != paths.datadir()))
}

/// What this boot of the host, and its systemd, know of the container.
fn forget(paths: &Paths, host: &mut Host, name: &Name) -> Result<()> {
    if runs_elsewhere(paths, name)? {
        return Ok(());
    }
    match host {
        Host::Systemd(manager) => {
            let unit = name.unit();
            manager.reset_failed(&unit)?;
            if manager.unit_file_state(&unit).is_ok_and(|state| state.starts_with("enabled")) {
                manager.disable_unit_files(&[&unit])?;
            }
        }
        Host::Direct => enable::disable(paths, host, name)?,
    }
    if !paths.is_image() {
        remove_mountpoint(paths, name)?;
    }
    runtime::remove(paths, name)
}

/// The empty directory on which its boots have mounted, and the lock that an nspawn which was killed has left beside it.
fn remove_mountpoint(paths: &Paths, name: &Name) -> Result<()> {
    let (place, lock) = (paths.mounts().join(name.as_str()), paths.mounts().join(format!(".#{name}.lck")));
    for (place, removed) in [(&place, fs::remove_dir(&place)), (&lock, fs::remove_file(&lock))] {
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{place:?}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::dir::Dir;
    use crate::sys::tree::Scratch;
    use std::fs;

    fn stand(name: &str) -> (Scratch, Paths) {
        let scratch = Scratch::new(name);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        mounted(&paths, "");
        (scratch, paths)
    }

    fn mounted(paths: &Paths, more: &str) {
        fs::create_dir_all(paths.mountinfo().parent().unwrap()).unwrap();
        fs::write(paths.mountinfo(), format!("1 0 8:1 / / rw - ext4 a rw\n{more}")).unwrap();
    }

    fn web() -> Name {
        Name::parse("web").unwrap()
    }

    fn removed(paths: &Paths) -> Result<()> {
        remove(paths, &mut Host::Direct, &web(), Limits::by_force(), Wait::for_ever())
    }

    fn left(path: &std::path::Path) -> usize {
        Dir::open(path).unwrap().entries(9).unwrap().len()
    }

    #[test]
    fn whatever_has_the_name_is_removed() {
        let (_scratch, paths) = stand("remove-broken");
        let container = paths.container("web");
        let broken: [&dyn Fn(); 6] = [
            &|| fs::create_dir(&container).unwrap(),
            &|| fs::write(&container, "").unwrap(),
            &|| std::os::unix::fs::symlink("/", &container).unwrap(),
            &|| std::os::unix::fs::symlink("/nowhere", &container).unwrap(),
            &|| {
                fs::create_dir_all(container.join("layers")).unwrap();
                fs::write(container.join("state"), "garbage").unwrap();
            },
            &|| fs::create_dir_all(container.join("state/layers/-/upper")).unwrap(),
        ];
        for make in broken {
            make();
            removed(&paths).unwrap();
            assert_eq!((left(&paths.containers()), left(&paths.locks())), (0, 0));
        }
        assert!(removed(&paths).unwrap_err().is_not_found());
    }

    #[test]
    fn a_broken_runtime_record_hinders_nothing() {
        let (_scratch, paths) = stand("remove-record");
        fs::create_dir_all(paths.units()).unwrap();
        let record = paths.units().join("web");
        let broken: [&dyn Fn(); 3] =
            [&|| fs::write(&record, "garbage").unwrap(), &|| fs::create_dir_all(record.join("x")).unwrap(), &|| {
                std::os::unix::fs::symlink("/etc/passwd", &record).unwrap()
            }];
        for make in broken {
            make();
            let _ = fs::create_dir(paths.container("web"));
            removed(&paths).unwrap();
            assert_eq!((left(&paths.containers()), left(&paths.units())), (0, 0));
        }
    }

    #[test]
    fn what_is_left_of_one_whose_directory_is_gone_is_removed() {
        let (_scratch, paths) = stand("remove-gone");
        let process = crate::sys::process::ProcessId { pid: std::process::id(), start: 1 };
        let known = runtime::Runtime {
            datadir: paths.datadir().into(),
            route: runtime::Route::Direct,
            process: Some(process),
            supervisor: None,
        };
        runtime::write(&paths, &web(), &known).unwrap();
        fs::remove_dir_all(paths.datadir()).unwrap();
        removed(&paths).unwrap();
        assert_eq!((left(&paths.units()), left(&paths.locks())), (0, 0));
        assert!(removed(&paths).unwrap_err().is_not_found());
    }

    #[test]
    fn what_is_mounted_below_it_is_named_and_everything_stays() {
        let (_scratch, paths) = stand("remove-mount");
        let inside = paths.container("web").join("layers/-/upper/mnt");
        fs::create_dir_all(&inside).unwrap();
        mounted(&paths, &format!("2 1 8:2 / {} rw - xfs b rw\n", inside.display()));
        let error = removed(&paths).unwrap_err();
        assert!(error.to_string().contains("upper/mnt"), "{error}");
        assert!(inside.exists());
    }

    #[test]
    fn the_record_of_one_in_another_datadir_stays() {
        let (scratch, paths) = stand("remove-elsewhere");
        fs::create_dir(paths.container("web")).unwrap();
        let elsewhere = scratch.path().join("elsewhere");
        let known =
            runtime::Runtime { datadir: elsewhere, route: runtime::Route::Unit, process: None, supervisor: None };
        runtime::write(&paths, &web(), &known).unwrap();
        removed(&paths).unwrap();
        assert_eq!(runtime::read(&paths, &web()).unwrap(), Some(known));
    }
}
