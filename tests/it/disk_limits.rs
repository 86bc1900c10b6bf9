//! Disk images that are not read, and imports of disks that end before their end: all by name, and nothing is left.

use crate::disks::{Lab, assert_done, assert_same, content, kernel_has, tool};
use crate::sandbox::Sandbox;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a tool makes of a disk; where it is, or None where the tool is not.
fn packed(lab: &Lab, format: &str, options: &str) -> Option<String> {
    let name = format!("{format}-{options}");
    let options = if options.is_empty() { vec![] } else { vec!["-o", options] };
    let (from, to) = (lab.text("disk"), lab.text(&name));
    tool(&[&["qemu-img", "convert", "-f", "raw", "-O", format], &options[..], &[&from, &to]].concat())?;
    Some(to)
}

/// A disk with one partition, in which this stands.
fn partitioned(lab: &Lab, name: &str, kind: &str, inner: &Path) -> String {
    let length = inner.metadata().unwrap().len();
    let path = lab.path(name);
    File::create(&path).unwrap().set_len(length + (4 << 20)).unwrap();
    fs::write(lab.path("table"), format!("label: gpt\nstart=2048, size={}, type={kind}\n", length / 512)).unwrap();
    let script =
        format!("sfdisk -q {name} <table && dd if={} of={name} bs=1M seek=1 conv=notrunc,sparse status=none", {
            inner.file_name().unwrap().to_str().unwrap()
        });
    let ran = Command::new("sh").args(["-c", &script]).current_dir(&lab.sandbox.dir).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    lab.text(name)
}

fn plain_lab(name: &str) -> Lab {
    Lab { sandbox: Sandbox::new(&format!("disks-{name}")) }
}

#[track_caller]
fn refused(lab: &Lab, image: &str, said: &[&str]) {
    let ran = lab.import("one", &[image]);
    assert_eq!(ran.code, Some(1), "{image}: {}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{image}: {}", ran.err);
    for said in said {
        assert!(ran.err.contains(said), "{image}: {}", ran.err);
    }
}

/// What mke2fs has put into an image has times of whole seconds, and its top directory a time of its own.
#[track_caller]
fn assert_arrived(lab: &Lab, name: &str) {
    let (mut expected, mut arrived) = (content(&lab.path("tree")), content(&lab.tree(name)));
    expected.values_mut().for_each(|entry| entry.modified.1 = 0);
    assert!(expected.remove(Path::new("")).is_some() && arrived.remove(Path::new("")).is_some());
    assert_same(&expected, &arrived);
}

#[test]
fn other_formats_are_refused_by_name_with_what_to_run() {
    let lab = plain_lab("names");
    // By their first bytes alone, where qemu-img is not.
    for (name, bytes, said) in [
        ("vmdk", &b"KDMV"[..], "VMDK"),
        ("esx", b"COWD", "VMDK"),
        ("vhdx", b"vhdxfile", "VHDX"),
        ("vhd", b"conectix", "VHD"),
        ("parallels", b"WithoutFreeSpace", "Parallels"),
    ] {
        fs::write(lab.path(name), [bytes, &[0; 4096]].concat()).unwrap();
        refused(&lab, &lab.text(name), &[said, "qemu-img convert -O qcow2"]);
    }
    fs::create_dir_all(lab.path("tree/etc")).unwrap();
    fs::create_dir_all(lab.path("tree/usr")).unwrap();
    let ran = lab.import("one", &[&lab.text("tree"), "--partition", "1"]);
    assert!(ran.code == Some(2) && ran.err.contains("no disk image"), "{}", ran.err);
    // A disk as qemu-img makes it.
    fs::write(lab.path("disk"), vec![7; 8 << 20]).unwrap();
    for (format, options, said) in [
        ("vpc", "", "a VHD"),
        ("vhdx", "", "a VHDX"),
        ("vmdk", "", "a VMDK"),
        ("vmdk", "subformat=monolithicFlat", "a VMDK"),
        ("vmdk", "subformat=streamOptimized", "a VMDK"),
        ("vmdk", "subformat=twoGbMaxExtentSparse", "a VMDK"),
        ("vdi", "", "a VDI"),
        ("qed", "", "a QED"),
        ("parallels", "", "a Parallels"),
        ("qcow", "", "before it, qcow,"),
    ] {
        let Some(image) = packed(&lab, format, options) else { return };
        refused(&lab, &image, &[said, "qemu-img convert -O qcow2"]);
    }
}

