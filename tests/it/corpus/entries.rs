//! Random entries in a random order, over few names so that they meet: files over directories, links over what they lead to, a
//! directory twice. Where GNU tar takes the archive, its tree is ours.
//!
//! But for modes, owners and times: GNU tar, bsdtar and umoci each give some directories those of an earlier entry, or what took a
//! directory's name those of the directory. Each of our entries has to have all of them, and its bytes, from one entry of the archive.

use super::chance::Chance;
use super::trees::{Judge, compare, unpack, unpacked_by};
use super::{Verdict, each, has};
use crate::sandbox::{Sandbox, root_or_skip};
use crate::tar::made::{Header, Tape};
use crate::trees::{Stage, snapshot};
use rustix::fs::FileType;
use std::fs;
use std::path::Path;

/// Which symlinks there are: GNU tar as root would follow some of them out of its directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Downwards,
    Anywhere,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// The time of the first entry; each has the next second.
const FIRST: i64 = 1_000_000_000;
const SIZES: [usize; 3] = [0, 1, 600];

/// What makes entries, and remembers them.
pub struct Maker<'a> {
    pub chance: &'a mut Chance,
    links: Links,
    /// Of directories and of links, in which something may be.
    folders: Vec<String>,
    others: Vec<String>,
    /// Mode and owner of each entry.
    given: Vec<(u32, u32)>,
    /// All entries, for who wants to see them.
    pub told: String,
}

impl Maker<'_> {
    pub fn new(chance: &mut Chance, links: Links) -> Maker<'_> {
        Maker {
            chance,
            links,
            folders: vec![String::new()],
            others: Vec::new(),
            given: Vec::new(),
            told: String::new(),
        }
    }

    pub fn path(&mut self) -> String {
        let folder = match self.chance.once_in(12) {
            true => format!("{}/", self.chance.of(&NAMES)),
            false => self.chance.of(&self.folders),
        };
        folder + self.chance.of(&NAMES)
    }

    fn target(&mut self) -> String {
        let down = self.path();
        match self.chance.below(8) {
            0 if self.links == Links::Anywhere => format!("/{down}"),
            1 if self.links == Links::Anywhere => format!("../{down}"),
            2 if self.links == Links::Anywhere => {
                self.chance.of(&["/", "..", "../../..", "/../a", "/proc/self/root/a"]).to_string()
            }
            // An entry through it may replace it, which each tool does in a way of its own.
            3 if self.links == Links::Anywhere => ".".to_string(),
            4 => format!("./{down}"),
            5 => down,
            // What is there, as seen from the top.
            _ => match self.chance.of(&self.folders).trim_end_matches('/') {
                "" => down,
                folder => folder.to_string(),
            },
        }
    }

    /// One entry as tools write it.
    pub fn put(&mut self, tape: &mut Tape) {
        let (mut typeflag, name) = (self.chance.of(b"0000555552221163"), self.path());
        if typeflag == b'1' && self.others.is_empty() {
            typeflag = b'5';
        }
        let shown = match self.chance.below(6) {
            0 => format!("./{name}"),
            1 if typeflag == b'5' => format!("{name}/"),
            2 => name.replace('/', "//"),
            _ => name.clone(),
        };
        let target = match typeflag {
            b'1' if self.chance.once_in(20) => self.path(),
            b'1' => self.chance.of(&self.others),
            b'2' => self.target(),
            _ => String::new(),
        };
        let number = self.given.len();
        let data = if typeflag == b'0' { content(number, self.chance.of(&SIZES)) } else { Vec::new() };
        let mode = self.chance.of(&[0o755, 0o644, 0o700, 0, 0o4711, 0o1777, 0o2770]);
        let owner = self.chance.of(&[0, 0, 1000, 77]);
        let mut header = Header::new(shown.as_bytes(), typeflag, data.len() as u64);
        header.set(100, format!("{mode:07o}\0").as_bytes()).set(108, format!("{owner:07o}\0").as_bytes());
        header.set(136, format!("{:011o}\0", FIRST + number as i64).as_bytes());
        if typeflag == b'3' {
            header.set(329, b"0000001\0").set(337, b"0000003\0");
        }
        header.link(target.as_bytes());
        if self.chance.once_in(2) {
            header.gnu();
        }
        tape.put(&header, &data);
        self.told += &format!("{} {shown} {target}, ", char::from(typeflag));
        self.given.push((mode, owner));
        let leads = self.folders.contains(&format!("{target}/")) && !name.contains('/');
        self.remember(typeflag, name, leads);
    }

    /// Most entries are to be possible: no name stays below what is no directory.
    fn remember(&mut self, typeflag: u8, name: String, leads: bool) {
        let inside = format!("{name}/");
        if typeflag != b'5' && !self.chance.once_in(8) {
            self.folders.retain(|folder| !folder.starts_with(&inside));
            self.others.retain(|other| !other.starts_with(&inside));
        }
        self.others.retain(|other| *other != name);
        match typeflag {
            b'5' => self.folders.push(inside),
            b'2' if leads || self.chance.once_in(8) => self.folders.push(inside),
            _ => self.others.push(name),
        }
    }

    /// Whether each entry of the tree is wholly of one of the archive's, or was made for what is in it.
    pub fn check(&self, tree: &Path) -> Result<(), String> {
        for (path, entry) in snapshot(tree).iter().skip(1) {
            let number = usize::try_from(entry.modified.0 - FIRST).unwrap();
            let kind = FileType::from_raw_mode(entry.mode);
            let is_right = match self.given.get(number) {
                None => (kind, entry.mode & 0o7777, entry.owner.0) == (FileType::Directory, 0o755, 0),
                Some((_, owner)) if kind == FileType::Symlink => entry.owner.0 == *owner,
                Some((mode, owner)) => (entry.mode & 0o7777, entry.owner.0) == (*mode, *owner),
            };
            let is_filled = kind != FileType::RegularFile
                || fs::read(tree.join(path)).unwrap() == content(number, entry.size as usize);
            if !is_right || !is_filled {
                return Err(format!("{}: {path:?} is not of one entry: {entry:?}", self.told));
            }
        }
        Ok(())
    }
}

