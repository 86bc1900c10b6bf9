//! Random trees in random archives: what we make of an archive is what GNU tar makes of it; and where the archive holds
//! everything it is the tree again. Directories themselves, as `cp -a` copies them, too.

use super::chance::Chance;
use super::pack::{Keeps, Packed, Packer, Tools};
use super::{Verdict, each, has, odd};
use crate::sandbox::{Sandbox, root_or_skip};
use crate::trees::{Stage, Tree, differences, snapshot};
use rustix::fs::FileType;
use sdme::error::Result;
use sdme::rootfs::unpack;
use sdme::rootfs::writer::Totals;
use sdme::stream::decompress;
use sdme::stream::peek::Peek;
use sdme::stream::tar::Archive;
use sdme::sys::dir::Dir;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const BSDTAR: &[&str] = &["bsdtar", "-xpP", "--numeric-owner", "-f"];
const GNU_TAR: &[&str] = &[
    "tar",
    // Symlinks that lead up are made at once, as all others are: else the first of two of one name stays.
    "-P",
    "-p",
    "--xattrs",
    "--xattrs-include=*",
    "--acls",
    "--numeric-owner",
    "-S",
    "--delay-directory-restore",
    "-xf",
];

/// In the words of the import: looked at, decompressed, unpacked.
pub fn unpack(stage: &Stage, archive: &Path) -> Result<Totals> {
    let mut packed = Peek::new(File::open(archive).unwrap());
    let compression = decompress::sniff(packed.peek(4096)?);
    let plain = decompress::open(Box::new(packed), compression)?;
    let (mut archive, mut writer) = (Archive::of(plain), stage.writer());
    unpack::tar::unpack(&mut archive, &mut writer)?;
    archive.finish()?;
    writer.finish()
}

pub fn compare(what: &str, judge: Judge, theirs: &Path, ours: &Path) -> std::result::Result<(), String> {
    let differences = differences(&comparable(theirs, judge), &comparable(ours, judge));
    match differences.len() {
        0 => Ok(()),
        many => Err(format!("{what}: {many} entries are not {judge:?}'s\n{}", differences[..many.min(3)].join("\n"))),
    }
}

/// Whose tree ours is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    GnuTar,
    BsdTar,
    /// What was archived, by a tool that knows hard links of files and symlinks only.
    Tree(Keeps),
    /// What was copied.
    Source,
    /// A tool whose modes, owners and times are not looked at.
    Bare(&'static str),
}

/// Both trees without what the judge does not know.
fn comparable(tree: &Path, judge: Judge) -> Tree {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut tree = snapshot(tree);
    for (path, entry) in &mut tree {
        let kind = FileType::from_raw_mode(entry.mode);
        // No entry tells of it.
        if kind == FileType::Directory && (now - 5..=now).contains(&entry.modified.0) {
            entry.modified = (0, 0);
        }
        if matches!(judge, Judge::Bare(_)) {
            (entry.mode, entry.owner, entry.modified) = (entry.mode & !0o7777, (0, 0), (0, 0));
        }
        if matches!(judge, Judge::Tree(_)) && !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            entry.same_as = None;
        }
        if matches!(judge, Judge::BsdTar | Judge::Tree(Keeps::AllForOthers)) {
            // It writes times before 1970 in a way of its own, and names of attributes; and it closes the top before it is full.
            if entry.modified.0 <= 0 && entry.modified.1 != 0 || path.as_os_str().is_empty() {
                entry.modified = (0, 0);
            }
            entry.xattrs.retain(|name, _| !name.contains('%'));
            entry.data.clear();
        }
    }
    tree
}

