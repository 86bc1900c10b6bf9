//! A directory as a source (cases 7, 8 and 11): what comes of it equals what `cp -a` makes, entry by entry.

use crate::sandbox::root_or_skip;
use crate::trees::{Stage, assert_equal, differences, hash_of, snapshot};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use sdme::error::{Error, Kind, Result};
use sdme::rootfs::unpack::dir::{self, Options};
use sdme::rootfs::writer::Totals;
use sdme::sys::dir::Dir;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn copy(source: &Path, stage: &Stage, options: &Options) -> Result<Totals> {
    let mut writer = stage.writer();
    dir::copy(&Dir::open(source).unwrap(), &mut writer, options)?;
    writer.finish()
}

fn cp(source: &Path, target: &Path) {
    let ran = Command::new("cp").arg("-a").args([source, target]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A stage, and a folder to build a source in, outside of what is watched.
fn places(name: &str) -> Option<(Stage, Source)> {
    root_or_skip(name).then(|| (Stage::new(&format!("copy-{name}")), Source::new(&format!("copy-{name}"))))
}

pub struct Source(PathBuf);

impl Source {
    pub fn new(name: &str) -> Source {
        let path = std::env::temp_dir().join(format!("sdme-it-source-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("top")).unwrap();
        Source(path)
    }

    pub fn top(&self) -> PathBuf {
        self.0.join("top")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.top().join(path)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn touch(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A tree of everything, made from numbers that depend on the seed only.
pub fn odd_tree(top: &Path, seed: u64) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = hash_of(state);
        state % below
    };
    let mut folders = vec![top.to_path_buf()];
    let mut files: Vec<PathBuf> = Vec::new();
    for number in 0..300 {
        let folder = folders[next(folders.len() as u64) as usize].clone();
        let path = folder.join(match next(4) {
            0 => format!("n{number}\n\t\x1b é"),
            _ => format!("n{number}"),
        });
        match next(12) {
            0 | 1 => {
                fs::create_dir(&path).unwrap();
                folders.push(path.clone());
                if next(3) == 0 {
                    set(&path, "system.posix_acl_default", &acl(next(8) as u16));
                }
            }
            2 => symlink(format!("../x{}", next(1 << 40)), &path).unwrap(),
            3 => rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::empty(), 0).unwrap(),
            4 => {
                let device = rustix::fs::makedev(1 + next(300) as u32, next(70_000) as u32);
                let kind = [FileType::CharacterDevice, FileType::BlockDevice][next(2) as usize];
                rustix::fs::mknodat(CWD, &path, kind, Mode::empty(), device).unwrap();
            }
            5 if !files.is_empty() => {
                fs::hard_link(&files[next(files.len() as u64) as usize], &path).unwrap();
                continue;
            }
            6 => {
                let file = File::create(&path).unwrap();
                for _ in 0..next(5) {
                    file.write_all_at(&vec![7; 1 + next(50_000) as usize], next(1 << 20)).unwrap();
                }
                file.set_len(next(1 << 21)).unwrap();
                files.push(path.clone());
            }
            _ => {
                let most = [10, 5_000, 90_000][next(3) as usize];
                fs::write(&path, vec![number as u8; next(most) as usize]).unwrap();
                files.push(path.clone());
            }
        }
        if path.symlink_metadata().unwrap().is_symlink() {
            rustix::fs::chownat(
                CWD,
                &path,
                Some(rustix::fs::Uid::from_raw(next(9) as u32)),
                None,
                rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
            )
            .unwrap();
        } else {
            chown(&path, Some(next(3) as u32 * 1000), Some(next(3) as u32)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(next(0o10000) as u32)).unwrap();
        }
        match next(6) {
            0 if path.symlink_metadata().unwrap().is_file() => {
                set(&path, "user.note", &vec![b'x'; next(1000) as usize]);
                set(&path, "system.posix_acl_access", &acl(next(8) as u16));
            }
            1 if path.symlink_metadata().unwrap().is_file() => {
                set(&path, "security.capability", &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            }
            2 => set(&path, "trusted.note", &[0, 255]),
            _ => {}
        }
    }
    let mut all: Vec<PathBuf> = snapshot(top).into_keys().collect();
    // The deepest ones first: what is done to a name changes the time of the directory above.
    all.reverse();
    for path in all {
        touch(&top.join(&path), next(1 << 33) as i64 - (1 << 30), next(1_000_000_000) as i64);
    }
}

fn acl(permissions: u16) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1u16, 6u16, u32::MAX), (2, permissions, 1234), (4, 4, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]
    {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
pub fn odd_trees_are_what_cp_makes_of_them() {
    for seed in 1..=4 {
        let Some((stage, source)) = places(&format!("odd-{seed}")) else { return };
        odd_tree(&source.top(), seed);
        cp(&source.top(), &source.0.join("cp"));
        let totals = copy(&source.top(), &stage, &Options::default()).unwrap();
        assert_equal(&source.top(), &stage.tree());
        // cp makes a hole of every block of zeros that it reads in a file with holes.
        let but_holes = |path: &Path| {
            let mut tree = snapshot(path);
            tree.values_mut().for_each(|entry| entry.data.clear());
            tree
        };
        let differences = differences(&but_holes(&source.0.join("cp")), &but_holes(&stage.tree()));
        assert_eq!(differences, [""; 0]);
        assert_eq!(totals.notes, [""; 0]);
        assert_eq!(totals.entries as usize, snapshot(&source.top()).len());
    }
}

/// A tree that debootstrap made, where there is one.
#[test]
fn a_debian_tree_is_what_cp_makes_of_it() {
    let debian = Path::new("/var/cache/sdme-test/trixie");
    if !debian.is_dir() {
        return eprintln!("skip: no tree of debootstrap in {debian:?}");
    }
    let Some((stage, _)) = places("debian") else { return };
    copy(debian, &stage, &Options::default()).unwrap();
    assert_equal(debian, &stage.tree());
}

/// ext4 counts the block of a file's attributes among the file's: with a hole of one block it has as many as its size says.
#[test]
fn a_hole_is_kept_beside_attributes_with_a_block_of_their_own() {
    let Some((stage, source)) = places("hole") else { return };
    let file = File::create(source.path("f")).unwrap();
    file.write_all_at(&[7; 5000], 4096).unwrap();
    set(&source.path("f"), "user.note", &[b'x'; 800]);
    copy(&source.top(), &stage, &Options::default()).unwrap();
    assert_equal(&source.top(), &stage.tree());
}

/// Deeper than descriptors are held open for.
#[test]
fn a_deep_tree_comes_whole() {
    let Some((stage, source)) = places("deep") else { return };
    let mut dir = Dir::open(&source.top()).unwrap();
    for level in 0..400 {
        for number in 0..3 {
            dir.mkdir(format!("a{number}"), 0o755).unwrap().create_file("f", 0o600).unwrap();
            dir.create_file(format!("z{level}-{number}"), 0o600).unwrap();
        }
        dir = dir.mkdir("d", 0o755).unwrap();
    }
    copy(&source.top(), &stage, &Options::default()).unwrap();
    assert_equal(&source.top(), &stage.tree());
}

#[test]
fn sockets_mounts_and_what_is_excepted_are_left_out() {
    let Some((stage, source)) = places("left-out") else { return };
    for folder in ["keep", "secret", "mnt", "proc"] {
        fs::create_dir(source.path(folder)).unwrap();
    }
    fs::write(source.path("keep/f"), "x").unwrap();
    fs::write(source.path("secret/f"), "x").unwrap();
    fs::write(source.path("file"), "x").unwrap();
    let _listener = UnixListener::bind(source.path("keep/socket")).unwrap();
    let secret = Dir::open(&source.path("secret")).unwrap().meta().unwrap();
    let except = Options { except: &[secret], ..Options::default() };
    // The mounts end with their thread.
    let run = || {
        sdme::sys::mountns::unshare().unwrap();
        rustix::mount::mount_bind(source.path("keep"), source.path("mnt")).unwrap();
        rustix::mount::mount_bind("/proc", source.path("proc")).unwrap();
        rustix::mount::mount_bind(source.path("keep/f"), source.path("file")).unwrap();
        let totals = copy(&source.top(), &stage, &except).unwrap();
        assert_eq!(stage.listing(), ["d keep", "f keep/f", "d mnt", "d proc"]);
        let mut notes = totals.notes;
        notes.sort();
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(
            notes[0].starts_with("\"file\": what is mounted") && notes[1].starts_with("\"keep/socket\": a socket"),
            "{notes:?}"
        );
        let stage = Stage::new("copy-crossed");
        rustix::mount::unmount(source.path("proc"), rustix::mount::UnmountFlags::DETACH).unwrap();
        let crossing = Options { cross_mounts: true, datadir: except.except.first().copied(), ..Options::default() };
        copy(&source.top(), &stage, &crossing).unwrap();
        assert_eq!(stage.listing(), ["f file", "d keep", "f keep/f", "d mnt", "f mnt/f", "d proc"]);
        let stage = Stage::new("copy-crossed-proc");
        rustix::mount::mount_bind("/proc", source.path("proc")).unwrap();
        let mut notes = copy(&source.top(), &stage, &crossing).unwrap().notes;
        assert_eq!(stage.listing(), ["f file", "d keep", "f keep/f", "d mnt", "f mnt/f", "d proc"]);
        notes.retain(|note| !note.contains("a socket"));
        notes.sort();
        let expected = [
            "\"proc\": what the kernel makes up there is left out",
            "\"secret\": the datadir of this machine: left out",
        ];
        assert_eq!(notes, expected);
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Case 11: the tree that is written stands in the tree that is read.
#[test]
fn its_own_target_in_the_source_is_skipped() {
    let Some((stage, _)) = places("own") else { return };
    let source = stage.tree().parent().unwrap().to_path_buf();
    copy(&source, &stage, &Options::default()).unwrap();
    assert_eq!(stage.listing(), ["f secret"]);
}

#[test]
fn a_source_that_changes_is_named() {
    let Some((stage, source)) = places("changes") else { return };
    let over = AtomicBool::new(false);
    fs::write(source.path("growing"), vec![b'x'; 300_000]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().append(true).open(source.path("growing")).unwrap();
            while !over.load(Ordering::Relaxed) {
                std::io::Write::write_all(&mut &file, b"more").unwrap();
                if file.metadata().unwrap().len() > 10_000_000 {
                    file.set_len(300_000).unwrap();
                }
            }
        });
        let changed = (0..200).find_map(|_| copy(&source.top(), &stage, &Options::default()).err());
        over.store(true, Ordering::Relaxed);
        let error = changed.unwrap().to_string();
        assert_eq!(error, "copying \"growing\": it is changed by somebody else meanwhile");
    });
}

/// The system that runs: logs grow, shrink and go while it is copied, and the copy is made all the same.
#[test]
fn a_system_that_runs_is_copied_as_it_changes() {
    let Some((stage, source)) = places("runs") else { return };
    let over = AtomicBool::new(false);
    fs::write(source.path("growing"), vec![b'x'; 300_000]).unwrap();
    fs::write(source.path("still"), "as it is").unwrap();
    let running = Options { runs: true, ..Options::default() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().append(true).open(source.path("growing")).unwrap();
            while !over.load(Ordering::Relaxed) {
                std::io::Write::write_all(&mut &file, b"more").unwrap();
                file.set_len(300_000).unwrap();
                fs::write(source.path("fleeting"), "").unwrap();
                symlink("x", source.path("link")).unwrap();
                fs::create_dir_all(source.path("a/b")).unwrap();
                fs::remove_dir_all(source.path("a")).unwrap();
                fs::remove_file(source.path("link")).unwrap();
                fs::remove_file(source.path("fleeting")).unwrap();
            }
        });
        let (mut written, mut gone, mut failure) = (0, 0, None);
        for _ in 0..2000 {
            match copy(&source.top(), &stage, &running) {
                Ok(totals) => {
                    written +=
                        totals.notes.iter().filter(|note| note.starts_with("\"growing\": it was written")).count();
                    gone += totals.notes.iter().filter(|note| note.ends_with("copied: left out")).count();
                }
                Err(error) => failure = Some(error.to_string()),
            }
            if failure.is_some() || written > 0 && gone > 0 {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        assert_eq!(failure, None);
        assert!(written > 0 && gone > 0, "{written} {gone}");
    });
    assert_eq!(fs::read(stage.tree().join("still")).unwrap(), b"as it is");
}

/// CVE-2018-15664: names of the source are swapped for symlinks out of it while it is copied.
#[test]
fn a_source_swapped_for_symlinks_gives_nothing_away() {
    let Some((stage, source)) = places("swapped") else { return };
    let over = AtomicBool::new(false);
    let secret = stage.canary();
    fs::create_dir(source.path("etc")).unwrap();
    fs::write(source.path("etc/passwd"), "inside").unwrap();
    fs::write(source.path("file"), "inside").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let top = Dir::open(&source.top()).unwrap();
            while !over.load(Ordering::Relaxed) {
                for (name, target) in
                    [("etc", secret.join("etc")), ("file", secret.join("fifo")), ("file", secret.join("etc/passwd"))]
                {
                    let _ = top.rename(name, &top, ".moved");
                    let _ = top.symlink(target.as_os_str(), name);
                    let _ = top.unlink(name);
                    let _ = top.rename(".moved", &top, name);
                }
            }
        });
        let mut whole = 0;
        for _ in 0..300 {
            whole += u32::from(copy(&source.top(), &stage, &Options::default()).is_ok());
            for (path, entry) in snapshot(&stage.tree()) {
                let is_secret = entry.size == 26 && FileType::from_raw_mode(entry.mode) == FileType::RegularFile;
                assert!(!is_secret, "{path:?} came from outside");
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(whole > 0);
    });
}

#[test]
fn what_heeds_hears_every_byte_and_can_end_it() {
    let Some((stage, source)) = places("heed") else { return };
    odd_tree(&source.top(), 5);
    fs::write(source.path("big"), vec![b'x'; 20 << 20]).unwrap();
    let heard = AtomicU64::new(0);
    let count = |bytes| {
        heard.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    };
    let totals = copy(&source.top(), &stage, &Options { heed: &count, ..Options::default() }).unwrap();
    let heard = heard.into_inner();
    assert!(heard >= 20 << 20 && heard <= totals.bytes, "{heard} of {}", totals.bytes);
    let stop = |bytes| if bytes == 0 { Ok(()) } else { Err(Error::new(Kind::Interrupted(2), "interrupted")) };
    let error = copy(&source.top(), &stage, &Options { heed: &stop, ..Options::default() }).unwrap_err();
    assert_eq!(*error.kind(), Kind::Interrupted(2));
}

/// The other threads copy nothing until the walk has.
#[test]
fn the_walk_copies_what_the_others_cannot_take() {
    let Some((stage, source)) = places("walk") else { return };
    for number in 0..500 {
        fs::write(source.path(&format!("f{number}")), "abc").unwrap();
    }
    let (walk, has_copied) = (std::thread::current().id(), AtomicBool::new(false));
    let heed = |bytes| {
        let deadline = Instant::now() + Duration::from_secs(20);
        if bytes > 0 && std::thread::current().id() == walk {
            has_copied.store(true, Ordering::Release);
        }
        while bytes > 0 && !has_copied.load(Ordering::Acquire) {
            if Instant::now() > deadline {
                return Err(Error::failed("the walk waits"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let totals = copy(&source.top(), &stage, &Options { heed: &heed, ..Options::default() }).unwrap();
    assert_eq!((totals.entries, totals.bytes), (501, 1500));
    assert_equal(&source.top(), &stage.tree());
}

#[test]
fn what_cannot_be_read_is_named() {
    let Some((stage, source)) = places("unreadable") else { return };
    let flag = |flags| {
        let file = File::open(source.path("d/f"));
        file.is_ok_and(|file| rustix::fs::ioctl_setflags(&file, flags).is_ok())
    };
    fs::create_dir(source.path("d")).unwrap();
    fs::write(source.path("d/f"), "x").unwrap();
    // Immutable files can be read, and their copies are not immutable.
    if flag(rustix::fs::IFlags::IMMUTABLE) {
        copy(&source.top(), &stage, &Options::default()).unwrap();
        fs::write(stage.path("d/f"), "y").unwrap();
        assert!(flag(rustix::fs::IFlags::empty()));
    }
    let mut name = [b'n'; 255];
    name[0] = b'\n';
    fs::write(source.path("d").join(std::str::from_utf8(&name).unwrap()), "").unwrap();
    let tight = sdme::rootfs::bounds::Bounds { path: 100, ..Default::default() };
    let mut writer = stage.bounded(tight);
    let error =
        dir::copy(&Dir::open(&source.top()).unwrap(), &mut writer, &Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("copying \"d/\\nnn") && error.contains("--max-path"), "{error}");
}
