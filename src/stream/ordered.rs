//! Parts of one stream that several threads make at once, read in their order.
//!
//! A thread of its own cuts the source and adds an output to the queue for each part; whoever makes the part sends its
//! pieces there. The reader takes the parts one after the other. How many parts may be open, and how many pieces wait in
//! each, bounds the memory; pieces that nobody holds any more are filled again. When the reader is dropped, all that is sent
//! fails, and so the threads end.

use crate::stream::slice::{Slice, Slices};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

enum Message {
    Data(Slice),
    End,
    Failed(io::Error),
}

enum Entry<M> {
    Part(Part<M>),
    /// No part follows; an error when the source could not be cut to its end.
    End(io::Result<()>),
}

/// The reader's end: one part after the other.
pub struct Parts<M> {
    entries: Receiver<Entry<M>>,
}

/// Memory of pieces that were read. A new piece would cost a fault for each of its pages, which is a tenth of what bzip2 takes.
struct Spare {
    home: Sender<Vec<u8>>,
    pieces: Mutex<Receiver<Vec<u8>>>,
}

/// One part of the stream, and what the one who cut it says about it.
pub struct Part<M> {
    pub about: M,
    pieces: Receiver<Message>,
    _slot: Slot,
}

/// Where the thread that cuts the source adds parts.
pub struct Queue<M> {
    parts: SyncSender<Entry<M>>,
    slots: Arc<Slots>,
    spare: Arc<Spare>,
}

/// Where the pieces of one part are sent.
pub struct Output {
    pieces: SyncSender<Message>,
    spare: Arc<Spare>,
}

/// Runs `split` on a thread of its own. At most `open` parts are in the making or unread at once.
pub fn spawn<M: Send + 'static>(
    open: usize,
    split: impl FnOnce(&Queue<M>) -> io::Result<()> + Send + 'static,
) -> io::Result<Parts<M>> {
    let (parts, entries) = sync_channel(open + 1);
    let (home, pieces) = channel();
    let spare = Arc::new(Spare { home, pieces: Mutex::new(pieces) });
    let queue = Queue { parts, slots: Arc::new(Slots::new(open)), spare };
    thread::Builder::new().name("splitter".into()).spawn(move || {
        let outcome = split(&queue);
        // Fails when nobody reads any more. After a panic there is no such entry, which the reader takes for a failure.
        let _ = queue.parts.send(Entry::End(outcome));
    })?;
    Ok(Parts { entries })
}

impl<M> Queue<M> {
    /// Adds a part, of which at most `depth` pieces wait to be read. Waits until there is room for it.
    pub fn add(&self, depth: usize, about: M) -> io::Result<Output> {
        let slot = Slots::take(&self.slots);
        let (sender, pieces) = sync_channel(depth);
        self.parts.send(Entry::Part(Part { about, pieces, _slot: slot })).map_err(|_| nobody_reads())?;
        Ok(Output { pieces: sender, spare: self.spare.clone() })
    }
}

impl Output {
    /// A piece of so many bytes or more, whatever these are.
    pub fn piece(&self, length: usize) -> Vec<u8> {
        let pieces = self.spare.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = pieces.try_recv().unwrap_or_default();
        if piece.len() < length {
            piece.resize(length, 0);
        }
        piece
    }

    /// Takes back a piece that nothing was put into.
    pub fn give_back(&self, piece: Vec<u8>) {
        // The other end is here too: this cannot fail.
        let _ = self.spare.home.send(piece);
    }

    /// The first bytes of a piece, which is filled again when nobody holds it any more.
    pub fn slice(&self, piece: Vec<u8>, length: usize) -> Slice {
        Slice::new(piece, length, &self.spare.home)
    }

    /// Sends the first bytes of a piece. Errors: nobody reads any more.
    pub fn send(&self, piece: Vec<u8>, length: usize) -> io::Result<()> {
        self.pieces.send(Message::Data(self.slice(piece, length))).map_err(|_| nobody_reads())
    }

    /// The last word. A part without one counts as failed.
    pub fn finish(&self, outcome: io::Result<()>) {
        // Fails when nobody reads any more.
        let _ = self.pieces.send(match outcome {
            Ok(()) => Message::End,
            Err(error) => Message::Failed(error),
        });
    }
}

impl<M> Parts<M> {
    /// The next part; None after the last.
    pub fn next(&mut self) -> io::Result<Option<Part<M>>> {
        match self.entries.recv() {
            Ok(Entry::Part(part)) => Ok(Some(part)),
            Ok(Entry::End(outcome)) => outcome.map(|()| None),
            Err(_) => Err(panicked()),
        }
    }
}

impl<M> Part<M> {
    /// The next piece; None after the last.
    pub fn next(&self) -> io::Result<Option<Slice>> {
        match self.pieces.recv() {
            Ok(Message::Data(piece)) => Ok(Some(piece)),
            Ok(Message::End) => Ok(None),
            Ok(Message::Failed(error)) => Err(error),
            Err(_) => Err(panicked()),
        }
    }
}

