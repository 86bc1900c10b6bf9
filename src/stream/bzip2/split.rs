//! Where bzip2 blocks may begin: a mark of 48 bits at any bit. One that stands there by chance looks the same; what is cut
//! there is put together again by whoever reads the block (`mod.rs`).

use crate::stream::{input, invalid};
use codec::bzip2::bits::Bits;
use std::io::{self, BufRead};

/// Pi and the root of pi, in decimal digits.
const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
const MARK_BITS: usize = 48;
const MARK: u64 = (1 << MARK_BITS) - 1;

/// No block, and so nothing between two marks, has more bytes: 900,000 symbols of 20 bits and their codes are 2.3 MB.
pub const LONGEST: usize = 4 << 20;

/// What stands at the beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The header of the first stream.
    Begin,
    Block,
    End,
}

/// The bits from one mark to the next.
pub struct Segment {
    pub kind: Kind,
    pub bits: Bits,
}

/// Cuts the source and hands every segment to `emit`.
pub fn split(source: &mut impl BufRead, mut emit: impl FnMut(Segment) -> io::Result<()>) -> io::Result<()> {
    let mut cutter = Cutter { kind: Kind::Begin, bytes: Vec::new(), start: 0, scanned: 0, window: 0 };
    loop {
        let bytes = source.fill_buf()?;
        let length = bytes.len();
        if length == 0 {
            return emit(cutter.rest());
        }
        cutter.bytes.extend(bytes);
        source.consume(length);
        while let Some(segment) = cutter.cut() {
            emit(segment)?;
        }
        if cutter.bytes.len() > LONGEST {
            let rest = cutter.rest();
            if rest.kind != Kind::End {
                return Err(invalid("bzip2: a block has no end"));
            }
            emit(rest)?;
            return input::only_zeros(source, "bzip2");
        }
    }
}

struct Cutter {
    kind: Kind,
    bytes: Vec<u8>,
    start: usize,
    /// Bytes that went through the window.
    scanned: usize,
    window: u64,
}

impl Cutter {
    /// Cuts at the next mark, if one is there.
    fn cut(&mut self) -> Option<Segment> {
        let mut window = self.window;
        let mut found = None;
        for (at, byte) in self.bytes.iter().enumerate().skip(self.scanned) {
            window = window << 8 | u64::from(*byte);
            let hits = HITS[usize::from((window >> 16) as u8)];
            if hits != 0 {
                found = mark(window, hits).map(|(kind, shift)| (at, kind, shift));
                if found.is_some() {
                    break;
                }
            }
        }
        self.window = window;
        let Some((at, kind, shift)) = found else {
            self.scanned = self.bytes.len();
            return None;
        };
        self.scanned = at + 1;
        // A mark is whole after 48 bits: none is found earlier, as the window begins with zeros and marks with a one.
        let begin = (8 * (at + 1)).checked_sub(shift + MARK_BITS)?;
        Some(self.cut_at(begin, kind))
    }

    fn cut_at(&mut self, begin: usize, kind: Kind) -> Segment {
        // With the byte that both have. The buffer stays: growing one for each segment anew costs more than the copy.
        let bytes = self.bytes.get(..begin.div_ceil(8)).unwrap_or_default().to_vec();
        self.bytes.drain(..begin / 8);
        let bits = Bits { bytes, start: self.start, length: begin - self.start };
        self.scanned -= begin / 8;
        self.start = begin % 8;
        Segment { kind: std::mem::replace(&mut self.kind, kind), bits }
    }

    fn rest(&mut self) -> Segment {
        let bytes = std::mem::take(&mut self.bytes);
        let length = (8 * bytes.len()).saturating_sub(self.start);
        Segment { kind: self.kind, bits: Bits { bytes, start: self.start, length } }
    }
}

/// By the byte two before the last: the shifts at which a mark can have it there.
static HITS: [u8; 256] = hits();

const fn hits() -> [u8; 256] {
    let mut hits = [0; 256];
    let mut shift = 0;
    while shift < 8 {
        hits[(BLOCK << shift >> 16 & 0xff) as usize] |= 1 << shift;
        hits[(END << shift >> 16 & 0xff) as usize] |= 1 << shift;
        shift += 1;
    }
    hits
}

/// The mark that ends `shift` bits before the window does.
#[inline(never)]
fn mark(window: u64, hits: u8) -> Option<(Kind, usize)> {
    (0..8).rev().filter(|shift| hits & 1 << shift != 0).find_map(|shift| match window >> shift & MARK {
        BLOCK => Some((Kind::Block, shift)),
        END => Some((Kind::End, shift)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(bytes: &[u8]) -> Vec<(Kind, usize, usize)> {
        let mut found = Vec::new();
        let emit = |segment: Segment| {
            found.push((segment.kind, segment.bits.start, segment.bits.length));
            Ok(())
        };
        split(&mut io::BufReader::with_capacity(3, bytes), emit).unwrap();
        found
    }

    #[test]
    fn marks_are_found_at_every_bit() {
        for shift in 0..8 {
            let mut bytes =
                (u128::from(BLOCK) << (72 - shift) | u128::from(END) << (16 - shift)).to_be_bytes().to_vec();
            bytes.insert(0, b'B');
            let begin = 16 + shift;
            assert_eq!(
                segments(&bytes),
                [(Kind::Begin, 0, begin), (Kind::Block, begin % 8, 56), (Kind::End, begin % 8, 136 - begin - 56)],
                "{shift}"
            );
        }
        assert_eq!(segments(b"BZh9"), [(Kind::Begin, 0, 32)]);
    }

    /// Else two could end in one byte, and the second would be missed.
    #[test]
    fn no_mark_overlaps_another_by_much() {
        for shift in 1..=MARK_BITS - 4 {
            for (first, second) in [(BLOCK, BLOCK), (BLOCK, END), (END, BLOCK), (END, END)] {
                assert_ne!(first & (MARK >> shift), second >> shift, "{shift}");
            }
        }
    }
}
