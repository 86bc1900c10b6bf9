//! One bzip2 block: prefix codes, move to front, the inverse of the Burrows-Wheeler transform, runs, checksum; pure.
//!
//! There is no specification but bzip2 itself; what is here follows its `decompress.c` as the format's description.

use crate::bzip2::bits::{Bits, Reader};
use crate::bzip2::crc::Crc;
use crate::bzip2::huffman::{Code, LONGEST, SYMBOLS};

/// Bytes of the largest block, before its runs are spelled out.
const LARGEST: usize = 900_000;
/// Symbols that share a code.
const GROUP: usize = 50;
/// Codes of a block.
const CODES: usize = 6;

const RUN_B: u16 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The block goes on behind these bits.
    Short,
    Corrupt(&'static str),
}

/// A block whose bytes can be had one after the other.
pub struct Block {
    /// For each place the byte there and, above it, the place of the byte that follows.
    chain: Vec<u32>,
    place: u32,
    left: usize,
    /// The byte before, and how often it stood there in a row.
    last: u8,
    row: u32,
    /// How often `last` is still to be repeated.
    repeat: u32,
    crc: Crc,
    expected: u32,
}

impl Block {
    /// Decodes a block that fills these bits exactly. `chain` is memory to be used again.
    pub fn decode(bits: &Bits, chain: Vec<u32>) -> Result<Block, Failure> {
        let mut reader = bits.reader();
        let block = Block::read(&mut reader, chain);
        match reader.taken().cmp(&(bits.start + bits.length)) {
            // Whatever was read there was not the block's.
            std::cmp::Ordering::Greater => Err(Failure::Short),
            std::cmp::Ordering::Less if block.is_ok() => Err(Failure::Corrupt("garbage follows a block")),
            _ => block,
        }
    }

    fn read(reader: &mut Reader<'_>, mut chain: Vec<u32>) -> Result<Block, Failure> {
        let (_magic, expected) = ((reader.take(24), reader.take(24)), reader.take(32));
        if reader.flag() {
            return Err(Failure::Corrupt("a block is randomised, which only bzip2 before 0.9.5 did"));
        }
        let origin = reader.take(24);
        chain.clear();
        let counts = symbols(reader, &mut chain)?;
        link(&mut chain, counts);
        let place = chain.get(origin as usize).ok_or(Failure::Corrupt("a block begins outside of itself"))? >> 8;
        let left = chain.len();
        Ok(Block { chain, place, left, last: 0, row: 0, repeat: 0, crc: Crc::new(), expected })
    }

    /// The memory, to be used again.
    pub fn into_chain(self) -> Vec<u32> {
        self.chain
    }

    /// The next bytes; none at the end of a block whose checksum is right.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            if self.repeat > 0 {
                let length = room.len().min(self.repeat as usize);
                room.iter_mut().take(length).for_each(|place| *place = self.last);
                self.repeat -= length as u32;
                filled += length;
            } else if self.left > 0 {
                filled += self.walk(room);
            } else {
                break;
            }
        }
        self.crc.update(buffer.get(..filled).unwrap_or_default());
        if filled == 0 && self.crc.finish() != self.expected {
            return Err(Failure::Corrupt("the checksum of a block is wrong"));
        }
        Ok(filled)
    }

    /// Follows the chain until the room is full, the block over, or a run begins.
    fn walk(&mut self, room: &mut [u8]) -> usize {
        let (mut place, mut last, mut row, mut length) = (self.place, self.last, self.row, 0);
        let most = room.len().min(self.left);
        for target in room.iter_mut().take(most) {
            // Every place is one of the chain: `link` made them.
            let entry = self.chain.get(place as usize).copied().unwrap_or(0);
            place = entry >> 8;
            let byte = entry as u8;
            *target = byte;
            length += 1;
            row = if byte == last { row + 1 } else { 1 };
            last = byte;
            if row == 4 {
                break;
            }
        }
        self.left -= length;
        if row == 4 {
            // What follows four equal bytes says how many more there are.
            row = 0;
            if self.left > 0 {
                let entry = self.chain.get(place as usize).copied().unwrap_or(0);
                place = entry >> 8;
                self.repeat = entry & 0xff;
                self.left -= 1;
            }
        }
        (self.place, self.last, self.row) = (place, last, row);
        length
    }
}

/// Decodes the symbols into `chain`, a byte an entry; how often each byte is there.
fn symbols(reader: &mut Reader<'_>, chain: &mut Vec<u32>) -> Result<[u32; 256], Failure> {
    let (mut front, used) = alphabet(reader)?;
    let count = reader.take(3) as usize;
    if !(2..=CODES).contains(&count) {
        return Err(Failure::Corrupt("a block with no, one or too many codes"));
    }
    let selectors = selectors(reader, count)?;
    let mut codes = Vec::with_capacity(CODES);
    for _ in 0..count {
        codes.push(code(reader, used + 2)?);
    }
    let end = used as u16 + 1;
    let mut counts = [0; 256];
    let mut run = Run::default();
    for selector in selectors {
        let code = codes.get(usize::from(selector)).ok_or(Failure::Corrupt("a code that is not there"))?;
        for _ in 0..GROUP {
            reader.refill();
            let symbol = code.next(reader).ok_or(Failure::Corrupt("bits that are no code"))?;
            if symbol <= RUN_B {
                run.add(symbol)?;
                continue;
            }
            if run.length > 0 {
                repeat(chain, &mut counts, front.bytes[0], run.take())?;
            }
            if symbol == end {
                return Ok(counts);
            }
            repeat(chain, &mut counts, front.take(usize::from(symbol - 1)), 1)?;
        }
    }
    Err(Failure::Corrupt("a block without an end"))
}

