//! A blob's bytes, read once: no more than it is said to have, hashed as they pass, and their end given only when size and
//! digest are right.

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::stream::tar::{ArchiveHasher, Digests};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A reader that fails where a blob is not what it is said to be.
pub struct Blob<R> {
    source: R,
    /// What it is called in errors.
    name: String,
    size: u64,
    passed: u64,
    /// None: nobody said a digest, as in archives of `docker save`.
    expected: Option<(Digest, ArchiveHasher)>,
    whole: Whole,
}

/// Says of a reader that went into others whether its end was reached, so that a decoder which stops early is seen.
#[derive(Debug, Clone, Default)]
pub struct Whole(Arc<AtomicBool>);

impl Whole {
    pub fn is_whole(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<R: Read> Blob<R> {
    pub fn new(source: R, digest: Digest, size: u64) -> Blob<R> {
        let hasher = ArchiveHasher::new(digest.algorithm());
        Blob {
            source,
            name: digest.to_string(),
            size,
            passed: 0,
            expected: Some((digest, hasher)),
            whole: Whole::default(),
        }
    }

    /// Without a digest: what is in it has to be checked by another.
    pub fn unnamed(source: R, name: String, size: u64) -> Blob<R> {
        Blob { source, name, size, passed: 0, expected: None, whole: Whole::default() }
    }

    pub fn whole(&self) -> Whole {
        self.whole.clone()
    }

    /// Should it be an archive as it is: where the digests of its files are told.
    pub fn digests(&self) -> Digests {
        self.expected.as_ref().map(|(_, hasher)| hasher.digests()).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    fn end(&mut self) -> Result<()> {
        let name = &self.name;
        if self.passed != self.size {
            return Err(Error::invalid(format!(
                "blob {name} has {} bytes, not the {} it should have",
                self.passed, self.size
            )));
        }
        if let Some((expected, hasher)) = self.expected.take() {
            let found = hasher.digest();
            if found != expected {
                return Err(Error::invalid(format!("blob {name}: its bytes have the digest {found}")));
            }
        }
        self.whole.set();
        Ok(())
    }
}

impl<R: Read> Read for Blob<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.whole.is_whole() {
            return Ok(0);
        }
        // One byte more than there may be, to see whether it is there.
        let most = usize::try_from(self.size - self.passed + 1).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.source.read(buffer.get_mut(..most).unwrap_or_default())?;
        if self.passed + length as u64 > self.size {
            return Err(invalid(Error::invalid(format!(
                "blob {} has more than the {} bytes it should have",
                self.name, self.size
            ))));
        }
        self.passed += length as u64;
        if let (Some((_, hasher)), Some(bytes)) = (&mut self.expected, buffer.get(..length)) {
            hasher.update(bytes);
        }
        if length == 0 {
            self.end().map_err(invalid)?;
        }
        Ok(length)
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A whole small blob in memory. Errors: `Invalid`; it is longer than `most`, or not what it is said to be.
pub fn read_whole<R: Read>(mut blob: Blob<R>, most: usize) -> Result<Vec<u8>> {
    if blob.size > most as u64 {
        return Err(Error::invalid(format!("{} has {} bytes: at most {most} are read", blob.name, blob.size)));
    }
    let mut bytes = Vec::new();
    blob.read_to_end(&mut bytes).context("reading an image")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    fn blob(bytes: &[u8], size: u64) -> Blob<&[u8]> {
        Blob::new(bytes, Digest::of(Algorithm::Sha256, b"hello"), size)
    }

    fn read(mut blob: Blob<impl Read>) -> (Vec<u8>, std::result::Result<(), String>) {
        let mut bytes = Vec::new();
        let result = blob.read_to_end(&mut bytes).map(drop).map_err(|error| error.to_string());
        assert_eq!(result.is_ok(), blob.whole().is_whole());
        (bytes, result)
    }

    #[test]
    fn a_blob_whole_one_byte_short_one_byte_long() {
        assert_eq!(read(blob(b"hello", 5)), (b"hello".to_vec(), Ok(())));
        assert!(read(blob(b"hell", 5)).1.unwrap_err().contains("has 4 bytes, not the 5"));
        assert!(read(blob(b"hello!", 5)).1.unwrap_err().contains("has more than the 5 bytes"));
        assert!(read(blob(b"hello", 4)).1.unwrap_err().contains("has more than the 4 bytes"));
        assert!(read(blob(b"hellx", 5)).1.unwrap_err().contains("its bytes have the digest sha256:"));
        assert!(read(blob(b"", 0)).1.is_err());
        assert_eq!(read(Blob::unnamed(&b"x"[..], "x".into(), 1)), (b"x".to_vec(), Ok(())));
    }

    #[test]
    fn an_endless_blob_is_cut() {
        let mut endless = Blob::new(io::repeat(7), Digest::of(Algorithm::Sha256, b"hello"), 100_000);
        let mut passed = 0;
        let mut buffer = [0; 4096];
        let error = loop {
            match endless.read(&mut buffer) {
                Ok(length) => passed += length,
                Err(error) => break error,
            }
        };
        assert!(passed <= 100_000 && error.to_string().contains("more than the 100000 bytes"), "{error}");
        assert!(!endless.whole().is_whole());
    }

    #[test]
    fn small_blobs_in_memory() {
        assert_eq!(read_whole(blob(b"hello", 5), 5).unwrap(), b"hello");
        assert!(read_whole(blob(b"hello", 5), 4).unwrap_err().to_string().contains("at most 4 are read"));
        assert!(read_whole(blob(b"hellx", 5), 5).is_err());
    }
}
