//! How much an import may be, whatever its bytes say: each bound has a name, a reason and a flag.

use crate::error::{Error, Result};
use crate::stream::decompress::Limits;
use crate::stream::tar;

/// What one import may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all files together, holes counted as if they were written.
    pub bytes: u64,
    /// Names in the tree.
    pub entries: u64,
    /// Bytes of one path.
    pub path: usize,
    /// Directories in one another.
    pub depth: usize,
    /// Layers of an OCI image.
    pub layers: usize,
    /// Bytes that come out for each one that went in; what compresses better than this is no tree of files.
    pub ratio: u64,
    /// Bytes of memory that unpacking a stream may ask for, its window or dictionary.
    pub window: u64,
    /// Bytes of an extended header or a long name of a tar archive.
    pub header: u64,
    /// Bytes of a disk image, holes counted.
    pub disk: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            bytes: 256 << 30,
            entries: 20_000_000,
            // PATH_MAX of Linux: a longer one could not be opened by the tree's own programs either.
            path: 4096,
            depth: 1024,
            // The kernel's overlay takes 500; images have a tenth of that.
            layers: 512,
            // Zeros come to 1032 in deflate; a Debian tree to 5.
            ratio: 2000,
            // What `zstd -d` takes without --long; `xz -9` asks for half of it.
            window: 128 << 20,
            // Attributes have 64 KiB, a path 4: this is for many of them at once.
            header: tar::HEADER_MAX,
            // Sixteen times what its files may come to; zeros cost a second for some gigabytes.
            disk: 4 << 40,
        }
    }
}

impl Bounds {
    /// For a decoder.
    pub fn decoding(&self) -> Limits {
        Limits { window: self.window, ..Limits::default() }
    }
}

/// The error of an import that goes past a bound, with the flag that moves it.
pub fn exceeded(what: &str, most: u64, flag: &str) -> Error {
    Error::invalid(format!("{what} are more than {most}: this is not unpacked (--{flag} moves the bound)"))
}

/// What has come so far, held against the bounds.
#[derive(Debug)]
pub struct Tally {
    bounds: Bounds,
    bytes: u64,
    entries: u64,
}

impl Tally {
    pub fn new(bounds: Bounds) -> Tally {
        Tally { bounds, bytes: 0, entries: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// One more name of this path.
    pub fn add_entry(&mut self, path: &[u8]) -> Result<()> {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            return Err(exceeded("entries", self.bounds.entries, "max-entries"));
        }
        if path.len() > self.bounds.path {
            return Err(exceeded("the bytes of a path", self.bounds.path as u64, "max-path"));
        }
        let depth = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
        if depth > self.bounds.depth {
            return Err(exceeded("the directories of a path", self.bounds.depth as u64, "max-depth"));
        }
        Ok(())
    }

    /// A file of this many bytes.
    pub fn add_bytes(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bounds.bytes {
            return Err(exceeded("the bytes of its files", self.bounds.bytes, "max-bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_named_with_its_flag() {
        let bounds = Bounds { bytes: 10, entries: 2, path: 8, depth: 2, ..Bounds::default() };
        let mut tally = Tally::new(bounds);
        tally.add_entry(b"a/b").unwrap();
        assert!(tally.add_entry(b"a/b/c").unwrap_err().to_string().contains("--max-depth"));
        assert!(tally.add_entry(b"a").unwrap_err().to_string().contains("--max-entries"));
        let mut tally = Tally::new(bounds);
        assert!(tally.add_entry(b"123456789").unwrap_err().to_string().contains("--max-path"));
        tally.add_bytes(10).unwrap();
        assert!(tally.add_bytes(u64::MAX).unwrap_err().to_string().contains("--max-bytes"));
    }
}
