//! bzip2: streams one after the other (pbzip2, lbzip2), their blocks decoded in parallel.
//!
//! Nothing says how long a block is, but each begins with a mark. One thread cuts the source at all marks, workers decode
//! what lies between, and the reader takes it in order. A mark that stood in a block by chance shows when the block does
//! not end there: the reader then puts the segments together and decodes the block itself.

mod split;

use crate::stream::decompress::Limits;
use crate::stream::ordered::{self, Output, Part, Parts, Queue};
use crate::stream::slice::{Slice, Slices};
use crate::stream::workers::Workers;
use crate::stream::{cut, invalid};
use codec::bzip2::bits::Bits;
use codec::bzip2::block::{Block, Failure, Memory};
use split::{Kind, Segment};
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "bzip2";
/// Bytes of what is handed on at once, and how many such pieces of a block wait for their turn: all of one without long runs.
const PIECE: usize = 128 << 10;
const WAITING: usize = 8;

/// Whether these are the first bytes of a stream: the header, and the first four bytes of either mark.
pub fn is_beginning(head: &[u8]) -> bool {
    let [b'B', b'Z', b'h', b'1'..=b'9', mark @ ..] = head else { return false };
    mark.starts_with(&[0x31, 0x41, 0x59, 0x26]) || mark.starts_with(&[0x17, 0x72, 0x45, 0x38])
}

/// Begins to read and unpack. Errors: no thread can be had.
pub fn open(source: impl BufRead + Send + 'static, limits: Limits) -> io::Result<Bzip2> {
    let parts = ordered::spawn(limits.threads + 2, move |queue| hand_out(source, queue, limits.threads))?;
    Ok(Bzip2 { parts, state: State::Between, crc: 0, piece: Slice::default() })
}

/// Gives every block to a worker.
fn hand_out(mut source: impl BufRead, queue: &Queue<Arc<Segment>>, threads: usize) -> io::Result<()> {
    let mut workers = Workers::new(threads);
    let spare = Arc::new(Spare::default());
    split::split(&mut source, |segment| {
        let segment = Arc::new(segment);
        let output = queue.add(WAITING, segment.clone())?;
        if segment.kind == Kind::Block {
            let spare = spare.clone();
            workers.run(move || decode(&segment.bits, &output, &spare))?;
        }
        Ok(())
    })
}

/// What blocks are decoded in, used again.
#[derive(Default)]
struct Spare(Mutex<Vec<Memory>>);

