//! All containers of a datadir and how each is: one question to the service manager, a few small files of each
//! container. No tree is walked, no process is started, and what is broken is an entry like every other.

use crate::container::condition::{self, Condition, Phase};
use crate::container::direct::status;
use crate::container::enable;
use crate::container::open;
use crate::container::os;
use crate::container::state::State;
use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::runtime::{self, Route, Runtime};
use crate::sys::dir::Dir;
use crate::sys::process::ProcessId;
use crate::systemd::host::Host;
use crate::systemd::status::UnitStatus;
use std::collections::BTreeSet;

/// The units of all containers, as the manager's patterns go.
const UNITS: &str = "sdme@*.service";

/// One container as a listing shows it.
#[derive(Debug)]
pub struct Entry {
    pub name: Name,
    pub condition: Condition,
    /// None when the state cannot be read.
    pub state: Option<State>,
    /// What is wrong with what lies on disk.
    pub problem: Option<String>,
    /// The name of the system in it, as the container says it; empty when it says none.
    pub os: String,
    /// What the service manager knows, of one in a list only in part; None without one, and when no unit is loaded.
    pub unit: Option<UnitStatus>,
    pub runtime: Option<Runtime>,
    /// It is started with the system.
    pub enabled: bool,
}

/// What was found out about all containers at once.
struct Known {
    units: Vec<UnitStatus>,
    runtimes: Vec<(Name, Result<Runtime>)>,
    /// Units that start at boot; none where that cannot be read.
    enabled: BTreeSet<String>,
}

impl Entry {
    /// Where it can be reached from the network; nowhere when it is not up.
    pub fn addresses(&self) -> Vec<String> {
        // Every container shares the network of the host.
        if self.condition.phase.is_up() { vec!["host".to_string()] } else { Vec::new() }
    }

    /// The process that runs it on the host, systemd-nspawn.
    pub fn pid(&self) -> Option<u32> {
        let recorded = self.runtime.as_ref().and_then(|runtime| runtime.process).map(|process| process.pid);
        recorded.filter(|_| self.condition.phase.is_up())
    }

    /// What it is a clone of: "/" or a root filesystem's name.
    pub fn rootfs(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.rootfs.as_str())
    }
}

/// Every container, sorted by name.
///
/// Errors: the datadir cannot be read, or the service manager does not answer; never what is wrong with a container.
pub fn list(paths: &Paths, host: &mut Host) -> Result<Vec<Entry>> {
    let known = Known::ask(paths, host)?;
    let names = union(datadir::names(paths)?, known.of_datadir(paths));
    Ok(names.into_iter().map(|name| known.entry(paths, name)).collect())
}

/// One container. Errors: `NotFound`, and those of [`list`].
pub fn lookup(paths: &Paths, host: &mut Host, name: &Name) -> Result<Entry> {
    let known = Known::ask_about(paths, host, name)?;
    if !datadir::exists(paths, name)? && !known.of_datadir(paths).contains(name) {
        return Err(Error::new(Kind::NotFound, format!("there is no container {:?}", name.as_str())));
    }
    Ok(known.entry(paths, name.clone()))
}

/// The names of all containers, sorted: what has a directory in the datadir, and what runs out of it without one.
pub fn names(paths: &Paths) -> Result<Vec<Name>> {
    let known = Known { units: Vec::new(), runtimes: runtime::all(paths)?, enabled: BTreeSet::new() };
    Ok(union(datadir::names(paths)?, known.of_datadir(paths)))
}

fn union(mut names: Vec<Name>, more: Vec<Name>) -> Vec<Name> {
    names.extend(more);
    names.sort();
    names.dedup();
    names
}

impl Known {
    fn ask(paths: &Paths, host: &mut Host) -> Result<Known> {
        let units = match host {
            Host::Systemd(manager) => manager.statuses(UNITS)?,
            Host::Direct => Vec::new(),
        };
        Ok(Known { units, runtimes: runtime::all(paths)?, enabled: enable::units(paths).unwrap_or_default() })
    }

    /// The same with all that there is to know about one unit.
    fn ask_about(paths: &Paths, host: &mut Host, name: &Name) -> Result<Known> {
        let units = match host {
            Host::Systemd(manager) => vec![manager.status(&name.unit())?],
            Host::Direct => Vec::new(),
        };
        let runtimes = runtime::read(paths, name).transpose().map(|runtime| (name.clone(), runtime));
        Ok(Known {
            units: units.into_iter().filter(|unit| unit.load != "not-found").collect(),
            runtimes: runtimes.into_iter().collect(),
            enabled: enable::units(paths).unwrap_or_default(),
        })
    }

    /// The containers of this datadir that have been started since the host booted.
    fn of_datadir(&self, paths: &Paths) -> Vec<Name> {
        let ours = |runtime: &Result<Runtime>| runtime.as_ref().is_ok_and(|runtime| runtime.datadir == paths.datadir());
        self.runtimes.iter().filter(|(_, runtime)| ours(runtime)).map(|(name, _)| name.clone()).collect()
    }

