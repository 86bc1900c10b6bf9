//! The built program, run as a user runs it, one file a verb; and the library against real peers. Nothing here needs a
//! booted container; `tests/host` does.

mod ask;
mod bus;
mod compressed;
mod config;
mod faults;
mod help;
mod manager;
mod peers;
mod ps;
mod reach;
mod sandbox;
mod select;
mod streams;
mod usage;
mod vectors;
