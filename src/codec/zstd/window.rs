//! What was unpacked last, which matches refer to: a ring whose blocks do not wrap.
//!
//! A block is written behind the one before, or at the front where no room is left behind. What stood there is farther
//! back than the window by then. Copies write a little past their end; that much is spare as well.

use super::Corrupt;
use crate::copy::{self, SPARE};

/// The ring.
#[derive(Default)]
pub struct Window {
    ring: Vec<u8>,
    /// What the ring may grow to.
    capacity: usize,
    /// Where the next byte goes, and how many are there that may be referred to.
    at: usize,
    size: u64,
    written: u64,
    /// Where the older bytes end, which begin anew at the front.
    wrapped: usize,
    block: usize,
}

impl Window {
    /// For frames with a window of so many bytes, and blocks of up to `block`. The memory comes with the bytes.
    pub fn reset(&mut self, size: u64, block: usize) {
        self.capacity = size as usize + block + 2 * SPARE;
        (self.at, self.wrapped, self.written, self.size, self.block) = (0, 0, 0, size, block);
    }

    /// Makes room for a block and says where it begins.
    pub fn begin(&mut self) -> usize {
        if self.at + self.block + SPARE > self.capacity {
            self.wrapped = self.at;
            self.at = 0;
        }
        let needed = self.at + self.block + SPARE;
        if self.ring.len() < needed {
            self.ring.resize((needed * 2).min(self.capacity).max(needed), 0);
        }
        self.at
    }

    /// The block that began there, so far.
    pub fn since(&self, begin: usize) -> &[u8] {
        self.ring.get(begin..self.at).unwrap_or_default()
    }

    /// So many bytes behind the block so far, to be written into; none when the block would be too large.
    pub fn room(&mut self, begin: usize, length: usize) -> Result<&mut [u8], Corrupt> {
        let at = self.at;
        self.advance(begin, length)?;
        self.ring.get_mut(at..at + length).ok_or(TOO_LARGE)
    }

    fn advance(&mut self, begin: usize, length: usize) -> Result<(), Corrupt> {
        if self.at - begin + length > self.block {
            return Err(TOO_LARGE);
        }
        self.at += length;
        self.written += length as u64;
        Ok(())
    }

    /// Adds literals alone.
    pub fn add(&mut self, begin: usize, bytes: &[u8]) -> Result<(), Corrupt> {
        self.room(begin, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// To write into the block that began there, with literals from `literals`, behind which `SPARE` bytes stand.
    pub fn writer<'a>(&'a mut self, begin: usize, literals: &'a [u8]) -> Writer<'a> {
        Writer {
            literals,
            at: self.at,
            before: self.written - self.at as u64,
            most: begin + self.block,
            size: self.size,
            wrapped: self.wrapped,
            written: &mut self.written,
            end: &mut self.at,
            ring: &mut self.ring,
        }
    }
}

/// Writes what sequences make.
pub struct Writer<'a> {
    ring: &'a mut [u8],
    literals: &'a [u8],
    at: usize,
    most: usize,
    /// Bytes that were written before those that the ring has in front of `at`.
    before: u64,
    size: u64,
    wrapped: usize,
    written: &'a mut u64,
    end: &'a mut usize,
}

impl Writer<'_> {
    /// Says what was written.
    pub fn finish(self) {
        *self.written = self.before + self.at as u64;
        *self.end = self.at;
    }

    /// Adds `count` literals from there on; then `length` bytes of what stood `distance` before, and goes on with what that
    /// adds.
    #[inline(always)]
    pub fn add(&mut self, from: usize, count: usize, distance: usize, length: usize) -> Result<(), Corrupt> {
        if count + length > self.most - self.at {
            return Err(TOO_LARGE);
        }
        copy::add(self.ring, self.at, self.literals, from, count)?;
        let at = self.at + count;
        self.at = at + length;
        // Bytes that were never written, or that are no longer there.
        if distance as u64 > (self.before + at as u64).min(self.size) {
            return Err(TOO_FAR);
        }
        match distance <= at {
            true => Ok(copy::repeat(self.ring, at, distance, length)?),
            false => self.repeat_old(at, distance, length),
        }
    }

    /// From what was written before the ring began anew, maybe beyond its end.
    #[cold]
    fn repeat_old(&mut self, at: usize, distance: usize, length: usize) -> Result<(), Corrupt> {
        let from = (self.wrapped + at).checked_sub(distance).ok_or(TOO_FAR)?;
        let old = length.min(self.wrapped.checked_sub(from).ok_or(TOO_FAR)?);
        if from + old > self.ring.len() || at + length > self.ring.len() {
            return Err(TOO_FAR);
        }
        self.ring.copy_within(from..from + old, at);
        // What follows the old bytes is the front of the ring.
        for number in 0..length - old {
            self.ring[at + old + number] = self.ring[number];
        }
        Ok(())
    }
}

pub const TOO_LARGE: Corrupt = Corrupt("a block holds more than it may");
const TOO_FAR: Corrupt = Corrupt("a match lies before the beginning");

#[cfg(test)]
mod tests {
    use super::*;

    /// Every distance and length, over many turns of the ring, against a plain list.
    #[test]
    fn the_ring_is_a_list() {
        let (mut window, mut list) = (Window::default(), Vec::new());
        window.reset(1024, 1024);
        let mut number = 0usize;
        for _ in 0..3000 {
            let (begin, start) = (window.begin(), list.len());
            let literals: Vec<u8> = (0..200).map(|at| (number >> (at % 40)) as u8).collect();
            let mut writer = window.writer(begin, &literals);
            for _ in 0..7 {
                number = number.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
                let count = (number >> 33) % 80 + usize::from(list.is_empty());
                list.extend(&literals[3..3 + count]);
                let most = list.len().min(1024);
                let near = if number % 3 == 0 { 40 } else { most };
                let (distance, length) = ((number >> 20) % near.min(most) + 1, (number >> 45) % 66);
                writer.add(3, count, distance, length).unwrap();
                (0..length).for_each(|_| list.push(list[list.len() - distance]));
            }
            writer.finish();
            assert!(window.since(begin) == &list[start..]);
        }
        let begin = window.begin();
        assert!(window.writer(begin, &[0; 200]).add(0, 0, 1025, 1).is_err());
    }

    #[test]
    fn nothing_lies_before_the_beginning() {
        let mut window = Window::default();
        window.reset(1 << 20, 1024);
        let begin = window.begin();
        window.add(begin, &[7; 10]).unwrap();
        for (distance, length) in [(11, 1), (0, 1), (10, 1015), (1 << 20, 1)] {
            assert!(window.writer(begin, &[0; 200]).add(0, 0, distance, length).is_err(), "{distance} {length}");
        }
        let mut writer = window.writer(begin, &[0; 200]);
        writer.add(0, 0, 10, 1014).unwrap();
        writer.finish();
        assert_eq!(window.since(begin), [7; 1024]);
        assert!(window.add(begin, &[7]).is_err());
    }
}
