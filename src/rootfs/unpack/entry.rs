//! One entry of a tar archive, put into the tree.

use crate::error::Result;
use crate::rootfs::unpack::fill::Filler;
use crate::rootfs::writer::{Attributes, Node, Writer};
use crate::stream::tar::{Archive, Entry, Kind};

/// Puts the entry that the archive has just given, and its data, into the tree.
pub fn write(archive: &mut Archive<'_>, entry: &Entry, writer: &mut Writer, filler: &mut Filler) -> Result<()> {
    let Entry { path, mode, uid, gid, modified, xattrs, .. } = entry;
    let attributes = Attributes { mode: *mode, uid: *uid, gid: *gid, modified: *modified, xattrs };
    match &entry.kind {
        Kind::File => filler.fill(archive, writer.file(path, entry.size, &attributes)?),
        Kind::Directory => writer.directory(path, &attributes),
        Kind::Symlink(target) => writer.symlink(path, target, &attributes),
        Kind::HardLink(target) => writer.hard_link(path, target),
        Kind::Fifo => writer.node(path, Node::Fifo, &attributes),
        Kind::CharDevice(major, minor) => writer.node(path, Node::CharDevice(*major, *minor), &attributes),
        Kind::BlockDevice(major, minor) => writer.node(path, Node::BlockDevice(*major, *minor), &attributes),
    }
}
