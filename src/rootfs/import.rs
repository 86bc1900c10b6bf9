//! An import: a straight pipe, one small reader a stage, into a hidden stage beside the target; then whole, by one rename.
//!
//! ```text
//! open (file | stdin | http) -> count -> seal (hash) -> sniff -> decompress -> ratio -> sniff -> unpack -> writer
//! ```
//!
//! Reading with hashing, decompression and writing are on threads of their own.

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::oci::platform::Platform;
use crate::oci::{layout, spool};
use crate::paths::Paths;
use crate::rootfs::bounds::Bounds;
use crate::rootfs::inspect::{self, Facts};
use crate::rootfs::progress::{Progress, Step};
use crate::rootfs::seal::{self, Demands, Seal};
use crate::rootfs::sniff::{self, Form};
use crate::rootfs::source::Source;
use crate::rootfs::unpack::{dir, oci, tar as unpack_tar};
use crate::rootfs::writer::{Known, Totals, Writer};
use crate::rootfs::{claim, manifest, remove};
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::origin::Origin;
use crate::store::stage::Stage;
use crate::stream::count::Count;
use crate::stream::decompress::{self, Compression};
use crate::stream::peek::Peek;
use crate::stream::ratio::Ratio;
use crate::stream::tar;
use crate::sys::dir::{Dir, Entry};
use crate::sys::kernel;
use crate::sys::poll::Wait;
use crate::sys::resolve::Root;
use crate::sys::signal::Watch;
use crate::sys::source::Polled;
use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The tree in its stage, and what an archive of an image is spooled into.
const TREE: &str = "tree";
const SPOOL: &str = "spool";
/// How long what killed imports left is cleaned up before.
const SWEEP_LIMIT: Duration = Duration::from_secs(60);
/// Bytes as they come.
pub type Bytes = Box<dyn Read + Send>;
/// Bytes, and how many will come if that is known.
pub type Opened = (Bytes, Option<u64>);

/// What the user asked for.
pub struct Request {
    pub source: Source,
    pub name: Name,
    /// Replace what has the name; take another processor's system.
    pub force: bool,
    pub bounds: Bounds,
    pub demands: Demands,
    /// Of a directory: go into what is mounted below it.
    pub cross_mounts: bool,
    /// Which image of a layout with several.
    pub reference: Option<String>,
    /// Options that changed what is made, for the record.
    pub options: String,
}

/// What the pipe needs of its surroundings.
pub struct Surroundings<'a> {
    pub paths: &'a Paths,
    pub progress: Arc<Progress>,
    pub watch: &'a Watch,
    pub open_url: &'a dyn Fn(&str) -> Result<Opened>,
    /// Tells the user something, on one line.
    pub say: &'a dyn Fn(&str),
}

/// What came of it.
pub struct Imported {
    pub origin: Origin,
    pub facts: Facts,
}

/// What unpacking told.
struct Unpacked {
    form: String,
    totals: Totals,
    seal: Option<Seal>,
    manifest: String,
}

/// Imports; whole, or nothing is left.
pub fn import(request: Request, around: &Surroundings<'_>) -> Result<Imported> {
    datadir::ensure(around.paths)?;
    let filesystems = Dir::open(&around.paths.filesystems())?;
    // What cannot be cleaned up now hinders nobody: the next import tries again.
    let _ = remove::sweep(around.paths, Wait::at_most(SWEEP_LIMIT));
    claim::check_free(&filesystems, &request.name, request.force)?;
    let stage = Stage::create(&filesystems)?;
    let shown = request.source.shown();
    let imported = fill(request, around, &stage, &filesystems).with_context(|| format!("importing {shown:?}"))?;
    around.progress.enter(Step::Done);
    Ok(imported)
}

fn fill(request: Request, around: &Surroundings<'_>, stage: &Stage, filesystems: &Dir) -> Result<Imported> {
    let Request { source, name, force, bounds, demands, cross_mounts, reference, options } = request;
    let writer = Writer::new(stage.dir().mkdir(TREE, 0o700)?, bounds)?;
    let known = writer.known();
    let (shown, platform) = (source.shown(), Platform::host());
    let image = Image { reference: reference.as_deref(), platform: (!force).then_some(&platform) };
    let unpacked = match source {
        Source::Directory(path) => {
            demands.refuse_any()?;
            let counter = around.progress.counter();
            let heed = |bytes| {
                counter.add(bytes);
                around.watch.check()
            };
            let options = dir::Options { cross_mounts, except: &[stage.dir().meta()?], heed: &heed };
            directory(&Dir::open(&path)?, &image, &options, writer)?
        }
        other => stream(open(&other, around)?, demands, around, &Job { stage: stage.dir(), bounds, image }, writer)?,
    };
    around.progress.enter(Step::Checking);
    unwrap_top(stage.dir(), around)?;
    let tree = stage.dir().subdir(TREE)?;
    let facts = inspect::inspect(&Root::of(tree.reopen()?.into()));
    facts.check(force)?;
    around.watch.check()?;
    let digest = manifest(&tree, stage.dir(), &name, &known)?;
    let origin = Origin {
        source: shown,
        form: unpacked.form,
        digest: unpacked.seal.as_ref().map(|seal| seal.digest.to_string()).unwrap_or_default(),
        verified: unpacked.seal.map(|seal| seal.verified).unwrap_or_default(),
        manifest: unpacked.manifest,
        options,
        imported: kernel::now(),
        program: concat!("sdme ", env!("CARGO_PKG_VERSION")).to_string(),
        title: facts.title.clone(),
        entries: unpacked.totals.entries,
        bytes: unpacked.totals.bytes,
        tree: digest.to_string(),
        notes: unpacked.totals.notes,
    };
    around.progress.enter(Step::Syncing);
    tree.sync_filesystem()?;
    around.watch.check()?;
    claim::settle(filesystems, stage.dir(), TREE, &name, &origin, force)?;
    Ok(Imported { origin, facts })
}

