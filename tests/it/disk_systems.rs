//! Disks as distributions publish them, each in small: which partition is the root, and what of the others belongs to it.
//! No bytes of theirs: the tables, types, labels, subvolumes and fstab are what they use.

use crate::disks::{Lab, assert_done, kernel_has, tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BIOS: &str = "21686148-6449-6E6F-744E-656564454649";
const XBOOTLDR: &str = "BC13C2FF-59E6-4262-A352-B275FD6F7172";
const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const ROOT_X86_64: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const USR_X86_64: &str = "8484680C-9521-48C6-9C11-B0720656F69E";
const USR_VERITY_X86_64: &str = "77FF5F63-E7B6-4633-ACF4-1565B864C0E6";
const ONE: &str = "11111111-2222-4333-8444-555555555501";
const TWO: &str = "11111111-2222-4333-8444-555555555502";

/// A partition: its number, its type (and whatever sfdisk takes behind it), and the file with what is in it.
type Part<'a> = (u32, String, Option<&'a Path>);

struct Workshop {
    lab: Lab,
}

impl Workshop {
    fn new(name: &str) -> Option<Workshop> {
        if cfg!(not(target_arch = "x86_64")) {
            eprintln!("skip {name}: its types are of another processor");
            return None;
        }
        Some(Workshop { lab: Lab::new(&format!("of-{name}"))? })
    }

    /// A folder with these files; a name that ends with a slash is an empty folder.
    fn tree(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let top = self.lab.path(name);
        fs::create_dir_all(&top).unwrap();
        for (path, text) in files {
            let path = top.join(path);
            fs::create_dir_all(if text.is_empty() { &path } else { path.parent().unwrap() }).unwrap();
            if !text.is_empty() {
                fs::write(path, text).unwrap();
            }
        }
        top
    }

    fn system(&self, name: &str, fstab: &str, more: &[(&str, &str)]) -> PathBuf {
        let files = [("etc/fstab", fstab), ("usr/bin", ""), ("var", ""), ("home", ""), ("boot", "")];
        self.tree(name, &[&files[..], more].concat())
    }

    fn ext4(&self, name: &str, tree: &Path, more: &[&str]) -> PathBuf {
        let words = [&["mkfs.ext4", "-q", "-F", "-d", tree.to_str().unwrap()], more].concat();
        self.lab.image(name, 8 << 20, &words).unwrap()
    }

    fn vfat(&self, name: &str, label: &str) -> Option<PathBuf> {
        self.lab.image(name, 4 << 20, &["mkfs.vfat", "-n", label])
    }

    /// A btrfs with these subvolumes, made in their order, and what is in each.
    fn btrfs(&self, name: &str, volumes: &[(&str, &Path)], default: Option<&str>) -> Option<PathBuf> {
        let image = self.lab.image(name, 120 << 20, &["mkfs.btrfs", "-q", "-f", "-U", ONE])?;
        let mount = self.lab.mount(&image, "noatime");
        for (volume, tree) in volumes {
            let at = mount.0.join(volume);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            tool(&["btrfs", "-q", "subvolume", "create", at.to_str().unwrap()])?;
            tool(&["cp", "-a", "--", &format!("{}/.", tree.display()), at.to_str().unwrap()])?;
        }
        if let Some(default) = default {
            tool(&["btrfs", "subvolume", "set-default", mount.0.join(default).to_str().unwrap()])?;
        }
        Some(image)
    }

