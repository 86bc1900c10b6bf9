//! What stands before a block with codes of its own: the lengths of their words (RFC 1951, 3.2.7); pure.

use super::Corrupt;
use super::bits::{Bits, Input};
use super::table::{Code, LENGTHS};

/// The order in which the lengths of the first code come.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MOST: usize = 286 + 30;
const END_OF_BLOCK: usize = 256;

/// What was read of it so far: the input may end anywhere.
pub struct Lengths {
    stage: Stage,
    /// How many there are of literals and lengths, and of these and distances.
    literals: usize,
    all: usize,
    first: [u8; 19],
    /// What the others are encoded with.
    code: Code<7, 128>,
    lengths: [u8; MOST],
}

#[derive(Clone, Copy)]
enum Stage {
    Counts,
    /// Of the first code: so many were read, of so many.
    First(usize, usize),
    /// So many were read.
    All(usize),
}

impl Lengths {
    pub fn new() -> Lengths {
        let code = Code::new();
        Lengths { stage: Stage::Counts, literals: 0, all: 0, first: [0; 19], code, lengths: [0; MOST] }
    }

    pub fn restart(&mut self) {
        (self.stage, self.first) = (Stage::Counts, [0; 19]);
    }

    /// Those of literals and lengths, and those of distances.
    pub fn split(&self) -> (&[u8], &[u8]) {
        self.lengths.get(..self.all).and_then(|all| all.split_at_checked(self.literals)).unwrap_or_default()
    }

    /// Reads on. True when all are there; false: the input ends before.
    pub fn read(&mut self, bits: &mut Bits, input: &mut Input<'_>) -> Result<bool, Corrupt> {
        loop {
            match self.stage {
                Stage::Counts if bits.want(14, input) => self.counts(bits)?,
                Stage::First(read, count) if read == count => {
                    if !self.code.build(&self.first, &LENGTHS)? {
                        return Err(Corrupt("the code of the codes' lengths is incomplete"));
                    }
                    self.stage = Stage::All(0);
                }
                Stage::First(read, count) if bits.want(3, input) => {
                    self.first[usize::from(ORDER[read])] = bits.take(3) as u8;
                    self.stage = Stage::First(read + 1, count);
                }
                Stage::All(read) if read == self.all => return self.check(),
                Stage::All(read) => match self.some(read, bits, input)? {
                    Some(count) => self.stage = Stage::All(read + count),
                    None => return Ok(false),
                },
                Stage::Counts | Stage::First(..) => return Ok(false),
            }
        }
    }

    fn counts(&mut self, bits: &mut Bits) -> Result<(), Corrupt> {
        let (literals, distances) = (257 + bits.take(5) as usize, 1 + bits.take(5) as usize);
        if literals > 286 || distances > 30 {
            return Err(Corrupt("more lengths or distances than there are"));
        }
        (self.literals, self.all) = (literals, literals + distances);
        self.stage = Stage::First(0, 4 + bits.take(4) as usize);
        Ok(())
    }

    /// One symbol, and how many lengths it stands for; none when the input ends before.
    fn some(&mut self, read: usize, bits: &mut Bits, input: &mut Input<'_>) -> Result<Option<usize>, Corrupt> {
        bits.want(14, input);
        let entry = self.code.find(bits.word);
        let (extra, least) = match entry.value() {
            16 => (2, 3),
            17 => (3, 3),
            18 => (7, 11),
            _ => (0, 1),
        };
        if entry.taken() + extra > bits.count() {
            return Ok(None);
        }
        bits.drop(entry.taken());
        let count = least + bits.take(extra) as usize;
        let length = match entry.value() {
            16 => *read.checked_sub(1).and_then(|last| self.lengths.get(last)).ok_or(NONE_BEFORE)?,
            17 | 18 => 0,
            length => length as u8,
        };
        let places = self.lengths.get_mut(read..read + count).filter(|_| read + count <= self.all);
        places.ok_or(Corrupt("more lengths of codes than announced"))?.fill(length);
        Ok(Some(count))
    }

    fn check(&self) -> Result<bool, Corrupt> {
        match self.lengths[END_OF_BLOCK] {
            0 => Err(Corrupt("the end of the block has no code")),
            _ => Ok(true),
        }
    }
}

const NONE_BEFORE: Corrupt = Corrupt("a length repeats one that is not there");