/// What a tool makes of it, if it can.
pub fn unpacked_by(judge: Judge, archive: &Path, work: &Path) -> std::result::Result<PathBuf, String> {
    let theirs = work.join("theirs");
    fs::create_dir(&theirs).unwrap();
    let words = if judge == Judge::BsdTar { BSDTAR } else { GNU_TAR };
    let (program, options) = words.split_first().unwrap();
    let mut command = Command::new(program);
    let output = command.args(options).arg(archive).current_dir(&theirs).env("LC_ALL", "C.UTF-8").output().unwrap();
    match output.status.success() {
        true => Ok(theirs),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Where we refuse what GNU tar and bsdtar take, for the reasons that docs/design.md gives.
fn stricter(what: &str, error: &str) -> Option<&'static str> {
    // It leaves the long name of an entry that it then could not store.
    if what.contains("gnutar")
        && ["two long names for one entry", "ends with an entry's extended header"]
            .iter()
            .any(|end| error.ends_with(end))
    {
        return Some("refused: a name without its entry");
    }
    // Python ends without a word where it fails, and writes the first moments of 1970 with an exponent.
    if what.contains("(status Some(1))") && error.contains("cut short") {
        return Some("refused: cut short");
    }
    (what.contains("tarfile") && error.contains("e-") && error.ends_with("is no time"))
        .then_some("refused: an exponent")
}

fn archive(seed: u64, tools: &Tools) -> Verdict {
    let sandbox = Sandbox::new(&format!("corpus-tree-{seed}"));
    let (top, work) = (sandbox.dir.join("top"), sandbox.dir.as_path());
    fs::create_dir(&top).unwrap();
    let mut chance = Chance::new(seed);
    odd::tree(&top, &mut chance);
    let mut packer = Packer { top: &top, work, chance: &mut chance, tools };
    let Packed { archive, keeps, mut what, whole } = packer.pack();
    let compressed = packer.compress(&archive, &mut what);
    // No tool could make anything of it.
    if fs::metadata(&archive).map_or(0, |meta| meta.len()) == 0 {
        return Ok("no archive");
    }
    let stage = Stage::new(&format!("corpus-tree-stage-{seed}"));
    let ours = unpack(&stage, &compressed);
    let judge = if keeps == Keeps::AllForOthers { Judge::BsdTar } else { Judge::GnuTar };
    match (&ours, &unpacked_by(judge, &archive, work)) {
        (Err(error), Ok(_)) => {
            let error = error.to_string();
            return stricter(&what, &error).ok_or(format!("{what}: {error}"));
        }
        // A hard link to what could not be stored, most often.
        (Err(_), Err(_)) => return Ok("refused by both"),
        (Ok(_), Err(why)) => return Err(format!("{what}: {judge:?}: {why}")),
        (Ok(_), Ok(theirs)) => compare(&what, judge, theirs, &stage.tree())?,
    }
    if keeps != Keeps::Some && whole {
        compare(&what, Judge::Tree(keeps), &top, &stage.tree())?;
    }
    Ok(match keeps {
        Keeps::All => "as GNU tar, and the tree again",
        Keeps::Some => "as GNU tar",
        Keeps::AllForOthers => "as bsdtar, and the tree again",
    })
}

#[test]
fn random_archives_are_what_gnu_tar_makes_of_them() {
    if root_or_skip("the corpus") && has("tar") {
        let tools = Tools::here();
        each("archives", 100, |seed| archive(seed, &tools));
    }
}

fn directory(seed: u64) -> Verdict {
    let sandbox = Sandbox::new(&format!("corpus-copy-{seed}"));
    let top = sandbox.dir.join("top");
    fs::create_dir(&top).unwrap();
    odd::tree(&top, &mut Chance::new(seed));
    let stage = Stage::new(&format!("corpus-copy-stage-{seed}"));
    let mut writer = stage.writer();
    let copied = unpack::dir::copy(&Dir::open(&top).unwrap(), &mut writer, &unpack::dir::Options::default());
    copied.and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
    compare("a directory", Judge::Source, &top, &stage.tree())?;
    Ok("the tree again")
}

#[test]
fn random_directories_are_copied_whole() {
    if root_or_skip("the corpus") {
        each("directories", 40, directory);
    }
}