    fn disk(&self, label: &str, parts: &[Part<'_>]) -> String {
        let (disk, mut at, mut table) = (self.lab.path("disk"), 2048, format!("label: {label}\n"));
        let mut places = Vec::new();
        for (number, kind, inner) in parts {
            let sectors = inner.map_or(2048, |inner| inner.metadata().unwrap().len() / 512);
            table += &format!("{number} : start={at}, size={sectors}, type={kind}\n");
            places.extend(inner.map(|inner| (at, inner)));
            at += sectors.next_multiple_of(2048);
        }
        let file = fs::File::create(&disk).unwrap();
        file.set_len((at + 2048) * 512).unwrap();
        fs::write(self.lab.path("table"), table).unwrap();
        let made = Command::new("sh").args(["-c", "sfdisk -q disk <table"]).current_dir(&self.lab.sandbox.dir).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (sector, inner) in places {
            let (from, to, seek) = (
                format!("if={}", inner.display()),
                format!("of={}", disk.display()),
                format!("seek={}", sector / 2048),
            );
            tool(&["dd", &from, &to, &seek, "bs=1M", "conv=notrunc,sparse", "status=none"]).unwrap();
        }
        self.lab.text("disk")
    }

    /// What the import said and noted.
    #[track_caller]
    fn import(&self, disk: &str) -> String {
        let ran = self.lab.import("one", &["--force", disk]);
        assert_done(&ran);
        assert_eq!((self.lab.left(), self.lab.loops()), (Vec::new(), String::new()));
        ran.err + &fs::read_to_string(self.lab.path("data/fs/one.origin")).unwrap()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.lab.tree("one").join(path)).unwrap_or_else(|error| format!("{path}: {error}"))
    }

    fn has(&self, path: &str) -> bool {
        self.lab.tree("one").join(path).exists()
    }
}

#[track_caller]
fn says(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
}

/// Fedora Cloud: BIOS, ESP, /boot, and a btrfs with `root`, `home` and `var`.
#[test]
fn a_btrfs_with_a_subvolume_for_each_folder() {
    let Some(shop) = kernel_has("btrfs").then(|| Workshop::new("fedora")).flatten() else { return };
    let fstab = format!(
        "UUID={ONE} / btrfs compress=zstd:1,defaults,subvol=root 0 0\nUUID={TWO} /boot ext4 defaults 0 0\n\
         UUID={ONE} /home btrfs compress=zstd:1,subvol=home 0 0\nUUID={ONE} /var btrfs compress=zstd:1,subvol=var 0 0\n\
         LABEL=EFI /boot/efi vfat umask=0077 0 2\n"
    );
    let root = shop.system("root", &fstab, &[("boot/efi", "")]);
    let (home, var) = (shop.tree("h", &[("user/file", "home")]), shop.tree("v", &[("lib/file", "var")]));
    let boot = shop.ext4("boot.img", &shop.tree("b", &[("vmlinuz", "kernel"), ("efi", "")]), &["-U", TWO]);
    let Some(btrfs) = shop.btrfs("fs.img", &[("root", &root), ("home", &home), ("var", &var)], None) else { return };
    let esp = shop.vfat("esp.img", "EFI");
    let parts = [
        (1, BIOS.to_string(), None),
        (2, ESP.to_string(), esp.as_deref()),
        (3, XBOOTLDR.to_string(), Some(&*boot)),
        (4, format!("{LINUX}, name=fedora"), Some(&*btrfs)),
    ];
    let said = shop.import(&shop.disk("gpt", &parts));
    says(&said, &["the root is subvolume \"root\" of partition 4", "/home is partition 4", "/var is partition 4"]);
    says(&said, &["/boot is partition 3", "only firmware reads it"]);
    let found = [shop.read("home/user/file"), shop.read("var/lib/file"), shop.read("boot/vmlinuz")];
    assert_eq!(found, ["home", "var", "kernel"]);
    assert!(!shop.read("etc/fstab").lines().any(|line| line.starts_with("UUID=")), "{}", shop.read("etc/fstab"));
}

