//! Root filesystems of other systems: what was typed, what it is, and how it becomes a tree in the datadir.

pub mod bounds;
pub mod signature;
pub mod unpack;
pub mod writer;
