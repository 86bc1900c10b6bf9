//! The archive's bytes in their order: small pieces come through a buffer, large ones go straight to who wants them.

use crate::error::{Error, Result};
use crate::stream::tar::header::BLOCK;
use std::io::{ErrorKind, Read};

/// A source that is a file is asked in pieces of this size for headers and small files.
const BUFFER: usize = 128 << 10;

pub struct Input<'a> {
    /// Of one type whatever it is: what reads archives is in the program once.
    source: Box<dyn Read + 'a>,
    buffer: Box<[u8]>,
    /// What of the buffer was read and not yet taken.
    start: usize,
    end: usize,
    /// Bytes taken since the beginning.
    position: u64,
}

impl<'a> Input<'a> {
    pub fn new(source: impl Read + 'a) -> Input<'a> {
        let source = Box::new(source);
        Input { source, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0, position: 0 }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills `out` as far as the archive goes, and says how far that was.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = if self.start == self.end && rest.len() >= self.buffer.len() {
                read(&mut self.source, rest)?
            } else {
                self.refill()?;
                self.copy(rest)
            };
            if count == 0 {
                break;
            }
            filled += count;
            self.position += count as u64;
        }
        Ok(filled)
    }

    /// Fills all of `out`. Errors: `Invalid` when the archive ends before.
    pub fn exact(&mut self, out: &mut [u8]) -> Result<()> {
        if self.fill(out)? == out.len() { Ok(()) } else { Err(self.cut()) }
    }

    pub fn skip(&mut self, count: u64) -> Result<()> {
        if self.pass(count)? == 0 { Ok(()) } else { Err(self.cut()) }
    }

    /// The same, but where the source ends the filling of its last block may be missing.
    pub fn skip_unfilled(&mut self, count: u64) -> Result<()> {
        if self.pass(count)? < BLOCK as u64 { Ok(()) } else { Err(self.cut()) }
    }

    /// Passes over so many bytes, and says how many the source did not have.
    fn pass(&mut self, mut count: u64) -> Result<u64> {
        while count > 0 && self.refill()? {
            let taken = usize::try_from(count).unwrap_or(usize::MAX).min(self.end - self.start);
            self.start += taken;
            self.position += taken as u64;
            count -= taken as u64;
        }
        Ok(count)
    }

    /// The next bytes without taking them: fewer than `count` only at the end. `count` is small.
    pub fn peek(&mut self, count: usize) -> Result<&[u8]> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < count {
            match read(&mut self.source, &mut self.buffer[self.end..])? {
                0 => break,
                got => self.end += got,
            }
        }
        Ok(&self.buffer[..self.end.min(count)])
    }

    /// Passes over zeros; whether something else stands behind them.
    pub fn pass_zeros(&mut self) -> Result<bool> {
        self.pass_until(|byte| byte != 0).map(|(found, _)| found)
    }

    /// Passes over a text and the NUL that ends it, and says how long the text was. None when nothing ends it.
    pub fn pass_text(&mut self) -> Result<Option<u64>> {
        let (found, length) = self.pass_until(|byte| byte == 0)?;
        self.pass(u64::from(found))?;
        Ok(found.then_some(length))
    }

    /// Whether there was such a byte, and how many others stood before it.
    fn pass_until(&mut self, is_it: impl Fn(u8) -> bool) -> Result<(bool, u64)> {
        let began = self.position;
        while self.refill()? {
            let rest = &self.buffer[self.start..self.end];
            let found = rest.iter().position(|byte| is_it(*byte));
            let passed = found.unwrap_or(rest.len());
            self.start += passed;
            self.position += passed as u64;
            if found.is_some() {
                return Ok((true, self.position - began));
            }
        }
        Ok((false, self.position - began))
    }

    fn copy(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.end - self.start);
        out[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
        self.start += count;
        count
    }

    /// Sees to it that the buffer holds something; false at the end.
    fn refill(&mut self) -> Result<bool> {
        if self.start == self.end {
            self.start = 0;
            // Before the reading: after an error there is nothing in it.
            self.end = 0;
            self.end = read(&mut self.source, &mut self.buffer)?;
        }
        Ok(self.start < self.end)
    }

    fn cut(&self) -> Error {
        Error::invalid(format!("the archive is cut short: it ends at byte {}, inside an entry", self.position))
    }
}

fn read(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(buffer) {
            // A source that lies about how much it gave must not lead past the buffer.
            Ok(count) => return Ok(count.min(buffer.len())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(ours(error)),
        }
    }
}

/// A decoder's own error comes wrapped; its kind is kept.
fn ours(error: std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => inner.clone(),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::io;

    /// Gives at most so many bytes at once, and is interrupted every other time.
    struct Slow(Vec<u8>, usize, bool);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(ErrorKind::Interrupted.into());
            }
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    #[test]
    fn every_way_of_taking_gives_the_same_bytes() {
        let all = bytes(3 * BUFFER + 17);
        for piece in [1000, BUFFER, usize::MAX] {
            let mut input = Input::new(Slow(all.clone(), piece, false));
            assert_eq!(input.peek(512).unwrap(), &all[..512]);
            let mut small = [0; 300];
            input.exact(&mut small).unwrap();
            assert_eq!(small, all[..300]);
            assert_eq!(input.peek(512).unwrap(), &all[300..812]);
            input.skip(700).unwrap();
            let mut large = vec![0; 2 * BUFFER];
            input.exact(&mut large).unwrap();
            assert_eq!(large, all[1000..1000 + large.len()]);
            let mut rest = vec![0; 2 * BUFFER];
            assert_eq!(input.fill(&mut rest).unwrap(), BUFFER + 17 - 1000);
            assert_eq!(input.position(), all.len() as u64);
            assert_eq!(input.peek(512).unwrap(), b"");
            assert!(input.exact(&mut small).is_err() && input.skip(1).is_err());
        }
    }

    #[test]
    fn zeros_to_the_end_and_what_is_none() {
        let mut zeros = vec![0; BUFFER + 5];
        assert!(!Input::new(&zeros[..]).pass_zeros().unwrap());
        zeros.push(1);
        let mut input = Input::new(&zeros[..]);
        assert_eq!((input.pass_zeros().unwrap(), input.position()), (true, BUFFER as u64 + 5));
    }

    #[test]
    fn the_error_of_a_decoder_keeps_its_kind() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(ErrorKind::InvalidData, Error::new(Kind::TimedOut, "stalled")))
            }
        }
        let error = Input::new(Broken).exact(&mut [0; 4]).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::TimedOut, "stalled"));
    }
}
