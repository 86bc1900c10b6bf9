//! From a header, and what extended headers said before it, to an entry: who speaks first, and what fits together. Pure.

use super::acl::{self, Acl};
use super::header::Header;
use super::pax::{Globals, Records};
use super::{Entry, Kind, sparse};
use crate::error::{Context, Error, Result};
use crate::sys::meta::{ACL_ACCESS, ACL_DEFAULT};

/// The namespaces of xattr(7); what other systems have beside them cannot be set.
const NAMESPACES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system."];
/// Of Linux' device numbers; mknod(2) would cut off what is above.
const MAJOR_MAX: i64 = (1 << 12) - 1;
const MINOR_MAX: i64 = (1 << 20) - 1;

/// What extended headers and long names said of the next entry.
#[derive(Default)]
pub struct Pending {
    records: Option<Records>,
    path: Option<Vec<u8>>,
    linkname: Option<Vec<u8>>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.records.is_none() && self.path.is_none() && self.linkname.is_none()
    }

    pub fn add_records(&mut self, text: &[u8]) -> Result<()> {
        once(&mut self.records, Records::parse(text)?, "extended headers")
    }

    pub fn add_path(&mut self, text: &[u8]) -> Result<()> {
        once(&mut self.path, long_name(text)?, "long names")
    }

    pub fn add_linkname(&mut self, text: &[u8]) -> Result<()> {
        once(&mut self.linkname, long_name(text)?, "long link names")
    }
}

/// No tool writes two for one entry, and tools differ in which of them counts.
fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!("two {what} for one entry"))),
    }
}

/// GNU tar ends it with a NUL.
fn long_name(text: &[u8]) -> Result<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let name = text.get(..end).unwrap_or_default();
    if name.is_empty() || name.contains(&0) {
        return Err(Error::invalid(format!("{:?} is no long name", lossy(name))));
    }
    Ok(name.to_vec())
}

/// How the data of an entry stands in the archive.
pub enum Layout {
    /// There is none, whatever the size says.
    Nothing,
    /// So many bytes that are nobody's.
    Passed(u64),
    /// The names of a directory, as an incremental archive has them.
    Listing(u64),
    /// A file's, without holes.
    Plain(u64),
    /// A hard link's: there only if no header follows at once.
    Unsure(u64),
    /// A file's: its size, what was stored, and where its map is.
    Sparse(u64, u64, Map),
}

pub enum Map {
    Whole(sparse::Map),
    /// Goes on in blocks of typeflag S.
    InExtensions(sparse::Map),
    /// As lines before the data.
    InData,
}

/// What was left out, to be told at the end.
#[derive(Default)]
pub struct Notes {
    nameless: Tally,
    foreign: Tally,
    overlay: Tally,
}

#[derive(Default)]
struct Tally {
    count: u64,
    first: Option<String>,
}

impl Tally {
    fn add(&mut self, path: &[u8], what: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("{what:?} of {:?}", lossy(path)));
    }

    fn told(&self, what: &str) -> Option<String> {
        self.first.as_ref().map(|first| format!("{} {what} were left out, first {first}", self.count))
    }
}

impl Notes {
    pub fn told(&self) -> Vec<String> {
        let nameless = self.nameless.told("ACL entries that give a name without a number");
        let foreign = self.foreign.told("extended attributes that Linux does not have");
        let overlay = self.overlay.told("extended attributes of an overlay");
        nameless.into_iter().chain(foreign).chain(overlay).collect()
    }
}

/// The entry, its `size` still open for a sparse file, and where its data is. `pax` when there was any extended header so far.
pub fn build(
    header: &Header,
    pending: Pending,
    globals: &Globals,
    pax: bool,
    notes: &mut Notes,
) -> Result<(Entry, Layout)> {
    let Pending { records, path, linkname } = pending;
    let mut records = records.unwrap_or_default();
    let path = chosen(path, records.path.take(), "name")?;
    let path = records.sparse.name.clone().or(path).unwrap_or_else(|| header.path());
    let linkname = chosen(linkname, records.linkpath.take(), "link name")?;
    assemble(header, records, &path, linkname, globals, pax, notes).with_context(|| format!("{:?}", lossy(&path)))
}

