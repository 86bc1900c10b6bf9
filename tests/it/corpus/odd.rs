//! A tree on disk with whatever a filesystem holds, at the edges of what headers of tar hold.

use super::chance::Chance;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

pub struct Odd<'a> {
    pub top: &'a Path,
    pub chance: &'a mut Chance,
    made: u32,
    folders: Vec<PathBuf>,
    /// What may get a second name.
    inodes: Vec<PathBuf>,
}

/// Makes some 30 entries below `top`, which is there and empty.
pub fn tree(top: &Path, chance: &mut Chance) {
    let entries = 5 + chance.below(40);
    let mut odd = Odd { top, chance, made: 0, folders: vec![top.to_path_buf()], inodes: Vec::new() };
    (0..entries).for_each(|_| odd.entry());
    odd.folders.clone().iter().for_each(|folder| odd.attributes(folder));
    let mut all = Vec::new();
    below(top, &mut all);
    // The deepest ones first, for what is made in a directory changes its time; and directories are closed last.
    all.iter().rev().for_each(|path| odd.touch(path));
}

/// Itself and everything in it, directories before what is in them, in an order of their own.
pub fn below(path: &Path, found: &mut Vec<PathBuf>) {
    found.push(path.to_path_buf());
    if path.symlink_metadata().unwrap().is_dir() {
        let mut inner: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        inner.sort();
        inner.iter().for_each(|path| below(path, found));
    }
}

