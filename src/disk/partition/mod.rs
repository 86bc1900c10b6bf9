//! Partition tables: GPT (UEFI 2.10, chapter 5) and MBR with its logical partitions.

mod gpt;
pub mod guid;
mod mbr;
pub mod role;

use crate::disk::ReadAt;
use crate::error::{Error, Result};
pub use guid::Guid;
pub use role::{Architecture, Role};

/// What a disk is divided into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub kind: TableKind,
    /// Bytes of a sector, as the table counts.
    pub sector: u64,
    /// The disk's own, where it is a GPT.
    pub guid: Option<Guid>,
    /// In the order of the table, without entries that are not used and without extended partitions.
    pub partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    Gpt,
    /// Its primary header or entries are damaged: this is what the backup at the end says.
    GptBackup,
    Mbr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// As Linux counts them: logical ones from 5.
    pub number: u32,
    /// In bytes. It lies on the disk.
    pub offset: u64,
    pub length: u64,
    pub kind: PartitionType,
    /// The label of a GPT partition, as it is there: anything may be in it. Empty where there is none.
    pub name: String,
    pub unique: Option<Guid>,
    /// A GPT's bits; in an MBR, bit 2 for the one that is active.
    pub attributes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionType {
    Gpt(Guid),
    Mbr(u8),
}

/// Bytes of a sector that a GPT may count in.
const SECTORS: [u64; 2] = [512, 4096];

/// Reads the table of a disk. `None`: it has none (a filesystem may begin at its beginning).
/// Errors: there is one, but it is damaged, or lies.
///
/// A GPT counts where the MBR before it is a protective one, also a hybrid, or holds nothing; beside an MBR with partitions
/// of its own only, a GPT is what another tool left there (so Linux takes it).
pub fn read(disk: &dyn ReadAt) -> Result<Option<Table>> {
    let mbr = mbr::Record::read(disk)?;
    match mbr {
        Some(record) if !record.is_protective() && !record.is_empty() => mbr::read(disk, &record).map(Some),
        _ => read_gpt(disk, mbr.is_some_and(|record| record.is_protective())),
    }
}

fn read_gpt(disk: &dyn ReadAt, is_protected: bool) -> Result<Option<Table>> {
    let mut damage = Vec::new();
    for sector in SECTORS {
        match gpt::primary(disk, sector) {
            Ok(Some(table)) => return Ok(Some(table)),
            Ok(None) => {}
            Err(error) => damage.push(error),
        }
    }
    // Without either, a backup at the end is what remained of what the disk once was.
    if damage.is_empty() && !is_protected {
        return Ok(None);
    }
    for sector in SECTORS {
        match gpt::backup(disk, sector) {
            Ok(Some(table)) => return Ok(Some(table)),
            Ok(None) => {}
            Err(error) => damage.push(error),
        }
    }
    let causes: Vec<String> = damage.iter().map(Error::to_string).collect();
    let causes = if causes.is_empty() { "neither header is there".to_string() } else { causes.join("; ") };
    Err(Error::invalid(format!(
        "the partition table (GPT) cannot be read: {causes}: repair it with `sgdisk -e` or gdisk"
    )))
}

/// Refuses partitions that share a sector.
fn check_overlaps(partitions: &[Partition]) -> Result<()> {
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.offset);
    for pair in sorted.windows(2) {
        if let [one, other] = pair
            && one.offset + one.length > other.offset
        {
            return Err(Error::invalid(format!("partitions {} and {} overlap", one.number, other.number)));
        }
    }
    Ok(())
}

impl Partition {
    /// What it is for, where its type says so.
    pub fn role(&self) -> Option<Role> {
        match self.kind {
            PartitionType::Gpt(guid) => Role::of_guid(guid),
            PartitionType::Mbr(byte) => Role::of_byte(byte),
        }
    }

    /// Bit 2 of a GPT's attributes: legacy BIOS bootable, active.
    pub fn is_active(&self) -> bool {
        self.attributes & 1 << 2 != 0
    }

    /// Bit 63 of a GPT partition: not to be mounted by itself (Discoverable Partitions Specification).
    pub fn is_no_auto(&self) -> bool {
        self.attributes & 1 << 63 != 0
    }
}

#[cfg(test)]
mod tests;
