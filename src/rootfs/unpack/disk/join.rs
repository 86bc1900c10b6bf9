//! Which other filesystems of an image belong to its tree, and where: what its fstab mounts, and partitions whose type
//! says what they are for (the Discoverable Partitions Specification). Pure.

use crate::rootfs::unpack::disk::volume::{Role, Volume};
use crate::text::fstab::{Entry, Spec};
use crate::text::sanitize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Filesystems that one tree is joined of; a system has a handful, SUSE's ten.
const JOINS_MAX: usize = 64;
/// Only firmware reads what is there.
const FIRMWARE: [&str; 2] = ["boot/efi", "efi"];
/// Where a partition of a role belongs.
const PLACES: [(Role, &str); 5] =
    [(Role::Usr, "usr"), (Role::Boot, "boot"), (Role::Var, "var"), (Role::Home, "home"), (Role::Srv, "srv")];

/// One filesystem, or a part of one, that comes below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Below the root: "usr", "var/lib".
    pub place: Vec<u8>,
    /// Which volume.
    pub volume: usize,
    /// Of a btrfs: which part of it, from its top.
    pub subvolume: Option<String>,
    /// Only when there is nothing at its place: nobody wrote down that it belongs there.
    pub is_by_type: bool,
}

/// Where all filesystems go, outer ones first, and what is left out, in words.
pub fn plan(volumes: &[Volume], entries: &[Entry], root: usize) -> (Vec<Join>, Vec<String>) {
    let (mut joins, mut notes): (Vec<Join>, Vec<String>) = (Vec::new(), Vec::new());
    for entry in entries.iter().filter(|entry| entry.spec != Spec::Other && entry.fstype != "swap") {
        match of_entry(volumes, entry, root) {
            Ok(Some(join)) if joins.len() < JOINS_MAX && !joins.iter().any(|other| other.place == join.place) => {
                joins.push(join);
            }
            Ok(_) => {}
            Err(why) => notes.push(format!(
                "/etc/fstab: {} at {}: {why}: left out",
                sanitize::line(&entry.word),
                sanitize::line(&entry.file.to_string_lossy())
            )),
        }
    }
    for (role, place) in PLACES {
        let is_free = |index: usize| index != root && !joins.iter().any(|join| join.volume == index);
        let typed = (0..volumes.len())
            .find(|index| volumes.get(*index).is_some_and(|volume| volume.role == role && volume.fstype().is_some()));
        if let Some(volume) = typed.filter(|index| is_free(*index)) {
            if !joins.iter().any(|join| join.place == place.as_bytes()) {
                joins.push(Join { place: place.into(), volume, subvolume: None, is_by_type: true });
            }
        }
    }
    joins.sort_by_key(|join| (join.place.iter().filter(|byte| **byte == b'/').count(), join.place.clone()));
    (joins, notes)
}

/// None: nothing to be done. Errors: why it is left out.
fn of_entry(volumes: &[Volume], entry: &Entry, root: usize) -> Result<Option<Join>, &'static str> {
    let file = Path::new(&entry.file);
    if !file.is_absolute() {
        return Ok(None);
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for component in file.components() {
        match component {
            Component::Normal(name) => names.push(name.as_bytes()),
            Component::RootDir | Component::CurDir => {}
            _ => return Err("it names \"..\""),
        }
    }
    let place = names.join(&b'/');
    if place.is_empty() {
        return Ok(None);
    }
    let Some(volume) = volumes.iter().position(|volume| volume.is_meant(&entry.spec)) else {
        return Err("the image holds no such filesystem");
    };
    let subvolume = entry.option("subvol").map(|path| path.trim_matches('/').to_string());
    match () {
        _ if place.ends_with(b".snapshots") => Err("snapshots are no part of the tree"),
        _ if FIRMWARE.iter().any(|firmware| firmware.as_bytes() == place) => Err("only firmware reads it"),
        _ if entry.has("noauto") => Err("it is not mounted by itself"),
        _ if volumes.get(volume).and_then(Volume::fstype).is_none() => Err("its filesystem is none that is read"),
        // The root itself, somewhere else once more.
        _ if volume == root && subvolume.is_none() => Ok(None),
        _ => Ok(Some(Join { place, volume, subvolume, is_by_type: false })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::unpack::disk::volume::Holds;
    use crate::text::fstab;

    fn volume(number: u32, role: Role, fstype: &'static str) -> Volume {
        Volume {
            number: Some(number),
            start: 0,
            length: 1 << 20,
            role,
            part_uuid: String::new(),
            part_label: String::new(),
            holds: Holds::Filesystem { fstype, uuid: format!("u{number}"), label: String::new() },
        }
    }

    fn places(joins: &[Join]) -> Vec<(&str, usize, Option<&str>)> {
        let place = |join: &Join| String::from_utf8(join.place.clone()).unwrap().leak() as &str;
        joins.iter().map(|join| (place(join), join.volume, join.subvolume.as_deref())).collect()
    }

    #[test]
    fn fstab_first_then_types_and_outer_ones_before_inner() {
        let volumes = [
            volume(1, Role::Root, "ext4"),
            volume(2, Role::Other, "ext4"),
            volume(3, Role::Var, "xfs"),
            volume(4, Role::Usr, "ext4"),
            volume(5, Role::Esp, "vfat"),
            volume(6, Role::Home, "ext4"),
        ];
        let text = b"UUID=u1 / ext4\nUUID=u3 /var/lib/data xfs\nUUID=u2 /boot ext4\nUUID=u5 /boot/efi vfat\n\
            UUID=none /srv ext4\nUUID=u2 /../../etc ext4\nUUID=u2 /boot ext4\ntmpfs /tmp tmpfs\n/dev/vda9 none swap\n\
            UUID=u6 /data ext4 noauto\n";
        let (joins, notes) = plan(&volumes, &fstab::parse(text), 0);
        assert_eq!(places(&joins), [("boot", 1, None), ("home", 5, None), ("usr", 3, None), ("var/lib/data", 2, None)]);
        assert!(joins[1].is_by_type && !joins[0].is_by_type);
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[1].contains("no such filesystem") && notes[2].contains("\"..\""), "{notes:?}");
    }

    #[test]
    fn subvolumes_of_the_root_are_joined_but_for_snapshots() {
        let text = b"UUID=u1 / btrfs subvol=root,compress=zstd:1 0 0\nUUID=u1 /home btrfs subvol=/home 0 0\n\
            UUID=u1 /.snapshots btrfs subvol=@/.snapshots\nUUID=u1 /mnt btrfs subvolid=5\n";
        let (joins, notes) = plan(&[volume(1, Role::Root, "btrfs")], &fstab::parse(text), 0);
        assert_eq!(places(&joins), [("home", 0, Some("home"))]);
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
}
