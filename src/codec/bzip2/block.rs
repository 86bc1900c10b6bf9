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
/// Bytes that may be written past the end of a run.
const SPARE: usize = 16;

const RUN_B: u16 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The block goes on behind these bits.
    Short,
    Corrupt(&'static str),
}

/// What a block is decoded in, to be used again: four megabytes and a half at most.
#[derive(Default)]
pub struct Memory {
    /// The bytes that the symbols stand for, sorted by what follows them; room for the largest block, always.
    sorted: Vec<u8>,
    /// For each place a byte and, above it, the place of the byte that follows.
    chain: Vec<u32>,
    codes: Vec<Code>,
    /// Which of them each group of symbols uses.
    selectors: Vec<u8>,
}

/// A block whose bytes can be had one after the other.
pub struct Block {
    memory: Memory,
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
    /// Decodes a block that fills these bits exactly.
    pub fn decode(bits: &Bits, memory: Memory) -> Result<Block, Failure> {
        let mut reader = bits.reader();
        let block = Block::read(&mut reader, memory);
        match reader.taken().cmp(&(bits.start + bits.length)) {
            // Whatever was read there was not the block's.
            std::cmp::Ordering::Greater => Err(Failure::Short),
            std::cmp::Ordering::Less if block.is_ok() => Err(Failure::Corrupt("garbage follows a block")),
            _ => block,
        }
    }

    fn read(reader: &mut Reader<'_>, mut memory: Memory) -> Result<Block, Failure> {
        let (_magic, expected) = ((reader.take(24), reader.take(24)), reader.take(32));
        if reader.flag() {
            return Err(Failure::Corrupt("a block is randomised, which only bzip2 before 0.9.5 did"));
        }
        let place = reader.take(24);
        let Memory { sorted, chain, codes, selectors } = &mut memory;
        sorted.resize(LARGEST + SPARE, 0);
        let mut sorted = Sorted::new(sorted)?;
        symbols(reader, &mut sorted, codes, selectors)?;
        let left = sorted.length;
        sorted.link(chain);
        if place as usize >= left {
            return Err(Failure::Corrupt("a block begins outside of itself"));
        }
        Ok(Block { memory, place, left, last: 0, row: 0, repeat: 0, crc: Crc::new(), expected })
    }

    /// The memory, to be used again.
    pub fn into_memory(self) -> Memory {
        self.memory
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
            // Every place is one of the chain: `Sorted::link` made them.
            let entry = self.memory.chain.get(place as usize).copied().unwrap_or(0);
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
                let entry = self.memory.chain.get(place as usize).copied().unwrap_or(0);
                place = entry >> 8;
                self.repeat = entry & 0xff;
                self.left -= 1;
            }
        }
        (self.place, self.last, self.row) = (place, last, row);
        length
    }
}

/// Decodes the symbols; codes and selectors of the block before are replaced.
fn symbols(
    reader: &mut Reader<'_>,
    sorted: &mut Sorted<'_>,
    codes: &mut Vec<Code>,
    selectors: &mut Vec<u8>,
) -> Result<(), Failure> {
    let (mut front, used) = alphabet(reader)?;
    let count = reader.take(3) as usize;
    if !(2..=CODES).contains(&count) {
        return Err(Failure::Corrupt("a block with no, one or too many codes"));
    }
    select(reader, count, selectors)?;
    codes.clear();
    for _ in 0..count {
        codes.push(code(reader, used + 2)?);
    }
    let end = used as u16 + 1;
    let mut run = Run::default();
    for selector in selectors {
        let code = codes.get(usize::from(*selector)).ok_or(Failure::Corrupt("a code that is not there"))?;
        for _ in 0..GROUP {
            reader.refill();
            let symbol = code.next(reader).ok_or(Failure::Corrupt("bits that are no code"))?;
            if symbol <= RUN_B {
                run.add(symbol)?;
                continue;
            }
            if run.length > 0 {
                sorted.repeat(front.bytes[0], run.take())?;
            }
            if symbol == end {
                return Ok(());
            }
            sorted.push(front.take(usize::from(symbol - 1)))?;
        }
    }
    Err(Failure::Corrupt("a block without an end"))
}

/// The bytes of a block as they come, and how often each is there.
struct Sorted<'a> {
    bytes: &'a mut [u8; LARGEST + SPARE],
    length: usize,
    counts: [u32; 256],
}

const TOO_LARGE: Failure = Failure::Corrupt("a block is too large");

