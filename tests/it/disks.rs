//! Disk images (cases 16, 17 and 18): each filesystem that the kernel reads, made by its own tool, comes out as the tree
//! that went in. What a machine cannot do here (no loop device, no such filesystem, no such tool) is said and left out.

use crate::copy::odd_tree;
use crate::sandbox::{Ran, Sandbox, root_or_skip};
use crate::trees::{Tree, differences, snapshot};
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a tool; None when it is not here.
pub fn tool(words: &[&str]) -> Option<String> {
    let ran = match Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skip: there is no {} here", words[0]);
            return None;
        }
        ran => ran.unwrap(),
    };
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

pub fn kernel_has(fstype: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    let has = known.lines().any(|line| line.trim_start_matches("nodev").trim() == fstype);
    if !has {
        eprintln!("skip: this kernel has no {fstype}");
    }
    has
}

fn loops_or_skip(test: &str) -> bool {
    let has = Path::new("/dev/loop-control").exists();
    if !has {
        eprintln!("skip {test}: there are no loop devices here");
    }
    root_or_skip(test) && has
}

pub struct Lab {
    pub sandbox: Sandbox,
}

/// A filesystem that is mounted while this lives: where, and out of which image.
pub struct Mount(pub PathBuf, PathBuf);

impl Drop for Mount {
    /// Until it is off: a mount namespace that somebody took meanwhile has it too, and only with the last one is all written.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        for _ in 0..1000 {
            let held = Command::new("losetup").arg("-j").arg(&self.1).output();
            if held.is_ok_and(|held| held.stdout.is_empty()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("{:?} is still mounted somewhere", self.1);
    }
}

impl Lab {
    pub fn new(name: &str) -> Option<Lab> {
        loops_or_skip(name).then(|| Lab { sandbox: Sandbox::new(&format!("disks-{name}")) })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.dir.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    /// A tree that counts as a system, and everything odd.
    pub fn source(&self, seed: u64) -> PathBuf {
        let top = self.path(&format!("source-{seed}"));
        for folder in ["etc", "usr/bin", "odd"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        odd_tree(&top.join("odd"), seed);
        top
    }

    /// An image of `size`, made by a tool that is given its path at the end.
    pub fn image(&self, name: &str, size: u64, make: &[&str]) -> Option<PathBuf> {
        let path = self.path(name);
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        tool(&[make, &[&self.text(name)]].concat())?;
        Some(path)
    }

    pub fn mount(&self, image: &Path, options: &str) -> Mount {
        let at = self.path("mnt");
        fs::create_dir_all(&at).unwrap();
        let options = format!("loop,{options}");
        tool(&["mount", "-o", &options, image.to_str().unwrap(), at.to_str().unwrap()]).unwrap();
        Mount(at, image.to_path_buf())
    }

    pub fn import(&self, name: &str, more: &[&str]) -> Ran {
        self.sandbox.run(&[&["fs", "import", name][..], more].concat())
    }

    pub fn shown(&self, name: &str) -> String {
        self.sandbox.run(&["fs", "show", name]).out
    }

    pub fn tree(&self, name: &str) -> PathBuf {
        self.path("data/fs").join(name)
    }

    /// A datadir of so many bytes while this lives.
    pub fn datadir_of(&self, bytes: u64) -> Mount {
        let at = self.path("data");
        fs::create_dir_all(&at).unwrap();
        let options = format!("size={bytes},mode=700");
        tool(&["mount", "-t", "tmpfs", "-o", &options, "none", at.to_str().unwrap()]).unwrap();
        Mount(at, PathBuf::from("none"))
    }

    /// Bytes that are used where the datadir is.
    pub fn used(&self) -> u64 {
        let told = tool(&["df", "--output=used", "-B1", self.path("data").to_str().unwrap()]).unwrap();
        told.lines().nth(1).unwrap().trim().parse().unwrap()
    }

    /// Nothing but what has a name.
    pub fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("data/fs")).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with('.')).collect()
    }

    /// The loop devices of files below this lab.
    pub fn loops(&self) -> String {
        let all = tool(&["losetup", "-a"]).unwrap_or_default();
        all.lines().filter(|line| line.contains(self.sandbox.dir.to_str().unwrap())).collect()
    }
}

/// Without what belongs to the filesystem alone, and without the places of holes, which each has in its own blocks.
pub fn content(root: &Path) -> Tree {
    let mut tree = snapshot(root);
    tree.remove(Path::new("lost+found"));
    tree.values_mut().for_each(|entry| entry.data.clear());
    tree
}

