//! The loop over symbols: literals and matches, from the range decoder into the dictionary.

use super::dictionary::{Dictionary, Writer};
use super::input::Input;
use super::model::{Bits, Literals, Model, State};
use super::range::{Range, choose, either};
use crate::Corrupt;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// As much as was asked for is there, or the input does not do for a symbol more.
    Pause,
    /// The mark of the end.
    End,
    /// The input ended before.
    Cut,
}

/// The distance that marks the end: one more than all.
const END: u32 = 0;

/// What changes with each symbol, all in registers.
struct Symbols<'a> {
    range: Range<'a>,
    out: Writer<'a>,
    kind: State,
    distances: [u32; 4],
}

/// Decodes a block: up to `most` bytes or beyond, by less than a match.
#[inline(never)]
pub fn decode(model: &mut Model, input: &mut Input, dictionary: &mut Dictionary, most: usize) -> Result<Stop, Corrupt> {
    let (out, last) = (dictionary.writer(), input.last());
    let limit = out.at() + most;
    let range = Range::resume(input.bytes(), input.registers);
    let mut symbols = Symbols { range, out, kind: model.kind, distances: model.distances };
    let outcome = symbols.run(model, limit, last);
    (model.kind, model.distances) = (symbols.kind, symbols.distances);
    symbols.out.finish();
    input.registers = symbols.range.pause();
    if input.is_cut() { Ok(Stop::Cut) } else { outcome }
}

impl Symbols<'_> {
    /// No symbol is begun behind `last` in the input.
    #[inline(always)]
    fn run(&mut self, model: &mut Model, limit: usize, last: usize) -> Result<Stop, Corrupt> {
        let Model { properties, bits, literals, .. } = model;
        let mut before = self.out.last();
        while self.out.at() < limit && self.range.at() <= last {
            self.range.refill();
            let position = properties.position(self.out.position()) & 15;
            if !self.range.bit(&mut bits.is_match[self.kind.index()][position]) {
                let context = properties.context(self.out.position(), before);
                let literals = literals.get_mut(context).ok_or(super::CORRUPT)?;
                before = self.literal(literals)?;
                self.out.add(before);
                continue;
            }
            let length = if !self.range.bit(&mut bits.is_repeated[self.kind.index()]) {
                self.new_match(bits, position)
            } else {
                self.repeated(bits, position)
            };
            match length {
                1 => self.out.add(self.out.byte(self.distances[0])?),
                _ if self.distances[0] == END => return Ok(Stop::End),
                _ => self.out.repeat(self.distances[0], length)?,
            }
            before = self.out.last();
        }
        Ok(Stop::Pause)
    }

    #[inline(always)]
    fn literal(&mut self, literals: &mut Literals) -> Result<u8, Corrupt> {
        let was_literal = self.kind.was_literal();
        self.kind = self.kind.literal();
        if was_literal {
            return Ok(self.range.tree::<8, 0x400>(literals, 4) as u8);
        }
        let matched = self.out.byte(self.distances[0])?;
        Ok(matched_literal(&mut self.range, literals, matched.into()))
    }

    /// The length of a match at a new distance.
    #[inline(always)]
    fn new_match(&mut self, bits: &mut Bits, position: usize) -> usize {
        let [first, second, third, _] = self.distances;
        let length = bits.new_length.decode(&mut self.range, position);
        self.kind = self.kind.new_match();
        let slot = self.range.tree::<6, 64>(&mut bits.slots[(length - 2).min(3)], 0) as u32;
        self.distances = [self.distance(bits, slot).wrapping_add(1), first, second, third];
        length
    }

    /// A distance less one, of which the slot says the length in bits and the highest two.
    #[inline(always)]
    fn distance(&mut self, bits: &mut Bits, slot: u32) -> u32 {
        if slot < 4 {
            return slot;
        }
        let count = slot / 2 - 1;
        let high = (2 | slot & 1) << count;
        if slot < 14 {
            return high + self.range.reverse(&mut bits.low, (high - slot) as usize, count);
        }
        let middle = self.range.direct(count - 4) << 4;
        high + middle + self.range.reverse(&mut bits.align, 0, 4)
    }

    /// The length of a match at a distance that was there before: one without bits of a length is 1.
    #[inline(always)]
    fn repeated(&mut self, bits: &mut Bits, position: usize) -> usize {
        let kind = self.kind.index();
        let [first, second, third, fourth] = self.distances;
        if !self.range.bit(&mut bits.is_other[kind]) {
            if !self.range.bit(&mut bits.is_long[kind][position]) {
                self.kind = self.kind.repeated_byte();
                return 1;
            }
        } else if !self.range.bit(&mut bits.is_third[kind]) {
            self.distances = [second, first, third, fourth];
        } else if !self.range.bit(&mut bits.is_fourth[kind]) {
            self.distances = [third, first, second, fourth];
        } else {
            self.distances = [fourth, first, second, third];
        }
        self.kind = self.kind.repeated_match();
        self.range.refill();
        bits.repeated_length.decode(&mut self.range, position)
    }
}

/// A literal behind a match, where the byte that a longer match would have brought is a hint. As long as the bits are that
/// byte's, they have trees of their own, `apart` and the hint's bit farther on; then `apart` is zero.
#[inline(always)]
fn matched_literal(range: &mut Range, literals: &mut Literals, matched: usize) -> u8 {
    let (mut node, mut apart, mut hint) = (1, 0x100, matched << 1);
    let mut place = apart + (hint & apart) + node;
    let mut probability = u32::from(literals[place & 0x3ff]);
    for number in 0..8 {
        if number == 4 {
            range.refill();
        }
        let one = hint & apart;
        let zero = apart ^ one;
        hint <<= 1;
        let places = [zero + (hint & zero) + 2 * node, one + (hint & one) + 2 * node + 1];
        let next = either(literals[places[0] & 0x3ff], literals[places[1] & 0x3ff]);
        let (is_zero, changed) = range.flat_bit(probability);
        literals[place & 0x3ff] = changed;
        probability = choose(is_zero, next);
        (apart, place) = if is_zero { (zero, places[0]) } else { (one, places[1]) };
        node = node << 1 | usize::from(!is_zero);
    }
    node as u8
}