fn chosen(gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>, what: &str) -> Result<Option<Vec<u8>>> {
    match (gnu, pax) {
        (Some(_), Some(_)) => Err(Error::invalid(format!("two long {what}s for one entry"))),
        (gnu, pax) => Ok(gnu.or(pax)),
    }
}

fn assemble(
    header: &Header,
    mut records: Records,
    path: &[u8],
    linkname: Option<Vec<u8>>,
    globals: &Globals,
    pax: bool,
    notes: &mut Notes,
) -> Result<(Entry, Layout)> {
    let kind = kind(header, path, linkname)?;
    let uid = owner(records.uid.or(globals.uid), header.uid(), "owner")?;
    let gid = owner(records.gid.or(globals.gid), header.gid(), "group")?;
    let modified = records.modified.or(globals.modified).or_else(|| header.mtime().map(|seconds| (seconds, 0)));
    let modified = modified.ok_or_else(|| Error::invalid("its time is no number"))?;
    // What is above are the file's type, as v7 wrote it.
    let mode = header.mode().ok_or_else(|| Error::invalid("its mode is no number"))?;
    let mode = u32::try_from(mode & 0o7777).unwrap_or_default();
    let layout = layout(header, &kind, &mut records, pax)?;
    let size = match &layout {
        Layout::Plain(size) | Layout::Sparse(size, ..) => *size,
        _ => 0,
    };
    let minimal = minimal(&records, &kind)?;
    let xattrs = xattrs(records, &kind, path, notes)?;
    let mode = with_acl(mode, &xattrs, minimal);
    Ok((Entry { path: path.to_vec(), kind, mode, uid, gid, modified, size, xattrs }, layout))
}

fn kind(header: &Header, path: &[u8], linkname: Option<Vec<u8>>) -> Result<Kind> {
    let target = || match linkname.unwrap_or_else(|| header.linkname()) {
        empty if empty.is_empty() => Err(Error::invalid("a link to nothing")),
        target => Ok(target),
    };
    match header.typeflag() {
        // v7 has no directories but by this sign, and GNU tar takes it in every format.
        b'0' | 0 | b'7' if path.ends_with(b"/") => Ok(Kind::Directory),
        b'0' | 0 | b'7' | b'S' => Ok(Kind::File),
        b'1' => target().map(Kind::HardLink),
        b'2' => target().map(Kind::Symlink),
        b'3' => device(header).map(|(major, minor)| Kind::CharDevice(major, minor)),
        b'4' => device(header).map(|(major, minor)| Kind::BlockDevice(major, minor)),
        b'5' | b'D' => Ok(Kind::Directory),
        b'6' => Ok(Kind::Fifo),
        b'M' => Err(Error::invalid("an archive of several volumes is not read")),
        other => Err(Error::invalid(format!("an entry of type {:?} is not understood", char::from(other)))),
    }
}

fn device(header: &Header) -> Result<(u32, u32)> {
    match header.device() {
        Some((major @ 0..=MAJOR_MAX, minor @ 0..=MINOR_MAX)) => Ok((major as u32, minor as u32)),
        _ => Err(Error::invalid("a device whose number Linux does not have")),
    }
}

fn owner(extended: Option<u32>, plain: Option<i64>, what: &str) -> Result<u32> {
    let plain = || plain.and_then(|id| u32::try_from(id).ok()).filter(|id| *id != u32::MAX);
    extended.or_else(plain).ok_or_else(|| Error::invalid(format!("its {what} is no number of one")))
}

