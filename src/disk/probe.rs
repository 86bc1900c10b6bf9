//! Which filesystem (or volume) begins somewhere, by its superblock, and what it calls itself.

use crate::disk::read_at::field;
use crate::disk::{ReadAt, btrfs, devices};
use crate::error::Result;

/// A btrfs superblock is 64 KiB into its volume.
const HEAD: usize = 70 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// What it says of itself, empty where it says nothing: anything may be in it.
    pub label: String,
    /// As blkid prints it.
    pub uuid: String,
    /// What of it is on another device, if it says so.
    pub elsewhere: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ext2, ext3 or ext4: one driver reads all.
    Ext,
    Xfs,
    Btrfs,
    Erofs,
    Squashfs,
    Vfat,
    Exfat,
    Ntfs,
    F2fs,
    Iso9660,
    Bcachefs,
    Swap,
    Lvm2,
    Luks,
}

/// How a superblock is known, and where it has its UUID and its label: offset and length, from the volume's beginning.
struct Shape {
    kind: Kind,
    magic: (usize, &'static [u8]),
    uuid: Option<usize>,
    label: (usize, usize),
}

const fn shape(kind: Kind, magic: (usize, &'static [u8]), uuid: Option<usize>, label: (usize, usize)) -> Shape {
    Shape { kind, magic, uuid, label }
}

/// In this order: what encrypts or holds others comes first. vfat's labels and numbers are its own (see [`probe`]).
const SHAPES: [Shape; 15] = [
    shape(Kind::Luks, (0, b"LUKS\xba\xbe"), None, (0, 0)),
    shape(Kind::Lvm2, (512, b"LABELONE"), None, (0, 0)),
    shape(Kind::Xfs, (0, b"XFSB"), Some(32), (108, 12)),
    shape(Kind::Squashfs, (0, b"hsqs"), None, (0, 0)),
    shape(Kind::Erofs, (1024, b"\xe2\xe1\xf5\xe0"), Some(1072), (1088, 16)),
    shape(Kind::F2fs, (1024, b"\x10\x20\xf5\xf2"), Some(1132), (0, 0)),
    shape(Kind::Ext, (1080, b"\x53\xef"), Some(1128), (1144, 16)),
    shape(Kind::Bcachefs, (4120, b"\xf6\x73\x85\xc6\x4e\x1a\xca\x45"), None, (0, 0)),
    shape(Kind::Btrfs, (65600, b"_BHRfS_M"), Some(65568), (65835, 256)),
    shape(Kind::Iso9660, (32769, b"CD001"), None, (0, 0)),
    shape(Kind::Swap, (4086, b"SWAPSPACE2"), Some(1036), (1052, 16)),
    shape(Kind::Ntfs, (3, b"NTFS    "), None, (0, 0)),
    shape(Kind::Exfat, (3, b"EXFAT   "), None, (0, 0)),
    shape(Kind::Vfat, (82, b"FAT32   "), None, (71, 11)),
    shape(Kind::Vfat, (54, b"FAT1"), None, (43, 11)),
];

impl Kind {
    /// The kernel's word, of what it can be asked to read.
    pub fn fstype(self) -> Option<&'static str> {
        Some(match self {
            Kind::Ext => "ext4",
            Kind::Xfs => "xfs",
            Kind::Btrfs => "btrfs",
            Kind::Erofs => "erofs",
            Kind::Squashfs => "squashfs",
            Kind::Vfat => "vfat",
            Kind::Iso9660 => "iso9660",
            _ => return None,
        })
    }

    /// Of what is not read: what it is, and what to do.
    pub fn refusal(self) -> &'static str {
        match self {
            Kind::Luks => "LUKS: it is encrypted, open it and give its tree as a directory",
            Kind::Lvm2 => "an LVM volume: activate it and give its tree as a directory",
            // Its superblock gives the paths of further devices, which the kernel opens.
            Kind::F2fs => "F2FS, which is not read: mount it and give its tree as a directory",
            Kind::Bcachefs => "bcachefs, which is not read: mount it and give its tree as a directory",
            Kind::Swap => "swap",
            Kind::Ntfs => "NTFS",
            Kind::Exfat => "exFAT",
            _ => "",
        }
    }
}

