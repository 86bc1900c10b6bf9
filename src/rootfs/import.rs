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
use crate::oci::{docker, layout};
use crate::paths::Paths;
use crate::rootfs::bounds::Bounds;
use crate::rootfs::format::Format;
use crate::rootfs::inspect::{self, Facts};
use crate::rootfs::pipe::{self, Choice, Job};
use crate::rootfs::prepare::{self, Install};
use crate::rootfs::progress::{Progress, Step};
use crate::rootfs::seal::Demands;
use crate::rootfs::source::Source;
use crate::rootfs::writer::{Known, Writer};
use crate::rootfs::{claim, manifest, remove};
use crate::store::datadir;
use crate::store::name::Name;
use crate::store::origin::Origin;
use crate::store::stage::Stage;
use crate::sys::dir::{Dir, Entry};
use crate::sys::kernel;
use crate::sys::poll::Wait;
use crate::sys::resolve::Root;
use crate::sys::signal::Watch;
use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The tree in its stage.
pub(in crate::rootfs) const TREE: &str = prepare::place::TREE;
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
    /// Of a disk image: which partition is the root.
    pub partition: Option<u32>,
    /// What SOURCE is said to be; None: its bytes tell.
    pub format: Option<Format>,
    /// Whether what the tree lacks to be a machine is installed in it.
    pub install: Install,
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
    pub hands: prepare::Hands<'a>,
    /// Asked once more when the new tree is whole: what it replaces may be in use by now.
    pub may_go: claim::MayGo<'a>,
}

/// What came of it.
pub struct Imported {
    pub origin: Origin,
    pub facts: Facts,
}

/// Imports; whole, or nothing is left.
pub fn import(request: Request, around: &Surroundings<'_>) -> Result<Imported> {
    datadir::ensure(around.paths)?;
    let filesystems = Dir::open(&around.paths.filesystems())?;
    // What cannot be cleaned up now hinders nobody: the next import tries again.
    let _ = remove::sweep(around.paths, Wait::at_most(SWEEP_LIMIT));
    claim::check_free(&filesystems, &request.name, request.force)?;
    let stage = Stage::create(&filesystems)?;
    let source = request.source.clone();
    let imported = fill(request, around, &stage, &filesystems).map_err(|error| named(error, &source))?;
    around.progress.enter(Step::Done);
    Ok(imported)
}

/// An error says once what it was that was imported: what comes from a server names its address already.
fn named(error: Error, source: &Source) -> Error {
    let shown = source.shown();
    match source {
        Source::Url(_) if error.to_string().starts_with(&shown) => error,
        _ => error.context(format!("importing {shown:?}")),
    }
}

fn fill(request: Request, around: &Surroundings<'_>, stage: &Stage, filesystems: &Dir) -> Result<Imported> {
    let Request { source, name, force, bounds, demands, cross_mounts, install, options, .. } = request;
    let writer = Writer::new(stage.dir().mkdir(TREE, 0o700)?, bounds)?;
    let known = writer.known();
    let (recorded, platform) = (source.recorded(), Platform::host());
    let image = Choice {
        reference: request.reference.as_deref(),
        platform: (!force).then_some(&platform),
        partition: request.partition,
        format: request.format,
    };
    let job = Job { stage: stage.dir(), bounds, image, cross_mounts };
    let mut unpacked = pipe::unpack(&source, demands, around, &job, writer)?;
    around.progress.enter(Step::Checking);
    unwrap_top(stage.dir(), around)?;
    let tree = stage.dir().subdir(TREE)?;
    let mut facts = inspect::inspect(&Root::of(tree.reopen()?.into()));
    if !facts.is_system {
        refuse_image(&tree)?;
    }
    facts.check(force)?;
    around.watch.check()?;
    let begin = || around.progress.enter(Step::Installing);
    let room = bounds.bytes.saturating_sub(unpacked.totals.bytes);
    let lacking = prepare::Tree { paths: around.paths, stage: stage.dir(), facts: &facts, forced: force, room };
    let installed = prepare::install(&lacking, install, &around.hands, around.watch, begin)?;
    let known = match installed {
        None => known,
        // What the writer knows is no longer so where somebody else has written.
        Some(_) => {
            around.progress.enter(Step::Checking);
            Known::nothing()
        }
    };
    let digest = manifest(&tree, stage.dir(), &name, &known, around.watch)?;
    if let Some((now, note)) = installed {
        refuse_marks(stage.dir(), &name)?;
        unpacked.totals.notes.push(note);
        facts = now;
    }
    let origin = Origin {
        source: recorded,
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
    claim::settle(filesystems, stage.dir(), TREE, &name, &origin, force.then_some(around.may_go))?;
    Ok(Imported { origin, facts })
}

/// What the writer keeps out of a tree a package may have put there.
fn refuse_marks(stage: &Dir, name: &Name) -> Result<()> {
    match manifest::overlay_mark(stage, name)? {
        None => Ok(()),
        Some((path, what)) => Err(Error::failed(format!(
            "what was installed has left an order to overlayfs in the tree, which is not taken: {path:?}: {what}"
        ))),
    }
}

/// Makes the manifest while what was unpacked goes to the disk: the one takes the processor, the other waits.
fn manifest(tree: &Dir, stage: &Dir, name: &Name, known: &Known, watch: &Watch) -> Result<Digest> {
    thread::scope(|scope| {
        let syncing = thread::Builder::new().spawn_scoped(scope, || tree.sync_filesystem());
        let syncing = syncing.context("starting a thread")?;
        let digest = manifest::write(tree, stage, name, known, &|| watch.check());
        // The kernel tells a failed write once: the sync that follows would not hear of it.
        let synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        synced.and(digest)
    })
}

/// What is no system may be an image that was unpacked, or whose layout is a directory further down.
fn refuse_image(tree: &Dir) -> Result<()> {
    let is_layout = |top: &Entry| tree.subdir(&top.name).and_then(|inner| layout::is_layout(&inner));
    let why = match &tree.next_entries()?[..] {
        _ if docker::is_archive(tree).unwrap_or(false) => {
            "it holds no system but the files of an image, with a manifest.json: what 'docker save' writes is read as the \
             archive that it is, and 'skopeo copy' makes an oci-archive of any other"
        }
        [top] if is_layout(top).unwrap_or(false) => {
            "it holds no system but an OCI layout, in its one top directory: give that directory, or an archive of what is in it"
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(why))
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
