//! .lzma, the format before xz: a header of 13 bytes, then one LZMA stream that ends at the header's size or at a marker.

use crate::stream::decompress::window_exceeded;
use crate::stream::{cut, input, invalid};
use codec::lzma::{Decoder, Properties, Stop};
use std::io::{self, BufRead, Read};

const NAME: &str = "lzma";
const UNKNOWN: u64 = u64::MAX;

/// The header: properties, dictionary size, unpacked size.
pub struct Header {
    properties: Properties,
    dictionary: u32,
    size: u64,
}

impl Header {
    pub const LENGTH: usize = 13;

    /// None when these are not values that an encoder writes. The format has no magic, so this is also how it is told:
    /// as `file` and xz do, by a dictionary of 2^n or 2^n + 2^(n-1) bytes and a size below 256 GiB.
    pub fn parse(bytes: &[u8; Header::LENGTH]) -> Option<Header> {
        let [properties, d0, d1, d2, d3, size @ ..] = *bytes;
        let properties = Properties::parse(properties).ok()?;
        let header =
            Header { properties, dictionary: u32::from_le_bytes([d0, d1, d2, d3]), size: u64::from_le_bytes(size) };
        let top = header.dictionary.checked_ilog2()?;
        let rest = header.dictionary - (1 << top);
        let is_round = rest == 0 || rest == 1 << (top - 1).min(31);
        let is_size = header.size == UNKNOWN || header.size < 256 << 30;
        (is_round && header.dictionary >= 4096 && is_size).then_some(header)
    }
}

/// A reader of what a .lzma file holds.
pub struct Lzma<R> {
    state: State<R>,
    window_most: u64,
}

enum State<R> {
    First(R),
    Data(Box<Stream<R>>),
    Over,
    Failed,
}

impl<R: BufRead> Lzma<R> {
    /// A stream that needs a dictionary of more than `window_most` bytes is refused.
    pub fn new(source: R, window_most: u64) -> Lzma<R> {
        Lzma { state: State::First(source), window_most }
    }

    fn begin(&self, mut source: R) -> io::Result<State<R>> {
        let header = input::exact(&mut source, NAME)?;
        let header = Header::parse(&header).ok_or_else(|| invalid("lzma: this is no header"))?;
        if u64::from(header.dictionary) > self.window_most {
            return Err(window_exceeded(NAME, header.dictionary.into(), self.window_most));
        }
        Stream::begin(source, &header).map(|stream| State::Data(Box::new(stream)))
    }
}

/// What follows the header.
struct Stream<R> {
    source: R,
    decoder: Decoder,
    /// Unpacked bytes that are still to come; at most, when the size is not known.
    left: u64,
    is_sized: bool,
    is_over: bool,
}

impl<R: BufRead> Stream<R> {
    fn begin(source: R, header: &Header) -> io::Result<Stream<R>> {
        let mut decoder = Decoder::new(header.dictionary);
        decoder.set_properties(header.properties);
        let is_sized = header.size != UNKNOWN;
        let mut stream = Stream { source, decoder, left: header.size, is_sized, is_over: false };
        stream.feed()?;
        stream.decoder.begin().map_err(|error| match stream.decoder.rest().len() {
            0..5 => cut(NAME),
            _ => corrupt(error),
        })?;
        Ok(stream)
    }

    /// Unpacks some; nothing at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoder.give(buffer);
            if length > 0 || self.is_over {
                return Ok(length);
            }
            self.feed()?;
            self.is_over = self.left == 0 && self.decoder.is_at_end() || self.step()?;
        }
    }

    /// Unpacks a block; whether that is the end. A stream of known size may have a marker there as well.
    fn step(&mut self) -> io::Result<bool> {
        let (length, stop) = self.decoder.unpack(self.left.max(1)).map_err(corrupt)?;
        let left = self.left.checked_sub(length as u64).ok_or_else(|| corrupt("it holds more than its header says"))?;
        self.left = left;
        match stop {
            Stop::Pause => Ok(false),
            Stop::Cut => Err(cut(NAME)),
            Stop::End if self.is_sized && left > 0 => Err(corrupt("it holds less than its header says")),
            Stop::End => self.end(),
        }
    }

    /// Behind the marker.
    fn end(&mut self) -> io::Result<bool> {
        self.feed()?;
        match self.decoder.is_at_end() {
            true => Ok(true),
            false if self.decoder.is_cut() => Err(cut(NAME)),
            false => Err(corrupt("more follows the mark of the end")),
        }
    }

    /// Takes bytes from the source until the decoder has enough for a symbol.
    fn feed(&mut self) -> io::Result<()> {
        while self.decoder.is_hungry() {
            let length = self.source.fill_buf()?.read(self.decoder.room())?;
            self.source.consume(length);
            self.decoder.add(length);
        }
        Ok(())
    }

    /// After the end: nothing, or zeros.
    fn finish(mut self) -> io::Result<()> {
        input::only_zeros(&mut self.decoder.rest().chain(&mut self.source), NAME)
    }
}