    fn entry(&self, paths: &Paths, name: Name) -> Entry {
        let (state, problem) = match on_disk(paths, &name) {
            Ok(state) => {
                let problem = fault(paths, &state).err();
                (Some(state), problem)
            }
            Err(error) => (None, Some(error)),
        };
        let problem = problem.map(|error| nameless(&error, &name));
        let runtime = self.runtimes.iter().find(|(known, _)| *known == name).map(|(_, runtime)| runtime);
        let unit = self.units.iter().find(|unit| unit.name == name.unit());
        let os = state.as_ref().map(|state| os::release(paths, state).title()).unwrap_or_default();
        Entry {
            condition: whole(condition(paths, &name, unit, runtime), problem.as_deref()),
            enabled: self.enabled.contains(&name.unit()),
            unit: unit.cloned(),
            runtime: runtime.and_then(|runtime| runtime.as_ref().ok()).cloned(),
            name,
            state,
            problem,
            os,
        }
    }
}

/// How it runs, whatever lies on disk.
fn condition(paths: &Paths, name: &Name, unit: Option<&UnitStatus>, runtime: Option<&Result<Runtime>>) -> Condition {
    match runtime {
        Some(Err(error)) => Condition::new(Phase::Broken, error.to_string()),
        Some(Ok(runtime)) if runtime.datadir != paths.datadir() => elsewhere(paths, name, unit, runtime),
        Some(Ok(runtime)) if runtime.route == Route::Direct => direct(paths, name, runtime),
        _ => unit.map_or_else(Condition::stopped, condition::of_unit),
    }
}

/// A unit's name is the container's: one of the same name in another datadir keeps ours from starting.
fn elsewhere(paths: &Paths, name: &Name, unit: Option<&UnitStatus>, runtime: &Runtime) -> Condition {
    let up = match runtime.route {
        Route::Unit => unit.is_some_and(|unit| condition::of_unit(unit).phase.is_up()),
        Route::Direct => direct(paths, name, runtime).phase.is_up(),
    };
    let words = format!("one of this name runs from {:?}", runtime.datadir);
    Condition::new(Phase::Stopped, if up { words } else { String::new() })
}

fn direct(paths: &Paths, name: &Name, runtime: &Runtime) -> Condition {
    let alive = |process: Option<ProcessId>| process.is_some_and(|process| process.is_alive());
    match status::read(paths, name) {
        Ok(told) => condition::of_supervisor(alive(runtime.process), alive(runtime.supervisor), told.as_ref()),
        Err(error) => Condition::new(Phase::Broken, error.to_string()),
    }
}

/// What runs goes on running with a fault on disk, and tells it; what does not run is broken.
fn whole(condition: Condition, problem: Option<&str>) -> Condition {
    match problem {
        Some(problem) if condition.phase.is_up() => Condition::new(condition.phase, problem),
        Some(problem) => Condition::new(Phase::Broken, problem),
        None => condition,
    }
}

/// In a listing the name stands beside it.
fn nameless(error: &Error, name: &Name) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{name}: ")).map(str::to_string).unwrap_or(text)
}

fn on_disk(paths: &Paths, name: &Name) -> Result<State> {
    if !datadir::exists(paths, name)? {
        return Err(Error::new(Kind::NotFound, "its directory is gone"));
    }
    open::state(paths, name)
}

/// What a start would stumble over.
fn fault(paths: &Paths, state: &State) -> Result<()> {
    let dir = datadir::open(paths, &state.name)?;
    let layers = part(&dir, "layers")?;
    for layer in &state.layers {
        let directory = part(&layers, &layer.directory())?;
        part(&directory, "upper")?;
        part(&directory, "work")?;
    }
    match os::lower(paths, &state.rootfs) {
        Err(error) if error.is_not_found() => {
            let place = paths.shown(&paths.filesystems().join(state.rootfs.as_str()));
            Err(Error::failed(format!("its root filesystem {place:?} is gone")))
        }
        other => other.map(drop),
    }
}

