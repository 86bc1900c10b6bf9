//! An image's layers, flattened into one tree in their order (image-spec, layer.md): what a layer brings is written, what it
//! says is gone is removed, and whiteouts are applied, not stored. While one layer is written the next is read, unpacked
//! and hashed on threads of its own.
//!
//! A whiteout is `.wh.NAME`, whatever its type; `.wh..wh..opq` is an opaque marker, wherever in its layer it stands. Odd
//! names: what aufs kept for itself (`.wh..wh.plnk`, `.wh..wh.aufs` and all `.wh..wh.*`, and what is in them) is passed over, as
//! containerd does. A whiteout of nothing, `.` or `..`, and a name that begins with `.wh.` on the way to another are refused:
//! no tool writes them, and tools differ in what they make of them. Whiteouts of names below symlinks are resolved in the tree
//! by the writer; of what does not exist they are nothing.

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::oci::blobs::Whole;
use crate::oci::image::{self, Image, Layer};
use crate::oci::platform::Platform;
use crate::oci::types::Config;
use crate::rootfs::bounds::Bounds;
use crate::rootfs::unpack::entry;
use crate::rootfs::unpack::fill::{Filler, filling};
use crate::rootfs::writer::{Attributes, Writer};
use crate::stream::ahead::Ahead;
use crate::stream::count::{Count, Counter};
use crate::stream::decompress::{self, Compression};
use crate::stream::peek::Peek;
use crate::stream::ratio::Ratio;
use crate::stream::slice::Slices;
use crate::stream::tar::{Archive, ArchiveHasher, Digests};
use crate::stream::verify::{Piece, Verify};
use crate::sys::dir::Dir;

pub use crate::oci::spool::{is_image, spool};

/// Bytes by which a compression is known; lzma's header and a skippable frame or two.
const HEAD: usize = 4096;
const WHITEOUT: &[u8] = b".wh.";
/// What aufs kept for itself, and Docker's opaque marker among it.
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Pieces of a layer that may be hashed and not yet used; the decoder has no more than that either.
const LEAD: usize = 8;

/// The root directory where no layer has one: the same whenever it is unpacked, as umoci makes it.
const ROOT: Attributes = Attributes { mode: 0o755, uid: 0, gid: 0, modified: (0, 0), xattrs: &[] };

/// What is known of an image that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Of its manifest; of what `docker save` wrote, of its config.
    pub digest: Digest,
    pub names: Vec<String>,
    pub config: Config,
    pub layers: usize,
}

/// Unpacks the image in an OCI layout, or in a directory of `docker save`'s files. `reference`: its name, when there are
/// several; `platform`: what it has to run on, None: anything.
///
/// Blobs and their tar streams are checked against their digests. Errors: as `oci::image::open`, and what the writer refuses.
pub fn unpack_layout(
    layout: &Dir,
    reference: Option<&str>,
    platform: Option<&Platform>,
    writer: &mut Writer,
) -> Result<ImageInfo> {
    unpack_image(layout, image::open(layout, reference, platform)?, writer)
}

/// The same of an image that was found there.
pub fn unpack_image(layout: &Dir, image: Image, writer: &mut Writer) -> Result<ImageInfo> {
    let bounds = writer.bounds();
    let begin = |number: usize| image.layers.get(number).map(|layer| begin(layout, &image, layer, &bounds)).transpose();
    writer.directory(b".", &ROOT)?;
    let mut number = 0;
    filling(|filler| {
        let mut next = begin(0)?;
        while let Some(stream) = next {
            number += 1;
            next = begin(number)?;
            let of = image.layers.len();
            writer.begin_layer()?;
            let name = stream.name.clone();
            stream.unpack(writer, filler).with_context(|| format!("layer {number} of {of} ({name})"))?;
        }
        Ok(())
    })?;
    Ok(ImageInfo { digest: image.digest, names: image.names, config: image.config, layers: number })
}

/// A layer whose tar stream is being read ahead.
struct Stream {
    name: String,
    bytes: Box<dyn Slices + Send>,
    /// Its stored bytes and its tar stream were read to their ends, and were right.
    stored: Whole,
    plain: Whole,
    /// Of its files, as whoever hashes it finds them.
    digests: Digests,
}

fn begin(layout: &Dir, image: &Image, layer: &Layer, bounds: &Bounds) -> Result<Stream> {
    let blob = image.open_layer(layout, layer)?;
    let (name, stored, digests) = (blob.name().to_string(), blob.whole(), blob.digests());
    let mut blob = Peek::new(blob);
    let compression = decompress::sniff(blob.peek(HEAD).with_context(|| name.clone())?);
    // The digest of what is not compressed has been checked when it is the stored one's.
    let is_checked = compression == Compression::None && layer.member.digest() == Some(layer.diff_id);
    let counter = Counter::default();
    let packed = Box::new(Count::new(blob, counter.clone()));
    let bytes = Ratio::new(decompress::open_within(packed, compression, bounds.decoding())?, counter, bounds.ratio);
    Ok(match is_checked {
        true => Stream { name, bytes: Box::new(bytes), plain: stored.clone(), stored, digests },
        false => {
            let (hashed, plain, digests) = hashed(bytes, layer.diff_id);
            let bytes = Box::new(Ahead::of(hashed, LEAD).context("starting a hasher")?);
            Stream { name, bytes, stored, plain, digests }
        }
    })
}

