//! FSE tables (RFC 8878, 4.1): from the probabilities of symbols to what each state means; pure.

use super::Corrupt;
use super::bits::Forward;

/// What a state means: a symbol, and how the next state is found.
#[derive(Debug, Clone, Copy, Default)]
pub struct State {
    pub symbol: u8,
    /// The next state is this much and a number of so many bits.
    pub bits: u8,
    pub base: u16,
}

/// How often each symbol is there, of 2^log; -1 is less than once.
#[derive(Debug, PartialEq)]
pub struct Probabilities {
    pub log: u32,
    pub of: Vec<i16>,
}

impl Probabilities {
    /// Parses a table of up to `symbols` symbols and 2^`most` states; and the bytes that it takes.
    pub fn parse(bytes: &[u8], most: u32, symbols: usize) -> Result<(Probabilities, usize), Corrupt> {
        let mut bits = Forward::new(bytes);
        let log = bits.peek(4) + 5;
        bits.drop(4);
        if log > most {
            return Err(Corrupt("a table is too large"));
        }
        let (mut left, mut of) = (1i32 << log, Vec::with_capacity(symbols));
        while left > 0 && of.len() < symbols {
            let probability = probability(&mut bits, left);
            left -= probability.abs();
            of.push(probability as i16);
            if probability == 0 {
                zeros(&mut bits, &mut of, symbols);
            }
        }
        if left != 0 || of.len() > symbols {
            return Err(Corrupt("a table's probabilities make no whole"));
        }
        Ok((Probabilities { log, of }, bits.finish()?))
    }

    /// The meaning of each state, 2^log of them.
    pub fn states(&self) -> Result<Vec<State>, Corrupt> {
        let size = 1usize << self.log;
        let mut states = vec![State::default(); size];
        let mut next = vec![0u16; self.of.len()];
        let mut high = size;
        for (symbol, probability) in self.of.iter().enumerate() {
            next[symbol] = probability.unsigned_abs();
            if *probability == -1 {
                high = high.checked_sub(1).ok_or(SPREAD)?;
                states.get_mut(high).ok_or(SPREAD)?.symbol = symbol as u8;
            }
        }
        let (step, mut place) = ((size >> 1) + (size >> 3) + 3, 0);
        for (symbol, probability) in self.of.iter().enumerate() {
            for _ in 0..*probability {
                states.get_mut(place).ok_or(SPREAD)?.symbol = symbol as u8;
                loop {
                    place = (place + step) % size;
                    if place < high || high == 0 {
                        break;
                    }
                }
            }
        }
        if place != 0 {
            return Err(SPREAD);
        }
        for state in &mut states {
            let count = next.get_mut(usize::from(state.symbol)).ok_or(SPREAD)?;
            let bits = self.log - count.checked_ilog2().ok_or(SPREAD)?;
            state.bits = bits as u8;
            state.base = ((u32::from(*count) << bits) - size as u32) as u16;
            *count += 1;
        }
        Ok(states)
    }
}

const SPREAD: Corrupt = Corrupt("a table's symbols do not fit");

/// One probability: values that cannot be larger than what is left take fewer bits.
fn probability(bits: &mut Forward<'_>, left: i32) -> i32 {
    let most = left as u32 + 1;
    let length = most.ilog2() + 1;
    let value = bits.peek(length);
    let (half, short) = ((1 << (length - 1)) - 1, (1 << length) - 1 - most);
    let value = if value & half < short {
        bits.drop(length - 1);
        value & half
    } else {
        bits.drop(length);
        if value > half { value - short } else { value }
    };
    value as i32 - 1
}

/// How many more symbols have the probability zero, in digits up to three.
fn zeros(bits: &mut Forward<'_>, of: &mut Vec<i16>, symbols: usize) {
    loop {
        let count = bits.peek(2);
        bits.drop(2);
        of.extend(std::iter::repeat_n(0, count as usize));
        if count < 3 || of.len() > symbols {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_leads_somewhere() {
        // The predefined table of literal lengths, and one of a single symbol.
        let lengths = [
            4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1,
            -1,
        ];
        for (log, of) in [(6, lengths.to_vec()), (5, vec![32])] {
            let states = Probabilities { log, of: of.clone() }.states().unwrap();
            assert_eq!(states.len(), 1 << log);
            for (symbol, probability) in of.iter().enumerate() {
                let of_it: Vec<_> = states.iter().filter(|state| usize::from(state.symbol) == symbol).collect();
                assert_eq!(of_it.len(), usize::from(probability.unsigned_abs()));
                // From the states of a symbol each state is reached in one way.
                assert_eq!(of_it.iter().map(|state| 1 << state.bits).sum::<usize>(), 1 << log);
            }
        }
    }

    #[test]
    fn a_table_from_bits() {
        // 2^5; 16 of symbol 0, none of 1 to 5, 15 of 6, less than one of 7.
        let fields = [(0u32, 4), (17, 5), (1, 4), (3, 2), (1, 2), (30, 5), (0, 1)];
        let (mut value, mut at) = (0u64, 0);
        for (field, bits) in fields {
            value |= u64::from(field) << at;
            at += bits;
        }
        let bytes = value.to_le_bytes();
        let (table, taken) = Probabilities::parse(&bytes, 9, 36).unwrap();
        assert_eq!(table, Probabilities { log: 5, of: vec![16, 0, 0, 0, 0, 0, 15, -1] });
        assert_eq!(taken, 3);
        assert!(Probabilities::parse(&bytes, 4, 36).is_err());
        assert!(Probabilities::parse(&bytes, 9, 7).is_err());
        assert!(Probabilities::parse(&bytes[..2], 9, 36).is_err());
    }
}
