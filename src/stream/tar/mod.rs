//! tar archives as tools write them: v7, ustar, GNU, PAX and star, with every form of sparse file.
//!
//! An `Archive` goes through a `Read` once. Paths are given as they stand there: cleaning, resolving and refusing them is
//! the affair of whoever writes a tree. Where tools read the same bytes differently, what no tool writes is refused
//! (docs/design.md, "How is a tar archive read?").

pub mod acl;
mod digests;
mod entry;
mod header;
mod index;
mod input;
mod listing;
pub mod pax;
mod sparse;

pub use digests::{ArchiveHasher, Digests, Span};
pub use header::{BLOCK, is_header};

use crate::error::{Context, Error, Result};
use crate::stream::slice::{Buffered, Slice, Slices};
use entry::{Layout, Map, Notes, Pending};
use header::{Block, Header};
use input::Input;
use pax::Globals;
use sparse::Run;
use std::io::Read;

/// Bytes of one extended header or long name. Linux' own limits come to some 70 KiB: a path, a link and 64 KiB of attributes.
pub const HEADER_MAX: u64 = 1 << 20;
/// What is not in memory yet is read in pieces of so many bytes.
const BUFFER: usize = 128 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As the archive has it: it may be anything but NUL.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits too.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    /// Of a file, holes included.
    pub size: u64,
    /// Names and values; ACLs as system.posix_acl_access and system.posix_acl_default.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File,
    HardLink(Vec<u8>),
    Symlink(Vec<u8>),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Directory,
    Fifo,
}

/// Where the bytes that were read stand in their file; gaps between chunks are holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    pub offset: u64,
    pub length: usize,
}

pub struct Archive<'a> {
    input: Input<'a>,
    globals: Globals,
    /// An extended header was seen.
    pax: bool,
    data: Data,
    notes: Notes,
    limit: u64,
    digests: Digests,
    /// The end need not be marked.
    open_end: bool,
    ended: bool,
}

/// What of the entry's data has not been read.
#[derive(Default)]
struct Data {
    /// Of the run that is being read.
    offset: u64,
    left: u64,
    /// The runs after it.
    runs: std::vec::IntoIter<Run>,
    /// Bytes up to the next header, padding included.
    stored: u64,
}

impl<'a> Archive<'a> {
    pub fn new(source: impl Read + 'a) -> Archive<'a> {
        Archive::of(Buffered::new(source, usize::MAX, BUFFER))
    }

    /// Of what is in memory already.
    pub fn of(source: impl Slices + 'a) -> Archive<'a> {
        Archive {
            input: Input::new(Box::new(source)),
            globals: Globals::default(),
            pax: false,
            data: Data::default(),
            notes: Notes::default(),
            limit: HEADER_MAX,
            digests: Digests::default(),
            open_end: false,
            ended: false,
        }
    }

    /// Another bound for extended headers and long names than `HEADER_MAX`.
    pub fn with_limit(mut self, bytes: u64) -> Archive<'a> {
        self.limit = bytes;
        self
    }

    /// Takes the end of the stream between two entries for the archive's end, as GNU tar and bsdtar do. Only for a source
    /// that tells itself when it is cut short, by a digest or a length: without end-of-archive blocks nothing else does.
    pub fn with_open_end(mut self) -> Archive<'a> {
        self.open_end = true;
        self
    }

