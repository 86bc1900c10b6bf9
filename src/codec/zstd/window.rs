//! What was unpacked last, which matches refer to: a ring whose blocks do not wrap.
//!
//! A block is written behind the one before, or at the front where no room is left behind. What stood there is farther
//! back than the window by then. Copies write a little past their end; that much is spare as well.

use super::Corrupt;
use super::recent::Recent;
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

    /// To write into the block that began there, with literals behind which `SPARE` bytes stand.
    pub fn writer<'w, 'l>(&'w mut self, begin: usize, literals: &'l [u8]) -> Writer<'w, 'l> {
        Writer {
            literals,
            at: self.at,
            before: self.written - self.at as u64,
            most: begin + self.block,
            size: self.size.try_into().unwrap_or(usize::MAX),
            wrapped: self.wrapped,
            written: &mut self.written,
            end: &mut self.at,
            ring: &mut self.ring,
        }
    }
}

/// What one sequence says: so many literals, then `length` bytes of what stood before, at the distance that `value` means.
#[derive(Clone, Copy, Default)]
pub struct Sequence {
    pub literals: u32,
    pub length: u32,
    pub value: u32,
}

/// Writes what sequences make.
pub struct Writer<'w, 'l> {
    ring: &'w mut [u8],
    literals: &'l [u8],
    at: usize,
    most: usize,
    /// Bytes that were written before those that the ring has in front of `at`.
    before: u64,
    size: usize,
    wrapped: usize,
    written: &'w mut u64,
    end: &'w mut usize,
}

impl<'l> Writer<'_, 'l> {
    /// Says what was written; gives the literals that are left over.
    pub fn finish(self) -> &'l [u8] {
        *self.written = self.before + self.at as u64;
        *self.end = self.at;
        self.literals.get(..self.literals.len().saturating_sub(SPARE)).unwrap_or_default()
    }

    /// Adds what the sequences make: literals; then what stood some distance before, going on with what that adds.
    ///
    /// A loop of its own, with little in it, that the processor's registers are enough for.
    #[inline(never)]
    pub fn add(&mut self, sequences: &[Sequence], recent: &mut Recent) -> Result<(), Corrupt> {
        let (ring, most, size) = (&mut *self.ring, self.most, self.size);
        let (mut literals, mut at, mut last) = (self.literals, self.at, *recent);
        for sequence in sequences {
            let (count, length) = (sequence.literals as usize, sequence.length as usize);
            let distance = last.distance(sequence.value, count == 0) as usize;
            if count + SPARE > literals.len() {
                return Err(CUT);
            }
            let Some(room) = ring.get_mut(at..) else { return Err(TOO_LARGE) };
            // Two comparisons for one: with the second the compiler knows that the copy of the literals cannot fail.
            if count + length > most - at || count + length + SPARE > room.len() {
                return Err(TOO_LARGE);
            }
            copy::add(room, 0, literals, 0, count)?;
            literals = literals.get(count..).unwrap_or_default();
            at += count;
            if distance <= at.min(size) {
                copy::repeat(ring, at, distance, length)?;
            } else {
                let there = (self.before + at as u64).min(size as u64);
                repeat_old(ring, self.wrapped, there, at, distance, length)?;
            }
            at += length;
        }
        (self.literals, self.at, *recent) = (literals, at, last);
        Ok(())
    }
}

/// From what was written before the ring began anew, maybe beyond its end; of the `there` bytes that may be referred to.
#[cold]
fn repeat_old(
    ring: &mut [u8],
    wrapped: usize,
    there: u64,
    at: usize,
    distance: usize,
    length: usize,
) -> Result<(), Corrupt> {
    // Bytes that were never written, or that are no longer there.
    if distance as u64 > there {
        return Err(TOO_FAR);
    }
    Ok(copy::repeat_across(ring, wrapped, at, distance, length)?)
}

const CUT: Corrupt = Corrupt("sequences take more literals than there are");
pub const TOO_LARGE: Corrupt = Corrupt("a block holds more than it may");
const TOO_FAR: Corrupt = Corrupt("a match lies before the beginning");

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(literals: usize, distance: usize, length: usize) -> Sequence {
        Sequence { literals: literals as u32, length: length as u32, value: distance as u32 + 3 }
    }

    /// Every distance and length, over many turns of the ring, against a plain list.
    #[test]
    fn the_ring_is_a_list() {
        let (mut window, mut list) = (Window::default(), Vec::new());
        window.reset(1024, 1024);
        let mut number = 0usize;
        for _ in 0..3000 {
            let (begin, start) = (window.begin(), list.len());
            let literals: Vec<u8> = (0..700).map(|at| (number >> (at % 40)) as u8).collect();
            let mut writer = window.writer(begin, &literals);
            let (mut used, mut recent) = (0, Recent::FIRST);
            for _ in 0..7 {
                number = number.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
                let count = (number >> 33) % 80 + usize::from(list.is_empty());
                list.extend(&literals[used..used + count]);
                used += count;
                let most = list.len().min(1024);
                let near = if number % 3 == 0 { 40 } else { most };
                let (distance, length) = ((number >> 20) % near.min(most) + 1, (number >> 45) % 66);
                writer.add(&[sequence(count, distance, length)], &mut recent).unwrap();
                (0..length).for_each(|_| list.push(list[list.len() - distance]));
            }
            assert!(writer.finish() == &literals[used..700 - SPARE]);
            assert!(window.since(begin) == &list[start..]);
        }
        let begin = window.begin();
        assert!(window.writer(begin, &[0; 200]).add(&[sequence(0, 1025, 1)], &mut { Recent::FIRST }).is_err());
    }

    #[test]
    fn nothing_lies_before_the_beginning() {
        let mut window = Window::default();
        window.reset(1 << 20, 1024);
        let begin = window.begin();
        window.add(begin, &[7; 10]).unwrap();
        let mut add = |literals, sequence| {
            let mut writer = window.writer(begin, literals);
            writer.add(&[sequence], &mut { Recent::FIRST })?;
            writer.finish();
            Ok::<(), Corrupt>(())
        };
        let literals = [0; 200];
        for (distance, length) in [(11, 1), (10, 1015), (1 << 20, 1)] {
            assert!(add(&literals, sequence(0, distance, length)).is_err(), "{distance} {length}");
        }
        // One less than the last distance, which is 1.
        assert!(add(&literals, Sequence { literals: 0, length: 1, value: 3 }).is_err());
        // More literals than there are.
        assert!(add(&literals, sequence(200 - SPARE + 1, 1, 1)).is_err());
        add(&literals, sequence(0, 10, 1014)).unwrap();
        assert_eq!(window.since(begin), [7; 1024]);
        assert!(window.add(begin, &[7]).is_err());
    }
}
