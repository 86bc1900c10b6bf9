//! Looking at the first bytes of a stream without taking them.

use crate::stream::slice::{Slice, Slices};
use std::io::{self, BufRead, Read};

/// A reader whose next bytes can be looked at before they are read.
pub struct Peek<R> {
    source: R,
    seen: Vec<u8>,
    /// How much of `seen` was read since.
    at: usize,
}

impl<R: Read> Peek<R> {
    pub fn new(source: R) -> Peek<R> {
        Peek { source, seen: Vec::new(), at: 0 }
    }

    /// The next `most` bytes; fewer only where the stream ends before.
    pub fn peek(&mut self, most: usize) -> io::Result<&[u8]> {
        self.seen.drain(..self.at);
        self.at = 0;
        let missing = most.saturating_sub(self.seen.len());
        // Keeps what it got when an error comes, and tries again after EINTR.
        (&mut self.source).take(missing as u64).read_to_end(&mut self.seen)?;
        Ok(self.seen.get(..most).unwrap_or(&self.seen))
    }

    fn rest(&self) -> &[u8] {
        self.seen.get(self.at..).unwrap_or(&[])
    }
}

impl<R> Peek<R> {
    /// Goes on with what comes of its source.
    pub fn map<S>(self, change: impl FnOnce(R) -> io::Result<S>) -> io::Result<Peek<S>> {
        let Peek { source, seen, at } = self;
        Ok(Peek { source: change(source)?, seen, at })
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest();
        if rest.is_empty() {
            self.seen = Vec::new();
            self.at = 0;
            return self.source.read(buffer);
        }
        let length = rest.read(buffer)?;
        self.at += length;
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() { self.source.fill_buf() } else { Ok(self.rest()) }
    }

    fn consume(&mut self, amount: usize) {
        if self.rest().is_empty() {
            self.source.consume(amount);
        } else {
            self.at += amount;
        }
    }
}

impl<R: Slices> Slices for Peek<R> {
    fn slice(&mut self) -> io::Result<Slice> {
        if self.rest().is_empty() {
            return self.source.slice();
        }
        let mut seen = Slice::from(std::mem::take(&mut self.seen));
        seen.skip(std::mem::take(&mut self.at));
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_read_again() {
        let mut peek = Peek::new(&b"abcdef"[..]);
        assert_eq!(peek.peek(2).unwrap(), b"ab");
        assert_eq!(peek.peek(4).unwrap(), b"abcd");
        let mut three = [0; 3];
        peek.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"abc");
        assert_eq!(peek.peek(70 << 10).unwrap(), b"def");
        let mut rest = String::new();
        peek.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "def");
        assert_eq!(peek.peek(1).unwrap(), b"");
    }

    #[test]
    fn a_short_look_at_more_that_is_there() {
        let mut peek = Peek::new(&b"abcdef"[..]);
        peek.peek(6).unwrap();
        assert_eq!(peek.peek(1).unwrap(), b"a");
        assert_eq!(peek.fill_buf().unwrap(), b"abcdef");
        peek.consume(6);
        assert_eq!(peek.fill_buf().unwrap(), b"");
    }
}
