//! The header: what is understood, and what is refused by name.
//!
//! An image that is marked dirty is read: the mark says that reference counts may be wrong, which only matter to who
//! writes; the tables that lead to the data are in order at every moment (qemu opens such an image read-only, too).

use crate::disk::ReadAt;
use crate::disk::read_at::field::{be32, be64};
use crate::error::{Error, Result};

pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Bytes of the longest disk: what a file on ext4 can be, where the copy has to go.
pub const DISK_MOST: u64 = 16 << 40;
/// Bytes of the largest L1 table, as in qemu.
const L1_MOST: u64 = 32 << 20;
/// Internal snapshots at most, as in qemu.
const SNAPSHOTS_MOST: u32 = 65536;
/// Bytes of the longest name of a backing file, as in qemu.
const NAME_MOST: u32 = 1023;
/// Bytes of header and extensions that are looked at.
const HEAD_MOST: u64 = 64 << 10;

const V2_LENGTH: usize = 72;
const V3_LENGTH: usize = 104;

/// Incompatible features, by bit.
mod bit {
    pub const DIRTY: u64 = 1 << 0;
    pub const CORRUPT: u64 = 1 << 1;
    pub const DATA_FILE: u64 = 1 << 2;
    pub const COMPRESSION: u64 = 1 << 3;
    pub const EXTENDED_L2: u64 = 1 << 4;
    pub const READ: u64 = DIRTY | COMPRESSION | EXTENDED_L2;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zlib,
    Zstd,
}

#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub version: u32,
    pub cluster_bits: u32,
    /// Bytes of the disk.
    pub size: u64,
    pub l1_at: u64,
    /// Entries of the L1 table that the disk needs.
    pub l1_needed: u64,
    pub snapshots: u32,
    pub compression: Compression,
    pub has_subclusters: bool,
}

impl Header {
    pub fn read(file: &dyn ReadAt) -> Result<Header> {
        let mut head = vec![0; V3_LENGTH + 8];
        let length = file.read_at(0, &mut head)?;
        head.truncate(length);
        if head.get(..4) != Some(&MAGIC) {
            return Err(Error::invalid("qcow2: this is no image in that format: its first bytes are others"));
        }
        let version = be32(&head, 4);
        let needed = if version == 2 { V2_LENGTH } else { V3_LENGTH };
        if length < needed {
            return Err(Error::invalid(format!("qcow2: the header is cut short after {length} bytes")));
        }
        match version {
            2 | 3 => Header::parse(file, version, &head),
            1 => Err(Error::invalid(
                "qcow2: it is of the format before it, qcow, which is not read ('qemu-img convert -O qcow2 FILE NEW' makes \
                 one that is)",
            )),
            _ => Err(Error::invalid(format!("qcow2: version {version} is not known; 2 and 3 are"))),
        }
    }

    fn parse(file: &dyn ReadAt, version: u32, head: &[u8]) -> Result<Header> {
        refuse_backing(file, head)?;
        refuse_encryption(be32(head, 32))?;
        let cluster_bits = be32(head, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(Error::invalid(format!("qcow2: clusters of 2^{cluster_bits} bytes; 2^9 to 2^21 are possible")));
        }
        let features = if version == 2 { 0 } else { v3_features(file, head, cluster_bits)? };
        let has_subclusters = features & bit::EXTENDED_L2 != 0;
        if has_subclusters && cluster_bits < 14 {
            return Err(Error::invalid(format!("qcow2: clusters of 2^{cluster_bits} bytes cannot have subclusters")));
        }
        let snapshots = be32(head, 60);
        if snapshots > SNAPSHOTS_MOST {
            return Err(Error::invalid(format!("qcow2: {snapshots} snapshots; {SNAPSHOTS_MOST} are possible")));
        }
        let compression = compression(head, version, features)?;
        let size = be64(head, 24);
        let mut header = Header {
            version,
            cluster_bits,
            size,
            l1_at: be64(head, 40),
            l1_needed: 0,
            snapshots,
            compression,
            has_subclusters,
        };
        header.l1_needed = header.check_l1(file, be32(head, 36).into())?;
        Ok(header)
    }

    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Bytes of an entry of an L2 table.
    pub fn entry_length(&self) -> u64 {
        if self.has_subclusters { 16 } else { 8 }
    }

    /// Entries of an L2 table, which takes a cluster.
    pub fn l2_entries(&self) -> u64 {
        self.cluster_size() / self.entry_length()
    }

    /// Bytes of the disk that an entry of the L1 table is for.
    pub fn l1_reach(&self) -> u64 {
        self.cluster_size() * self.l2_entries()
    }

    /// The entries that are needed, of those that the table has.
    fn check_l1(&self, file: &dyn ReadAt, entries: u64) -> Result<u64> {
        if self.size > DISK_MOST {
            let most = DISK_MOST >> 40;
            return Err(Error::invalid(format!("qcow2: a disk of {} bytes; {most} TiB are the most", self.size)));
        }
        let needed = self.size.div_ceil(self.l1_reach());
        if entries < needed || entries * 8 > L1_MOST {
            return Err(Error::invalid(format!(
                "qcow2: an L1 table of {entries} entries; this disk needs {needed}, {} are possible",
                L1_MOST / 8
            )));
        }
        let end = self.l1_at.checked_add(needed * 8);
        let is_there = end.is_some_and(|end| file.size().is_ok_and(|size| end <= size));
        if needed > 0 && (self.l1_at == 0 || self.l1_at % self.cluster_size() != 0 || !is_there) {
            return Err(Error::invalid(format!(
                "qcow2: the L1 table is said to be at {}, which is no cluster of the file",
                self.l1_at
            )));
        }
        Ok(needed)
    }
}

