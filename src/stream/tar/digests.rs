//! The digest of a stream, and, if it is a tar archive, of each file in it: all in one go, for a little more than the time of one.
//!
//! Whoever hashes a stream goes through its headers as far as it can tell where the bytes of plain files are, and tells
//! their digests to whoever reads the archive after it. It decides nothing: what is told is the digest of these bytes of
//! the stream, whatever they are, and a reader that finds its file elsewhere takes the digest itself.

use super::header::{self, BLOCK, Block, Header};
use super::padded;
use crate::digest::twin::Twin;
use crate::digest::{Algorithm, Digest, Hasher};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Files whose digests wait to be asked for, at most: more than what is read ahead can hold.
const WAITING_MAX: usize = 16 * 1024;

/// So many bytes from this place of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub begin: u64,
    pub length: u64,
}

/// A span, and its digest when its last byte has been seen.
type Told = (Span, Option<[u8; 32]>);

/// Digests of spans, in the order of the stream. Both ends have one.
#[derive(Debug, Clone, Default)]
pub struct Digests(Arc<Mutex<VecDeque<Told>>>);

impl Digests {
    /// Whether this span's digest will be there when its last byte has been read. Spans before it are forgotten.
    pub fn has(&self, span: Span) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|(first, _)| first.begin < span.begin) {
            waiting.pop_front();
        }
        waiting.front().is_some_and(|(first, _)| *first == span)
    }

    /// The SHA-256 of a span, when it is there.
    pub fn of(&self, span: Span) -> Option<[u8; 32]> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.front().filter(|(first, _)| *first == span).and_then(|(_, digest)| *digest)
    }

    fn announce(&self, span: Span) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back((span, None));
    }

    fn tell(&self, digest: [u8; 32]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, last)) = waiting.back_mut() {
            *last = Some(digest);
        }
    }
}

/// Takes a stream piece by piece.
#[derive(Debug, Clone)]
pub struct ArchiveHasher {
    stream: Hasher,
    /// The stream's first block, by which it is known what it is; once it is whole no more is kept.
    first: Vec<u8>,
    /// If it is an archive: takes what follows, and the stream's hasher no more.
    archive: Option<Box<Walk>>,
    digests: Digests,
}

impl ArchiveHasher {
    pub fn new(algorithm: Algorithm) -> ArchiveHasher {
        ArchiveHasher {
            stream: Hasher::new(algorithm),
            first: Vec::with_capacity(BLOCK),
            archive: None,
            digests: Digests::default(),
        }
    }

    /// Where the digests of files are told: none at all where they are to be had no cheaper than by themselves.
    pub fn digests(&self) -> Digests {
        self.digests.clone()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let missing = BLOCK - self.first.len();
        let (now, later) = bytes.split_at(missing.min(bytes.len()));
        if missing > 0 {
            self.stream.update(now);
            self.first.extend_from_slice(now);
            if now.len() == missing {
                self.archive = self.walk().map(Box::new);
            }
        }
        match &mut self.archive {
            Some(walk) => walk.update(later, &self.digests),
            None => self.stream.update(later),
        }
    }

    /// Of all bytes so far.
    pub fn digest(&self) -> Digest {
        match &self.archive {
            Some(walk) => walk.twin.whole(),
            None => self.stream.clone().finish(),
        }
    }

    /// Behind the first block, if that is an archive's and its digest is a twin's.
    fn walk(&self) -> Option<Walk> {
        let twin = Twin::new().filter(|_| self.stream.algorithm() == Algorithm::Sha256)?;
        let mut walk = Walk { twin, header: [0; BLOCK], place: Place::Header(0) };
        header::is_header(&self.first).then(|| {
            walk.update(&self.first, &self.digests);
            walk
        })
    }
}

/// Through an archive, as far as it is understood.
#[derive(Debug, Clone)]
struct Walk {
    twin: Twin,
    header: Block,
    place: Place,
}

/// So many bytes from where a place began, or to where it ends.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A header, so many bytes of which are here.
    Header(usize),
    /// A file, so many bytes of which are not, and then what fills its last block.
    File(u64, u64),
    /// What is no file's.
    Passed(u64),
    /// Behind the end, or behind something that was not understood.
    Lost,
}

impl Walk {
    fn update(&mut self, mut bytes: &[u8], digests: &Digests) {
        while !bytes.is_empty() {
            let wanted = self.place.left().min(bytes.len() as u64) as usize;
            let (now, later) = bytes.split_at(wanted);
            self.twin.update(now);
            self.place = self.after(now, digests);
            bytes = later;
        }
    }

    /// Where these bytes, which end with the place at the latest, lead to.
    fn after(&mut self, bytes: &[u8], digests: &Digests) -> Place {
        let count = bytes.len() as u64;
        match self.place {
            Place::Header(filled) => {
                let end = filled + bytes.len();
                // No more than is missing comes at once.
                if let Some(room) = self.header.get_mut(filled..end) {
                    room.copy_from_slice(bytes);
                }
                if end < BLOCK { Place::Header(end) } else { self.behind_header(digests) }
            }
            Place::File(left, filling) if left == count => {
                digests.tell(self.twin.part());
                Place::behind(filling)
            }
            Place::File(left, filling) => Place::File(left - count, filling),
            Place::Passed(left) => Place::behind(left - count),
            Place::Lost => Place::Lost,
        }
    }

