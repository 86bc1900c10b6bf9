//! Bits of a bzip2 stream, the highest of a byte first; pure.

/// A run of bits that need not begin or end with a byte.
#[derive(Debug, Clone, Default)]
pub struct Bits {
    pub bytes: Vec<u8>,
    /// The first bit is this one of the first byte.
    pub start: usize,
    pub length: usize,
}

impl Bits {
    /// Adds the bits that stood right behind these: where the two meet within a byte, both have it.
    pub fn append(&mut self, next: &Bits) {
        self.bytes.truncate((self.start + self.length) / 8);
        self.bytes.extend(&next.bytes);
        self.length += next.length;
    }

    pub fn reader(&self) -> Reader<'_> {
        let mut reader = Reader { bytes: &self.bytes, held: 0, count: 0, fed: 0 };
        reader.refill();
        reader.drop(self.start as u32);
        reader
    }
}

/// Takes bits from the front. Past the end it gives zeros, and `taken` says so: whoever reads on checks that in the end.
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The next bits, from the highest one on.
    held: u64,
    count: u32,
    /// Bytes, real or not, that went into `held`.
    fed: usize,
}

impl Reader<'_> {
    /// Makes at least 56 bits ready.
    #[inline(always)]
    pub fn refill(&mut self) {
        match self.bytes.get(self.fed..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => {
                self.held |= u64::from_be_bytes(*chunk) >> self.count;
                let bytes = (63 - self.count) / 8;
                self.fed += bytes as usize;
                self.count += bytes * 8;
            }
            None => self.refill_slowly(),
        }
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = self.bytes.get(self.fed).copied().unwrap_or(0);
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.fed += 1;
        }
    }

    /// The next bits, at least those of the last refill that were not dropped since; below them anything.
    #[inline(always)]
    pub fn held(&self) -> u64 {
        self.held
    }

    #[inline(always)]
    pub fn drop(&mut self, bits: u32) {
        self.held <<= bits;
        self.count = self.count.wrapping_sub(bits);
    }

    /// A number of 1 to 32 bits.
    pub fn take(&mut self, bits: u32) -> u32 {
        self.refill();
        let value = self.held >> (64 - bits);
        self.drop(bits);
        value as u32
    }

    pub fn flag(&mut self) -> bool {
        self.take(1) == 1
    }

    /// Bits taken since the beginning of the first byte.
    pub fn taken(&self) -> usize {
        self.fed * 8 - self.count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_highest_first() {
        let bits = Bits { bytes: (0..20).map(|byte| byte * 13).collect(), start: 3, length: 157 };
        let mut reader = bits.reader();
        for at in 3..160 {
            let expected = bits.bytes[at / 8] >> (7 - at % 8) & 1;
            assert_eq!(reader.taken(), at);
            assert_eq!(reader.take(1), u32::from(expected), "{at}");
        }
        assert_eq!((reader.take(32), reader.taken()), (0, 192));
        let mut reader = bits.reader();
        assert_eq!(reader.take(32), u32::from_be_bytes([0, 13, 26, 39]) << 3 | u32::from(52u8 >> 5));
    }

    #[test]
    fn bits_are_joined_where_they_were_cut() {
        let all: Vec<u8> = (0..9).map(|byte| byte * 29 + 1).collect();
        for cut in 5..72 {
            let mut first = Bits { bytes: all[..usize::div_ceil(cut, 8)].to_vec(), start: 4, length: cut - 4 };
            first.append(&Bits { bytes: all[cut / 8..].to_vec(), start: cut % 8, length: 72 - cut });
            assert_eq!((first.bytes, first.length), (all.clone(), 68));
        }
    }
}
