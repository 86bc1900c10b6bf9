//! The prefix codes of zstd's literals (RFC 8878, 4.2); pure.

use super::Corrupt;
use super::bits::{BEFORE, Backward};
use super::fse::{Probabilities, State};

/// The longest code.
const LONGEST: u32 = 11;
const SYMBOLS: usize = 256;
/// Of the table for packed weights.
const WEIGHTS_LOG: u32 = 6;
const ENTRIES: usize = 1 << LONGEST;
/// Codes that one look at a stream has for certain.
const AT_ONCE: usize = 5;

const WEIGHTS: Corrupt = Corrupt("the weights of a code make no whole");

/// By the next bits: the length of the code, and above it its symbol.
pub struct Code {
    is_there: bool,
    table: Box<[u16; ENTRIES]>,
}

impl Code {
    /// Of no symbols; to be read into.
    pub fn new() -> Code {
        Code { is_there: false, table: Box::new([0; ENTRIES]) }
    }

    /// Forgets the code.
    pub fn reset(&mut self) {
        self.is_there = false;
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Parses a code's description; gives the bytes that it takes.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, Corrupt> {
        let (head, rest) = bytes.split_first().ok_or(CUT)?;
        let mut weights = [0; SYMBOLS];
        let (count, taken) = match *head {
            length @ 0..128 => {
                let packed = rest.get(..length.into()).ok_or(CUT)?;
                (packed_weights(packed, &mut weights)?, length.into())
            }
            count => {
                let count = usize::from(count - 127);
                let nibbles = rest.get(..count.div_ceil(2)).ok_or(CUT)?;
                let each = nibbles.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(count);
                weights.iter_mut().zip(each).for_each(|(place, weight)| *place = weight);
                (count, count.div_ceil(2))
            }
        };
        self.fill(weights.get_mut(..=count).ok_or(WEIGHTS)?)?;
        Ok(1 + taken)
    }

    /// From the weight of each symbol but the last, which has what is left.
    fn fill(&mut self, weights: &mut [u8]) -> Result<(), Corrupt> {
        self.is_there = false;
        let (last, others) = weights.split_last_mut().ok_or(WEIGHTS)?;
        // How many symbols have each weight; sixteen are counted, for fewer checks.
        let mut counts = [0u32; 16];
        for weight in others.iter() {
            *counts.get_mut(usize::from(*weight)).ok_or(WEIGHTS)? += 1;
        }
        if counts.iter().skip(LONGEST as usize + 1).any(|count| *count > 0) {
            return Err(WEIGHTS);
        }
        let sum: u32 = (1..).zip(counts.iter().skip(1)).map(|(weight, count)| count << weight >> 1).sum();
        let log = sum.checked_ilog2().ok_or(WEIGHTS)? + 1;
        let left = (1 << log) - sum;
        if log > LONGEST || !left.is_power_of_two() {
            return Err(WEIGHTS);
        }
        *last = left.ilog2() as u8 + 1;
        counts[usize::from(*last & 15)] += 1;
        // Codes of a weight stand side by side, those of the lowest first.
        let mut places = [0; 16];
        let mut at = 0;
        for (weight, (place, count)) in places.iter_mut().zip(counts).enumerate().skip(1) {
            *place = at;
            at += (count as usize) << (weight - 1) << (LONGEST - log);
        }
        for (symbol, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let place = &mut places[usize::from(*weight & 15)];
            let end = *place + (1 << (u32::from(*weight) - 1 + LONGEST - log));
            let entry = (symbol as u32) << 8 | (log + 1 - u32::from(*weight));
            self.table.get_mut(*place..end).ok_or(WEIGHTS)?.fill(entry as u16);
            *place = end;
        }
        self.is_there = true;
        Ok(())
    }