fn layout(header: &Header, kind: &Kind, records: &mut Records, pax: bool) -> Result<Layout> {
    let extended = records.size;
    let stored = || extended.or_else(|| header.size()).ok_or_else(|| Error::invalid("its size is no number"));
    let realsize = records.sparse.realsize();
    let form = std::mem::take(&mut records.sparse).form()?;
    if form.is_some() && (*kind != Kind::File || header.typeflag() == b'S') {
        return Err(Error::invalid("a sparse file that is none"));
    }
    match (kind, header.typeflag()) {
        (Kind::File, b'S') => {
            let (size, map, more) = sparse::from_header(header)?;
            let map = if more { Map::InExtensions(map) } else { Map::Whole(map) };
            Ok(Layout::Sparse(realsize.unwrap_or(size), stored()?, map))
        }
        (Kind::File, _) => Ok(match form {
            None => Layout::Plain(stored()?),
            Some(sparse::Form::Whole(size, map)) => Layout::Sparse(size, stored()?, Map::Whole(map)),
            Some(sparse::Form::InData(size)) => Layout::Sparse(size, stored()?, Map::InData),
        }),
        (Kind::Directory, b'D') => stored().map(Layout::Listing),
        (Kind::HardLink(_), _) => hard_link(header, extended, pax),
        // Some old tools wrote a size and no data.
        (Kind::Directory, b'5') | (_, b'2' | b'3' | b'4' | b'6') if extended.is_none_or(|size| size == 0) => {
            Ok(Layout::Nothing)
        }
        _ => match stored()? {
            0 => Ok(Layout::Nothing),
            size => Err(Error::invalid(format!("{size} bytes of data for what is no file"))),
        },
    }
}

/// Old tools gave the target's size and no data; pax(1) may store the data again. As libarchive tells them apart.
fn hard_link(header: &Header, extended: Option<u64>, pax: bool) -> Result<Layout> {
    let plain = if header.is_gnu() { Some(0) } else { header.size() };
    let size = extended.or(plain).ok_or_else(|| Error::invalid("its size is no number"))?;
    Ok(match (size, header.is_ustar()) {
        (0, _) => Layout::Nothing,
        _ if pax => Layout::Passed(size),
        (_, true) => Layout::Unsure(size),
        (_, false) => Layout::Nothing,
    })
}

fn xattrs(mut records: Records, kind: &Kind, path: &[u8], notes: &mut Notes) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let access = records.access.take().filter(|_| !matches!(kind, Kind::Symlink(_)));
    let default = records.default.take().filter(|_| *kind == Kind::Directory);
    let mut xattrs = records.into_xattrs()?;
    xattrs.retain(|(name, _)| match left_out(name, notes) {
        Some(tally) => {
            tally.add(path, &lossy(name));
            false
        }
        None => true,
    });
    for (text, name) in [(access, ACL_ACCESS.as_bytes()), (default, ACL_DEFAULT.as_bytes())] {
        // GNU tar may store both, and the attribute has the numbers.
        let Some(text) = text.filter(|_| xattrs.iter().all(|(other, _)| other != name)) else { continue };
        let acl = Acl::parse(&text)?;
        acl.left_out.iter().for_each(|who| notes.nameless.add(path, who));
        if name == ACL_DEFAULT.as_bytes() || !acl.is_minimal() {
            xattrs.push((name.to_vec(), acl.encode()));
        }
    }
    Ok(xattrs)
}

/// The rights in an ACL that is no more than a mode: it is not stored, but counts as other ACLs do. `tar --mode` leaves it as it was.
fn minimal(records: &Records, kind: &Kind) -> Result<Option<u32>> {
    let Some(text) = records.access.as_ref().filter(|_| !matches!(kind, Kind::Symlink(_))) else { return Ok(None) };
    let acl = Acl::parse(text)?;
    Ok(acl.is_minimal().then(|| acl::mode(&acl.encode())).flatten())
}

/// Under which note an extended attribute is left out. overlayfs' own would, in a lower layer, hide files or lead to others.
fn left_out<'a>(name: &[u8], notes: &'a mut Notes) -> Option<&'a mut Tally> {
    let begins = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if begins(&[b"trusted.overlay.", b"user.overlay."]) {
        return Some(&mut notes.overlay);
    }
    (!begins(&NAMESPACES)).then_some(&mut notes.foreign)
}

/// libarchive's mode has the rights of the group itself, GNU tar's those of the mask. The latter is the one of the file:
/// a chmod(2) with the former, after the ACL, would change its mask.
fn with_acl(mode: u32, xattrs: &[(Vec<u8>, Vec<u8>)], minimal: Option<u32>) -> u32 {
    let access = xattrs.iter().find(|(name, _)| name == ACL_ACCESS.as_bytes());
    match access.map_or(minimal, |(_, value)| acl::mode(value)) {
        Some(rights) => mode & !0o777 | rights,
        None => mode,
    }
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
