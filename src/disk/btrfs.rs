//! Whether all of a btrfs is on the one device that it begins on, by its chunk tree: which devices there are, and on which
//! each chunk is. The superblock's count of them may lie, and the kernel opens what it knows of the others by their UUIDs:
//! another part of the same filesystem, or a seed, which are disks of this machine.
//!
//! <https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html>

use crate::disk::ReadAt;
use crate::disk::read_at::field::{le16, le32, le64};
use crate::error::Result;

/// struct btrfs_super_block, from the volume's beginning.
const SUPER: usize = 64 << 10;
const SUPER_LENGTH: usize = 4096;
const FSID: usize = 32;
const CHUNK_ROOT: usize = 88;
const NODE_SIZE: usize = 148;
const SYSTEM_LENGTH: usize = 160;
const INCOMPAT: usize = 188;
const INCOMPAT_METADATA_UUID: u64 = 1 << 10;
const DEVICE: usize = 201;
const METADATA_UUID: usize = 571;
const SYSTEM: usize = 811;
const SYSTEM_MOST: usize = 2048;

/// struct btrfs_disk_key: object, type, offset.
const KEY: usize = 17;
const DEVICE_ITEM: u8 = 216;
const CHUNK_ITEM: u8 = 228;
/// struct btrfs_dev_item; where its filesystem's UUID is.
const DEVICE_FSID: usize = 82;
/// struct btrfs_chunk without stripes, and a stripe.
const CHUNK: usize = 48;
const CHUNK_STRIPES: usize = 44;
const STRIPE: usize = 32;
/// struct btrfs_header; struct btrfs_item and struct btrfs_key_ptr behind it.
const HEADER: usize = 101;
const HEADER_COUNT: usize = 96;
const HEADER_LEVEL: usize = 100;
const ITEM: usize = 25;
const POINTER: usize = 33;
const NODE_SIZES: std::ops::RangeInclusive<usize> = 4096..=65536;
/// Levels of a tree.
const LEVELS: u8 = 8;
/// Nodes that are looked at: of a disk of 100 TiB in chunks of 1 GiB it has a thousand.
const NODES_MOST: usize = 16 << 10;

pub(super) const SEVERAL: &str = "it is one of several devices, which are not opened";
const LOST: &str = "its tree of chunks is broken, so that nothing says whether it is on other devices, too";

/// What is elsewhere; None: nothing. `offset` is where the filesystem begins on the disk.
pub fn elsewhere(disk: &dyn ReadAt, offset: u64) -> Result<Option<&'static str>> {
    let mut head = vec![0; SUPER_LENGTH];
    let at = offset.saturating_add(SUPER as u64);
    if disk.read_at(at, &mut head)? < SUPER_LENGTH {
        return Ok(Some(LOST));
    }
    let mut walk = Walk { disk, offset, own: Own::of(&head), system: Vec::new(), left: NODES_MOST };
    Ok(match walk.system(&head) {
        Some(false) => Some(SEVERAL),
        None => Some(LOST),
        Some(true) => match walk.node(le64(&head, CHUNK_ROOT), LEVELS)? {
            Some(true) => None,
            Some(false) => Some(SEVERAL),
            None => Some(LOST),
        },
    })
}

/// What the device says of itself.
struct Own {
    device: u64,
    fsid: [u8; 16],
    node_size: usize,
}

impl Own {
    fn of(head: &[u8]) -> Own {
        let at = if le64(head, INCOMPAT) & INCOMPAT_METADATA_UUID == 0 { FSID } else { METADATA_UUID };
        let fsid = head.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        Own { device: le64(head, DEVICE), fsid, node_size: le32(head, NODE_SIZE) as usize }
    }
}

/// Addresses of a chunk, and where the device has its first copy.
struct Chunk {
    logical: u64,
    length: u64,
    physical: u64,
}

/// Answers are `Some(true)` where all is on the device itself, `None` where it cannot be told.
struct Walk<'a> {
    disk: &'a dyn ReadAt,
    offset: u64,
    own: Own,
    /// Chunks that hold the tree itself.
    system: Vec<Chunk>,
    left: usize,
}

