//! Opening a container that exists: its directory and what its `state` says.

use crate::container::state::{STATE_MAX, State};
use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::store::name::Name;
use crate::store::{datadir, record};

/// The file in a container's directory that makes it one.
pub const STATE_FILE: &str = "state";

/// Errors: `NotFound` when there is no such container, `Invalid` when its state is broken; both say which.
pub fn state(paths: &Paths, name: &Name) -> Result<State> {
    let dir = datadir::open(paths, name)?;
    let bytes = record::read_limited(&dir, STATE_FILE, STATE_MAX).with_context(|| name.as_str())?;
    let bytes =
        bytes.ok_or_else(|| Error::invalid(format!("{name}: its state file is missing: only rm can help it")))?;
    let state = State::parse(&bytes).with_context(|| name.as_str())?;
    if state.name != *name {
        return Err(Error::invalid(format!("{name}: its state is that of {:?}", state.name.as_str())));
    }
    Ok(state)
}
