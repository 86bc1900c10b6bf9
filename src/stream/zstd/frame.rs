//! Headers of zstd frames and blocks (RFC 8878, 3.1.1.1 and 3.1.1.2).

use crate::stream::{input, invalid};
use std::io::{self, BufRead};

pub const NAME: &str = "zstd";

/// Bytes of the largest block.
const BLOCK_MOST: u64 = 128 << 10;

/// What a frame's header says, after its magic number.
pub struct Header {
    /// Bytes that matches may refer back to.
    pub window: u64,
    pub content: Option<u64>,
    pub has_checksum: bool,
}

impl Header {
    pub fn read(source: &mut impl BufRead) -> io::Result<Header> {
        let [descriptor] = input::exact(source, NAME)?;
        if descriptor & 8 != 0 {
            return Err(invalid(format!("zstd: unknown frame flags {descriptor:#04x}")));
        }
        let is_single = descriptor & 0x20 != 0;
        let window = if is_single { 0 } else { window(input::exact(source, NAME)?) };
        let dictionary = match descriptor & 3 {
            3 => number::<4>(source)?,
            2 => number::<2>(source)?,
            1 => number::<1>(source)?,
            _ => 0,
        };
        if dictionary != 0 {
            return Err(invalid(format!("zstd: the frame needs dictionary {dictionary}, which is not supported")));
        }
        let content = match (descriptor >> 6, is_single) {
            (0, false) => None,
            (0, true) => Some(number::<1>(source)?),
            (1, _) => Some(number::<2>(source)? + 256),
            (2, _) => Some(number::<4>(source)?),
            _ => Some(number::<8>(source)?),
        };
        let window = if is_single { content.unwrap_or(0) } else { window };
        Ok(Header { window, content, has_checksum: descriptor & 4 != 0 })
    }

    /// Bytes that one block may be, packed and unpacked.
    pub fn block_most(&self) -> usize {
        self.window.min(BLOCK_MOST) as usize
    }
}

fn window([descriptor]: [u8; 1]) -> u64 {
    let base = 1u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

fn number<const N: usize>(source: &mut impl BufRead) -> io::Result<u64> {
    let field: [u8; N] = input::exact(source, NAME)?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Raw,
    Repeated,
    Compressed,
}

/// What a block's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    pub kind: Kind,
    pub is_last: bool,
    /// Bytes of its data; of what comes out where one byte is repeated.
    pub length: usize,
}

impl Block {
    pub fn read(source: &mut impl BufRead) -> io::Result<Block> {
        let field = number::<3>(source)?;
        let kind = match field >> 1 & 3 {
            0 => Kind::Raw,
            1 => Kind::Repeated,
            2 => Kind::Compressed,
            _ => return Err(invalid("zstd: a block of unknown kind")),
        };
        Ok(Block { kind, is_last: field & 1 != 0, length: (field >> 3) as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> (u64, Option<u64>, bool) {
        let mut rest = bytes;
        let header = Header::read(&mut rest).unwrap();
        assert!(rest.is_empty());
        (header.window, header.content, header.has_checksum)
    }

    #[test]
    fn headers() {
        assert_eq!(header(&[0x04, 0x58]), (2 << 20, None, true));
        assert_eq!(header(&[0x20, 7]), (7, Some(7), false));
        assert_eq!(header(&[0x40, 0x01, 1, 2]), (1024 + 128, Some(0x201 + 256), false));
        assert_eq!(header(&[0xa0, 1, 0, 0, 1]), (0x0100_0001, Some(0x0100_0001), false));
        assert_eq!(header(&[0xc2, 0x58, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), (2 << 20, Some(1), false));
        assert!(Header::read(&mut &[0x08, 0x58][..]).is_err());
        assert!(Header::read(&mut &[0x01, 0x58, 5][..]).is_err());
        assert!(Header::read(&mut &[0x40, 0x58, 5][..]).is_err());
        assert_eq!(window([0xff]), 0x0f << 38);
    }

    #[test]
    fn blocks() {
        let read = |bytes: [u8; 3]| Block::read(&mut &bytes[..]);
        assert_eq!(read([0x0d, 0, 1]).unwrap(), Block { kind: Kind::Compressed, is_last: true, length: 0x2001 });
        assert_eq!(read([0x02, 0, 0]).unwrap(), Block { kind: Kind::Repeated, is_last: false, length: 0 });
        assert!(read([6, 0, 0]).is_err());
    }
}
