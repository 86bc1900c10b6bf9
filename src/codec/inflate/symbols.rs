//! The symbols of a block: literals, and copies of what stands before (RFC 1951, 3.2.3); pure.
//!
//! A fast loop goes on as long as there is room for whatever may come, in the input and behind the output; another one does
//! the rest, symbol by symbol.

use super::bits::{Bits, Input};
use super::table::{Code, DISTANCES, Entry, LITERALS_AND_LENGTHS};
use super::{Corrupt, Pause};
use crate::copy::{self, SPARE};

/// How far back a match reaches, at most.
const WINDOW: usize = 32 << 10;
/// Bytes that are unpacked at once, and those before, which matches refer to.
const SPACE: usize = 4 * WINDOW;
/// What the fast loop looks at in one turn, at most.
const AHEAD: usize = 16;
/// What it writes in one turn, and behind that: literals, a match.
const ROOM: usize = 3 + 258 + SPARE;

type Literals = Code<11, 4096>;
type Distances = Code<8, 512>;

/// The codes of a block, and what was unpacked: in one piece, so that one register leads to all that the loop looks up.
pub struct Symbols {
    literals: Literals,
    distances: Distances,
    /// They are those of every block that brings none, and need not be made again.
    are_fixed: bool,
    window: [u8; SPACE],
    /// What was unpacked stands before.
    at: usize,
    rest: Match,
}

/// What is left to copy of a match that found no room.
#[derive(Clone, Copy, Default)]
struct Match {
    length: usize,
    distance: usize,
}

enum Symbol {
    Some,
    End,
    /// The input ends within it.
    Cut,
}

impl Symbols {
    pub fn new() -> Symbols {
        let (literals, distances) = (Code::new(), Code::new());
        Symbols { literals, distances, are_fixed: false, window: [0; SPACE], at: 0, rest: Match::default() }
    }

    /// Forgets what was unpacked.
    pub fn restart(&mut self) {
        (self.at, self.rest) = (0, Match::default());
    }

    /// Makes the codes from the lengths of their words.
    pub fn build(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), Corrupt> {
        self.are_fixed = false;
        self.literals.build(literals, &LITERALS_AND_LENGTHS)?;
        self.distances.build(distances, &DISTANCES)?;
        Ok(())
    }

    /// RFC 1951, 3.2.6.
    pub fn build_fixed(&mut self) -> Result<(), Corrupt> {
        if !self.are_fixed {
            let mut literals = [8; 288];
            literals[144..256].fill(9);
            literals[256..280].fill(7);
            self.build(&literals, &[5; 32])?;
            self.are_fixed = true;
        }
        Ok(())
    }

    /// What was unpacked behind that place.
    pub fn since(&self, start: usize) -> &[u8] {
        self.window.get(start..self.at).unwrap_or_default()
    }

    pub fn is_full(&self) -> bool {
        self.at == SPACE
    }

    /// Keeps what matches refer to and no more; where it ends.
    pub fn make_room(&mut self) -> usize {
        let kept = self.at.min(WINDOW);
        self.window.copy_within(self.at - kept..self.at, 0);
        self.at = kept;
        kept
    }

    /// Adds what finds room of these bytes; how many that are.
    pub fn add(&mut self, bytes: &[u8]) -> usize {
        let room = self.window.get_mut(self.at..).unwrap_or_default();
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.at += length;
        length
    }

    /// Decodes as far as input and room go. None: the block is over.
    pub fn decode(&mut self, bits: &mut Bits, input: &mut Input<'_>) -> Result<Option<Pause>, Corrupt> {
        loop {
            self.copy_rest();
            if self.is_full() {
                return Ok(Some(Pause::Full));
            }
            if SPACE - self.at >= ROOM && input.rest().len() >= 2 * AHEAD && self.fast(bits, input)? {
                return Ok(None);
            }
            match self.one(bits, input)? {
                Symbol::Some => {}
                Symbol::End => return Ok(None),
                Symbol::Cut => return Ok(Some(Pause::Hungry)),
            }
        }
    }

    /// Copies as much of a match as there is room for.
    fn copy_rest(&mut self) {
        let end = (self.at + self.rest.length).min(SPACE);
        self.rest.length -= end - self.at;
        while self.at < end {
            self.window[self.at] = self.window[self.at - self.rest.distance];
            self.at += 1;
        }
    }

