//! GUIDs, whose first three fields are little-endian on disk.

use std::fmt;

/// As on disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

/// Where each byte of the text comes from.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    /// What the text's digits say, without its hyphens: `0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709`.
    pub const fn of(digits: u128) -> Guid {
        let digits = digits.to_be_bytes();
        let mut bytes = [0; 16];
        let mut at = 0;
        while at < 16 {
            bytes[ORDER[at]] = digits[at];
            at += 1;
        }
        Guid(bytes)
    }

    pub fn is_zero(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, from) in ORDER.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0.get(*from).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fields_are_swapped() {
        let guid = Guid::of(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709);
        assert_eq!(guid.0[..8], [0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d]);
        assert_eq!(guid.to_string(), "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
    }
}
