//! The range decoder, and the trees of bits that it decodes.
//!
//! Bits of literals, lengths and distances are as good as chance to the processor, so they are decoded without branches:
//! a choice of values each, with the probabilities of both outcomes loaded beforehand. Bits that say what comes next are
//! mostly as before, and so are branches.

use super::input::{Bytes, Registers};

/// A probability of zero, of 2048.
pub type Probability = u16;
pub const HALF: Probability = 1 << 10;

/// A range below takes a byte in.
const TOP: u32 = 1 << 24;
/// What is added so that a probability shrinks or grows by a 32nd of what is left.
const TOWARDS_ONE: u32 = 31u32.wrapping_sub(1 << 11);

/// The decoder in its registers.
pub struct Range<'a> {
    input: &'a Bytes,
    range: u32,
    /// The code, and in the lower half up to four bytes of what follows.
    window: u64,
    at: usize,
}

impl<'a> Range<'a> {
    pub fn resume(input: &'a Bytes, registers: Registers) -> Range<'a> {
        let Registers { range, code, at } = registers;
        Range { input, range, window: u64::from(code) << 32, at }
    }

    pub fn pause(&self) -> Registers {
        Registers { range: self.range, code: (self.window >> 32) as u32, at: self.at }
    }

    /// Where the next byte is taken.
    #[inline(always)]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Loads the bytes that follow. It lasts for five bits with probabilities, which take six bits each at most, or for 26
    /// direct ones.
    #[inline(always)]
    pub fn refill(&mut self) {
        let next = self.input.get(self.at..).and_then(<[u8]>::first_chunk);
        self.window = self.window >> 32 << 32 | u64::from(next.map_or(0, |next| u32::from_be_bytes(*next)));
    }

    #[inline(always)]
    pub fn normalize(&mut self) {
        let is_low = self.range < TOP;
        self.range = if is_low { self.range << 8 } else { self.range };
        self.window = if is_low { self.window << 8 } else { self.window };
        self.at += usize::from(is_low);
    }

    /// A bit to branch on.
    #[inline(always)]
    pub fn bit(&mut self, probability: &mut Probability) -> bool {
        self.normalize();
        let zero = u32::from(*probability);
        let bound = (self.range >> 11) * zero;
        if self.window < above(bound) {
            self.range = bound;
            *probability = (zero + ((2048 - zero) >> 5)) as u16;
            false
        } else {
            self.range -= bound;
            self.window -= above(bound);
            *probability = (zero - (zero >> 5)) as u16;
            true
        }
    }

    /// A bit to compute with; whether it is zero, and the probability afterwards.
    #[inline(always)]
    pub fn flat_bit(&mut self, probability: u32) -> (bool, Probability) {
        self.normalize();
        let bound = (self.range >> 11) * probability;
        let is_zero = self.window < above(bound);
        self.range = if is_zero { bound } else { self.range - bound };
        self.window = if is_zero { self.window } else { self.window.wrapping_sub(above(bound)) };
        let step = probability.wrapping_add(if is_zero { TOWARDS_ONE } else { 0 }) as i32 >> 5;
        (is_zero, probability.wrapping_sub(step as u32) as u16)
    }

    /// `BITS` bits, the highest first, of a tree that begins at 1. `before` bits are decoded ahead of the first refill.
    #[inline(always)]
    pub fn tree<const BITS: u32, const N: usize>(&mut self, tree: &mut [Probability; N], before: u32) -> usize {
        let mut node = 1;
        let mut probability = u32::from(tree[1]);
        for number in 0..BITS {
            if number == before || number == before + 5 {
                self.refill();
            }
            let children = children(tree, 2 * node);
            let (is_zero, changed) = self.flat_bit(probability);
            tree[node & (N - 1)] = changed;
            probability = choose(is_zero, children);
            node = node << 1 | usize::from(!is_zero);
        }
        node - (1 << BITS)
    }

    /// Up to five bits, the lowest first, of a tree whose root is behind `base`.
    #[inline(always)]
    pub fn reverse<const N: usize>(&mut self, tree: &mut [Probability; N], base: usize, bits: u32) -> u32 {
        self.refill();
        let (mut node, mut value) = (1, 0);
        let mut probability = u32::from(tree[(base + 1) & (N - 1)]);
        for number in 0..bits {
            let children = children(tree, base + 2 * node);
            let (is_zero, changed) = self.flat_bit(probability);
            tree[(base + node) & (N - 1)] = changed;
            probability = choose(is_zero, children);
            node = node << 1 | usize::from(!is_zero);
            value |= u32::from(!is_zero) << number;
        }
        value
    }

    /// Up to 26 bits without probabilities, the highest first.
    #[inline(always)]
    pub fn direct(&mut self, bits: u32) -> u32 {
        self.refill();
        let mut value = 0;
        for _ in 0..bits {
            // Every eighth time: the processor foresees it.
            if self.range < TOP {
                (self.range, self.window, self.at) = (self.range << 8, self.window << 8, self.at + 1);
            }
            self.range >>= 1;
            let is_zero = self.window < above(self.range);
            self.window = if is_zero { self.window } else { self.window.wrapping_sub(above(self.range)) };
            value = value << 1 | u32::from(!is_zero);
        }
        value
    }
}

/// A bound where the code stands in the window.
#[inline(always)]
fn above(bound: u32) -> u64 {
    u64::from(bound) << 32
}

/// The probabilities after a zero and after a one; whatever behind a tree.
#[inline(always)]
fn children<const N: usize>(tree: &[Probability; N], at: usize) -> [u32; 2] {
    either(tree[at & (N - 1)], tree[(at + 1) & (N - 1)])
}

/// Two loaded probabilities, to choose from. A compiler that may would choose between their places instead, and load when the
/// bit is known: it may not where they are extended in different ways, which below 2048 are the same.
#[inline(always)]
pub fn either(zero: Probability, one: Probability) -> [u32; 2] {
    [zero.into(), one as i16 as u32]
}

#[inline(always)]
pub fn choose(is_zero: bool, [zero, one]: [u32; 2]) -> u32 {
    if is_zero { zero } else { one }
}
