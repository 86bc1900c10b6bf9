//! The bytes of a disk, in whatever they are packed, and its filesystems mounted from them.
//!
//! A raw file is mounted where it is, read-only. Of any other image only what is asked for is put into a file without a
//! name first, and zeros are holes there: the temporary space is what the volumes that are mounted hold.

use crate::error::{Context, Error, Result};
use crate::rootfs::unpack::disk::attach::{self, Attempt, Mounted};
use crate::rootfs::unpack::disk::spool;
use crate::rootfs::unpack::transfer::Heed;
use crate::sys::dir::Dir;
use crate::sys::loopdev::Extent;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct Image<'a> {
    packing: Packing,
    stage: &'a Dir,
    heed: Heed<'a>,
}

enum Packing {
    /// The file is the disk.
    Raw { file: File, length: u64, is_ours: bool },
}

/// A filesystem, and whether its journal had to be replayed.
pub struct Attached {
    pub mounted: Mounted,
    pub is_replayed: bool,
}

impl<'a> Image<'a> {
    /// The disk itself; `is_ours`: nobody else has it, and it may be written to.
    pub fn raw(file: File, is_ours: bool, stage: &'a Dir, heed: Heed<'a>) -> Result<Image<'a>> {
        let length = file.metadata()?.len();
        Ok(Image { packing: Packing::Raw { file, length, is_ours }, stage, heed })
    }

    pub fn qcow2(_file: File, _stage: &'a Dir, _heed: Heed<'a>) -> Result<Image<'a>> {
        Err(Error::failed("not yet"))
    }

    /// Bytes of the disk.
    pub fn length(&self) -> u64 {
        match &self.packing {
            Packing::Raw { length, .. } => *length,
        }
    }

    /// Reads what is there, less only at the end of the disk.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        match &self.packing {
            Packing::Raw { file, .. } => file.read_at(buffer, offset).context("reading the image"),
        }
    }

    /// Mounts a part of it. What was not unmounted is put right on a copy of our own, never read half-written.
    pub fn mount(&mut self, start: u64, length: u64, fstype: &'static str) -> Result<Attached> {
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
    fn file(&mut self, start: u64, length: u64) -> Result<(&File, bool)> {
        match &self.packing {
            Packing::Raw { file, length: whole, is_ours } => match start.checked_add(length) {
                Some(end) if end <= *whole => Ok((file, *is_ours)),
                _ => Err(Error::invalid(format!(
                    "{length} bytes at {start} are past the end of the image, which has {whole}: it is cut short"
                ))),
            },
        }
    }
}
