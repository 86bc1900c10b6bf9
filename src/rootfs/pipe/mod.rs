//! From a source to a tree in the writer: it is opened, looked at, and goes through the readers that it needs.

mod disk;

use crate::error::{Context, Error, Result};
use crate::oci::platform::Platform;
use crate::oci::{image, layout, spool};
use crate::rootfs::bounds::Bounds;
use crate::rootfs::format::Format;
use crate::rootfs::import::{Bytes, Opened, Surroundings};
use crate::rootfs::seal::{self, Demands, Seal, Sealing};
use crate::rootfs::sniff::{self, Form};
use crate::rootfs::source::Source;
use crate::rootfs::unpack::{dir, oci, tar as unpack_tar};
use crate::rootfs::writer::{Totals, Writer};
use crate::stream::ahead::Ahead;
use crate::stream::count::Count;
use crate::stream::decompress::{self, Compression};
use crate::stream::peek::Peek;
use crate::stream::ratio::Ratio;
use crate::stream::slice::Slices;
use crate::stream::tar;
use crate::stream::verify::{Piece, Verify};
use crate::sys::dir::Dir;
use crate::sys::source::Polled;
use std::path::Path;

/// In the stage: what an archive of an image is put into.
const SPOOL: &str = "spool";

/// Megabytes of what needs no decoder that may be read and not yet used: they are gained while small files are made.
const LEAD: usize = 8;

/// What the user chose of what there is.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    pub reference: Option<&'a str>,
    /// None: any.
    pub platform: Option<&'a Platform>,
    /// Of a disk image: which one is the root.
    pub partition: Option<u32>,
    /// None: its bytes tell.
    pub format: Option<Format>,
}

impl Choice<'_> {
    /// Unpacks the one that is meant of those in a directory.
    fn unpack(&self, dir: &Dir, writer: &mut Writer) -> Result<String> {
        let flavour = self.format.and_then(Format::flavour);
        let image = image::open_as(dir, flavour, self.reference, self.platform);
        let image = match self.format {
            Some(format) => image.with_context(|| format!("--format {}", format.word())),
            None => image,
        };
        Ok(oci::unpack_image(dir, image?, writer)?.digest.to_string())
    }

    /// Of what is no image none can be chosen.
    fn refuse_name(&self) -> Result<()> {
        match self.reference {
            None => Ok(()),
            Some(name) => Err(Error::usage(format!("--image {name:?}: this is no image but a tree of files"))),
        }
    }

    /// Nor a partition of what is no disk.
    fn refuse_partition(&self) -> Result<()> {
        match self.partition {
            None => Ok(()),
            Some(number) => Err(Error::usage(format!("--partition {number}: this is no disk image"))),
        }
    }
}

/// What unpacking told.
pub struct Unpacked {
    pub form: String,
    pub totals: Totals,
    pub seal: Option<Seal>,
    /// Of an image, its digest; else empty.
    pub manifest: String,
}

/// What unpacking needs to know.
pub struct Job<'a> {
    pub stage: &'a Dir,
    pub bounds: Bounds,
    pub image: Choice<'a>,
    /// Of a directory: go into what is mounted below it.
    pub cross_mounts: bool,
}

/// Puts the tree of a source into the writer's.
pub fn unpack(
    source: &Source,
    demands: Demands,
    around: &Surroundings<'_>,
    job: &Job<'_>,
    writer: Writer,
) -> Result<Unpacked> {
    if let Source::Directory(path) = source {
        demands.refuse_any()?;
        return directory(&Dir::open(path)?, around, job, writer);
    }
    let here = match source {
        Source::File(path) if demands.is_empty() => disk::local(path)?,
        _ => None,
    };
    match here {
        Some((file, packing)) => match of_stream(Form::Disk(packing), job.image.format)? {
            Form::Disk(packing) => disk::unpack_local(file, packing, around, job, writer),
            _ => Err(Error::failed("a disk image is read as one only")),
        },
        None => stream(open(source, around)?, demands, around, job, writer),
    }
}

/// A tree, or a layout of an image.
fn directory(source: &Dir, around: &Surroundings<'_>, job: &Job<'_>, mut writer: Writer) -> Result<Unpacked> {
    let Job { stage, image, cross_mounts, .. } = job;
    image.refuse_partition()?;
    let is_layout = match image.format {
        None => layout::is_layout(source)?,
        // What is said to be no layout may have a file that only looks like one's.
        Some(Format::Directory) => false,
        Some(format) => format.of_directory(layout::is_layout(source)?)?,
    };
    let (form, manifest) = if is_layout {
        ("OCI layout", image.unpack(source, &mut writer)?)
    } else {
        image.refuse_name()?;
        let counter = around.progress.counter();
        let heed = |bytes| {
            counter.add(bytes);
            around.watch.check()
        };
        // What is a root filesystem or a container here is no part of one.
        let datadir = Some(Dir::open(around.paths.datadir())?.meta()?);
        let (except, cross_mounts) = ([stage.meta()?], *cross_mounts);
        let runs = source.meta()?.is_same(&Dir::open(Path::new("/"))?.meta()?);
        if runs {
            (around.say)(&running(cross_mounts));
        }
        let options =
            dir::Options { cross_mounts, runs, datadir, except: &except, heed: &heed, ..dir::Options::default() };
        dir::copy(source, &mut writer, &options)?;
        ("directory", String::new())
    };
    let totals = writer.finish()?;
    Ok(Unpacked { form: form.to_string(), totals, seal: None, manifest })
}

