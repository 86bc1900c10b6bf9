//! A regular file that is being filled, from any thread, in any order; what is not written is a hole.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Context, Error, Result};
use crate::rootfs::writer::attributes::{Hand, Owned};
use crate::rootfs::writer::known::{Birth, Facts, Known};
use crate::rootfs::writer::path::shown;
use crate::sys::meta::Kind;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct FileWriter {
    file: File,
    path: Vec<u8>,
    size: u64,
    /// Where what was written ends.
    end: u64,
    attributes: Owned,
    hand: Hand,
    digest: Running,
    ledger: Ledger,
}

/// Where it is written down what a file came to.
pub(super) struct Ledger {
    pub known: Known,
    pub birth: Birth,
}

/// The digest of all bytes so far, as long as they come from the first to the last.
struct Running {
    hashing: Hashing,
    end: u64,
}

enum Hashing {
    Not,
    /// Whoever makes files has no need of hashers: the first byte brings one.
    Later,
    Begun(Box<Hasher>),
}

impl Running {
    fn add(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.end {
            self.hashing = Hashing::Not;
        }
        if matches!(self.hashing, Hashing::Later) {
            self.hashing = Hashing::Begun(Box::new(Hasher::new(Algorithm::Sha256)));
        }
        if let Hashing::Begun(hasher) = &mut self.hashing {
            hasher.update(bytes);
        }
        self.end += bytes.len() as u64;
    }

    fn finish(self, size: u64) -> Option<[u8; 32]> {
        let digest = match self.hashing {
            _ if self.end != size => return None,
            Hashing::Not => return None,
            Hashing::Later => Digest::of(Algorithm::Sha256, b""),
            Hashing::Begun(hasher) => hasher.finish(),
        };
        digest.bytes().try_into().ok()
    }
}

impl FileWriter {
    pub(super) fn new(file: File, path: &[u8], size: u64, attributes: Owned, hand: Hand, ledger: Ledger) -> FileWriter {
        let can_be_known = ledger.known.remembers() && Facts::of(Kind::File, &attributes).is_some();
        let digest = Running { hashing: if can_be_known { Hashing::Later } else { Hashing::Not }, end: 0 };
        FileWriter { file, path: path.to_vec(), size, end: 0, attributes, hand, digest, ledger }
    }

    /// Somebody else takes the digest of its bytes.
    pub(in crate::rootfs) fn unhashed(mut self) -> FileWriter {
        self.digest.hashing = Hashing::Not;
        self
    }

    /// Errors: `Invalid` for bytes past the size that was announced (and counted).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.reserve(offset, bytes.len() as u64)?;
        self.digest.add(offset, bytes);
        self.file.write_all_at(bytes, offset).with_context(|| format!("writing {}", shown(&self.path)))
    }

    /// The file, for a copy inside the kernel; what came of it is told to [`FileWriter::wrote`].
    pub(in crate::rootfs) fn raw(&self) -> &File {
        &self.file
    }

    /// This many bytes at this place have been written by somebody else.
    pub(in crate::rootfs) fn wrote(&mut self, offset: u64, length: u64) -> Result<()> {
        self.digest.hashing = Hashing::Not;
        self.reserve(offset, length)
    }

    fn reserve(&mut self, offset: u64, length: u64) -> Result<()> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size => self.end = self.end.max(end),
            _ => return Err(Error::invalid(format!("{} goes on after its {} bytes", shown(&self.path), self.size))),
        }
        Ok(())
    }

    /// Owner, mode, extended attributes and times; after the last byte, because a write takes some of them away.
    pub fn finish(self) -> Result<()> {
        self.finish_as(None)
    }

    /// The same of a file whose bytes, all of them, have this SHA-256, as whoever hashed them says.
    pub(in crate::rootfs) fn finish_as(self, told: Option<[u8; 32]>) -> Result<()> {
        self.complete().with_context(|| shown(&self.path))?;
        let digest = told.or_else(|| self.digest.finish(self.size));
        let facts = Facts::of(Kind::File, &self.attributes).zip(digest);
        let facts = facts.map(|(facts, sha256)| Facts { size: self.size, sha256, ..facts });
        self.ledger.known.set(self.ledger.birth, facts);
        Ok(())
    }

    fn complete(&self) -> Result<()> {
        if self.end < self.size {
            self.file.set_len(self.size)?;
        }
        self.hand.give_new(&self.file, &self.path, &self.attributes)
    }
}
