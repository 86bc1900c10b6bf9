//! From compressed bytes to what they hold: which format it is, and the reader that unpacks it.

use crate::error::{Context, Result};
use crate::stream::ahead::Ahead;
use crate::stream::gzip::{self, Gzip};
use crate::stream::lz4::{self, Lz4};
use crate::stream::lzma::{self, Lzma};
use crate::stream::slice::Slices;
use crate::stream::xz;
use crate::stream::zstd::{self, Zstd};
use crate::stream::{bzip2, invalid};
use std::io::{self, Read};
use std::thread;

/// Megabytes that may be unpacked and not yet used: they are gained while small files are made, and spent on large ones, which are
/// written faster than most are unpacked.
const LEAD: usize = 10;
/// The same of what is only read, which is fast: what is used as it is, and what a decoder takes.
const READ_LEAD: usize = 4;
const PACKED_LEAD: usize = 2;

/// What a stream is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
    Lz4,
}

/// What unpacking may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the window (dictionary) that a stream may ask for: so much memory is what unpacking it takes.
    pub window: u64,
    /// Threads that unpack blocks of one stream at once.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // What `zstd -d` takes without --long or --memory; xz -9 asks for half of it.
            window: 128 << 20,
            // More gain little: writing the tree is slower than that many unpack.
            threads: thread::available_parallelism().map_or(1, usize::from).min(16),
        }
    }
}

/// What it is, by its first bytes. Never an error: what is not known is not compressed.
pub fn sniff(head: &[u8]) -> Compression {
    let word = head.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    match word {
        _ if head.starts_with(&gzip::MAGIC) => Compression::Gzip,
        _ if head.starts_with(&xz::framing::MAGIC) => Compression::Xz,
        _ if bzip2::is_beginning(head) => Compression::Bzip2,
        Some(zstd::MAGIC) => Compression::Zstd,
        Some(lz4::MAGIC | lz4::LEGACY_MAGIC) => Compression::Lz4,
        // zstd and lz4 share these frames: what stands behind them tells.
        Some(word) if word & !15 == lz4::SKIPPABLE_MAGIC => skipped(head),
        _ if is_lzma(head) => Compression::Lzma,
        _ => Compression::None,
    }
}

/// pzstd begins with such a frame, lz4 hardly ever does; one that is longer than `head` is taken for zstd's.
fn skipped(head: &[u8]) -> Compression {
    let length = head.get(4..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes) as usize);
    match length.and_then(|length| head.get(length.saturating_add(8)..)) {
        Some(rest) if !rest.is_empty() && sniff(rest) == Compression::Lz4 => Compression::Lz4,
        _ => Compression::Zstd,
    }
}

/// The header of .lzma, and the zero that every LZMA stream begins with.
fn is_lzma(head: &[u8]) -> bool {
    head.first_chunk().and_then(lzma::Header::parse).is_some() && head.get(lzma::Header::LENGTH) == Some(&0)
}

/// A reader of what `source` holds. The source is read, and the reader works, on threads of their own.
pub fn open(source: Box<dyn Read + Send>, kind: Compression) -> Result<Box<dyn Slices + Send>> {
    open_within(source, kind, Limits::default())
}

/// The same within other limits.
pub fn open_within(source: Box<dyn Read + Send>, kind: Compression, limits: Limits) -> Result<Box<dyn Slices + Send>> {
    threads(source, kind, limits).context("starting a decoder")
}

fn threads(source: Box<dyn Read + Send>, kind: Compression, limits: Limits) -> io::Result<Box<dyn Slices + Send>> {
    let lead = if kind == Compression::None { READ_LEAD } else { PACKED_LEAD };
    let source = Ahead::new(source, lead)?;
    let decoder: Box<dyn Read + Send> = match kind {
        Compression::None => return Ok(Box::new(source)),
        Compression::Bzip2 => return Ok(Box::new(bzip2::open(source, limits)?)),
        Compression::Xz => return Ok(Box::new(xz::open(source, limits)?)),
        Compression::Gzip => Box::new(Gzip::new(source)),
        Compression::Lzma => Box::new(Lzma::new(source, limits.window)),
        Compression::Zstd => Box::new(Zstd::new(source, limits.window)),
        Compression::Lz4 => Box::new(Lz4::new(source)),
    };
    Ok(Box::new(Ahead::decoding(decoder, LEAD)?))
}

/// The error of a stream that asks for more memory than it may have.
pub(crate) fn window_exceeded(format: &str, window: u64, most: u64) -> io::Error {
    invalid(format!(
        "{format}: unpacking needs a window of {window} bytes, more than {most} (--max-window moves the bound)"
    ))
}
