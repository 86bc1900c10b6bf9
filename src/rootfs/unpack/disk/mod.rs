//! A disk image as the source of a tree: its root is found, what belongs to it is joined, and all is copied as a directory is.
//!
//! ```text
//! image (raw | qcow2) -> scan (table, superblocks) -> root -> join (fstab, types) -> attach (loop, mount) -> dir::copy
//!                                                                                             -> hardware
//! ```

mod attach;
mod hardware;
mod image;
mod join;
mod root;
mod scan;
mod spool;
mod volume;

pub use image::Image;
pub use spool::{Most, fill, scratch};

use crate::error::{Context, Error, Kind, Result};
use crate::rootfs::unpack::dir;
use crate::rootfs::unpack::transfer::Heed;
use crate::rootfs::writer::Writer;
use crate::sys::dir::Dir;
use crate::sys::resolve::Root;
use crate::text::{fstab, sanitize, size};
use attach::Mounted;
use join::Join;
use root::Found;
use std::collections::{HashMap, hash_map};
use std::path::Path;
use volume::Volume;

/// Bytes of the image's fstab.
const FSTAB_MAX: usize = 1 << 20;
const LOST_AND_FOUND: &str = "lost+found";

/// What unpacking a disk needs to know.
pub struct Job<'a> {
    /// The tree that the writer writes, to be read.
    pub tree: &'a Dir,
    /// The partition that is the root, by its number.
    pub partition: Option<u32>,
    pub heed: Heed<'a>,
    /// Told once how many bytes will be copied, about.
    pub expect: &'a dyn Fn(u64),
    /// Tells the user something, on one line.
    pub say: &'a dyn Fn(&str),
}

/// Puts the tree of an image into the writer's; what was chosen, and what was changed, goes to its notes. What it is, in
/// words: "ext4 in GPT".
pub fn unpack(image: Image<'_>, job: &Job<'_>, writer: &mut Writer) -> Result<String> {
    let (mut volumes, table) = Volumes::scan(image)?;
    let found = root::find(&mut volumes, job.partition)?;
    tell(found.told.clone(), job, writer);
    let parts = parts(&mut volumes, &found, job, writer)?;
    (job.expect)(check_space(&parts, job.tree)?);
    for part in &parts {
        copy(part, &parts, job, writer).with_context(|| format!("out of what belongs at {}", at(&part.place)))?;
    }
    volumes.notes.iter().for_each(|note| writer.note(|| note.clone()));
    hardware::neutralise(&Root::of(job.tree.reopen()?.into()), writer)?;
    let fstype = volumes.all.get(found.volume).and_then(Volume::fstype).unwrap_or_default();
    Ok(format!("{fstype} in {table}"))
}

fn tell(text: String, job: &Job<'_>, writer: &Writer) {
    (job.say)(&text);
    writer.note(|| text);
}

/// All volumes of an image, and those that are mounted so far.
struct Volumes<'a> {
    image: Image<'a>,
    all: Vec<Volume>,
    mounted: HashMap<usize, Mounted>,
    notes: Vec<String>,
}

impl<'a> Volumes<'a> {
    fn scan(image: Image<'a>) -> Result<(Volumes<'a>, &'static str)> {
        let (all, table) = scan::scan(image.disk())?;
        Ok((Volumes { image, all, mounted: HashMap::new(), notes: Vec::new() }, table))
    }

    fn mounted(&mut self, index: usize) -> Result<&Mounted> {
        let Volumes { image, all, mounted, notes } = self;
        let missing = || Error::failed("a volume that is none");
        let volume = all.get(index).ok_or_else(missing)?;
        let fstype = volume.fstype().ok_or_else(missing)?;
        let vacant = match mounted.entry(index) {
            hash_map::Entry::Occupied(there) => return Ok(there.into_mut()),
            hash_map::Entry::Vacant(vacant) => vacant,
        };
        let attached =
            image.mount(volume.start, volume.length, fstype).with_context(|| format!("mounting {fstype}"))?;
        if attached.is_replayed {
            notes.push(format!("{}: it was not unmounted: its journal was replayed on a copy", volume.shown()));
        }
        Ok(vacant.insert(attached.mounted))
    }
}

/// A directory of the image, and where it goes.
struct Part {
    place: Vec<u8>,
    dir: Dir,
    is_ext: bool,
}

