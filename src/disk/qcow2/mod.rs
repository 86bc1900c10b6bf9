//! qcow2 (qemu's docs/interop/qcow2.txt), versions 2 and 3: clusters of every size, zero, compressed with zlib or zstd, with
//! subclusters; internal snapshots are left alone, reference counts are not read.
//!
//! What an image may not be (backed by another file, encrypted, ...) is in `header`.

mod header;
mod survey;
mod tables;
mod unpack;

use crate::disk::ReadAt;
use crate::error::{Error, Result};
use header::Header;
pub use header::{DISK_MOST, MAGIC};
use std::sync::{Mutex, MutexGuard, PoisonError};
pub use survey::Survey;
use tables::{Cluster, Tables};
pub use unpack::Unpacker;

/// Pieces that one extent is put together from, at most: how long its search may take.
const STEPS_MOST: usize = 65536;

/// An image: the disk that a file in this format holds. It is read by many threads at once.
pub struct Image<F> {
    file: F,
    file_size: u64,
    header: Header,
    tables: Mutex<Tables>,
    unpacked: Mutex<Unpacked>,
}

/// The compressed cluster that was read last.
struct Unpacked {
    unpacker: Unpacker,
    /// Where on the disk; None: none yet.
    offset: Option<u64>,
    packed: Vec<u8>,
    cluster: Vec<u8>,
}

/// A run of the disk that is stored in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins on the disk, and how long it is there. It never reaches past the disk's end.
    pub offset: u64,
    pub length: u64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stored as it is, at this offset of the file.
    Data { at: u64 },
    /// Nothing is stored: it is zero.
    Zero,
    /// (The rest of) one cluster, compressed, in these bytes of the file; their end may be padding.
    Compressed { at: u64, length: u64 },
}

impl<F: ReadAt> Image<F> {
    /// Reads the header and refuses by name what cannot be read. Nothing but `file` is ever read.
    pub fn open(file: F) -> Result<Image<F>> {
        let header = Header::read(&file)?;
        let file_size = file.size()?;
        let unpacked = Unpacked {
            unpacker: Unpacker::new(header.compression),
            offset: None,
            packed: Vec::new(),
            cluster: Vec::new(),
        };
        let tables = Mutex::new(Tables::new(header, file_size));
        Ok(Image { file, file_size, header, tables, unpacked: Mutex::new(unpacked) })
    }

    /// Bytes of the disk.
    pub fn size(&self) -> u64 {
        self.header.size
    }

    pub fn cluster_size(&self) -> u64 {
        self.header.cluster_size()
    }

    /// Internal snapshots that the image has and that are not looked at.
    pub fn snapshots(&self) -> u32 {
        self.header.snapshots
    }

    /// What the image's data is in.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// What unpacks this image's compressed clusters, for one thread.
    pub fn unpacker(&self) -> Unpacker {
        Unpacker::new(self.header.compression)
    }

    /// The run that begins at `offset`; None at the end of the disk. The next one may be of the same kind.
    pub fn next_extent(&self, offset: u64) -> Result<Option<Extent>> {
        let mut tables = self.tables();
        let Some(mut extent) = self.piece(&mut tables, offset)? else { return Ok(None) };
        for _ in 0..STEPS_MOST {
            let end = extent.offset + extent.length;
            match self.piece(&mut tables, end)? {
                Some(next) if continues(&extent, &next) => extent.length += next.length,
                _ => break,
            }
        }
        Ok(Some(extent))
    }

