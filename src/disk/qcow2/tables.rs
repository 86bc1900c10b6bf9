//! From a place on the disk to where it is stored: the L1 table, the L2 tables, and a few pieces of them that are held.

use crate::disk::ReadAt;
use crate::disk::qcow2::header::Header;
use crate::disk::read_at::field::be64;
use crate::error::{Error, Result};

/// Bytes of the pieces in which tables are read, and how many are held.
const PIECE_MOST: u64 = 64 << 10;
const PIECES: usize = 8;

const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// Where a cluster or table begins in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// What an entry of an L2 table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// Zero, with nothing of the file set apart for it.
    Unallocated,
    /// In this cluster of the file: each of the 32 subclusters whose bit is set; the others are zero.
    Standard {
        at: u64,
        stored: u32,
    },
    Compressed {
        at: u64,
        length: u64,
    },
}

/// The whole cluster is stored.
pub const WHOLE: u32 = !0;

/// The tables of an image, and those pieces that were read last.
pub struct Tables {
    header: Header,
    file_size: u64,
    pieces: Vec<Piece>,
}

struct Piece {
    at: u64,
    bytes: Vec<u8>,
}

impl Tables {
    pub fn new(header: Header, file_size: u64) -> Tables {
        Tables { header, file_size, pieces: Vec::new() }
    }

    /// Where the L2 table for an entry of the L1 table is. `None`: all that it is for is zero.
    pub fn l2(&mut self, file: &dyn ReadAt, index: u64) -> Result<Option<u64>> {
        let entry = be64(self.read(file, self.header.l1_at, index * 8, 8)?, 0);
        let at = entry & OFFSET;
        if at == 0 && entry & !COPIED == 0 {
            return Ok(None);
        }
        if entry & !(OFFSET | COPIED) != 0 || !self.is_cluster(at, self.header.cluster_size()) {
            return Err(Error::invalid(format!(
                "qcow2: entry {index} of the L1 table is {entry:#018x}, which is no cluster of the file"
            )));
        }
        Ok(Some(at))
    }

    /// An entry of an L2 table; `needed` bytes of the cluster have to be in the file, where it is stored as it is.
    pub fn cluster(&mut self, file: &dyn ReadAt, table: u64, index: u64, needed: u64) -> Result<Cluster> {
        let length = self.header.entry_length();
        let entry = self.read(file, table, index * length, length as usize)?;
        let (word, bitmap) = (be64(entry, 0), if length == 16 { be64(entry, 8) } else { 0 });
        let cluster = if word & COMPRESSED != 0 { self.compressed(word) } else { self.standard(word, bitmap, needed) };
        cluster.ok_or_else(|| {
            Error::invalid(format!(
                "qcow2: entry {index} of the L2 table at {table} is {word:#018x}, which cannot be (or the file is cut short)"
            ))
        })
    }

    /// A cluster that is packed has no flag, a length in sectors, and may begin anywhere. The file may end in its padding.
    fn compressed(&self, word: u64) -> Option<Cluster> {
        let bits = 62 - (self.header.cluster_bits - 8);
        let at = word & ((1 << bits) - 1);
        let sectors = ((word & (COMPRESSED - 1)) >> bits) + 1;
        let length = (sectors * 512 - at % 512).min(self.file_size.checked_sub(at)?);
        (length > 0 && word & COPIED == 0).then_some(Cluster::Compressed { at, length })
    }

    fn standard(&self, word: u64, bitmap: u64, needed: u64) -> Option<Cluster> {
        let at = word & OFFSET;
        let stored = self.stored(word, bitmap)?;
        if at == 0 {
            // The mark says that it is allocated, but the header is there.
            return (stored == 0 && word & COPIED == 0).then_some(Cluster::Unallocated);
        }
        // What is in the last subcluster that is stored has to be there.
        let subcluster = self.header.cluster_size() / 32;
        let needed = needed.min(subcluster * u64::from(32 - stored.leading_zeros()));
        self.is_cluster(at, needed).then_some(Cluster::Standard { at, stored })
    }

    /// Which subclusters are stored.
    fn stored(&self, word: u64, bitmap: u64) -> Option<u32> {
        let (allocated, zero) = (bitmap as u32, (bitmap >> 32) as u32);
        let flags = word & !(OFFSET | COPIED);
        match (flags, self.header.has_subclusters) {
            // Both zero and stored is nothing.
            (0, true) => (allocated & zero == 0).then_some(allocated),
            (0, false) if word & OFFSET == 0 => Some(0),
            (0, false) => Some(WHOLE),
            (ZERO, false) if self.header.version > 2 => Some(0),
            _ => None,
        }
    }

    /// Whether a cluster may begin there of which so many bytes are needed. The file may end within its last sector.
    fn is_cluster(&self, at: u64, needed: u64) -> bool {
        let size = self.file_size.next_multiple_of(512);
        at > 0 && at % self.header.cluster_size() == 0 && at.checked_add(needed).is_some_and(|end| end <= size)
    }

    /// The table's bytes from there on, up to the end of a piece; `needed` of them at least.
    fn read(&mut self, file: &dyn ReadAt, table: u64, from: u64, needed: usize) -> Result<&[u8]> {
        let size = self.header.cluster_size().min(PIECE_MOST);
        let at = table + from / size * size;
        match self.pieces.iter().position(|piece| piece.at == at) {
            Some(0) => {}
            Some(place) => {
                if let Some(used) = self.pieces.get_mut(..=place) {
                    used.rotate_right(1);
                }
            }
            None => self.load(file, at, size)?,
        }
        let bytes = self.pieces.first().map(|piece| piece.bytes.as_slice()).unwrap_or_default();
        let rest = bytes.get((from % size) as usize..).unwrap_or_default();
        if rest.len() < needed {
            return Err(Error::invalid(format!("qcow2: the table at {table} reaches past the end of the file")));
        }
        Ok(rest)
    }

    /// Puts a piece in front of the others, where it takes the place of the one that was not used for the longest time.
    fn load(&mut self, file: &dyn ReadAt, at: u64, size: u64) -> Result<()> {
        let full = self.pieces.len() >= PIECES;
        let mut bytes = if full { self.pieces.pop().map(|piece| piece.bytes) } else { None }.unwrap_or_default();
        bytes.resize(size as usize, 0);
        let length = file.read_at(at, &mut bytes)?;
        bytes.truncate(length);
        self.pieces.insert(0, Piece { at, bytes });
        Ok(())
    }
}
