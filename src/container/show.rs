//! All about one container: what a listing knows, and what its own service manager says when it is asked.

use crate::container::list::{self, Entry};
use crate::error::{Error, Kind, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::sys::poll::Wait;
use crate::systemd::host::Host;
use std::path::PathBuf;
use std::time::Duration;

/// How long a container may take to say how it is; a hostile or hung one does not hold up the rest.
pub const GUEST_LIMIT: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub struct Details {
    pub entry: Entry,
    pub directory: PathBuf,
    /// What the container's manager says ("running", "degraded"), or why it says nothing; None when it is not up.
    pub guest: Option<Result<String>>,
}

/// Errors: those of [`list::lookup`]. That a container does not answer is no error.
pub fn show(paths: &Paths, host: &mut Host, name: &Name) -> Result<Details> {
    let entry = list::lookup(paths, host, name)?;
    let guest = entry.condition.phase.is_up().then(|| system_state(paths, name, Wait::at_most(GUEST_LIMIT)));
    Ok(Details { directory: paths.container(name.as_str()), entry, guest })
}

fn system_state(_paths: &Paths, _name: &Name, _wait: Wait<'_>) -> Result<String> {
    Err(Error::new(Kind::Unavailable, "it cannot be asked yet"))
}