fn part(dir: &Dir, name: &str) -> Result<Dir> {
    dir.lookup_dir(name)?.ok_or_else(|| Error::failed(format!("its directory {name:?} is gone")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::{Layer, Rootfs, Services};
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::path::PathBuf;

    fn state(name: &str) -> State {
        State {
            name: Name::parse(name).unwrap(),
            created: 0,
            rootfs: Rootfs::Host,
            machine_id: Some("0123456789abcdef0123456789abcdef".to_string()),
            services: Services::Basic,
            layers: vec![Layer { mountpoint: "/".into(), fstype: "ext4".to_string() }],
            skipped: Vec::new(),
        }
    }

    struct Place {
        _scratch: Scratch,
        paths: Paths,
    }

    impl Place {
        fn new(name: &str) -> Place {
            let scratch = Scratch::new(name);
            let paths = Paths::under(scratch.path());
            fs::create_dir_all(paths.host("/etc")).unwrap();
            fs::write(paths.host("/etc/os-release"), "PRETTY_NAME=\"Host OS\"\n").unwrap();
            Place { paths, _scratch: scratch }
        }

        fn container(&self, name: &str) -> PathBuf {
            let dir = self.paths.container(name);
            let layer = dir.join("layers").join(state(name).layers[0].directory());
            fs::create_dir_all(layer.join("upper")).unwrap();
            fs::create_dir_all(layer.join("work")).unwrap();
            fs::write(dir.join("state"), state(name).render()).unwrap();
            dir
        }

        fn list(&self) -> Vec<Entry> {
            list(&self.paths, &mut Host::Direct).unwrap()
        }

        fn runs(&self, name: &str, datadir: &std::path::Path) {
            let myself = ProcessId::myself().unwrap();
            let runtime = Runtime {
                datadir: datadir.to_path_buf(),
                route: Route::Direct,
                process: Some(myself),
                supervisor: None,
            };
            let name = Name::parse(name).unwrap();
            runtime::write(&self.paths, &name, &runtime).unwrap();
            fs::create_dir_all(self.paths.direct()).unwrap();
            status::write(&self.paths, &name, &status::Status::new(status::Phase::Booted, "")).unwrap();
        }
    }

    #[test]
    fn no_datadir_means_no_containers() {
        assert!(Place::new("list-none").list().is_empty());
    }

    #[test]
    fn a_whole_container_is_stopped_and_has_the_hosts_system() {
        let place = Place::new("list-whole");
        place.container("web");
        let entries = place.list();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].condition, Condition::stopped());
        assert_eq!((entries[0].os.as_str(), entries[0].rootfs(), &entries[0].problem), ("Host OS", Some("/"), &None));
        assert!(entries[0].addresses().is_empty() && entries[0].pid().is_none());
    }

    #[test]
    fn what_the_container_changed_wins_and_links_do_not_leave_it() {
        let place = Place::new("list-os");
        let upper = place.container("web").join("layers").join(state("web").layers[0].directory()).join("upper");
        fs::create_dir_all(upper.join("usr/lib")).unwrap();
        fs::write(upper.join("usr/lib/os-release"), "PRETTY_NAME=Changed\n").unwrap();
        assert_eq!(place.list()[0].os, "Changed");
        fs::create_dir_all(upper.join("etc")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", upper.join("etc/os-release")).unwrap();
        fs::write(place.paths.host("/etc/hostname"), "PRETTY_NAME=outside\n").unwrap();
        assert_eq!(place.list()[0].os, "Changed");
    }

    #[test]
    fn every_broken_container_is_listed_with_what_is_wrong() {
        let place = Place::new("list-broken");
        let break_it = |name: &str, how: &dyn Fn(PathBuf)| how(place.container(name));
        let whole = state("cut").render();
        break_it("cut", &|dir| fs::write(dir.join("state"), &whole[..whole.len() / 2]).unwrap());
        break_it("empty", &|dir| fs::write(dir.join("state"), "").unwrap());
        break_it("garbage", &|dir| fs::write(dir.join("state"), [0xff; 100]).unwrap());
        break_it("long", &|dir| fs::write(dir.join("state"), vec![b'a'; 2 << 20]).unwrap());
        break_it("missing", &|dir| fs::remove_file(dir.join("state")).unwrap());
        break_it("other", &|dir| fs::write(dir.join("state"), state("web").render()).unwrap());
        break_it("upper", &|dir| {
            fs::remove_dir(dir.join("layers").join(state("upper").layers[0].directory()).join("upper")).unwrap()
        });
        break_it("layers", &|dir| fs::remove_dir_all(dir.join("layers")).unwrap());
        fs::write(place.paths.container("file"), "").unwrap();
        std::os::unix::fs::symlink("/", place.paths.container("link")).unwrap();
        let entries = place.list();
        assert_eq!(entries.len(), 10);
        for entry in &entries {
            assert_eq!(entry.condition.phase, Phase::Broken, "{entry:?}");
            assert!(entry.problem.as_ref().is_some_and(|problem| problem.len() > 10), "{entry:?}");
        }
    }

    #[test]
    fn one_that_runs_without_a_directory_is_broken_but_there() {
        let place = Place::new("list-gone");
        place.runs("gone", place.paths.datadir());
        place.runs("foreign", std::path::Path::new("/elsewhere"));
        let entries = place.list();
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].condition.phase, entries[0].pid()), (Phase::Running, Some(std::process::id())));
        assert!(entries[0].condition.health.contains("its directory is gone"));
        assert_eq!(names(&place.paths).unwrap(), [entries[0].name.clone()]);
        assert!(lookup(&place.paths, &mut Host::Direct, &Name::parse("foreign").unwrap()).is_err());
    }

    #[test]
    fn a_name_that_runs_from_another_datadir_is_told() {
        let place = Place::new("list-elsewhere");
        place.container("web");
        place.runs("web", std::path::Path::new("/elsewhere"));
        let entry = lookup(&place.paths, &mut Host::Direct, &Name::parse("web").unwrap()).unwrap();
        assert_eq!(entry.condition, Condition::new(Phase::Stopped, "one of this name runs from \"/elsewhere\""));
        assert_eq!(entry.pid(), None);
    }
}
