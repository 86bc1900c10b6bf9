//! The tree of an image that is to be booted later (`--root DIR`). Whoever made it may have put symlinks anywhere: every
//! path of it is looked up beneath its root directory, once; then what was found is held open and worked in by its
//! descriptor, whatever anybody renames meanwhile.

use crate::error::{self, Context, Error, Result};
use crate::paths::{Image as Places, Paths};
use crate::store::datadir;
use crate::sys::dir::{self, Dir};
use crate::sys::meta::{self, Meta};
use crate::sys::resolve::Root;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What is not there stands at a place that nobody can make.
const NO_DATADIR: &str = "/proc/self/fd/no-datadir";
const NO_CONFIG: &str = "/proc/self/fd/no-config";

/// An image's root directory.
pub struct Image {
    root: Root,
    shown: PathBuf,
}

impl Image {
    /// The tree at `path`, absolute. None: it is the root of this very process, which is no image.
    pub fn open(path: &Path) -> Result<Option<Image>> {
        let root = Root::open_path(path).with_context(|| format!("--root {path:?}"))?;
        let here = meta::of(Root::open_path(Path::new("/"))?)?;
        let is_here = meta::of(&root)?.is_same(&here);
        Ok((!is_here).then(|| Image { root, shown: path.to_path_buf() }))
    }

    /// A file of the image. None when there is none.
    pub fn read(&self, path: &Path, most: usize) -> Result<Option<Vec<u8>>> {
        match self.root.read_limited(path, most) {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some).with_context(|| format!("{:?}", self.shown(path))),
        }
    }

    /// The paths of this image; `datadir` and `config` are absolute, as its own system will know them. With `makes` the datadir
    /// is made where it is missing.
    ///
    /// Errors: `Failed` for a datadir that the image's system would refuse, too.
    pub fn paths(self, datadir: &Path, config: &Path, makes: bool) -> Result<Paths> {
        datadir::check_path(datadir)?;
        let place = match self.datadir(datadir, makes)? {
            Some(dir) => hold(dir.as_fd().try_clone_to_owned()?)?,
            None => (NO_DATADIR.into(), self.shown(datadir)),
        };
        let file = self.directory_of(config)?;
        let root = hold(self.root.into_fd())?;
        for (place, shown) in [&place, &file, &root] {
            error::show_as(place, shown);
        }
        let name = config.file_name().unwrap_or_default();
        let places = Places { root: root.0, datadir: place.1, config: file.1.join(name) };
        Ok(Paths::under("/").with_datadir(place.0).with_config(file.0.join(name)).with_image(places))
    }

    /// What of the datadir is there is what the image's own system would take: root's, with rooms that are directories.
    fn datadir(&self, path: &Path, makes: bool) -> Result<Option<Dir>> {
        let found = match self.root.directory(path) {
            Err(error) if error.is_not_found() && makes => self.root.ensure_directory(path, datadir::PRIVATE).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        };
        let shown = self.shown(path);
        let Some(dir) = found.with_context(|| format!("datadir {shown:?}"))? else { return Ok(None) };
        datadir::check_own(&dir, &shown)?;
        self.check_parents(&dir, &shown)?;
        for room in datadir::ROOMS {
            match dir.lookup(room)? {
                Some(meta) if meta.kind != meta::Kind::Directory => {
                    return Err(Error::failed(format!("{:?} is no directory: remove it", shown.join(room))));
                }
                _ => {}
            }
        }
        Ok(Some(dir))
    }

    /// Up to the image's root; what is above that is not the image's.
    fn check_parents(&self, dir: &Dir, shown: &Path) -> Result<()> {
        let root: Meta = meta::of(&self.root)?;
        let mut above = Dir::from_fd(dir.as_fd().try_clone_to_owned()?);
        while !above.meta()?.is_same(&root) {
            let parent = above.parent()?;
            if parent.meta()?.is_same(&above.meta()?) {
                return Err(Error::failed(format!("datadir {shown:?} was moved out of the image meanwhile")));
            }
            datadir::check_parent(&parent, shown)?;
            above = parent;
        }
        Ok(())
    }

    /// Where a file is, or would be.
    fn directory_of(&self, file: &Path) -> Result<(PathBuf, PathBuf)> {
        let directory = file.parent().ok_or_else(|| Error::usage(format!("--config: {file:?} is no file")))?;
        match self.root.directory(directory) {
            Err(error) if error.is_not_found() => Ok((NO_CONFIG.into(), self.shown(directory))),
            Err(error) => Err(error.context(format!("config {:?}", self.shown(file)))),
            Ok(dir) => hold(dir.as_fd().try_clone_to_owned()?),
        }
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.shown.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Keeps a directory open to the end of this process. Gives the path that leads to it, and where it is by its own name.
fn hold(directory: OwnedFd) -> Result<(PathBuf, PathBuf)> {
    let (place, shown) = (PathBuf::from(dir::proc_path(directory.as_fd())), dir::path_of(&directory)?);
    std::mem::forget(directory);
    Ok((place, shown))
}
