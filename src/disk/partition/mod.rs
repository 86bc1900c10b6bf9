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
        match pair {
            [one, other] if one.offset + one.length > other.offset => {
                return Err(Error::invalid(format!("partitions {} and {} overlap", one.number, other.number)));
            }
            _ => {}
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
mod tests {

    use super::*;

    const LINUX: u128 = 0x0fc63daf_8483_4772_8e79_3d69d8477de4;

    /// A disk with a GPT at both ends, in sectors of a size.
    struct Gpt {
        sector: usize,
        sectors: u64,
        /// First and last sector.
        partitions: Vec<(u64, u64)>,
        entry: u32,
        count: u32,
    }

    impl Gpt {
        fn new(sector: usize, partitions: &[(u64, u64)]) -> Gpt {
            Gpt { sector, sectors: 200, partitions: partitions.to_vec(), entry: 128, count: 128 }
        }

        fn entries(&self) -> Vec<u8> {
            let mut entries = vec![0; 128 * 128];
            for (number, (first, last)) in self.partitions.iter().enumerate() {
                let entry = &mut entries[number * 128..][..128];
                entry[..16].copy_from_slice(&Guid::of(LINUX).0);
                entry[16] = number as u8 + 1;
                entry[32..40].copy_from_slice(&first.to_le_bytes());
                entry[40..48].copy_from_slice(&last.to_le_bytes());
                entry[55] = 0x80;
                for (unit, letter) in "root\u{1b}é".encode_utf16().enumerate() {
                    entry[56 + unit * 2..][..2].copy_from_slice(&letter.to_le_bytes());
                }
            }
            entries
        }

        fn header(&self, at: u64, entries_at: u64) -> Vec<u8> {
            let mut header = vec![0; self.sector];
            header[..8].copy_from_slice(b"EFI PART");
            header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
            let entries = 128 * 128 / self.sector as u64;
            for (place, number) in [(24, at), (40, 2 + entries), (48, self.sectors - 2 - entries), (72, entries_at)] {
                header[place..place + 8].copy_from_slice(&number.to_le_bytes());
            }
            for (place, number) in [(80, self.count), (84, self.entry), (88, zlib_rs::crc32::crc32(0, &self.entries()))]
            {
                header[place..place + 4].copy_from_slice(&number.to_le_bytes());
            }
            let sum = zlib_rs::crc32::crc32(0, &header[..92]);
            header[16..20].copy_from_slice(&sum.to_le_bytes());
            header
        }

        fn disk(&self) -> Vec<u8> {
            let mut disk = vec![0; self.sectors as usize * self.sector];
            let entries = 128 * 128 / self.sector as u64;
            let mut put = |sector: u64, bytes: &[u8]| {
                let at = sector as usize * self.sector;
                disk[at..at + bytes.len()].copy_from_slice(bytes);
            };
            put(1, &self.header(1, 2));
            put(2, &self.entries());
            put(self.sectors - 1, &self.header(self.sectors - 1, self.sectors - 1 - entries));
            put(self.sectors - 1 - entries, &self.entries());
            with_mbr(disk, &[(0, 0xee, 1, 0xffff_ffff)])
        }
    }

    fn with_mbr(mut disk: Vec<u8>, entries: &[(u8, u8, u32, u32)]) -> Vec<u8> {
        put_record(&mut disk, 0, entries);
        disk
    }

    fn put_record(disk: &mut [u8], sector: usize, entries: &[(u8, u8, u32, u32)]) {
        let record = &mut disk[sector * 512..][..512];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        for (number, (flag, kind, start, length)) in entries.iter().enumerate() {
            let entry = &mut record[446 + number * 16..][..16];
            (entry[0], entry[4]) = (*flag, *kind);
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..].copy_from_slice(&length.to_le_bytes());
        }
    }

    fn places(table: &Table) -> Vec<(u32, u64, u64)> {
        table.partitions.iter().map(|one| (one.number, one.offset / table.sector, one.length / table.sector)).collect()
    }

    fn error(disk: &[u8]) -> String {
        read(&disk).unwrap_err().to_string()
    }

    #[test]
    fn case_16_a_gpt_is_read_in_sectors_of_both_sizes() {
        for sector in [512, 4096] {
            let table = read(&Gpt::new(sector, &[(40, 49), (50, 50)]).disk()).unwrap().unwrap();
            assert_eq!((table.kind, table.sector), (TableKind::Gpt, sector as u64));
            assert_eq!(places(&table), [(1, 40, 10), (2, 50, 1)]);
            let first = &table.partitions[0];
            assert_eq!(first.name, "root\u{1b}é");
            assert_eq!(first.role(), Some(Role::Linux));
            assert!(first.is_no_auto() && !first.is_active());
            assert_eq!(first.unique.unwrap().0[0], 1);
        }
    }

    #[test]
    fn case_16_the_backup_counts_where_the_primary_is_damaged() {
        for sector in [512, 4096] {
            for damage in [sector, sector + 60, 2 * sector + 40] {
                let mut disk = Gpt::new(sector, &[(40, 49)]).disk();
                disk[damage] ^= 1;
                let table = read(&disk).unwrap().unwrap();
                assert_eq!((table.kind, places(&table)), (TableKind::GptBackup, vec![(1, 40, 10)]), "{damage}");
            }
        }
    }

    #[test]
    fn case_16_both_headers_damaged_are_told() {
        let mut disk = Gpt::new(512, &[(40, 49)]).disk();
        disk[512 + 60] ^= 1;
        let end = disk.len();
        disk[end - 512 + 60] ^= 1;
        let error = error(&disk);
        assert!(error.contains("the primary header, in sectors of 512: its checksum is"), "{error}");
        assert!(error.contains("the backup header, in sectors of 512: its checksum is"), "{error}");
    }

    #[test]
    fn case_16_a_gpt_that_lies_is_refused() {
        let mut lies: Vec<(&str, Gpt)> = vec![
            ("overlap", Gpt::new(512, &[(40, 49), (49, 60)])),
            ("usable", Gpt::new(512, &[(40, 199)])),
            ("usable", Gpt::new(512, &[(1, 40)])),
            ("usable", Gpt::new(512, &[(50, 49)])),
            ("usable", Gpt::new(512, &[(0, u64::MAX)])),
        ];
        for (entry, count) in [(127, 128), (0, 128), (u32::MAX, 1), (128, u32::MAX), (128, 1025), (8192, 2)] {
            lies.push(("are possible", Gpt { entry, count, ..Gpt::new(512, &[(40, 49)]) }));
        }
        for (why, gpt) in lies {
            let error = error(&gpt.disk());
            assert!(error.contains(why), "{why}: {error}");
        }
        let mut cut = Gpt::new(512, &[(40, 49)]).disk();
        cut.truncate(100 * 512);
        assert!(error(&cut).contains("cut short"), "{}", error(&cut));
    }

    #[test]
    fn case_16_what_kind_of_table_counts() {
        // Hybrid: the GPT.
        let hybrid = with_mbr(Gpt::new(512, &[(40, 49)]).disk(), &[(0, 0xee, 1, 39), (0x80, 0x83, 40, 10)]);
        assert_eq!(read(&hybrid).unwrap().unwrap().kind, TableKind::Gpt);
        // An MBR over an old GPT.
        let over = with_mbr(Gpt::new(512, &[(40, 49)]).disk(), &[(0x80, 0x83, 60, 10)]);
        let table = read(&over).unwrap().unwrap();
        assert_eq!((table.kind, places(&table)), (TableKind::Mbr, vec![(1, 60, 10)]));
        assert!(table.partitions[0].is_active());
        // No table at all.
        for disk in [vec![], vec![0; 100], vec![0; 1 << 20], with_mbr(vec![0; 1 << 20], &[])] {
            assert_eq!(read(&disk).unwrap(), None);
        }
        // A filesystem that ends its first sector in the same way; a loader's code.
        let mut fat = with_mbr(vec![0; 1 << 20], &[(0, 0x0c, 1, 1)]);
        fat[82..87].copy_from_slice(b"FAT32");
        assert_eq!(read(&fat).unwrap(), None);
        assert_eq!(read(&with_mbr(vec![0; 1 << 20], &[(0x12, 0x34, 0x5678, 9)])).unwrap(), None);
        // A GPT whose MBR was wiped.
        let mut bare = Gpt::new(512, &[(40, 49)]).disk();
        bare[..512].fill(0);
        assert_eq!(read(&bare).unwrap().unwrap().kind, TableKind::Gpt);
        // What was left at the end of a disk that is something else now.
        bare[512..1024].fill(0);
        assert_eq!(read(&bare).unwrap(), None);
    }

    #[test]
    fn case_16_logical_partitions_are_followed() {
        let mut disk = with_mbr(vec![0; 300 * 512], &[(0, 0x83, 10, 10), (0, 0x05, 100, 200)]);
        put_record(&mut disk, 100, &[(0, 0x83, 1, 20), (0, 0x05, 50, 50)]);
        put_record(&mut disk, 150, &[(0, 0x82, 2, 30)]);
        let table = read(&disk).unwrap().unwrap();
        assert_eq!(places(&table), [(1, 10, 10), (5, 101, 20), (6, 152, 30)]);
        assert_eq!(table.partitions[2].role(), Some(Role::Swap));
        // Nothing in it.
        assert_eq!(places(&read(&with_mbr(vec![0; 300 * 512], &[(0, 0x0f, 100, 200)])).unwrap().unwrap()), []);
    }

    #[test]
    fn case_16_chains_without_end_are_refused() {
        let disk = with_mbr(vec![0; 300 * 512], &[(0, 0x05, 100, 200)]);
        // To itself, back, out of the extended partition.
        for next in [0, u32::MAX - 99, 200, u32::MAX] {
            let mut disk = disk.clone();
            put_record(&mut disk, 100, &[(0, 0x83, 1, 20), (0, 0x05, next, 50)]);
            assert!(error(&disk).contains("chain"), "{next}: {}", error(&disk));
        }
        let mut disk = with_mbr(vec![0; 300 * 512], &[(0, 0x05, 100, 200)]);
        for number in 0..100 {
            put_record(&mut disk, 100 + number, &[(0, 0x05, number as u32 + 1, 1)]);
        }
        assert!(error(&disk).contains("more than 60"), "{}", error(&disk));
    }

    #[test]
    fn case_16_an_mbr_that_lies_is_refused() {
        for (why, entries) in [
            ("overlap", [(0, 0x83, 10, 20), (0, 0x83, 29, 20)]),
            ("overlap", [(0, 0x83, 10, 20), (0, 0x05, 29, 20)]),
            ("cut short", [(0, 0x83, 10, 20), (0, 0x83, 290, 11)]),
            ("cut short", [(0, 0x83, 0, 20), (0, 0x83, 29, 20)]),
            ("cut short", [(0, 0x83, u32::MAX, u32::MAX), (0, 0x83, 29, 20)]),
            ("two extended", [(0, 0x0f, 10, 10), (0, 0x05, 29, 20)]),
        ] {
            let error = error(&with_mbr(vec![0; 300 * 512], &entries));
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
