//! What a tree was when it was imported, as text: a line an entry, in an order that depends on the tree only. Its SHA-256
//! is the tree's digest; a later walk over the tree is compared with it line by line and names what changed.
//!
//! ```text
//! sdme tree 1
//! . type=d mode=0755 uid=0 gid=0 mtime=1700000000.000000000
//! bin type=l uid=0 gid=0 mtime=1700000000.000000000 target=usr/bin
//! dev/null type=c mode=0666 uid=0 gid=0 mtime=1700000000.000000000 rdev=1:3
//! etc/motd type=f mode=0644 uid=0 gid=0 mtime=1700000000.123456789 size=286 sha256=9f86...
//! etc/other link=etc/motd
//! ```
//!
//! A directory stands before what is in it, names in the order of their bytes. In a name, a target and the name of an
//! extended attribute (`xattr.NAME=HEX`, `sha256:HEX` for a long value) every byte that is not printable ASCII, and the
//! backslash, is `\xHH`. Later names of an inode are links to its first. `security.selinux` is the host's, not the tree's.

mod compare;
mod hash;
mod line;
mod marks;
mod walk;

pub use compare::{Change, Difference};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Context, Result};
use crate::rootfs::writer::Known;
use crate::store::name::Name;
use crate::store::origin;
use crate::sys::dir::Dir;
use compare::Comparison;
use hash::Heed;
use std::io::{BufRead, BufReader, BufWriter, Write};

/// The first line: the form of the others.
const HEADER: &[u8] = b"sdme tree 1";

/// What a look at a tree came to.
#[derive(Debug)]
pub struct Verdict {
    /// Of the tree as it is.
    pub digest: Digest,
    /// Of the manifest that it was compared with: equal to what its record says, or it is not that manifest.
    pub recorded: Digest,
    /// The first ones.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub count: u64,
}

/// Writes the manifest of a tree into a folder beside it, and gives its digest. Files that are `known` are not looked at; an
/// error of `heed` ends it.
pub fn write(tree: &Dir, folder: &Dir, name: &Name, known: &Known, heed: Heed<'_>) -> Result<Digest> {
    let file = folder.create_file(origin::manifest_file(name), 0o600)?;
    let mut file = BufWriter::with_capacity(64 * 1024, file);
    let digest = render_with(tree, known, heed, |lines| file.write_all(lines).context("writing a manifest"))?;
    file.flush().context("writing a manifest")?;
    Ok(digest)
}

/// The first entry, by a manifest that was written into a folder, that would be an order to an overlay: its path, and what of it.
pub fn overlay_mark(folder: &Dir, name: &Name) -> Result<Option<(String, String)>> {
    marks::overlay_mark(BufReader::new(folder.open_file(origin::manifest_file(name))?), HEADER)
}

/// Hands out the manifest, some lines with their ends at a time, and gives its digest. Errors name the entry.
pub fn render(tree: &Dir, out: impl FnMut(&[u8]) -> Result<()>) -> Result<Digest> {
    render_with(tree, &Known::nothing(), &|| Ok(()), out)
}

/// The same without a look at the files that are `known`; an error of `heed` ends it.
pub fn render_with(
    tree: &Dir,
    known: &Known,
    heed: Heed<'_>,
    mut out: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut lines = |lines: &[u8]| {
        hasher.update(lines);
        out(lines)
    };
    lines(&[HEADER, b"\n"].concat())?;
    walk::walk(tree, known, heed, &mut lines)?;
    Ok(hasher.finish())
}

/// Compares a tree with its manifest; of what differs the first `most` are named.
pub fn verify(tree: &Dir, manifest: impl BufRead, most: usize) -> Result<Verdict> {
    let mut comparison = Comparison::begin(manifest, HEADER, most)?;
    let mut is_header = true;
    let mut next = |line: &[u8]| match std::mem::take(&mut is_header) {
        true => Ok(()),
        false => comparison.next(line.strip_suffix(b"\n").unwrap_or(line)),
    };
    let digest = render(tree, |lines| lines.split_inclusive(|byte| *byte == b'\n').try_for_each(&mut next))?;
    let (recorded, differences, count) = comparison.finish()?;
    Ok(Verdict { digest, recorded, differences, count })
}

/// Compares two manifests; of what differs the first `most` are named, and all counted.
pub fn compare(old: impl BufRead, mut new: impl BufRead, most: usize) -> Result<(Vec<Difference>, u64)> {
    let mut comparison = Comparison::begin(old, HEADER, most)?;
    compare::demand_header(&mut new, HEADER)?;
    while let Some(line) = compare::read_line(&mut new)? {
        comparison.next(&line)?;
    }
    let (_, differences, count) = comparison.finish()?;
    Ok((differences, count))
}
