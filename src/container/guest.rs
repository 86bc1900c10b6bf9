//! (placeholder: signatures only)

use crate::container::leader::Leader;
use crate::error::{Error, Result};
use crate::sys::poll::Wait;

pub struct Guest(#[allow(dead_code)] Leader);

impl Guest {
    pub fn open(leader: Leader) -> Guest {
        Guest(leader)
    }

    /// Whether a command can be run in it; false while it cannot yet.
    pub fn is_reachable(&self, _wait: Wait<'_>) -> Result<bool> {
        Err(Error::failed("guest: not written yet"))
    }

    /// "UNIT/start" for each running job of its manager.
    pub fn hanging_jobs(&self, _wait: Wait<'_>) -> Result<Vec<String>> {
        Err(Error::failed("guest: not written yet"))
    }
}