fn nobody_reads() -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}

fn panicked() -> io::Error {
    io::Error::other("a thread of the decoder ended early")
}

/// A reader of all parts, one after the other.
pub struct Ordered {
    parts: Parts<()>,
    part: Option<Part<()>>,
    piece: Slice,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Reached,
    /// An error was given out: no end is ever reported after it.
    Failed,
}

impl Ordered {
    pub fn new(parts: Parts<()>) -> Ordered {
        Ordered { parts, part: None, piece: Slice::default(), end: End::NotYet }
    }

    fn step(&mut self) -> io::Result<()> {
        match &self.part {
            None => {
                self.part = self.parts.next()?;
                if self.part.is_none() {
                    self.end = End::Reached;
                }
            }
            Some(part) => match part.next()? {
                Some(piece) => self.piece = piece,
                None => self.part = None,
            },
        }
        Ok(())
    }

    /// What is at hand; empty only at the end.
    fn ready(&mut self) -> io::Result<&mut Slice> {
        while self.piece.is_empty() && self.end != End::Reached {
            if self.end == End::Failed {
                return Err(io::Error::other("the stream failed before"));
            }
            self.step().inspect_err(|_| self.end = End::Failed)?;
        }
        Ok(&mut self.piece)
    }
}

impl Read for Ordered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready()?.read(buffer)
    }
}

impl Slices for Ordered {
    fn slice(&mut self) -> io::Result<Slice> {
        self.ready().map(std::mem::take)
    }
}

/// How many parts may still be opened.
struct Slots {
    free: Mutex<usize>,
    changed: Condvar,
}

/// One of them, given back when it is dropped.
struct Slot(Arc<Slots>);

impl Slots {
    fn new(free: usize) -> Slots {
        Slots { free: Mutex::new(free.max(1)), changed: Condvar::new() }
    }

    fn take(slots: &Arc<Slots>) -> Slot {
        let free = slots.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = slots.changed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(slots.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::workers::Workers;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    /// Parts of some bytes each, made by four threads; the last may fail.
    fn numbers(count: u8, last: fn() -> io::Result<()>) -> Ordered {
        let parts = spawn(4, move |queue| {
            let mut workers = Workers::new(4);
            for number in 0..count {
                let output = queue.add(1, ())?;
                workers.run(move || {
                    for _ in 0..3 {
                        if output.send(vec![number], 1).is_err() {
                            return;
                        }
                    }
                    output.finish(if number + 1 == count { last() } else { Ok(()) });
                })?;
            }
            Ok(())
        });
        Ordered::new(parts.unwrap())
    }

    #[test]
    fn parts_come_in_order() {
        let mut read = Vec::new();
        numbers(100, || Ok(())).read_to_end(&mut read).unwrap();
        assert_eq!(read, (0..100).flat_map(|number| [number; 3]).collect::<Vec<u8>>());
    }

    #[test]
    fn pieces_are_used_again() {
        let places = Arc::new(Mutex::new(HashSet::new()));
        let seen = places.clone();
        let parts = spawn(1, move |queue| {
            for number in 0..100 {
                let output = queue.add(1, ())?;
                let mut piece = output.piece(1 << 20);
                seen.lock().unwrap().insert(piece.as_ptr().addr());
                piece.fill(number);
                output.send(piece, 1 << 20)?;
                output.finish(Ok(()));
            }
            Ok(())
        });
        let mut reader = Ordered::new(parts.unwrap());
        let mut read = vec![0; 1 << 20];
        for number in 0..100 {
            reader.read_exact(&mut read).unwrap();
            assert!(read.iter().all(|byte| *byte == number));
        }
        assert_eq!(reader.read(&mut read).unwrap(), 0);
        assert!((1..5).contains(&places.lock().unwrap().len()));
    }

    #[test]
    fn a_failed_part_is_no_end() {
        let mut reader = numbers(3, || Err(io::Error::other("the test's")));
        let mut read = Vec::new();
        assert_eq!(reader.read_to_end(&mut read).unwrap_err().to_string(), "the test's");
        assert_eq!(read.len(), 9);
        assert!(reader.read(&mut [0]).is_err());
    }

    #[test]
    fn a_panic_is_no_end() {
        assert!(numbers(3, || panic!("the test's own panic")).read_to_end(&mut Vec::new()).is_err());
        let parts = spawn(1, |_: &Queue<()>| panic!("the test's own panic"));
        assert!(Ordered::new(parts.unwrap()).read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn dropping_the_reader_ends_the_threads() {
        let gone = Arc::new(AtomicBool::new(false));
        let flag = gone.clone();
        let parts = spawn(2, move |queue| {
            let outcome = (0..).try_for_each(|_| queue.add(1, ())?.send(vec![1], 1));
            flag.store(true, Ordering::Release);
            outcome
        });
        drop(Ordered::new(parts.unwrap()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !gone.load(Ordering::Acquire) {
            assert!(Instant::now() < deadline, "the thread goes on");
            thread::yield_now();
        }
    }
}
