//! What the tree of a virtual machine expects of hardware that a container has none of, taken out of it: each change is
//! small, can be taken back, and is told. A tree in which nothing is found is not touched.
//!
//! Whoever made the image chose these files: they are looked up inside the tree only, and all that is changed is changed
//! by the writer. Where units are configured through symlinks (NixOS) they are left alone.

use crate::error::Result;
use crate::rootfs::writer::{Attributes, Writer};
use crate::sys::dir::{Dir, Entry};
use crate::sys::kernel;
use crate::sys::meta::{self, Kind, Meta};
use crate::sys::resolve::Root;
use crate::text::fstab::{self, Spec};
use crate::text::sanitize;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

const FSTAB: &str = "etc/fstab";
const UNITS: &str = "etc/systemd/system";
const CLOUD: &str = "etc/cloud";
const CLOUD_DISABLED: &str = "etc/cloud/cloud-init.disabled";
/// Bytes of a file that is read, and names in a directory.
const FILE_MAX: usize = 1 << 20;
const NAMES_MAX: usize = 10_000;

/// Units that are masked when they are enabled: how their names begin and end, and why.
const MASKED: [(&str, &str, &str); 6] = [
    ("systemd-networkd-wait-online", ".service", "it waits for a network that the host configures"),
    ("NetworkManager-wait-online", ".service", "it waits for a network that the host configures"),
    ("ifupdown-wait-online", ".service", "it waits for a network that the host configures"),
    ("serial-getty@", ".service", "a container has no serial line"),
    ("growpart", ".service", "a container has no partition to grow"),
    ("growroot", ".service", "a container has no partition to grow"),
];

/// Takes out of the written tree what would hang or fail without the hardware; the writer's notes tell what.
pub fn neutralise(root: &Root, writer: &mut Writer) -> Result<()> {
    comment_fstab(root, writer)?;
    disable_cloud_init(root, writer)?;
    let Ok(units) = root.open_directory_exact(Path::new(UNITS)).and_then(|place| Dir::at_place(&place)) else {
        return Ok(());
    };
    mask_enabled(root, &units, writer)?;
    mask_mounts(root, &units, writer)
}

/// What it has on disk, it has in the tree.
fn comment_fstab(root: &Root, writer: &mut Writer) -> Result<()> {
    let path = Path::new(FSTAB);
    let Ok(text) = root.read_limited(path, FILE_MAX) else { return Ok(()) };
    let needs_device = fstab::Entry::needs_device;
    let Some(changed) = fstab::without(&text, needs_device) else { return Ok(()) };
    let count = fstab::parse(&text).iter().filter(|entry| needs_device(entry)).count();
    let meta = meta::of(root.open_place(path)?)?;
    write(writer, FSTAB, &changed, &like(&meta))?;
    writer.note(|| format!("/{FSTAB}: {count} entries of devices are comments now: a container has no such devices"));
    Ok(())
}

/// On the network of a host that is a cloud's own machine it would take the host's data for the container's.
fn disable_cloud_init(root: &Root, writer: &mut Writer) -> Result<()> {
    let has = |path: &str| root.stat(Path::new(path)).is_ok();
    if !root.is_directory(Path::new(CLOUD)) || !has("usr/bin/cloud-init") || has(CLOUD_DISABLED) {
        return Ok(());
    }
    write(writer, CLOUD_DISABLED, b"", &plain(0o644))?;
    writer.note(|| {
        format!("/{CLOUD_DISABLED}: made: cloud-init would wait for a cloud's data, or take the host's (remove it to have it run)")
    });
    Ok(())
}

fn mask_enabled(root: &Root, units: &Dir, writer: &mut Writer) -> Result<()> {
    let mut enabled = BTreeSet::new();
    for Entry { name, .. } in units.entries(NAMES_MAX).unwrap_or_default() {
        let name = name.to_string_lossy();
        if !name.ends_with(".wants") && !name.ends_with(".requires") {
            continue;
        }
        let inside = units.subdir(&*name).and_then(|dir| dir.entries(NAMES_MAX)).unwrap_or_default();
        enabled.extend(inside.into_iter().filter_map(|entry| entry.name.into_string().ok()));
    }
    for unit in enabled {
        let known = MASKED.iter().find(|(start, end, _)| unit.starts_with(start) && unit.ends_with(end));
        if let Some((_, _, why)) = known {
            mask(root, &unit, why, writer)?;
        }
    }
    Ok(())
}

