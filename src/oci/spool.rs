//! An image in a tar archive: whether one is, and its files put into a directory. The index may stand behind the blobs, so
//! that they have to be kept, still compressed, until it has been read.

use crate::error::{Context, Error, Kind, Result};
use crate::oci::member::Member;
use crate::stream::tar::{self, Archive, Entry};
use crate::sys::dir::Dir;
use std::os::unix::fs::FileExt;

/// Files of one image; the layers that images may have are a tenth of it.
const MEMBERS_MAX: usize = 10_000;

/// Whether a tar archive that begins so holds an image: its first file is one of an image's.
pub fn is_image(head: &[u8]) -> bool {
    let mut archive = Archive::new(head);
    while let Ok(Some(entry)) = archive.next() {
        match Member::parse(&entry.path) {
            Some(_) => return matches!(entry.kind, tar::Kind::File | tar::Kind::Symlink(_) | tar::Kind::HardLink(_)),
            None if is_on_the_way(&entry) => {}
            None => return false,
        }
    }
    false
}

/// What tells neither: directories of a layout, and what docker wrote in front of a layer before 1.10.
fn is_on_the_way(entry: &Entry) -> bool {
    let path = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let of_layer = |name: &[u8]| Member::parse(&[name, b"/layer.tar"].concat()).is_some();
    match (&entry.kind, path) {
        (tar::Kind::Directory, b"" | b"." | b"blobs" | b"blobs/sha256" | b"blobs/sha512") => true,
        (tar::Kind::Directory, name) => of_layer(name),
        (tar::Kind::File, path) => path.strip_suffix(b"/VERSION").or(path.strip_suffix(b"/json")).is_some_and(of_layer),
        _ => false,
    }
}

/// Puts the files of an image into a directory, an empty one of our own; anything else in the archive is passed over.
/// `most`: bytes of all of them. What they came to is returned.
///
/// Errors: `Invalid`, and what writing fails with. The caller removes the directory, and finishes the archive.
pub fn spool(archive: &mut Archive<'_>, into: &Dir, most: u64) -> Result<u64> {
    let mut spool = Spool { archive, into, left: most, most, members: 0 };
    while let Some(entry) = spool.archive.next()? {
        if let Some(member) = Member::parse(&entry.path) {
            spool.take(&member, &entry).map_err(twice).with_context(|| member.to_string())?;
        }
    }
    Ok(most - spool.left)
}

fn twice(error: Error) -> Error {
    match error.kind() {
        Kind::Exists => Error::invalid("it stands in the archive twice"),
        _ => error,
    }
}

struct Spool<'a, 'b> {
    archive: &'a mut Archive<'b>,
    into: &'a Dir,
    left: u64,
    most: u64,
    members: usize,
}

