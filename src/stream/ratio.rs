//! A guard against bombs: more bytes come out of a decoder for each that went in than any honest stream has.

use crate::stream::count::Counter;
use crate::stream::invalid;
use crate::stream::slice::{Slice, Slices};
use std::io::{self, Read};

/// So much may come out of whatever went in: a small stream's ratio says nothing, and does no harm.
const FREE: u64 = 64 << 20;

/// A decoder's output, held against what was taken from its source.
pub struct Ratio<R> {
    source: R,
    taken: Counter,
    given: u64,
    most: u64,
}

impl<R: Read> Ratio<R> {
    /// `taken` counts the decoder's source; `most` bytes may come out for each of its bytes.
    pub fn new(source: R, taken: Counter, most: u64) -> Ratio<R> {
        Ratio { source, taken, given: 0, most }
    }
}

impl<R> Ratio<R> {
    fn count(&mut self, length: usize) -> io::Result<()> {
        self.given = self.given.saturating_add(length as u64);
        let taken = self.taken.get();
        if self.given > taken.saturating_mul(self.most).max(FREE) {
            let given = self.given;
            return Err(invalid(format!(
                "{taken} bytes unpack to {given} and more, over {} for each: a decompression bomb (--max-ratio moves the bound)",
                self.most
            )));
        }
        Ok(())
    }
}

impl<R: Read> Read for Ratio<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.count(length).map(|()| length)
    }
}

impl<R: Slices> Slices for Ratio<R> {
    fn slice(&mut self) -> io::Result<Slice> {
        let slice = self.source.slice()?;
        self.count(slice.len()).map(|()| slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::count::Count;

    /// A source of `taken` bytes, beside a decoder that gives `given`.
    fn decode(taken: u64, given: u64, most: u64) -> io::Result<u64> {
        let counter = Counter::default();
        io::copy(&mut Count::new(io::repeat(0).take(taken), counter.clone()), &mut io::sink()).unwrap();
        io::copy(&mut Ratio::new(io::repeat(0).take(given), counter, most), &mut io::sink())
    }

    #[test]
    fn a_bomb_is_told_by_its_ratio() {
        let error = decode(1000, FREE + 1, 2000).unwrap_err().to_string();
        assert!(error.contains("bomb") && error.contains("--max-ratio"), "{error}");
        assert_eq!(decode(1000, FREE, 2000).unwrap(), FREE);
        assert_eq!(decode(1 << 20, FREE + 1, 100).unwrap(), FREE + 1);
    }
}
