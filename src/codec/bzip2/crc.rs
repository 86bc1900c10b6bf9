//! bzip2's checksum: CRC-32 with the highest bit first, eight bytes at a time.

use crate::groups;
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy)]
pub struct Crc(u32);

const POLYNOMIAL: u32 = 0x04c1_1db7;

/// Made when they are first needed, in microseconds: in the binary they would be 8 KB.
static TABLES: LazyLock<Box<[[u32; 256]; 8]>> = LazyLock::new(|| Box::new(tables()));

fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u32) << 24, 0);
        while bit < 8 {
            crc = (crc << 1) ^ ((crc >> 31) * POLYNOMIAL);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut at = 256;
    while at < 8 * 256 {
        let before = tables[at / 256 - 1][at % 256];
        tables[at / 256][at % 256] = before << 8 ^ tables[0][(before >> 24) as usize];
        at += 1;
    }
    tables
}

impl Crc {
    pub fn new() -> Crc {
        Crc(!0)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &**TABLES;
        let (words, rest) = groups(bytes);
        let mut crc = self.0;
        for word in words {
            let [a, b, c, d, e, f, g, h] =
                (u64::from(crc) << 32 ^ u64::from_be_bytes(*word)).to_be_bytes().map(usize::from);
            crc = t7[a] ^ t6[b] ^ t5[c] ^ t4[d] ^ t3[e] ^ t2[f] ^ t1[g] ^ t0[h];
        }
        for byte in rest {
            crc = crc << 8 ^ t0[usize::from((crc >> 24) as u8 ^ byte)];
        }
        self.0 = crc;
    }

    pub fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        let mut crc = Crc::new();
        crc.update(b"12345");
        crc.update(b"6789");
        assert_eq!(crc.finish(), 0xfc89_1918);
        assert_eq!(Crc::new().finish(), 0);
    }

    /// Eight at a time and one at a time are the same.
    #[test]
    fn where_it_is_cut_does_not_matter() {
        let bytes: Vec<u8> = (0..100u8).map(|number| number.wrapping_mul(37)).collect();
        for cut in 0..=bytes.len() {
            let (mut one, mut parts) = (Crc::new(), Crc::new());
            bytes.iter().for_each(|byte| one.update(&[*byte]));
            parts.update(&bytes[..cut]);
            parts.update(&bytes[cut..]);
            assert_eq!(parts.finish(), one.finish(), "{cut}");
        }
    }
}
