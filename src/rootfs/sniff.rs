//! What a stream holds, by its first bytes; pure. Neither a file's name nor a server's Content-Type is asked.

use crate::error::{Error, Result};
use crate::oci::spool;
use crate::stream::tar;

/// As many bytes as are looked at: a btrfs superblock is 64 KiB into its partition, and ends within this.
pub const HEAD: usize = 70 << 10;

/// What the uncompressed bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A tar archive of a root filesystem.
    Tar,
    /// A tar archive of an image: an OCI layout, or what `docker save` writes.
    Image,
    /// A disk, or one filesystem as if it were a disk.
    Disk(Packing),
}

impl Form {
    /// In words, for errors.
    pub fn shown(self) -> String {
        match self {
            Form::Tar => "a tar archive of files".to_string(),
            Form::Image => "an archive of an image (oci-archive or docker-archive)".to_string(),
            Form::Disk(Packing::Raw) => "a raw disk image (raw)".to_string(),
            Form::Disk(Packing::Qcow2) => "a QCOW2 disk image (qcow2)".to_string(),
        }
    }
}

/// How a disk is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Byte for byte.
    Raw,
    Qcow2,
}

/// Magic bytes of disks: offset, bytes. What is on them, the disk's own readers say.
const DISKS: [(usize, &[u8], Packing); 13] = [
    (0, b"QFI\xfb", Packing::Qcow2),
    (0, b"LUKS\xba\xbe", Packing::Raw),
    (0, b"hsqs", Packing::Raw),
    (1024, b"\xe2\xe1\xf5\xe0", Packing::Raw),
    (0, b"XFSB", Packing::Raw),
    (1080, b"\x53\xef", Packing::Raw),
    (65600, b"_BHRfS_M", Packing::Raw),
    (32769, b"CD001", Packing::Raw),
    (4086, b"SWAPSPACE2", Packing::Raw),
    (512, b"EFI PART", Packing::Raw),
    (4096, b"EFI PART", Packing::Raw),
    (512, b"LABELONE", Packing::Raw),
    (510, b"\x55\xaa", Packing::Raw),
];

/// Errors: `Invalid`, naming what it looks like instead.
pub fn form(head: &[u8]) -> Result<Form> {
    if head.is_empty() {
        return Err(Error::invalid("it is empty"));
    }
    if head.get(..tar::BLOCK).is_some_and(tar::is_header) {
        return Ok(if spool::is_image(head) { Form::Image } else { Form::Tar });
    }
    if let Some((_, _, packing)) = DISKS.iter().find(|(offset, magic, _)| begins(head, *offset, magic)) {
        return Ok(Form::Disk(*packing));
    }
    Err(Error::invalid(format!("it is no archive or image that sdme reads: {}", seems(head))))
}

fn begins(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

/// Disk images that are not read: how they begin, and what they are.
const FOREIGN: [(&[u8], &str); 9] = [
    (b"KDMV", "VMDK"),
    // One of ESX's own, and a text that names the files that hold the disk.
    (b"COWD", "VMDK"),
    (b"# Disk DescriptorFile", "VMDK"),
    (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"),
    (b"<<< ", "VDI"),
    (b"QED\0", "QED"),
    (b"WithoutFreeSpace", "Parallels"),
    (b"WithouFreSpacExt", "Parallels"),
];

/// What people try besides.
fn seems(head: &[u8]) -> String {
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return format!(
            "it looks like a {name} disk image ('qemu-img convert -O qcow2 FILE NEW' makes one that is read)"
        );
    }
    let known: [(&[u8], &str); 13] = [
        (b"PK\x03\x04", "a ZIP archive (unpack it first)"),
        (b"7z\xbc\xaf", "a 7z archive (unpack it first)"),
        (b"!<arch>\n", "a Debian package or another ar archive"),
        (b"\xed\xab\xee\xdb", "an RPM package"),
        (b"0707", "a cpio archive, as an initramfs is"),
        (b"\xc7\x71", "a cpio archive, as an initramfs is"),
        (b"LZIP", "what lzip compresses (unpack it first)"),
        (b"\x89LZO", "what lzop compresses (unpack it first)"),
        (b"LRZI", "what lrzip compresses (unpack it first)"),
        (b"\x1f\x9d", "what compress makes (unpack it first)"),
        (b"\x1f\x8b", "what gzip compresses, within another compression (unpack it first)"),
        (b"<", "HTML or XML: perhaps a server's error page"),
        (b"\x7fELF", "a program"),
    ];
    match known.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, name)) => format!("it looks like {name}"),
        None if head.iter().all(|byte| *byte == 0) => "it begins with zeros".to_string(),
        None => format!("it begins with {:?}", String::from_utf8_lossy(head.get(..16).unwrap_or(head))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ustar header with a right checksum.
    fn header(name: &str) -> Vec<u8> {
        let mut block = vec![0u8; 1024];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(b"00000000000");
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn images_are_told_from_trees_by_their_first_name() {
        let id = "a1".repeat(32);
        let blob = format!("blobs/sha256/{id}");
        for name in ["oci-layout", "./index.json", &blob, "manifest.json", &format!("{id}.json")] {
            assert_eq!(form(&header(name)).unwrap(), Form::Image, "{name}");
        }
        for name in ["etc/passwd", "blobs/etc/passwd", "usr/index.json", &id[1..]] {
            assert_eq!(form(&header(name)).unwrap(), Form::Tar, "{name}");
        }
    }

    #[test]
    fn what_is_not_read_is_named() {
        let fault = |head: &[u8]| form(head).unwrap_err().to_string();
        assert!(fault(b"").contains("empty"));
        assert!(fault(b"PK\x03\x04rest").contains("ZIP"));
        assert!(fault(b"<!DOCTYPE html>").contains("error page"));
        assert!(fault(&[0; 9000]).contains("zeros"));
        assert!(fault(b"hello").contains("hello"));
        assert!(fault(b"0707071770").contains("cpio") && fault(b"LZIP\x01").contains("lzip"));
        assert!(fault(b"\x1f\x8b\x08").contains("within another compression"));
        for (offset, magic) in [(32769, &b"CD001"[..]), (4086, b"SWAPSPACE2")] {
            let mut disk = vec![0u8; HEAD];
            disk[offset..offset + magic.len()].copy_from_slice(magic);
            assert_eq!(form(&disk).unwrap(), Form::Disk(Packing::Raw), "{magic:?}");
        }
        let mut disk = vec![0u8; HEAD];
        disk[510] = 0x55;
        disk[511] = 0xaa;
        assert_eq!(form(&disk).unwrap(), Form::Disk(Packing::Raw));
        disk[512..520].copy_from_slice(b"EFI PART");
        assert_eq!(form(&disk).unwrap(), Form::Disk(Packing::Raw));
        assert_eq!(form(b"QFI\xfb").unwrap(), Form::Disk(Packing::Qcow2));
    }
}
