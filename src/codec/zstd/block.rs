//! Compressed blocks of zstd (RFC 8878, 3.1.1.3): their literals, then what the sequences make of them; pure.

use super::Corrupt;
use super::bits::BEFORE;
use super::huffman::Code;
use super::sequences::Sequences;
use super::window::{TOO_LARGE, Window};
use crate::copy::SPARE;

const CUT: Corrupt = Corrupt("a block is cut short");

/// What blocks of one frame hand on, and memory to be used again.
pub struct Blocks {
    code: Code,
    sequences: Sequences,
    /// A block's bytes, and its literals when they are not found among them, with what must be before and behind.
    bytes: Vec<u8>,
    literals: Vec<u8>,
    length: usize,
}

/// How literals are stored.
struct Header {
    kind: Kind,
    four: bool,
    /// Bytes of the literals, and of what they are made from.
    literals: usize,
    stored: usize,
    length: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Raw,
    Repeated,
    Packed,
    /// With the code of a block before.
    PackedAgain,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks::new()
    }
}

impl Blocks {
    pub fn new() -> Blocks {
        Blocks { code: Code::new(), sequences: Sequences::new(), bytes: Vec::new(), literals: Vec::new(), length: 0 }
    }

    /// A frame begins: nothing is known.
    pub fn reset(&mut self) {
        self.code.reset();
        self.sequences.reset();
    }

    /// Where the bytes of a block belong before it is unpacked.
    pub fn buffer(&mut self, length: usize) -> &mut [u8] {
        self.length = length;
        grow(&mut self.bytes, BEFORE + length + SPARE);
        self.bytes.get_mut(BEFORE..BEFORE + length).unwrap_or_default()
    }

    /// Unpacks the block in the buffer.
    pub fn unpack(&mut self, window: &mut Window, begin: usize, most: usize) -> Result<(), Corrupt> {
        let end = BEFORE + self.length;
        let header = Header::parse(self.bytes.get(BEFORE..end).unwrap_or_default())?;
        let start = BEFORE + header.length;
        if header.literals > most {
            return Err(TOO_LARGE);
        }
        if header.stored > end - start {
            return Err(CUT);
        }
        let after = start + header.stored;
        let literals = match header.kind {
            Kind::Raw => self.bytes.get(start..after + SPARE),
            _ => {
                grow(&mut self.literals, header.literals + SPARE);
                let target = self.literals.get_mut(..header.literals).unwrap_or_default();
                unpack_literals(&header, &self.bytes, start, &mut self.code, target)?;
                self.literals.get(..header.literals + SPARE)
            }
        };
        self.sequences.unpack(&self.bytes, after, end, literals.unwrap_or_default(), window, begin)
    }
}

/// Makes a buffer at least so large. What it has in it is of no interest.
fn grow(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
}

fn unpack_literals(
    header: &Header,
    bytes: &[u8],
    mut start: usize,
    code: &mut Code,
    target: &mut [u8],
) -> Result<(), Corrupt> {
    let end = start + header.stored;
    if header.kind == Kind::Repeated {
        target.fill(*bytes.get(start).ok_or(CUT)?);
        return Ok(());
    }
    if header.kind == Kind::Packed {
        start += code.read(bytes.get(start..end).unwrap_or_default())?;
    }
    if !code.is_there() {
        return Err(Corrupt("literals with a code that was never there"));
    }
    match header.four {
        true => code.decode_four(bytes, start, end, target),
        false => code.decode(bytes, start, end, target),
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, Corrupt> {
        let first = *bytes.first().ok_or(CUT)?;
        let (kind, format) = (first & 3, first >> 2 & 3);
        let length = match (kind, format) {
            (0 | 1, 0 | 2) => 1,
            (0 | 1, 1) => 2,
            (0 | 1, _) => 3,
            (_, 0 | 1) => 3,
            (_, 2) => 4,
            _ => 5,
        };
        let mut field = [0; 8];
        field.iter_mut().zip(bytes.get(..length).ok_or(CUT)?).for_each(|(place, byte)| *place = *byte);
        let field = u64::from_le_bytes(field);
        let number = |shift: u32, bits: u32| (field >> shift) as usize & ((1 << bits) - 1);
        let (literals, stored) = match (kind, length) {
            (0 | 1, 1) => (number(3, 5), 0),
            (0 | 1, _) => (number(4, 20), 0),
            (_, 3) => (number(4, 10), number(14, 10)),
            (_, 4) => (number(4, 14), number(18, 14)),
            _ => (number(4, 18), number(22, 18)),
        };
        let (kind, stored) = match kind {
            0 => (Kind::Raw, literals),
            1 => (Kind::Repeated, 1),
            2 => (Kind::Packed, stored),
            _ => (Kind::PackedAgain, stored),
        };
        Ok(Header { kind, four: format != 0, literals, stored, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_literals() {
        let of = |bytes: &[u8]| {
            let header = Header::parse(bytes).map_err(|_| ()).unwrap();
            (header.literals, header.stored, header.length, header.four)
        };
        assert_eq!(of(&[31 << 3]), (31, 31, 1, true));
        assert_eq!(of(&[0x54, 0x32]), (0x325, 0x325, 2, true));
        assert_eq!(of(&[0x5d, 0x32, 0x01]), (0x1325, 1, 3, true));
        assert_eq!(of(&[0x52, 0x81, 0x01]), (0x15, 6, 3, false));
        assert_eq!(of(&[0x5a, 0x01, 0x08, 0x00]), (0x15, 2, 4, true));
        assert_eq!(of(&[0x5e, 0x01, 0x40, 0x00, 0x80]), (0x15, 0x20001, 5, true));
        assert!(Header::parse(&[0x5e, 0x01, 0x40, 0x00]).is_err());
        assert!(Header::parse(&[]).is_err());
    }
}
