//! MBR: four partitions, of which one may be an extended one, that holds a chain of logical ones. Sectors of 512 bytes.

use crate::disk::ReadAt;
use crate::disk::partition::{Partition, PartitionType, Table, TableKind, check_overlaps};
use crate::disk::read_at::field::{bytes, le16, le32};
use crate::error::{Error, Result};

const SECTOR: u64 = 512;
const SIGNATURE: u16 = 0xaa55;
const ENTRIES: usize = 446;
/// Logical partitions at most: 60, as in sfdisk.
const LOGICAL_MOST: u32 = 60;
const FIRST_LOGICAL: u32 = 5;
const PROTECTIVE: u8 = 0xee;

/// A record: the master boot record, or one of an extended partition.
pub struct Record([Entry; 4]);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    flag: u8,
    kind: u8,
    /// In sectors: from where it is relative to depends.
    start: u64,
    length: u64,
}

impl Entry {
    fn parse(from: &[u8]) -> Entry {
        let [flag, _, _, _, kind, ..] = bytes::<16>(from, 0);
        Entry { flag, kind, start: le32(from, 8).into(), length: le32(from, 12).into() }
    }

    fn is_used(&self) -> bool {
        self.kind != 0 && self.length != 0
    }

    fn is_extended(&self) -> bool {
        self.is_used() && matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    /// The partition, when it lies on the disk.
    fn partition(&self, number: u32, base: u64, sectors: u64) -> Result<Partition> {
        let first = base + self.start;
        if self.start == 0 || first + self.length > sectors {
            return Err(Error::invalid(format!(
                "partition {number} is said to be {} sectors from {first}; the disk has {sectors}: is the image cut short?",
                self.length
            )));
        }
        Ok(Partition {
            number,
            offset: first * SECTOR,
            length: self.length * SECTOR,
            kind: PartitionType::Mbr(self.kind),
            name: String::new(),
            unique: None,
            attributes: if self.flag == 0x80 { 1 << 2 } else { 0 },
        })
    }
}

impl Record {
    /// `None`: the disk begins with something else, or with a filesystem whose first sector ends like an MBR.
    pub fn read(disk: &dyn ReadAt) -> Result<Option<Record>> {
        let Some((record, sector)) = read_sector(disk, 0)? else { return Ok(None) };
        let is_plausible = record.0.iter().all(|entry| matches!(entry.flag, 0 | 0x80));
        Ok((is_plausible && !is_filesystem(&sector)).then_some(record))
    }

    pub fn is_protective(&self) -> bool {
        self.0.iter().any(|entry| entry.kind == PROTECTIVE)
    }

    pub fn is_empty(&self) -> bool {
        !self.0.iter().any(Entry::is_used)
    }
}

fn read_sector(disk: &dyn ReadAt, number: u64) -> Result<Option<(Record, [u8; SECTOR as usize])>> {
    let mut sector = [0; SECTOR as usize];
    let there = disk.read_at(number * SECTOR, &mut sector)?;
    if there < sector.len() || le16(&sector, 510) != SIGNATURE {
        return Ok(None);
    }
    let entry = |number: usize| Entry::parse(sector.get(ENTRIES + number * 16..).unwrap_or_default());
    Ok(Some((Record([entry(0), entry(1), entry(2), entry(3)]), sector)))
}

/// Boot sectors of FAT, exFAT and NTFS have the same last two bytes, and code where the entries would be.
fn is_filesystem(sector: &[u8]) -> bool {
    let says = |at: usize, text: &[u8]| sector.get(at..).is_some_and(|rest| rest.starts_with(text));
    says(3, b"NTFS    ") || says(3, b"EXFAT   ") || says(54, b"FAT") || says(82, b"FAT32")
}

pub fn read(disk: &dyn ReadAt, record: &Record) -> Result<Table> {
    let sectors = disk.size()? / SECTOR;
    let mut partitions = Vec::new();
    let mut extended = None;
    for (number, entry) in (1..).zip(&record.0).filter(|(_, entry)| entry.is_used()) {
        // An extended one is looked at like the others for what it covers, and holds the logical ones.
        partitions.push(entry.partition(number, 0, sectors)?);
        if entry.is_extended() && extended.replace(*entry).is_some() {
            return Err(Error::invalid("the partition table (MBR) has two extended partitions"));
        }
    }
    check_overlaps(&partitions)?;
    partitions.retain(|partition| !matches!(partition.kind, PartitionType::Mbr(0x05 | 0x0f | 0x85)));
    if let Some(extended) = extended {
        let logical = logical(disk, &extended, sectors)?;
        check_overlaps(&logical)?;
        partitions.extend(logical);
    }
    Ok(Table { kind: TableKind::Mbr, sector: SECTOR, guid: None, partitions })
}

/// The chain: each record has a partition, counted from itself, and the next record, counted from the extended partition.
fn logical(disk: &dyn ReadAt, extended: &Entry, sectors: u64) -> Result<Vec<Partition>> {
    let end = extended.start + extended.length;
    let (mut at, mut partitions) = (extended.start, Vec::new());
    for number in FIRST_LOGICAL..FIRST_LOGICAL + LOGICAL_MOST {
        let Some((Record(entries), _)) = read_sector(disk, at)? else {
            // An extended partition in which nothing was ever made.
            return if partitions.is_empty() { Ok(partitions) } else { Err(broken("ends in no record", at)) };
        };
        let data = entries.iter().find(|entry| entry.is_used() && !entry.is_extended());
        if let Some(data) = data {
            let partition = data.partition(number, at, sectors.min(end))?;
            partitions.push(partition);
        }
        let Some(next) = entries.iter().find(|entry| entry.is_extended()) else { return Ok(partitions) };
        let after = extended.start + next.start;
        // Tools write the chain in ascending order; one that goes back may never end.
        if after <= at || after >= end {
            return Err(broken("goes back, or out of its extended partition,", at));
        }
        at = after;
    }
    Err(Error::invalid(format!("more than {LOGICAL_MOST} logical partitions")))
}

fn broken(what: &str, at: u64) -> Error {
    Error::invalid(format!("the chain of logical partitions {what} at sector {at}"))
}
