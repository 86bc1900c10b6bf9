//! Deflate (RFC 1951): its streams unpacked, piece by piece. Pure.

mod bits;
mod lengths;
mod symbols;
mod table;

use crate::Corrupt;
use bits::{Bits, Input};
use lengths::Lengths;
use symbols::Symbols;

/// Why unpacking stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// All input was taken, and the stream goes on.
    Hungry,
    /// Nothing fits in before what came out is read.
    Full,
    /// The stream is over.
    Done,
}

/// A stream that is being unpacked, and what came out of it last.
pub struct Inflate {
    stage: Stage,
    /// Of the block.
    is_last: bool,
    bits: Bits,
    lengths: Box<Lengths>,
    symbols: Box<Symbols>,
    /// What of the symbols' window was read.
    read: usize,
}

#[derive(Clone, Copy)]
enum Stage {
    Block,
    /// The length of a stored block, then so many bytes.
    Stored,
    Store(usize),
    Lengths,
    Symbols,
    Over,
}

impl Default for Inflate {
    fn default() -> Inflate {
        Inflate {
            stage: Stage::Block,
            is_last: false,
            bits: Bits::default(),
            lengths: Box::new(Lengths::new()),
            symbols: Box::new(Symbols::new()),
            read: 0,
        }
    }
}

impl Inflate {
    /// Begins another stream, in the same memory.
    pub fn restart(&mut self) {
        (self.stage, self.is_last, self.bits, self.read) = (Stage::Block, false, Bits::default(), 0);
        self.symbols.restart();
    }

    /// Unpacks as far as the input and the room go, and says how many bytes of the input it took: at the end of the stream, all
    /// that are its own. Errors: the stream is corrupt; what came out before that can be read.
    pub fn unpack(&mut self, input: &[u8]) -> Result<(usize, Pause), Corrupt> {
        if self.symbols.is_full() && self.unread().is_empty() {
            self.read = self.symbols.make_room();
        }
        let mut input = Input { bytes: input, at: 0 };
        let pause = loop {
            if let Some(pause) = self.advance(&mut input)? {
                break pause;
            }
        };
        // Hungry, it holds less than a symbol: that is the stream's.
        if pause != Pause::Hungry {
            self.bits.give_back(&mut input);
        }
        Ok((input.at, pause))
    }

    /// What came out and was not read yet.
    pub fn unread(&self) -> &[u8] {
        self.symbols.since(self.read)
    }

