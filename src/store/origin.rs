//! Where an imported root filesystem came from: a record beside the tree, never in it. `fs/NAME.origin` is its place, and
//! `fs/NAME.origin-new` while the tree gets its name: two renames cannot be one, so each record says by its inode number
//! to which tree it belongs. The manifest beside it takes the same way. Whoever writes here is alone: `claim::naming`.

use crate::error::{Context, Error, Result};
use crate::paths::Paths;
use crate::store::fields::{self, Fields};
use crate::store::name::Name;
use crate::store::record;
use crate::sys::dir::Dir;
use crate::text::keyvalue::Pairs;
use std::fs::File;

const VERSION: u32 = 1;
/// A record is some hundred bytes; its notes are bounded by who writes them.
const ORIGIN_MAX: usize = 256 * 1024;
/// Notes kept.
pub const NOTES_MAX: usize = 100;

/// What is known of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// A URL without credentials, or an absolute path, or "-".
    pub source: String,
    /// "directory", "tar.gz", "OCI archive (tar.xz)" ...
    pub form: String,
    /// Digest of the source's bytes as they came; empty for a directory.
    pub digest: String,
    /// Against what the digest was checked; empty when nobody said what it should be.
    pub verified: String,
    /// Of an OCI image: its manifest's digest.
    pub manifest: String,
    /// Options that changed what was made, as they were typed.
    pub options: String,
    /// Seconds since 1970.
    pub imported: u64,
    /// Which sdme did it.
    pub program: String,
    /// os-release's PRETTY_NAME.
    pub title: String,
    pub entries: u64,
    /// Bytes of all files, holes counted.
    pub bytes: u64,
    /// Digest of the whole tree, as `fs verify` computes it again.
    pub tree: String,
    /// What was not taken over, or was changed.
    pub notes: Vec<String>,
}

/// What `read` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Origin(Origin),
    /// A tree that somebody laid there by hand.
    Nothing,
    /// There is a record, of another tree: this one was put in its place by something else.
    OfAnother(Origin),
}

impl Origin {
    fn render(&self, inode: u64) -> String {
        let mut pairs = Pairs::new();
        for (key, value) in self.texts() {
            pairs.push(key, value);
        }
        for (key, number) in [("imported", self.imported), ("entries", self.entries), ("bytes", self.bytes)] {
            pairs.push(key, number.to_string());
        }
        pairs.push("inode", inode.to_string());
        for (index, note) in self.notes.iter().take(NOTES_MAX).enumerate() {
            pairs.push(format!("note.{index}"), note);
        }
        fields::render(VERSION, &pairs)
    }

