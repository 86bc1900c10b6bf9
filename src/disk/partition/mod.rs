//! Partition tables: GPT (UEFI 2.10, chapter 5) and MBR with its logical partitions.

pub mod guid;
pub mod role;

use crate::disk::ReadAt;
use crate::error::Result;
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

/// Reads the table of a disk. `None`: it has none (a filesystem may begin at its beginning).
/// Errors: there is one, but it is damaged, or lies.
pub fn read(disk: &dyn ReadAt) -> Result<Option<Table>> {
    let _ = disk;
    Ok(None)
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