pub fn assert_same(one: &Tree, other: &Tree) {
    let found = differences(one, other);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[track_caller]
pub fn assert_done(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

fn writable(fstype: &str, size: u64, make: &[&str]) {
    if !kernel_has(fstype) {
        return;
    }
    let Some(lab) = Lab::new(fstype) else { return };
    let source = lab.source(7);
    let Some(image) = lab.image("disk", size, make) else { return };
    let mount = lab.mount(&image, "noatime");
    tool(&["cp", "-a", "--", &format!("{}/.", source.display()), mount.0.to_str().unwrap()]).unwrap();
    let expected = content(&mount.0);
    drop(mount);
    let before = fs::read(&image).unwrap();
    let ran = lab.import("one", &[&lab.text("disk")]);
    assert_done(&ran);
    assert!(ran.err.contains("the root is the whole disk"), "{}", ran.err);
    assert_same(&expected, &content(&lab.tree("one")));
    assert!(fs::read(&image).unwrap() == before, "the image was written to");
    assert!(lab.shown("one").contains("its source has no digest"), "{}", lab.shown("one"));
    // As a stream, compressed, and with a digest demanded: the same tree.
    let sum = digest(&image);
    assert_done(&lab.import("two", &[&lab.text("disk"), "--sha256", &sum]));
    assert!(lab.shown("two").contains(&sum) && !lab.shown("two").contains("no digest"), "{}", lab.shown("two"));
    assert_same(&expected, &content(&lab.tree("two")));
    // Of the smallest XFS that there is, a debug build looks for zeros too long.
    if size < 300 << 20 && tool(&["zstd", "-q", "-1", &lab.text("disk")]).is_some() {
        assert_done(&lab.import("three", &[&lab.text("disk.zst")]));
        assert_same(&expected, &content(&lab.tree("three")));
    }
    assert_eq!((lab.left(), lab.loops()), (Vec::new(), String::new()));
}

#[test]
fn an_ext4() {
    writable("ext4", 64 << 20, &["mkfs.ext4", "-q", "-F"]);
}

#[test]
fn an_xfs() {
    writable("xfs", 320 << 20, &["mkfs.xfs", "-q", "-f"]);
}

#[test]
fn a_btrfs() {
    writable("btrfs", 160 << 20, &["mkfs.btrfs", "-q", "-f"]);
}

#[test]
fn a_squashfs_and_an_erofs() {
    for (fstype, make) in [
        ("squashfs", &["mksquashfs", "SOURCE", "DISK", "-quiet", "-no-progress"][..]),
        ("erofs", &["mkfs.erofs", "DISK", "SOURCE"]),
    ] {
        let Some(lab) = kernel_has(fstype).then(|| Lab::new(fstype)).flatten() else { continue };
        let source = lab.source(8);
        let words: Vec<String> = make
            .iter()
            .map(|word| word.replace("SOURCE", source.to_str().unwrap()).replace("DISK", &lab.text("disk")))
            .collect();
        if tool(&words.iter().map(String::as_str).collect::<Vec<_>>()).is_none() {
            continue;
        }
        let mount = lab.mount(&lab.path("disk"), "ro");
        let expected = content(&mount.0);
        drop(mount);
        assert_done(&lab.import("one", &[&lab.text("disk")]));
        assert_same(&expected, &content(&lab.tree("one")));
    }
}

/// Copied while it is mounted: what is in its journal only has to be there, and the image stays as it is.
fn unclean(fstype: &str, size: u64, make: &[&str]) {
    let Some(lab) = kernel_has(fstype).then(|| Lab::new(&format!("unclean-{fstype}"))).flatten() else { return };
    let Some(image) = lab.image("disk", size, make) else { return };
    let mount = lab.mount(&image, "noatime");
    for folder in ["etc", "usr", "late"] {
        fs::create_dir(mount.0.join(folder)).unwrap();
    }
    tool(&["sync", "-f", mount.0.to_str().unwrap()]).unwrap();
    for number in 0..20 {
        let file = fs::File::create(mount.0.join(format!("late/{number}"))).unwrap();
        file.write_all_at(b"late", 0).unwrap();
        file.sync_all().unwrap();
    }
    let copy = lab.path("copy");
    tool(&["cp", "--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]).unwrap();
    drop(mount);
    let before = fs::read(&copy).unwrap();
    let ran = lab.import("one", &[copy.to_str().unwrap()]);
    assert_done(&ran);
    assert_eq!(fs::read_dir(lab.tree("one").join("late")).unwrap().count(), 20);
    assert_eq!(fs::read_to_string(lab.tree("one").join("late/19")).unwrap(), "late");
    assert!(fs::read(&copy).unwrap() == before, "the image was written to");
    let origin = fs::read_to_string(lab.path("data/fs/one.origin")).unwrap();
    assert!(origin.contains("its journal was replayed on a copy"), "{origin}");
    // The same where the copy is ours from the start.
    assert_done(&lab.sandbox.run(&["fs", "import", "two", copy.to_str().unwrap(), "--sha256", &digest(&copy)]));
    assert_eq!(fs::read_dir(lab.tree("two").join("late")).unwrap().count(), 20);
}

fn digest(path: &Path) -> String {
    tool(&["sha256sum", path.to_str().unwrap()]).unwrap().split(' ').next().unwrap().to_string()
}

#[test]
fn an_unclean_journal_is_replayed_on_a_copy() {
    unclean("ext4", 64 << 20, &["mkfs.ext4", "-q", "-F"]);
    unclean("xfs", 320 << 20, &["mkfs.xfs", "-q", "-f"]);
    unclean("btrfs", 160 << 20, &["mkfs.btrfs", "-q", "-f"]);
}

#[test]
fn a_filesystem_with_the_uuid_of_one_that_is_mounted() {
    for (fstype, size, make) in
        [("xfs", 320 << 20, &["mkfs.xfs", "-q", "-f"][..]), ("btrfs", 160 << 20, &["mkfs.btrfs", "-q", "-f"])]
    {
        let Some(lab) = kernel_has(fstype).then(|| Lab::new(&format!("twin-{fstype}"))).flatten() else { continue };
        let Some(image) = lab.image("disk", size, make) else { continue };
        let mount = lab.mount(&image, "noatime");
        for folder in ["etc", "usr"] {
            fs::create_dir(mount.0.join(folder)).unwrap();
        }
        drop(mount);
        fs::copy(&image, lab.path("twin")).unwrap();
        let host = lab.mount(&image, "noatime");
        fs::write(host.0.join("etc/secret"), "the host's").unwrap();
        let ran = lab.import("one", &[&lab.text("twin")]);
        match ran.code {
            Some(0) => assert!(!lab.tree("one").join("etc/secret").exists(), "{fstype}: the host's own came"),
            _ => assert!(ran.err.contains("same UUID"), "{}", ran.err),
        }
        drop(host);
    }
}

#[test]
fn an_image_cannot_make_the_kernel_panic_or_leave_the_tree() {
    let Some(lab) = Lab::new("hostile") else { return };
    let Some(image) = lab.image("disk", 64 << 20, &["mkfs.ext4", "-q", "-F", "-e", "panic"]) else { return };
    let victim = lab.path("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("fstab"), "LABEL=x / ext4\n").unwrap();
    let mount = lab.mount(&image, "noatime");
    fs::create_dir(mount.0.join("usr")).unwrap();
    symlink(&victim, mount.0.join("etc")).unwrap();
    drop(mount);
    let ran = lab.import("one", &[&lab.text("disk")]);
    assert!(ran.code == Some(1) && ran.err.contains("there is no system in it"), "{}", ran.err);
    let mount = lab.mount(&image, "noatime");
    fs::remove_file(mount.0.join("etc")).unwrap();
    fs::create_dir(mount.0.join("etc")).unwrap();
    symlink(victim.join("fstab"), mount.0.join("etc/fstab")).unwrap();
    drop(mount);
    assert_done(&lab.import("one", &[&lab.text("disk")]));
    assert_eq!(fs::read_to_string(victim.join("fstab")).unwrap(), "LABEL=x / ext4\n");
    // Broken in the middle: an error, no panic, nothing left.
    let file = fs::File::options().write(true).open(&image).unwrap();
    for block in 4..400u64 {
        file.write_all_at(&[0xa5; 1024], block * 4096).unwrap();
    }
    let ran = lab.import("two", &[&lab.text("disk")]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!((lab.left(), lab.loops()), (Vec::new(), String::new()));
}

/// As a download that ended early leaves it; the kernel says "Invalid argument" alone.
#[test]
fn a_filesystem_that_is_cut_short_is_told_as_such() {
    let Some(lab) = Lab::new("short") else { return };
    let Some(image) = lab.image("disk", 64 << 20, &["mkfs.ext4", "-q", "-F"]) else { return };
    fs::File::options().write(true).open(&image).unwrap().set_len(60 << 20).unwrap();
    let ran = lab.import("one", &[&lab.text("disk")]);
    assert!(ran.code == Some(1) && ran.err.contains("it is cut short or broken"), "{}", ran.err);
    assert_eq!((lab.left(), lab.loops()), (Vec::new(), String::new()));
}

/// However it is packed, the same disk comes to the same tree; and what it was packed in is not written to.
#[test]
fn a_qcow2() {
    let Some(lab) = Lab::new("qcow2") else { return };
    let source = lab.source(5);
    let Some(image) = lab.image("disk", 64 << 20, &["mkfs.ext4", "-q", "-F"]) else { return };
    let mount = lab.mount(&image, "noatime");
    tool(&["cp", "-a", "--", &format!("{}/.", source.display()), mount.0.to_str().unwrap()]).unwrap();
    let expected = content(&mount.0);
    drop(mount);
    let packings: [&[&str]; 4] =
        [&[], &["-c"], &["-c", "-o", "compression_type=zstd"], &["-o", "compat=0.10,cluster_size=4096"]];
    for (number, options) in packings.into_iter().enumerate() {
        let name = format!("packed-{number}");
        let (from, to) = (lab.text("disk"), lab.text(&name));
        let convert = [&["qemu-img", "convert", "-f", "raw", "-O", "qcow2"], options, &[&from, &to]].concat();
        if tool(&convert).is_none() {
            return;
        }
        let before = fs::read(lab.path(&name)).unwrap();
        assert_done(&lab.import("one", &["--force", &lab.text(&name)]));
        assert_same(&expected, &content(&lab.tree("one")));
        assert_done(&lab.import("one", &["--force", "--format", "qcow2", &format!("file://{}", lab.text(&name))]));
        assert_same(&expected, &content(&lab.tree("one")));
        assert!(fs::read(lab.path(&name)).unwrap() == before, "the image was written to");
    }
    let ran = lab.import("two", &["--format", "raw", &lab.text("packed-0")]);
    assert!(ran.code == Some(1) && ran.err.contains("it looks like a QCOW2 disk image"), "{}", ran.err);
    assert_eq!((lab.left(), lab.loops()), (Vec::new(), String::new()));
}

/// The kernel opens the device that a superblock names as its journal's: a disk of this machine.
#[test]
fn an_image_that_names_another_device_is_refused_before_the_kernel_sees_it() {
    let Some(lab) = Lab::new("elsewhere") else { return };
    let plain = ["mkfs.ext4", "-q", "-F", "-O", "^has_journal"];
    let Some(image) = lab.image("journal", 64 << 20, &plain) else { return };
    for order in ["feature has_journal", "ssv journal_dev 0x801"] {
        tool(&["debugfs", "-w", "-R", order, image.to_str().unwrap()]).unwrap();
    }
    let image = lab.image("options", 64 << 20, &plain).unwrap();
    tool(&["tune2fs", "-E", "mount_opts=journal_path=/dev/sda1", image.to_str().unwrap()]).unwrap();
    lab.image("own", 64 << 20, &["mke2fs", "-q", "-F", "-O", "journal_dev"]).unwrap();
    let mut said =
        vec![("journal", "on another device"), ("options", "on another device"), ("own", "journal of another")];
    if lab.image("second", 160 << 20, &["true"]).is_some()
        && lab.image("first", 160 << 20, &["mkfs.btrfs", "-q", "-f", &lab.text("second")]).is_some()
    {
        said.extend([("first", "one of several devices"), ("second", "one of several devices")]);
    }
    // The count is one, and the tree of chunks has two.
    if lab.path("first").metadata().is_ok_and(|meta| meta.len() > 0) && said.len() > 3 {
        fs::copy(lab.path("first"), lab.path("miscounted")).unwrap();
        miscount(&lab.path("miscounted"));
        said.push(("miscounted", "one of several devices"));
    }
    for (name, options, why) in [
        ("log", format!("-llogdev={},size=64m", lab.text("log-device")), "log on another device"),
        ("realtime", format!("-rrtdev={}", lab.text("realtime-device")), "another device (realtime)"),
    ] {
        lab.image(&format!("{name}-device"), 320 << 20, &["true"]).unwrap();
        if lab.image(name, 320 << 20, &["mkfs.xfs", "-q", "-f", &options]).is_some() {
            said.push((name, why));
        }
    }
    let source = lab.source(9);
    let (blobs, erofs) = (format!("--blobdev={}", lab.text("blobs")), lab.text("erofs"));
    if tool(&["mkfs.erofs", &blobs, "--chunksize=4096", &erofs, source.to_str().unwrap()]).is_some() {
        said.push(("erofs", "on other devices"));
    }
    for (image, why) in said {
        let ran = lab.import("one", &[&lab.text(image)]);
        assert!(ran.code == Some(1) && ran.err.contains(why), "{image}: {}", ran.err);
    }
    assert_eq!((lab.left(), lab.loops()), (Vec::new(), String::new()));
}

/// Writes into a btrfs that it is on one device, as if it always had been.
fn miscount(image: &Path) {
    let file = fs::File::options().read(true).write(true).open(image).unwrap();
    let mut head = [0; 4096];
    file.read_exact_at(&mut head, 64 << 10).unwrap();
    assert_eq!(head[136], 2);
    head[136] = 1;
    let sum = crc32c(&head[32..]).to_le_bytes();
    head[..4].copy_from_slice(&sum);
    file.write_all_at(&head, 64 << 10).unwrap();
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
    })
}
