//! `sdme fs`: root filesystems to make containers of.

pub mod import;
pub mod ls;
pub mod needed;
pub mod packages;
pub mod rename;
pub mod rm;
pub mod show;
pub mod sources;
pub mod verify;
