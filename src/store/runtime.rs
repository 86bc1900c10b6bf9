//! What must not survive a boot of the host: where a container's datadir is and which process runs it, one text
//! record a container in `/run/sdme/units`.

use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::store::fields::{self, Fields};
use crate::store::name::Name;
use crate::store::record;
use crate::store::stage::ENTRIES_MAX;
use crate::sys::dir::Dir;
use crate::sys::process::ProcessId;
use crate::text::keyvalue::Pairs;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const VERSION: u32 = 1;
/// Two numbers and one path.
const RECORD_MAX: usize = 32 * 1024;

/// Who runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// systemd, by the template unit.
    Unit,
    /// Our own supervisor, where PID 1 is not systemd.
    Direct,
}

impl Route {
    pub fn as_str(self) -> &'static str {
        match self {
            Route::Unit => "unit",
            Route::Direct => "direct",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub datadir: PathBuf,
    pub route: Route,
    /// systemd-nspawn, whose child the container's PID 1 is.
    pub process: Option<ProcessId>,
    /// What starts systemd-nspawn again after a reboot inside; only with [`Route::Direct`].
    pub supervisor: Option<ProcessId>,
}

/// None when the container is not known in this boot of the host.
///
/// Errors: `Invalid` when the record is not one of ours.
pub fn read(paths: &Paths, name: &Name) -> Result<Option<Runtime>> {
    match units(paths)? {
        None => Ok(None),
        Some(units) => read_in(&units, name),
    }
}

pub fn write(paths: &Paths, name: &Name, runtime: &Runtime) -> Result<()> {
    if paths.is_image() {
        return Err(Error::failed(format!("{name} is a container of an image, and does not run on this machine")));
    }
    let units = Dir::create_all(&paths.units(), 0o700)?;
    record::write(&units, name.as_str(), render(runtime).as_bytes(), 0o600)
        .with_context(|| format!("runtime record of {name}"))
}

/// A record that does not exist is no error.
pub fn remove(paths: &Paths, name: &Name) -> Result<()> {
    let Some(units) = units(paths)? else { return Ok(()) };
    crate::sys::tree::remove(&units, OsStr::new(name.as_str())).with_context(|| format!("runtime record of {name}"))
}

/// Every record of this boot, sorted by name; a broken one comes with what is wrong.
pub fn all(paths: &Paths) -> Result<Vec<(Name, Result<Runtime>)>> {
    let Some(units) = units(paths)? else { return Ok(Vec::new()) };
    let entries = units.entries(ENTRIES_MAX)?;
    let mut names: Vec<Name> = entries.iter().filter_map(|entry| Name::parse(entry.name.to_str()?).ok()).collect();
    names.sort();
    let read = |name: Name| read_in(&units, &name).transpose().map(|runtime| (name, runtime));
    Ok(names.into_iter().filter_map(read).collect())
}

/// In an image nothing has been started; what runs on this machine is not the image's.
fn units(paths: &Paths) -> Result<Option<Dir>> {
    if paths.is_image() {
        return Ok(None);
    }
    match Dir::open(&paths.units()) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn read_in(units: &Dir, name: &Name) -> Result<Option<Runtime>> {
    let bytes = record::read_limited(units, name.as_str(), RECORD_MAX);
    let parsed = bytes.and_then(|bytes| bytes.map(|bytes| parse(&bytes)).transpose());
    parsed.with_context(|| format!("runtime record of {name}"))
}

fn render(runtime: &Runtime) -> String {
    let mut pairs = Pairs::new();
    pairs.push("datadir", runtime.datadir.as_os_str().as_bytes());
    pairs.push("route", runtime.route.as_str());
    for (key, process) in [("process", runtime.process), ("supervisor", runtime.supervisor)] {
        if let Some(process) = process {
            pairs.push(format!("{key}.pid"), process.pid.to_string());
            pairs.push(format!("{key}.start"), process.start.to_string());
        }
    }
    fields::render(VERSION, &pairs)
}

fn parse(bytes: &[u8]) -> Result<Runtime> {
    let mut fields = Fields::parse(bytes, VERSION)?;
    let runtime = Runtime {
        datadir: fields.path("datadir")?,
        route: route(&fields.text("route")?)?,
        process: process(&mut fields, "process")?,
        supervisor: process(&mut fields, "supervisor")?,
    };
    fields.finish()?;
    Ok(runtime)
}

fn route(text: &str) -> Result<Route> {
    let known = [Route::Unit, Route::Direct].into_iter().find(|route| route.as_str() == text);
    known.ok_or_else(|| Error::invalid(format!("route {text:?} is unknown")))
}

fn process(fields: &mut Fields, key: &str) -> Result<Option<ProcessId>> {
    let (pid, start) = (format!("{key}.pid"), format!("{key}.start"));
    if !fields.has(&pid) && !fields.has(&start) {
        return Ok(None);
    }
    let number = fields.number(&pid)?;
    let valid = u32::try_from(number).ok().filter(|pid| (1..=i32::MAX as u32).contains(pid));
    let valid = valid.ok_or_else(|| Error::invalid(format!("{pid}: {number} is no process")))?;
    Ok(Some(ProcessId { pid: valid, start: fields.number(&start)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;

    fn sample() -> Runtime {
        Runtime {
            datadir: PathBuf::from("/srv/a b%,:"),
            route: Route::Direct,
            process: Some(ProcessId { pid: 12, start: 99 }),
            supervisor: Some(ProcessId { pid: 11, start: 98 }),
        }
    }

    #[test]
    fn a_record_comes_back() {
        let scratch = Scratch::in_memory("runtime");
        let paths = Paths::under(scratch.path());
        let web = Name::parse("web").unwrap();
        assert_eq!(read(&paths, &web).unwrap(), None);
        assert!(all(&paths).unwrap().is_empty());
        write(&paths, &web, &sample()).unwrap();
        assert_eq!(read(&paths, &web).unwrap(), Some(sample()));
        let bare = Runtime { route: Route::Unit, process: None, supervisor: None, ..sample() };
        write(&paths, &web, &bare).unwrap();
        assert_eq!(read(&paths, &web).unwrap(), Some(bare));
        assert_eq!(Dir::open(&paths.units()).unwrap().lookup("web").unwrap().unwrap().mode, 0o600);
        remove(&paths, &web).unwrap();
        remove(&paths, &web).unwrap();
        assert_eq!(read(&paths, &web).unwrap(), None);
    }

    #[test]
    fn a_broken_record_hides_no_other() {
        let scratch = Scratch::in_memory("runtime-broken");
        let paths = Paths::under(scratch.path());
        let [web, bad] = ["web", "bad"].map(|name| Name::parse(name).unwrap());
        write(&paths, &web, &sample()).unwrap();
        let units = Dir::open(&paths.units()).unwrap();
        record::write(&units, "bad", b"garbage", 0o600).unwrap();
        record::write(&units, ".hidden", b"", 0o600).unwrap();
        let all = all(&paths).unwrap();
        assert_eq!(all.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&bad, &web]);
        assert!(all[0].1.is_err() && all[1].1.is_ok());
    }

    #[test]
    fn every_cut_is_seen() {
        let text = render(&sample());
        for length in 0..text.len() {
            assert!(parse(&text.as_bytes()[..length]).is_err(), "{length}");
        }
        assert_eq!(parse(text.as_bytes()).unwrap(), sample());
    }

    #[test]
    fn impossible_values_are_refused() {
        for (good, bad) in
            [("pid=12", "pid=0"), ("pid=12", "pid=4294967295"), ("route=direct", "route=x"), ("=/srv", "=srv")]
        {
            let text = render(&sample()).replace(good, bad);
            assert!(parse(text.as_bytes()).is_err(), "{bad}");
        }
    }
}