impl Walk<'_> {
    /// Takes in the superblock's own chunks.
    fn system(&mut self, head: &[u8]) -> Option<bool> {
        let length = le32(head, SYSTEM_LENGTH) as usize;
        let mut rest = head.get(SYSTEM..)?.get(..length.min(SYSTEM_MOST))?;
        while !rest.is_empty() {
            let (key, chunk) = rest.split_at_checked(KEY)?;
            let stripes = self.stripes(chunk)?;
            if !stripes.are_own {
                return Some(false);
            }
            self.system.push(Chunk { logical: le64(key, 9), length: le64(chunk, 0), physical: stripes.first });
            rest = chunk.get(stripes.end..)?;
        }
        (!self.system.is_empty()).then_some(true)
    }

    fn stripes(&self, chunk: &[u8]) -> Option<Stripes> {
        let end = CHUNK + STRIPE * usize::from(le16(chunk, CHUNK_STRIPES));
        let stripes = chunk.get(CHUNK..end).filter(|stripes| !stripes.is_empty())?;
        let are_own = stripes.chunks(STRIPE).all(|stripe| le64(stripe, 0) == self.own.device);
        Some(Stripes { are_own, first: le64(stripes, 8), end })
    }

    /// A node of the tree and all below it.
    fn node(&mut self, logical: u64, below: u8) -> Result<Option<bool>> {
        let Some(node) = self.read(logical)? else { return Ok(None) };
        let (level, count) = (node.get(HEADER_LEVEL).copied().unwrap_or_default(), le32(&node, HEADER_COUNT) as usize);
        if level >= below {
            return Ok(None);
        }
        if level == 0 {
            return Ok(self.leaf(&node, count));
        }
        for number in 0..count {
            let Some(pointer) = node.get(HEADER + number * POINTER..).filter(|rest| rest.len() >= POINTER) else {
                return Ok(None);
            };
            match self.node(le64(pointer, KEY), level)? {
                Some(true) => {}
                other => return Ok(other),
            }
        }
        Ok((count > 0).then_some(true))
    }

    fn leaf(&self, node: &[u8], count: usize) -> Option<bool> {
        for number in 0..count {
            let item = node.get(HEADER + number * ITEM..).filter(|rest| rest.len() >= ITEM)?;
            let from = HEADER + le32(item, KEY) as usize;
            let data = node.get(from..)?.get(..le32(item, KEY + 4) as usize)?;
            let is_own = match item.get(8).copied() {
                Some(DEVICE_ITEM) => le64(data, 0) == self.own.device && data.get(DEVICE_FSID..)? == self.own.fsid,
                Some(CHUNK_ITEM) => self.stripes(data)?.are_own,
                _ => true,
            };
            if !is_own {
                return Some(false);
            }
        }
        Some(true)
    }

    fn read(&mut self, logical: u64) -> Result<Option<Vec<u8>>> {
        let holds = |chunk: &&Chunk| logical.checked_sub(chunk.logical).is_some_and(|within| within < chunk.length);
        let Some(chunk) = self.system.iter().find(holds) else { return Ok(None) };
        let place = chunk.physical.checked_add(logical - chunk.logical).and_then(|at| at.checked_add(self.offset));
        let Some(place) = place.filter(|_| self.left > 0 && NODE_SIZES.contains(&self.own.node_size)) else {
            return Ok(None);
        };
        self.left -= 1;
        let mut node = vec![0; self.own.node_size];
        let read = self.disk.read_at(place, &mut node)?;
        Ok((read == node.len()).then_some(node))
    }
}

struct Stripes {
    are_own: bool,
    /// Where the first begins on its device.
    first: u64,
    /// Bytes of the chunk with all of them.
    end: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: usize = 4096;
    /// Where the tree's chunk begins: in addresses, on the device, and the device on the disk.
    const LOGICAL: u64 = 22 << 20;
    const PHYSICAL: u64 = 128 << 10;
    const OFFSET: usize = 512;

    struct Hand(Vec<u8>);

    impl Hand {
        fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Hand {
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
            self
        }

        fn node(&mut self, number: usize, level: u8, entries: &[Vec<u8>]) {
            let at = OFFSET + PHYSICAL as usize + number * NODE;
            self.put(at + HEADER_COUNT, &(entries.len() as u32).to_le_bytes()).put(at + HEADER_LEVEL, &[level]);
            let mut end = NODE - HEADER;
            for (number, entry) in entries.iter().enumerate() {
                let place = at + HEADER + number * if level == 0 { ITEM } else { POINTER };
                let (key, data) = entry.split_at(KEY);
                if level > 0 {
                    self.put(place, entry);
                    continue;
                }
                end -= data.len();
                self.put(place, key).put(place + KEY, &(end as u32).to_le_bytes());
                self.put(place + KEY + 4, &(data.len() as u32).to_le_bytes()).put(at + HEADER + end, data);
            }
        }

