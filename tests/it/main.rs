//! The built program, run as a user runs it, one file a verb; and the library against real peers. Nothing here needs a
//! booted container; `tests/host` does.

mod ask;
mod bus;
mod completions;
mod compressed;
mod config;
mod copy;
mod corpus;
mod disk_limits;
mod disk_systems;
mod disks;
mod faults;
mod generated;
mod help;
mod http;
mod http_proxy;
mod http_server;
mod http_trust;
mod imports;
mod limit;
mod manager;
mod manifest;
mod oci;
mod peers;
mod ps;
mod qcow2;
mod qcow2_hostile;
mod reach;
mod sandbox;
mod select;
mod streams;
mod tar;
mod trees;
mod usage;
mod vectors;
mod writer;
