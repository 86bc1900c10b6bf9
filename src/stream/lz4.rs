//! lz4: the frame format (`doc/lz4_Frame_format.md` of lz4), skippable frames and the legacy one.

use crate::stream::{input, invalid};
use codec::copy::SPARE;
use codec::xxhash::Xxh32;
use std::io::{self, BufRead, Read};

pub const MAGIC: u32 = 0x184d_2204;
pub const LEGACY_MAGIC: u32 = 0x184c_2102;
/// The lowest four bits may be anything.
pub const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

const NAME: &str = "lz4";
/// How far back a block may refer.
const HISTORY: usize = 64 << 10;
/// What every legacy block but the last holds.
const LEGACY_BLOCK: usize = 8 << 20;

/// A reader of what lz4 frames hold.
pub struct Lz4<R> {
    source: R,
    state: State,
    /// History, then the block that is given out.
    window: Vec<u8>,
    compressed: Vec<u8>,
    /// What of the window was not given out yet.
    at: usize,
    end: usize,
}

enum State {
    /// Before a frame; whether one was there already.
    Between {
        first: bool,
    },
    Frame(Frame),
    /// How long the last block was, none before the first.
    Legacy(Option<usize>),
    Over,
    Failed,
}

/// What a frame's descriptor says.
struct Frame {
    linked: bool,
    block_checksum: bool,
    block_most: usize,
    content_size: Option<u64>,
    content_checksum: Option<Xxh32>,
    given: u64,
}

impl<R: BufRead> Lz4<R> {
    pub fn new(source: R) -> Lz4<R> {
        let state = State::Between { first: true };
        Lz4 { source, state, window: Vec::new(), compressed: Vec::new(), at: 0, end: 0 }
    }

