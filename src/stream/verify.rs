//! Hashing what passes, and the verdict at its end.

use crate::error::{Error, Result};
use crate::stream::slice::{Slice, Slices};
use std::io::{self, Read};

/// What the verifier of a stream is shown.
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    /// The stream is over: the verdict, please.
    End,
}

/// A reader that shows a hasher all that passes. The end is given to the reader only when the hasher agrees.
pub struct Verify<R, F> {
    source: R,
    verifier: F,
    is_over: bool,
}

impl<R: Read, F: FnMut(Piece<'_>) -> Result<()>> Verify<R, F> {
    pub fn new(source: R, verifier: F) -> Verify<R, F> {
        Verify { source, verifier, is_over: false }
    }
}

impl<R, F: FnMut(Piece<'_>) -> Result<()>> Verify<R, F> {
    /// Goes on with what comes of its source.
    pub fn map<S>(self, change: impl FnOnce(R) -> io::Result<S>) -> io::Result<Verify<S, F>> {
        let Verify { source, verifier, is_over } = self;
        Ok(Verify { source: change(source)?, verifier, is_over })
    }

    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        let piece = if bytes.is_empty() { Piece::End } else { Piece::Bytes(bytes) };
        (self.verifier)(piece).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.is_over = bytes.is_empty();
        Ok(())
    }
}

impl<R: Read, F: FnMut(Piece<'_>) -> Result<()>> Read for Verify<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over || buffer.is_empty() {
            return Ok(0);
        }
        let length = self.source.read(buffer)?;
        self.show(buffer.get(..length).unwrap_or_default()).map(|()| length)
    }
}

impl<R: Slices, F: FnMut(Piece<'_>) -> Result<()>> Slices for Verify<R, F> {
    fn slice(&mut self) -> io::Result<Slice> {
        if self.is_over {
            return Ok(Slice::default());
        }
        let slice = self.source.slice()?;
        self.show(&slice).map(|()| slice)
    }
}

/// The error of bytes that are not the ones that were meant; `origin` says where the expected digest came from.
pub fn mismatch(expected: &str, found: &str, origin: &str) -> Error {
    Error::invalid(format!("the digest is {found}, expected {expected} ({origin})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the bytes up; the sum is the digest.
    fn read(bytes: &[u8], expected: u32) -> io::Result<usize> {
        let mut sum = 0;
        let verifier = move |piece: Piece<'_>| match piece {
            Piece::Bytes(bytes) => {
                sum += bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
                Ok(())
            }
            Piece::End if sum == expected => Ok(()),
            Piece::End => Err(mismatch(&expected.to_string(), &sum.to_string(), "the test")),
        };
        Verify::new(bytes, verifier).read_to_end(&mut Vec::new())
    }

    #[test]
    fn the_end_comes_with_the_verdict() {
        assert_eq!(read(b"abc", 294).unwrap(), 3);
        assert_eq!(read(b"", 0).unwrap(), 0);
        let error = read(b"ab", 294).unwrap_err().to_string();
        assert_eq!(error, "the digest is 195, expected 294 (the test)");
        assert!(read(b"abca", 294).is_err());
    }
}
