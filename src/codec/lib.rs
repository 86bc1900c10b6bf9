//! The inner loops of the decoders: from a block's bytes to what it holds, and checksums. Pure and safe, no input or output.
//!
//! A package of its own, as cargo optimises whole packages for speed or for size: this one for speed, the program around it
//! for size (docs/dependencies.md). What frames the blocks and reads them is in `src/stream/`.

#![forbid(unsafe_code)]

pub mod bzip2;
pub mod copy;
pub mod crc64;
pub mod inflate;
pub mod lz4;
pub mod lzma;
pub mod sum;
pub mod xxhash;
pub mod zeros;
pub mod zstd;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl From<copy::NoRoom> for Corrupt {
    fn from(_: copy::NoRoom) -> Corrupt {
        Corrupt("a match lies before the beginning")
    }
}

/// The bytes in groups of `N`, and what is left over.
fn groups<const N: usize>(bytes: &[u8]) -> (impl Iterator<Item = &[u8; N]>, &[u8]) {
    let groups = bytes.chunks_exact(N);
    let rest = groups.remainder();
    (groups.filter_map(|group| group.try_into().ok()), rest)
}