/// The backing file is named in the error, and never opened.
fn refuse_backing(file: &dyn ReadAt, head: &[u8]) -> Result<()> {
    let (at, length) = (be64(head, 8), be32(head, 16));
    if at == 0 {
        return Ok(());
    }
    let mut name = vec![0; length.min(NAME_MOST) as usize];
    let there = file.read_at(at, &mut name)?;
    name.truncate(there);
    Err(Error::invalid(format!(
        "qcow2: the image needs a backing file ({:?}), which is not opened: make it whole with \
         `qemu-img convert -O qcow2`, or `qemu-img rebase -b ''`",
        String::from_utf8_lossy(&name)
    )))
}

fn refuse_encryption(method: u32) -> Result<()> {
    let name = match method {
        0 => return Ok(()),
        1 => "AES".to_string(),
        2 => "LUKS".to_string(),
        _ => format!("unknown method {method}"),
    };
    Err(Error::invalid(format!("qcow2: the image is encrypted ({name}): decrypt it with `qemu-img convert`")))
}

/// The incompatible features, all of which are read here.
fn v3_features(file: &dyn ReadAt, head: &[u8], cluster_bits: u32) -> Result<u64> {
    let (features, length, order) = (be64(head, 72), be32(head, 100), be32(head, 96));
    if length < V3_LENGTH as u32 || length % 8 != 0 || u64::from(length) > 1 << cluster_bits {
        return Err(Error::invalid(format!("qcow2: a header of {length} bytes")));
    }
    if order > 6 {
        return Err(Error::invalid(format!("qcow2: reference counts of 2^{order} bits")));
    }
    if features & bit::CORRUPT != 0 {
        return Err(Error::invalid(
            "qcow2: the image is marked corrupt: look at it with `qemu-img check`, and repair it with `-r all`",
        ));
    }
    if features & bit::DATA_FILE != 0 {
        return Err(Error::invalid(
            "qcow2: the image keeps its data in an external data file, which is not opened: \
             make it whole with `qemu-img convert -O qcow2`",
        ));
    }
    match features & !bit::READ {
        0 => Ok(features),
        unknown => Err(refuse_feature(file, unknown.trailing_zeros(), length.into(), 1 << cluster_bits)),
    }
}

fn refuse_feature(file: &dyn ReadAt, bit: u32, header: u64, cluster: u64) -> Error {
    let name = match feature_name(file, bit, header, cluster) {
        Some(name) => format!(", which it calls {name:?},"),
        None => String::new(),
    };
    Error::invalid(format!(
        "qcow2: the image needs a feature{name} that is not known here (incompatible bit {bit}): \
         convert it with `qemu-img convert -O qcow2`"
    ))
}

/// What the image's own table of names calls an incompatible feature.
fn feature_name(file: &dyn ReadAt, bit: u32, header: u64, cluster: u64) -> Option<String> {
    const END: u32 = 0;
    const NAMES: u32 = 0x6803_f857;
    let mut head = vec![0; cluster.min(HEAD_MOST) as usize];
    let length = file.read_at(0, &mut head).ok()?;
    head.truncate(length);
    let mut rest = head.get(usize::try_from(header).ok()?..)?;
    loop {
        let (kind, length) = (be32(rest, 0), be32(rest, 4) as usize);
        let content = rest.get(8..)?;
        match kind {
            END => return None,
            NAMES => return name_in(content.get(..length)?, bit),
            _ => rest = content.get(length.checked_next_multiple_of(8)?..)?,
        }
    }
}

/// Entries are a kind (0: incompatible), a bit and a text padded with NULs.
fn name_in(table: &[u8], bit: u32) -> Option<String> {
    let entry = table.chunks_exact(48).find(|entry| entry.first() == Some(&0) && entry.get(1) == Some(&(bit as u8)))?;
    let text = entry.get(2..)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// zlib, unless the field and the feature's bit say otherwise, together.
fn compression(head: &[u8], version: u32, features: u64) -> Result<Compression> {
    let has_field = version > 2 && be32(head, 100) > V3_LENGTH as u32;
    let method = head.get(V3_LENGTH).copied().filter(|_| has_field).unwrap_or(0);
    let is_marked = features & bit::COMPRESSION != 0;
    match (method, is_marked) {
        (0, false) => Ok(Compression::Zlib),
        (1, true) => Ok(Compression::Zstd),
        (0 | 1, _) => Err(Error::invalid(format!(
            "qcow2: compression method {method} and the feature bit of it ({is_marked}) do not agree"
        ))),
        _ => Err(Error::invalid(format!("qcow2: compression method {method} is not known; zlib and zstd are"))),
    }
}