/// Mount and swap units of the administrator, if they are of devices.
fn mask_mounts(root: &Root, units: &Dir, writer: &mut Writer) -> Result<()> {
    for Entry { name, .. } in units.entries(NAMES_MAX).unwrap_or_default() {
        let Ok(unit) = name.into_string() else { continue };
        if !unit.ends_with(".mount") && !unit.ends_with(".swap") {
            continue;
        }
        let text = root.read_limited(&Path::new(UNITS).join(&unit), FILE_MAX).unwrap_or_default();
        if is_of_device(&String::from_utf8_lossy(&text)) {
            mask(root, &unit, "a container has no such device", writer)?;
        }
    }
    Ok(())
}

fn is_of_device(unit: &str) -> bool {
    let what = unit.lines().filter_map(|line| line.trim().strip_prefix("What=")).next_back();
    what.is_some_and(|what| Spec::parse(what.trim()) != Spec::Other)
}

/// A unit that is a file of its own keeps it under another name.
fn mask(root: &Root, unit: &str, why: &str, writer: &mut Writer) -> Result<()> {
    let path = format!("{UNITS}/{unit}");
    let units = Dir::at_place(&root.open_directory_exact(Path::new(UNITS))?)?;
    let kept = match units.lookup(OsStr::new(unit))?.map(|meta| meta.kind) {
        Some(Kind::Symlink) if units.readlink(unit)? == "/dev/null" => return Ok(()),
        Some(Kind::File) => {
            let kept = format!("{unit}.before-sdme");
            writer.hard_link(format!("{UNITS}/{kept}").as_bytes(), path.as_bytes())?;
            format!(", what it was is {kept} there")
        }
        _ => String::new(),
    };
    writer.symlink(path.as_bytes(), b"/dev/null", &plain(0o777))?;
    writer.note(|| format!("/{}: masked{kept}: {why}", sanitize::line(&path)));
    Ok(())
}

fn write(writer: &mut Writer, path: &str, bytes: &[u8], attributes: &Attributes<'_>) -> Result<()> {
    let mut file = writer.file(path.as_bytes(), bytes.len() as u64, attributes)?;
    file.write_at(0, bytes)?;
    file.finish()
}

fn like(meta: &Meta) -> Attributes<'static> {
    Attributes { mode: meta.mode, uid: meta.uid, gid: meta.gid, modified: meta.modified, xattrs: &[] }
}