    /// Walks all tables: how much is stored, and that no cluster is stored in two places or past the end of the file.
    pub fn survey(&self) -> Result<Survey> {
        survey::survey(self)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As much of what `offset` is in as one entry tells.
    fn piece(&self, tables: &mut Tables, offset: u64) -> Result<Option<Extent>> {
        let size = self.header.size;
        if offset >= size {
            return Ok(None);
        }
        let reach = self.header.l1_reach();
        let (kind, end) = match tables.l2(&self.file, offset / reach)? {
            None => (Kind::Zero, (offset / reach + 1) * reach),
            Some(table) => self.cluster_piece(tables, table, offset)?,
        };
        Ok(Some(Extent { offset, length: end.min(size) - offset, kind }))
    }

    /// What is stored there, and where on the disk that ends.
    fn cluster_piece(&self, tables: &mut Tables, table: u64, offset: u64) -> Result<(Kind, u64)> {
        let size = self.header.cluster_size();
        let (begin, within) = (offset / size * size, offset % size);
        let needed = size.min(self.header.size - begin);
        let index = offset / size % self.header.l2_entries();
        Ok(match tables.cluster(&self.file, table, index, needed)? {
            Cluster::Unallocated | Cluster::Standard { stored: 0, .. } => (Kind::Zero, begin + size),
            Cluster::Standard { at, stored: tables::WHOLE } => (Kind::Data { at: at + within }, begin + size),
            Cluster::Standard { at, stored } => {
                let (is_stored, end) = subclusters(stored, within / (size / 32));
                let kind = if is_stored { Kind::Data { at: at + within } } else { Kind::Zero };
                (kind, begin + end * (size / 32))
            }
            Cluster::Compressed { at, length } => (Kind::Compressed { at, length }, begin + size),
        })
    }

    /// Copies from one extent. The bytes that were copied: all that the buffer takes, or to the extent's end.
    fn read_extent(&self, extent: &Extent, buffer: &mut [u8]) -> Result<usize> {
        let length = usize::try_from(extent.length).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..length) else { return Ok(0) };
        match extent.kind {
            Kind::Zero => buffer.fill(0),
            Kind::Data { at } => self.read_data(at, buffer)?,
            Kind::Compressed { at, length } => self.read_compressed(extent.offset, at, length, buffer)?,
        }
        Ok(length)
    }

    /// What is stored as it is. The file may end within its last sector.
    pub fn read_data(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let length = self.file.read_at(at, buffer)?;
        let missing = buffer.get_mut(length..).unwrap_or_default();
        if missing.len() >= 512 {
            return Err(Error::invalid(format!("qcow2: the cluster at {at} reaches past the end of the file")));
        }
        missing.fill(0);
        Ok(())
    }

    fn read_compressed(&self, offset: u64, at: u64, length: u64, buffer: &mut [u8]) -> Result<()> {
        let size = self.header.cluster_size();
        let begin = offset / size * size;
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if unpacked.offset != Some(begin) {
            unpacked.offset = None;
            let Unpacked { unpacker, packed, cluster, .. } = &mut *unpacked;
            packed.resize(length as usize, 0);
            cluster.resize(size as usize, 0);
            self.file.read_exact_at(at, packed, "qcow2: the compressed cluster")?;
            unpacker.unpack(packed, cluster)?;
            unpacked.offset = Some(begin);
        }
        let from = unpacked.cluster.get((offset - begin) as usize..).unwrap_or_default();
        buffer.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// Whether a piece goes on where the extent ends, on the disk and in the file.
fn continues(extent: &Extent, next: &Extent) -> bool {
    match (extent.kind, next.kind) {
        (Kind::Zero, Kind::Zero) => true,
        (Kind::Data { at }, Kind::Data { at: next }) => at + extent.length == next,
        _ => false,
    }
}

/// Whether this one of the subclusters is stored, and which is the first after it where that changes.
fn subclusters(stored: u32, first: u64) -> (bool, u64) {
    let rest = stored.checked_shr(first as u32).unwrap_or(0);
    let is_stored = rest & 1 != 0;
    let same = if is_stored { rest.trailing_ones() } else { rest.trailing_zeros() };
    (is_stored, (first + u64::from(same)).min(32))
}

impl<F: ReadAt> ReadAt for Image<F> {
    fn size(&self) -> Result<u64> {
        Ok(self.header.size)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            // A read wants little of what may be a long run: one piece is enough.
            let Some(extent) = self.piece(&mut self.tables(), offset.saturating_add(filled as u64))? else { break };
            filled += self.read_extent(&extent, rest)?;
        }
        Ok(filled)
    }
}