impl Spool<'_, '_> {
    fn take(&mut self, member: &Member, entry: &Entry) -> Result<()> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(Error::invalid(format!("the archive holds more than {MEMBERS_MAX} files of images")));
        }
        match &entry.kind {
            tar::Kind::File => self.file(member, entry.size),
            tar::Kind::Symlink(target) => member.create_link(self.into, target),
            tar::Kind::HardLink(target) => {
                let target = target.strip_prefix(b"./").unwrap_or(target);
                member.create_link(self.into, &[b"../", target].concat())
            }
            // GNU tar asks for nothing when a directory has such a name; we do not take it for a file.
            _ => Err(Error::invalid("it is no file")),
        }
    }

    fn file(&mut self, member: &Member, size: u64) -> Result<()> {
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            Error::invalid(format!("the image's files are more than {} bytes (--max-bytes moves the bound)", self.most))
        })?;
        let file = member.create(self.into)?;
        while let Some((offset, slice)) = self.archive.slice(usize::MAX)? {
            file.write_all_at(&slice, offset).context("writing")?;
        }
        // A hole at the end.
        file.set_len(size).context("writing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::fixture::{Item, digest, tar};
    use crate::sys::tree::Scratch;
    use std::ffi::OsStr;
    use std::io::Read;

    fn spooled(into: &Dir, items: &[Item<'_>]) -> Result<u64> {
        let bytes = tar(items);
        spool(&mut Archive::new(&bytes[..]), into, 1000)
    }

    fn blob(bytes: &str) -> String {
        format!("blobs/sha256/{}", digest(bytes.as_bytes()).hex())
    }

    #[test]
    fn an_image_is_known_by_its_first_file() {
        let a = digest(b"a").hex();
        let (version, json, layer) = (format!("{a}/VERSION"), format!("{a}/json"), format!("{a}/layer.tar"));
        for items in [
            &[("oci-layout", "{}")][..],
            &[("./", ""), ("./blobs/", ""), ("./blobs/sha256/", ""), (&blob("a"), "a")],
            &[("blobs/", ""), ("index.json", "")],
            &[(&format!("{a}/"), ""), (&version, "1.0"), (&json, "{}"), (&layer, "")],
            &[(&layer, "-> ../x")],
            &[(&format!("{a}.json"), "{}")],
            &[("manifest.json", "[]")],
        ] {
            assert!(is_image(&tar(items)), "{items:?}");
        }
        for items in [
            &[][..],
            &[("./", ""), ("./bin", "-> usr/bin"), ("./index.json", "")],
            &[("blobs/", ""), ("etc/", ""), ("index.json", "")],
            &[("index.json/", ""), ("index.json/a", "")],
            &[("x/index.json", "")],
            &[("blobs/", "")],
        ] {
            assert!(!is_image(&tar(items)), "{items:?}");
        }
        assert!(!is_image(b"") && !is_image(&[7; 4096]));
        let whole = tar(&[("blobs/", ""), ("index.json", "")]);
        assert!(is_image(&whole[..1024]) && !is_image(&whole[..1023]));
    }

    #[test]
    fn the_files_of_an_image_are_kept_and_nothing_else() {
        let scratch = Scratch::in_memory("spool");
        let a = digest(b"a").hex();
        let blob = blob("abc");
        let (layer, link, hard) =
            (format!("{a}.tar"), format!("{a}/layer.tar"), format!("{}/layer.tar", digest(b"b").hex()));
        let (relative, absolute) = (format!("-> ../{layer}"), format!("=> {layer}"));
        let items = [
            ("./", ""),
            ("blobs/sha256/", ""),
            ("../evil", "x"),
            ("/etc/evil", "x"),
            ("README", "x"),
            ("index.json", "{}"),
            (&*blob, "abc"),
            (&*layer, "layer"),
            (&*link, &*relative),
            (&*hard, &*absolute),
        ];
        assert_eq!(spooled(scratch.dir(), &items).unwrap(), 10);
        let mut names: Vec<_> = scratch.dir().entries(10).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        let mut wanted = ["blobs".to_string(), a.clone(), layer.clone(), digest(b"b").hex(), "index.json".into()]
            .map(std::ffi::OsString::from);
        wanted.sort();
        assert_eq!(names, wanted);
        for path in [&link, &hard] {
            let mut text = String::new();
            let file = Member::parse(path.as_bytes()).unwrap().open(scratch.dir()).unwrap();
            file.unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "layer");
        }
    }

    #[test]
    fn hostile_archives_are_refused() {
        let a = digest(b"a").hex();
        let (layer, root) = (format!("{a}/layer.tar"), format!("{a}.tar"));
        for (items, told) in [
            (&[("index.json", "a"), ("./index.json", "b")][..], "index.json: it stands in the archive twice"),
            (&[("index.json", "-> /etc/passwd")], "index.json: index.json is a link, and no layer"),
            (&[("oci-layout", "=> index.json")], "oci-layout: oci-layout is a link"),
            (&[(&layer, "-> /etc/passwd")], "which is no layer"),
            (&[(&layer, "-> ../../etc/passwd")], "which is no layer"),
            (&[(&layer, "=> etc/passwd")], "which is no layer"),
            (&[(&root, &"x".repeat(1001))], "more than 1000 bytes (--max-bytes"),
            (&[("index.json", &"x".repeat(600)), (&root, &"x".repeat(401))], "more than 1000 bytes"),
        ] {
            let scratch = Scratch::in_memory("spool-hostile");
            let error = spooled(scratch.dir(), items).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    /// A link where a directory will be wanted leads nowhere.
    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let scratch = Scratch::in_memory("spool-way");
        let victim = Scratch::in_memory("spool-victim");
        scratch.dir().symlink(victim.path().as_os_str(), "blobs").unwrap();
        scratch.dir().symlink(victim.path().join("x").as_os_str(), OsStr::new("index.json")).unwrap();
        assert!(spooled(scratch.dir(), &[(&blob("a"), "a")]).is_err());
        assert!(spooled(scratch.dir(), &[("index.json", "a")]).is_err());
        assert_eq!(victim.dir().entries(1).unwrap(), []);
    }

    #[test]
    fn a_directory_with_a_file_s_name_is_passed_over() {
        let scratch = Scratch::in_memory("spool-kind");
        assert_eq!(spooled(scratch.dir(), &[("index.json", "x"), ("oci-layout/", "")]).unwrap(), 1);
        assert!(scratch.dir().lookup("oci-layout").unwrap().is_none());
    }
}