/// openSUSE: the default subvolume is a snapshot within others.
#[test]
fn a_btrfs_whose_root_is_a_snapshot() {
    let Some(shop) = kernel_has("btrfs").then(|| Workshop::new("suse")).flatten() else { return };
    let fstab = format!(
        "UUID={ONE} / btrfs defaults 0 0\nUUID={ONE} /var btrfs subvol=/@/var 0 0\nUUID={ONE} /home btrfs subvol=/@/home 0 0\n\
         UUID={ONE} /.snapshots btrfs subvol=/@/.snapshots 0 0\n"
    );
    let root = shop.system("root", &fstab, &[(".snapshots", ""), ("etc/which", "the newest")]);
    let old = shop.system("old", &fstab, &[("etc/which", "an old one")]);
    let (var, empty) = (shop.tree("v", &[("lib/file", "var")]), shop.tree("empty", &[]));
    let home = shop.tree("h", &[("user/file", "home")]);
    let volumes: [(&str, &Path); 6] = [
        ("@", &empty),
        ("@/var", &var),
        ("@/home", &home),
        ("@/.snapshots", &empty),
        ("@/.snapshots/1/snapshot", &old),
        ("@/.snapshots/2/snapshot", &root),
    ];
    let Some(btrfs) = shop.btrfs("fs.img", &volumes, Some("@/.snapshots/2/snapshot")) else { return };
    let esp = shop.vfat("esp.img", "EFI");
    let parts = [
        (1, BIOS.to_string(), None),
        (2, ESP.to_string(), esp.as_deref()),
        (3, ROOT_X86_64.to_string(), Some(&*btrfs)),
    ];
    let said = shop.import(&shop.disk("gpt", &parts));
    says(&said, &["the root is partition 3", "/var is partition 3", "snapshots are no part of the tree"]);
    let found = [shop.read("etc/which"), shop.read("var/lib/file"), shop.read("home/user/file")];
    assert_eq!(found, ["the newest", "var", "home"]);
    assert!(!shop.has(".snapshots/1"));
}

/// Debian's cloud images: the root is partition 1 and stands behind 14 (BIOS) and 15 (ESP), found by PARTUUID.
#[test]
fn a_root_that_stands_last_and_is_number_one() {
    let Some(shop) = Workshop::new("debian") else { return };
    let fstab = format!(
        "PARTUUID={ONE} / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\nPARTUUID={TWO} /boot/efi vfat defaults 0 0\n"
    );
    let root = shop.ext4("root.img", &shop.system("root", &fstab, &[("boot/vmlinuz", "kernel")]), &[]);
    let esp = shop.vfat("esp.img", "EFI");
    let parts = [
        (14, BIOS.to_string(), None),
        (15, format!("{ESP}, uuid={TWO}"), esp.as_deref()),
        (1, format!("{ROOT_X86_64}, uuid={ONE}"), Some(&*root)),
    ];
    let said = shop.import(&shop.disk("gpt", &parts));
    says(
        &said,
        &["the root is partition 1 (ext4", "its type says that it is a root", "2 entries of devices are comments"],
    );
    assert_eq!(shop.read("boot/vmlinuz"), "kernel");
}

/// Ubuntu's: /boot is a partition of its own, all found by labels.
#[test]
fn filesystems_that_are_named_by_their_labels() {
    let Some(shop) = Workshop::new("ubuntu") else { return };
    let fstab = "LABEL=cloudimg-rootfs / ext4 discard,commit=30,errors=remount-ro 0 1\nLABEL=BOOT /boot ext4 defaults 0 2\n\
                 LABEL=UEFI /boot/efi vfat umask=0077 0 1\n";
    let root = shop.ext4("root.img", &shop.system("root", fstab, &[]), &["-L", "cloudimg-rootfs"]);
    let boot = shop.ext4("boot.img", &shop.tree("b", &[("vmlinuz", "kernel"), ("efi", "")]), &["-L", "BOOT"]);
    let esp = shop.vfat("esp.img", "UEFI");
    let parts = [
        (14, BIOS.to_string(), None),
        (15, ESP.to_string(), esp.as_deref()),
        (16, XBOOTLDR.to_string(), Some(&*boot)),
        (1, LINUX.to_string(), Some(&*root)),
    ];
    let said = shop.import(&shop.disk("gpt", &parts));
    says(
        &said,
        &["the root is partition 1", "/boot is partition 16", "by the image's fstab", "only firmware reads it"],
    );
    assert_eq!(shop.read("boot/vmlinuz"), "kernel");
}

