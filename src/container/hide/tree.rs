//! The tree beneath a container and what the container wrote over it, walked side by side: one node a directory, each
//! opened once, by descriptors of single names. Symlinks of the lower tree are resolved inside it; in the upper, which
//! the guest writes, none is followed.

use super::Place;
use super::upper;
use crate::error::{Context, Error, Result};
use crate::sys::dir::{Dir, Entry};
use crate::sys::meta::{self, Kind, Meta};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel follows in one path.
const LINKS_MAX: usize = 40;
/// Names in one directory of the host that a pattern is compared with.
pub const ENTRIES_MAX: usize = 100_000;

pub struct Tree<'a> {
    places: &'a [Place],
    nodes: BTreeMap<PathBuf, Option<Node>>,
    real: BTreeMap<PathBuf, Option<PathBuf>>,
    /// Directories made in the upper only to hold what is hidden in them.
    made: Vec<(Dir, Meta)>,
}

/// A directory of the lower tree, and what stands for it in the upper.
struct Node {
    place: usize,
    lower: Dir,
    upper: Upper,
}

enum Upper {
    Open(Dir),
    Missing,
    /// The guest has put something of its own there: nothing of the lower shows through.
    Shadowing,
}

/// A name whose parent is a directory that shows through in the container.
pub struct Spot<'t> {
    pub lower: &'t Dir,
    /// The parent's in the upper, now there.
    pub upper: &'t Dir,
    /// Where things of this layer are made before they get their names.
    pub build: &'t Dir,
    pub name: &'t OsStr,
}

impl<'a> Tree<'a> {
    pub fn new(places: &'a [Place]) -> Tree<'a> {
        Tree { places, nodes: BTreeMap::new(), real: BTreeMap::new(), made: Vec::new() }
    }

    /// The layer, other than the outermost, that is mounted at exactly this path.
    pub fn layer_at(&self, path: &Path) -> Option<&'a Place> {
        self.places.iter().skip(1).find(|place| place.mountpoint == path)
    }

    /// What `path` is in the lower tree; its parent is a real path.
    pub fn lookup(&mut self, path: &Path) -> Result<Option<Meta>> {
        let Some((parent, name)) = split(path) else { return Ok(None) };
        match self.node(parent)? {
            Some(node) => node.lower.lookup(name),
            None => Ok(None),
        }
    }

    /// The place of `path` in the lower tree once its parents, and it itself if `follow`, are resolved. None when a
    /// parent is not there.
    pub fn resolve(&mut self, path: &Path, follow: bool) -> Result<Option<PathBuf>> {
        let Some((parent, name)) = split(path) else { return Ok(Some(path.to_path_buf())) };
        let Some(parent) = self.real_directory(parent)? else { return Ok(None) };
        let path = parent.join(name);
        if !follow || self.lookup(&path)?.map(|meta| meta.kind) != Some(Kind::Symlink) {
            return Ok(Some(path));
        }
        self.walk(&path)
    }

    fn real_directory(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        if let Some(known) = self.real.get(path) {
            return Ok(known.clone());
        }
        let real = match self.walk(path)? {
            Some(real) => self.node(&real)?.is_some().then_some(real),
            None => None,
        };
        self.real.insert(path.to_path_buf(), real.clone());
        Ok(real)
    }

