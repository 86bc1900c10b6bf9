//! What lies around the blocks of xz: stream headers and footers, index and padding (sections 2, 4 and 5 of
//! `xz-file-format.txt`). All of it is checked.

use crate::stream::xz::block::{Sizes, padding};
use crate::stream::xz::check;
use crate::stream::xz::header::{BlockHeader, number};
use crate::stream::{input, invalid};
use codec::crc64::Crc64;
use std::io::{self, BufRead};
use zlib_rs::crc32::crc32;

pub const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

const FOOTER_MAGIC: [u8; 2] = *b"YZ";
const NAME: &str = "xz";

/// A source of streams, one after the other, that stops before the data of each block.
pub struct Framing<R> {
    pub source: R,
    state: State,
    /// Of the stream that is being read.
    flags: [u8; 2],
    pub check: check::Kind,
    blocks: Records,
}

#[derive(Clone, Copy)]
enum State {
    First,
    InStream,
    Between,
}

/// The sizes of all blocks so far. Their sum is enough to compare two lists of them, however long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Records {
    count: u64,
    sum: Crc64,
}

impl Records {
    fn add(&mut self, sizes: Sizes) {
        self.count += 1;
        self.sum.update(&sizes.unpadded.to_le_bytes());
        self.sum.update(&sizes.uncompressed.to_le_bytes());
    }
}

impl<R: BufRead> Framing<R> {
    pub fn new(source: R) -> Framing<R> {
        let blocks = Records::default();
        Framing { source, state: State::First, flags: [0; 2], check: check::Kind::None, blocks }
    }

    /// The header of the next block, whose data, padding and check are then to be taken from the source. None at the end.
    pub fn next_block(&mut self) -> io::Result<Option<BlockHeader>> {
        loop {
            match self.state {
                State::First => self.begin_stream()?,
                State::InStream => match self.block_header()? {
                    Some(header) => return Ok(Some(header)),
                    None => self.end_stream()?,
                },
                State::Between => match self.is_over()? {
                    true => return Ok(None),
                    false => self.begin_stream()?,
                },
            }
        }
    }

    /// Says what the block just taken was.
    pub fn add_block(&mut self, sizes: Sizes) {
        self.blocks.add(sizes);
    }

    fn begin_stream(&mut self) -> io::Result<()> {
        let magic: [u8; 6] = input::exact(&mut self.source, NAME)?;
        if magic != MAGIC {
            return Err(invalid(format!("xz: {magic:02x?} is no beginning of a stream: garbage follows the last one")));
        }
        let flags = input::exact(&mut self.source, NAME)?;
        if crc32(0, &flags) != u32::from_le_bytes(input::exact(&mut self.source, NAME)?) {
            return Err(invalid("xz: the checksum of a stream header is wrong"));
        }
        let [0, check @ 0..16] = flags else {
            return Err(invalid(format!("xz: unknown stream flags {flags:02x?}")));
        };
        self.check = check::Kind::parse(check)?;
        self.flags = flags;
        self.blocks = Records::default();
        self.state = State::InStream;
        Ok(())
    }

    fn block_header(&mut self) -> io::Result<Option<BlockHeader>> {
        let [size] = input::exact(&mut self.source, NAME)?;
        if size == 0 {
            return Ok(None);
        }
        let mut header = vec![size; (usize::from(size) + 1) * 4];
        input::fill(&mut self.source, header.get_mut(1..).unwrap_or_default(), NAME)?;
        BlockHeader::parse(&header).map(Some)
    }

    /// The index, after its first byte, and the footer.
    fn end_stream(&mut self) -> io::Result<()> {
        let mut index = Index { source: &mut self.source, crc: crc32(0, &[0]), length: 1 };
        let count = index.number()?;
        let mut records = Records::default();
        for _ in 0..count {
            let sizes = Sizes { unpadded: index.number()?, uncompressed: index.number()? };
            records.add(sizes);
            if records.count > self.blocks.count {
                break;
            }
        }
        if records != self.blocks || count != self.blocks.count {
            return Err(invalid("xz: the index does not list the blocks that were there"));
        }
        let length = index.finish()?;
        self.footer(length)?;
        self.state = State::Between;
        Ok(())
    }

    fn footer(&mut self, index_length: u64) -> io::Result<()> {
        let crc = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        let body: [u8; 6] = input::exact(&mut self.source, NAME)?;
        let magic = input::exact(&mut self.source, NAME)?;
        let [b0, b1, b2, b3, flags @ ..] = body;
        let backward = (u64::from(u32::from_le_bytes([b0, b1, b2, b3])) + 1) * 4;
        if magic != FOOTER_MAGIC || crc32(0, &body) != crc || flags != self.flags || backward != index_length {
            return Err(invalid("xz: a stream's footer does not fit it"));
        }
        Ok(())
    }

    /// Whether nothing but padding follows the stream.
    fn is_over(&mut self) -> io::Result<bool> {
        let mut zeros = 0u64;
        let is_end = loop {
            let bytes = self.source.fill_buf()?;
            let run = bytes.iter().take_while(|byte| **byte == 0).count();
            zeros += run as u64;
            if run < bytes.len() || bytes.is_empty() {
                break bytes.is_empty();
            }
            self.source.consume(run);
        };
        let (bytes, run) = (self.source.fill_buf()?, zeros);
        let here = bytes.iter().take_while(|byte| **byte == 0).count();
        self.source.consume(here);
        if run % 4 == 0 {
            Ok(is_end)
        } else {
            Err(invalid(format!("xz: {run} bytes of padding after a stream, which is no multiple of four")))
        }
    }
}

/// An index, summed up as it is read.
struct Index<'a, R> {
    source: &'a mut R,
    crc: u32,
    length: u64,
}

impl<R: BufRead> Index<'_, R> {
    fn byte(&mut self) -> io::Result<u8> {
        let [byte] = input::exact(self.source, NAME)?;
        self.crc = crc32(self.crc, &[byte]);
        self.length += 1;
        Ok(byte)
    }

    fn number(&mut self) -> io::Result<u64> {
        number(|| self.byte())
    }

    /// Padding and checksum; the length of all.
    fn finish(mut self) -> io::Result<u64> {
        for _ in 0..padding(self.length) {
            if self.byte()? != 0 {
                return Err(invalid("xz: the padding of the index is not zero"));
            }
        }
        if u32::from_le_bytes(input::exact(self.source, NAME)?) != self.crc {
            return Err(invalid("xz: the checksum of the index is wrong"));
        }
        Ok(self.length + 4)
    }
}