    fn texts(&self) -> [(&'static str, &str); 9] {
        [
            ("source", &self.source),
            ("form", &self.form),
            ("digest", &self.digest),
            ("verified", &self.verified),
            ("manifest", &self.manifest),
            ("options", &self.options),
            ("program", &self.program),
            ("title", &self.title),
            ("tree", &self.tree),
        ]
    }

    /// The record, and the inode number of its tree.
    fn parse(bytes: &[u8]) -> Result<(Origin, u64)> {
        let mut fields = Fields::parse(bytes, VERSION)?;
        let mut origin = Origin {
            source: fields.text("source")?,
            form: fields.text("form")?,
            digest: fields.text("digest")?,
            verified: fields.text("verified")?,
            manifest: fields.text("manifest")?,
            options: fields.text("options")?,
            program: fields.text("program")?,
            title: fields.text("title")?,
            tree: fields.text("tree")?,
            imported: fields.number("imported")?,
            entries: fields.number("entries")?,
            bytes: fields.number("bytes")?,
            notes: Vec::new(),
        };
        let inode = fields.number("inode")?;
        for index in 0..NOTES_MAX {
            let key = format!("note.{index}");
            if !fields.has(&key) {
                break;
            }
            origin.notes.push(fields.text(&key)?);
        }
        fields.finish()?;
        Ok((origin, inode))
    }
}

fn file(name: &Name) -> String {
    format!("{name}.origin")
}

fn new_file(name: &Name) -> String {
    format!("{name}.origin-new")
}

/// The manifest of a tree, beside its record: what `fs verify` compares with.
pub fn manifest_file(name: &Name) -> String {
    format!("{name}.manifest")
}

fn new_manifest_file(name: &Name) -> String {
    format!("{name}.manifest-new")
}

/// What is known of the tree `fs/NAME`.
///
/// Errors: `Invalid` when its record is not understood.
pub fn read(paths: &Paths, name: &Name) -> Result<Known> {
    let filesystems = Dir::open(&paths.filesystems())?;
    let inode = filesystems.subdir(name.as_str())?.meta()?.ino;
    let mut other = None;
    for file in [new_file(name), file(name)] {
        let Some(bytes) = record::read_limited(&filesystems, &file, ORIGIN_MAX)? else { continue };
        let (origin, of) = Origin::parse(&bytes).with_context(|| format!("record {file:?}"))?;
        if of == inode {
            return Ok(Known::Origin(origin));
        }
        other = Some(origin);
    }
    Ok(other.map_or(Known::Nothing, Known::OfAnother))
}

/// The manifest that goes with the record of the tree `fs/NAME`; `NotFound` when it has none.
pub fn open_manifest(filesystems: &Dir, name: &Name) -> Result<File> {
    if is_new(filesystems, name)? {
        // The manifest gets its place first, the record after it.
        match filesystems.open_file(new_manifest_file(name)) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
    }
    filesystems.open_file(manifest_file(name))
}

/// Before the tree gets its name; its manifest is moved out of `stage`.
pub fn announce(filesystems: &Dir, name: &Name, stage: &Dir, tree: &Dir, origin: &Origin) -> Result<()> {
    recover(filesystems, name)?;
    absent_is_fine(stage.rename(manifest_file(name), filesystems, new_manifest_file(name)))?;
    record::write(filesystems, new_file(name), origin.render(tree.meta()?.ino).as_bytes(), 0o600)
}

/// After it.
pub fn settle(filesystems: &Dir, name: &Name) -> Result<()> {
    absent_is_fine(filesystems.rename(new_manifest_file(name), filesystems, manifest_file(name)))?;
    filesystems.rename(new_file(name), filesystems, file(name))?;
    filesystems.sync()
}

/// Goes on where an import was killed: with what it announced, or back from it when its tree did not get the name.
fn recover(filesystems: &Dir, name: &Name) -> Result<()> {
    if is_new(filesystems, name)? { settle(filesystems, name) } else { withdraw(filesystems, name) }
}

/// Whether the tree is the one that was announced last. A record that is not understood is of no tree.
fn is_new(filesystems: &Dir, name: &Name) -> Result<bool> {
    let Some(bytes) = record::read_limited(filesystems, new_file(name), ORIGIN_MAX)? else { return Ok(false) };
    let Ok((_, inode)) = Origin::parse(&bytes) else { return Ok(false) };
    Ok(filesystems.lookup(name.as_str())?.is_some_and(|tree| tree.ino == inode))
}

/// Of a tree that did not get its name after all.
pub fn withdraw(filesystems: &Dir, name: &Name) -> Result<()> {
    absent_is_fine(filesystems.unlink(new_manifest_file(name)))?;
    absent_is_fine(filesystems.unlink(new_file(name)))
}

/// Of a tree that is no more.
pub fn remove(filesystems: &Dir, name: &Name) -> Result<()> {
    withdraw(filesystems, name)?;
    for file in [file(name), manifest_file(name)] {
        absent_is_fine(filesystems.unlink(file))?;
    }
    Ok(())
}

/// Before a tree gets another name: its record has both, so that it is never without.
pub fn copy(filesystems: &Dir, old: &Name, new: &Name) -> Result<()> {
    recover(filesystems, old)?;
    // Whatever stands there is of no tree.
    remove(filesystems, new)?;
    for (from, to) in [(manifest_file(old), manifest_file(new)), (file(old), file(new))] {
        match filesystems.open_file(&from) {
            Err(error) if error.is_not_found() => {}
            opened => filesystems.link(&opened?, &to)?,
        }
    }
    filesystems.sync()
}

fn absent_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// Whose record a file in `fs/` is, if it is one.
pub fn owner(file: &str) -> Option<Name> {
    let endings = [".origin", ".origin-new", ".manifest", ".manifest-new"];
    Name::parse(endings.iter().find_map(|ending| file.strip_suffix(ending))?).ok()
}

/// An error for a tree whose record does not match it.
pub fn foreign(name: &Name) -> Error {
    Error::failed(format!("{name}: its record is of another tree: something else has put this one there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::datadir;
    use crate::sys::tree::Scratch;

    fn origin(source: &str) -> Origin {
        Origin {
            source: source.into(),
            form: "tar.gz".into(),
            notes: vec!["one\n\x1b".into(), "two".into()],
            bytes: 7,
            ..Origin::default()
        }
    }

    fn stand(name: &str) -> (Scratch, Paths, Dir, Name) {
        let scratch = Scratch::new(name);
        let paths = Paths::under(scratch.path());
        datadir::ensure(&paths).unwrap();
        let filesystems = Dir::open(&paths.filesystems()).unwrap();
        (scratch, paths, filesystems, Name::parse("noble").unwrap())
    }

    #[test]
    fn a_record_comes_back_and_every_cut_is_seen() {
        let text = origin("/a b%").render(9);
        assert_eq!(Origin::parse(text.as_bytes()).unwrap(), (origin("/a b%"), 9));
        for length in 0..text.len() {
            assert!(Origin::parse(&text.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn whenever_the_power_fails_a_tree_has_its_own_record() {
        let (_scratch, paths, filesystems, name) = stand("origin-steps");
        let tree = filesystems.mkdir("stage", 0o755).unwrap();
        announce(&filesystems, &name, &filesystems, &tree, &origin("first")).unwrap();
        filesystems.rename_noreplace("stage", &filesystems, "noble").unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Origin(origin("first")));
        settle(&filesystems, &name).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Origin(origin("first")));
        let second = filesystems.mkdir("stage", 0o755).unwrap();
        announce(&filesystems, &name, &filesystems, &second, &origin("second")).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Origin(origin("first")));
        filesystems.exchange("stage", &filesystems, "noble").unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Origin(origin("second")));
        settle(&filesystems, &name).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Origin(origin("second")));
    }

    #[test]
    fn a_tree_of_another_hand_is_told() {
        let (_scratch, paths, filesystems, name) = stand("origin-other");
        filesystems.mkdir("noble", 0o755).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Nothing);
        let other = filesystems.mkdir("other", 0o755).unwrap();
        announce(&filesystems, &name, &filesystems, &other, &origin("x")).unwrap();
        settle(&filesystems, &name).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::OfAnother(origin("x")));
        remove(&filesystems, &name).unwrap();
        assert_eq!(read(&paths, &name).unwrap(), Known::Nothing);
    }

    #[test]
    fn records_are_known_by_their_names() {
        assert_eq!(owner("noble.origin").unwrap().as_str(), "noble");
        assert_eq!(owner("noble.manifest").unwrap().as_str(), "noble");
        assert_eq!(owner("noble.manifest-new").unwrap().as_str(), "noble");
        assert!(owner("noble").is_none() && owner(".origin").is_none() && owner("No.origin").is_none());
    }
}
