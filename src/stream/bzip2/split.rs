//! Where bzip2 blocks may begin: a mark of 48 bits at any bit. One that stands there by chance looks the same; what is cut
//! there is put together again by whoever reads the block (`mod.rs`).

use crate::stream::{input, invalid};
use codec::bzip2::bits::Bits;
use codec::bzip2::marks::{BLOCK, END, suspects};
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, Sender, channel};

const MARK_BITS: usize = 48;
const MARK: u64 = (1 << MARK_BITS) - 1;

/// No block, and so nothing between two marks, has more bytes: 900,000 symbols of 20 bits and their codes are 2.3 MB.
pub const LONGEST: usize = 4 << 20;
/// Bytes that are taken at once: what of them stands behind a mark is copied.
const TAKEN: usize = 32 << 10;

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
    /// Where its memory is used again: small blocks are many.
    home: Option<Sender<Vec<u8>>>,
}

impl Segment {
    pub fn new(kind: Kind, bits: Bits) -> Segment {
        Segment { kind, bits, home: None }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // Nobody takes it when all is cut.
            let _ = home.send(std::mem::take(&mut self.bits.bytes));
        }
    }
}

/// Cuts the source and hands every segment to `emit`.
pub fn split(source: &mut impl BufRead, mut emit: impl FnMut(Segment) -> io::Result<()>) -> io::Result<()> {
    let (home, spare) = channel();
    let mut cutter = Cutter { kind: Kind::Begin, bytes: Vec::new(), start: 0, scanned: 0, home, spare };
    loop {
        let bytes = source.fill_buf()?;
        let bytes = bytes.get(..TAKEN).unwrap_or(bytes);
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
    /// Bytes in which no mark ends.
    scanned: usize,
    home: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

impl Cutter {
    /// Cuts at the next mark, if one is there.
    fn cut(&mut self) -> Option<Segment> {
        while let Some(suspects) = suspects(&self.bytes, self.scanned) {
            let ends = suspects.start.max(self.scanned)..suspects.end.min(self.bytes.len());
            self.scanned = suspects.end;
            for end in ends {
                if let Some((kind, begin)) = self.mark(end) {
                    self.scanned = end + 1;
                    return Some(self.cut_at(begin, kind));
                }
            }
        }
        self.scanned = self.bytes.len();
        None
    }

    /// The mark that ends with this byte, and its first bit.
    fn mark(&self, end: usize) -> Option<(Kind, usize)> {
        let bytes = self.bytes.get(end.saturating_sub(7)..=end).unwrap_or_default();
        let window = bytes.iter().fold(0, |window, byte| window << 8 | u64::from(*byte));
        let (kind, shift) = (0..8).rev().find_map(|shift| match window >> shift & MARK {
            BLOCK => Some((Kind::Block, shift)),
            END => Some((Kind::End, shift)),
            _ => None,
        })?;
        Some((kind, (8 * (end + 1)).checked_sub(shift + MARK_BITS)?))
    }

    fn cut_at(&mut self, begin: usize, kind: Kind) -> Segment {
        let mut rest = self.spare.try_recv().unwrap_or_default();
        rest.clear();
        // The byte in which they meet both have.
        rest.extend_from_slice(self.bytes.get(begin / 8..).unwrap_or_default());
        let mut bytes = std::mem::replace(&mut self.bytes, rest);
        bytes.truncate(begin.div_ceil(8));
        let bits = Bits { bytes, start: self.start, length: begin - self.start };
        self.scanned -= begin / 8;
        self.start = begin % 8;
        Segment { kind: std::mem::replace(&mut self.kind, kind), bits, home: Some(self.home.clone()) }
    }

    fn rest(&mut self) -> Segment {
        let bytes = std::mem::take(&mut self.bytes);
        let length = (8 * bytes.len()).saturating_sub(self.start);
        Segment::new(self.kind, Bits { bytes, start: self.start, length })
    }
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
