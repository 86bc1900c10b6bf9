//! The same imports on datadirs of every filesystem that this kernel can mount: the trees are equal, and where blocks can be
//! shared they are. Mounts and loop devices end with the thread that made them.

use crate::copy::odd_tree;
use crate::sandbox::{Sandbox, ran, root_or_skip};
use crate::trees::{Entry, Tree, differences, snapshot};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What mkfs makes in an image of this many bytes.
const FILESYSTEMS: [(&str, u64); 4] = [("btrfs", 256 << 20), ("xfs", 320 << 20), ("ext4", 128 << 20), ("tmpfs", 0)];

struct Lab {
    sandbox: Sandbox,
}

impl Lab {
    fn new(name: &str) -> Lab {
        let lab = Lab { sandbox: Sandbox::new(&format!("filesystems-{name}")) };
        fs::create_dir(lab.path("data")).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.dir.join(name)
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.path("data/fs").join(name)
    }

    /// Mounts a new filesystem where the datadir is, in this thread's own namespace. False, and says so, where it cannot be had.
    fn mount(&self, fstype: &str, size: u64) -> bool {
        let image = self.path(&format!("{fstype}.img"));
        let mounted = match fstype {
            "tmpfs" => run("mount", &["-t", "tmpfs", "none"], &self.path("data")),
            _ => {
                File::create(&image).unwrap().set_len(size).unwrap();
                run(&format!("mkfs.{fstype}"), &["-q"], &image)
                    .and_then(|()| run("mount", &["-o", "loop", image.to_str().unwrap()], &self.path("data")))
            }
        };
        mounted.map_err(|why| eprintln!("skip {fstype}: {why}")).is_ok()
    }

    fn import(&self, name: &str, source: &Path) -> String {
        let words = ["fs", "import", "-f", "--json", name, source.to_str().unwrap()];
        let ran = ran(self.sandbox.command(&words).output().unwrap());
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        let (_, digest) = ran.out.split_once("\"tree\":\"").unwrap();
        let verified = self.sandbox.run(&["fs", "verify", name]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        digest.split('"').next().unwrap().to_string()
    }

    /// Whole entries, but holes by how much is none: XFS begins and ends them where it likes.
    fn differences(&self, wanted: &Tree, name: &str) -> Vec<String> {
        let data = |entry: &Entry| entry.data.iter().map(|(start, end)| end - start).sum::<u64>();
        let but_runs = |tree: &Tree| -> Tree {
            let bare = |entry: &Entry| Entry { data: Vec::new(), ..entry.clone() };
            tree.iter().map(|(path, entry)| (path.clone(), bare(entry))).collect()
        };
        let found = snapshot(&self.tree(name));
        let mut differences = differences(&but_runs(wanted), &but_runs(&found));
        let (had, has) = (wanted.values().map(data).sum::<u64>(), found.values().map(data).sum::<u64>());
        let zeros = wanted.values().map(|entry| entry.size).sum::<u64>() - had;
        if has > had + zeros / 10 {
            differences.push(format!("{has} bytes of data instead of {had}, {zeros} are none"));
        }
        differences
    }

    /// Bytes in use where the datadir is, when all is on the disk.
    fn used(&self) -> u64 {
        let dir = File::open(self.path("data")).unwrap();
        rustix::fs::syncfs(&dir).unwrap();
        let stat = rustix::fs::fstatvfs(&dir).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }
}

fn run(program: &str, options: &[&str], operand: &Path) -> Result<(), String> {
    let output = Command::new(program).args(options).arg(operand).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))),
    }
}

