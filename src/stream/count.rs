//! Counting what passes, for whoever shows progress meanwhile.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes so far, shared with other threads. Nothing else is ordered by it.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A reader that adds what passes to a counter.
pub struct Count<R> {
    source: R,
    counter: Counter,
}

impl<R: Read> Count<R> {
    pub fn new(source: R, counter: Counter) -> Count<R> {
        Count { source, counter }
    }
}

impl<R: Read> Read for Count<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.counter.add(length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_counted() {
        let counter = Counter::default();
        let mut count = Count::new(&b"abcdef"[..], counter.clone());
        count.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(counter.get(), 4);
        count.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(counter.get(), 6);
    }
}
