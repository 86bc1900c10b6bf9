//! xz (`xz-file-format.txt` 1.2.1): streams and padding, blocks in parallel where their headers say how long they are.
//!
//! One thread reads the source and cuts it into blocks. A block with both sizes in its header (`xz -T`, pixz) goes to a
//! worker; any other can only be found the end of by unpacking it, which that thread then does itself.

pub mod block;
pub mod check;
pub mod framing;
pub mod header;
pub mod lzma2;

use crate::stream::decompress::{Limits, window_exceeded};
use crate::stream::ordered::{self, Ordered, Output, Queue};
use crate::stream::slice::Slice;
use crate::stream::workers::Workers;
use crate::stream::{cut, input};
use block::Block;
use framing::Framing;
use header::BlockHeader;
use lzma2::Lzma2;
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "xz";
/// Bytes of what is handed on at once.
const PIECE: usize = 256 << 10;
/// Blocks of more compressed bytes are unpacked as they come.
const COMPRESSED_MOST: u64 = 64 << 20;
/// So much of what a block holds waits for its turn.
const WAITING_MOST: u64 = 64 << 20;

/// Begins to read and unpack. Errors: no thread can be had.
pub fn open(source: impl BufRead + Send + 'static, limits: Limits) -> io::Result<Ordered> {
    let parts = ordered::spawn(limits.threads, move |queue| {
        let workers = Workers::new(limits.threads);
        Splitter { framing: Framing::new(source), workers, limits, queue, decoders: Decoders::default() }.run()
    })?;
    Ok(Ordered::new(parts))
}

/// Decoders of blocks that are over.
type Decoders = Arc<Mutex<Vec<Lzma2>>>;

struct Splitter<'a, R> {
    framing: Framing<R>,
    workers: Workers,
    limits: Limits,
    queue: &'a Queue<()>,
    decoders: Decoders,
}

impl<R: BufRead> Splitter<'_, R> {
    fn run(&mut self) -> io::Result<()> {
        while let Some(header) = self.framing.next_block()? {
            if u64::from(header.dictionary) > self.limits.window {
                return Err(window_exceeded(NAME, header.dictionary.into(), self.limits.window));
            }
            match (header.compressed, header.uncompressed) {
                (Some(compressed), Some(uncompressed)) if compressed <= COMPRESSED_MOST && self.limits.threads > 1 => {
                    self.hand_over(header, compressed, uncompressed)?;
                }
                _ => self.unpack(header)?,
            }
        }
        Ok(())
    }

    /// A worker unpacks the block while its bytes are still taken from the source.
    fn hand_over(&mut self, header: BlockHeader, compressed: u64, uncompressed: u64) -> io::Result<()> {
        let check = self.framing.check;
        let length = compressed + block::padding(compressed) + check.length() as u64;
        let depth = (uncompressed.min(WAITING_MOST) / PIECE as u64 + 2) as usize;
        let output = Arc::new(self.queue.add(depth, ())?);
        self.framing.add_block(block::sizes(&header, compressed, uncompressed, check));
        let (packed, pieces) = channel();
        let (block, spare, fed) = (self.block(header), self.decoders.clone(), output.clone());
        self.workers.run(move || {
            let mut packed = Packed { pieces, piece: Slice::default() };
            let outcome = block.and_then(|block| unpack(block, &mut packed, &output));
            output.finish(outcome.map(|block| give_back(&spare, block)));
        })?;
        self.feed(length, &fed, &packed)
    }

    fn feed(&mut self, mut left: u64, output: &Output, packed: &Sender<Slice>) -> io::Result<()> {
        while left > 0 {
            let length = left.min(PIECE as u64) as usize;
            let mut piece = output.piece(PIECE);
            let part = piece.get_mut(..length).unwrap_or_default();
            // The reader stops at the part's own error.
            if let Err(error) = input::fill(&mut self.framing.source, part, NAME) {
                output.finish(Err(error));
                return Err(cut(NAME));
            }
            packed.send(output.slice(piece, length)).map_err(|_| cut(NAME))?;
            left -= length as u64;
        }
        Ok(())
    }

    fn unpack(&mut self, header: BlockHeader) -> io::Result<()> {
        let output = self.queue.add(2, ())?;
        match self.block(header).and_then(|block| unpack(block, &mut self.framing.source, &output)) {
            Ok(block) => {
                self.framing.add_block(block.sizes());
                give_back(&self.decoders, block);
            }
            // The reader stops at the part's own error.
            Err(error) => {
                output.finish(Err(error));
                return Err(cut(NAME));
            }
        }
        output.finish(Ok(()));
        Ok(())
    }

    /// A block to be unpacked, with a decoder that one before it had if there is any. As many are open as parts of the queue.
    fn block(&self, header: BlockHeader) -> io::Result<Block> {
        let decoder = self.decoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Block::new(header, self.framing.check, decoder.unwrap_or_default())
    }
}

/// The block is over, and another one may have its decoder.
fn give_back(decoders: &Decoders, block: Block) {
    decoders.lock().unwrap_or_else(PoisonError::into_inner).push(block.into_decoder());
}

/// The bytes of a block as they come.
struct Packed {
    pieces: Receiver<Slice>,
    piece: Slice,
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = self.pieces.recv().unwrap_or_default();
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.skip(amount);
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

/// Unpacks a block to its end.
fn unpack(mut block: Block, source: &mut dyn BufRead, output: &Output) -> io::Result<Block> {
    loop {
        let mut piece = output.piece(PIECE);
        let mut filled = 0;
        let is_over = loop {
            let length = block.read(source, piece.get_mut(filled..PIECE).unwrap_or_default())?;
            filled += length;
            if length == 0 || filled == PIECE {
                break length == 0;
            }
        };
        output.send(piece, filled)?;
        if is_over {
            return Ok(block);
        }
    }
}
