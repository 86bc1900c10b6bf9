//! Which filesystems of the host a clone of `/` is made of: an overlay does not cross mounts, so each one that holds
//! part of the system gets an overlay of its own. Pure: mountinfo in, layers out.

use crate::container::state::{LAYERS_MAX, Layer, SKIPPED_MAX, Skipped};
use crate::error::{Error, Result};
use crate::text::mountinfo::{self, Mount};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest file name: a layer's directory is named after its mountpoint.
const FILE_NAME_MAX: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// `/` first, what is below another after it.
    pub layers: Vec<Layer>,
    pub skipped: Vec<Skipped>,
}

/// What a filesystem's type says about following it.
enum Sort {
    /// On a disk of this machine, fit as a lower layer.
    Local,
    /// Left out, and told.
    Other(&'static str),
}

/// Filesystems on disks of this machine that overlayfs takes as a lower layer.
const LOCAL: [&str; 15] = [
    "bcachefs", "btrfs", "cramfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "reiserfs", "squashfs",
    "ubifs", "xfs", "zfs",
];
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
    "smbfs",
];
/// Names that differ only in case, or hashes of their own: overlayfs refuses them.
const UNFIT: [&str; 10] = ["adfs", "affs", "exfat", "hfs", "hfsplus", "iso9660", "msdos", "ntfs3", "udf", "vfat"];
const MEMORY: [&str; 3] = ["hugetlbfs", "ramfs", "tmpfs"];

/// Why a local filesystem is not followed of which a clone gets nothing, or directories alone.
pub const NOT_CARRIED: &str = "not carried by a clone";

/// What is made anew in every system: nothing below is part of a clone.
const VOLATILE: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];
/// Where removable media are mounted (hier(7)).
const REMOVABLE: &str = "/media";

/// Chooses from what is mounted. `hidden` are the directories that a clone does not carry anyway, the datadir among
/// them; `is_directory` looks at a mountpoint, and is asked of local filesystems alone.
///
/// Errors: `Invalid` when nothing is mounted at `/`.
pub fn choose(mounts: &[Mount], hidden: &[PathBuf], is_directory: &dyn Fn(&Path) -> bool) -> Result<Choice> {
    let root =
        mountinfo::lookup(mounts, Path::new("/")).ok_or_else(|| Error::invalid("mountinfo: there is no \"/\""))?;
    let mut choice = Choice { layers: vec![layer(root)], skipped: Vec::new() };
    for mount in candidates(mounts, hidden) {
        match reason(mount, hidden, is_directory, &choice) {
            Follow::Yes => choice.layers.push(layer(mount)),
            Follow::No(why) if choice.skipped.len() < SKIPPED_MAX => choice.skipped.push(skipped(mount, why)),
            Follow::No(_) | Follow::NotWorthTelling => {}
        }
    }
    Ok(choice)
}

/// What one finds at each mountpoint below `/`, outer ones first. On a host of many containers thousands are below
/// directories that are hidden: they are left out before anything costs.
fn candidates<'a>(mounts: &'a [Mount], hidden: &[PathBuf]) -> Vec<&'a Mount> {
    let hidden: BTreeSet<&Path> = hidden.iter().map(PathBuf::as_path).collect();
    let worth = |mount: &&Mount| {
        let point = mount.mountpoint.as_path();
        point != Path::new("/")
            && !mountinfo::is_deleted(point.as_os_str())
            && (matches!(sort(&mount.fstype), Sort::Local) || !is_volatile(point))
            && !point.ancestors().skip(1).any(|above| hidden.contains(above))
            && mountinfo::is_reachable(mounts, mount)
    };
    let mut found: Vec<&Mount> = mounts.iter().filter(worth).collect();
    found.sort_by(|a, b| a.mountpoint.cmp(&b.mountpoint));
    found
}

enum Follow {
    Yes,
    No(String),
    NotWorthTelling,
}

fn reason(mount: &Mount, hidden: &[PathBuf], is_directory: &dyn Fn(&Path) -> bool, choice: &Choice) -> Follow {
    let point = &mount.mountpoint;
    let no = |why: &str| Follow::No(why.to_string());
    if hidden.contains(point) {
        return if matches!(sort(&mount.fstype), Sort::Local) { no(NOT_CARRIED) } else { Follow::NotWorthTelling };
    }
    if choice.skipped.iter().any(|above| point.starts_with(&above.mountpoint)) {
        return Follow::NotWorthTelling;
    }
    match sort(&mount.fstype) {
        Sort::Other(why) => no(why),
        Sort::Local if is_volatile(point) => no("made anew in every system"),
        Sort::Local if point.starts_with(REMOVABLE) => no("removable medium"),
        Sort::Local if !is_directory(point) => no("not a directory"),
        Sort::Local if layer(mount).directory().len() > FILE_NAME_MAX => no("its path is too long"),
        Sort::Local if choice.layers.len() == LAYERS_MAX => Follow::No(format!("more than {LAYERS_MAX} filesystems")),
        Sort::Local => Follow::Yes,
    }
}

