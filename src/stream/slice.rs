//! Bytes that several hold, and nobody changes: what was read or unpacked once is parsed, hashed and written where it is.
//! The memory is filled again when the last one has let go of it; new memory would cost a fault for each of its pages.

use std::io::{self, Read};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A buffer of which less than this part was filled is not kept from others: its bytes are copied.
const WORTH: usize = 4;

/// A part of a buffer. It is passed from its front to its end.
#[derive(Clone, Default)]
pub struct Slice {
    /// None: it is empty.
    buffer: Option<Arc<Buffer>>,
    start: usize,
    end: usize,
}

struct Buffer {
    bytes: Vec<u8>,
    /// Where it is filled again.
    home: Option<Sender<Vec<u8>>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // Nobody fills it any more when the stream has ended.
            let _ = home.send(std::mem::take(&mut self.bytes));
        }
    }
}

impl Slice {
    /// The first bytes of a buffer that goes home afterwards.
    pub fn new(bytes: Vec<u8>, length: usize, home: &Sender<Vec<u8>>) -> Slice {
        let end = length.min(bytes.len());
        Slice { buffer: Some(Arc::new(Buffer { bytes, home: Some(home.clone()) })), start: 0, end }
    }

    /// What it keeps in memory.
    pub fn held(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.bytes.len())
    }

    /// Whether both keep the same buffer.
    pub fn shares(&self, other: &Slice) -> bool {
        match (&self.buffer, &other.buffer) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Passes over so many bytes, if it has them.
    pub fn skip(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Passes over the next bytes and gives them: all that there are, at most `most`.
    pub fn take_front(&mut self, most: usize) -> Slice {
        let middle = self.start + most.min(self.len());
        let front = Slice { buffer: self.buffer.clone(), start: self.start, end: middle };
        self.start = middle;
        front
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|buffer| buffer.bytes.get(self.start..self.end)).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        let end = bytes.len();
        Slice { buffer: Some(Arc::new(Buffer { bytes, home: None })), start: 0, end }
    }
}

/// Copies from its front.
impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (&**self).read(buffer)?;
        self.skip(length);
        Ok(length)
    }
}

/// A stream that is already in memory.
pub trait Slices: Read {
    /// The next bytes, as they come; none only at the end.
    fn slice(&mut self) -> io::Result<Slice>;
}

impl<S: Slices + ?Sized> Slices for Box<S> {
    fn slice(&mut self) -> io::Result<Slice> {
        (**self).slice()
    }
}

/// Buffers of one size that go round.
struct Pool {
    size: usize,
    /// How many may still be made.
    left: usize,
    home: Sender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

impl Pool {
    /// A buffer. When all are out it waits for one: whoever holds them must not be who asks.
    fn get(&mut self) -> Vec<u8> {
        if let Ok(buffer) = self.empty.try_recv() {
            return buffer;
        }
        if self.left == 0 {
            // This end holds a sender, so there is an answer when a buffer comes home, and no other.
            return self.empty.recv().unwrap_or_default();
        }
        self.left -= 1;
        vec![0; self.size]
    }

    /// Takes back one that nothing was put into.
    fn put(&self, buffer: Vec<u8>) {
        // The other end is here: this cannot fail.
        let _ = self.home.send(buffer);
    }
}

/// What is read, put into buffers.
pub struct Buffered<R> {
    source: R,
    pool: Pool,
    /// Bytes that are waited for before they are handed on.
    least: usize,
    /// What came behind the bytes that were handed on.
    failed: Option<io::Error>,
}

impl<R: Read> Buffered<R> {
    /// At most so many buffers go round, each of so many bytes. What comes is handed on.
    pub fn new(source: R, most: usize, size: usize) -> Buffered<R> {
        let (home, empty) = channel();
        Buffered { source, pool: Pool { size, left: most, home, empty }, least: 1, failed: None }
    }