fn parts(volumes: &mut Volumes<'_>, found: &Found, job: &Job<'_>, writer: &Writer) -> Result<Vec<Part>> {
    let root = Root::of(found.dir.reopen()?.into());
    let entries = fstab::parse(&root.read_limited(Path::new("etc/fstab"), FSTAB_MAX).unwrap_or_default());
    let (joins, notes) = join::plan(&volumes.all, &entries, found.volume);
    notes.into_iter().for_each(|note| writer.note(|| note));
    let is_ext = |volumes: &Volumes<'_>, index: usize| volumes.all.get(index).and_then(Volume::fstype) == Some("ext4");
    let mut parts = vec![Part { place: Vec::new(), dir: found.dir.reopen()?, is_ext: is_ext(volumes, found.volume) }];
    for join in &joins {
        let what = volumes.all.get(join.volume).map(Volume::shown).unwrap_or_default();
        let (place, part) = (at(&join.place), subvolume(join));
        if join.is_by_type && !is_vacant(&root, &join.place) {
            tell(
                format!("{what} is left out: it belongs at {place} by its type, and there is something there"),
                job,
                writer,
            );
            continue;
        }
        let whence = if join.is_by_type { "its type" } else { "the image's fstab" };
        match open(volumes, join) {
            Ok(dir) => {
                tell(format!("{place} is {what}{part}, by {whence}"), job, writer);
                parts.push(Part { place: join.place.clone(), dir, is_ext: is_ext(volumes, join.volume) });
            }
            // A kernel and a boot loader nobody needs here.
            Err(error) if *error.kind() == Kind::Unavailable && join.place.starts_with(b"boot") => {
                tell(format!("{place} is left out: {error}"), job, writer);
            }
            Err(error) => return Err(error.context(format!("{what}, which belongs at {place}"))),
        }
    }
    Ok(parts)
}

fn at(place: &[u8]) -> String {
    format!("/{}", sanitize::line(&String::from_utf8_lossy(place)))
}

fn subvolume(join: &Join) -> String {
    join.subvolume.as_ref().map(|name| format!(", subvolume {name:?}")).unwrap_or_default()
}

fn open(volumes: &mut Volumes<'_>, join: &Join) -> Result<Dir> {
    let mounted = volumes.mounted(join.volume)?;
    let top = Root::of(mounted.dir.reopen()?.into());
    match &join.subvolume {
        Some(path) if mounted.has_subvolumes() => {
            let place = top.open_directory_exact(Path::new(path)).with_context(|| format!("subvolume {path:?}"))?;
            Dir::at_place(&place)
        }
        _ if mounted.has_subvolumes() => mounted.default_subvolume(),
        _ => mounted.dir.reopen(),
    }
}

/// Whether nothing would be hidden by what is mounted there.
fn is_vacant(root: &Root, place: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(place));
    match root.open_directory_exact(path).and_then(|place| Dir::at_place(&place)) {
        Ok(dir) => dir.entries(1).is_ok_and(|entries| entries.is_empty()),
        Err(error) => error.is_not_found(),
    }
}

/// What is used of the filesystems has to fit; where it is stored compressed there the tree may need more.
fn check_space(parts: &[Part], tree: &Dir) -> Result<u64> {
    let mut used = HashMap::new();
    for part in parts {
        used.insert(part.dir.meta()?.mount, part.dir.space()?.used);
    }
    let (used, free) = (used.values().fold(0u64, |sum, used| sum.saturating_add(*used)), tree.space()?.free);
    match used > free {
        true => Err(Error::failed(format!(
            "its files take {}, and there is {} left where the datadir is",
            size::render(used),
            size::render(free)
        ))),
        false => Ok(used),
    }
}

fn copy(part: &Part, parts: &[Part], job: &Job<'_>, writer: &mut Writer) -> Result<()> {
    let covered: Vec<Vec<u8>> = parts
        .iter()
        .map(|other| other.place.clone())
        .filter(|place| !place.is_empty() && *place != part.place)
        .collect();
    let mut except = Vec::new();
    if part.is_ext {
        except.extend(empty_lost_and_found(&part.dir)?);
    }
    let options = dir::Options {
        // A btrfs' inner subvolumes: nothing else can be mounted in there.
        cross_mounts: true,
        except: &except,
        below: &part.place,
        covered: &covered,
        heed: job.heed,
        ..dir::Options::default()
    };
    dir::copy(&part.dir, writer, &options)
}

/// It belongs to the filesystem, not to the tree; with something in it, it does.
fn empty_lost_and_found(dir: &Dir) -> Result<Option<crate::sys::meta::Meta>> {
    match dir.lookup_dir(LOST_AND_FOUND) {
        Ok(Some(lost)) if lost.entries(1).is_ok_and(|entries| entries.is_empty()) => lost.meta().map(Some),
        _ => Ok(None),
    }
}