impl Sorted<'_> {
    fn new(bytes: &mut [u8]) -> Result<Sorted<'_>, Failure> {
        Ok(Sorted { bytes: bytes.try_into().map_err(|_| TOO_LARGE)?, length: 0, counts: [0; 256] })
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) -> Result<(), Failure> {
        if self.length >= LARGEST {
            return Err(TOO_LARGE);
        }
        self.bytes[self.length] = byte;
        self.length += 1;
        self.counts[usize::from(byte)] += 1;
        Ok(())
    }

    /// A run: mostly a short one, so as many as may be spare are written at once.
    #[inline(always)]
    fn repeat(&mut self, byte: u8, times: usize) -> Result<(), Failure> {
        let (begin, end) = (self.length, self.length + times);
        if end > LARGEST {
            return Err(TOO_LARGE);
        }
        self.bytes[begin..begin + SPARE].fill(byte);
        if times > SPARE {
            self.bytes[begin..end].fill(byte);
        }
        self.length = end;
        self.counts[usize::from(byte)] += times as u32;
        Ok(())
    }

    /// Makes the chain: where each byte stands once they are sorted, equal ones in their order, the place of its follower.
    fn link(&self, chain: &mut Vec<u32>) {
        let mut next = 0;
        let mut places = self.counts.map(|count| {
            next += count;
            next - count
        });
        chain.resize(self.length, 0);
        for (at, byte) in self.bytes.iter().take(self.length).enumerate() {
            let place = &mut places[usize::from(*byte)];
            if let Some(entry) = chain.get_mut(*place as usize) {
                *entry = (at as u32) << 8 | u32::from(*byte);
            }
            *place += 1;
        }
    }
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
            let byte = first[place];
            forward(first, place, byte);
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
            forward(last, place % 16, moved);
        }
        byte
    }
}

/// Of sixteen bytes what is before the place moves up by one, and this byte is the first.
#[inline(always)]
fn forward(bytes: &mut [u8; 16], place: usize, first: u8) {
    let all = u128::from_le_bytes(*bytes);
    let moved = UP_TO.get(15 - place % 16..).and_then(<[u8]>::first_chunk).map_or(0, |mask| u128::from_le_bytes(*mask));
    *bytes = ((all << 8 | u128::from(first)) & moved | all & !moved).to_le_bytes();
}

/// Any sixteen of these that begin with a one are the mask of the places up to one; shifts by what is not known are slower.
static UP_TO: [u8; 32] = up_to();

const fn up_to() -> [u8; 32] {
    let mut mask = [0; 32];
    let mut at = 0;
    while at < 16 {
        mask[at] = 0xff;
        at += 1;
    }
    mask
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
fn select(reader: &mut Reader<'_>, codes: usize, selectors: &mut Vec<u8>) -> Result<(), Failure> {
    let count = reader.take(15) as usize;
    let mut front = Front { bytes: std::array::from_fn(|at| at as u8) };
    selectors.clear();
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
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_every_length_and_no_more_than_a_block() {
        let mut memory = vec![9; LARGEST + SPARE];
        let (mut sorted, mut list) = (Sorted::new(&mut memory).ok().unwrap(), Vec::new());
        for times in 1..100 {
            sorted.repeat(times as u8, times).ok().unwrap();
            sorted.push(0).ok().unwrap();
            list.extend(vec![times as u8; times]);
            list.push(0);
        }
        assert_eq!(sorted.bytes[..sorted.length], list);
        assert_eq!((sorted.counts[0], sorted.counts[99], sorted.counts[100]), (99, 99, 0));
        let left = LARGEST - sorted.length;
        assert_eq!(sorted.repeat(7, left + 1), Err(TOO_LARGE));
        assert_eq!(sorted.repeat(7, left - 1), Ok(()));
        assert_eq!(sorted.repeat(7, 2), Err(TOO_LARGE));
        assert_eq!((sorted.push(8), sorted.push(8)), (Ok(()), Err(TOO_LARGE)));
        assert_eq!((sorted.length, sorted.bytes[LARGEST - 2], sorted.bytes[LARGEST - 1]), (LARGEST, 7, 8));
    }

    /// In memory that held a larger block before.
    #[test]
    fn the_chain_goes_through_all_bytes_once() {
        let (sorted, chain) = (vec![0; LARGEST + SPARE], vec![u32::MAX; 300]);
        let mut memory = Memory { sorted, chain, ..Memory::default() };
        let mut sorted = Sorted::new(&mut memory.sorted).ok().unwrap();
        // "banana", its rotations sorted: the fourth is the word itself.
        b"nnbaaa".iter().for_each(|byte| sorted.push(*byte).ok().unwrap());
        sorted.link(&mut memory.chain);
        assert_eq!(memory.chain.len(), 6);
        let mut place = 3;
        let word: Vec<u8> = (0..6)
            .map(|_| {
                let entry = memory.chain[place];
                place = entry as usize >> 8;
                entry as u8
            })
            .collect();
        assert_eq!(word, b"banana");
    }

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