/// A tar stream that ends only if it has this digest.
fn hashed<S: Slices>(source: S, expected: Digest) -> (impl Slices + use<S>, Whole, Digests) {
    let whole = Whole::default();
    let (told, mut hasher) = (whole.clone(), ArchiveHasher::new(expected.algorithm()));
    let digests = hasher.digests();
    let verify = move |piece: Piece<'_>| match piece {
        Piece::Bytes(bytes) => {
            hasher.update(bytes);
            Ok(())
        }
        Piece::End => match hasher.digest() {
            found if found == expected => {
                told.set();
                Ok(())
            }
            found => Err(Error::invalid(format!("its tar stream is {found}, the image's config has {expected}"))),
        },
    };
    (Verify::new(source, verify), whole, digests)
}

impl Stream {
    fn unpack(self, writer: &mut Writer, filler: &mut Filler) -> Result<()> {
        // The digest tells a stream that is cut short; some tools write no end of archive.
        let mut archive =
            Archive::of(self.bytes).with_open_end().with_limit(writer.bounds().header).with_digests(self.digests);
        unpack(&mut archive, writer, filler)?;
        archive.finish()?;
        match self.stored.is_whole() && self.plain.is_whole() {
            true => Ok(()),
            false => Err(Error::invalid("it goes on behind its end")),
        }
    }
}

fn unpack(archive: &mut Archive<'_>, writer: &mut Writer, filler: &mut Filler) -> Result<()> {
    while let Some(entry) = archive.next()? {
        match meaning(&entry.path)? {
            Meaning::Entry => entry::write(archive, &entry, writer, filler)?,
            Meaning::Whiteout(path) => writer.whiteout(&path)?,
            Meaning::Opaque(directory) => writer.opaque(&directory)?,
            Meaning::Nothing => {}
        }
    }
    archive.notes().into_iter().for_each(|note| writer.note(|| note));
    Ok(())
}

/// What a name in a layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Entry,
    Whiteout(Vec<u8>),
    Opaque(Vec<u8>),
    Nothing,
}

fn meaning(path: &[u8]) -> Result<Meaning> {
    let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    if !names.iter().any(|name| name.starts_with(WHITEOUT)) {
        return Ok(Meaning::Entry);
    }
    let fault = || Error::invalid(format!("{:?} is no whiteout that could be followed", String::from_utf8_lossy(path)));
    let last = names.pop().unwrap_or_default();
    if names.iter().any(|name| name.starts_with(META)) {
        return Ok(Meaning::Nothing);
    }
    if names.iter().any(|name| name.starts_with(WHITEOUT)) {
        return Err(fault());
    }
    match last.strip_prefix(WHITEOUT) {
        _ if last == OPAQUE && names.is_empty() => Ok(Meaning::Opaque(b".".to_vec())),
        _ if last == OPAQUE => Ok(Meaning::Opaque(names.join(&b'/'))),
        _ if last.starts_with(META) => Ok(Meaning::Nothing),
        None | Some(b"" | b"." | b"..") => Err(fault()),
        Some(hidden) => {
            names.push(hidden);
            Ok(Meaning::Whiteout(names.join(&b'/')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_in_a_layer_say() {
        let whiteout = |path: &str| Meaning::Whiteout(path.into());
        let opaque = |path: &str| Meaning::Opaque(path.into());
        for (path, wanted) in [
            ("etc/passwd", Meaning::Entry),
            ("etc/x.wh.y", Meaning::Entry),
            (".whx", Meaning::Entry),
            ("", Meaning::Entry),
            ("..", Meaning::Entry),
            (".wh.a", whiteout("a")),
            ("./.wh.a", whiteout("a")),
            ("/x/.wh.a/", whiteout("x/a")),
            ("x//y/./.wh.a", whiteout("x/y/a")),
            ("../.wh.a", whiteout("../a")),
            (".wh....", whiteout("...")),
            (".wh.a.wh.b", whiteout("a.wh.b")),
            (".wh..a", whiteout(".a")),
            (".wh..wh..opq", opaque(".")),
            ("/.wh..wh..opq", opaque(".")),
            ("x/y/.wh..wh..opq", opaque("x/y")),
            (".wh..wh.plnk", Meaning::Nothing),
            (".wh..wh.aufs", Meaning::Nothing),
            (".wh..wh.orph/x", Meaning::Nothing),
            (".wh..wh.plnk/12.34", Meaning::Nothing),
            (".wh..wh..opq/x", Meaning::Nothing),
            ("x/.wh..wh.", Meaning::Nothing),
        ] {
            assert_eq!(meaning(path.as_bytes()).unwrap(), wanted, "{path:?}");
        }
    }

    #[test]
    fn whiteouts_of_nothing_and_of_everything_are_refused() {
        for path in [
            ".wh.",
            ".wh..",
            ".wh...",
            "x/.wh.",
            "x/.wh..",
            "x/.wh...",
            ".wh.../x",
            ".wh.a/x",
            "x/.wh.a/.wh.b",
            ".wh./x",
        ] {
            let error = meaning(path.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("is no whiteout that could be followed"), "{path:?}: {error}");
        }
    }
}
