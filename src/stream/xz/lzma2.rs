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

impl Lzma2 {
    pub fn new(dictionary: u32) -> Lzma2 {
        Lzma2 { decoder: Decoder::new(dictionary), chunk: Chunk::Between, needed: Needed::Dictionary, taken: 0 }
    }

    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Unpacks some; nothing at the end.
    pub fn read(&mut self, source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoder.give(buffer);
            if length > 0 || self.chunk == Chunk::Over {
                return Ok(length);
            }
            self.chunk = match self.chunk {
                Chunk::Stored(left @ 1..) => self.stored(source, left)?,
                Chunk::Packed(left @ 1..) => self.packed(left)?,
                _ => self.begin(source)?,
            };
        }
    }

    fn stored(&mut self, source: &mut impl BufRead, left: usize) -> io::Result<Chunk> {
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
    fn begin(&mut self, source: &mut impl BufRead) -> io::Result<Chunk> {
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

    fn begin_model(&mut self, source: &mut impl BufRead, control: u8) -> io::Result<()> {
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

    fn field<const N: usize>(&mut self, source: &mut impl BufRead) -> io::Result<[u8; N]> {
        self.taken += N as u64;
        input::exact(source, NAME)
    }
}

fn corrupt(what: impl std::fmt::Display) -> io::Error {
    invalid(format!("xz: the compressed data is corrupt ({what})"))
}
