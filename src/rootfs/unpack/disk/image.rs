//! The bytes of a disk, in whatever they are packed, and its filesystems mounted from them.
//!
//! A raw file is mounted where it is, read-only. Of any other image only what is asked for is put into a file without a
//! name first, and zeros are holes there: the temporary space is what the volumes that are mounted hold.

use crate::disk::{ReadAt, copy, qcow2};
use crate::error::{Error, Result};
use crate::rootfs::unpack::disk::attach::{self, Attempt, Mounted};
use crate::rootfs::unpack::disk::spool;
use crate::rootfs::unpack::transfer::Heed;
use crate::sys::dir::Dir;
use crate::sys::loopdev::Extent;
use crate::text::size;
use std::fs::File;

pub struct Image<'a> {
    packing: Packing,
    stage: &'a Dir,
    heed: Heed<'a>,
}

enum Packing {
    /// The file is the disk.
    Raw { file: File, is_ours: bool },
    /// `spool` gets the parts that are mounted, each at its own place.
    Qcow2 { image: Box<qcow2::Image<File>>, spool: File },
}

/// A filesystem, and whether its journal had to be replayed.
pub struct Attached {
    pub mounted: Mounted,
    pub is_replayed: bool,
}

impl<'a> Image<'a> {
    /// The disk itself; `is_ours`: nobody else has it, and it may be written to.
    pub fn raw(file: File, is_ours: bool, stage: &'a Dir, heed: Heed<'a>) -> Result<Image<'a>> {
        Ok(Image { packing: Packing::Raw { file, is_ours }, stage, heed })
    }

    /// Errors: what of the format is not read, by name; tables that lie; no room for what is stored.
    pub fn qcow2(file: File, stage: &'a Dir, heed: Heed<'a>) -> Result<Image<'a>> {
        let image = qcow2::Image::open(file)?;
        let (stored, free) = (image.survey()?.stored(), stage.space()?.free);
        if stored > free {
            return Err(Error::failed(format!(
                "its disk holds {}, and there is {} left where the datadir is",
                size::render(stored),
                size::render(free)
            )));
        }
        let spool = spool::scratch(stage)?;
        spool.set_len(image.size())?;
        Ok(Image { packing: Packing::Qcow2 { image: Box::new(image), spool }, stage, heed })
    }

    /// The bytes of the disk.
    pub fn disk(&self) -> &dyn ReadAt {
        match &self.packing {
            Packing::Raw { file, .. } => file,
            Packing::Qcow2 { image, .. } => &**image,
        }
    }

    /// Mounts a part of it. What was not unmounted is put right on a copy of our own, never read half-written.
    pub fn mount(&self, start: u64, length: u64, fstype: &'static str) -> Result<Attached> {
        let (stage, heed) = (self.stage, self.heed);
        let (file, is_ours) = self.file(start, length)?;
        let extent = Extent { offset: start, length, is_writable: false, is_direct: !is_ours };
        let unclean = match attach::attach(file, &extent, fstype)? {
            Attempt::Mounted(mounted) => return Ok(Attached { mounted, is_replayed: false }),
            Attempt::Unclean(error) => error,
        };
        let own;
        let file = if is_ours {
            file
        } else {
            own = spool::scratch(stage)?;
            spool::copy_part(file, &own, start, length, heed)?;
            &own
        };
        match attach::attach(file, &Extent { is_writable: true, is_direct: false, ..extent }, fstype) {
            Ok(Attempt::Mounted(mounted)) => Ok(Attached { mounted, is_replayed: true }),
            Ok(Attempt::Unclean(error)) | Err(error) => {
                Err(error.context(format!("it was not unmounted ({unclean}), and its journal cannot be replayed")))
            }
        }
    }

    /// The file in which a part of the disk stands at its own place, and whether that is ours.
    fn file(&self, start: u64, length: u64) -> Result<(&File, bool)> {
        let whole = self.disk().size()?;
        let end = start.checked_add(length).filter(|end| *end <= whole).ok_or_else(|| {
            Error::invalid(format!(
                "{length} bytes at {start} are past the end of the disk, which has {whole}: it is cut short"
            ))
        })?;
        match &self.packing {
            Packing::Raw { file, is_ours } => Ok((file, *is_ours)),
            Packing::Qcow2 { image, spool } => {
                copy::part_to_sparse(image, start..end, spool, &mut |_| (self.heed)(0))?;
                Ok((spool, true))
            }
        }
    }
}