/// What is told of a copy of this machine's own `/`.
fn running(cross_mounts: bool) -> String {
    let left_out = if cross_mounts { "what its kernel makes up" } else { "what is mounted below it" };
    format!(
        "this is the system that runs here: {left_out} and the datadir are left out, its secrets are not ('sdme create' alone \
         makes a clone of it without them)"
    )
}

fn open(source: &Source, around: &Surroundings<'_>) -> Result<Bytes> {
    let (bytes, length): Opened = match source {
        Source::Url(url) => (around.open_url)(url)?,
        Source::Stdin => (Box::new(Polled::stdin(around.watch.try_clone()?)?), None),
        Source::File(path) | Source::Directory(path) => {
            let file = Polled::open(path, around.watch.try_clone()?)?;
            let length = file.length()?;
            (Box::new(file), length)
        }
    };
    around.progress.set_length(length);
    Ok(bytes)
}

fn stream(
    bytes: Bytes,
    demands: Demands,
    around: &Surroundings<'_>,
    job: &Job<'_>,
    mut writer: Writer,
) -> Result<Unpacked> {
    let taken = around.progress.counter();
    let Sealing { reader, seal, digests } = seal::sealing(Count::new(bytes, taken.clone()), demands);
    let mut packed = Peek::new(reader);
    let compression = decompress::sniff(packed.peek(sniff::HEAD)?);
    let mut plain = Peek::new(match compression {
        Compression::None => as_it_is(packed)?,
        _ => decompress::open_within(Box::new(packed), compression, job.bounds.decoding())?,
    });
    let form = form(plain.peek(sniff::HEAD)?, job.image.format)?;
    if let Form::Disk(packing) = form {
        // Zeros, of which disks have many, make any ratio: --max-disk and --max-bytes bound it.
        return disk::unpack_stream(plain, packing, ending(compression), &seal, around, job, writer);
    }
    job.image.refuse_partition()?;
    let plain = Ratio::new(plain, taken, job.bounds.ratio);
    let (what, manifest) = match form {
        Form::Image => {
            let mut archive = tar::Archive::of(plain).with_limit(job.bounds.header);
            let spooled = job.stage.mkdir(SPOOL, 0o700)?;
            spool::spool(&mut archive, &spooled, job.bounds.bytes)?;
            archive.finish()?;
            around.watch.check()?;
            ("OCI archive", job.image.unpack(&spooled, &mut writer)?)
        }
        _ => {
            job.image.refuse_name()?;
            let mut archive = tar::Archive::of(plain).with_limit(job.bounds.header);
            // What was hashed is what is read here.
            if compression == Compression::None {
                archive = archive.with_digests(digests);
            }
            unpack_tar::unpack(&mut archive, &mut writer)?;
            archive.finish()?;
            ("tar", String::new())
        }
    };
    let totals = writer.finish()?;
    let seal = seal::seen(&seal)?;
    Ok(Unpacked { form: format!("{what}{}", ending(compression)), totals, seal: Some(seal), manifest })
}

/// What needs no decoder. Large files are written faster than their bytes are read and hashed: these have a thread each.
fn as_it_is<F>(packed: Peek<Verify<Count<Bytes>, F>>) -> Result<Box<dyn Slices + Send>>
where
    F: FnMut(Piece<'_>) -> Result<()> + Send + 'static,
{
    let read = packed.map(|sealed| sealed.map(|bytes| Ahead::new(bytes, LEAD)));
    let hashed = read.and_then(|read| Ahead::of(read, LEAD)).context("starting a thread")?;
    Ok(Box::new(hashed))
}

/// What a stream is, by its first bytes, and by what the user says of it.
fn form(head: &[u8], said: Option<Format>) -> Result<Form> {
    let found = sniff::form(head);
    let found = match said {
        None => found,
        Some(format) => found.with_context(|| format!("--format {}", format.word())),
    };
    of_stream(found?, said)
}

fn of_stream(found: Form, said: Option<Format>) -> Result<Form> {
    said.map_or(Ok(found), |format| format.of_stream(found))
}

fn ending(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "",
        Compression::Gzip => ", gzip",
        Compression::Bzip2 => ", bzip2",
        Compression::Xz => ", xz",
        Compression::Lzma => ", lzma",
        Compression::Zstd => ", zstd",
        Compression::Lz4 => ", lz4",
    }
}
