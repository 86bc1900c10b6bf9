//! GPT (UEFI 2.10, 5.3): a header, an array of entries, checksums over both; the same again at the end of the disk.

use crate::disk::ReadAt;
use crate::disk::partition::{Guid, Partition, PartitionType, Table, TableKind, check_overlaps};
use crate::disk::read_at::field::{bytes, le16, le32, le64};
use crate::error::{Error, Result};
use zlib_rs::crc32::crc32;

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Bytes of the header that the specification fills.
const HEADER_LEAST: u32 = 92;
const ENTRY_LEAST: u32 = 128;
const ENTRY_MOST: u32 = 4096;
/// Entries at most; tools make 128.
const ENTRIES_MOST: u32 = 1024;

struct Header {
    sector: u64,
    first_usable: u64,
    last_usable: u64,
    guid: Guid,
    entries_at: u64,
    entries: u32,
    entry_length: u32,
    entries_crc: u32,
}

/// `None`: no header is there.
pub fn primary(disk: &dyn ReadAt, sector: u64) -> Result<Option<Table>> {
    table(disk, sector, 1, TableKind::Gpt)
        .map_err(|error| error.context(format!("the primary header, in sectors of {sector}")))
}

/// From the last sector of the disk.
pub fn backup(disk: &dyn ReadAt, sector: u64) -> Result<Option<Table>> {
    let last = (disk.size()? / sector).saturating_sub(1);
    table(disk, sector, last, TableKind::GptBackup)
        .map_err(|error| error.context(format!("the backup header, in sectors of {sector}")))
}

fn table(disk: &dyn ReadAt, sector: u64, at: u64, kind: TableKind) -> Result<Option<Table>> {
    let Some(header) = Header::read(disk, sector, at)? else { return Ok(None) };
    let partitions = header.partitions(disk)?;
    check_overlaps(&partitions)?;
    Ok(Some(Table { kind, sector, guid: Some(header.guid), partitions }))
}

impl Header {
    fn read(disk: &dyn ReadAt, sector: u64, at: u64) -> Result<Option<Header>> {
        let mut head = vec![0; sector as usize];
        let there = disk.read_at(at.saturating_mul(sector), &mut head)?;
        if there < head.len() || !head.starts_with(SIGNATURE) {
            return Ok(None);
        }
        check_sum(&mut head)?;
        if le64(&head, 24) != at {
            return Err(Error::invalid(format!("it says that it is at sector {}, and is at {at}", le64(&head, 24))));
        }
        let header = Header {
            sector,
            first_usable: le64(&head, 40),
            last_usable: le64(&head, 48),
            guid: Guid(bytes(&head, 56)),
            entries_at: le64(&head, 72),
            entries: le32(&head, 80),
            entry_length: le32(&head, 84),
            entries_crc: le32(&head, 88),
        };
        header.check(disk.size()? / sector)?;
        Ok(Some(header))
    }

    fn check(&self, sectors: u64) -> Result<()> {
        if self.last_usable >= sectors {
            return Err(Error::invalid(format!(
                "the disk is said to reach to sector {} and ends after {sectors}: the image is cut short",
                self.last_usable
            )));
        }
        let length = self.entry_length;
        if !(ENTRY_LEAST..=ENTRY_MOST).contains(&length) || !length.is_power_of_two() || self.entries > ENTRIES_MOST {
            return Err(Error::invalid(format!(
                "{} entries of {length} bytes; {ENTRIES_MOST} of {ENTRY_LEAST} to {ENTRY_MOST} are possible",
                self.entries
            )));
        }
        Ok(())
    }

    fn partitions(&self, disk: &dyn ReadAt) -> Result<Vec<Partition>> {
        let at = self.entries_at.checked_mul(self.sector).ok_or_else(|| Error::invalid("entries far past the end"))?;
        let mut entries = vec![0; (self.entries * self.entry_length) as usize];
        disk.read_exact_at(at, &mut entries, "the array of entries")?;
        let sum = crc32(0, &entries);
        if sum != self.entries_crc {
            let said = self.entries_crc;
            return Err(Error::invalid(format!(
                "the checksum of the entries is {sum:08x}, the header says {said:08x}"
            )));
        }
        let numbered = (1..).zip(entries.chunks_exact(self.entry_length as usize));
        numbered.filter_map(|(number, entry)| self.partition(number, entry).transpose()).collect()
    }

    /// `None`: the entry is not in use.
    fn partition(&self, number: u32, entry: &[u8]) -> Result<Option<Partition>> {
        let kind = Guid(bytes(entry, 0));
        if kind.is_zero() {
            return Ok(None);
        }
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        // The last usable sector is on the disk, so nothing below overflows.
        if first < self.first_usable.max(1) || last < first || last > self.last_usable {
            return Err(Error::invalid(format!(
                "partition {number} is said to be sectors {first} to {last}; {} to {} are usable",
                self.first_usable, self.last_usable
            )));
        }
        Ok(Some(Partition {
            number,
            offset: first * self.sector,
            length: (last - first + 1) * self.sector,
            kind: PartitionType::Gpt(kind),
            name: name(entry.get(56..128).unwrap_or_default()),
            unique: Some(Guid(bytes(entry, 16))),
            attributes: le64(entry, 48),
        }))
    }
}

/// The header's own, over its own length, with its field zero.
fn check_sum(head: &mut [u8]) -> Result<()> {
    let (length, said) = (le32(head, 12), le32(head, 16));
    if length < HEADER_LEAST || length as usize > head.len() {
        return Err(Error::invalid(format!("a header of {length} bytes")));
    }
    if let Some(field) = head.get_mut(16..20) {
        field.fill(0);
    }
    let sum = crc32(0, head.get(..length as usize).unwrap_or_default());
    match sum == said {
        true => Ok(()),
        false => Err(Error::invalid(format!("its checksum is {sum:08x}, and it says {said:08x}"))),
    }
}

/// UTF-16, padded with NULs.
fn name(field: &[u8]) -> String {
    let units = (0..field.len() / 2).map(|unit| le16(field, unit * 2)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