    /// Decodes `N` symbols, up to `AT_ONCE`, out of one look at the stream of each place; streams side by side, which do
    /// not wait for each other in the processor.
    #[inline(always)]
    fn some<const STREAMS: usize, const N: usize>(
        &self,
        bits: &mut [Backward<'_>; STREAMS],
        mut places: [&mut [u8; N]; STREAMS],
    ) {
        let mut words = [0; STREAMS];
        for (word, bits) in words.iter_mut().zip(&*bits) {
            *word = bits.word();
        }
        // Of the sums only the lowest byte is meant.
        let mut taken = [0; STREAMS];
        for number in 0..N {
            for ((word, taken), places) in words.iter_mut().zip(&mut taken).zip(&mut places) {
                let entry = u32::from(self.table[(*word >> (64 - LONGEST)) as usize]);
                places[number] = (entry >> 8) as u8;
                *word <<= entry & 63;
                *taken += entry;
            }
        }
        for (bits, taken) in bits.iter_mut().zip(taken) {
            bits.drop(taken & 255);
        }
    }

    /// Decodes one stream, at `start..end` of the bytes, into all of `target`.
    pub fn decode(&self, bytes: &[u8], start: usize, end: usize, target: &mut [u8]) -> Result<(), Corrupt> {
        let bits = Backward::new(bytes, start, end)?;
        self.rest(bits, target)
    }

    /// Decodes four streams behind a table of their lengths, each into a quarter of `target`.
    pub fn decode_four(&self, bytes: &[u8], start: usize, end: usize, target: &mut [u8]) -> Result<(), Corrupt> {
        let lengths = bytes.get(start..end).and_then(<[u8]>::first_chunk::<6>).ok_or(CUT)?;
        let mut at = start + 6;
        let mut next = |low: u8, high: u8| {
            let begin = at;
            at += usize::from(u16::from_le_bytes([low, high]));
            if at > end { Err(CUT) } else { Backward::new(bytes, begin, at) }
        };
        let [a0, a1, b0, b1, c0, c1] = *lengths;
        let (a, b, c) = (next(a0, a1)?, next(b0, b1)?, next(c0, c1)?);
        let d = Backward::new(bytes, at, end)?;
        let quarter = target.len().div_ceil(4);
        let mut quarters = target.chunks_mut(quarter.max(1));
        let mut part = || quarters.next().ok_or(CUT);
        let (a_part, b_part, c_part, d_part) = (part()?, part()?, part()?, part()?);
        let mut bits = [a, b, c, d];
        let rounds = d_part.len() / AT_ONCE;
        let (a_all, a_rest) = a_part.split_at_mut(rounds * AT_ONCE);
        let (b_all, b_rest) = b_part.split_at_mut(rounds * AT_ONCE);
        let (c_all, c_rest) = c_part.split_at_mut(rounds * AT_ONCE);
        let (d_all, d_rest) = d_part.split_at_mut(rounds * AT_ONCE);
        let groups = fives(a_all).zip(fives(b_all)).zip(fives(c_all).zip(fives(d_all)));
        for ((a_five, b_five), (c_five, d_five)) in groups {
            self.some(&mut bits, [a_five, b_five, c_five, d_five]);
        }
        for (bits, rest) in bits.into_iter().zip([a_rest, b_rest, c_rest, d_rest]) {
            self.rest(bits, rest)?;
        }
        Ok(())
    }

    /// Decodes to the end. Only there is looked whether there was so much.
    fn rest(&self, bits: Backward<'_>, target: &mut [u8]) -> Result<(), Corrupt> {
        let mut bits = [bits];
        let all = target.len() / AT_ONCE * AT_ONCE;
        let (target, rest) = target.split_at_mut(all);
        for five in fives(target) {
            self.some(&mut bits, [five]);
        }
        for one in rest.chunks_exact_mut(1).filter_map(|one| one.try_into().ok()) {
            self.some::<1, 1>(&mut bits, [one]);
        }
        let [bits] = bits;
        match (bits.is_at_front(), bits.is_over()) {
            (true, _) => Ok(()),
            (_, true) => Err(CUT),
            _ => Err(Corrupt("literals are left over")),
        }
    }
}

fn fives(bytes: &mut [u8]) -> impl Iterator<Item = &mut [u8; AT_ONCE]> {
    bytes.chunks_exact_mut(AT_ONCE).filter_map(|five| five.try_into().ok())
}

const CUT: Corrupt = Corrupt("literals are cut short");

/// Weights that are themselves encoded, by two states in turn; gives how many, which leaves one place.
fn packed_weights(bytes: &[u8], weights: &mut [u8; SYMBOLS]) -> Result<usize, Corrupt> {
    let (probabilities, taken) = Probabilities::parse(bytes, WEIGHTS_LOG, SYMBOLS)?;
    let mut states = [State::default(); 1 << WEIGHTS_LOG];
    probabilities.states(&mut states, Some)?;
    let mut before = [0; BEFORE + 128];
    let packed = bytes.get(taken..).unwrap_or_default();
    let end = BEFORE + packed.len();
    before.get_mut(BEFORE..end).ok_or(WEIGHTS)?.copy_from_slice(packed);
    let mut bits = Backward::new(&before, BEFORE, end)?;
    let (mut one, mut other) = (bits.take(probabilities.log) as usize, bits.take(probabilities.log) as usize);
    for count in 0..SYMBOLS - 1 {
        let state = states.get(one).ok_or(WEIGHTS)?;
        weights[count] = state.symbol;
        one = usize::from(state.base) + bits.take(state.bits.into()) as usize;
        if bits.is_over() {
            weights[count + 1] = states.get(other).ok_or(WEIGHTS)?.symbol;
            return Ok(count + 2);
        }
        std::mem::swap(&mut one, &mut other);
    }
    Err(WEIGHTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8878, 4.2.1: weights 4 3 2 0 1 and 1 for the last.
    #[test]
    fn the_example_of_the_specification() {
        let mut code = Code::new();
        assert_eq!(code.read(&[127 + 5, 0x43, 0x20, 0x10]).unwrap(), 4);
        // 0: 1, 1: 01, 2: 001, 4: 0000, 5: 0001; from the back, after the mark.
        let mut bytes = vec![0; BEFORE];
        bytes.extend([0b0000_0001, 0b0110_1001]);
        let mut symbols = [9; 5];
        // mark 0 1 | 1 0 1 0 0 1 . 0 0 0 0 0 0 0 1
        assert!(code.decode(&bytes, BEFORE, BEFORE + 2, &mut symbols).is_ok());
        assert_eq!(symbols, [0, 1, 2, 4, 5]);
        assert!(code.decode(&bytes, BEFORE, BEFORE + 2, &mut [0; 4]).is_err());
        assert!(code.decode(&bytes, BEFORE, BEFORE + 2, &mut [0; 6]).is_err());
    }

    #[test]
    fn weights_must_make_a_whole() {
        let mut code = Code::new();
        let mut fill = |weights: &[u8]| code.fill(&mut [weights, &[0]].concat());
        assert!(fill(&[1, 2]).is_ok());
        for wrong in [vec![], vec![0, 0], vec![12], vec![16], vec![3, 1], vec![5; 255]] {
            assert!(fill(&wrong).is_err(), "{wrong:?}");
        }
        assert!(code.read(&[]).is_err());
        assert!(code.read(&[5, 0, 0]).is_err());
    }
}
