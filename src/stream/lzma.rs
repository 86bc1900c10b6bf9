//! .lzma, the format before xz: a header of 13 bytes, then one LZMA stream that ends at the header's size or at a marker.

use crate::stream::decompress::window_exceeded;
use crate::stream::{input, invalid};
use lzma_rust2::LzmaReader;
use std::io::{self, BufRead, Read};

const NAME: &str = "lzma";
const UNKNOWN: u64 = u64::MAX;

/// The header: properties, dictionary size, unpacked size.
pub struct Header {
    properties: u8,
    dictionary: u32,
    size: u64,
}

impl Header {
    pub const LENGTH: usize = 13;

    /// None when these are not values that an encoder writes. The format has no magic, so this is also how it is told:
    /// as `file` and xz do, by a dictionary of 2^n or 2^n + 2^(n-1) bytes and a size below 256 GiB.
    pub fn parse(bytes: &[u8; Header::LENGTH]) -> Option<Header> {
        let [properties, d0, d1, d2, d3, size @ ..] = *bytes;
        let header =
            Header { properties, dictionary: u32::from_le_bytes([d0, d1, d2, d3]), size: u64::from_le_bytes(size) };
        let top = header.dictionary.checked_ilog2()?;
        let rest = header.dictionary - (1 << top);
        let is_round = rest == 0 || rest == 1 << (top - 1).min(31);
        let is_size = header.size == UNKNOWN || header.size < 256 << 30;
        // Like liblzma: lc + lp is at most 4, else the model alone takes megabytes.
        let (lc, lp) = (properties % 9, properties / 9 % 5);
        (properties < 9 * 5 * 5 && lc + lp <= 4 && is_round && header.dictionary >= 4096 && is_size).then_some(header)
    }
}

/// A reader of what a .lzma file holds.
pub struct Lzma<R> {
    state: State<R>,
    window_most: u64,
}

enum State<R> {
    First(R),
    Data(Box<LzmaReader<R>>),
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
        let mut reader = LzmaReader::new_with_props(source, header.size, header.properties, header.dictionary, None)
            .map_err(corrupt)?;
        // Else the last bytes of the range coder could be missing.
        reader.set_relaxed_end_condition(false);
        Ok(State::Data(Box::new(reader)))
    }
}

/// After the end: nothing, or zeros.
fn finish<R: BufRead>(reader: LzmaReader<R>) -> io::Result<()> {
    let (source, unused) = reader.into_parts();
    input::only_zeros(&mut unused.chain(source), NAME)
}

fn corrupt(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => crate::stream::cut(NAME),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            if error.get_ref().is_none_or(|it| !it.is::<crate::error::Error>()) =>
        {
            invalid(format!("lzma: the compressed data is corrupt ({error})"))
        }
        _ => error,
    }
}

impl<R: BufRead> Read for Lzma<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::First(source) => self.state = self.begin(source)?,
                State::Data(mut reader) => match reader.read(buffer).map_err(corrupt)? {
                    0 => {
                        finish(*reader)?;
                        self.state = State::Over;
                    }
                    length => {
                        self.state = State::Data(reader);
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
