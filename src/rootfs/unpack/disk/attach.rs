//! A filesystem of an image, mounted by the kernel: read-only, inert, in no namespace. It is gone with what holds it.
//!
//! The kernel parses what a stranger made. What is told to it takes away the ways in which an image could ask for more:
//! an error of ext4 that would be a panic by its own superblock is none, an XFS with the UUID of a mounted one is told apart.

use crate::error::{Errno, Error, Result};
use crate::sys::dir::Dir;
use crate::sys::loopdev::{Extent, LoopDevice};
use crate::sys::mount::{self, Options};
use std::fs::File;

/// What is mounted.
#[derive(Debug)]
pub struct Mounted {
    pub dir: Dir,
    device: LoopDevice,
    fstype: &'static str,
}

/// What came of an attempt.
#[derive(Debug)]
pub enum Attempt {
    Mounted(Mounted),
    /// It was not unmounted when the image was made: its journal has to be replayed first, which writes.
    Unclean(Error),
}

/// Mounts a part of a file as a filesystem of this type, the kernel's word for it.
///
/// Errors: `Unavailable` when the kernel has no such filesystem or no loop device; what it says is wrong with the bytes.
pub fn attach(file: &File, extent: &Extent, fstype: &'static str) -> Result<Attempt> {
    let device = LoopDevice::attach(file, extent)?;
    match mount::disk(fstype, &device.path(), &options(fstype)) {
        Ok(dir) => Ok(Attempt::Mounted(Mounted { dir, device, fstype })),
        // ext4 and XFS say EROFS, btrfs EIO.
        Err(error) if !extent.is_writable && matches!(error.errno(), Some(Errno::ROFS | Errno::IO)) => {
            Ok(Attempt::Unclean(error))
        }
        Err(error) if error.errno() == Some(Errno::EXIST) => Err(error.context(format!(
            "a {fstype} with the same UUID is mounted on this machine, which this kernel cannot tell from the image's"
        ))),
        Err(error) => Err(error),
    }
}

impl Mounted {
    /// Whether `dir` is the top of a btrfs, in which a subvolume may be the root.
    pub fn has_subvolumes(&self) -> bool {
        self.fstype == "btrfs"
    }

    /// The same filesystem once more, as it is mounted when nobody says which subvolume.
    pub fn default_subvolume(&self) -> Result<Dir> {
        mount::disk(self.fstype, &self.device.path(), &Options::default())
    }
}

fn options(fstype: &str) -> Options<'static> {
    match fstype {
        "ext4" => Options { flags: &[], values: &[("errors", "remount-ro")] },
        "xfs" => Options { flags: &["nouuid"], values: &[] },
        // All subvolumes, to choose from.
        "btrfs" => Options { flags: &[], values: &[("subvolid", "5")] },
        _ => Options::default(),
    }
}
