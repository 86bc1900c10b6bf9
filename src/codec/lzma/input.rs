//! The compressed bytes, and where the range decoder stands in them.

use super::CORRUPT;
use crate::Corrupt;

/// The most that is held: a chunk of LZMA2.
pub const CAPACITY: usize = 1 << 16;
/// More than any symbol takes (20 bytes), so that none is begun that the bytes may not do for.
const SYMBOL: usize = 32;

pub type Bytes = [u8; CAPACITY + SYMBOL];

/// The range decoder between two symbols.
#[derive(Clone, Copy)]
pub struct Registers {
    pub range: u32,
    pub code: u32,
    /// Where the next byte is taken.
    pub at: usize,
}

impl Registers {
    /// Bytes at a stream's beginning: a zero and the first code.
    const LENGTH: usize = 5;
}

pub struct Input {
    bytes: Box<Bytes>,
    filled: usize,
    /// Nothing follows.
    is_all: bool,
    pub registers: Registers,
}

impl Default for Input {
    fn default() -> Input {
        let bytes = Box::new([0; CAPACITY + SYMBOL]);
        Input { bytes, filled: 0, is_all: false, registers: Registers { range: u32::MAX, code: 0, at: 0 } }
    }
}

impl Input {
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A place for all bytes there are, up to `CAPACITY`, whatever was there before.
    pub fn replace(&mut self, length: usize) -> &mut [u8] {
        (self.registers.at, self.filled, self.is_all) = (0, length.min(CAPACITY), true);
        &mut self.bytes[..self.filled]
    }

    /// A place for more bytes, behind those that were not taken yet.
    pub fn room(&mut self) -> &mut [u8] {
        let from = self.registers.at.min(self.filled);
        self.bytes.copy_within(from..self.filled, 0);
        (self.registers.at, self.filled) = (self.registers.at - from, self.filled - from);
        &mut self.bytes[self.filled..CAPACITY]
    }

    /// So many were put there; none when nothing follows.
    pub fn add(&mut self, length: usize) {
        self.filled = (self.filled + length).min(CAPACITY);
        self.is_all = length == 0;
    }

    /// What was not taken.
    pub fn rest(&self) -> &[u8] {
        self.bytes[..self.filled].get(self.registers.at..).unwrap_or_default()
    }

    /// Up to where a symbol may begin.
    pub fn last(&self) -> usize {
        if self.is_all { self.filled } else { self.filled.saturating_sub(SYMBOL) }
    }

    pub fn is_hungry(&self) -> bool {
        !self.is_all && self.registers.at + SYMBOL > self.filled
    }

    /// Whether more was taken than there is.
    pub fn is_cut(&self) -> bool {
        self.registers.at > self.filled
    }

    /// Takes the beginning of a stream.
    pub fn begin(&mut self) -> Result<(), Corrupt> {
        let Some([0, code @ ..]) = self.rest().first_chunk::<{ Registers::LENGTH }>() else { return Err(CORRUPT) };
        let (code, at) = (u32::from_be_bytes(*code), self.registers.at + Registers::LENGTH);
        self.registers = Registers { range: u32::MAX, code, at };
        Ok(())
    }
}
