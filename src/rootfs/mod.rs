//! Root filesystems of other systems: what was typed, what it is, and how it becomes a tree in the datadir.

pub mod bounds;
pub mod inspect;
pub mod source;
pub mod signature;
pub mod unpack;
