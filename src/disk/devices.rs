//! Whether a filesystem says, in its own superblock, that a part of it is on another device. The kernel would open that one:
//! a disk of this machine, if the image's maker named it. Pure.

use crate::disk::btrfs::SEVERAL;
use crate::disk::probe::Kind;
use crate::disk::read_at::field;

/// struct ext4_super_block of the kernel, 1024 bytes into the volume.
const EXT: usize = 1024;
const EXT_COMPAT: usize = EXT + 0x5c;
const EXT_COMPAT_HAS_JOURNAL: u32 = 4;
const EXT_INCOMPAT: usize = EXT + 0x60;
const EXT_INCOMPAT_JOURNAL_DEV: u32 = 8;
const EXT_JOURNAL_DEV: usize = EXT + 0xe4;
/// Options as mount(8) takes them, which the kernel obeys.
const EXT_MOUNT_OPTS: usize = EXT + 0x200;
const EXT_ORDERS: [&[u8]; 2] = [b"journal_dev", b"journal_path"];
/// struct btrfs_super_block, 64 KiB into the volume.
const BTRFS_DEVICES: usize = (64 << 10) + 136;

/// struct xfs_dsb: big-endian. A log within the filesystem has a first block; blocks of a realtime device are that device's,
/// but for zoned filesystems, which may have them behind the others.
const XFS_REALTIME_BLOCKS: usize = 16;
const XFS_LOG_START: usize = 48;
const XFS_VERSION: usize = 100;
const XFS_INCOMPAT: usize = 216;
const XFS_INCOMPAT_ZONED: u32 = 1 << 9;

/// struct erofs_super_block, 1024 bytes into the volume. Kernels have opened the paths that its table of devices gives.
const EROFS_INCOMPAT: usize = 1024 + 80;
const EROFS_INCOMPAT_DEVICE_TABLE: u32 = 8;
const EROFS_EXTRA_DEVICES: usize = 1024 + 86;

/// What is elsewhere; None: nothing. `head` is the volume's beginning.
pub fn elsewhere(kind: Kind, head: &[u8]) -> Option<&'static str> {
    match kind {
        Kind::Ext if is_journal(head) => Some("it is the journal of another ext4"),
        Kind::Ext if names_journal(head) => Some("it has its journal on another device, which is not opened"),
        Kind::Btrfs if field::le64(head, BTRFS_DEVICES) > 1 => Some(SEVERAL),
        Kind::Xfs if field::be64(head, XFS_LOG_START) == 0 => {
            Some("it has its log on another device, which is not opened")
        }
        Kind::Xfs if has_realtime(head) => Some("it has files on another device (realtime), which is not opened"),
        Kind::Erofs if names_devices(head) => Some("a part of it is on other devices, which are not opened"),
        _ => None,
    }
}

fn names_devices(head: &[u8]) -> bool {
    let has_table = field::le32(head, EROFS_INCOMPAT) & EROFS_INCOMPAT_DEVICE_TABLE != 0;
    has_table || field::le16(head, EROFS_EXTRA_DEVICES) != 0
}

fn has_realtime(head: &[u8]) -> bool {
    let is_zoned =
        field::be32(head, XFS_VERSION) >> 16 & 0xf == 5 && field::be32(head, XFS_INCOMPAT) & XFS_INCOMPAT_ZONED != 0;
    field::be64(head, XFS_REALTIME_BLOCKS) != 0 && !is_zoned
}

fn is_journal(head: &[u8]) -> bool {
    field::le32(head, EXT_INCOMPAT) & EXT_INCOMPAT_JOURNAL_DEV != 0
}

fn names_journal(head: &[u8]) -> bool {
    let has_journal = field::le32(head, EXT_COMPAT) & EXT_COMPAT_HAS_JOURNAL != 0;
    let options = field::bytes::<64>(head, EXT_MOUNT_OPTS);
    let orders = EXT_ORDERS.iter().any(|order| options.windows(order.len()).any(|word| word == *order));
    orders || has_journal && field::le32(head, EXT_JOURNAL_DEV) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 70 << 10];
        head[at..at + bytes.len()].copy_from_slice(bytes);
        head
    }

    #[test]
    fn whatever_names_another_device_is_seen() {
        let mut named = with(EXT_JOURNAL_DEV, &[1, 8, 0, 0]);
        assert_eq!(elsewhere(Kind::Ext, &named), None, "what has no journal does not look for one");
        named[EXT_COMPAT] = 4;
        assert!(elsewhere(Kind::Ext, &named).is_some());
        for options in ["journal_dev=0x801", "noatime,journal_path=/dev/sda"] {
            assert!(elsewhere(Kind::Ext, &with(EXT_MOUNT_OPTS, options.as_bytes())).is_some());
        }
        assert_eq!(elsewhere(Kind::Ext, &with(EXT_MOUNT_OPTS, b"noatime,journal_checksum")), None);
        assert!(elsewhere(Kind::Ext, &with(EXT_INCOMPAT, &[8])).is_some());
        assert!(elsewhere(Kind::Btrfs, &with(BTRFS_DEVICES, &[2])).is_some());
        assert_eq!(elsewhere(Kind::Btrfs, &with(BTRFS_DEVICES, &[1])), None);
        assert!(elsewhere(Kind::Erofs, &with(EROFS_INCOMPAT, &[8])).is_some());
        assert!(elsewhere(Kind::Erofs, &with(EROFS_EXTRA_DEVICES, &[1])).is_some());
        assert_eq!(elsewhere(Kind::Erofs, &with(EROFS_INCOMPAT, &[7])), None);
        let mut xfs = with(XFS_LOG_START + 7, &[4]);
        assert_eq!(elsewhere(Kind::Xfs, &xfs), None);
        xfs[XFS_REALTIME_BLOCKS + 7] = 1;
        assert!(elsewhere(Kind::Xfs, &xfs).is_some_and(|why| why.contains("realtime")));
        xfs[XFS_VERSION + 1] = 5;
        xfs[XFS_INCOMPAT + 2] = 2;
        assert_eq!(elsewhere(Kind::Xfs, &xfs), None, "a zoned one may have all in one place");
        assert!(elsewhere(Kind::Xfs, &with(0, b"XFSB")).is_some_and(|why| why.contains("log")));
        for length in [0, 1030, EXT_MOUNT_OPTS + 3, BTRFS_DEVICES + 1] {
            let cut = vec![0; length];
            assert_eq!((elsewhere(Kind::Ext, &cut), elsewhere(Kind::Btrfs, &cut)), (None, None));
        }
    }
}
