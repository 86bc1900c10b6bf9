//! Bits of zstd: forward for the tables, backward for what they encode (RFC 8878, 4.1 and 4.2); pure.

use super::Corrupt;

/// Bytes that must stand before every backward stream: its reader looks at eight at once, and may run over its front by one
/// step before that is noticed.
pub const BEFORE: usize = 32;

/// Takes bits from the back of a stream to its front.
#[derive(Clone, Copy)]
pub struct Backward<'a> {
    bytes: &'a [u8],
    /// Bits before the front, and before the place that was reached, without the `SEEN` that the next look has for certain.
    front: usize,
    at: usize,
}

/// Bits that a word has from any place on.
const SEEN: usize = 57;

impl<'a> Backward<'a> {
    /// Of the stream at `start..end`. The highest set bit of its last byte only marks where it ends.
    pub fn new(bytes: &'a [u8], start: usize, end: usize) -> Result<Backward<'a>, Corrupt> {
        match bytes.get(start..end).and_then(<[u8]>::last) {
            Some(last @ 1..) if start >= BEFORE => {
                let front = start * 8 - SEEN;
                Ok(Backward { bytes, front, at: end * 8 - 1 - last.leading_zeros() as usize - SEEN })
            }
            _ => Err(Corrupt("a stream of bits has no end")),
        }
    }

    /// At least the next `SEEN` bits, from the highest one on; behind the front they are anything.
    #[inline(always)]
    pub fn word(&self) -> u64 {
        let byte = self.at / 8;
        match self.bytes.get(byte..byte + 8).and_then(<[u8]>::first_chunk) {
            Some(chunk) => u64::from_le_bytes(*chunk) << (!self.at & 7),
            None => 0,
        }
    }

    #[inline(always)]
    pub fn drop(&mut self, bits: u32) {
        self.at = self.at.wrapping_sub(bits as usize);
    }

    /// A number of up to 32 bits.
    #[inline(always)]
    pub fn take(&mut self, bits: u32) -> u32 {
        let value = top(self.word(), bits);
        self.drop(bits);
        value
    }

    /// More was taken than there was: of `BEFORE` bytes at most, or the place would no longer be known.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        self.at < self.front
    }

    /// Exactly all was taken.
    pub fn is_at_front(&self) -> bool {
        self.at == self.front
    }
}

/// The highest bits of a word; none of them is zero.
#[inline(always)]
pub fn top(word: u64, bits: u32) -> u32 {
    (word >> 1 >> (63 - (bits & 63))) as u32
}

/// Takes bits from the front, the lowest of a byte first.
pub struct Forward<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Forward<'a> {
    pub fn new(bytes: &'a [u8]) -> Forward<'a> {
        Forward { bytes, at: 0 }
    }

    /// A number of up to 16 bits; past the end they are zero.
    pub fn peek(&self, bits: u32) -> u32 {
        let mut value = 0;
        for (place, byte) in self.bytes.iter().skip(self.at / 8).take(4).enumerate() {
            value |= u32::from(*byte) << (8 * place);
        }
        value >> (self.at % 8) & ((1 << bits) - 1)
    }

    pub fn drop(&mut self, bits: u32) {
        self.at += bits as usize;
    }

    /// Whole bytes that were taken from; an error when there were not so many.
    pub fn finish(self) -> Result<usize, Corrupt> {
        let taken = self.at.div_ceil(8);
        if taken > self.bytes.len() { Err(Corrupt("a table is cut short")) } else { Ok(taken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_from_the_mark() {
        let mut bytes = vec![0xff; BEFORE];
        bytes.extend([0b1010_0101, 0b0001_0110]);
        let mut bits = Backward::new(&bytes, BEFORE, BEFORE + 2).unwrap();
        assert_eq!([bits.take(3), bits.take(0), bits.take(2), bits.take(4)], [0b011, 0, 0b01, 0b0100]);
        assert!(!bits.is_over() && !bits.is_at_front());
        assert_eq!(bits.take(3), 0b101);
        assert!(!bits.is_over() && bits.is_at_front());
        bits.take(1);
        assert!(bits.is_over() && !bits.is_at_front());
        assert!(Backward::new(&[1, 0], 0, 2).is_err());
        assert!(Backward::new(&[1, 0], 1, 1).is_err());
    }

    #[test]
    fn forward_from_the_lowest() {
        let mut bits = Forward::new(&[0b1010_0110, 0b0000_0001]);
        assert_eq!(bits.peek(3), 0b110);
        bits.drop(3);
        assert_eq!(bits.peek(6), 0b110100);
        bits.drop(6);
        assert_eq!(bits.peek(16), 0);
        assert_eq!(bits.finish().unwrap(), 2);
        let mut bits = Forward::new(&[0]);
        bits.drop(9);
        assert!(bits.finish().is_err());
    }
}
