//! The chunked framing of a body (RFC 9112, 7.1), a byte at a time where it is framing. Pure.

use crate::error::{Error, Result};

/// Hexadecimal digits of one chunk's size: what a u64 holds.
const DIGITS_MAX: u8 = 16;
/// The bytes of one chunk's extensions, and of all trailers together. Nobody sends any; many are an attack.
const EXTRA_MAX: usize = 8 << 10;

#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The size of the chunk that is being read, or what is left of it.
    left: u64,
    digits: u8,
    /// Bytes of extensions in this chunk, or of trailers.
    extra: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    Done,
}

/// What one call of [`Decoder::feed`] did.
#[derive(Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes of the input that are used up.
    pub taken: usize,
    /// Bytes of the output that are filled.
    pub given: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { state: State::Size, left: 0, digits: 0, extra: 0 }
    }
}

impl Decoder {
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads framing until there is data, then as much of it as both sides have. An empty `output` takes nothing.
    pub fn feed(&mut self, input: &[u8], output: &mut [u8]) -> Result<Fed> {
        let mut fed = Fed { taken: 0, given: 0 };
        if output.is_empty() {
            return Ok(fed);
        }
        while let Some(byte) = input.get(fed.taken) {
            match self.state {
                State::Done => break,
                State::Data => {
                    let (from, to) = (&input[fed.taken..], &mut output[fed.given..]);
                    let length = from.len().min(to.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    if length == 0 {
                        break;
                    }
                    to[..length].copy_from_slice(&from[..length]);
                    self.left -= length as u64;
                    fed.taken += length;
                    fed.given += length;
                    if self.left == 0 {
                        self.state = State::DataEnd;
                    }
                }
                _ => {
                    self.state = self.next(*byte)?;
                    fed.taken += 1;
                }
            }
        }
        Ok(fed)
    }

    /// The state after one byte of framing.
    fn next(&mut self, byte: u8) -> Result<State> {
        let invalid = |what: &str| Err(Error::invalid(format!("chunked body: {what} {:?}", char::from(byte))));
        Ok(match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.digit(byte),
            (State::Size, _) if self.digits == 0 => return invalid("a chunk's size begins with"),
            (State::Size, b'\r') => State::SizeEnd,
            (State::Size, b'\n') => self.begin_data(),
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Size, _) => return invalid("a chunk's size holds"),
            (State::Extension, b'\n') => self.begin_data(),
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, _) => return self.count(State::Extension),
            (State::SizeEnd, b'\n') => self.begin_data(),
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEnd | State::DataEndLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::TrailerEnd,
            (State::TrailerStart | State::TrailerEnd, b'\n') => State::Done,
            (State::Trailer, b'\n') => State::TrailerStart,
            (State::TrailerStart | State::Trailer, _) => return self.count(State::Trailer),
            _ => return invalid("a line's end is expected and there is"),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<State> {
        self.digits += 1;
        if self.digits > DIGITS_MAX {
            return Err(Error::invalid("chunked body: a chunk's size has more than 16 digits"));
        }
        self.left = self.left << 4 | u64::from(char::from(byte).to_digit(16).unwrap_or(0));
        Ok(State::Size)
    }

    fn count(&mut self, state: State) -> Result<State> {
        self.extra += 1;
        match self.extra > EXTRA_MAX {
            true => Err(Error::invalid(format!("chunked body: more than {EXTRA_MAX} bytes beside the data"))),
            false => Ok(state),
        }
    }

    fn begin_data(&mut self) -> State {
        self.digits = 0;
        self.extra = 0;
        if self.left == 0 { State::TrailerStart } else { State::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that comes out, with input and output in pieces of the given sizes.
    fn decoded(input: &[u8], step: usize, room: usize) -> Result<(Vec<u8>, bool, usize)> {
        let mut decoder = Decoder::default();
        let (mut out, mut at) = (Vec::new(), 0);
        let mut buffer = vec![0; room];
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + step);
            let fed = decoder.feed(&input[at..end], &mut buffer)?;
            out.extend_from_slice(&buffer[..fed.given]);
            assert!(fed.taken > 0);
            at += fed.taken;
        }
        Ok((out, decoder.is_done(), at))
    }

    const WHOLE: &[u8] = b"4\r\nWiki\r\n5;name=\"v\"\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n";

    #[test]
    fn pieces_of_any_size_give_the_same() {
        for step in 1..WHOLE.len() {
            for room in [1, 2, 7, 64] {
                let (out, done, taken) = decoded(WHOLE, step, room).unwrap();
                assert_eq!((out.as_slice(), done, taken), (&b"Wikipedia in\r\n\r\nchunks."[..], true, WHOLE.len()));
            }
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_not_done() {
        for end in 0..WHOLE.len() {
            let (_, done, _) = decoded(&WHOLE[..end], 64, 64).unwrap();
            assert!(!done, "{end}");
        }
        let (_, done, taken) = decoded(&[WHOLE, b"HTTP/1.1"].concat(), 999, 64).unwrap();
        assert!(done && taken == WHOLE.len(), "what follows is left alone");
    }

    #[test]
    fn hostile_framing_is_refused() {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(EXTRA_MAX + 1));
        let trailers = format!("0\r\n{}\r\n", "T: x\r\n".repeat(EXTRA_MAX / 4));
        for body in [
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "\r\n",
            "1g\r\n",
            "00000000000000001\r\nx",
            "fffffffffffffffff\r\n",
            "1\r\nxy\r\n",
            "1\rx",
            "1\r\nx\rx",
            "0\r\n\rx",
            long.as_str(),
            trailers.as_str(),
        ] {
            assert!(decoded(body.as_bytes(), 999, 64).is_err(), "{body:?}");
        }
        let (out, done, _) = decoded(b"ffffffffffffffff\r\nxyz", 999, 64).unwrap();
        assert_eq!((out.as_slice(), done), (&b"xyz"[..], false));
        assert!(decoded(b"2\nxy\n0\n\n", 1, 1).unwrap().1, "bare line feeds");
    }
}
