//! One header block (ustar of POSIX.1-1988 pax(1), old GNU and v7, star): where its fields are and how they are written. Pure, total.
//!
//! A field is taken as the tools take it: text ends at its first NUL, a number is octal between blanks, or base 256.

use codec::sum::sum;
use std::ops::Range;

pub const BLOCK: usize = 512;
pub type Block = [u8; BLOCK];

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPEFLAG: usize = 156;
const LINKNAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const DEVMAJOR: Range<usize> = 329..337;
const DEVMINOR: Range<usize> = 337..345;
/// POSIX's; GNU keeps other things there. star's is shorter and always ends with a NUL, so it reads the same.
const PREFIX: Range<usize> = 345..500;
const STAR_MAGIC: Range<usize> = 508..512;

/// A block whose checksum is right.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    block: &'a Block,
}

impl<'a> Header<'a> {
    /// None when the block is no header.
    pub fn read(block: &'a Block) -> Option<Header<'a>> {
        is_header(block).then_some(Header { block })
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.block.get(range).unwrap_or_default()
    }

    pub fn typeflag(&self) -> u8 {
        self.block[TYPEFLAG]
    }

    pub fn is_gnu(&self) -> bool {
        self.bytes(MAGIC) == b"ustar  \0"
    }

    pub fn is_star(&self) -> bool {
        self.is_ustar() && self.bytes(STAR_MAGIC) == b"tar\0"
    }

    pub fn is_ustar(&self) -> bool {
        self.bytes(MAGIC).starts_with(b"ustar") && !self.is_gnu()
    }

    /// The name, behind its prefix where the format has one.
    pub fn path(&self) -> Vec<u8> {
        let prefix = if self.is_ustar() { text(self.bytes(PREFIX)) } else { b"" };
        let name = text(self.bytes(NAME));
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub fn linkname(&self) -> Vec<u8> {
        text(self.bytes(LINKNAME)).to_vec()
    }

    pub fn mode(&self) -> Option<i64> {
        number(self.bytes(MODE))
    }

    pub fn uid(&self) -> Option<i64> {
        number(self.bytes(UID))
    }

    pub fn gid(&self) -> Option<i64> {
        number(self.bytes(GID))
    }

    pub fn mtime(&self) -> Option<i64> {
        number(self.bytes(MTIME))
    }

    /// Bytes that follow in the archive, but for what fills the last block.
    pub fn size(&self) -> Option<u64> {
        number(self.bytes(SIZE)).and_then(|size| u64::try_from(size).ok())
    }

    pub fn device(&self) -> Option<(i64, i64)> {
        Some((number(self.bytes(DEVMAJOR))?, number(self.bytes(DEVMINOR))?))
    }
}

/// 512 bytes whose checksum is right: of the bytes as they are, or as signed ones, as some old tools summed them.
pub fn is_header(block: &[u8]) -> bool {
    let Ok(block) = <&Block>::try_from(block) else { return false };
    let Some(written) = number(&block[CHECKSUM]) else { return false };
    let blanks = CHECKSUM.len() as i64 * i64::from(b' ');
    if written == i64::from(sum(block)) - i64::from(sum(&block[CHECKSUM])) + blanks {
        return true;
    }
    let summed = block.iter().enumerate().filter(|(at, _)| !CHECKSUM.contains(at));
    written == summed.map(|(_, byte)| i64::from(*byte as i8)).sum::<i64>() + blanks
}

pub fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// What stands before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number as header fields have it; an empty field is 0. None for anything else, and for what goes past 64 bits.
pub fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(field),
        _ => octal(field),
    }
}

/// GNU's and star's base 256: two's complement, big endian, in all bits but the topmost, which marks it.
fn binary(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let high = i128::from(first & 0x7f) - if first & 0x40 == 0 { 0 } else { 0x80 };
    let mut value = high;
    for byte in rest {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    i64::try_from(value).ok()
}

fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let (_, field) = field.split_at_checked(start)?;
    let end = field.iter().position(blank).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    if !rest.iter().all(blank) {
        return None;
    }
    digits.iter().try_fold(0i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fields: &[(usize, &[u8])]) -> Block {
        let mut block = [0; BLOCK];
        for (at, bytes) in fields {
            block[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        block
    }

    fn with_checksum(mut block: Block, signed: bool) -> Block {
        block[CHECKSUM].fill(b' ');
        let sum: i64 = block.iter().map(|b| if signed { i64::from(*b as i8) } else { i64::from(*b) }).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn numbers_as_the_tools_write_them() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b" 100644 ", 0o100644),
            (b"   644 \0", 0o644),
            (b"00000000", 0),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"77777777", 0o77777777),
            (b"777777777777", 0o777777777777),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x02", 0x102),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", i64::MIN),
        ] {
            assert_eq!(number(field), Some(value), "{field:?}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for field in [
            &b"0000648\0"[..],
            b"-000001\0",
            b"0x1\0\0\0\0\0",
            b"1 2\0\0\0\0\0",
            b"1\0junk\0\0",
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbf\0\0\0\0\0\0\0\0\0\0\0",
            b"\xc0\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(number(field), None, "{field:?}");
        }
    }

    #[test]
    fn both_checksums_are_right_and_no_other_is() {
        let plain = block(&[(0, b"caf\xc3\xa9"), (100, b"0000644\0")]);
        for signed in [false, true] {
            let good = with_checksum(plain, signed);
            assert!(is_header(&good));
            for at in 0..BLOCK {
                let mut bad = good;
                bad[at] ^= 1;
                // The digits' terminators may be either blank.
                assert!(!is_header(&bad) || CHECKSUM.contains(&at), "{at}");
            }
        }
        assert!(!is_header(&[0; BLOCK]) && !is_header(&[0; 511]) && !is_header(&[0; 1024]) && !is_header(b""));
    }

    #[test]
    fn a_prefix_belongs_to_ustar_only() {
        let path = |magic: &[u8]| {
            let block = with_checksum(block(&[(0, &[b'n'; 100]), (257, magic), (345, b"dir/sub")]), false);
            Header::read(&block).unwrap().path()
        };
        let name = [b'n'; 100];
        assert_eq!(path(b"ustar\x0000"), [&b"dir/sub/"[..], &name].concat());
        assert_eq!(path(b"ustar  \0"), name);
        assert_eq!(path(b""), name);
        let full = with_checksum(block(&[(0, b"n"), (257, b"ustar\x0000"), (345, &[b'p'; 155])]), false);
        assert_eq!(Header::read(&full).unwrap().path(), [&[b'p'; 155][..], b"/n"].concat());
    }
}
