//! The archive's bytes in their order: what is small is copied, what is large is handed on where it is.

use crate::error::{Error, Result};
use crate::stream::slice::{Slice, Slices};
use crate::stream::tar::header::BLOCK;
use std::io::Read;

pub struct Input<'a> {
    /// Of one type whatever it is: what reads archives is in the program once.
    source: Box<dyn Slices + 'a>,
    /// What was read and not yet taken.
    rest: Slice,
    /// Bytes taken since the beginning.
    position: u64,
}

impl<'a> Input<'a> {
    pub fn new(source: Box<dyn Slices + 'a>) -> Input<'a> {
        Input { source, rest: Slice::default(), position: 0 }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes as they are in memory, at most `most`. Errors: `Invalid` when the archive ends here.
    pub fn slice(&mut self, most: usize) -> Result<Slice> {
        if most > 0 && !self.refill()? {
            return Err(self.cut());
        }
        let slice = self.rest.take_front(most);
        self.position += slice.len() as u64;
        Ok(slice)
    }

    /// Fills `out` as far as the archive goes, and says how far that was.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < out.len() && self.refill()? {
            filled += self.rest.read(out.get_mut(filled..).unwrap_or_default())?;
        }
        self.position += filled as u64;
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
            let taken = usize::try_from(count).unwrap_or(usize::MAX).min(self.rest.len());
            self.take(taken);
            count -= taken as u64;
        }
        Ok(count)
    }

    fn take(&mut self, count: usize) {
        self.rest.skip(count);
        self.position += count as u64;
    }

    /// The next bytes without taking them: fewer than `count` only at the end. `count` is small.
    pub fn peek(&mut self, count: usize) -> Result<&[u8]> {
        while self.rest.len() < count {
            let next = next(&mut self.source)?;
            if next.is_empty() {
                break;
            }
            self.rest = [&*self.rest, &*next].concat().into();
        }
        Ok(self.rest.get(..count).unwrap_or(&self.rest))
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
            let found = self.rest.iter().position(|byte| is_it(*byte));
            self.take(found.unwrap_or(self.rest.len()));
            if found.is_some() {
                return Ok((true, self.position - began));
            }
        }
        Ok((false, self.position - began))
    }

    /// Sees to it that something is at hand; false at the end.
    fn refill(&mut self) -> Result<bool> {
        if self.rest.is_empty() {
            // Before the reading, which may wait for its buffer.
            self.rest = Slice::default();
            self.rest = next(&mut self.source)?;
        }
        Ok(!self.rest.is_empty())
    }

    fn cut(&self) -> Error {
        Error::invalid(format!("the archive is cut short: it ends at byte {}, inside an entry", self.position))
    }
}

fn next(source: &mut impl Slices) -> Result<Slice> {
    source.slice().map_err(ours)
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
    use crate::stream::slice::Buffered;
    use std::io::{self, ErrorKind};

    const BUFFER: usize = 128 << 10;

    fn input<'a>(source: impl Read + 'a) -> Input<'a> {
        Input::new(Box::new(Buffered::new(source, usize::MAX, BUFFER)))
    }

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
            let mut input = input(Slow(all.clone(), piece, false));
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
    fn slices_are_what_is_there_and_no_more_than_was_asked_for() {
        let all = bytes(BUFFER + 100);
        let mut input = input(&all[..]);
        assert_eq!(*input.slice(0).unwrap(), *b"");
        assert_eq!(*input.slice(300).unwrap(), all[..300]);
        assert_eq!(*input.slice(usize::MAX).unwrap(), all[300..BUFFER]);
        assert_eq!(*input.slice(usize::MAX).unwrap(), all[BUFFER..]);
        assert_eq!((input.position(), input.slice(0).unwrap().len()), (all.len() as u64, 0));
        assert!(input.slice(1).is_err());
    }

    #[test]
    fn zeros_to_the_end_and_what_is_none() {
        let mut zeros = vec![0; BUFFER + 5];
        assert!(!input(&zeros[..]).pass_zeros().unwrap());
        zeros.push(1);
        let mut input = input(&zeros[..]);
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
        let error = input(Broken).exact(&mut [0; 4]).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::TimedOut, "stalled"));
    }
}