impl Spare {
    fn take(&self) -> Memory {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

/// What a worker does with a block.
fn decode(bits: &Bits, output: &Output, spare: &Spare) {
    let mut block = match Block::decode(bits, spare.take()) {
        Ok(block) => block,
        Err(failure) => return output.finish(Err(error(failure))),
    };
    let outcome = loop {
        let mut piece = output.piece(PIECE);
        match block.fill(&mut piece) {
            Ok(0) => {
                output.give_back(piece);
                break Ok(());
            }
            Ok(length) => {
                if output.send(piece, length).is_err() {
                    return;
                }
            }
            Err(failure) => break Err(error(failure)),
        }
    };
    spare.give(block.into_memory());
    output.finish(outcome);
}

/// The next bytes of a block; None at its end.
fn piece(block: &mut Block) -> io::Result<Option<Slice>> {
    let mut piece = vec![0; PIECE];
    let length = block.fill(&mut piece).map_err(error)?;
    piece.truncate(length);
    Ok((length > 0).then_some(piece.into()))
}

/// A block that is not all there is told by the kind of its error.
fn error(failure: Failure) -> io::Error {
    match failure {
        Failure::Short => io::ErrorKind::UnexpectedEof.into(),
        Failure::Corrupt(why) => invalid(format!("bzip2: {why}")),
    }
}

/// A reader of what bzip2 streams hold.
pub struct Bzip2 {
    parts: Parts<Arc<Segment>>,
    state: State,
    /// Of the blocks of this stream so far.
    crc: u32,
    piece: Slice,
}

enum State {
    /// Before a segment.
    Between,
    /// A worker's block, and its checksum.
    Block(Part<Arc<Segment>>, u32),
    /// A block that was put together, and its checksum.
    Joined(Box<Block>, u32),
    Over,
    Failed,
}

impl Bzip2 {
    fn step(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Between => self.segment()?,
            State::Block(part, crc) => match part.next()? {
                Some(piece) => {
                    self.piece = piece;
                    State::Block(part, crc)
                }
                None => self.end_block(crc),
            },
            State::Joined(mut block, crc) => match piece(&mut block)? {
                Some(piece) => {
                    self.piece = piece;
                    State::Joined(block, crc)
                }
                None => self.end_block(crc),
            },
            State::Over => State::Over,
            State::Failed => return Err(invalid("bzip2: the stream failed before")),
        };
        Ok(())
    }

    /// The stream's checksum is made of its blocks'.
    fn end_block(&mut self, crc: u32) -> State {
        self.crc = self.crc.rotate_left(1) ^ crc;
        State::Between
    }

    fn segment(&mut self) -> io::Result<State> {
        let part = self.parts.next()?.ok_or_else(|| cut(NAME))?;
        match part.about.kind {
            Kind::Begin => self.begin(&part.about.bits),
            Kind::Block => self.block(part),
            Kind::End => self.end(part.about.bits.clone()),
        }
    }

    fn begin(&self, bits: &Bits) -> io::Result<State> {
        match bits.bytes.as_slice() {
            header if is_header(header) && bits.length == 32 => Ok(State::Between),
            header if header.len() < 10 && b"BZh".starts_with(header.get(..3).unwrap_or(header)) => Err(cut(NAME)),
            _ => Err(invalid("bzip2: the stream does not begin with a header and a block")),
        }
    }

    fn block(&mut self, part: Part<Arc<Segment>>) -> io::Result<State> {
        let crc = checksum(&part.about.bits);
        match part.next() {
            Ok(Some(piece)) => {
                self.piece = piece;
                Ok(State::Block(part, crc))
            }
            Ok(None) => Ok(self.end_block(crc)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.join(part.about.bits.clone()),
            Err(error) => Err(error),
        }
    }

    /// The block goes on where a mark stood by chance.
    fn join(&mut self, mut bits: Bits) -> io::Result<State> {
        loop {
            self.append(&mut bits)?;
            match Block::decode(&bits, Memory::default()) {
                Ok(block) => return Ok(State::Joined(Box::new(block), checksum(&bits))),
                Err(Failure::Short) => {}
                Err(failure) => return Err(error(failure)),
            }
        }
    }

    fn append(&mut self, bits: &mut Bits) -> io::Result<()> {
        let next = self.parts.next()?.ok_or_else(|| cut(NAME))?;
        bits.append(&next.about.bits);
        if bits.bytes.len() > split::LONGEST {
            return Err(invalid("bzip2: a block has no end"));
        }
        Ok(())
    }

    /// The end of a stream: its checksum, and either the header of the next one or the end of all.
    fn end(&mut self, mut bits: Bits) -> io::Result<State> {
        loop {
            let mut reader = bits.reader();
            let (_mark, crc) = ((reader.take(24), reader.take(24)), reader.take(32));
            let header = reader.taken().div_ceil(8);
            let is_there = bits.start + bits.length >= reader.taken();
            if is_there && crc != self.crc {
                return Err(invalid(format!(
                    "bzip2: the checksum is {:08x}, the stream's end says {crc:08x}",
                    self.crc
                )));
            }
            let rest = bits.bytes.get(header..).unwrap_or_default();
            if is_there && is_header(rest) && bits.start + bits.length == 8 * (header + 4) {
                self.crc = 0;
                return Ok(State::Between);
            }
            let Some(next) = self.parts.next()? else {
                return match is_there {
                    true if rest.iter().all(|byte| *byte == 0) => Ok(State::Over),
                    true => Err(invalid("bzip2: garbage follows the end of the stream")),
                    false => Err(cut(NAME)),
                };
            };
            // A mark in the checksum, by chance.
            bits.append(&next.about.bits);
            if rest_is_long(&bits) {
                return Err(invalid("bzip2: garbage follows the end of the stream"));
            }
        }
    }
}

/// More than an end and a header.
fn rest_is_long(bits: &Bits) -> bool {
    bits.length > 48 + 32 + 7 + 32
}

fn is_header(bytes: &[u8]) -> bool {
    matches!(bytes, [b'B', b'Z', b'h', b'1'..=b'9'])
}

/// The checksum in a block's header.
fn checksum(bits: &Bits) -> u32 {
    let mut reader = bits.reader();
    reader.take(24);
    reader.take(24);
    reader.take(32)
}

impl Bzip2 {
    /// What is at hand; empty only at the end.
    fn ready(&mut self) -> io::Result<&mut Slice> {
        while self.piece.is_empty() && !matches!(self.state, State::Over) {
            self.step()?;
        }
        Ok(&mut self.piece)
    }
}

impl Read for Bzip2 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready()?.read(buffer)
    }
}