/// Runs it in a mount namespace that ends with it.
fn apart(run: impl FnOnce() + Send) {
    let unshared = || {
        sdme::sys::mountns::unshare().unwrap();
        let_go();
        run();
    };
    let joined = thread::scope(|scope| scope.spawn(unshared).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// What other tests have mounted is theirs to unmount: a copy of it here would keep their loop devices.
fn let_go() {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    for point in points.filter(|point| point.starts_with(std::env::temp_dir())) {
        let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
    }
}

/// A directory and an archive of it, on each filesystem from another one.
#[test]
fn every_filesystem_gets_the_same_tree() {
    if !root_or_skip("filesystems") {
        return;
    }
    let lab = Lab::new("equal");
    let (source, archive) = (lab.path("source"), lab.path("source.tar"));
    fs::create_dir(&source).unwrap();
    odd_tree(&source, 11);
    for folder in ["etc", "usr"] {
        fs::create_dir(source.join(folder)).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.args(["--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-S", "-cf"]);
    assert!(tar.arg(&archive).arg("-C").arg(&source).arg(".").status().unwrap().success());
    let wanted = snapshot(&source);
    let mut digests = Vec::new();
    for (fstype, size) in FILESYSTEMS {
        apart(|| {
            if !lab.mount(fstype, size) {
                return;
            }
            // The second one takes the place of the first.
            for (name, from) in [("directory", &source), ("directory", &source), ("archive", &archive)] {
                digests.push((fstype, name, lab.import(name, from)));
                assert_eq!(lab.differences(&wanted, name), [""; 0], "{fstype}, {name}");
            }
            // And from one directory of it to another, where it may share.
            digests.push((fstype, "itself", lab.import("itself", &lab.tree("directory"))));
            assert_eq!(lab.differences(&wanted, "itself"), [""; 0], "{fstype}, itself");
        });
    }
    assert!(digests.iter().all(|(_, _, digest)| *digest == digests[0].2), "{digests:?}");
}

/// Bytes that no filesystem makes smaller.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

/// On each filesystem that shares blocks: its name, and a directory in its datadir that looks like a system.
fn where_blocks_are_shared(label: &str, test: impl Fn(&str, &Lab, &Path) + Sync) {
    if !root_or_skip("sharing") {
        return;
    }
    for (fstype, size) in &FILESYSTEMS[..2] {
        let lab = Lab::new(&format!("{label}-{fstype}"));
        apart(|| {
            if !lab.mount(fstype, *size) {
                return;
            }
            let source = lab.path("data/source");
            for folder in ["etc", "usr"] {
                fs::create_dir_all(source.join(folder)).unwrap();
            }
            test(fstype, &lab, &source);
        });
    }
}

#[test]
fn a_directory_shares_its_blocks_where_they_can_be_shared() {
    where_blocks_are_shared("shared", |fstype, lab, source| {
        fs::write(source.join("usr/big"), noise(24 << 20, 1)).unwrap();
        fs::hard_link(source.join("usr/big"), source.join("usr/hard")).unwrap();
        (0..500).for_each(|number| fs::write(source.join(format!("etc/{number}")), noise(9000, number)).unwrap());
        let sparse = File::create(source.join("usr/sparse")).unwrap();
        sparse.write_all_at(&noise(3 << 20, 2), 5 << 20).unwrap();
        sparse.set_len(60 << 20).unwrap();
        refuse_sharing(fstype, source);
        let before = lab.used();
        lab.import("shared", source);
        let more = lab.used() - before;
        assert!(more < 6 << 20, "{fstype}: {more} bytes more for 31 MiB");
        assert_eq!(differences(&snapshot(source), &snapshot(&lab.tree("shared"))), [""; 0], "{fstype}");
        // What is written in one is not in the other.
        File::options().write(true).open(source.join("usr/big")).unwrap().write_all_at(b"changed", 4096).unwrap();
        assert_eq!(lab.sandbox.run(&["fs", "verify", "shared"]).code, Some(0), "{fstype}");
    });
}

/// Files that btrfs lets nobody share, before and after all others: what it says of one of them it does not say of all.
fn refuse_sharing(fstype: &str, source: &Path) {
    if fstype != "btrfs" {
        return;
    }
    for name in ["0", "00", "usr/0", "z"] {
        let file = File::create(source.join(name)).unwrap();
        rustix::fs::ioctl_setflags(&file, rustix::fs::IFlags::NOCOW).unwrap();
        file.write_all_at(&noise(5000, 3), 0).unwrap();
    }
}

/// Shared while somebody writes in it, a file is what it was when it was looked at, or is told.
#[test]
fn a_file_that_is_written_while_it_is_shared_is_named() {
    where_blocks_are_shared("written", |fstype, lab, source| {
        let path = source.join("usr/log");
        fs::write(&path, noise(3 << 20, 1)).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        let (mut changed, mut whole, mut wrong) = (0, 0, Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let file = File::options().write(true).open(&path).unwrap();
                for length in (3 << 20..).step_by(1000).cycle() {
                    if over.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    file.write_all_at(b"more", length).unwrap();
                    if length % (1 << 20) < 1000 {
                        file.set_len(3 << 20).unwrap();
                    }
                    thread::sleep(Duration::from_micros(50));
                }
            });
            for _ in 0..40 {
                let words = ["fs", "import", "-f", "log", source.to_str().unwrap()];
                let ran = ran(lab.sandbox.command(&words).output().unwrap());
                match ran.code {
                    Some(0) => {
                        whole += 1;
                        let verified = lab.sandbox.run(&["fs", "verify", "log"]);
                        wrong.extend((verified.code != Some(0)).then_some(verified));
                    }
                    _ => {
                        changed += 1;
                        let is_named = ran.err.contains("\"usr/log\": it is changed by somebody else");
                        wrong.extend((!is_named).then_some(ran));
                    }
                }
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(wrong.is_empty() && changed > 0, "{fstype}: {whole} whole, {changed} changed, {wrong:?}");
    });
}
