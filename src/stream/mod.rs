//! Streams of foreign bytes: one `Read` adapter a file, stacked by whoever opens them. Each is total: it gives the bytes,
//! or says why not; nothing is silently cut short.
//!
//! An adapter knows what it reads from and nothing of what reads from it. Decoders say what is wrong with their bytes as
//! `io::Error`s of kind `InvalidData` that hold the project's own error; after one they never report an end.

pub mod ahead;
pub mod bzip2;
pub mod count;
pub mod decompress;
pub mod gzip;
mod input;
pub mod lz4;
pub mod lzma;
mod ordered;
pub mod peek;
pub mod ratio;
pub mod slice;
pub mod tar;
pub mod verify;
mod workers;
pub mod xz;
pub mod zstd;

use crate::error::Error;
use std::io;

/// The error of a decoder whose bytes are not what the format demands.
pub(crate) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::invalid(text))
}

/// The error of a decoder whose bytes end too early.
pub(crate) fn cut(format: &str) -> io::Error {
    invalid(format!("{format}: the stream is cut short"))
}
