//! The prefix codes of bzip2 blocks; pure.

use crate::bzip2::bits::Reader;

/// The longest code.
pub const LONGEST: usize = 20;
/// All symbols: two for runs, one for the end, and every byte but the one that is in front.
pub const SYMBOLS: usize = 258;
/// Codes up to here are looked up at once.
const FAST: usize = 10;

/// A code, made ready for decoding. All of it is in one piece: the six of a block are one allocation, which the next one has.
pub struct Code {
    /// By the next bits: symbol and length of the code, length 0 where it is longer.
    fast: [u16; 1 << FAST],
    /// For each length, one past the last code of that length, filled up to the longest.
    ends: [u32; LONGEST + 1],
    /// For each length, what is added to a code to get its place in `symbols`.
    offsets: [i32; LONGEST + 1],
    symbols: [u16; SYMBOLS],
}

impl Code {
    /// From the length of each symbol's code. None when more codes are asked for than there are.
    pub fn new(lengths: &[u8]) -> Option<Code> {
        let mut counts = [0u32; LONGEST + 1];
        lengths.iter().for_each(|length| counts[usize::from(*length).min(LONGEST)] += 1);
        let (mut ends, mut offsets) = ([0; LONGEST + 1], [0; LONGEST + 1]);
        let (mut fast, mut symbols, mut count) = ([0; 1 << FAST], [0; SYMBOLS], 0);
        let mut next = 0u32;
        for length in 1..=LONGEST {
            next <<= 1;
            offsets[length] = count as i32 - next as i32;
            for symbol in (0..lengths.len()).filter(|at| usize::from(lengths[*at]) == length) {
                if let Some(spare) = FAST.checked_sub(length) {
                    let first = (next as usize) << spare;
                    fast.get_mut(first..first + (1 << spare))?.fill((symbol as u16) << 5 | length as u16);
                }
                *symbols.get_mut(count)? = symbol as u16;
                count += 1;
                next += 1;
            }
            if next > 1 << length {
                return None;
            }
            ends[length] = next << (LONGEST - length);
        }
        Some(Code { fast, ends, offsets, symbols })
    }

    /// The next symbol. None when no code begins like these bits.
    #[inline(always)]
    pub fn next(&self, reader: &mut Reader<'_>) -> Option<u16> {
        let entry = self.fast[(reader.held() >> (64 - FAST)) as usize];
        if entry != 0 {
            reader.drop(u32::from(entry & 31));
            return Some(entry >> 5);
        }
        self.next_slowly(reader)
    }

    #[cold]
    fn next_slowly(&self, reader: &mut Reader<'_>) -> Option<u16> {
        let bits = (reader.held() >> (64 - LONGEST)) as u32;
        let length = (FAST + 1..=LONGEST).find(|length| bits < self.ends[*length])?;
        let code = (bits >> (LONGEST - length)) as i32;
        reader.drop(length as u32);
        self.symbols.get(usize::try_from(code + self.offsets[length]).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bzip2::bits::Bits;

    fn decode(lengths: &[u8], bytes: &[u8], count: usize) -> Vec<Option<u16>> {
        let code = Code::new(lengths).unwrap();
        let bits = Bits { bytes: bytes.to_vec(), start: 0, length: bytes.len() * 8 };
        let mut reader = bits.reader();
        (0..count)
            .map(|_| {
                reader.refill();
                code.next(&mut reader)
            })
            .collect()
    }

    #[test]
    fn shorter_codes_come_first() {
        // 0: 0, 3: 10, 1: 110, 2: 111
        let symbols = decode(&[1, 3, 3, 2], &[0b0101_1011, 0b1000_0000], 5);
        assert_eq!(symbols, [Some(0), Some(3), Some(1), Some(2), Some(0)]);
    }

    #[test]
    fn codes_longer_than_the_table() {
        let lengths: Vec<u8> = (1..=20).chain([20]).collect();
        // Nineteen ones and a zero, twenty ones, ten ones and a zero.
        let symbols = decode(&lengths, &[0xff, 0xff, 0xef, 0xff, 0xff, 0xff, 0xc0], 3);
        assert_eq!(symbols, [Some(19), Some(20), Some(10)]);
    }

    #[test]
    fn too_many_codes_and_too_few() {
        assert!(Code::new(&[1, 1, 1]).is_none());
        assert!(Code::new(&[2; 5]).is_none());
        assert_eq!(decode(&[2, 2, 2], &[0xff], 1), [None]);
        let mut lengths = [20; SYMBOLS];
        lengths[0] = 1;
        assert_eq!(decode(&lengths, &[0xff; 4], 1), [None]);
    }
}