        fn told(&self) -> Option<&'static str> {
            elsewhere(&self.0, OFFSET as u64).unwrap()
        }
    }

    fn key(kind: u8, offset: u64) -> Vec<u8> {
        [&1u64.to_le_bytes()[..], &[kind], &offset.to_le_bytes()].concat()
    }

    fn device(number: u64, fsid: u8) -> Vec<u8> {
        let mut item = [key(DEVICE_ITEM, number), vec![0; 98]].concat();
        item[KEY..KEY + 8].copy_from_slice(&number.to_le_bytes());
        item[KEY + DEVICE_FSID..].fill(fsid);
        item
    }

    fn chunk(logical: u64, stripes: &[u64]) -> Vec<u8> {
        let mut item = [key(CHUNK_ITEM, logical), vec![0; CHUNK]].concat();
        item[KEY..KEY + 8].copy_from_slice(&(8u64 << 20).to_le_bytes());
        item[KEY + CHUNK_STRIPES..KEY + CHUNK_STRIPES + 2].copy_from_slice(&(stripes.len() as u16).to_le_bytes());
        for device in stripes {
            item.extend([&device.to_le_bytes()[..], &PHYSICAL.to_le_bytes(), &[0; 16]].concat());
        }
        item
    }

    /// Device 1 of the filesystem 7, its root node at the chunk's beginning.
    fn hand(system: &[Vec<u8>]) -> Hand {
        let mut hand = Hand(vec![0; OFFSET + PHYSICAL as usize + 4 * NODE]);
        let (at, system) = (OFFSET + SUPER, system.concat());
        hand.put(at + FSID, &[7; 16]).put(at + CHUNK_ROOT, &LOGICAL.to_le_bytes()).put(at + DEVICE, &[1]);
        hand.put(at + NODE_SIZE, &(NODE as u32).to_le_bytes()).put(at + SYSTEM, &system);
        hand.put(at + SYSTEM_LENGTH, &(system.len() as u32).to_le_bytes());
        hand
    }

    fn of_leaf(items: &[Vec<u8>]) -> Option<&'static str> {
        let mut hand = hand(&[chunk(LOGICAL, &[1, 1])]);
        hand.node(0, 0, items);
        hand.told()
    }

    #[test]
    fn what_is_all_on_one_device_is_told_from_what_is_not() {
        assert_eq!(of_leaf(&[device(1, 7), chunk(0, &[1]), chunk(LOGICAL, &[1, 1])]), None);
        // A second device, a seed, a chunk of which one copy or all is elsewhere.
        for more in [device(2, 7), device(1, 8), chunk(1 << 30, &[1, 2]), chunk(1 << 30, &[9])] {
            assert_eq!(of_leaf(&[device(1, 7), more]), Some(SEVERAL));
        }
        assert_eq!(hand(&[chunk(LOGICAL, &[1]), chunk(0, &[2])]).told(), Some(SEVERAL));
    }

    #[test]
    fn every_leaf_is_looked_at() {
        let pointer = |number: usize| {
            let to = LOGICAL + (number * NODE) as u64;
            [key(DEVICE_ITEM, 0), to.to_le_bytes().to_vec(), vec![0; 8]].concat()
        };
        let with = |second: Vec<u8>, last: Vec<u8>| {
            let mut hand = hand(&[chunk(LOGICAL, &[1])]);
            hand.node(0, 1, &[pointer(1), last]);
            hand.node(1, 0, &[device(1, 7)]);
            hand.node(2, 0, &[second]);
            hand.told()
        };
        assert_eq!(with(chunk(0, &[1]), pointer(2)), None);
        assert_eq!(with(chunk(0, &[2]), pointer(2)), Some(SEVERAL));
        // One that is its own child, and one that is nowhere.
        assert_eq!(with(chunk(0, &[1]), pointer(0)), Some(LOST));
        assert_eq!(with(chunk(0, &[1]), pointer(4096)), Some(LOST));
    }

    #[test]
    fn what_cannot_be_followed_is_lost() {
        assert_eq!(hand(&[]).told(), Some(LOST));
        assert_eq!(hand(&[chunk(LOGICAL, &[])]).told(), Some(LOST));
        assert_eq!(hand(&[chunk(LOGICAL + 1, &[1])]).told(), Some(LOST));
        let good = || {
            let mut hand = hand(&[chunk(LOGICAL, &[1])]);
            hand.node(0, 0, &[device(1, 7)]);
            hand
        };
        assert_eq!(good().told(), None);
        for size in [0, 4095, 1 << 20, u32::MAX] {
            assert_eq!(good().put(OFFSET + SUPER + NODE_SIZE, &size.to_le_bytes()).told(), Some(LOST), "{size}");
        }
        let node = OFFSET + PHYSICAL as usize;
        assert_eq!(good().put(node + HEADER_COUNT, &[255; 4]).told(), Some(LOST));
        assert_eq!(good().put(node + HEADER_LEVEL, &[9]).told(), Some(LOST));
        assert_eq!(good().put(node + HEADER + KEY, &[255; 8]).told(), Some(LOST));
        for at in (SUPER..SUPER + 1000).map(|at| OFFSET + at).chain(node..node + 300) {
            for value in [0, 1, 0x7f, 0xff] {
                good().put(at, &[value]).told();
            }
        }
        let whole = good().0;
        for length in (0..whole.len()).step_by(509) {
            elsewhere(&whole[..length].to_vec(), OFFSET as u64).unwrap();
        }
    }
}
