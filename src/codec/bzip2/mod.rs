//! bzip2's blocks, and the bits that they are made of.

pub mod bits;
pub mod block;
mod crc;
mod huffman;
pub mod marks;