fn content(number: usize, size: usize) -> Vec<u8> {
    vec![b'!' + number as u8; size]
}

fn sequence(seed: u64) -> Verdict {
    let (mut chance, mut tape) = (Chance::new(seed), Tape::default());
    let mut maker = Maker::new(&mut chance, Links::Downwards);
    (0..2 + maker.chance.below(12)).for_each(|_| maker.put(&mut tape));
    let sandbox = Sandbox::new(&format!("corpus-entries-{seed}"));
    let archive = sandbox.dir.join("archive");
    fs::write(&archive, tape.end()).unwrap();
    let stage = Stage::new(&format!("corpus-entries-stage-{seed}"));
    let ours = unpack(&stage, &archive);
    if ours.is_ok() {
        maker.check(&stage.tree())?;
    }
    match (ours, unpacked_by(Judge::GnuTar, &archive, &sandbox.dir)) {
        (Err(_), Err(_)) => Ok("refused by both"),
        // To itself, where GNU tar looks whether it is the same.
        (Err(error), Ok(_)) if error.to_string().ends_with("that is a directory") => {
            Ok("refused: a link to a directory")
        }
        (Err(error), Ok(_)) => Err(format!("{}: {error}", maker.told)),
        // It removes no directory that is not empty, for one.
        (Ok(_), Err(_)) => Ok("only we can"),
        (Ok(_), Ok(theirs)) => {
            if compare(&maker.told, Judge::Bare("GNU tar"), &theirs, &stage.tree()).is_ok() {
                return Ok("as GNU tar");
            }
            fs::remove_dir_all(&theirs).unwrap();
            let theirs = unpacked_by(Judge::BsdTar, &archive, &sandbox.dir)?;
            compare(&maker.told, Judge::Bare("bsdtar"), &theirs, &stage.tree()).map(|()| "as bsdtar")
        }
    }
}

#[test]
fn entries_in_any_order_are_what_gnu_tar_makes_of_them() {
    if root_or_skip("the corpus") && has("tar") {
        each("entries", 200, sequence);
    }
}