    /// Somebody hashes what is read here, beginning with its first byte, and tells the digests of files.
    pub fn with_digests(mut self, digests: Digests) -> Archive<'a> {
        self.digests = digests;
        self
    }

    /// Of the entry just given, none of which has been read: where its data is, if [`Archive::digest`] will be known at its end.
    pub fn digested(&self) -> Option<Span> {
        let span = Span { begin: self.input.position(), length: self.data.left };
        (self.data.runs.len() == 0 && self.digests.has(span)).then_some(span)
    }

    /// The SHA-256 of the data that was read from there.
    pub fn digest(&self, span: Span) -> Option<[u8; 32]> {
        self.digests.of(span)
    }

    /// What was left out so far.
    pub fn notes(&self) -> Vec<String> {
        self.notes.told()
    }

    /// The next entry; what is left of the last one's data is passed over. None after the archive's end.
    // No Iterator: reading the entry's data goes on between two of them.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>> {
        let rest = std::mem::take(&mut self.data).stored;
        // umoci ends a layer with the last file's last byte.
        if self.open_end {
            self.input.skip_unfilled(rest)?
        } else {
            self.input.skip(rest)?
        }
        let (mut pending, mut block) = (Pending::default(), [0; BLOCK]);
        while !self.ended {
            let at = self.input.position();
            let Some(header) = self.header(&mut block)? else { break };
            if let Some(entry) =
                self.take(&header, &mut pending).with_context(|| format!("the archive at byte {at}"))?
            {
                return Ok(Some(entry));
            }
        }
        self.ended = true;
        if pending.is_empty() {
            Ok(None)
        } else {
            Err(Error::invalid("the archive ends with an entry's extended header"))
        }
    }

    /// Copies on from the data of the entry just given, as much as is in memory of one run and the buffer takes. None when there
    /// is no more.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Chunk>> {
        let Some((offset, slice)) = self.slice(buffer.len())? else { return Ok(None) };
        let length = (&*slice).read(buffer)?;
        Ok(Some(Chunk { offset, length }))
    }

    /// The next data of the entry just given, and where it stands in its file: what is in memory of one run, at most `most` bytes.
    /// None when there is no more.
    pub fn slice(&mut self, most: usize) -> Result<Option<(u64, Slice)>> {
        while self.data.left == 0 {
            let Some(run) = self.data.runs.next() else { return Ok(None) };
            (self.data.offset, self.data.left) = (run.offset, run.length);
        }
        let slice = self.input.slice(usize::try_from(self.data.left).unwrap_or(usize::MAX).min(most))?;
        let (offset, length) = (self.data.offset, slice.len() as u64);
        self.data.offset += length;
        self.data.left -= length;
        self.data.stored -= length;
        Ok(Some((offset, slice)))
    }

    /// Reads up to the end of the stream: behind the archive there may be zeros only, or the index that pixz makes of it.
    pub fn finish(mut self) -> Result<()> {
        while self.next()?.is_some() {}
        if !self.input.pass_zeros()? {
            return Ok(());
        }
        let at = self.input.position();
        if index::pass(&mut self.input)? && !self.input.pass_zeros()? {
            return Ok(());
        }
        Err(Error::invalid(format!("the archive has ended, but more follows at byte {at}")))
    }

    /// Reads one into `block`. None at the archive's end.
    fn header<'b>(&mut self, block: &'b mut Block) -> Result<Option<Header<'b>>> {
        let at = self.input.position();
        if !self.block(block)? {
            return self.end("without end-of-archive blocks").map(|()| None);
        }
        if header::is_zero(block) {
            if !self.block(block)? {
                return self.end("inside its end-of-archive blocks").map(|()| None);
            }
            return match header::is_zero(block) {
                true => Ok(None),
                false => Err(Error::invalid(format!("the archive has an end at byte {at}, and more behind it"))),
            };
        }
        match Header::read(block) {
            Some(header) => Ok(Some(header)),
            None if at == 0 => Err(Error::invalid("this is no tar archive: its first block is no header")),
            None => Err(Error::invalid(format!("the archive is broken: at byte {at} there is no header"))),
        }
    }

    fn end(&self, how: &str) -> Result<()> {
        if self.open_end {
            return Ok(());
        }
        Err(Error::invalid(format!("the archive ends at byte {} {how}: it may be cut short", self.input.position())))
    }

    /// False at the end of the stream.
    fn block(&mut self, block: &mut Block) -> Result<bool> {
        match self.input.fill(block)? {
            0 => Ok(false),
            BLOCK => Ok(true),
            _ => Err(Error::invalid(format!(
                "the archive is cut short: it ends at byte {}, inside a header",
                self.input.position()
            ))),
        }
    }

    /// Whatever the header is of: an entry is given, anything else is kept for the next one.
    fn take(&mut self, header: &Header, pending: &mut Pending) -> Result<Option<Entry>> {
        match header.typeflag() {
            // Solaris' letter for the same.
            b'x' | b'X' => {
                self.pax = true;
                pending.add_records(&self.text(header)?)?;
            }
            b'L' => pending.add_path(&self.text(header)?)?,
            b'K' => pending.add_linkname(&self.text(header)?)?,
            b'g' | b'V' if !pending.is_empty() => return Err(Error::invalid("an extended header without its entry")),
            b'g' => {
                self.pax = true;
                let text = self.text(header)?;
                self.globals.parse(&text)?;
            }
            // The volume's label.
            b'V' => self.input.skip(padded(size(header)?))?,
            _ => return self.entry(header, std::mem::take(pending)).map(Some),
        }
        Ok(None)
    }

    /// The data of an extended header. It is held as it comes, not as its size promises.
    fn text(&mut self, header: &Header) -> Result<Slice> {
        let size = size(header)?;
        if size > self.limit {
            return Err(Error::invalid(format!(
                "an extended header of {size} bytes: more than {} is not read (--max-header moves the bound)",
                self.limit
            )));
        }
        let left = |taken: usize| usize::try_from(padded(size)).unwrap_or(usize::MAX) - taken;
        let mut text = self.input.slice(left(0))?;
        if left(text.len()) > 0 {
            let mut pieces = text.to_vec();
            while left(pieces.len()) > 0 {
                pieces.extend_from_slice(&self.input.slice(left(pieces.len()))?);
            }
            text = pieces.into();
        }
        Ok(text.take_front(size as usize))
    }

    fn entry(&mut self, header: &Header, pending: Pending) -> Result<Entry> {
        let (entry, layout) = entry::build(header, pending, &self.globals, self.pax, &mut self.notes)?;
        self.data = self.data(layout).with_context(|| format!("{:?}", entry::lossy(&entry.path)))?;
        Ok(entry)
    }

    fn data(&mut self, layout: Layout) -> Result<Data> {
        let passed = |stored| Data { stored: padded(stored), ..Data::default() };
        match layout {
            Layout::Nothing => Ok(Data::default()),
            Layout::Passed(size) => Ok(passed(size)),
            Layout::Listing(size) => {
                listing::pass(&mut self.input, size)?;
                self.input.skip(padded(size) - size)?;
                Ok(Data::default())
            }
            Layout::Plain(size) => Ok(Data { left: size, ..passed(size) }),
            Layout::Unsure(size) => {
                let next = self.input.peek(BLOCK)?;
                let none = is_header(next) || header::is_zero(next);
                Ok(if none { Data::default() } else { passed(size) })
            }
            Layout::Sparse(size, stored, map) => {
                let (map, stored) = self.map(map, stored)?;
                Ok(Data { runs: map.finish(size, stored)?.into_iter(), ..passed(stored) })
            }
        }
    }

    /// The whole map of a sparse file, and how many bytes are stored behind it.
    fn map(&mut self, map: Map, stored: u64) -> Result<(sparse::Map, u64)> {
        let mut block = [0; BLOCK];
        match map {
            Map::Whole(map) => Ok((map, stored)),
            Map::InExtensions(mut map) => loop {
                self.input.exact(&mut block)?;
                if !sparse::from_extension(&block, &mut map)? {
                    return Ok((map, stored));
                }
            },
            Map::InData => {
                let (mut lines, mut stored) = (sparse::Lines::default(), stored);
                loop {
                    stored = stored
                        .checked_sub(BLOCK as u64)
                        .ok_or_else(|| Error::invalid("a sparse map that is longer than its file"))?;
                    self.input.exact(&mut block)?;
                    if lines.feed(&block)? {
                        return Ok((lines.into_map(), stored));
                    }
                }
            }
        }
    }
}

fn size(header: &Header) -> Result<u64> {
    header.size().ok_or_else(|| Error::invalid("the size of an extended header is no number"))
}

/// Data is filled up to whole blocks. No size is above `i64::MAX`.
fn padded(size: u64) -> u64 {
    size.saturating_add(BLOCK as u64 - 1) / BLOCK as u64 * BLOCK as u64
}
