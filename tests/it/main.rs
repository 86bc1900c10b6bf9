//! The built program, run as a user runs it: one file a verb. Nothing here needs a booted container; `tests/host` does.

mod config;
mod help;
mod ps;
mod sandbox;
mod streams;
mod usage;
