//! (placeholder: signatures only)

use crate::container::state::{Layer, State};
use crate::error::{Error, Result};
use crate::paths::Paths;
use crate::sys::dir::Dir;
use std::path::Path;

fn missing<T>() -> Result<T> {
    Err(Error::failed("overlay: not written yet"))
}

/// Mounts each layer of a container that is being made in `stage` (its directory), detached, and drops it again.
pub fn trial(_paths: &Paths, _state: &State, _stage: &Dir) -> Result<()> {
    missing()
}

/// The directory that lies beneath a layer.
pub fn lower(_paths: &Paths, _state: &State, _layer: &Layer) -> Result<Dir> {
    missing()
}

/// Applies what is hidden and mounts the container's whole tree at `target`, in this process's mount namespace.
pub fn mount_all(_paths: &Paths, _state: &State, _target: &Path) -> Result<()> {
    missing()
}