    /// Reads of it what finds room; how many bytes that are.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let unread = self.unread();
        let length = unread.len().min(buffer.len());
        buffer[..length].copy_from_slice(&unread[..length]);
        self.read += length;
        length
    }

    fn advance(&mut self, input: &mut Input<'_>) -> Result<Option<Pause>, Corrupt> {
        match self.stage {
            Stage::Block if self.is_last => self.stage = Stage::Over,
            Stage::Block if self.bits.want(3, input) => self.begin_block()?,
            Stage::Stored if self.bits.want(32, input) => self.begin_stored(input)?,
            Stage::Block | Stage::Stored => return Ok(Some(Pause::Hungry)),
            Stage::Store(0) => self.stage = Stage::Block,
            Stage::Store(left) => return Ok(self.store(left, input)),
            Stage::Lengths => {
                if !self.lengths.read(&mut self.bits, input)? {
                    return Ok(Some(Pause::Hungry));
                }
                let (literals, distances) = self.lengths.split();
                self.symbols.build(literals, distances)?;
                self.stage = Stage::Symbols;
            }
            Stage::Symbols => {
                let pause = self.symbols.decode(&mut self.bits, input)?;
                if pause.is_some() {
                    return Ok(pause);
                }
                self.stage = Stage::Block;
            }
            Stage::Over => return Ok(Some(Pause::Done)),
        }
        Ok(None)
    }

    fn begin_block(&mut self) -> Result<(), Corrupt> {
        self.is_last = self.bits.take(1) == 1;
        self.stage = match self.bits.take(2) {
            0 => {
                self.bits.align();
                Stage::Stored
            }
            1 => {
                self.symbols.build_fixed()?;
                Stage::Symbols
            }
            2 => {
                self.lengths.restart();
                Stage::Lengths
            }
            _ => return Err(Corrupt("a block of an unknown kind")),
        };
        Ok(())
    }

    fn begin_stored(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let (length, complement) = (self.bits.take(16), self.bits.take(16));
        if length != !complement & 0xffff {
            return Err(Corrupt("a stored block's length is not what its complement says"));
        }
        self.bits.give_back(input);
        self.stage = Stage::Store(length as usize);
        Ok(())
    }

    fn store(&mut self, left: usize, input: &mut Input<'_>) -> Option<Pause> {
        if self.symbols.is_full() {
            return Some(Pause::Full);
        }
        let some = input.rest().get(..left).unwrap_or(input.rest());
        if some.is_empty() {
            return Some(Pause::Hungry);
        }
        let length = self.symbols.add(some);
        input.at += length;
        self.stage = Stage::Store(left - length);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: usize = 32 << 10;

    /// A stream written by hand.
    #[derive(Default)]
    struct Hand {
        bytes: Vec<u8>,
        count: usize,
    }

    impl Hand {
        /// A number, its lowest bit first.
        fn bits(mut self, value: u32, count: usize) -> Hand {
            for at in 0..count {
                if self.count % 8 == 0 {
                    self.bytes.push(0);
                }
                self.bytes[self.count / 8] |= ((value >> at & 1) as u8) << (self.count % 8);
                self.count += 1;
            }
            self
        }

        /// The word of a code, its highest bit first.
        fn word(self, word: &str) -> Hand {
            word.bytes().fold(self, |hand, bit| hand.bits(u32::from(bit - b'0'), 1))
        }

        /// The last block, with codes of these lengths: each is written as it is, in a code of four bits a length.
        fn codes(self, literals: &[u8], distances: &[u8]) -> Hand {
            let counts = self.bits(0b101, 3).bits(literals.len() as u32 - 257, 5).bits(distances.len() as u32 - 1, 5);
            // 0 to 15, all of four bits: 16 to 18 come first in the order, with none.
            let first = (0..19).fold(counts.bits(15, 4), |hand, at| hand.bits(if at < 3 { 0 } else { 4 }, 3));
            let all = literals.iter().chain(distances);
            all.fold(first, |hand, length| hand.word(&format!("{length:04b}")))
        }

        fn outcome(&self) -> Result<Vec<u8>, Option<Corrupt>> {
            let mut inflate = Inflate::default();
            match inflate.unpack(&self.bytes) {
                Ok((taken, Pause::Done)) => {
                    assert_eq!(taken, self.bytes.len());
                    Ok(inflate.unread().to_vec())
                }
                Ok(_) => Err(None),
                Err(corrupt) => Err(Some(corrupt)),
            }
        }

        fn refused(&self) -> &'static str {
            match self.outcome() {
                Err(Some(corrupt)) => corrupt.0,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lengths of so many codes, of which these have one.
    fn lengths(count: usize, codes: &[(usize, u8)]) -> Vec<u8> {
        let mut lengths = vec![0; count];
        codes.iter().for_each(|(symbol, length)| lengths[*symbol] = *length);
        lengths
    }

    #[test]
    fn blocks_of_each_kind() {
        // A literal, a match of 3 bytes from 1 before, the end; three bytes as they are; a match from 7 before.
        let hand = Hand::default().bits(0b010, 3).word("10010001").word("0000001").word("00000").word("0000000");
        let hand = hand.bits(0b000, 3).bits(0, 7).bits(3, 16).bits(!3, 16).bits(u32::from_le_bytes(*b"xyz\0"), 24);
        let hand = hand.bits(0b011, 3).word("0000001").word("00101").bits(0, 1).word("0000000");
        assert_eq!(hand.outcome().unwrap(), b"aaaaxyzaaa");
        for end in 0..hand.bytes.len() {
            let cut = Hand { bytes: hand.bytes[..end].to_vec(), count: end * 8 };
            assert_eq!(cut.outcome(), Err(None), "{end}");
        }
    }

    #[test]
    fn codes_of_its_own() {
        let literals = lengths(257, &[(97, 1), (98, 2), (256, 2)]);
        let hand = Hand::default().codes(&literals, &[0]).word("0").word("10").word("0").word("11");
        assert_eq!(hand.outcome().unwrap(), b"aba", "no distances");
        let literals = lengths(258, &[(97, 1), (256, 2), (257, 2)]);
        let hand = Hand::default().codes(&literals, &[1]).word("0").word("11").word("0").word("10");
        assert_eq!(hand.outcome().unwrap(), b"aaaa", "one distance");
        let hand = Hand::default().codes(&literals, &[1]).word("0").word("11").word("1");
        assert_eq!(hand.refused(), "bits that are no distance");
        let hand = Hand::default().codes(&literals, &[0]).word("0").word("11").word("0");
        assert_eq!(hand.refused(), "bits that are no distance");
        let hand = Hand::default().codes(&lengths(257, &[(256, 1)]), &[0]);
        assert_eq!(hand.word("0").outcome().unwrap(), b"", "nothing but an end");
        let hand = Hand::default().codes(&lengths(257, &[(256, 1)]), &[0]);
        assert_eq!(hand.word("1").refused(), "bits that are no symbol");
    }

    /// Codes of every length, in both tables.
    #[test]
    fn long_codes() {
        let codes: Vec<(usize, u8)> = (0..15).map(|at| (at + 65, at as u8 + 1)).chain([(256, 15)]).collect();
        let hand = Hand::default().codes(&lengths(257, &codes), &[0]);
        let hand = (0..15).rev().fold(hand, |hand, ones| hand.word(&format!("{}0", "1".repeat(ones))));
        let hand = hand.word(&"1".repeat(15));
        assert_eq!(hand.outcome().unwrap(), b"ONMLKJIHGFEDCBA");
    }

    #[test]
    fn what_the_specification_does_not_allow_is_refused() {
        let hand = Hand::default;
        let literals = || lengths(257, &[(97, 1), (98, 2), (256, 2)]);
        let cases = [
            ("a block of an unknown kind", hand().bits(0b111, 3)),
            ("a stored block's length is not what its complement says", hand().bits(1, 8).bits(3, 16).bits(!2, 16)),
            ("bits that are no symbol", hand().bits(0b011, 3).word("11000110")),
            ("bits that are no symbol", hand().bits(0b011, 3).word("11000111")),
            ("bits that are no distance", hand().bits(0b011, 3).word("0000001").word("11110")),
            ("bits that are no distance", hand().bits(0b011, 3).word("0000001").word("11111")),
            ("a match lies before the beginning", hand().bits(0b011, 3).word("0000001").word("00000")),
            ("more lengths or distances than there are", hand().bits(0b101, 3).bits(30, 5).bits(0, 9)),
            ("more lengths or distances than there are", hand().bits(0b101, 3).bits(0, 5).bits(30, 5).bits(0, 4)),
            ("the code of the codes' lengths is incomplete", hand().bits(0b101, 3).bits(0, 14).bits(0b001, 12)),
            ("the code of the codes' lengths is incomplete", hand().bits(0b101, 3).bits(0, 14).bits(0, 12)),
            ("a code has more words than there can be", hand().bits(0b101, 3).bits(0, 14).bits(0b001_001_001, 12)),
            ("the end of the block has no code", hand().codes(&lengths(257, &[(97, 1), (98, 1)]), &[0])),
            ("a code lacks words", hand().codes(&lengths(257, &[(97, 2), (98, 2), (256, 2)]), &[0])),
            ("a code lacks words", hand().codes(&lengths(257, &[(256, 2)]), &[0])),
            ("a code lacks words", hand().codes(&literals(), &[2])),
            ("a code has more words than there can be", hand().codes(&literals(), &[1, 1, 1])),
            // 16 and 18 have words of one bit: to repeat nothing, and 138 zeros twice.
            (
                "a length repeats one that is not there",
                hand().bits(0b101, 3).bits(0, 14).bits(0b001_000_001, 12).bits(0, 3),
            ),
            (
                "more lengths of codes than announced",
                hand().bits(0b101, 3).bits(0, 14).bits(0b001_000_001, 12).bits(0xff, 8).bits(0xff, 8),
            ),
        ];
        for (said, hand) in cases {
            assert_eq!(hand.refused(), said);
        }
    }

    /// Whatever the input and what is read of the output are cut into.
    #[test]
    fn pieces_of_every_size() {
        // 600,000 bytes: literals, then 258 of 32,768 before, again and again.
        let hand = (0..WINDOW).fold(Hand::default().bits(0b011, 3), |hand, at| {
            hand.word(&format!("{:08b}", 48 + (at * at / 7 + at / 251) % 144))
        });
        let far = |hand: Hand, _| hand.word("11000101").word("11101").bits(0x1fff, 13);
        let hand = (0..2200).fold(hand, far).word("0000000").bits(0xaaaa, 16);
        let literals: Vec<u8> = (0..WINDOW).map(|at| ((at * at / 7 + at / 251) % 144) as u8).collect();
        let all: Vec<u8> = literals.iter().copied().cycle().take(WINDOW + 2200 * 258).collect();
        let mut inflate = Inflate::default();
        for (piece, buffer) in [(1, 5000), (2, 258), (7, 1), (31, 259), (32, 70_000), (4096, 2), (1 << 20, 1 << 20)] {
            inflate.restart();
            let (mut given, mut at, mut buffer) = (Vec::<u8>::new(), 0, vec![0; buffer]);
            loop {
                let end = (at + piece).min(hand.bytes.len());
                let (taken, pause) = inflate.unpack(&hand.bytes[at..end]).unwrap();
                at += taken;
                while !inflate.unread().is_empty() {
                    let length = inflate.read(&mut buffer);
                    given.extend(&buffer[..length]);
                }
                if pause == Pause::Done {
                    break;
                }
                assert!(at == end || pause == Pause::Full);
            }
            assert!(given == all, "{piece}");
            assert_eq!(at, (hand.count - 16).div_ceil(8), "nothing behind is taken");
        }
    }
}
