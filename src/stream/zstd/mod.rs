//! zstd (RFC 8878): frames one after the other, skippable ones between them.
//!
//! Our own, in safe code: the one crate that is as fast is the reference implementation put into Rust as it was, in 200 KB
//! (docs/dependencies.md). Frames that need a dictionary and the formats before 0.8 are refused.

mod frame;

use crate::stream::decompress::window_exceeded;
use crate::stream::{input, invalid};
use codec::Corrupt;
use codec::xxhash::Xxh64;
use codec::zstd::block::Blocks;
use codec::zstd::window::{TOO_LARGE, Window};
use frame::{Block, Header, Kind, NAME};
use std::io::{self, BufRead, Read};

pub const MAGIC: u32 = 0xfd2f_b528;
/// The lowest four bits may be anything.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

fn corrupt(why: Corrupt) -> io::Error {
    invalid(format!("zstd: {why}"))
}

/// A reader of what zstd frames hold.
pub struct Zstd<R> {
    source: R,
    window_most: u64,
    state: State,
    blocks: Blocks,
    window: Window,
    /// Where the block that is given out begins in the window, and how much of it was given.
    begin: usize,
    given: usize,
}

enum State {
    /// Before a frame; whether one with data was there.
    Between {
        any: bool,
    },
    Frame(Frame),
    Over,
    Failed,
}

struct Frame {
    header: Header,
    hash: Xxh64,
    length: u64,
}

impl<R: BufRead> Zstd<R> {
    /// Frames that need a window of more than `window_most` bytes are refused.
    pub fn new(source: R, window_most: u64) -> Zstd<R> {
        let (blocks, window, state) = (Blocks::new(), Window::default(), State::Between { any: false });
        Zstd { source, window_most, state, blocks, window, begin: 0, given: 0 }
    }

    /// Begins with another source, in the memory of the last one, which it gives back.
    pub fn restart(&mut self, source: R) -> R {
        (self.state, self.begin, self.given) = (State::Between { any: false }, 0, 0);
        // What was unpacked last is not given out any more.
        self.window.reset(0, 0);
        std::mem::replace(&mut self.source, source)
    }

    /// One step: a header, a block, an end.
    fn step(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Between { any } => self.between(any)?,
            State::Frame(frame) => self.block(frame)?,
            State::Over => State::Over,
            State::Failed => return Err(invalid("zstd: the stream failed before")),
        };
        Ok(())
    }

    fn between(&mut self, any: bool) -> io::Result<State> {
        let next = self.source.fill_buf()?.first();
        if any && matches!(next, None | Some(0)) {
            input::only_zeros(&mut self.source, NAME)?;
            return Ok(State::Over);
        }
        let magic = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        if magic == MAGIC {
            return self.frame();
        }
        if magic & !15 != SKIPPABLE_MAGIC {
            return Err(invalid(format!("zstd: {magic:#010x} is no beginning of a frame: garbage follows the stream")));
        }
        let length = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        input::skip(&mut self.source, length.into(), NAME)?;
        Ok(State::Between { any })
    }

    fn frame(&mut self) -> io::Result<State> {
        let header = Header::read(&mut self.source)?;
        if header.window > self.window_most {
            return Err(window_exceeded(NAME, header.window, self.window_most));
        }
        self.blocks.reset();
        self.window.reset(header.window, header.block_most());
        Ok(State::Frame(Frame { header, hash: Xxh64::new(), length: 0 }))
    }

    fn block(&mut self, mut frame: Frame) -> io::Result<State> {
        let block = Block::read(&mut self.source)?;
        (self.begin, self.given) = (self.window.begin(), 0);
        self.unpack(block, frame.header.block_most())?;
        let bytes = self.window.since(self.begin);
        frame.length += bytes.len() as u64;
        if frame.header.has_checksum {
            frame.hash.update(bytes);
        }
        if !block.is_last {
            return Ok(State::Frame(frame));
        }
        self.end_frame(&frame)?;
        Ok(State::Between { any: true })
    }

    fn unpack(&mut self, block: Block, most: usize) -> io::Result<()> {
        if block.length > most {
            return Err(corrupt(TOO_LARGE));
        }
        match block.kind {
            Kind::Raw => {
                input::fill(&mut self.source, self.window.room(self.begin, block.length).map_err(corrupt)?, NAME)
            }
            Kind::Repeated => {
                let [byte] = input::exact(&mut self.source, NAME)?;
                self.window.room(self.begin, block.length).map_err(corrupt)?.fill(byte);
                Ok(())
            }
            Kind::Compressed => {
                input::fill(&mut self.source, self.blocks.buffer(block.length), NAME)?;
                self.blocks.unpack(&mut self.window, self.begin, most).map_err(corrupt)
            }
        }
    }

    fn end_frame(&mut self, frame: &Frame) -> io::Result<()> {
        if frame.header.has_checksum {
            let sum = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
            if sum != frame.hash.finish() as u32 {
                return Err(invalid("zstd: the checksum of a frame is wrong"));
            }
        }
        match frame.header.content {
            Some(size) if size != frame.length => {
                Err(invalid(format!("zstd: a frame holds {} bytes, its header says {size}", frame.length)))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.window.since(self.begin + self.given).read(buffer)?;
            self.given += length;
            if length > 0 || buffer.is_empty() || matches!(self.state, State::Over) {
                return Ok(length);
            }
            self.step()?;
        }
    }
}
