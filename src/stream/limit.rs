//! An end for streams that have none: past so many bytes reading is an error.

use crate::stream::invalid;
use std::io::{self, Read};

/// A reader of at most so many bytes. One that ends there is whole; one that goes on is refused.
pub struct Limit<R> {
    source: R,
    left: u64,
    bound: Bound,
}

/// A bound as its error names it.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What is bounded: "the bytes of a layer".
    pub what: &'static str,
    pub most: u64,
    /// The flag that moves it, without dashes.
    pub flag: &'static str,
}

impl Bound {
    pub fn exceeded(&self) -> io::Error {
        invalid(format!("{} are more than {} (--{} moves the bound)", self.what, self.most, self.flag))
    }
}

impl<R: Read> Limit<R> {
    pub fn new(source: R, bound: Bound) -> Limit<R> {
        Limit { source, left: bound.most, bound }
    }
}

impl<R: Read> Read for Limit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than may be, to see whether it is there.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.source.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| self.bound.exceeded())?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(most: u64) -> io::Result<usize> {
        let bound = Bound { what: "bytes of the test", most, flag: "max-test" };
        Limit::new(&b"abcdef"[..], bound).read_to_end(&mut Vec::new())
    }

    #[test]
    fn whole_one_short_and_one_long() {
        assert_eq!(read(7).unwrap(), 6);
        assert_eq!(read(6).unwrap(), 6);
        let error = read(5).unwrap_err().to_string();
        assert!(error.contains("more than 5") && error.contains("--max-test"), "{error}");
        assert!(read(0).is_err());
        assert_eq!(read(u64::MAX).unwrap(), 6);
    }
}
