//! LZMA2: LZMA in chunks that say how long they are, and what of the decoder they begin anew (section 5.3.1 of
//! `xz-file-format.txt` names it; the chunks are the ones of 7-Zip).

use crate::stream::{input, invalid};
use codec::lzma::{Decoder, Properties, Stop};
use std::io::{self, BufRead};

const NAME: &str = "xz";

/// LZMA2 that is being decoded. Its source is given anew to each call.
pub struct Lzma2 {
    decoder: Decoder,
    chunk: Chunk,
    needed: Needed,
    /// Compressed bytes.
    taken: u64,
}

/// What of a chunk is still to come, in unpacked bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Between,
    Stored(usize),
    Packed(usize),
    Over,
}

/// What the next chunk must begin anew at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needed {
    Nothing,
    Properties,
    Dictionary,
}

impl Default for Lzma2 {
    fn default() -> Lzma2 {
        Lzma2 { decoder: Decoder::new(0), chunk: Chunk::Between, needed: Needed::Dictionary, taken: 0 }
    }
}

impl Lzma2 {
    /// Begins anew, with a dictionary of so many bytes and the memory that is there.
    pub fn renew(&mut self, dictionary: u32) {
        self.decoder.renew(dictionary);
        (self.chunk, self.needed, self.taken) = (Chunk::Between, Needed::Dictionary, 0);
    }

    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Unpacks some; nothing at the end.
    pub fn read(&mut self, source: &mut dyn BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoder.give(buffer);
            // Nothing is unpacked over what was not given out.
            if length > 0 || buffer.is_empty() || self.chunk == Chunk::Over {
                return Ok(length);
            }
            self.chunk = match self.chunk {
                Chunk::Stored(left @ 1..) => self.stored(source, left)?,
                Chunk::Packed(left @ 1..) => self.packed(left)?,
                _ => self.begin(source)?,
            };
        }
    }

    fn stored(&mut self, source: &mut dyn BufRead, left: usize) -> io::Result<Chunk> {
        let room = self.decoder.stored(left);
        input::fill(source, room, NAME)?;
        self.taken += room.len() as u64;
        Ok(Chunk::Stored(left - room.len()))
    }

    fn packed(&mut self, left: usize) -> io::Result<Chunk> {
        let (length, stop) = self.decoder.unpack(left as u64).map_err(corrupt)?;
        let is_over = length == left;
        if stop != Stop::Pause || is_over && !(self.decoder.is_at_end() && self.decoder.rest().is_empty()) {
            return Err(corrupt("a chunk is not as long as it says"));
        }
        Ok(Chunk::Packed(left - length))
    }

    /// Takes a chunk's header; of one that is compressed all bytes.
    fn begin(&mut self, source: &mut dyn BufRead) -> io::Result<Chunk> {
        let [control] = self.field(source)?;
        match control {
            0 => return Ok(Chunk::Over),
            1 | 0xe0.. => self.begin_dictionary(),
            3..0x80 => return Err(corrupt("a chunk of an unknown kind")),
            _ if self.needed == Needed::Dictionary => return Err(corrupt("the dictionary has no beginning")),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(self.field(source)?)) + 1;
        if control < 0x80 {
            return Ok(Chunk::Stored(length));
        }
        let packed = usize::from(u16::from_be_bytes(self.field(source)?)) + 1;
        self.begin_model(source, control)?;
        input::fill(source, self.decoder.whole(packed), NAME)?;
        self.taken += packed as u64;
        self.decoder.begin().map_err(corrupt)?;
        Ok(Chunk::Packed((usize::from(control & 0x1f) << 16) + length))
    }

    fn begin_dictionary(&mut self) {
        self.decoder.reset_dictionary();
        self.needed = Needed::Properties;
    }

    fn begin_model(&mut self, source: &mut dyn BufRead, control: u8) -> io::Result<()> {
        match control {
            0xc0.. => {
                let [properties] = self.field(source)?;
                self.decoder.set_properties(Properties::parse(properties).map_err(corrupt)?);
                self.needed = Needed::Nothing;
            }
            _ if self.needed != Needed::Nothing => return Err(corrupt("a chunk without properties")),
            0xa0.. => self.decoder.reset_model(),
            _ => {}
        }
        Ok(())
    }

    fn field<const N: usize>(&mut self, source: &mut dyn BufRead) -> io::Result<[u8; N]> {
        self.taken += N as u64;
        input::exact(source, NAME)
    }
}

