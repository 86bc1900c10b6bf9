//! The SHA-256 of a stream, and those of parts of it, in one go: where the processor has instructions that make the second
//! digest of the same bytes cost next to nothing (`sys/sha_ni`). Elsewhere there is no `Twin`.

use crate::digest::Digest;
use crate::sys::sha_ni::{BLOCK, Instructions, State};

/// FIPS 180-4, 5.3.3.
const FIRST: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Where the length stands in the last block (5.1.1).
const LENGTH: usize = BLOCK - 8;

/// Takes bytes piece by piece.
#[derive(Debug, Clone)]
pub struct Twin {
    instructions: Instructions,
    whole: State,
    /// Begins with a block of the whole, and ends anywhere.
    part: State,
    /// Bytes of the whole, and where in it the part began.
    length: u64,
    begin: u64,
    /// The block that is not full yet: of the whole, and so of the part.
    block: [u8; BLOCK],
}

impl Twin {
    /// None where the processor does not have what it takes.
    pub fn new() -> Option<Twin> {
        let instructions = Instructions::find()?;
        Some(Twin { instructions, whole: FIRST, part: FIRST, length: 0, begin: 0, block: [0; BLOCK] })
    }

    /// A part begins here. False, and none has begun, unless so far whole blocks were taken.
    pub fn begin(&mut self) -> bool {
        let is_between = self.length % BLOCK as u64 == 0;
        if is_between {
            (self.part, self.begin) = (FIRST, self.length);
        }
        is_between
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        let filled = self.filled();
        if filled > 0 {
            let room = self.block.get_mut(filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.length += now.len() as u64;
            bytes = later;
            if self.filled() > 0 {
                return;
            }
            let block = self.block;
            self.compress(&block);
        }
        let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        self.compress(blocks);
        self.block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.length += bytes.len() as u64;
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Of the bytes since the last part began.
    pub fn part(&self) -> [u8; 32] {
        self.end(self.part, self.length - self.begin)
    }

    /// Of all bytes.
    pub fn whole(&self) -> Digest {
        Digest::of_sha256(self.end(self.whole, self.length))
    }

    /// Bytes of the block that is not full yet.
    fn filled(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    fn compress(&mut self, blocks: &[u8]) {
        self.instructions.compress(&mut self.whole, &mut self.part, blocks);
    }

    /// A bit behind the bytes, zeros, and how many bits they were.
    fn end(&self, mut state: State, length: u64) -> [u8; 32] {
        let mut blocks = [0; 2 * BLOCK];
        let filled = self.filled();
        blocks.iter_mut().zip(self.block.iter().take(filled)).for_each(|(to, from)| *to = *from);
        blocks[filled] = 0x80;
        let end = if filled < LENGTH { BLOCK } else { 2 * BLOCK };
        blocks[end - 8..end].copy_from_slice(&length.wrapping_mul(8).to_be_bytes());
        self.instructions.compress(&mut state, &mut [0; 8], &blocks[..end]);
        let mut digest = [0; 32];
        digest.chunks_exact_mut(4).zip(state).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    fn sha256(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    /// Every length around a block, in pieces of every awkward size, beside ring.
    #[test]
    fn wholes_and_parts_are_what_ring_says() {
        let Some(fresh) = Twin::new() else { return eprintln!("skip: no SHA instructions here") };
        let bytes: Vec<u8> = (0..2000u32).map(|number| (number * 7 + number / 251) as u8).collect();
        for before in [0, 64, 512, 1024] {
            for length in (0..=130).chain([511, 512, 513, 900]) {
                for piece in [1, 3, 63, 64, 65, 127, 1000] {
                    let (head, rest) = bytes.split_at(before);
                    let (part, tail) = rest.split_at(length);
                    let mut twin = fresh.clone();
                    head.chunks(piece).for_each(|bytes| twin.update(bytes));
                    assert!(twin.begin());
                    part.chunks(piece).for_each(|bytes| twin.update(bytes));
                    assert_eq!(Digest::of_sha256(twin.part()), sha256(part), "{before} + {length} by {piece}");
                    tail.chunks(piece).for_each(|bytes| twin.update(bytes));
                    assert_eq!(twin.whole(), sha256(&bytes), "{before} + {length} by {piece}");
                }
            }
        }
    }

    #[test]
    fn no_part_begins_inside_a_block() {
        let Some(mut twin) = Twin::new() else { return eprintln!("skip: no SHA instructions here") };
        twin.update(&[7; 65]);
        assert!(!twin.begin());
        twin.update(&[7; 63]);
        assert!(twin.begin());
        assert_eq!(Digest::of_sha256(twin.part()), sha256(b""));
    }
}
