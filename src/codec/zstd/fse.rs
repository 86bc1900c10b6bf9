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

/// Of the largest table, and of any alphabet.
pub const STATES: usize = 1 << 9;
const SYMBOLS: usize = 256;

/// How often each symbol is there, of 2^log; -1 is less than once.
#[derive(Debug, PartialEq)]
pub struct Probabilities {
    pub log: u32,
    count: usize,
    all: [i16; SYMBOLS],
}

impl Probabilities {
    /// Of those that are known; more than there are symbols are left out.
    pub fn new(log: u32, of: &[i16]) -> Probabilities {
        let mut all = [0; SYMBOLS];
        all.iter_mut().zip(of).for_each(|(place, probability)| *place = *probability);
        Probabilities { log, count: of.len().min(SYMBOLS), all }
    }

    fn of(&self) -> &[i16] {
        self.all.get(..self.count).unwrap_or_default()
    }

    /// Parses a table of up to `symbols` symbols and 2^`most` states; and the bytes that it takes.
    pub fn parse(bytes: &[u8], most: u32, symbols: usize) -> Result<(Probabilities, usize), Corrupt> {
        let mut bits = Forward::new(bytes);
        let log = bits.peek(4) + 5;
        bits.drop(4);
        if log > most {
            return Err(Corrupt("a table is too large"));
        }
        let (mut left, mut count, mut all) = (1i32 << log, 0, [0; SYMBOLS]);
        while left > 0 {
            let Some(place) = all.get_mut(count).filter(|_| count < symbols) else { return Err(WHOLE) };
            let probability = probability(&mut bits, left);
            left -= probability.abs();
            *place = probability as i16;
            count += 1;
            if probability == 0 {
                count += zeros(&mut bits, symbols);
            }
        }
        if left != 0 || count > symbols {
            return Err(WHOLE);
        }
        Ok((Probabilities { log, count, all }, bits.finish()?))
    }

    /// Puts at each of the 2^log states at the front what is made of its meaning.
    #[inline(always)]
    pub fn states<T>(&self, states: &mut [T], make: impl Fn(State) -> Option<T>) -> Result<(), Corrupt> {
        let size = 1usize << self.log;
        let symbols = self.spread()?;
        let mut next = [0u16; SYMBOLS];
        next.iter_mut().zip(self.of()).for_each(|(place, probability)| *place = probability.unsigned_abs());
        for (place, symbol) in states.iter_mut().zip(symbols).take(size) {
            let count = &mut next[usize::from(symbol)];
            let bits = self.log.checked_sub(count.checked_ilog2().ok_or(SPREAD)?).ok_or(SPREAD)?;
            let base = ((u32::from(*count) << bits) - size as u32) as u16;
            *count += 1;
            *place = make(State { symbol, bits: bits as u8, base }).ok_or(SPREAD)?;
        }
        Ok(())
    }

    /// The symbol of each state.
    #[inline(never)]
    fn spread(&self) -> Result<[u8; STATES], Corrupt> {
        let size = 1usize << self.log;
        let mut all = [0; STATES];
        let symbols = all.get_mut(..size).ok_or(SPREAD)?;
        let mut high = size;
        for (symbol, _) in self.of().iter().enumerate().filter(|(_, probability)| **probability == -1) {
            high = high.checked_sub(1).ok_or(SPREAD)?;
            *symbols.get_mut(high).ok_or(SPREAD)? = symbol as u8;
        }
        let (step, mut place) = ((size >> 1) + (size >> 3) + 3, 0);
        for (symbol, probability) in self.of().iter().enumerate() {
            for _ in 0..*probability {
                *symbols.get_mut(place).ok_or(SPREAD)? = symbol as u8;
                loop {
                    place = (place + step) & (size - 1);
                    if place < high || high == 0 {
                        break;
                    }
                }
            }
        }
        if place == 0 { Ok(all) } else { Err(SPREAD) }
    }
}

const WHOLE: Corrupt = Corrupt("a table's probabilities make no whole");
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

/// How many more symbols have the probability zero, in digits up to three; of no interest where they are too many.
fn zeros(bits: &mut Forward<'_>, symbols: usize) -> usize {
    let mut all = 0;
    loop {
        let count = bits.peek(2);
        bits.drop(2);
        all += count as usize;
        if count < 3 || all > symbols {
            return all;
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
            let mut states = vec![State::default(); 1 << log];
            Probabilities::new(log, &of).states(&mut states, Some).unwrap();
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
        assert_eq!(table, Probabilities::new(5, &[16, 0, 0, 0, 0, 0, 15, -1]));
        assert_eq!(taken, 3);
        assert!(Probabilities::parse(&bytes, 4, 36).is_err());
        assert!(Probabilities::parse(&bytes, 9, 7).is_err());
        assert!(Probabilities::parse(&bytes[..2], 9, 36).is_err());
    }
}