fn corrupt(what: impl std::fmt::Display) -> io::Error {
    invalid(format!("lzma: the compressed data is corrupt ({what})"))
}

impl<R: BufRead> Read for Lzma<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::First(source) => self.state = self.begin(source)?,
                State::Data(mut stream) => match stream.read(buffer)? {
                    0 => {
                        stream.finish()?;
                        self.state = State::Over;
                    }
                    length => {
                        self.state = State::Data(stream);
                        return Ok(length);
                    }
                },
                State::Over => {
                    self.state = State::Over;
                    return Ok(0);
                }
                State::Failed => return Err(invalid("lzma: the stream failed before")),
            }
        }
    }
}

/// A small stream, for the tests of all that frames one.
#[cfg(test)]
pub(super) mod sample {
    pub const TEXT: &[u8] = b"hello hello hello hello";
    /// What xz makes of it with `--format=lzma`, or `--format=raw --lzma2=dict=4KiB` in a chunk: of a known size, and with the mark
    /// of the end.
    pub const SIZED: &[u8] = &[0x00, 0x34, 0x19, 0x49, 0xee, 0x8d, 0xe9, 0x56, 0x0a, 0xb5, 0xe0, 0x00];
    pub const MARKED: &[u8] =
        &[0x00, 0x34, 0x19, 0x49, 0xee, 0x8d, 0xe9, 0x56, 0x0b, 0xd5, 0xc5, 0xa3, 0xff, 0xff, 0x78, 0xa4, 0x00, 0x00];
}

#[cfg(test)]
mod tests {
    use super::sample::{MARKED, SIZED, TEXT};
    use super::*;

    fn file(size: u64, body: &[u8]) -> Vec<u8> {
        [&[0x5d, 0, 16, 0, 0], &size.to_le_bytes()[..], body].concat()
    }

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        // A source that gives a byte at a time.
        let source = io::BufReader::with_capacity(1, bytes);
        let mut unpacked = Vec::new();
        Lzma::new(source, 1 << 20).read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    #[test]
    fn with_a_size_and_with_a_mark() {
        let size = TEXT.len() as u64;
        for (size, body) in [(size, SIZED), (size, MARKED), (UNKNOWN, MARKED)] {
            let whole = file(size, body);
            assert_eq!(unpack(&whole).unwrap(), TEXT);
            for end in 0..whole.len() {
                let error = unpack(&whole[..end]).unwrap_err();
                assert!(error.to_string().contains("cut short"), "{end}: {error}");
            }
            assert_eq!(unpack(&[&whole[..], &[0; 100]].concat()).unwrap(), TEXT);
            assert!(unpack(&[&whole[..], &[0; 100], b"x"].concat()).is_err());
        }
        assert!(unpack(&file(UNKNOWN, SIZED)).is_err());
    }

    #[test]
    fn another_size() {
        for size in (0..100).filter(|size| *size != TEXT.len() as u64) {
            for body in [SIZED, MARKED] {
                assert!(unpack(&file(size, body)).is_err(), "{size}");
            }
        }
        assert_eq!(unpack(&file(0, &[0; 5])).unwrap(), b"");
        assert!(unpack(&file(0, &[1, 0, 0, 0, 0])).unwrap_err().to_string().contains("corrupt"));
    }

    #[test]
    fn headers() {
        let mut whole = file(UNKNOWN, MARKED);
        for properties in [225, 5, 8, 4 * 9 + 1] {
            whole[0] = properties;
            assert!(unpack(&whole).unwrap_err().to_string().contains("no header"));
        }
        whole[..5].copy_from_slice(&[0x5d, 0, 0, 0, 1]);
        assert!(unpack(&whole).unwrap_err().to_string().contains("--max-window"));
    }
}