fn plain(mode: u32) -> Attributes<'static> {
    Attributes { mode, uid: 0, gid: 0, modified: (kernel::now() as i64, 0), xattrs: &[] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::bounds::Bounds;
    use crate::sys::credentials;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A tree that the writer has made, with what `fill` puts into it, and the notes of its changes.
    fn changed(name: &str, fill: impl Fn(&Path)) -> Option<(Scratch, PathBuf, Vec<String>)> {
        if !credentials::is_root() {
            eprintln!("skip: must be root");
            return None;
        }
        let scratch = Scratch::new(name);
        let tree = scratch.path().join("tree");
        let mut writer = Writer::new(scratch.dir().mkdir("tree", 0o700).unwrap(), Bounds::default()).unwrap();
        fs::create_dir_all(tree.join(UNITS)).unwrap();
        fill(&tree);
        neutralise(&Root::open_path(&tree).unwrap(), &mut writer).unwrap();
        let notes = writer.finish().unwrap().notes;
        Some((scratch, tree, notes))
    }

    fn enable(tree: &Path, target: &str, unit: &str) {
        let wants = tree.join(UNITS).join(format!("{target}.wants"));
        fs::create_dir_all(&wants).unwrap();
        symlink(format!("/usr/lib/systemd/system/{unit}"), wants.join(unit)).unwrap();
    }

    #[test]
    fn what_waits_for_hardware_does_so_no_more() {
        let fill = |tree: &Path| {
            fs::create_dir_all(tree.join("usr/bin")).unwrap();
            fs::create_dir_all(tree.join(CLOUD)).unwrap();
            fs::write(tree.join("usr/bin/cloud-init"), "").unwrap();
            fs::write(tree.join(FSTAB), "UUID=x / ext4\ntmpfs /tmp tmpfs\n").unwrap();
            enable(tree, "getty.target", "serial-getty@ttyS0.service");
            enable(tree, "network-online.target", "NetworkManager-wait-online.service");
            enable(tree, "multi-user.target", "cron.service");
            fs::write(tree.join(UNITS).join("data.mount"), "[Mount]\nWhat=/dev/vdb1\nWhere=/data\n").unwrap();
            fs::write(tree.join(UNITS).join("tmp.mount"), "[Mount]\nWhat=tmpfs\nWhere=/tmp\n").unwrap();
        };
        let Some((_scratch, tree, notes)) = changed("hardware-all", fill) else { return };
        assert_eq!(fs::read_to_string(tree.join(FSTAB)).unwrap(), "#sdme: UUID=x / ext4\ntmpfs /tmp tmpfs\n");
        assert!(tree.join(CLOUD_DISABLED).exists());
        let masked =
            |unit: &str| fs::read_link(tree.join(UNITS).join(unit)).is_ok_and(|to| to == Path::new("/dev/null"));
        assert!(masked("serial-getty@ttyS0.service") && masked("NetworkManager-wait-online.service"));
        assert!(masked("data.mount") && !masked("tmp.mount") && !masked("cron.service"));
        assert!(fs::read_to_string(tree.join(UNITS).join("data.mount.before-sdme")).unwrap().contains("vdb1"));
        assert_eq!(notes.len(), 5, "{notes:?}");
    }

    #[test]
    fn a_tree_without_such_things_is_not_touched() {
        let fill = |tree: &Path| {
            fs::write(tree.join(FSTAB), "# UNCONFIGURED FSTAB\n").unwrap();
            enable(tree, "multi-user.target", "cron.service");
        };
        let Some((_scratch, tree, notes)) = changed("hardware-none", fill) else { return };
        assert_eq!(notes, [""; 0]);
        assert_eq!(fs::read_dir(tree.join(UNITS)).unwrap().count(), 1);
    }

    #[test]
    fn links_to_the_host_are_neither_read_nor_written_through() {
        let outside = Scratch::new("hardware-outside");
        let victim = outside.path().join("fstab");
        fs::write(&victim, "UUID=x / ext4\n").unwrap();
        let fill = |tree: &Path| {
            symlink(&victim, tree.join(FSTAB)).unwrap();
            fs::remove_dir(tree.join(UNITS)).unwrap();
            symlink(outside.path(), tree.join(UNITS)).unwrap();
            fs::create_dir_all(tree.join("usr/bin")).unwrap();
            fs::write(tree.join("usr/bin/cloud-init"), "").unwrap();
            symlink(outside.path(), tree.join(CLOUD)).unwrap();
        };
        let Some((_scratch, tree, notes)) = changed("hardware-links", fill) else { return };
        assert_eq!(fs::read_to_string(&victim).unwrap(), "UUID=x / ext4\n");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "something was written outside");
        assert_eq!((notes.len(), fs::read_link(tree.join(FSTAB)).unwrap()), (0, victim.clone()));
        // A link inside the tree is read, and replaced by a file.
        let fill = |tree: &Path| {
            fs::write(tree.join("etc/real"), "/dev/vda1 / ext4\n").unwrap();
            symlink("real", tree.join(FSTAB)).unwrap();
        };
        let Some((_scratch, tree, _)) = changed("hardware-inside", fill) else { return };
        assert_eq!(fs::read_to_string(tree.join("etc/real")).unwrap(), "/dev/vda1 / ext4\n");
        assert_eq!(fs::read_to_string(tree.join(FSTAB)).unwrap(), "#sdme: /dev/vda1 / ext4\n");
        assert!(fs::read_link(tree.join(FSTAB)).is_err());
    }
}