#[inline(always)]
fn repeat(chain: &mut Vec<u32>, counts: &mut [u32; 256], byte: u8, times: usize) -> Result<(), Failure> {
    if chain.len() + times > LARGEST {
        return Err(Failure::Corrupt("a block is too large"));
    }
    counts[usize::from(byte)] += times as u32;
    match times {
        1 => chain.push(byte.into()),
        _ => chain.resize(chain.len() + times, byte.into()),
    }
    Ok(())
}

/// A run of the byte in front, its length in digits of one and two.
#[derive(Default)]
struct Run {
    length: usize,
    digit: u32,
}

impl Run {
    #[inline(always)]
    fn add(&mut self, symbol: u16) -> Result<(), Failure> {
        // 2^20 is more than a block holds.
        if self.digit > 20 {
            return Err(Failure::Corrupt("a run is too long"));
        }
        self.length += (usize::from(symbol) + 1) << self.digit;
        self.digit += 1;
        Ok(())
    }

    fn take(&mut self) -> usize {
        std::mem::take(self).length
    }
}

/// The bytes of the block, the one that was used last in front.
struct Front {
    bytes: [u8; 256],
}

impl Front {
    /// Moves the byte at this place to the front.
    #[inline(always)]
    fn take(&mut self, place: usize) -> u8 {
        if let (0..16, Some(first)) = (place, self.bytes.first_chunk_mut::<16>()) {
            let all = u128::from_le_bytes(*first);
            let byte = (all >> (8 * place)) as u8;
            *first = forward(all, place, byte).to_le_bytes();
            return byte;
        }
        self.take_far(place & 255)
    }

    /// The same sixteen by sixteen: musl's memmove is slow on what overlaps.
    fn take_far(&mut self, place: usize) -> u8 {
        let byte = self.bytes[place];
        let mut moved = byte;
        for chunk in self.bytes.chunks_exact_mut(16).take(place / 16) {
            let last = chunk[15];
            if let Some(all) = chunk.first_chunk_mut::<16>() {
                *all = (u128::from_le_bytes(*all) << 8 | u128::from(moved)).to_le_bytes();
            }
            moved = last;
        }
        if let Some(last) = self.bytes.get_mut(place / 16 * 16..).and_then(<[u8]>::first_chunk_mut::<16>) {
            *last = forward(u128::from_le_bytes(*last), place % 16, moved).to_le_bytes();
        }
        byte
    }
}

/// Sixteen bytes as one number: what is before the place moves up by one, and this byte is the first.
#[inline(always)]
fn forward(all: u128, place: usize, first: u8) -> u128 {
    let shift = 8 * place as u32;
    let below = (1u128 << shift) - 1;
    let above = all >> shift >> 8 << shift << 8;
    (all & below) << 8 | above | u128::from(first)
}

/// Which bytes the block has, and how many.
fn alphabet(reader: &mut Reader<'_>) -> Result<(Front, usize), Failure> {
    let (mut front, mut used) = (Front { bytes: [0; 256] }, 0);
    let ranges = reader.take(16);
    for range in (0..16).filter(|range| ranges & 0x8000 >> range != 0) {
        let bytes = reader.take(16);
        for byte in (0..16).filter(|byte| bytes & 0x8000 >> byte != 0) {
            front.bytes[used & 255] = range << 4 | byte;
            used += 1;
        }
    }
    if used == 0 { Err(Failure::Corrupt("a block without bytes")) } else { Ok((front, used)) }
}

/// Which code each group uses.
fn selectors(reader: &mut Reader<'_>, codes: usize) -> Result<Vec<u8>, Failure> {
    let count = reader.take(15) as usize;
    let mut front = Front { bytes: std::array::from_fn(|at| at as u8) };
    let mut selectors = Vec::with_capacity(count);
    for _ in 0..count {
        let mut place = 0;
        while reader.flag() {
            place += 1;
            if place >= codes {
                return Err(Failure::Corrupt("a code that is not there"));
            }
        }
        selectors.push(front.take(place));
    }
    Ok(selectors)
}

/// A code, from the lengths that are written as differences.
fn code(reader: &mut Reader<'_>, symbols: usize) -> Result<Code, Failure> {
    let mut lengths = [0; SYMBOLS];
    let mut length = reader.take(5) as usize;
    for place in lengths.iter_mut().take(symbols) {
        loop {
            if !(1..=LONGEST).contains(&length) {
                return Err(Failure::Corrupt("the length of a code is out of bounds"));
            }
            if !reader.flag() {
                break;
            }
            length = if reader.flag() { length - 1 } else { length + 1 };
        }
        *place = length as u8;
    }
    Code::new(lengths.get(..symbols).unwrap_or_default()).ok_or(Failure::Corrupt("too many codes"))
}

/// Adds to each entry the place of its follower: sorted, equal bytes stay in their order.
fn link(chain: &mut [u32], counts: [u32; 256]) {
    let mut next = 0;
    let mut places = counts.map(|count| {
        next += count;
        next - count
    });
    for at in 0..chain.len() {
        let place = &mut places[(chain[at] & 0xff) as usize];
        if let Some(entry) = chain.get_mut(*place as usize) {
            *entry |= (at as u32) << 8;
        }
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_moves_to_the_front() {
        let mut front = Front { bytes: std::array::from_fn(|at| at as u8) };
        let mut list: Vec<u8> = (0..=255).collect();
        for place in (0..256).chain((0..256).rev()).chain([15, 16, 17, 31, 32, 255, 0]) {
            let byte = list.remove(place);
            list.insert(0, byte);
            assert_eq!(front.take(place), byte);
            assert_eq!(front.bytes, list[..]);
        }
    }
}
