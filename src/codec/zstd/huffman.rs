//! The prefix codes of zstd's literals (RFC 8878, 4.2); pure.

use super::Corrupt;
use super::bits::{BEFORE, Backward};
use super::fse::Probabilities;

/// The longest code.
const LONGEST: u32 = 11;
const ENTRIES: usize = 1 << LONGEST;
/// Codes that one look at a stream has for certain.
const AT_ONCE: usize = 5;

const WEIGHTS: Corrupt = Corrupt("the weights of a code make no whole");

/// By the next bits: the symbol, and above it the length of its code.
pub struct Code(Box<[u16; ENTRIES]>);

impl Code {
    /// Parses a code's description; and the bytes that it takes.
    pub fn parse(bytes: &[u8]) -> Result<(Code, usize), Corrupt> {
        let (head, rest) = bytes.split_first().ok_or(CUT)?;
        let (weights, taken) = match *head {
            length @ 0..128 => (packed_weights(rest.get(..length.into()).ok_or(CUT)?)?, length.into()),
            count => {
                let count = usize::from(count - 127);
                let nibbles = rest.get(..count.div_ceil(2)).ok_or(CUT)?;
                let weights = nibbles.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(count).collect();
                (weights, count.div_ceil(2))
            }
        };
        Ok((Code::new(weights)?, 1 + taken))
    }

    /// From the weight of each symbol but the last, which has what is left.
    fn new(mut weights: Vec<u8>) -> Result<Code, Corrupt> {
        let share = |weight: &u8| if *weight == 0 { 0 } else { 1u32 << (weight - 1) };
        if weights.iter().any(|weight| u32::from(*weight) > LONGEST) {
            return Err(WEIGHTS);
        }
        let sum: u32 = weights.iter().map(share).sum();
        let log = sum.checked_ilog2().ok_or(WEIGHTS)? + 1;
        let left = (1 << log) - sum;
        if log > LONGEST || !left.is_power_of_two() || weights.len() > 255 {
            return Err(WEIGHTS);
        }
        weights.push(left.ilog2() as u8 + 1);
        let mut table = Box::new([0; ENTRIES]);
        let mut places = table.iter_mut();
        for weight in 1..=log {
            let entry = (log + 1 - weight) << 8;
            let count = 1 << (weight - 1 + LONGEST - log);
            for symbol in (0..weights.len()).filter(|symbol| u32::from(weights[*symbol]) == weight) {
                places.by_ref().take(count).for_each(|place| *place = (entry | symbol as u32) as u16);
            }
        }
        Ok(Code(table))
    }

    #[inline(always)]
    fn next(&self, word: u64) -> (u8, u32) {
        let entry = self.0[(word >> (64 - LONGEST)) as usize];
        (entry as u8, u32::from(entry >> 8))
    }

    /// Decodes several symbols out of one look at the stream.
    #[inline(always)]
    fn some(&self, bits: &mut Backward<'_>, places: &mut [u8]) {
        let (mut word, mut taken) = (bits.word(), 0);
        for place in places {
            let (symbol, length) = self.next(word);
            *place = symbol;
            word <<= length;
            taken += length;
        }
        bits.drop(taken);
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
        let (mut a, mut b, mut c) = (next(a0, a1)?, next(b0, b1)?, next(c0, c1)?);
        let mut d = Backward::new(bytes, at, end)?;
        let quarter = target.len().div_ceil(4);
        let mut quarters = target.chunks_mut(quarter.max(1));
        let mut part = || quarters.next().ok_or(CUT);
        let (a_part, b_part, c_part, d_part) = (part()?, part()?, part()?, part()?);
        // As far as all go, side by side: the four do not wait for each other in the processor.
        let rounds = d_part.len() / AT_ONCE;
        let (a_all, a_rest) = a_part.split_at_mut(rounds * AT_ONCE);
        let (b_all, b_rest) = b_part.split_at_mut(rounds * AT_ONCE);
        let (c_all, c_rest) = c_part.split_at_mut(rounds * AT_ONCE);
        let (d_all, d_rest) = d_part.split_at_mut(rounds * AT_ONCE);
        let groups = a_all
            .chunks_exact_mut(AT_ONCE)
            .zip(b_all.chunks_exact_mut(AT_ONCE))
            .zip(c_all.chunks_exact_mut(AT_ONCE).zip(d_all.chunks_exact_mut(AT_ONCE)));
        for ((a_five, b_five), (c_five, d_five)) in groups {
            self.some(&mut a, a_five);
            self.some(&mut b, b_five);
            self.some(&mut c, c_five);
            self.some(&mut d, d_five);
            if a.is_over() | b.is_over() | c.is_over() | d.is_over() {
                return Err(CUT);
            }
        }
        self.rest(a, a_rest)?;
        self.rest(b, b_rest)?;
        self.rest(c, c_rest)?;
        self.rest(d, d_rest)
    }

    fn rest(&self, mut bits: Backward<'_>, target: &mut [u8]) -> Result<(), Corrupt> {
        for places in target.chunks_mut(AT_ONCE) {
            self.some(&mut bits, places);
            if bits.is_over() {
                return Err(CUT);
            }
        }
        if bits.is_at_front() { Ok(()) } else { Err(Corrupt("literals are left over")) }
    }
}

const CUT: Corrupt = Corrupt("literals are cut short");

/// Weights that are themselves encoded, by two states in turn.
fn packed_weights(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let (table, taken) = Probabilities::parse(bytes, 6, 256)?;
    let states = table.states()?;
    let mut before = vec![0; BEFORE];
    before.extend(bytes.get(taken..).unwrap_or_default());
    let mut bits = Backward::new(&before, BEFORE, before.len())?;
    let (mut one, mut other) = (bits.take(table.log) as usize, bits.take(table.log) as usize);
    let mut weights = Vec::with_capacity(256);
    while weights.len() < 255 {
        let state = states.get(one).ok_or(WEIGHTS)?;
        weights.push(state.symbol);
        one = usize::from(state.base) + bits.take(state.bits.into()) as usize;
        if bits.is_over() {
            weights.push(states.get(other).ok_or(WEIGHTS)?.symbol);
            return Ok(weights);
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
        let (code, taken) = Code::parse(&[127 + 5, 0x43, 0x20, 0x10]).unwrap();
        assert_eq!(taken, 4);
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
        assert!(Code::new(vec![1, 2]).is_ok());
        for wrong in [vec![], vec![0, 0], vec![12], vec![3, 1], vec![1; 256]] {
            assert!(Code::new(wrong.clone()).is_err(), "{wrong:?}");
        }
        assert!(Code::parse(&[]).is_err());
        assert!(Code::parse(&[5, 0, 0]).is_err());
    }
}