fn sort(fstype: &str) -> Sort {
    let is_in = |list: &[&str]| list.contains(&fstype);
    if is_in(&LOCAL) {
        Sort::Local
    } else if is_in(&NETWORK) {
        Sort::Other("network filesystem")
    } else if fstype.starts_with("fuse") || fstype == "virtiofs" {
        Sort::Other("FUSE filesystem")
    } else if fstype == "autofs" {
        Sort::Other("mounted on demand")
    } else if is_in(&MEMORY) {
        Sort::Other("filesystem in memory")
    } else if is_in(&UNFIT) {
        Sort::Other("filesystem that overlayfs cannot stack on")
    } else if fstype == "overlay" {
        Sort::Other("overlay of another container")
    } else {
        Sort::Other("pseudo filesystem")
    }
}

fn is_volatile(path: &Path) -> bool {
    VOLATILE.iter().any(|above| path.starts_with(above))
}

fn layer(mount: &Mount) -> Layer {
    Layer { mountpoint: mount.mountpoint.clone(), fstype: mount.fstype.clone() }
}

fn skipped(mount: &Mount, why: String) -> Skipped {
    Skipped { mountpoint: mount.mountpoint.clone(), fstype: mount.fstype.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "1 0 8:1 / / rw - ext4 a rw\n\
        2 1 0:5 / /proc rw - proc proc rw\n\
        3 2 8:9 / /proc/odd rw - ext4 p rw\n\
        4 1 8:2 / /var rw - xfs b rw\n\
        5 4 8:3 / /var/lib/sdme rw - ext4 c rw\n\
        6 5 0:6 / /var/lib/sdme/containers/x rw - overlay o rw\n\
        7 4 8:4 / /var/log rw - ext4 d rw\n\
        8 7 8:4 / /var/log/audit rw - ext4 d rw\n\
        9 1 8:5 / /boot rw - ext4 e rw\n\
        10 9 8:6 / /boot/efi rw - vfat f rw\n\
        11 1 0:7 / /home rw - autofs auto rw\n\
        12 11 0:8 / /home/me rw - nfs4 nas:/me rw\n\
        13 1 0:9 / /mnt/s rw - fuse.sshfs h: rw\n\
        14 13 8:7 / /mnt/s/in rw - ext4 g rw\n\
        15 1 8:8 /f /etc/hosts rw - ext4 h rw\n\
        16 1 8:8 / /media/me/stick rw - ext4 i rw\n\
        17 1 8:9 / /srv rw - ext4 j rw\n\
        18 17 8:9 / /srv rw - btrfs k rw\n";

    fn chosen(text: &str) -> Choice {
        let hidden = ["/var/lib/sdme", "/var/log"].map(PathBuf::from);
        let is_directory = |path: &Path| path != Path::new("/etc/hosts");
        choose(&mountinfo::parse(text.as_bytes()).unwrap(), &hidden, &is_directory).unwrap()
    }

    #[test]
    fn local_filesystems_are_followed_from_the_outside_in() {
        let choice = chosen(HOST);
        let layers: Vec<(&str, &str)> =
            choice.layers.iter().map(|l| (l.mountpoint.to_str().unwrap(), l.fstype.as_str())).collect();
        assert_eq!(layers, [("/", "ext4"), ("/boot", "ext4"), ("/srv", "btrfs"), ("/var", "xfs")]);
    }

    #[test]
    fn what_is_not_followed_is_told_with_the_reason() {
        let choice = chosen(HOST);
        let skipped: Vec<(&str, &str)> =
            choice.skipped.iter().map(|s| (s.mountpoint.to_str().unwrap(), s.why.as_str())).collect();
        let expected = [
            ("/boot/efi", "filesystem that overlayfs cannot stack on"),
            ("/etc/hosts", "not a directory"),
            ("/home", "mounted on demand"),
            ("/media/me/stick", "removable medium"),
            ("/mnt/s", "FUSE filesystem"),
            ("/proc/odd", "made anew in every system"),
            ("/var/lib/sdme", "not carried by a clone"),
            ("/var/log", "not carried by a clone"),
        ];
        assert_eq!(skipped, expected);
    }

    #[test]
    fn nothing_at_the_root_is_an_error() {
        assert!(choose(&[], &[], &|_| true).is_err());
    }

    #[test]
    fn there_is_an_end_to_the_layers() {
        let mut text = "1 0 8:1 / / rw - ext4 a rw\n".to_string();
        for number in 0..500 {
            text.push_str(&format!("{} 1 8:2 / /m{number} rw - ext4 b rw\n", number + 2));
        }
        let choice = chosen(&text);
        assert_eq!((choice.layers.len(), choice.skipped.len()), (LAYERS_MAX, SKIPPED_MAX));
    }

    #[test]
    fn thousands_of_mounts_of_containers_cost_little() {
        let mut text = "1 0 8:1 / / rw - ext4 a rw\n".to_string();
        for number in 2..5000 {
            text.push_str(&format!("{number} 1 0:9 / /var/lib/sdme/x/{number}/merged rw - overlay o rw\n"));
        }
        let before = std::time::Instant::now();
        assert_eq!(chosen(&text), chosen("1 0 8:1 / / rw - ext4 a rw\n"));
        assert!(before.elapsed() < std::time::Duration::from_millis(500), "{:?}", before.elapsed());
    }

    #[test]
    fn lists_are_sorted_and_apart() {
        let all: Vec<&str> = [&LOCAL[..], &NETWORK, &UNFIT, &MEMORY].concat();
        let unique: std::collections::BTreeSet<&&str> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        for list in [&LOCAL[..], &NETWORK, &UNFIT, &MEMORY] {
            assert!(list.is_sorted());
        }
    }
}