/// What begins at `offset` of the disk and is `length` bytes long. `None`: nothing that is known.
pub fn probe(disk: &dyn ReadAt, offset: u64, length: u64) -> Result<Option<Found>> {
    let mut head = vec![0; usize::try_from(length).map_or(HEAD, |length| length.min(HEAD))];
    let read = disk.read_at(offset, &mut head)?;
    head.truncate(read);
    let begins = |(at, magic): (usize, &[u8])| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let shape = SHAPES.iter().find(|shape| begins(shape.magic));
    let Some(shape) = shape else { return Ok(None) };
    let elsewhere = match devices::elsewhere(shape.kind, &head) {
        None if shape.kind == Kind::Btrfs => btrfs::elsewhere(disk, offset)?,
        other => other,
    };
    Ok(Some(Found {
        kind: shape.kind,
        label: text(&head, shape.label),
        elsewhere,
        uuid: match (shape.kind, shape.magic.0) {
            (Kind::Vfat, 82) => volume_number(&head, 67),
            (Kind::Vfat, _) => volume_number(&head, 39),
            _ => shape.uuid.map_or(String::new(), |at| uuid(&head, at)),
        },
    }))
}

/// Up to its NUL, without spaces behind it.
fn text(head: &[u8], (at, length): (usize, usize)) -> String {
    let bytes = head.get(at..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim_end().to_string()
}

fn uuid(head: &[u8], at: usize) -> String {
    let digits: Vec<String> = field::bytes::<16>(head, at).iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().concat();
    format!("{}-{}-{}-{}-{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16))
}

fn volume_number(head: &[u8], at: usize) -> String {
    let number = field::le32(head, at);
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs::File;
    use std::process::Command;

    #[test]
    fn what_tools_make_is_known_with_what_blkid_says_of_it() {
        let scratch = Scratch::new("disk-probe");
        let makers: [(Kind, &[&str]); 7] = [
            (Kind::Ext, &["mkfs.ext4", "-q", "-L", "one"]),
            (Kind::Ext, &["mkfs.ext2", "-q", "-L", "one"]),
            (Kind::Xfs, &["mkfs.xfs", "-q", "-L", "one"]),
            (Kind::Btrfs, &["mkfs.btrfs", "-q", "-L", "one"]),
            (Kind::Vfat, &["mkfs.vfat", "-F", "32", "-n", "ONE"]),
            (Kind::Vfat, &["mkfs.vfat", "-F", "16", "-n", "ONE"]),
            (Kind::Swap, &["mkswap", "-q", "-L", "one"]),
        ];
        for (number, (kind, words)) in makers.into_iter().enumerate() {
            let path = scratch.path().join(number.to_string());
            File::create(&path).unwrap().set_len(320 << 20).unwrap();
            let made = Command::new(words[0]).args(&words[1..]).arg(&path).output();
            if !made.is_ok_and(|made| made.status.success()) {
                eprintln!("skip: {words:?} does not run here");
                continue;
            }
            let found = probe(&File::open(&path).unwrap(), 0, 320 << 20).unwrap().unwrap();
            assert_eq!((found.kind, found.label.to_lowercase().as_str()), (kind, "one"), "{words:?}");
            let said = Command::new("blkid").args(["-p", "-o", "value", "-s", "UUID"]).arg(&path).output();
            let Ok(said) = said else { continue };
            assert_eq!(found.uuid, String::from_utf8_lossy(&said.stdout).trim(), "{words:?}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let mut disk = vec![0; HEAD];
        assert_eq!(probe(&disk, 0, HEAD as u64).unwrap(), None);
        disk[1080..1082].copy_from_slice(b"\x53\xef");
        assert_eq!(probe(&disk, 0, HEAD as u64).unwrap().unwrap().kind, Kind::Ext);
        assert_eq!(probe(&disk, 0, 1081).unwrap(), None);
        assert_eq!(probe(&disk, 1 << 40, HEAD as u64).unwrap(), None);
        for length in 1082..1200 {
            probe(&disk[..length].to_vec(), 0, u64::MAX).unwrap().unwrap();
        }
    }
}