    /// For a source that gives little at once, and has more: each buffer is filled.
    pub fn filled(source: R, most: usize, size: usize) -> Buffered<R> {
        Buffered { least: size, ..Buffered::new(source, most, size) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < self.least.min(buffer.len()) {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => break,
                // A source that lies about how much it gave must not lead past the buffer.
                Ok(length) => filled += length.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(filled)
    }
}

impl<R: Read> Read for Buffered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.failed.take().map_or_else(|| self.source.read(buffer), Err)
    }
}

impl<R: Read> Slices for Buffered<R> {
    fn slice(&mut self) -> io::Result<Slice> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut buffer = self.pool.get();
        match self.fill(&mut buffer) {
            Ok(length) if length >= buffer.len() / WORTH => Ok(Slice::new(buffer, length, &self.pool.home)),
            outcome => {
                let few = outcome.map(|length| buffer.get(..length).unwrap_or_default().to_vec().into());
                self.pool.put(buffer);
                few
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_from_the_front_and_stay_what_they_were() {
        let mut slice = Slice::from(b"abcdef".to_vec());
        let front = slice.take_front(2);
        slice.skip(1);
        assert_eq!((&*front, &*slice), (&b"ab"[..], &b"def"[..]));
        assert!(front.shares(&slice) && !front.shares(&Slice::from(b"ab".to_vec())));
        let mut two = [0; 2];
        slice.read_exact(&mut two).unwrap();
        assert_eq!((&two, &*slice.take_front(9), &*slice), (b"de", &b"f"[..], &b""[..]));
        slice.skip(usize::MAX);
        assert!(slice.is_empty() && Slice::default().is_empty() && !Slice::default().shares(&Slice::default()));
    }

    #[test]
    fn a_buffer_is_filled_again_when_nobody_holds_it() {
        let mut source = Buffered::new(io::repeat(7), usize::MAX, 4);
        let first = source.slice().unwrap();
        let (place, other) = (first.as_ptr(), first.clone());
        drop(first);
        let second = source.slice().unwrap();
        assert!(second.as_ptr() != place && *other == [7; 4]);
        drop(other);
        assert_eq!(source.slice().unwrap().as_ptr(), place);
    }

    #[test]
    fn a_pool_waits_for_a_buffer_when_all_are_out() {
        let mut source = Buffered::new(io::repeat(7), 1, 4);
        let only = source.slice().unwrap();
        let waiting = std::thread::spawn(move || source.slice().unwrap().len());
        drop(only);
        assert_eq!(waiting.join().unwrap(), 4);
    }

    /// Is interrupted, gives two bytes, says that it gave more than fit, fails, ends.
    struct Odd(usize);

    impl Read for Odd {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::Interrupted.into()),
                2 => (&b"ab"[..]).read(buffer),
                3 => Ok(100),
                4 => Err(io::ErrorKind::Other.into()),
                _ => Ok(0),
            }
        }
    }

    #[test]
    fn odd_sources() {
        let mut source = Buffered::new(Odd(0), 1, 4);
        assert_eq!(*source.slice().unwrap(), *b"ab");
        assert_eq!(source.slice().unwrap().len(), 4);
        assert!(source.slice().is_err());
        assert!(source.slice().unwrap().is_empty());
    }

    #[test]
    fn a_buffer_is_filled_or_the_end_or_an_error_follows() {
        let mut source = Buffered::filled(Odd(0), 1, 9);
        assert_eq!(source.slice().unwrap().len(), 9);
        assert!(source.slice().is_err());
        assert!(source.slice().unwrap().is_empty());
        let mut source = Buffered::filled((&b"ab"[..]).chain(Odd(3)), 1, 9);
        assert_eq!(*source.slice().unwrap(), *b"ab");
        assert!(source.read(&mut [0]).is_err());
        let mut source = Buffered::filled((&b"ab"[..]).chain(&b"cde"[..]), 1, 4);
        let all: Vec<Slice> = (0..3).map(|_| source.slice().map(|slice| slice.to_vec().into()).unwrap()).collect();
        assert_eq!((&*all[0], &*all[1], &*all[2]), (&b"abcd"[..], &b"e"[..], &b""[..]));
    }

    #[test]
    fn a_few_bytes_do_not_keep_a_buffer() {
        let mut source = Buffered::new((&b"a"[..]).chain(&b"bcd"[..]), 1, 8);
        let one = source.slice().unwrap();
        let other = source.slice().unwrap();
        assert_eq!((&*one, one.held(), &*other, other.held()), (&b"a"[..], 1, &b"bcd"[..], 8));
    }
}