    /// One step: a header, a block, an end.
    fn step(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Between { first } => self.begin(first)?,
            State::Frame(frame) => self.block(frame)?,
            State::Legacy(last) => self.legacy_block(last)?,
            State::Over => State::Over,
            State::Failed => return Err(invalid("lz4: the stream failed before")),
        };
        Ok(())
    }

    fn begin(&mut self, first: bool) -> io::Result<State> {
        let next = self.source.fill_buf()?.first();
        if !first && matches!(next, None | Some(0)) {
            input::only_zeros(&mut self.source, NAME)?;
            return Ok(State::Over);
        }
        let magic = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        self.begin_magic(magic)
    }

    fn begin_magic(&mut self, magic: u32) -> io::Result<State> {
        (self.at, self.end) = (0, 0);
        match magic {
            MAGIC => self.descriptor().map(State::Frame),
            LEGACY_MAGIC => Ok(State::Legacy(None)),
            _ if magic & !15 == SKIPPABLE_MAGIC => {
                let length = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
                input::skip(&mut self.source, length.into(), NAME)?;
                Ok(State::Between { first: false })
            }
            _ => Err(invalid(format!("lz4: {magic:#010x} is no beginning of a frame: garbage follows the stream"))),
        }
    }

    fn descriptor(&mut self) -> io::Result<Frame> {
        let [flags, sizes] = input::exact(&mut self.source, NAME)?;
        let mut descriptor = vec![flags, sizes];
        let has = |bit: u8| flags & 1 << bit != 0;
        if flags >> 6 != 1 || has(1) || sizes & 0x8f != 0 || sizes < 0x40 {
            return Err(invalid(format!("lz4: unknown frame flags {flags:#04x} {sizes:#04x}")));
        }
        let mut content_size = None;
        if has(3) {
            let field = input::exact(&mut self.source, NAME)?;
            descriptor.extend(field);
            content_size = Some(u64::from_le_bytes(field));
        }
        if has(0) {
            return Err(invalid("lz4: the frame needs a dictionary, which is not supported"));
        }
        let [checksum] = input::exact(&mut self.source, NAME)?;
        if checksum != (Xxh32::of(&descriptor) >> 8) as u8 {
            return Err(invalid("lz4: the frame header's checksum is wrong"));
        }
        Ok(Frame {
            linked: !has(5),
            block_checksum: has(4),
            block_most: 1 << (8 + 2 * (sizes >> 4)),
            content_size,
            content_checksum: has(2).then(Xxh32::new),
            given: 0,
        })
    }

    fn block(&mut self, mut frame: Frame) -> io::Result<State> {
        let word = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        if word == 0 {
            self.end_frame(&frame)?;
            return Ok(State::Between { first: false });
        }
        let length = (word & 0x7fff_ffff) as usize;
        if length > frame.block_most {
            return Err(invalid(format!("lz4: a block of {length} bytes where {} are the most", frame.block_most)));
        }
        self.read_compressed(length)?;
        if frame.block_checksum
            && u32::from_le_bytes(input::exact(&mut self.source, NAME)?) != Xxh32::of(&self.compressed)
        {
            return Err(invalid("lz4: a block's checksum is wrong"));
        }
        let history = if frame.linked { self.keep_history() } else { 0 };
        self.unpack(history, frame.block_most, word >> 31 == 1)?;
        let block = self.window.get(self.at..self.end).unwrap_or_default();
        frame.given += block.len() as u64;
        if let Some(hash) = &mut frame.content_checksum {
            hash.update(block);
        }
        Ok(State::Frame(frame))
    }

    fn end_frame(&mut self, frame: &Frame) -> io::Result<()> {
        if let Some(hash) = &frame.content_checksum {
            if u32::from_le_bytes(input::exact(&mut self.source, NAME)?) != hash.finish() {
                return Err(invalid("lz4: the content's checksum is wrong"));
            }
        }
        match frame.content_size {
            Some(size) if size != frame.given => {
                Err(invalid(format!("lz4: the content is {} bytes, its frame says {size}", frame.given)))
            }
            _ => Ok(()),
        }
    }

    /// A legacy frame ends with its file, or where the next one begins. Only the last block may hold less than the rest.
    fn legacy_block(&mut self, last: Option<usize>) -> io::Result<State> {
        if self.source.fill_buf()?.is_empty() && last.is_some() {
            return Ok(State::Over);
        }
        let word = u32::from_le_bytes(input::exact(&mut self.source, NAME)?);
        let length = word as usize;
        match last {
            Some(_) if word == 0 => {
                input::only_zeros(&mut self.source, NAME)?;
                return Ok(State::Over);
            }
            Some(_) if length > LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16 => return self.begin_magic(word),
            Some(last) if last < LEGACY_BLOCK => return Err(invalid("lz4: a block follows the last one")),
            _ => {}
        }
        if length == 0 || length > LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16 {
            return Err(invalid(format!("lz4: a legacy block of {length} bytes")));
        }
        self.read_compressed(length)?;
        self.unpack(0, LEGACY_BLOCK, false)?;
        Ok(State::Legacy(Some(self.end)))
    }

    fn read_compressed(&mut self, length: usize) -> io::Result<()> {
        self.compressed.clear();
        // Grows with what comes, not with what is promised.
        (&mut self.source).take(length as u64).read_to_end(&mut self.compressed)?;
        if self.compressed.len() < length { Err(crate::stream::cut(NAME)) } else { Ok(()) }
    }

    /// Moves the end of what was unpacked to the front; how much that is.
    fn keep_history(&mut self) -> usize {
        let history = self.end.min(HISTORY);
        self.window.copy_within(self.end - history..self.end, 0);
        history
    }

    fn unpack(&mut self, history: usize, most: usize, is_stored: bool) -> io::Result<()> {
        let length = self.compressed.len();
        // No byte unpacks to more than 255: a short block needs no room for the longest one.
        let most = if is_stored { length } else { most.min(length * 255) };
        if self.window.len() < history + most + SPARE {
            self.window.resize(history + most + SPARE, 0);
        }
        self.end = history + most;
        match is_stored {
            true => self.window.get_mut(history..self.end).unwrap_or_default().copy_from_slice(&self.compressed),
            false => {
                self.compressed.resize(length + SPARE, 0);
                self.end = codec::lz4::unpack(&self.compressed, length, &mut self.window, history, most)
                    .map_err(|why| invalid(format!("lz4: {why}")))?;
            }
        }
        self.at = history;
        Ok(())
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.end {
            if matches!(self.state, State::Over) {
                return Ok(0);
            }
            self.step()?;
        }
        let length = self.window.get(self.at..self.end).unwrap_or_default().read(buffer)?;
        self.at += length;
        Ok(length)
    }
}
