//! One xz block: LZMA2, the filters before it, padding and check (section 3 of `xz-file-format.txt`).

use crate::stream::xz::check::{self, Sum};
use crate::stream::xz::header::BlockHeader;
use crate::stream::{cut, input, invalid};
use lzma_rust2::filter::StreamFilter;
use lzma_rust2::{Action, Lzma2Stream, Status};
use std::io::{self, BufRead, Read};

const NAME: &str = "xz";

/// A block that is being decoded. Its source is given anew to each call.
pub struct Block {
    header: BlockHeader,
    check: check::Kind,
    sum: Sum,
    lzma2: Lzma2Stream,
    chain: Chain,
    /// Compressed bytes taken, unpacked bytes given.
    taken: u64,
    given: u64,
}

/// The sizes of a block as the index repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub unpadded: u64,
    pub uncompressed: u64,
}

impl Block {
    pub fn new(header: BlockHeader, check: check::Kind) -> io::Result<Block> {
        let lzma2 = Lzma2Stream::new(header.dictionary);
        let chain = Chain::new(&header)?;
        Ok(Block { header, check, sum: Sum::new(check), lzma2, chain, taken: 0, given: 0 })
    }

    /// Unpacks some; nothing when the block is at its end, with all its sums right.
    pub fn read(&mut self, source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match self.chain.stages.is_empty() {
            true => self.unpack(source, buffer)?,
            false => self.unpack_filtered(source, buffer)?,
        };
        self.given += length as u64;
        if self.header.uncompressed.is_some_and(|most| self.given > most) {
            return Err(invalid("xz: a block holds more than its header says"));
        }
        self.sum.update(buffer.get(..length).unwrap_or_default());
        if length == 0 {
            self.finish(source)?;
        }
        Ok(length)
    }

    fn unpack_filtered(&mut self, source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.chain.ready.as_slice().read(buffer)?;
            self.chain.ready.drain(..length);
            if length > 0 || self.chain.is_over {
                return Ok(length);
            }
            let mut bytes = vec![0; buffer.len().clamp(4096, 64 << 10)];
            let length = self.unpack(source, &mut bytes)?;
            bytes.truncate(length);
            self.chain.add(bytes);
        }
    }

    /// What LZMA2 gives; nothing at its end.
    fn unpack(&mut self, source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.lzma2.is_finished() {
            let bytes = source.fill_buf()?;
            let is_end = bytes.is_empty();
            let result = self.lzma2.process(bytes, buffer, Action::Run).map_err(corrupt)?;
            source.consume(result.bytes_consumed);
            self.taken += result.bytes_consumed as u64;
            if result.bytes_produced > 0 {
                return Ok(result.bytes_produced);
            }
            match result.status {
                Status::StreamEnd => break,
                Status::Ok if is_end => return Err(cut(NAME)),
                Status::Ok if result.bytes_consumed == 0 => {
                    return Err(invalid("xz: the compressed data leads nowhere"));
                }
                Status::Ok => {}
            }
        }
        Ok(0)
    }

    /// Padding, check, and the sizes that the header promised.
    fn finish(&mut self, source: &mut impl BufRead) -> io::Result<()> {
        let is = |promised: Option<u64>, found: u64| promised.is_none_or(|promised| promised == found);
        if !is(self.header.compressed, self.taken) || !is(self.header.uncompressed, self.given) {
            return Err(invalid(format!(
                "xz: a block is {} bytes for {}, not as its header says",
                self.taken, self.given
            )));
        }
        for _ in 0..padding(self.taken) {
            if input::exact(source, NAME)? != [0] {
                return Err(invalid("xz: the padding of a block is not zero"));
            }
        }
        let mut field = vec![0; self.check.length()];
        input::fill(source, &mut field, NAME)?;
        if std::mem::replace(&mut self.sum, Sum::None).field() != field {
            return Err(invalid("xz: the check of a block is wrong"));
        }
        Ok(())
    }

    pub fn sizes(&self) -> Sizes {
        sizes(&self.header, self.taken, self.given, self.check)
    }
}

/// What the index says of a block with these sizes.
pub fn sizes(header: &BlockHeader, compressed: u64, uncompressed: u64, check: check::Kind) -> Sizes {
    Sizes { unpadded: header.length.saturating_add(compressed).saturating_add(check.length() as u64), uncompressed }
}

/// Zeros that make a multiple of four.
pub fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 4
}

fn corrupt(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => error,
        _ => invalid(format!("xz: the compressed data is corrupt ({error})")),
    }
}

/// The filters behind LZMA2, each with the bytes that it cannot decide on yet.
struct Chain {
    stages: Vec<(StreamFilter, Vec<u8>)>,
    ready: Vec<u8>,
    is_over: bool,
}

impl Chain {
    fn new(header: &BlockHeader) -> io::Result<Chain> {
        let mut stages = Vec::new();
        for filter in &header.filters {
            stages.push((StreamFilter::new(filter)?, Vec::new()));
        }
        Ok(Chain { stages, ready: Vec::new(), is_over: false })
    }

    /// Takes what LZMA2 gave; nothing means that this is all.
    fn add(&mut self, mut bytes: Vec<u8>) {
        self.is_over = bytes.is_empty();
        for (filter, held) in &mut self.stages {
            held.append(&mut bytes);
            let mut settled = filter.decode(held).min(held.len());
            if self.is_over {
                // Nothing follows: what is held back stays as it is.
                filter.finish();
                settled = held.len();
            }
            bytes = held.drain(..settled).collect();
        }
        self.ready.append(&mut bytes);
    }
}
