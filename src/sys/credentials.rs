//! Who this process is: its effective user and its umask.

use rustix::fs::Mode;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Sets the mask of mode bits for what is created from now on.
pub fn umask(mask: u32) {
    rustix::process::umask(Mode::from_raw_mode(mask));
}