/// Makes the manifest while what was unpacked goes to the disk: the one takes the processor, the other waits.
fn manifest(tree: &Dir, stage: &Dir, name: &Name, known: &Known) -> Result<Digest> {
    thread::scope(|scope| {
        let syncing = thread::Builder::new().spawn_scoped(scope, || tree.sync_filesystem());
        let syncing = syncing.context("starting a thread")?;
        let digest = manifest::write(tree, stage, name, known);
        // The kernel tells a failed write once: the sync that follows would not hear of it.
        let synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        synced.and(digest)
    })
}

/// Which image of those that there are.
#[derive(Clone, Copy)]
struct Image<'a> {
    reference: Option<&'a str>,
    /// None: any.
    platform: Option<&'a Platform>,
}

impl Image<'_> {
    /// Of what is no image none can be chosen.
    fn refuse_name(&self) -> Result<()> {
        match self.reference {
            None => Ok(()),
            Some(name) => Err(Error::usage(format!("--image {name:?}: this is no image but a tree of files"))),
        }
    }
}

/// A tree, or a layout of an image.
fn directory(source: &Dir, image: &Image<'_>, options: &dir::Options<'_>, mut writer: Writer) -> Result<Unpacked> {
    let (form, manifest) = if layout::is_layout(source)? {
        let info = oci::unpack_layout(source, image.reference, image.platform, &mut writer)?;
        ("OCI layout", info.digest.to_string())
    } else {
        image.refuse_name()?;
        dir::copy(source, &mut writer, options)?;
        ("directory", String::new())
    };
    let totals = writer.finish()?;
    Ok(Unpacked { form: form.to_string(), totals, seal: None, manifest })
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

/// What unpacking a stream needs to know.
struct Job<'a> {
    stage: &'a Dir,
    bounds: Bounds,
    image: Image<'a>,
}

fn stream(
    bytes: Bytes,
    demands: Demands,
    around: &Surroundings<'_>,
    job: &Job<'_>,
    mut writer: Writer,
) -> Result<Unpacked> {
    let taken = around.progress.counter();
    let (sealed, seal) = seal::sealing(Count::new(bytes, taken.clone()), demands);
    let mut packed = Peek::new(sealed);
    let compression = decompress::sniff(packed.peek(sniff::HEAD)?);
    let plain = Ratio::new(
        decompress::open_within(Box::new(packed), compression, job.bounds.decoding())?,
        taken,
        job.bounds.ratio,
    );
    let mut plain = Peek::new(plain);
    let form = sniff::form(plain.peek(sniff::HEAD)?)?;
    let (what, manifest) = match form {
        Form::Disk(name) => return Err(no_disk(name)),
        Form::Tar => {
            job.image.refuse_name()?;
            let mut archive = tar::Archive::new(plain).with_limit(job.bounds.header);
            unpack_tar::unpack(&mut archive, &mut writer)?;
            archive.finish()?;
            ("tar", String::new())
        }
        Form::Image => {
            let mut archive = tar::Archive::new(plain).with_limit(job.bounds.header);
            let spooled = job.stage.mkdir(SPOOL, 0o700)?;
            spool::spool(&mut archive, &spooled, job.bounds.bytes)?;
            archive.finish()?;
            around.watch.check()?;
            let image = oci::unpack_layout(&spooled, job.image.reference, job.image.platform, &mut writer)?;
            ("OCI archive", image.digest.to_string())
        }
    };
    let totals = writer.finish()?;
    let seal = seal::seen(&seal)?;
    Ok(Unpacked { form: format!("{what}{}", ending(compression)), totals, seal: Some(seal), manifest })
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

fn no_disk(name: &str) -> Error {
    Error::failed(format!(
        "it is a disk image ({name}), which this sdme does not import: give the tree in it as a directory or a tarball"
    ))
}

/// An archive often holds its tree in one directory: that becomes the tree.
fn unwrap_top(stage: &Dir, around: &Surroundings<'_>) -> Result<()> {
    let tree = stage.subdir(TREE)?;
    let [Entry { name: top, .. }] = &tree.next_entries()?[..] else { return Ok(()) };
    let Ok(inner) = tree.subdir(top) else { return Ok(()) };
    let whole = |dir: &Dir| -> Result<bool> { Ok(inspect::inspect(&Root::of(dir.reopen()?.into())).is_system) };
    if whole(&tree)? || !whole(&inner)? {
        return Ok(());
    }
    (around.say)(&format!("the system is in its top directory {top:?}: that is taken"));
    tree.rename_noreplace(top, stage, "inner")?;
    stage.rmdir(TREE)?;
    stage.rename_noreplace("inner", stage, TREE)
}
