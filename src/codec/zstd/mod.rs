//! zstd's compressed blocks (RFC 8878, 3.1.1.3), and the window that they write into.

mod bits;
pub mod block;
mod fse;
mod huffman;
mod recent;
mod sequences;
pub mod window;

use crate::Corrupt;
