//! Which containers are made of a root filesystem: those keep it.

use crate::cmd::Context;
use crate::container::list;
use crate::container::state::Rootfs;
use crate::error::{Error, Kind, Result};
use crate::store::name::Name;
use crate::systemd::host;

/// The containers whose root filesystem has this name; `running`: only those that run or boot.
pub fn containers(cx: &Context, name: &Name, running: bool) -> Result<Vec<Name>> {
    let mut host = host::connect(&cx.paths)?;
    let wanted = Rootfs::Named(name.clone());
    let entries = list::list(&cx.paths, &mut host)?.into_iter();
    let of_it = entries.filter(|entry| entry.state.as_ref().is_some_and(|state| state.rootfs == wanted));
    Ok(of_it.filter(|entry| !running || entry.pid().is_some()).map(|entry| entry.name).collect())
}

/// Errors: `Busy`, naming the containers that are made of it.
pub fn refuse(cx: &Context, name: &Name) -> Result<()> {
    match containers(cx, name, false)?.as_slice() {
        [] => Ok(()),
        some => {
            Err(Error::new(Kind::Busy, format!("{name} is needed by {}: remove them first (sdme rm)", words(some))))
        }
    }
}

pub fn words(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