impl Slices for Bzip2 {
    fn slice(&mut self) -> io::Result<Slice> {
        self.ready().map(std::mem::take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the tool wrote them: one block; two streams of one each.
    const ONE: &[u8] = include_bytes!("../../../tests/fuzz/corpus/bzip2/small");
    const TWO: &[u8] = include_bytes!("../../../tests/fuzz/corpus/bzip2/two");

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        let limits = Limits { threads: 2, ..Limits::default() };
        open(io::Cursor::new(bytes.to_vec()), limits)?.read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    /// The segments of a stream, the one of this number cut once more, as a mark that is there by chance would do.
    fn cut_apart(bytes: &[u8], number: usize, bit: usize, kind: Kind) -> Option<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut source = bytes;
        let keep = |segment| {
            segments.push(segment);
            Ok(())
        };
        split::split(&mut source, keep).unwrap();
        let whole = &mut segments[number];
        let (length, at) = (whole.bits.length, whole.bits.start + bit);
        if bit == 0 || bit >= length {
            return None;
        }
        let rest = Bits { bytes: whole.bits.bytes[at / 8..].to_vec(), start: at % 8, length: length - bit };
        whole.bits.bytes.truncate(at.div_ceil(8));
        whole.bits.length = bit;
        segments.insert(number + 1, Segment::new(kind, rest));
        Some(segments)
    }

    fn unpack_segments(segments: Vec<Segment>) -> io::Result<Vec<u8>> {
        let parts = ordered::spawn(2, move |queue| {
            let mut workers = Workers::new(2);
            let spare = Arc::new(Spare::default());
            for segment in segments.into_iter().map(Arc::new) {
                let (output, spare) = (queue.add(WAITING, segment.clone())?, spare.clone());
                if segment.kind == Kind::Block {
                    workers.run(move || decode(&segment.bits, &output, &spare))?;
                }
            }
            Ok(())
        })?;
        let mut unpacked = Vec::new();
        Bzip2 { parts, state: State::Between, crc: 0, piece: Slice::default() }.read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    #[test]
    fn a_mark_by_chance_changes_nothing() {
        for bytes in [ONE, TWO] {
            let expected = unpack(bytes).unwrap();
            for kind in [Kind::Block, Kind::End] {
                for number in [1, 2] {
                    for segments in (0..).map_while(|bit| cut_apart(bytes, number, bit + 1, kind)) {
                        let bit = segments[number].bits.length;
                        match unpack_segments(segments) {
                            Ok(unpacked) => assert!(unpacked == expected, "segment {number} cut at {bit}"),
                            Err(error) => panic!("segment {number} cut at {bit}: {error}"),
                        }
                    }
                }
            }
        }
    }
}
