//! Whether a container is started with its system: what `systemctl enable sdme@NAME` does, by the manager where there is one,
//! else in the files.

use crate::container::template;
use crate::error::{Error, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::sys::resolve::Root;
use crate::systemd::host::Host;
use crate::systemd::links;
use std::collections::BTreeSet;

/// A template that outlasts a boot is seen to.
pub fn enable(paths: &Paths, host: &mut Host, name: &Name) -> Result<()> {
    let root = Root::open_path(paths.host_root())?;
    let (unit, template) = (name.unit(), template::ensure_lasting(paths, &root)?);
    if let Host::Systemd(manager) = host {
        return manager.enable_unit_files(&[&unit]);
    }
    match links::find(&root, &unit)? {
        Some(own) => {
            Err(Error::failed(format!("{own:?} is a unit of its own, which only systemctl enable can enable")))
        }
        None => links::enable(&root, &unit, &template),
    }
}

/// One that is not enabled is disabled already.
pub fn disable(paths: &Paths, host: &mut Host, name: &Name) -> Result<()> {
    let unit = name.unit();
    match host {
        Host::Systemd(manager) => manager.disable_unit_files(&[&unit]),
        Host::Direct => links::disable(&Root::open_path(paths.host_root())?, &unit).map(drop),
    }
}

/// The units that are enabled, other ones too.
pub fn units(paths: &Paths) -> Result<BTreeSet<String>> {
    links::enabled(&Root::open_path(paths.host_root())?)
}