/// Arch's: /boot is the ESP itself, which not every kernel reads; a container needs none of it.
#[test]
fn a_boot_that_is_the_esp() {
    let Some(shop) = Workshop::new("arch") else { return };
    let fstab = format!("UUID={ONE} / ext4 rw,relatime 0 1\nLABEL=ESP /boot vfat rw 0 2\n");
    let root = shop.ext4("root.img", &shop.system("root", &fstab, &[]), &["-U", ONE]);
    let Some(esp) = shop.vfat("esp.img", "ESP") else { return };
    let parts = [(1, ESP.to_string(), Some(&*esp)), (2, LINUX.to_string(), Some(&*root))];
    let said = shop.import(&shop.disk("gpt", &parts));
    says(&said, &["the root is partition 2"]);
    assert!(said.contains("/boot is partition 1") || said.contains("this kernel has no vfat"), "{said}");
}

/// An MBR with swap first, and a root that is another filesystem's neighbour.
#[test]
fn an_mbr_with_swap_first() {
    let Some(shop) = Workshop::new("mbr") else { return };
    let fstab =
        "/dev/vda1 none swap sw 0 0\n/dev/vda2 / ext4 errors=remount-ro 0 1\n/dev/sda3 /srv ext4 defaults 0 2\n";
    let Some(swap) = shop.lab.image("swap.img", 4 << 20, &["mkswap", "-q"]) else { return };
    let root = shop.ext4("root.img", &shop.system("root", fstab, &[]), &[]);
    let srv = shop.ext4("srv.img", &shop.tree("s", &[("file", "srv")]), &[]);
    let parts = [
        (1, "82".to_string(), Some(&*swap)),
        (2, "83, bootable".to_string(), Some(&*root)),
        (3, "83".to_string(), Some(&*srv)),
    ];
    let said = shop.import(&shop.disk("dos", &parts));
    says(&said, &["the root is partition 2 (ext4", "/srv is partition 3"]);
    assert_eq!(shop.read("srv/file"), "srv");
    assert!(shop.read("etc/fstab").lines().all(|line| line.starts_with('#')), "{}", shop.read("etc/fstab"));
}

/// A /usr of its own by its type, beside its verity; with a root that has the rest, and with one that is empty until it
/// is booted: that is no tree that a container could be made of, and what there is instead is told.
#[test]
fn a_usr_by_its_type() {
    let Some(shop) = Workshop::new("usr") else { return };
    let usr = shop.ext4("usr.img", &shop.tree("u", &[("bin/sh", "shell"), ("lib/os-release", "ID=odd\n")]), &[]);
    let verity = shop.lab.image("verity.img", 1 << 20, &["true"]).unwrap();
    let with = |root: &Path| {
        let parts = [
            (1, USR_X86_64.to_string(), Some(&*usr)),
            (2, USR_VERITY_X86_64.to_string(), Some(&*verity)),
            (3, ROOT_X86_64.to_string(), Some(root)),
        ];
        shop.disk("gpt", &parts)
    };
    let root = shop.ext4("root.img", &shop.tree("root", &[("etc/hostname", "odd"), ("usr", ""), ("var", "")]), &[]);
    let said = shop.import(&with(&root));
    says(&said, &["the root is partition 3", "/usr is partition 1", "by its type"]);
    assert_eq!(shop.read("usr/bin/sh"), "shell");
    let empty = shop.ext4("empty.img", &shop.tree("empty", &[]), &[]);
    let ran = shop.lab.import("two", &[&with(&empty)]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    says(&ran.err, &["partition 3", "there is no system in it"]);
    assert_eq!((shop.lab.left(), shop.lab.loops()), (Vec::new(), String::new()));
}
