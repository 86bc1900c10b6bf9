//! What was unpacked last, which matches refer to: a ring whose blocks do not wrap.
//!
//! A block is written behind the one before, or at the front where no room is left behind. What stood there is farther
//! back than the dictionary by then. Copies write a little past their end; that much is spare as well.

use crate::Corrupt;
use crate::copy::{self, SPARE};

/// Bytes that are written at once, and by how much the last match of them may be longer.
pub const BLOCK: usize = 64 << 10;
const MATCH: usize = 273;
/// Behind where a block begins.
const ROOM: usize = BLOCK + MATCH + SPARE;

pub struct Dictionary {
    ring: Vec<u8>,
    /// So far back a match may refer.
    size: usize,
    /// Where the next byte goes, and what of the block was given out.
    at: usize,
    given: usize,
    /// Where the older bytes end, which begin anew at the front.
    wrapped: usize,
    written: u64,
}

impl Dictionary {
    /// The memory comes with the bytes.
    pub fn new(size: u32) -> Dictionary {
        Dictionary { ring: Vec::new(), size: size as usize, at: 0, given: 0, wrapped: 0, written: 0 }
    }

    /// Forgets all, for another size.
    pub fn renew(&mut self, size: u32) {
        self.size = size as usize;
        self.reset();
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        (self.at, self.given, self.wrapped, self.written) = (0, 0, 0, 0);
    }

    /// Makes room for a block. All before must have been given out.
    fn begin(&mut self) {
        let capacity = self.size + ROOM + SPARE;
        if self.at + ROOM > capacity {
            self.wrapped = self.at;
            (self.at, self.given) = (0, 0);
        }
        let needed = self.at + ROOM;
        if self.ring.len() < needed {
            self.ring.resize((needed * 2).min(capacity), 0);
        }
    }

    /// A place for up to `BLOCK` bytes as they are.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        self.begin();
        let (at, length) = (self.at, length.min(BLOCK));
        (self.at, self.written) = (at + length, self.written + length as u64);
        &mut self.ring[at..at + length]
    }

    pub fn writer(&mut self) -> Writer<'_> {
        self.begin();
        Writer {
            at: self.at,
            before: self.written.wrapping_sub(self.at as u64) as usize,
            size: self.size,
            wrapped: self.wrapped,
            written: &mut self.written,
            end: &mut self.at,
            ring: &mut self.ring,
        }
    }

    pub fn ungiven(&self) -> usize {
        self.at - self.given
    }

    /// Gives out what was not given yet, as much as there is room for.
    pub fn give(&mut self, buffer: &mut [u8]) -> usize {
        let length = buffer.len().min(self.ungiven());
        buffer[..length].copy_from_slice(&self.ring[self.given..self.given + length]);
        self.given += length;
        length
    }
}

/// Writes a block.
pub struct Writer<'a> {
    ring: &'a mut [u8],
    at: usize,
    /// Bytes that were written before those that the ring has in front of `at`.
    before: usize,
    size: usize,
    wrapped: usize,
    written: &'a mut u64,
    end: &'a mut usize,
}

impl Writer<'_> {
    /// Says what was written.
    pub fn finish(self) {
        *self.written = (self.before + self.at) as u64;
        *self.end = self.at;
    }

    #[inline(always)]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes since the beginning.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.before + self.at
    }

    /// The byte before; zero at the beginning.
    #[inline(always)]
    pub fn last(&self) -> u8 {
        let end = if self.at > 0 { self.at } else { self.wrapped };
        if end > 0 { self.ring[end - 1] } else { 0 }
    }

    #[inline(always)]
    pub fn add(&mut self, byte: u8) {
        self.ring[self.at] = byte;
        self.at += 1;
    }

    /// The byte at a distance.
    #[inline(always)]
    pub fn byte(&self, distance: u32) -> Result<u8, Corrupt> {
        let distance = self.reach(distance)?;
        let end = if distance <= self.at { self.at } else { self.at + self.wrapped };
        end.checked_sub(distance).and_then(|from| self.ring.get(from)).copied().ok_or(TOO_FAR)
    }

    /// Adds what stood at a distance, and goes on with what that adds.
    #[inline(always)]
    pub fn repeat(&mut self, distance: u32, length: usize) -> Result<(), Corrupt> {
        let distance = self.reach(distance)?;
        let at = self.at;
        self.at += length;
        match distance <= at {
            true => Ok(copy::repeat(self.ring, at, distance, length)?),
            false => Ok(copy::repeat_across(self.ring, self.wrapped, at, distance, length)?),
        }
    }

    /// Refuses bytes that were never written, or that are no longer there.
    #[inline(always)]
    fn reach(&self, distance: u32) -> Result<usize, Corrupt> {
        let distance = distance as usize;
        if distance <= self.position().min(self.size) { Ok(distance) } else { Err(TOO_FAR) }
    }
}

const TOO_FAR: Corrupt = Corrupt("a match lies before the beginning");

#[cfg(test)]
mod tests {
    use super::*;

    /// Every distance and length, over many turns of the ring, against a plain list.
    #[test]
    fn the_ring_is_a_list() {
        let (mut dictionary, mut list) = (Dictionary::new(4096), Vec::new());
        let (mut number, mut given) = (0usize, Vec::new());
        for round in 0..60 {
            let start = list.len();
            if round % 7 == 6 {
                let bytes: Vec<u8> = (0..30_000).map(|at| (round + at % 251) as u8).collect();
                dictionary.room(bytes.len()).copy_from_slice(&bytes);
                list.extend(bytes);
            } else {
                let mut writer = dictionary.writer();
                assert_eq!(writer.last(), list.last().copied().unwrap_or(0));
                while list.len() - start < BLOCK {
                    number = number.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
                    writer.add(number as u8);
                    list.push(number as u8);
                    let most = list.len().min(4096);
                    let near = if number % 3 == 0 { 40 } else { most };
                    let (distance, length) = ((number >> 20) % near.min(most) + 1, (number >> 45) % 271 + 2);
                    assert_eq!(writer.byte(distance as u32).unwrap(), list[list.len() - distance]);
                    writer.repeat(distance as u32, length).unwrap();
                    (0..length).for_each(|_| list.push(list[list.len() - distance]));
                    assert_eq!(writer.position(), list.len());
                }
                assert!(writer.byte(4097).is_err() && writer.repeat(4097, 2).is_err());
                writer.finish();
            }
            let mut buffer = vec![0; 2 * BLOCK];
            let length = dictionary.give(&mut buffer);
            given.extend_from_slice(&buffer[..length]);
            assert!(given[start..] == list[start..], "{round}");
        }
        assert!(dictionary.ring.len() <= 4096 + ROOM + SPARE);
    }

    #[test]
    fn nothing_lies_before_the_beginning() {
        let mut dictionary = Dictionary::new(1 << 20);
        dictionary.room(10).fill(7);
        assert!(dictionary.writer().byte(11).is_err());
        for distance in [0, 11, 1 << 20, u32::MAX] {
            assert!(dictionary.writer().repeat(distance, 2).is_err(), "{distance}");
        }
        assert!(dictionary.writer().repeat(10, 273).is_ok());
        dictionary.reset();
        assert!(dictionary.writer().byte(1).is_err());
        assert_eq!(dictionary.writer().last(), 0);
    }
}
