//! systemd as a peer: its manager, machined, units and their names.

pub mod escape;
pub mod host;
pub mod installed;
pub mod job;
pub mod journal;
pub mod links;
pub mod machine;
pub mod manager;
pub mod nspawn;
pub mod status;
pub mod unit;
pub mod watch;
