//! Reading ahead on a thread of its own, so that reading, decompression and writing overlap.
//!
//! A few buffers go round: the thread fills one, the reader empties it and gives it back. Errors and panics of the thread
//! come out of the reader. When the reader is dropped the thread ends with the read that it is in; nobody waits for it, as
//! that read may be of a pipe in which nothing comes any more.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes of one buffer, and how many go round.
const BUFFER: usize = 1 << 20;
const BUFFERS: usize = 3;

enum Message {
    Data(Vec<u8>, usize),
    Failed(io::Error),
    End,
}

/// A reader that another thread works for.
pub struct Ahead {
    full: Receiver<Message>,
    empty: Sender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    buffer: Vec<u8>,
    at: usize,
    length: usize,
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
    /// Starts reading at once. Errors: no thread can be had.
    pub fn new(source: impl Read + Send + 'static) -> io::Result<Ahead> {
        Ahead::with_buffers(source, BUFFERS)
    }

    /// The same with so many megabytes that go round: where what is read comes unevenly, and its reader takes it unevenly.
    pub fn with_buffers(source: impl Read + Send + 'static, buffers: usize) -> io::Result<Ahead> {
        let (full_in, full) = sync_channel(buffers);
        let (empty, empty_out) = channel();
        for _ in 0..buffers {
            // The other end is in scope: this cannot fail.
            let _ = empty.send(vec![0; BUFFER]);
        }
        let thread = thread::Builder::new().name("ahead".into()).spawn(move || work(source, &empty_out, &full_in))?;
        Ok(Ahead { full, empty, thread: Some(thread), buffer: Vec::new(), at: 0, length: 0, end: End::NotYet })
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..self.length).unwrap_or_default()
    }

    fn receive(&mut self) -> io::Result<()> {
        match self.end {
            End::NotYet => {}
            End::Reached => return Ok(()),
            End::Failed => return Err(io::Error::other("the stream failed before")),
        }
        if !self.buffer.is_empty() {
            // A thread that is gone needs no buffers.
            let _ = self.empty.send(std::mem::take(&mut self.buffer));
        }
        (self.at, self.length) = (0, 0);
        match self.full.recv() {
            Ok(Message::Data(buffer, length)) => (self.buffer, self.length) = (buffer, length),
            Ok(Message::End) => self.end = End::Reached,
            Ok(Message::Failed(error)) => {
                self.end = End::Failed;
                return Err(error);
            }
            Err(_) => {
                self.end = End::Failed;
                return Err(self.panicked());
            }
        }
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

fn work(mut source: impl Read, empty: &Receiver<Vec<u8>>, full: &SyncSender<Message>) {
    while let Ok(mut buffer) = empty.recv() {
        let message = match source.read(&mut buffer) {
            Ok(0) => Message::End,
            Ok(length) => Message::Data(buffer, length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Message::Data(buffer, 0),
            Err(error) => Message::Failed(error),
        };
        let goes_on = matches!(message, Message::Data(..));
        if full.send(message).is_err() || !goes_on {
            return;
        }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest().is_empty() && self.end != End::Reached {
            self.receive()?;
        }
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount).min(self.length);
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
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
        Ahead::new(io::Cursor::new(bytes.clone())).unwrap().read_to_end(&mut read).unwrap();
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
        let mut ahead = Ahead::new((&b"abc"[..]).chain(Fails)).unwrap();
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
        let mut ahead = Ahead::new(Panics).unwrap();
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
        let mut ahead = Ahead::new(Endless(gone.clone())).unwrap();
        ahead.read_exact(&mut [0; 1000]).unwrap();
        drop(ahead);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !gone.load(Ordering::Acquire) {
            assert!(Instant::now() < deadline, "the thread goes on");
            thread::yield_now();
        }
    }
}
