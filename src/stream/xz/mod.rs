//! xz (`xz-file-format.txt` 1.2.1): streams and padding, blocks in parallel where their headers say how long they are.
//!
//! One thread reads the source and cuts it into blocks. A block with both sizes in its header (`xz -T`, pixz) goes to a
//! worker; any other can only be found the end of by unpacking it, which that thread then does itself.

pub mod block;
pub mod check;
pub mod framing;
pub mod header;
pub mod lzma2;

use crate::stream::cut;
use crate::stream::decompress::{Limits, window_exceeded};
use crate::stream::ordered::{self, Ordered, Output, Queue};
use crate::stream::workers::Workers;
use block::Block;
use framing::Framing;
use header::BlockHeader;
use std::io::{self, BufRead, Read};

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
        Splitter { framing: Framing::new(source), workers, limits, queue }.run()
    })?;
    Ok(Ordered::new(parts))
}

struct Splitter<'a, R> {
    framing: Framing<R>,
    workers: Workers,
    limits: Limits,
    queue: &'a Queue<()>,
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

    fn hand_over(&mut self, header: BlockHeader, compressed: u64, uncompressed: u64) -> io::Result<()> {
        let check = self.framing.check;
        let length = compressed + block::padding(compressed) + check.length() as u64;
        let mut bytes = Vec::new();
        (&mut self.framing.source).take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(cut(NAME));
        }
        self.framing.add_block(block::sizes(&header, compressed, uncompressed, check));
        let block = Block::new(header, check)?;
        let depth = (uncompressed.min(WAITING_MOST) / PIECE as u64 + 2) as usize;
        let output = self.queue.add(depth, ())?;
        self.workers.run(move || output.finish(unpack(block, &mut bytes.as_slice(), &output).map(drop)))
    }

    fn unpack(&mut self, header: BlockHeader) -> io::Result<()> {
        let output = self.queue.add(2, ())?;
        let block = Block::new(header, self.framing.check)?;
        match unpack(block, &mut self.framing.source, &output) {
            Ok(block) => self.framing.add_block(block.sizes()),
            // The reader stops at the part's own error.
            Err(error) => {
                output.finish(Err(error));
                return Err(cut(NAME));
            }
        }
        output.finish(Ok(()));
        Ok(())
    }
}

/// Unpacks a block to its end.
fn unpack(mut block: Block, source: &mut impl BufRead, output: &Output) -> io::Result<Block> {
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