impl Odd<'_> {
    fn entry(&mut self) {
        let path = self.fresh();
        match self.chance.below(16) {
            0..=2 => {
                fs::create_dir(&path).unwrap();
                self.folders.push(path);
                return;
            }
            3 | 4 => symlink(self.target(), &path).unwrap(),
            5 => node(&path, FileType::Fifo, 0),
            6 => {
                let device = rustix::fs::makedev(1 + self.chance.below(4095) as u32, self.chance.below(1 << 20) as u32);
                node(&path, self.chance.of(&[FileType::CharacterDevice, FileType::BlockDevice]), device);
            }
            7 | 8 if !self.inodes.is_empty() => {
                let old = self.chance.of(&self.inodes);
                rustix::fs::linkat(CWD, &old, CWD, &path, AtFlags::empty()).unwrap();
                return;
            }
            9..=11 => self.sparse(&path),
            _ => self.plain(&path),
        }
        self.attributes(&path);
        self.inodes.push(path);
    }

    /// A name that is not there: in some directory, of any bytes, often as long as a header's field is.
    fn fresh(&mut self) -> PathBuf {
        self.made += 1;
        let folder = self.chance.of(&self.folders);
        let number = self.made.to_string();
        let name = match self.chance.below(14) {
            0 => [b"\xff\xfe\n\t", number.as_bytes()].concat(),
            1 => [number.as_bytes(), b"\\ \"'*?[%={}$"].concat(),
            2 => format!("caf\u{e9} \u{1f600}{number}\u{301}").into_bytes(),
            3 => [b"-", number.as_bytes(), b" "].concat(),
            4 => [b"..", number.as_bytes(), b"\x1b[31m\x07\r"].concat(),
            5 => self.long(&number, 255),
            6 => self.long(&number, *[50, 60, 120, 154].get(self.made as usize % 4).unwrap_or(&50)),
            // To the byte: the whole path as long as a field.
            7 => {
                let wanted = self.chance.of(&[98u64, 99, 100, 101, 155, 156, 254, 255, 256, 257]);
                let above = folder.as_os_str().len() - self.top.as_os_str().len() + 2;
                self.long(&number, (wanted as usize).saturating_sub(above).clamp(number.len(), 255))
            }
            _ => number.into_bytes(),
        };
        folder.join(OsString::from_vec(name))
    }

    fn long(&mut self, number: &str, length: usize) -> Vec<u8> {
        let letter = self.chance.of(b"nx");
        [number.as_bytes(), &vec![letter; length.saturating_sub(number.len())]].concat()
    }

    fn target(&mut self) -> OsString {
        let length = self.chance.of(&[1, 98, 99, 100, 101, 154, 155, 156, 500, 4095]);
        OsString::from_vec(match self.chance.below(8) {
            0 => b"/etc/passwd".to_vec(),
            1 => b"../../..".to_vec(),
            2 => b"\xff\n ".to_vec(),
            3 => b".".to_vec(),
            4 => b"x/".to_vec(),
            _ => vec![b't'; length],
        })
    }

    fn plain(&mut self, path: &Path) {
        let size = self.chance.of(&[0usize, 1, 2, 511, 512, 513, 1024, 10_239, 10_240, 10_241, 40_000, 140_000]);
        let step = self.chance.below(256) as usize;
        fs::write(path, (0..size).map(|byte| (byte * step / 7) as u8).collect::<Vec<u8>>()).unwrap();
    }

    /// Holes in front, behind, everywhere, and nothing else; ends that fill no block.
    fn sparse(&mut self, path: &Path) {
        let file = File::create(path).unwrap();
        let runs = self.chance.of(&[0, 1, 1, 2, 3, 4, 5, 8, 25, 70]);
        let blocks = 4 * runs.max(4);
        for _ in 0..runs {
            let at = self.chance.below(blocks) * 4096 + self.chance.of(&[0, 0, 0, 1, 511, 512, 4095]);
            let length = self.chance.of(&[1usize, 512, 4096, 4096, 5000, 12_288]);
            file.write_all_at(&vec![b'd'; length], at).unwrap();
        }
        match self.chance.below(4) {
            0 => {}
            1 => file.set_len(blocks * 4096 + 20_480).unwrap(),
            2 => file.set_len(blocks * 4096 + 1 + self.chance.below(4096)).unwrap(),
            _ => file.set_len(self.chance.below(blocks * 4096)).unwrap(),
        }
    }

    fn attributes(&mut self, path: &Path) {
        let kind = path.symlink_metadata().unwrap().file_type();
        let id = |chance: &mut Chance| chance.of(&[0u32, 0, 0, 1, 1000, 65_534, 2_097_151, 2_097_152, u32::MAX - 1]);
        let (uid, gid) = (Uid::from_raw(id(self.chance)), Gid::from_raw(id(self.chance)));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
        if !kind.is_symlink() {
            let usual = [0o755, 0o644, 0o600, 0o555, 0o4755, 0o2755, 0o1777, 0o7777, 0];
            let any = self.chance.below(0o10000) as u32;
            let mode = if self.chance.once_in(3) { any } else { self.chance.of(&usual) };
            rustix::fs::chmod(path, Mode::from_raw_mode(mode)).unwrap();
        }
        if self.chance.once_in(4) {
            self.xattrs(path, kind);
        }
    }

    fn xattrs(&mut self, path: &Path, kind: fs::FileType) {
        // Together they fit into the one block that ext4 has for them.
        let values: [&[u8]; 6] = [b"", b"1", b"a\0b\n=\xff", b"10 a=b\n", &[b'x'; 300], &[b'y'; 800]];
        for name in ["trusted.note", "trusted.a=b c\n", "security.note"] {
            if self.chance.once_in(3) {
                set(path, name, self.chance.of(&values));
            }
        }
        if kind.is_file() || kind.is_dir() {
            set(path, "user.x", self.chance.of(&values));
            if self.chance.once_in(2) {
                set(path, "system.posix_acl_access", &self.acl());
            }
        }
        if kind.is_dir() && self.chance.once_in(2) {
            set(path, "system.posix_acl_default", &self.acl());
        }
        if kind.is_file() && self.chance.once_in(2) {
            set(path, "security.capability", &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    /// For users and groups that have no names on this host.
    fn acl(&mut self) -> Vec<u8> {
        let mut bytes = 2u32.to_le_bytes().to_vec();
        let mut entry = |tag: u16, rights: u64, id: u32| {
            bytes.extend(tag.to_le_bytes());
            bytes.extend((rights as u16).to_le_bytes());
            bytes.extend(id.to_le_bytes());
        };
        let mut rights = || self.chance.below(8);
        entry(1, rights(), u32::MAX);
        entry(2, rights(), 4_001_234);
        entry(2, rights(), 4_001_235);
        entry(4, rights(), u32::MAX);
        entry(8, rights(), 4_005_678);
        entry(16, rights(), u32::MAX);
        entry(32, rights(), u32::MAX);
        bytes
    }

    /// Within what ext4 keeps: -2^31 to the year 2446.
    fn touch(&mut self, path: &Path) {
        let any = self.chance.below(1 << 31) as i64;
        let edges = [0, 1, -1, -2, -(1 << 31), (1 << 31) - 1, 1 << 31, (1 << 33) - 1, 1 << 33, 15_000_000_000];
        let seconds = if self.chance.once_in(3) { self.chance.of(&edges) } else { any };
        let nanoseconds = self.chance.of(&[0, 0, 1, 250_000_000, 500_000_000, 123_456_789, 999_999_999]);
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn node(path: &Path, kind: FileType, device: u64) {
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, device).unwrap();
}

fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, OsStr::from_bytes(name.as_bytes()), value, XattrFlags::empty()).unwrap();
}
