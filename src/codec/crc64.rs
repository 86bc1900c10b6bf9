//! CRC-64 of ECMA-182, reflected, as xz has it; eight bytes at a time.

use crate::groups;
use std::sync::LazyLock;

/// A sum in the making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc64(u64);

/// Reflected.
pub const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

/// Made when they are first needed, in microseconds: in the binary they would be 16 KB.
static TABLES: LazyLock<Box<[[u64; 256]; 8]>> = LazyLock::new(|| Box::new(tables()));

fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u64, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ ((crc & 1) * POLYNOMIAL);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut at = 256;
    while at < 2048 {
        let before = tables[at / 256 - 1][at % 256];
        tables[at / 256][at % 256] = before >> 8 ^ tables[0][(before & 255) as usize];
        at += 1;
    }
    tables
}

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64(!0)
    }
}

impl Crc64 {
    pub fn update(&mut self, bytes: &[u8]) {
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &**TABLES;
        let (words, rest) = groups(bytes);
        let mut crc = self.0;
        for word in words {
            let mixed = crc ^ u64::from_le_bytes(*word);
            let at = |place: u32| (mixed >> (8 * place) & 255) as usize;
            let low = t7[at(0)] ^ t6[at(1)] ^ t5[at(2)] ^ t4[at(3)];
            crc = low ^ t3[at(4)] ^ t2[at(5)] ^ t1[at(6)] ^ t0[at(7)];
        }
        for byte in rest {
            crc = crc >> 8 ^ t0[usize::from(crc as u8 ^ byte)];
        }
        self.0 = crc;
    }

    /// Takes the register out, for whoever mixes it into what follows; zero is left of it.
    pub fn take_register(&mut self) -> u64 {
        std::mem::take(&mut self.0)
    }

    pub fn finish(self) -> u64 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        let mut crc = Crc64::default();
        crc.update(b"12345678");
        crc.update(b"9");
        assert_eq!(crc.finish(), 0x995d_c9bb_df19_39fa);
    }
}
