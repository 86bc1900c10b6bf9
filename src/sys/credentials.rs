//! Who this process is: its effective user and its umask.

use rustix::fs::Mode;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The effective user and group: whom new files belong to.
pub fn effective() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Sets the mask of mode bits for what is created from now on.
pub fn umask(mask: u32) {
    rustix::process::umask(Mode::from_raw_mode(mask));
}
