//! (placeholder: signatures only)

use crate::error::{Error, Result};
use crate::paths::Paths;
use std::path::PathBuf;

/// The directories that a clone of `/` does not carry at all, the datadirs among them.
pub fn directories(_paths: &Paths) -> Result<Vec<PathBuf>> {
    Err(Error::failed("hide: not written yet"))
}
