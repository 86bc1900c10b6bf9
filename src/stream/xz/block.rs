//! One xz block: LZMA2, the filters before it, padding and check (section 3 of `xz-file-format.txt`).

use crate::stream::xz::check::{self, Sum};
use crate::stream::xz::header::BlockHeader;
use crate::stream::xz::lzma2::Lzma2;
use crate::stream::{input, invalid};
use lzma_rust2::filter::StreamFilter;
use std::io::{self, BufRead, Read};

const NAME: &str = "xz";

/// A block that is being decoded. Its source is given anew to each call.
pub struct Block {
    header: BlockHeader,
    check: check::Kind,
    sum: Sum,
    lzma2: Lzma2,
    chain: Chain,
    /// Unpacked bytes given.
    given: u64,
}

/// The sizes of a block as the index repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub unpadded: u64,
    pub uncompressed: u64,
}

impl Block {
    /// With a decoder that is new, or that another block had.
    pub fn new(header: BlockHeader, check: check::Kind, mut lzma2: Lzma2) -> io::Result<Block> {
        lzma2.renew(header.dictionary);
        let chain = Chain::new(&header)?;
        Ok(Block { header, check, sum: Sum::new(check), lzma2, chain, given: 0 })
    }

    /// Unpacks some; nothing when the block is at its end, with all its sums right.
    pub fn read(&mut self, source: &mut dyn BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match self.chain.stages.is_empty() {
            true => self.lzma2.read(source, buffer)?,
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

    fn unpack_filtered(&mut self, source: &mut dyn BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.chain.ready.as_slice().read(buffer)?;
            self.chain.ready.drain(..length);
            if length > 0 || self.chain.is_over {
                return Ok(length);
            }
            let mut bytes = vec![0; buffer.len().clamp(4096, 64 << 10)];
            let length = self.lzma2.read(source, &mut bytes)?;
            bytes.truncate(length);
            self.chain.add(bytes);
        }
    }

    /// Padding, check, and the sizes that the header promised.
    fn finish(&mut self, source: &mut dyn BufRead) -> io::Result<()> {
        let is = |promised: Option<u64>, found: u64| promised.is_none_or(|promised| promised == found);
        let taken = self.lzma2.taken();
        if !is(self.header.compressed, taken) || !is(self.header.uncompressed, self.given) {
            return Err(invalid(format!("xz: a block is {taken} bytes for {}, not as its header says", self.given)));
        }
        for _ in 0..padding(taken) {
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
        sizes(&self.header, self.lzma2.taken(), self.given, self.check)
    }

    pub fn into_decoder(self) -> Lzma2 {
        self.lzma2
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
