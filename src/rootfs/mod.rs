//! Root filesystems of other systems: what was typed, what it is, and how it becomes a tree in the datadir.

pub mod bounds;
pub mod claim;
pub mod format;
pub mod import;
pub mod inspect;
pub mod list;
pub mod manifest;
mod pipe;
pub mod prepare;
pub mod progress;
pub mod remove;
pub mod seal;
pub mod signature;
pub mod sniff;
pub mod source;
pub mod unpack;
pub mod verify;
pub mod writer;
