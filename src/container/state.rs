//! What a container is, as its `state` file says it: pure text to struct and back.

use crate::error::Result;
use crate::store::name::Name;
use std::path::PathBuf;

/// The version of the text form that this program writes.
pub const VERSION: u32 = 1;
/// A state file is a few hundred bytes; whatever is longer than this is not one.
pub const STATE_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub name: Name,
    /// Seconds after 1970.
    pub created: u64,
    pub rootfs: Rootfs,
    /// 32 lower-case hexadecimal digits.
    pub machine_id: String,
    pub services: Services,
    /// The overlays, outermost mountpoint first; the first is always `/`.
    pub layers: Vec<Layer>,
    /// Mounts of the host below `/` that are not followed.
    pub skipped: Vec<Skipped>,
}

/// What lies beneath the overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// The host's own `/`.
    Host,
    /// An imported root filesystem of the same datadir.
    Named(Name),
}

/// Which services a clone of `/` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// What the distribution starts on its own.
    Basic,
    /// What the host's administrator enabled too.
    Host,
}

/// One overlay: a local filesystem of the host with an upper of the container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub mountpoint: PathBuf,
    /// The filesystem's type, as mountinfo names it.
    pub fstype: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub mountpoint: PathBuf,
    pub fstype: String,
    /// Why, in a few words: "network filesystem".
    pub why: String,
}

impl State {
    /// Errors: `Invalid`, naming the line; a newer version says so.
    pub fn parse(_text: &[u8]) -> Result<State> {
        Err(crate::error::Error::invalid("not written yet"))
    }

    pub fn render(&self) -> String {
        String::new()
    }
}
