//! All about one container: what a listing knows, and what its own service manager says when it is asked.

use crate::container::guest::Guest;
use crate::container::hide;
use crate::container::hide::table::{Action, Rule};
use crate::container::leader;
use crate::container::list::{self, Entry};
use crate::container::state::State;
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
    /// What of the tree beneath it does not get, or gets anew.
    pub hidden: Vec<Hidden>,
}

/// One path that a container has not as the tree beneath has it; `*` and `?` stand for what they match.
#[derive(Debug)]
pub struct Hidden {
    pub path: PathBuf,
    /// "hidden", "empty", "renewed" ...
    pub how: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
}

/// Errors: those of [`list::lookup`]. That a container does not answer is no error.
pub fn show(paths: &Paths, host: &mut Host, name: &Name) -> Result<Details> {
    let entry = list::lookup(paths, host, name)?;
    let guest = entry.condition.phase.is_up().then(|| system_state(paths, name, Wait::at_most(GUEST_LIMIT)));
    let hidden = entry.state.as_ref().map(|state| hidden(paths, state)).unwrap_or_default();
    Ok(Details { directory: paths.shown(&paths.container(name.as_str())), entry, guest, hidden })
}

/// The table, and what is known of this host at this moment.
fn hidden(paths: &Paths, state: &State) -> Vec<Hidden> {
    let line = |rule: &'static Rule| {
        rule.paths.iter().map(|path| Hidden { path: PathBuf::from(path), how: rule.action.as_str(), what: rule.what })
    };
    let mut hidden: Vec<Hidden> = hide::rules(state).flat_map(line).collect();
    // What an image's host will swap to, say, is not to be known.
    let of_host = (!paths.is_image()).then(|| hide::Host::read(state, paths));
    let of_host = of_host.and_then(Result::ok).map(|host| host.hidden).unwrap_or_default();
    hidden.extend(of_host.into_iter().map(|path| Hidden {
        path,
        how: Action::Whiteout.as_str(),
        what: "sdme's own, or swap",
    }));
    hidden
}

/// Everything it takes to ask has one deadline, entering the container too.
fn system_state(paths: &Paths, name: &Name, wait: Wait<'_>) -> Result<String> {
    let leader = leader::find(paths, name)?.ok_or_else(|| Error::new(Kind::NotFound, "it has no PID 1 yet"))?;
    Guest::open(leader).system_state(wait)
}
