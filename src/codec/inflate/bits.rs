//! Bits of a deflate stream, the lowest of a byte first; pure.

/// A piece of the stream, and how much of it was taken.
pub struct Input<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Input<'a> {
    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// Bits that were taken out of the input and not used yet. There are `count`, in its lowest six bits: above those, and above
/// the bits in `word`, may stand what the fast loop leaves there, until `settle`.
#[derive(Clone, Copy, Default)]
pub struct Bits {
    pub word: u64,
    count: u32,
}

impl Bits {
    /// Makes at least 56 bits ready, out of the next eight bytes; how many of these it took. Those bits of the next byte that
    /// find room are there as well, and come again.
    #[inline(always)]
    pub fn refill(&mut self, bytes: &[u8; 8]) -> usize {
        self.word |= u64::from_le_bytes(*bytes) << (self.count & 63);
        let taken = 7 - (self.count >> 3 & 7);
        self.count |= 56;
        taken as usize
    }

    /// Leaves out as many as the lowest six bits of `count` say; the two above them are zero.
    #[inline(always)]
    pub fn drop(&mut self, count: u32) {
        self.word >>= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Leaves nothing but the bits themselves.
    pub fn settle(&mut self) {
        self.count &= 63;
        self.word &= mask(self.count);
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes in bytes until there are so many bits, at most 56. False: the input ends before.
    pub fn want(&mut self, count: u32, input: &mut Input<'_>) -> bool {
        while self.count < count {
            let Some(byte) = input.bytes.get(input.at) else { return false };
            self.word |= u64::from(*byte) << self.count;
            self.count += 8;
            input.at += 1;
        }
        true
    }

    /// The next bits, of which there must be so many.
    pub fn take(&mut self, count: u32) -> u32 {
        let value = self.word & mask(count);
        self.drop(count);
        value as u32
    }

    /// To the next border of a byte.
    pub fn align(&mut self) {
        self.drop(self.count & 7);
    }

    /// Gives whole bytes back that came out of this input.
    pub fn give_back(&mut self, input: &mut Input<'_>) {
        let bytes = (self.count as usize / 8).min(input.at);
        input.at -= bytes;
        self.count -= bytes as u32 * 8;
        self.settle();
    }
}

/// So many ones, of fewer than 64.
#[inline(always)]
pub fn mask(count: u32) -> u64 {
    (1 << (count & 63)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_lowest_first_and_bytes_are_given_back() {
        let bytes: Vec<u8> = (0..40u8).map(|byte| byte.wrapping_mul(29) + 1).collect();
        for fast in [false, true] {
            let (mut input, mut bits) = (Input { bytes: &bytes, at: 0 }, Bits::default());
            for at in 0..200 {
                if fast {
                    input.at += bits.refill(input.rest().first_chunk().unwrap());
                    bits.settle();
                }
                assert!(bits.want(1, &mut input));
                assert_eq!(bits.take(1), u32::from(bytes[at / 8] >> (at % 8) & 1), "{at}");
            }
            bits.give_back(&mut input);
            assert_eq!((input.at, bits.count()), (25, 0));
            assert!(!bits.want(56, &mut Input { bytes: &[1, 2], at: 0 }));
            assert_eq!((bits.count(), bits.take(16)), (16, 0x201));
        }
    }
}
