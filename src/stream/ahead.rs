//! Reading ahead on a thread of its own, so that reading, decompression and writing overlap.
//!
//! A few buffers go round: the thread fills one, the reader empties it and gives it back. Errors and panics of the thread
//! come out of the reader. When the reader is dropped the thread ends with the read that it is in; nobody waits for it, as
//! that read may be of a pipe in which nothing comes any more.

use crate::stream::slice::{Buffered, Slice, Slices};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes of one buffer.
const BUFFER: usize = 1 << 20;

/// A reader that another thread works for.
pub struct Ahead {
    /// Nothing is the end.
    full: Receiver<io::Result<Slice>>,
    thread: Option<JoinHandle<()>>,
    slice: Slice,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Reached,
    /// An error was given out: no end is ever reported after it.
    Failed,
}

impl Ahead {
    /// Starts reading at once; at most so many megabytes go round, fewer where little comes at once. Errors: no thread can be had.
    pub fn new(source: impl Read + Send + 'static, buffers: usize) -> io::Result<Ahead> {
        Ahead::of(Buffered::new(source, buffers, BUFFER), buffers)
    }

    /// The same of a decoder, which gives little at once and has more.
    pub fn decoding(decoder: impl Read + Send + 'static, buffers: usize) -> io::Result<Ahead> {
        Ahead::of(Buffered::filled(decoder, buffers, BUFFER), buffers)
    }

    /// Of what is in memory already: the thread hands on so many slices before they are asked for.
    pub fn of(source: impl Slices + Send + 'static, depth: usize) -> io::Result<Ahead> {
        let (full_in, full) = sync_channel(depth);
        let thread = thread::Builder::new().name("ahead".into()).spawn(move || work(source, &full_in))?;
        Ok(Ahead { full, thread: Some(thread), slice: Slice::default(), end: End::NotYet })
    }

    /// What is at hand; empty only at the end.
    fn ready(&mut self) -> io::Result<&mut Slice> {
        while self.slice.is_empty() && self.end != End::Reached {
            self.receive()?;
        }
        Ok(&mut self.slice)
    }

    fn receive(&mut self) -> io::Result<()> {
        if self.end == End::Failed {
            return Err(io::Error::other("the stream failed before"));
        }
        // The thread may wait for the buffer of the last one.
        self.slice = Slice::default();
        self.end = End::Failed;
        self.slice = match self.full.recv() {
            Ok(next) => next?,
            Err(_) => return Err(self.panicked()),
        };
        self.end = if self.slice.is_empty() { End::Reached } else { End::NotYet };
        Ok(())
    }

    /// The thread went without a last word: its panic goes on here.
    fn panicked(&mut self) -> io::Error {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        io::Error::other("the reading thread ended early")
    }
}

fn work(mut source: impl Slices, full: &SyncSender<io::Result<Slice>>) {
    loop {
        let next = source.slice();
        let goes_on = next.as_ref().is_ok_and(|slice| !slice.is_empty());
        if full.send(next).is_err() || !goes_on {
            return;
        }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.ready().map(|slice| &**slice)
    }

    fn consume(&mut self, amount: usize) {
        self.slice.skip(amount);
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready()?.read(buffer)
    }
}

impl Slices for Ahead {
    fn slice(&mut self) -> io::Result<Slice> {
        self.ready().map(std::mem::take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn all_bytes_come_in_order() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7) as u8).collect();
        let mut read = Vec::new();
        Ahead::new(io::Cursor::new(bytes.clone()), 3).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }

    struct Fails;

    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }

    #[test]
    fn an_error_comes_after_what_was_before_it_and_stays() {
        let mut ahead = Ahead::new((&b"abc"[..]).chain(Fails), 3).unwrap();
        let mut read = Vec::new();
        assert_eq!(ahead.read_to_end(&mut read).unwrap_err().raw_os_error(), Some(5));
        assert_eq!(read, b"abc");
        assert!(ahead.read(&mut [0; 8]).is_err(), "an error is no end");
    }

    struct Panics;

    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the test's own panic")
        }
    }

    #[test]
    fn a_panic_comes_out_of_the_reader() {
        let mut ahead = Ahead::new(Panics, 3).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ahead.read(&mut [0; 8])));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"the test's own panic"));
    }

    struct Endless(Arc<AtomicBool>);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn dropping_the_reader_ends_the_thread() {
        let gone = Arc::new(AtomicBool::new(false));
        let mut ahead = Ahead::new(Endless(gone.clone()), 3).unwrap();
        ahead.read_exact(&mut [0; 1000]).unwrap();
        drop(ahead);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !gone.load(Ordering::Acquire) {
            assert!(Instant::now() < deadline, "the thread goes on");
            thread::yield_now();
        }
    }
}
