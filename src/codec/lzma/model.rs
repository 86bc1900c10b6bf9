//! What is expected: the probabilities of all bits, and what they hang on.

use super::CORRUPT;
use super::range::{HALF, Probability, Range};
use crate::Corrupt;

/// How literals and positions are told apart: `lc`, `lp` and `pb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// Upper bits of the byte before a literal, lower bits of its position.
    literal_context: u32,
    literal_position: u32,
    /// Lower bits of a match's position.
    position: u32,
}

impl Properties {
    pub fn parse(byte: u8) -> Result<Properties, Corrupt> {
        let byte = u32::from(byte);
        let (literal_context, literal_position, position) = (byte % 9, byte / 9 % 5, byte / 45);
        // As in liblzma: more contexts would take megabytes.
        if position > 4 || literal_context + literal_position > 4 {
            return Err(CORRUPT);
        }
        Ok(Properties { literal_context, literal_position, position })
    }

    /// The number of literals' contexts.
    fn contexts(self) -> usize {
        1 << (self.literal_context + self.literal_position)
    }

    #[inline(always)]
    pub fn context(self, position: usize, before: u8) -> usize {
        let position = position & ((1 << self.literal_position) - 1);
        (position << self.literal_context) + (usize::from(before) >> (8 - self.literal_context))
    }

    #[inline(always)]
    pub fn position(self, position: usize) -> usize {
        position & ((1 << self.position) - 1)
    }
}

/// The literals of a context: a tree, then two for bits of the matched byte that are 0 and 1. The last quarter is never used.
pub type Literals = [Probability; 0x400];

pub struct Model {
    pub properties: Properties,
    pub kind: State,
    pub distances: [u32; 4],
    pub bits: Box<Bits>,
    pub literals: Vec<Literals>,
}

/// All probabilities but the literals'. What hangs on the state or position has sixteen places, so that each index is one.
pub struct Bits {
    pub is_match: [[Probability; 16]; 16],
    pub is_repeated: [Probability; 16],
    pub is_other: [Probability; 16],
    pub is_long: [[Probability; 16]; 16],
    pub is_third: [Probability; 16],
    pub is_fourth: [Probability; 16],
    pub new_length: Length,
    pub repeated_length: Length,
    pub slots: [[Probability; 64]; 4],
    pub low: [Probability; 128],
    pub align: [Probability; 16],
}

impl Bits {
    const NEW: Bits = Bits {
        is_match: [[HALF; 16]; 16],
        is_repeated: [HALF; 16],
        is_other: [HALF; 16],
        is_long: [[HALF; 16]; 16],
        is_third: [HALF; 16],
        is_fourth: [HALF; 16],
        new_length: Length::NEW,
        repeated_length: Length::NEW,
        slots: [[HALF; 64]; 4],
        low: [HALF; 128],
        align: [HALF; 16],
    };
}

impl Model {
    pub fn new(properties: Properties) -> Model {
        let literals = vec![[HALF; 0x400]; properties.contexts()];
        Model { properties, kind: State::default(), distances: [1; 4], bits: Box::new(Bits::NEW), literals }
    }

    /// Forgets what was learnt.
    pub fn reset(&mut self) {
        *self = Model::new(self.properties);
    }
}

/// What the last symbols were.
#[derive(Clone, Copy, Default)]
pub struct State(usize);

impl State {
    /// As an index, which is less than sixteen.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 & 15
    }

    #[inline(always)]
    pub fn was_literal(self) -> bool {
        self.0 < 7
    }

    #[inline(always)]
    pub fn literal(self) -> State {
        const NEXT: [u8; 16] = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5, 0, 0, 0, 0];
        State(NEXT[self.index()].into())
    }

    #[inline(always)]
    pub fn new_match(self) -> State {
        State(if self.was_literal() { 7 } else { 10 })
    }

    #[inline(always)]
    pub fn repeated_match(self) -> State {
        State(if self.was_literal() { 8 } else { 11 })
    }

    #[inline(always)]
    pub fn repeated_byte(self) -> State {
        State(if self.was_literal() { 9 } else { 11 })
    }
}

/// The lengths of matches, from 2 to 273.
pub struct Length {
    is_middle: Probability,
    is_high: Probability,
    low: [[Probability; 8]; 16],
    middle: [[Probability; 8]; 16],
    high: [Probability; 256],
}

impl Length {
    const NEW: Length =
        Length { is_middle: HALF, is_high: HALF, low: [[HALF; 8]; 16], middle: [[HALF; 8]; 16], high: [HALF; 256] };

    #[inline(always)]
    pub fn decode(&mut self, range: &mut Range, position: usize) -> usize {
        if !range.bit(&mut self.is_middle) {
            2 + range.tree::<3, 8>(&mut self.low[position & 15], 0)
        } else if !range.bit(&mut self.is_high) {
            10 + range.tree::<3, 8>(&mut self.middle[position & 15], 0)
        } else {
            18 + range.tree::<8, 256>(&mut self.high, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties() {
        let usual = Properties::parse(93).unwrap();
        assert_eq!(usual, Properties { literal_context: 3, literal_position: 0, position: 2 });
        assert_eq!(usual.context(7, 0xff), 7);
        assert_eq!(usual.position(7), 3);
        let wide = Properties::parse(4 * 45 + 4 * 9).unwrap();
        assert_eq!((wide.contexts(), wide.context(0x1f, 0xff), wide.position(0x1f)), (16, 15, 15));
        let right = (0..=255).filter(|byte| Properties::parse(*byte).is_ok());
        assert_eq!(right.count(), 5 * 15);
    }
}
