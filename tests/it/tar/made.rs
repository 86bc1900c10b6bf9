//! Archives made by hand, and what the reader says of one.

use sdme::error::Result;
use sdme::stream::tar::{Archive, Entry};

pub const BLOCK: usize = 512;

/// A header block whose checksum is set when it is put on the tape.
pub struct Header(pub [u8; BLOCK]);

impl Header {
    /// Of ustar, mode 0644, everything else 0.
    pub fn new(name: &[u8], typeflag: u8, size: u64) -> Header {
        let mut header = Header([0; BLOCK]);
        header.set(0, name).set(100, b"0000644\0").set(108, b"0000000\0").set(116, b"0000000\0");
        header.set(124, format!("{size:011o}\0").as_bytes()).set(136, b"00000000000\0");
        header.set(156, &[typeflag]).set(257, b"ustar\x0000");
        header
    }

    pub fn set(&mut self, at: usize, bytes: &[u8]) -> &mut Header {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Old GNU's magic.
    pub fn gnu(&mut self) -> &mut Header {
        self.set(257, b"ustar  \0")
    }

    pub fn link(&mut self, target: &[u8]) -> &mut Header {
        self.set(157, target)
    }
}

#[derive(Default, Clone)]
pub struct Tape(pub Vec<u8>);

impl Tape {
    pub fn put(&mut self, header: &Header, data: &[u8]) -> &mut Tape {
        let mut block = header.0;
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self.data(data)
    }

    pub fn data(&mut self, data: &[u8]) -> &mut Tape {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub fn file(&mut self, name: &str, data: &[u8]) -> &mut Tape {
        self.put(&Header::new(name.as_bytes(), b'0', data.len() as u64), data)
    }

    pub fn pax(&mut self, records: &[(&str, &[u8])]) -> &mut Tape {
        self.extended(b'x', &records.iter().flat_map(|(keyword, value)| record(keyword, value)).collect::<Vec<u8>>())
    }

    pub fn extended(&mut self, typeflag: u8, data: &[u8]) -> &mut Tape {
        self.put(&Header::new(b"extended", typeflag, data.len() as u64), data)
    }

    pub fn end(&mut self) -> Vec<u8> {
        [&self.0[..], &[0; 2 * BLOCK]].concat()
    }
}

pub fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", keyword.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// An entry and its chunks, neighbours joined.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Seen {
    pub entry: Entry,
    pub chunks: Vec<(u64, Vec<u8>)>,
}

impl Seen {
    pub fn path(&self) -> String {
        String::from_utf8_lossy(&self.entry.path).into_owned()
    }

    /// Holes filled with zeros.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.entry.size as usize];
        for (offset, chunk) in &self.chunks {
            bytes[*offset as usize..][..chunk.len()].copy_from_slice(chunk);
        }
        bytes
    }
}

/// Everything, to the end of the stream.
pub fn all(bytes: &[u8]) -> Result<Vec<Seen>> {
    through(Archive::new(bytes), 4096)
}

pub fn through(mut archive: Archive<'_>, piece: usize) -> Result<Vec<Seen>> {
    let (mut seen, mut buffer) = (Vec::new(), vec![0; piece]);
    while let Some(entry) = archive.next()? {
        let mut chunks: Vec<(u64, Vec<u8>)> = Vec::new();
        while let Some(chunk) = archive.read(&mut buffer)? {
            let bytes = &buffer[..chunk.length];
            match chunks.last_mut().filter(|(offset, last)| offset + last.len() as u64 == chunk.offset) {
                Some((_, last)) => last.extend(bytes),
                None => chunks.push((chunk.offset, bytes.to_vec())),
            }
        }
        seen.push(Seen { entry, chunks });
    }
    archive.finish()?;
    Ok(seen)
}

/// Only what is named.
pub fn names(bytes: &[u8]) -> Result<Vec<String>> {
    Ok(all(bytes)?.iter().map(Seen::path).collect())
}
