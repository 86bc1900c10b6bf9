//! gzip (RFC 1952): members one after the other, as gzip, pigz, bgzip and eStargz write them, around our own inflate.
//!
//! Header, checksum and length of every member are checked here. Zeros may follow the last member and nothing else.

use crate::stream::{cut, input, invalid};
use codec::inflate::{Inflate, Pause};
use std::io::{self, BufRead, Read};
use zlib_rs::crc32::crc32;

pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

const NAME: &str = "gzip";
const DEFLATE: u8 = 8;

mod flag {
    pub const HEADER_CRC: u8 = 1 << 1;
    pub const EXTRA: u8 = 1 << 2;
    pub const NAME: u8 = 1 << 3;
    pub const COMMENT: u8 = 1 << 4;
    pub const RESERVED: u8 = 0xe0;
}

/// A reader of what gzip members hold.
pub struct Gzip<R> {
    source: R,
    inflate: Inflate,
    state: State,
    /// All that was taken of the source is unpacked: going on may take waiting.
    is_hungry: bool,
    crc: u32,
    /// Modulo 2^32, as the trailer has it.
    length: u32,
}

#[derive(Clone, Copy)]
enum State {
    First,
    Data,
    Trailer,
    /// After a member: another one, zeros, or the end.
    Next,
    Over,
    Failed,
}

impl<R: BufRead> Gzip<R> {
    pub fn new(source: R) -> Gzip<R> {
        Gzip { source, inflate: Inflate::default(), state: State::First, is_hungry: true, crc: 0, length: 0 }
    }

    /// One step; the bytes it gave.
    fn step(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::First => self.begin_member()?,
            State::Data => return self.inflate(buffer),
            State::Trailer if !self.inflate.unread().is_empty() => return Ok(self.inflate.read(buffer)),
            State::Trailer => self.end_member()?,
            State::Next => match self.source.fill_buf()?.first() {
                None | Some(0) => {
                    input::only_zeros(&mut self.source, NAME)?;
                    self.state = State::Over;
                }
                Some(_) => self.begin_member()?,
            },
            State::Over => {}
            State::Failed => return Err(invalid("gzip: the stream failed before")),
        }
        Ok(0)
    }

    fn begin_member(&mut self) -> io::Result<()> {
        header(&mut self.source)?;
        self.inflate.restart();
        (self.crc, self.length, self.state) = (0, 0, State::Data);
        Ok(())
    }

    /// Fills the buffer as far as what was taken of the source goes.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut given = self.inflate.read(buffer);
        while given == 0 || given < buffer.len() && !self.is_hungry {
            self.unpack()?;
            given += self.inflate.read(&mut buffer[given..]);
            if !matches!(self.state, State::Data) {
                break;
            }
        }
        Ok(given)
    }

    /// Unpacks some more, when all before it was read.
    fn unpack(&mut self) -> io::Result<()> {
        let bytes = self.source.fill_buf()?;
        if bytes.is_empty() {
            return Err(cut(NAME));
        }
        let (taken, pause) = self
            .inflate
            .unpack(bytes)
            .map_err(|corrupt| invalid(format!("gzip: the compressed data is corrupt ({corrupt})")))?;
        self.source.consume(taken);
        self.is_hungry = pause == Pause::Hungry;
        if pause == Pause::Done {
            self.state = State::Trailer;
        }
        self.crc = crc32(self.crc, self.inflate.unread());
        self.length = self.length.wrapping_add(self.inflate.unread().len() as u32);
        Ok(())
    }

    fn end_member(&mut self) -> io::Result<()> {
        let crc = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        let length = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        if crc != self.crc {
            return Err(invalid(format!(
                "gzip: the checksum is {:08x}, the member's trailer says {crc:08x}",
                self.crc
            )));
        }
        if length != self.length {
            return Err(invalid(format!("gzip: the length is {}, the member's trailer says {length}", self.length)));
        }
        self.state = State::Next;
        Ok(())
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && !matches!(self.state, State::Over) {
            match self.step(buffer) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            }
        }
        Ok(0)
    }
}

/// The bytes of a header, summed up as they are read.
struct Header<'a, R> {
    source: &'a mut R,
    crc: u32,
}

impl<R: BufRead> Header<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let field = input::exact(self.source, NAME)?;
        self.crc = crc32(self.crc, &field);
        Ok(field)
    }

    fn skip_text(&mut self) -> io::Result<()> {
        while self.take()? != [0] {}
        Ok(())
    }
}

/// Reads a member's header to its end.
fn header(source: &mut impl BufRead) -> io::Result<()> {
    let mut header = Header { source, crc: 0 };
    let magic: [u8; 2] = header.take()?;
    if magic != MAGIC {
        return Err(invalid(format!("gzip: {magic:02x?} is no beginning of a member: garbage follows the stream")));
    }
    let [method, flags] = header.take()?;
    if method != DEFLATE || flags & flag::RESERVED != 0 {
        return Err(invalid(format!("gzip: unknown method {method} or flags {flags:#04x}")));
    }
    // Time, extra flags, system.
    header.take::<6>()?;
    if flags & flag::EXTRA != 0 {
        let length = u16::from_le_bytes(header.take()?);
        for _ in 0..length {
            header.take::<1>()?;
        }
    }
    if flags & flag::NAME != 0 {
        header.skip_text()?;
    }
    if flags & flag::COMMENT != 0 {
        header.skip_text()?;
    }
    let crc = header.crc as u16;
    if flags & flag::HEADER_CRC != 0 && u16::from_le_bytes(header.take()?) != crc {
        return Err(invalid("gzip: the header's checksum is wrong"));
    }
    Ok(())
}