/// A VHD of fixed size is the disk and 512 bytes behind it.
#[test]
fn a_fixed_vhd_is_read_as_the_disk_that_it_is() {
    let Some(lab) = Lab::new("vhd") else { return };
    for folder in ["tree/etc", "tree/usr"] {
        fs::create_dir_all(lab.path(folder)).unwrap();
    }
    lab.image("inner", 16 << 20, &["mkfs.ext4", "-q", "-F", "-d", &lab.text("tree")]).unwrap();
    partitioned(&lab, "disk", "linux", &lab.path("inner"));
    let Some(image) = packed(&lab, "vpc", "subformat=fixed") else { return };
    assert_done(&lab.import("one", &[&image]));
    assert_arrived(&lab, "one");
}

#[test]
fn volumes_that_encrypt_or_hold_others_are_refused_by_name() {
    let lab = plain_lab("volumes");
    let make = |name: &str| {
        File::create(lab.path(name)).unwrap().set_len(32 << 20).unwrap();
        lab.path(name)
    };
    let mut volumes = Vec::new();
    for version in ["luks1", "luks2"] {
        let (image, key) = (make(version), lab.text("key"));
        fs::write(&key, "secret").unwrap();
        let quick = ["--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", "--key-file", &key];
        let words = [&["cryptsetup", "-q", "luksFormat", "--type", version][..], &quick].concat();
        if tool(&[&words[..], &[image.to_str().unwrap()]].concat()).is_some() {
            volumes.push((image, "LUKS: it is encrypted", "CA7D7CCB-63ED-4C53-861C-1742536059CC"));
        }
    }
    volumes.push((physical_volume(&lab, make("lvm")), "LVM", "E6D6D379-F507-44C2-A23C-238F2A3DF928"));
    for (image, said, kind) in volumes {
        let (bare, name) = (image.to_str().unwrap(), image.file_name().unwrap().to_str().unwrap());
        refused(&lab, bare, &[said, "give its tree as a directory"]);
        for kind in [kind, "linux"] {
            let disk = partitioned(&lab, &format!("{name}-disk"), kind, &image);
            refused(&lab, &disk, &["partition 1", said]);
            let ran = lab.import("one", &[&disk, "--partition", "1"]);
            assert!(ran.code == Some(1) && ran.err.contains(said), "{}", ran.err);
        }
    }
}

/// By pvcreate where it is, on a loop device; else the label that it writes (lib/format_text/layout.h of LVM2).
fn physical_volume(lab: &Lab, image: std::path::PathBuf) -> std::path::PathBuf {
    let alone = "devices { use_devicesfile=0 obtain_device_list_from_udev=0 } activation { udev_sync=0 udev_rules=0 } \
                 backup { backup=0 archive=0 } global { event_activation=0 }";
    let text = image.to_str().unwrap();
    let has = Command::new("pvcreate").arg("--version").output().is_ok() && Path::new("/dev/loop-control").exists();
    let device = has.then(|| tool(&["losetup", "-f", "--show", text])).flatten();
    if let Some(device) = device {
        let made = Command::new("pvcreate").args(["-y", "--config", alone, device.trim()]).output().unwrap();
        tool(&["losetup", "-d", device.trim()]).unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        return image;
    }
    eprintln!("LVM: without pvcreate its label is written by hand ({})", lab.sandbox.dir.display());
    let mut label = b"LABELONE\x01\0\0\0\0\0\0\0\x1d\x60\x81\x7c\x20\0\0\0LVM2 001".to_vec();
    label.resize(512, 0);
    File::options().write(true).open(&image).unwrap().write_all_at(&label, 512).unwrap();
    image
}

/// Bytes that do not compress, so that an import of them takes a while.
fn big(lab: &Lab, megabytes: usize) -> Option<()> {
    fs::create_dir_all(lab.path("tree/etc")).unwrap();
    fs::create_dir_all(lab.path("tree/usr")).unwrap();
    let mut chance = crate::corpus::chance::Chance::new(3);
    for number in 0..megabytes / 4 {
        let bytes: Vec<u8> = (0..(4 << 20) / 8).flat_map(|_| chance.below(u64::MAX).to_le_bytes()).collect();
        fs::write(lab.path(&format!("tree/usr/{number}")), bytes).unwrap();
    }
    let size = (megabytes as u64 + 16) << 20;
    lab.image("disk", size, &["mkfs.ext4", "-q", "-F", "-d", &lab.text("tree")]).map(|_| ())
}

