//! xxHash, the checksums of lz4 (32 bits) and zstd (64 bits), from xxHash's `doc/xxhash_spec.md`; seed 0.

use crate::groups;

const P32: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];

/// XXH32 of bytes that come in pieces.
#[derive(Debug, Clone)]
pub struct Xxh32 {
    lanes: [u32; 4],
    /// Bytes that do not fill a stripe yet.
    held: [u8; 16],
    total: u64,
}

impl Default for Xxh32 {
    fn default() -> Xxh32 {
        Xxh32::new()
    }
}

impl Xxh32 {
    pub fn new() -> Xxh32 {
        let lanes = [P32[0].wrapping_add(P32[1]), P32[1], 0, 0u32.wrapping_sub(P32[0])];
        Xxh32 { lanes, held: [0; 16], total: 0 }
    }

    /// Of one piece.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut hash = Xxh32::new();
        hash.update(bytes);
        hash.finish()
    }

    fn held(&self) -> usize {
        (self.total % 16) as usize
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = self.held();
        self.total += bytes.len() as u64;
        if held > 0 {
            let room = self.held.get_mut(held..).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(taken);
            room.iter_mut().zip(now).for_each(|(place, byte)| *place = *byte);
            if taken < 16 - held {
                return;
            }
            let stripe = self.held;
            self.stripe(&stripe);
            bytes = later;
        }
        let (stripes, rest) = groups(bytes);
        stripes.for_each(|stripe| self.stripe(stripe));
        self.held.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    }

    fn stripe(&mut self, stripe: &[u8; 16]) {
        let (words, _) = groups(stripe);
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            let sum = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(P32[1]));
            *lane = sum.rotate_left(13).wrapping_mul(P32[0]);
        }
    }

    pub fn finish(&self) -> u32 {
        let [a, b, c, d] = self.lanes;
        let mut hash = match self.total {
            0..16 => P32[4],
            _ => a
                .rotate_left(1)
                .wrapping_add(b.rotate_left(7))
                .wrapping_add(c.rotate_left(12))
                .wrapping_add(d.rotate_left(18)),
        };
        hash = hash.wrapping_add(self.total as u32);
        let (words, bytes) = groups(self.held.get(..self.held()).unwrap_or_default());
        for word in words {
            let sum = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(P32[2]));
            hash = sum.rotate_left(17).wrapping_mul(P32[3]);
        }
        for byte in bytes {
            hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(P32[4])).rotate_left(11).wrapping_mul(P32[0]);
        }
        hash = (hash ^ hash >> 15).wrapping_mul(P32[1]);
        hash = (hash ^ hash >> 13).wrapping_mul(P32[2]);
        hash ^ hash >> 16
    }
}

const P64: [u64; 5] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63, 0x27d4_eb2f_1656_67c5];

/// XXH64 of bytes that come in pieces.
#[derive(Debug, Clone)]
pub struct Xxh64 {
    lanes: [u64; 4],
    /// Bytes that do not fill a stripe yet.
    held: [u8; 32],
    total: u64,
}

impl Default for Xxh64 {
    fn default() -> Xxh64 {
        Xxh64::new()
    }
}

impl Xxh64 {
    pub fn new() -> Xxh64 {
        let lanes = [P64[0].wrapping_add(P64[1]), P64[1], 0, 0u64.wrapping_sub(P64[0])];
        Xxh64 { lanes, held: [0; 32], total: 0 }
    }

    fn held(&self) -> usize {
        (self.total % 32) as usize
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = self.held();
        self.total += bytes.len() as u64;
        if held > 0 {
            let room = self.held.get_mut(held..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(place, byte)| *place = *byte);
            if now.len() < 32 - held {
                return;
            }
            let stripe = self.held;
            self.stripe(&stripe);
            bytes = later;
        }
        let (stripes, rest) = groups(bytes);
        stripes.for_each(|stripe| self.stripe(stripe));
        self.held.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    }

    #[inline]
    fn stripe(&mut self, stripe: &[u8; 32]) {
        for (lane, word) in self.lanes.iter_mut().zip(groups(stripe).0) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }

    pub fn finish(&self) -> u64 {
        let [a, b, c, d] = self.lanes;
        let mut hash = P64[4];
        if self.total >= 32 {
            let turned = [a.rotate_left(1), b.rotate_left(7), c.rotate_left(12), d.rotate_left(18)];
            hash = turned.into_iter().fold(0, u64::wrapping_add);
            for lane in self.lanes {
                hash = (hash ^ round(0, lane)).wrapping_mul(P64[0]).wrapping_add(P64[3]);
            }
        }
        hash = hash.wrapping_add(self.total);
        let (words, rest) = groups(self.held.get(..self.held()).unwrap_or_default());
        for word in words {
            let mixed = (hash ^ round(0, u64::from_le_bytes(*word))).rotate_left(27);
            hash = mixed.wrapping_mul(P64[0]).wrapping_add(P64[3]);
        }
        let (words, rest) = groups(rest);
        for word in words {
            let mixed = (hash ^ u64::from(u32::from_le_bytes(*word)).wrapping_mul(P64[0])).rotate_left(23);
            hash = mixed.wrapping_mul(P64[1]).wrapping_add(P64[2]);
        }
        for byte in rest {
            hash = (hash ^ u64::from(*byte).wrapping_mul(P64[4])).rotate_left(11).wrapping_mul(P64[0]);
        }
        hash = (hash ^ hash >> 33).wrapping_mul(P64[1]);
        hash = (hash ^ hash >> 29).wrapping_mul(P64[2]);
        hash ^ hash >> 32
    }
}

#[inline(always)]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P64[1])).rotate_left(31).wrapping_mul(P64[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sanity values of xxHash's own tests.
    #[test]
    fn known_hashes() {
        assert_eq!(Xxh32::of(b""), 0x02cc_5d05);
        assert_eq!(Xxh32::of(b"a"), 0x550d_7456);
        assert_eq!(Xxh32::of(b"abc"), 0x32d1_53ff);
        assert_eq!(Xxh32::of(b"Nobody inspects the spammish repetition"), 0xe229_3b2f);
        let of = |bytes: &[u8]| {
            let mut hash = Xxh64::new();
            hash.update(bytes);
            hash.finish()
        };
        assert_eq!(of(b""), 0xef46_db37_51d8_e999);
        assert_eq!(of(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(of(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
    }

    #[test]
    fn pieces_are_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        for first in 0..40 {
            for second in first..80 {
                let (mut hash, mut long, mut whole) = (Xxh32::new(), Xxh64::new(), Xxh64::new());
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    hash.update(piece);
                    long.update(piece);
                }
                whole.update(&bytes);
                assert_eq!(hash.finish(), Xxh32::of(&bytes));
                assert_eq!(long.finish(), whole.finish());
            }
        }
    }
}