fn corrupt(what: impl std::fmt::Display) -> io::Error {
    invalid(format!("xz: the compressed data is corrupt ({what})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::lzma::sample::{MARKED, SIZED as BODY, TEXT};

    const PROPERTIES: &[u8] = &[0x5d];

    /// A compressed chunk; lengths are those that it is for.
    fn chunk(control: u8, unpacked: usize, packed: usize, properties: &[u8], body: &[u8]) -> Vec<u8> {
        let [unpacked, packed] = [unpacked - 1, packed - 1].map(|length| (length as u16).to_be_bytes());
        [&[control], &unpacked[..], &packed, properties, body].concat()
    }

    fn right(control: u8, properties: &[u8]) -> Vec<u8> {
        chunk(control, TEXT.len(), BODY.len(), properties, BODY)
    }

    fn stored(control: u8, bytes: &[u8]) -> Vec<u8> {
        [&[control], &(bytes.len() as u16 - 1).to_be_bytes()[..], bytes].concat()
    }

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (mut lzma2, mut source, mut unpacked) = (Lzma2::default(), bytes, Vec::new());
        lzma2.renew(4096);
        loop {
            let mut buffer = [0; 7];
            match lzma2.read(&mut source, &mut buffer)? {
                0 => break,
                length => unpacked.extend_from_slice(&buffer[..length]),
            }
        }
        assert_eq!(lzma2.taken(), (bytes.len() - source.len()) as u64);
        assert!(source.is_empty(), "{source:?}");
        Ok(unpacked)
    }

    fn all(chunks: &[Vec<u8>]) -> io::Result<Vec<u8>> {
        unpack(&[&chunks.concat()[..], &[0]].concat())
    }

    fn refused(what: &str, chunks: &[Vec<u8>]) {
        let error = all(chunks).map(drop).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }

    #[test]
    fn chunks_in_order() {
        assert_eq!(unpack(&[0]).unwrap(), b"");
        assert_eq!(all(&[right(0xe0, PROPERTIES)]).unwrap(), TEXT);
        assert_eq!(all(&[stored(1, b"abc"), stored(2, b"de"), stored(1, b"f")]).unwrap(), b"abcdef");
        // The first byte's context is the one before: nothing in front of it, or a byte without its upper bits.
        let text = [b"\x01", TEXT].concat();
        assert_eq!(all(&[stored(1, b"\x01"), right(0xc0, PROPERTIES)]).unwrap(), text);
        let chunks = [right(0xe0, PROPERTIES), stored(2, b"\x01"), stored(1, b"\x01"), right(0xc0, PROPERTIES)];
        assert_eq!(all(&chunks).unwrap(), [TEXT, b"\x01", &text].concat());
    }

    #[test]
    fn what_must_begin_anew() {
        for control in [2, 0x80, 0xa0, 0xc0] {
            let chunk = if control == 2 {
                stored(2, b"a")
            } else {
                right(control, if control == 0xc0 { PROPERTIES } else { &[] })
            };
            refused("the dictionary has no beginning", &[chunk]);
        }
        for control in [0x80, 0xa0] {
            refused("a chunk without properties", &[stored(1, b"a"), right(control, &[])]);
            refused("a chunk without properties", &[right(0xe0, PROPERTIES), stored(1, b"a"), right(control, &[])]);
        }
        for control in 3..0x80 {
            refused("a chunk of an unknown kind", &[stored(1, b"a"), stored(control, b"a")]);
        }
    }

    #[test]
    fn a_renewed_decoder_knows_nothing() {
        let mut lzma2 = Lzma2::default();
        for (dictionary, control) in [(4096, 0xe0), (1 << 20, 0xe0), (4096, 0x80), (4096, 0xc0), (0, 0xe0)] {
            lzma2.renew(dictionary);
            let properties = if control == 0x80 { &[] } else { PROPERTIES };
            let (chunk, mut buffer) = (right(control, properties), vec![0; TEXT.len()]);
            // Given out in part, and nothing behind it.
            let outcome = lzma2.read(&mut &chunk[..], &mut buffer[..3]);
            assert_eq!(outcome.is_ok(), control == 0xe0 && dictionary > 0, "{dictionary} {control:x}");
            assert!(outcome.is_err() || buffer[..3] == TEXT[..3] && lzma2.taken() == chunk.len() as u64);
        }
    }

    #[test]
    fn a_model_is_kept_or_not() {
        // The same body again: with a model that begins anew it is the same text, but for the context of the first byte.
        let again =
            all(&[right(0xe0, PROPERTIES), stored(2, b"\x01"), stored(2, b" "), stored(2, b"\x01"), right(0xa0, &[])]);
        assert_eq!(again.unwrap(), [TEXT, b"\x01 \x01", TEXT].concat().as_slice());
        assert!(all(&[right(0xe0, PROPERTIES), right(0x80, &[])]).is_err());
    }

    #[test]
    fn properties_that_are_none() {
        for properties in [225, 255, 5, 4 * 9 + 1, 8] {
            assert!(all(&[right(0xe0, &[properties])]).is_err(), "{properties}");
        }
    }

    #[test]
    fn lengths_are_exact() {
        for (unpacked, packed) in [(1, 0), (0, 1)] {
            let longer = [BODY, &[0]].concat();
            let wrong =
                chunk(0xe0, TEXT.len() + unpacked, BODY.len() + packed, PROPERTIES, &longer[..BODY.len() + packed]);
            assert!(all(&[wrong]).is_err(), "{unpacked} {packed}");
        }
        for less in 1..TEXT.len() {
            assert!(all(&[chunk(0xe0, less, BODY.len(), PROPERTIES, BODY)]).is_err(), "{less} of the text");
        }
        for less in 1..BODY.len() {
            assert!(all(&[chunk(0xe0, TEXT.len(), less, PROPERTIES, &BODY[..less])]).is_err(), "{less} of the body");
        }
        let mut first = BODY.to_vec();
        first[0] = 1;
        refused("corrupt", &[chunk(0xe0, TEXT.len(), BODY.len(), PROPERTIES, &first)]);
    }

    #[test]
    fn every_cut_is_one() {
        let whole = [right(0xe0, PROPERTIES), stored(2, b"ab\x01"), right(0xc0, PROPERTIES), vec![0]].concat();
        for end in 0..whole.len() {
            let error = unpack(&whole[..end]).unwrap_err();
            assert!(error.to_string().contains("cut short"), "{end}: {error}");
        }
    }

    #[test]
    fn no_mark_of_the_end() {
        for unpacked in [TEXT.len(), TEXT.len() + 1, TEXT.len() + 2] {
            refused("a chunk is not", &[chunk(0xe0, unpacked, MARKED.len(), PROPERTIES, MARKED)]);
        }
    }

    #[test]
    fn nothing_lies_before_the_dictionary() {
        // Ones as far as can be: a match that repeats what was never there.
        let body = [0, 0xff, 0xff, 0xff, 0xfb, 0xff, 0xff, 0xff];
        refused("before the beginning", &[chunk(0xe0, 300, body.len(), PROPERTIES, &body)]);
    }
}
