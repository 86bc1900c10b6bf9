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
pub const SEEN: usize = 57;

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
        self.bytes() << (!self.at & 7)
    }

    /// The next `SEEN` bits, to be taken one number after the other; behind the front they are anything.
    #[inline(always)]
    pub fn look(&self) -> Look {
        Look { word: self.bytes(), left: SEEN as u32 + (self.at as u32 & 7) }
    }

    /// The eight bytes up to the one with the next bit.
    #[inline(always)]
    fn bytes(&self) -> u64 {
        let byte = self.at / 8;
        self.bytes.get(byte..byte + 8).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
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

    /// More was taken than there was.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        // Also where the place went below zero.
        (self.at.wrapping_sub(self.front) as isize) < 0
    }

    /// Exactly all was taken.
    pub fn is_at_front(&self) -> bool {
        self.at == self.front
    }
}

/// Bits that were looked at, and how many of them are left.
pub struct Look {
    word: u64,
    left: u32,
}

impl Look {
    /// A number of so many bits.
    #[inline(always)]
    pub fn take(&mut self, bits: u8, masks: &Masks) -> u32 {
        self.left = self.left.wrapping_sub(u32::from(bits));
        (self.word >> (self.left & 63)) as u32 & masks[usize::from(bits)]
    }
}

/// The numbers of which so many bits are set, up to 32: looked up faster than shifted by a number that is not known, which
/// takes three steps where the processor's newer shifts are not used.
pub type Masks = [u32; 256];

pub fn masks() -> Masks {
    std::array::from_fn(|bits| if bits < 32 { (1 << bits) - 1 } else { u32::MAX })
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
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let value = match rest.first_chunk() {
            Some(four) => u32::from_le_bytes(*four),
            None => rest.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)),
        };
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
        // Also where the place goes below zero.
        (0..40).for_each(|_| bits.drop(32));
        assert!(bits.is_over() && !bits.is_at_front());
        assert!(Backward::new(&[1, 0], 0, 2).is_err());
        assert!(Backward::new(&[1, 0], 1, 1).is_err());
    }

    #[test]
    fn numbers_of_one_look() {
        let bytes: Vec<u8> = (0..64u8).map(|number| number.wrapping_mul(37)).collect();
        let masks = masks();
        for first in 0..=31 {
            let (mut bits, mut look) = (Backward::new(&bytes, BEFORE, 61).unwrap(), None);
            for count in [first, 5, 0, 57 - 36, 0] {
                let seen = look.get_or_insert_with(|| bits.look()).take(count, &masks);
                assert_eq!(seen, bits.take(count.into()), "{first} {count}");
            }
        }
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
