//! sdme boots systemd containers from copy-on-write clones of the host or of a root filesystem.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod cmd;
pub mod config;
pub mod container;
pub mod dbus;
pub mod error;
pub mod paths;
pub mod store;
pub mod sys;
pub mod systemd;
pub mod text;
pub mod ui;

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