/// Nothing can tidy up after itself then: what is left has no name, or goes with the next import.
#[test]
fn killed_in_the_middle_it_leaves_no_device_no_mount_and_no_space() {
    let Some(lab) = Lab::new("killed") else { return };
    big(&lab, 64).unwrap();
    let zst = lab.text("disk.zst");
    let images = [Some(lab.text("disk")), packed(&lab, "qcow2", ""), {
        tool(&["zstd", "-q", "-1", &lab.text("disk"), "-o", &zst]).map(|_| zst.clone())
    }];
    let mut killed = 0;
    for image in images.iter().flatten() {
        for milliseconds in [10, 40, 90, 160, 250] {
            let mut child = lab
                .sandbox
                .command(&["fs", "import", "bad", image])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(milliseconds));
            child.kill().unwrap();
            killed += usize::from(child.wait().unwrap().code().is_none());
            wait_for_no_loops(&lab);
            let _ = lab.sandbox.run(&["fs", "rm", "--force", "bad"]);
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(lab.sandbox.dir.to_str().unwrap()), "{mounts}");
        assert_done(&lab.import("good", &["--force", image]));
        assert_eq!(lab.left(), Vec::<String>::new());
        assert_arrived(&lab, "good");
    }
    assert!(killed > 2, "{killed} were killed before they were done");
}

/// A test beside this one may have taken a copy of the descriptors for a moment, between its fork and its exec.
fn wait_for_no_loops(lab: &Lab) {
    for _ in 0..500 {
        if lab.loops().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("loop devices are left: {}", lab.loops());
}

/// The datadir has room for less than the disk holds.
#[test]
fn without_room_it_is_said_and_nothing_is_left() {
    let Some(lab) = Lab::new("room") else { return };
    big(&lab, 32).unwrap();
    let (zst, sum) = (lab.text("disk.zst"), tool(&["sha256sum", &lab.text("disk")]).unwrap());
    let _small = lab.datadir_of(20 << 20);
    let mut cases = vec![
        (vec![lab.text("disk")], "its files take"),
        // A copy of its own first, whose holes nobody can count before.
        (vec![lab.text("disk"), "--sha256".into(), sum[..64].to_string()], "No space left"),
    ];
    cases.extend(packed(&lab, "qcow2", "").map(|image| (vec![image], "its disk holds")));
    cases.extend(packed(&lab, "qcow2", "compression_type=zstd").map(|image| (vec![image], "its disk holds")));
    if tool(&["zstd", "-q", "-1", &lab.text("disk"), "-o", &zst]).is_some() {
        cases.push((vec![zst], "No space left"));
    }
    let before = lab.used();
    for (words, said) in cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = lab.import("one", &words);
        assert!(ran.code == Some(1) && ran.err.contains(said), "{words:?}: {}", ran.err);
        assert_eq!(ran.err.lines().filter(|line| line.contains(said)).count(), 1, "{}", ran.err);
        wait_for_no_loops(&lab);
        assert_eq!(lab.left(), Vec::<String>::new());
        assert!(lab.used() <= before + (1 << 20), "{} bytes are used, and were {before}", lab.used());
    }
}

/// What is checked is what is read: somebody who writes to the file all the time changes nothing that counts.
#[test]
fn a_file_that_changes_after_it_was_checked_is_not_what_is_imported() {
    if !kernel_has("ext4") {
        return;
    }
    let Some(lab) = Lab::new("swapped") else { return };
    for folder in ["tree/etc", "tree/usr"] {
        fs::create_dir_all(lab.path(folder)).unwrap();
    }
    let (good, evil) = ([b'g'; 4096], [b'e'; 4096]);
    fs::write(lab.path("tree/etc/marker"), good).unwrap();
    lab.image("disk", 16 << 20, &["mkfs.ext4", "-q", "-F", "-d", &lab.text("tree")]).unwrap();
    let bytes = fs::read(lab.path("disk")).unwrap();
    let place = bytes.chunks(1024).position(|block| block == &good[..1024]).unwrap() as u64 * 1024;
    let sum = tool(&["sha256sum", &lab.text("disk")]).unwrap()[..64].to_string();
    let (file, over) = (File::options().write(true).open(lab.path("disk")).unwrap(), AtomicBool::new(false));
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let _end = AtEnd(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (bytes, pause) in [(&evil, 3), (&good, 30)] {
                    file.write_all_at(bytes, place).unwrap();
                    std::thread::sleep(Duration::from_millis(pause));
                }
            }
        });
        for _ in 0..40 {
            let ran = lab.import("one", &["--force", &lab.text("disk"), "--sha256", &sum]);
            match ran.code {
                Some(0) => {
                    done += 1;
                    let marker = fs::read(lab.tree("one").join("etc/marker")).unwrap();
                    assert!(marker == good, "what was read is not what was checked");
                }
                _ => {
                    refused += 1;
                    assert!(ran.err.contains(&sum), "{}", ran.err);
                }
            }
            if done >= 5 && refused >= 1 {
                break;
            }
        }
    });
    assert!(done > 0, "none of {refused} was read while it was good");
}

/// Says so however that comes.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
