//! zstd (RFC 8878): frames one after the other, skippable ones between them.

use crate::stream::{cut, input, invalid};
use crate::sys::zstd::Decoder;
use std::io::{self, BufRead, Read};

pub const MAGIC: u32 = 0xfd2f_b528;

const NAME: &str = "zstd";

/// A reader of what zstd frames hold.
pub struct Zstd<R> {
    source: R,
    decoder: Option<Decoder>,
    window_most: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Frame,
    Between,
    Over,
    Failed,
}

impl<R: BufRead> Zstd<R> {
    /// Frames that need a window of more than `window_most` bytes are refused.
    pub fn new(source: R, window_most: u64) -> Zstd<R> {
        Zstd { source, decoder: Decoder::new(window_most.max(1).ilog2()), window_most, state: State::First }
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Over => return Ok(0),
            State::Failed => return Err(invalid("zstd: the stream failed before")),
            State::Between if matches!(self.source.fill_buf()?.first(), None | Some(0)) => {
                input::only_zeros(&mut self.source, NAME)?;
                self.state = State::Over;
                return Ok(0);
            }
            _ => {}
        }
        let bytes = self.source.fill_buf()?;
        let decoder = self.decoder.as_mut().ok_or(io::ErrorKind::OutOfMemory)?;
        let is_end = bytes.is_empty();
        let step = decoder.step(bytes, buffer).map_err(|error| {
            invalid(format!("zstd: {error} (a window of more than {} bytes is refused)", self.window_most))
        })?;
        self.source.consume(step.taken);
        self.state = if step.is_frame_over { State::Between } else { State::Frame };
        if is_end && step.given == 0 && !step.is_frame_over {
            return Err(cut(NAME));
        }
        Ok(step.given)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && self.state != State::Over {
            match self.step(buffer) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            }
        }
        Ok(0)
    }
}
