//! Block headers of xz (section 3.1 of `xz-file-format.txt`); pure.

use crate::stream::invalid;
use lzma_rust2::{FilterConfig, FilterType};
use std::io;
use zlib_rs::crc32::crc32;

/// What comes before a block's data.
pub struct BlockHeader {
    /// Bytes of the header itself.
    pub length: u64,
    pub compressed: Option<u64>,
    pub uncompressed: Option<u64>,
    /// What the data goes through after LZMA2, in the order of decoding.
    pub filters: Vec<FilterConfig>,
    /// Bytes of LZMA2's dictionary.
    pub dictionary: u32,
}

/// The most that a field of variable length may be.
pub const MOST: u64 = u64::MAX / 2;

/// Filters of one block.
const FILTERS: usize = 4;

impl BlockHeader {
    /// Parses a whole header, from the byte with its size to its checksum.
    pub fn parse(bytes: &[u8]) -> io::Result<BlockHeader> {
        let (body, crc) = bytes.split_last_chunk().ok_or_else(broken)?;
        if crc32(0, body) != u32::from_le_bytes(*crc) {
            return Err(invalid("xz: the checksum of a block header is wrong"));
        }
        let mut fields = Fields(body);
        let [_size, flags] = fields.array()?;
        if flags & 0x3c != 0 {
            return Err(invalid(format!("xz: unknown block flags {flags:#04x}")));
        }
        let mut size = |bit: u8| (flags & bit != 0).then(|| fields.number()).transpose();
        let (compressed, uncompressed) = (size(0x40)?, size(0x80)?);
        let mut filters = Vec::with_capacity(FILTERS);
        for _ in 0..flags & 3 {
            filters.push(fields.filter()?);
        }
        filters.reverse();
        let dictionary = fields.lzma2()?;
        if compressed == Some(0) || fields.0.iter().any(|byte| *byte != 0) {
            return Err(broken());
        }
        Ok(BlockHeader { length: bytes.len() as u64, compressed, uncompressed, filters, dictionary })
    }
}

fn broken() -> io::Error {
    invalid("xz: a block header makes no sense")
}

/// What of a header is still to be parsed.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk().ok_or_else(broken)?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> io::Result<u64> {
        number(|| self.array().map(|[byte]| byte))
    }

    /// A filter that is not the last: one of those that change bytes in place.
    fn filter(&mut self) -> io::Result<FilterConfig> {
        let id = self.number()?;
        let kind = FilterType::try_from(id).map_err(|()| invalid(format!("xz: unknown filter {id:#x}")))?;
        let property = match (kind, self.number()?) {
            (FilterType::Lzma2, _) => return Err(invalid("xz: LZMA2 where a filter before it belongs")),
            (FilterType::Delta, 1) => u32::from(self.array::<1>()?[0]) + 1,
            (FilterType::Delta, _) => return Err(broken()),
            (_, 0) => 0,
            (_, 4) => self.start(kind)?,
            _ => return Err(broken()),
        };
        Ok(FilterConfig { filter_type: kind, property })
    }

    /// Where the addresses that a branch filter changes count from.
    fn start(&mut self, kind: FilterType) -> io::Result<u32> {
        let start = u32::from_le_bytes(self.array()?);
        let alignment = match kind {
            FilterType::BcjX86 => 1,
            FilterType::BcjArmThumb | FilterType::BcjRiscv => 2,
            FilterType::BcjIa64 => 16,
            _ => 4,
        };
        if start % alignment == 0 { Ok(start) } else { Err(broken()) }
    }

    fn lzma2(&mut self) -> io::Result<u32> {
        let (id, length) = (self.number()?, self.number()?);
        if id != 0x21 || length != 1 {
            return Err(invalid(format!("xz: {id:#x} is not LZMA2, which must be the last filter")));
        }
        match self.array()? {
            [40] => Ok(u32::MAX),
            [bits @ 0..40] => Ok((2 | u32::from(bits & 1)) << (bits / 2 + 11)),
            [bits] => Err(invalid(format!("xz: unknown dictionary size {bits}"))),
        }
    }
}

/// An integer of variable length (section 1.2), its bytes from `next`.
pub fn number(mut next: impl FnMut() -> io::Result<u8>) -> io::Result<u64> {
    let mut value = 0;
    for place in 0..9 {
        let byte = next()?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        match byte {
            0 if place > 0 => break,
            0..0x80 => return Ok(value),
            _ => {}
        }
    }
    Err(invalid("xz: a number is longer than it need or may be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> io::Result<BlockHeader> {
        let mut bytes = body.to_vec();
        bytes.extend(crc32(0, body).to_le_bytes());
        BlockHeader::parse(&bytes)
    }

    #[test]
    fn numbers_are_as_short_as_can_be() {
        let of = |bytes: &[u8]| {
            let mut bytes = bytes.iter().copied();
            number(|| bytes.next().ok_or_else(broken))
        };
        assert_eq!(of(&[0x7f]).unwrap(), 127);
        assert_eq!(of(&[0x80, 1]).unwrap(), 128);
        assert_eq!(of(&[0xff; 8].iter().copied().chain([0x7f]).collect::<Vec<_>>()).unwrap(), MOST);
        assert!(of(&[0x80, 0]).is_err());
        assert!(of(&[0xff; 9]).is_err());
        assert!(of(&[0x80]).is_err());
    }

    #[test]
    fn headers() {
        let plain = parse(&[2, 0, 0x21, 1, 22, 0, 0, 0]).unwrap();
        assert_eq!((plain.compressed, plain.uncompressed, plain.dictionary), (None, None, 8 << 20));
        let sized = parse(&[2, 0xc0, 5, 6, 0x21, 1, 22, 0]).unwrap();
        assert_eq!((sized.compressed, sized.uncompressed), (Some(5), Some(6)));
        let filtered = parse(&[2, 2, 3, 1, 0, 4, 0, 0x21, 1, 40, 0, 0]).unwrap();
        assert_eq!(filtered.dictionary, u32::MAX);
        let kinds: Vec<_> = filtered.filters.iter().map(|filter| filter.filter_type).collect();
        assert_eq!(kinds, [FilterType::BcjX86, FilterType::Delta]);
        for wrong in [
            &[2, 4, 0x21, 1, 22, 0, 0, 0][..],
            &[2, 0, 0x21, 1, 41, 0, 0, 0],
            &[2, 0, 0x22, 1, 22, 0, 0, 0],
            &[2, 0, 0x21, 1, 22, 0, 0, 1],
            &[2, 1, 0x21, 1, 22, 0, 0, 0],
            &[2, 0x40, 0, 0x21, 1, 22, 0, 0],
            &[2, 1, 5, 4, 1, 0, 0, 0, 0x21, 1, 22, 0],
            &[2, 0],
            &[],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
