//! Disk images, read and never written: what is in a qcow2 image, which partitions a disk has, which filesystem is where.
//!
//! All of it reads from a [`ReadAt`]: a file, an image, bytes in memory. Nothing here opens a file; what an image names
//! (a backing file, an external data file) is refused and stays closed.

mod btrfs;
pub mod copy;
mod devices;
pub mod partition;
pub mod probe;
pub mod qcow2;
mod read_at;

pub use read_at::ReadAt;
