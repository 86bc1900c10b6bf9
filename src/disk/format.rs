//! Formats of disk images, by their magic bytes; those that are not read are refused by name.

use crate::disk::ReadAt;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Qcow2,
    Qcow1,
    Qed,
    /// VPC in qemu's words.
    Vhd,
    Vhdx,
    Vmdk,
    Vdi,
    Parallels,
    /// Apple's.
    Dmg,
}

/// Bytes that [`Format::sniff`] wants to see of the beginning.
pub const HEAD: usize = 512;

impl Format {
    /// What begins like this. A VHD of fixed size, and a DMG, are known by their ends only: [`Format::read`].
    pub fn sniff(_head: &[u8]) -> Option<Format> {
        None
    }

    /// By the beginning and the end of a file. `None`: it may be a raw disk.
    pub fn read(_file: &dyn ReadAt) -> Result<Option<Format>> {
        Ok(None)
    }

    /// The name that qemu-img has for it.
    pub fn name(self) -> &'static str {
        ""
    }

    /// Nothing for what is read here; else the error that says what to run.
    pub fn check(self) -> Result<()> {
        Err(Error::failed("not yet"))
    }
}