    /// Resolves every symlink in the path; None when something on the way is missing or no directory.
    fn walk(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let mut done = PathBuf::from("/");
        let mut rest: Vec<OsString> = names(path);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&name);
            match self.kind(&next)? {
                None => return Ok(None),
                Some(Kind::Symlink) if links == LINKS_MAX => return Ok(None),
                Some(Kind::Symlink) => {
                    links += 1;
                    let target = self.readlink(&done, &name)?;
                    if target.is_absolute() {
                        done = PathBuf::from("/");
                    }
                    rest.extend(names(&target));
                }
                Some(_) => done = next,
            }
        }
        Ok(Some(done))
    }

    fn kind(&mut self, path: &Path) -> Result<Option<Kind>> {
        if self.layer_at(path).is_some() {
            return Ok(Some(Kind::Directory));
        }
        Ok(self.lookup(path)?.map(|meta| meta.kind))
    }

    fn readlink(&mut self, parent: &Path, name: &OsStr) -> Result<PathBuf> {
        let node = self.node(parent)?.ok_or_else(gone)?;
        Ok(PathBuf::from(node.lower.readlink(name)?))
    }

    /// The names in a directory of the lower tree; none when it is not there.
    pub fn entries(&mut self, path: &Path) -> Result<Vec<Entry>> {
        match self.node(path)? {
            Some(node) => node.lower.entries(ENTRIES_MAX).with_context(|| format!("{path:?}")),
            None => Ok(Vec::new()),
        }
    }

    /// The spot of a real path, its parent made in the upper if it has to be. None when the parent is not there, or
    /// when nothing of it shows through.
    pub fn spot<'t>(&'t mut self, path: &'t Path) -> Result<Option<Spot<'t>>> {
        let Some((parent, name)) = split(path) else { return Ok(None) };
        if !self.ensure_upper(parent)? {
            return Ok(None);
        }
        match self.nodes.get(parent) {
            Some(Some(Node { place, lower, upper: Upper::Open(upper) })) => {
                Ok(Some(Spot { lower, upper, build: &self.places[*place].build, name }))
            }
            _ => Ok(None),
        }
    }

    /// Whether the guest, or an earlier boot, has put something under this name.
    pub fn upper_has(&mut self, path: &Path) -> Result<bool> {
        let Some((parent, name)) = split(path) else { return Ok(true) };
        match self.node(parent)? {
            Some(Node { upper: Upper::Open(upper), .. }) => Ok(upper.lookup(name)?.is_some()),
            _ => Ok(false),
        }
    }

    /// Makes the directory in the upper, with all above it, as the lower's are; false when it does not show through.
    fn ensure_upper(&mut self, path: &Path) -> Result<bool> {
        match self.node(path)? {
            None | Some(Node { upper: Upper::Shadowing, .. }) => return Ok(false),
            Some(Node { upper: Upper::Open(_), .. }) => return Ok(true),
            Some(Node { upper: Upper::Missing, .. }) => {}
        }
        let (made, meta) = match self.spot_below(path)? {
            Some((spot, lower)) => (upper::make_directory(&spot, lower, |_| Ok(()))?, lower.meta()?),
            None => return Ok(false),
        };
        self.made.push((made.reopen()?, meta));
        if let Some(Some(node)) = self.nodes.get_mut(path) {
            node.upper = Upper::Open(made);
        }
        Ok(true)
    }

    /// Gives the directories that were made the times of the host's: a new `/usr` would tell systemd that the system
    /// has been updated (ConditionNeedsUpdate= of systemd.unit(5)).
    pub fn settle(&self) -> Result<()> {
        self.made.iter().try_for_each(|(dir, meta)| meta::set_modified(dir, meta.modified))
    }

    /// What is at the path, and below it, has been changed in the upper.
    pub fn forget(&mut self, path: &Path) {
        self.nodes.retain(|known, _| !known.starts_with(path));
    }

    fn spot_below<'t>(&'t mut self, path: &'t Path) -> Result<Option<(Spot<'t>, &'t Dir)>> {
        let Some((parent, name)) = split(path) else { return Ok(None) };
        if !self.ensure_upper(parent)? {
            return Ok(None);
        }
        let (Some(Some(above)), Some(Some(node))) = (self.nodes.get(parent), self.nodes.get(path)) else {
            return Ok(None);
        };
        let Upper::Open(upper) = &above.upper else { return Ok(None) };
        Ok(Some((Spot { lower: &above.lower, upper, build: &self.places[above.place].build, name }, &node.lower)))
    }

    /// The node of a real path; None when that is no directory.
    fn node(&mut self, path: &Path) -> Result<Option<&Node>> {
        if !self.nodes.contains_key(path) {
            let node = self.open(path).with_context(|| format!("{path:?}"))?;
            self.nodes.insert(path.to_path_buf(), node);
        }
        Ok(self.nodes.get(path).and_then(Option::as_ref))
    }

    fn open(&mut self, path: &Path) -> Result<Option<Node>> {
        if let Some(place) = self.places.iter().position(|place| place.mountpoint == path) {
            let Place { lower, upper, .. } = &self.places[place];
            return Ok(Some(Node { place, lower: lower.reopen()?, upper: Upper::Open(upper.reopen()?) }));
        }
        let Some((parent, name)) = split(path) else { return Ok(None) };
        let Some(above) = self.node(parent)? else { return Ok(None) };
        let is_directory = above.lower.lookup(name)?.is_some_and(|meta| meta.is_dir());
        if !is_directory {
            return Ok(None);
        }
        let upper = match &above.upper {
            Upper::Open(dir) => look(dir, name)?,
            Upper::Missing => Upper::Missing,
            Upper::Shadowing => Upper::Shadowing,
        };
        Ok(Some(Node { place: above.place, lower: above.lower.subdir(name)?, upper }))
    }
}

fn look(parent: &Dir, name: &OsStr) -> Result<Upper> {
    match parent.lookup(name)? {
        None => Ok(Upper::Missing),
        Some(meta) if meta.is_dir() => {
            let dir = parent.subdir(name)?;
            Ok(if upper::is_apart(&dir)? { Upper::Shadowing } else { Upper::Open(dir) })
        }
        Some(_) => Ok(Upper::Shadowing),
    }
}

fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// The components, last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    names.collect()
}

fn gone() -> Error {
    Error::failed("a directory of the host went away meanwhile")
}

/// Whether a name fits a pattern in which `*` is any bytes and `?` is one.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        (Some((b'?', rest)), Some((_, after))) => matches(rest, after),
        (Some((wanted, rest)), Some((byte, after))) => wanted == byte && matches(rest, after),
        _ => false,
    }
}

pub fn is_pattern(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("ssh_host_*", "ssh_host_rsa_key", true),
            ("*.conf", ".conf", true),
            ("*.conf", "a.conf.d", false),
            ("rc?.d", "rc0.d", true),
            ("rc?.d", "rc.d", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "ac", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