    /// A size that extended headers move is not looked for: where it matters the next header is missed, and all is lost.
    fn behind_header(&mut self, digests: &Digests) -> Place {
        let Some(header) = Header::read(&self.header) else { return Place::Lost };
        let Some(size) = header.size() else { return Place::Lost };
        let filling = padded(size) - size;
        match header.typeflag() {
            b'0' | b'7' | 0 if size > 0 && self.twin.begin() => {
                digests.announce(Span { begin: self.twin.length(), length: size });
                Place::File(size, filling)
            }
            // Links, devices, directories: there is no data, whatever the size says.
            b'1'..=b'6' => Place::Header(0),
            _ => Place::behind(padded(size)),
        }
    }
}

impl Place {
    /// Bytes to its end.
    fn left(self) -> u64 {
        match self {
            Place::Header(filled) => (BLOCK - filled) as u64,
            Place::File(left, _) | Place::Passed(left) => left,
            Place::Lost => u64::MAX,
        }
    }

    /// The next header, behind so many bytes.
    fn behind(bytes: u64) -> Place {
        if bytes == 0 { Place::Header(0) } else { Place::Passed(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(typeflag: u8, size: &str, data: &[u8]) -> Vec<u8> {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(b"name");
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[148..156].fill(b' ');
        block[156] = typeflag;
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut bytes = [&block, data].concat();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn file(length: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..length).map(|number| (number * 7) as u8).collect();
        entry(b'0', &format!("{length:o}"), &data)
    }

    /// What is told of an archive that comes in pieces of this size.
    fn told(archive: &[u8], piece: usize) -> Vec<(Span, Option<Digest>)> {
        let mut hasher = ArchiveHasher::new(Algorithm::Sha256);
        archive.chunks(piece).for_each(|bytes| hasher.update(bytes));
        assert_eq!(hasher.digest(), Digest::of(Algorithm::Sha256, archive));
        let waiting = hasher.digests.0.lock().unwrap();
        waiting.iter().map(|(span, digest)| (*span, digest.map(Digest::of_sha256))).collect()
    }

    fn of(archive: &[u8], begin: usize, length: usize) -> (Span, Option<Digest>) {
        let digest = Digest::of(Algorithm::Sha256, &archive[begin..begin + length]);
        (Span { begin: begin as u64, length: length as u64 }, Some(digest))
    }

    fn is_here() -> bool {
        Twin::new().is_some() || {
            eprintln!("skip: no SHA instructions here");
            false
        }
    }

    #[test]
    fn each_file_has_its_digest_however_the_archive_comes() {
        if !is_here() {
            return;
        }
        let directory = entry(b'5', "0", b"");
        let long = entry(b'L', "3", b"abc");
        let archive = [directory, file(1), file(0), long, file(512), file(700), vec![0; 1024]].concat();
        let expected = [of(&archive, 1024, 1), of(&archive, 3584, 512), of(&archive, 4608, 700)];
        for piece in [1, 63, 64, 100, 512, 513, 100_000] {
            assert_eq!(told(&archive, piece), expected, "by {piece}");
        }
    }

    #[test]
    fn of_what_is_not_understood_nothing_is_told_but_the_digest_is_right() {
        let huge = [file(3), entry(b'0', "zz", b""), file(3)].concat();
        assert_eq!(told(&huge, 100).len(), usize::from(is_here()));
        // A length that is not there yet: announced, and never told.
        let cut = &file(700)[..900];
        assert!(told(cut, 100).iter().all(|(_, digest)| digest.is_none()));
        for other in [&b""[..], b"abc", &[7; 511], &[7; 5000], &[0; 2048]] {
            assert_eq!(told(other, 100), []);
        }
    }

    #[test]
    fn of_another_algorithm_the_digest_is_right_and_nothing_is_told() {
        let mut hasher = ArchiveHasher::new(Algorithm::Sha512);
        file(700).chunks(100).for_each(|bytes| hasher.update(bytes));
        assert_eq!(hasher.digest(), Digest::of(Algorithm::Sha512, &file(700)));
        assert!(hasher.digests.0.lock().unwrap().is_empty());
    }

    #[test]
    fn the_digest_of_a_span_is_had_once_its_bytes_were_seen_and_forgotten_behind_it() {
        let (one, other) = (Span { begin: 512, length: 3 }, Span { begin: 1536, length: 9 });
        let digests = Digests::default();
        digests.announce(one);
        assert!(digests.has(one) && digests.of(one).is_none());
        assert!(!digests.has(Span { length: 4, ..one }));
        digests.tell([1; 32]);
        digests.announce(other);
        assert_eq!(digests.of(one), Some([1; 32]));
        assert!(digests.has(other) && digests.of(one).is_none());
    }

    #[test]
    fn what_nobody_asks_for_does_not_gather() {
        let digests = Digests::default();
        for begin in 0..WAITING_MAX as u64 + 9 {
            digests.announce(Span { begin, length: 1 });
        }
        assert_eq!(digests.0.lock().unwrap().len(), WAITING_MAX);
        assert!(!digests.has(Span { begin: 8, length: 1 }) && digests.has(Span { begin: 9, length: 1 }));
    }
}