    /// One symbol; a match is left in `rest`. There is room for a byte.
    fn one(&mut self, bits: &mut Bits, input: &mut Input<'_>) -> Result<Symbol, Corrupt> {
        // The longest of them, with all its extra bits.
        bits.want(48, input);
        let entry = self.literals.find(bits.word);
        if entry.taken() > bits.count() {
            return Ok(Symbol::Cut);
        }
        if entry.is_literal() {
            bits.drop(entry.taken());
            self.add(&[entry.literal()]);
            return Ok(Symbol::Some);
        }
        if entry.is_end() {
            bits.drop(entry.taken());
            return Ok(Symbol::End);
        }
        if entry.is_exception() {
            return Err(WRONG_SYMBOL);
        }
        let behind = bits.word >> entry.taken();
        let far = self.distances.find(behind);
        if entry.taken() + far.taken() > bits.count() {
            return Ok(Symbol::Cut);
        }
        if far.is_exception() {
            return Err(WRONG_DISTANCE);
        }
        self.rest = Match { length: entry.length(bits.word), distance: far.distance(behind) };
        if self.rest.distance > self.at {
            return Err(copy::NoRoom.into());
        }
        bits.drop(entry.taken() + far.taken());
        Ok(Symbol::Some)
    }

    /// Decodes until room is scarce, or (true) to the end of the block. What stood before an error is there as well.
    ///
    /// Each turn begins with 56 bits and the entry of the next symbol. Three literals of the first table take 33; two, a length
    /// and its extra bits, 42, and then there are 56 again for a distance, 28, and the next look.
    #[inline(never)]
    fn fast(&mut self, bits: &mut Bits, input: &mut Input<'_>) -> Result<bool, Corrupt> {
        let Symbols { literals, distances, window, at: end, .. } = self;
        let (mut own, mut at, mut rest) = (*bits, *end, input.rest());
        refill(&mut own, &mut rest);
        let mut entry = literals.first(own.word);
        let is_over = loop {
            if rest.len() < AHEAD || at > SPACE - ROOM {
                break Ok(false);
            }
            refill(&mut own, &mut rest);
            if entry.is_literal() {
                entry = literal(window, &mut at, entry, &mut own, literals);
                if entry.is_literal() {
                    entry = literal(window, &mut at, entry, &mut own, literals);
                    if entry.is_literal() {
                        entry = literal(window, &mut at, entry, &mut own, literals);
                        continue;
                    }
                }
            }
            if entry.is_exception() {
                if entry.is_link() {
                    entry = literals.second(entry, own.word);
                    if entry.is_literal() {
                        entry = literal(window, &mut at, entry, &mut own, literals);
                        continue;
                    }
                }
                if entry.is_end() {
                    own.drop(entry.raw());
                    break Ok(true);
                }
                if entry.is_exception() {
                    break Err(WRONG_SYMBOL);
                }
            }
            let length = entry.length(own.word);
            own.drop(entry.raw());
            let mut far = distances.first(own.word);
            refill(&mut own, &mut rest);
            if far.is_exception() {
                if far.is_link() {
                    far = distances.second(far, own.word);
                }
                if far.is_exception() {
                    break Err(WRONG_DISTANCE);
                }
            }
            let distance = far.distance(own.word);
            own.drop(far.raw());
            // Looked up before the copy, which does not wait for it, nor it for the copy.
            entry = literals.first(own.word);
            if let Err(too_far) = copy::repeat_short(window, at, distance, length) {
                break Err(too_far.into());
            }
            at += length;
        };
        own.settle();
        (*bits, *end) = (own, at);
        input.at = input.bytes.len() - rest.len();
        is_over
    }
}

#[inline(always)]
fn refill(bits: &mut Bits, rest: &mut &[u8]) {
    if let Some(chunk) = rest.first_chunk() {
        let taken = bits.refill(chunk);
        *rest = &rest[taken..];
    }
}

/// Writes a literal, for which there is room, and looks up what follows it.
#[inline(always)]
fn literal(window: &mut [u8; SPACE], at: &mut usize, entry: Entry, bits: &mut Bits, literals: &Literals) -> Entry {
    bits.drop(entry.raw());
    if let Some(place) = window.get_mut(*at) {
        *place = entry.literal();
    }
    *at += 1;
    literals.first(bits.word)
}

const WRONG_SYMBOL: Corrupt = Corrupt("bits that are no symbol");
const WRONG_DISTANCE: Corrupt = Corrupt("bits that are no distance");
