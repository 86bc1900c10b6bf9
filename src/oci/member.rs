//! The files of an image on disk or in an archive: which names there are, and opening them beneath a directory's descriptor.
//!
//! A name that was parsed has one or three components of known shape: no path of an image is ever joined to anything.

use crate::digest::{Algorithm, Digest};
use crate::error::{Context, Error, Result};
use crate::sys::dir::Dir;
use crate::sys::meta::Kind;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

/// A file that an OCI layout or a `docker save` archive consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// `oci-layout`, `index.json`, `manifest.json`, `repositories`
    Fixed(&'static str),
    /// `blobs/ALGORITHM/HEX`
    Blob(Digest),
    /// `HEX/layer.tar` of docker before 25; the name is no digest of its bytes.
    Layer(String),
    /// `HEX.json`, `HEX.tar` (skopeo, podman), `HEX.tar.gz` and `sha256:HEX` (go-containerregistry): the last may be both.
    Root(String),
}

const FIXED: [&str; 4] = ["oci-layout", "index.json", "manifest.json", "repositories"];
const LAYER: &str = "layer.tar";

impl Member {
    /// None: no image has such a file. A leading `./` is what archives add.
    pub fn parse(path: &[u8]) -> Option<Member> {
        let path = std::str::from_utf8(path).ok()?;
        let path = path.strip_prefix("./").unwrap_or(path);
        match path.split('/').collect::<Vec<_>>().as_slice() {
            [name] => FIXED.into_iter().find(|known| known == name).map(Member::Fixed).or_else(|| root(name)),
            [id, LAYER] if is_hex(id) => Some(Member::Layer(id.to_string())),
            ["blobs", algorithm, hex] => Some(Member::Blob(Digest::from_hex(Algorithm::from_name(algorithm)?, hex)?)),
            _ => None,
        }
    }

    /// The digest that its name says it has, where it says one.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Member::Blob(digest) => Some(*digest),
            Member::Root(name) if !name.ends_with(".tar") && !name.ends_with(".tar.gz") => {
                let hex = name.strip_suffix(".json").unwrap_or(name);
                Digest::from_hex(Algorithm::Sha256, hex.strip_prefix("sha256:").unwrap_or(hex))
            }
            _ => None,
        }
    }

    /// The directories on the way, and the last name.
    fn place(&self) -> (Vec<&str>, String) {
        match self {
            Member::Fixed(name) => (vec![], name.to_string()),
            Member::Root(name) => (vec![], name.clone()),
            Member::Layer(id) => (vec![id], LAYER.to_string()),
            Member::Blob(digest) => (vec!["blobs", digest.algorithm().name()], digest.hex()),
        }
    }

    /// Opens it. A layer of docker's may be a symlink to another of the image's own files, once. None: it is not there.
    pub fn open(&self, image: &Dir) -> Result<Option<File>> {
        self.open_here(image, true).with_context(|| self.to_string())
    }

    fn open_here(&self, image: &Dir, follow: bool) -> Result<Option<File>> {
        let (directories, name) = self.place();
        let mut dir = image.reopen()?;
        for directory in directories {
            match dir.lookup_dir(directory)? {
                Some(next) => dir = next,
                None => return Ok(None),
            }
        }
        match dir.lookup(&name)? {
            None => Ok(None),
            Some(meta) if meta.kind == Kind::Symlink && follow && matches!(self, Member::Layer(_)) => {
                let target = dir.readlink(&name)?;
                self.linked(target.as_bytes())?.open_here(image, false)
            }
            Some(meta) if meta.kind == Kind::Symlink => {
                Err(Error::invalid("it is a symlink, which is not followed: the image has to have the file itself"))
            }
            Some(_) => dir.open_file(&name).map(Some),
        }
    }

    /// Where a symlink in its place leads. Errors: `Invalid`, to nothing of the image's.
    fn linked(&self, target: &[u8]) -> Result<Member> {
        let linked = target.strip_prefix(b"../").filter(|_| matches!(self, Member::Layer(_)));
        let linked = linked.and_then(Member::parse).filter(Member::is_layer);
        linked.ok_or_else(|| {
            Error::invalid(format!("it is a link to {:?}, which is no layer", OsStr::from_bytes(target)))
        })
    }

    fn is_layer(&self) -> bool {
        match self {
            Member::Layer(_) | Member::Blob(_) => true,
            Member::Root(name) => name.ends_with(".tar") || name.ends_with(".tar.gz"),
            Member::Fixed(_) => false,
        }
    }

    /// Makes it anew, empty, with the directories on the way. `Exists` when it is there.
    pub fn create(&self, image: &Dir) -> Result<File> {
        let (directories, name) = self.place();
        let mut dir = image.reopen()?;
        for directory in directories {
            dir = dir.ensure(directory, 0o700)?;
        }
        dir.create_file(&name, 0o600)
    }

    /// Makes it a symlink to what stands behind `target`, of a symlink in its place. Errors: `Invalid`, `Exists`.
    pub fn create_link(&self, image: &Dir, target: &[u8]) -> Result<()> {
        let Member::Layer(id) = self else {
            return Err(Error::invalid(format!("{self} is a link, and no layer of docker's")));
        };
        let target = format!("../{}", self.linked(target).with_context(|| self.to_string())?);
        image.ensure(id, 0o700)?.symlink(OsStr::new(&target), LAYER)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (directories, name) = self.place();
        directories.iter().try_for_each(|directory| write!(f, "{directory}/"))?;
        f.write_str(&name)
    }
}

fn is_hex(text: &str) -> bool {
    Digest::from_hex(Algorithm::Sha256, text).is_some()
}

fn root(name: &str) -> Option<Member> {
    let stem = [".json", ".tar.gz", ".tar"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    is_hex(stem.strip_prefix("sha256:").unwrap_or(stem)).then(|| Member::Root(name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::io::{Read, Write};

    fn hex(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn the_names_of_an_image() {
        let a = hex('a');
        for path in [
            "oci-layout".to_string(),
            "index.json".into(),
            "manifest.json".into(),
            "repositories".into(),
            format!("blobs/sha256/{a}"),
            format!("blobs/sha512/{a}{a}"),
            format!("{a}/layer.tar"),
            format!("{a}.json"),
            format!("{a}.tar"),
            format!("{a}.tar.gz"),
            format!("sha256:{a}"),
        ] {
            let member = Member::parse(path.as_bytes()).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(member.to_string(), path);
            assert_eq!(Member::parse(format!("./{path}").as_bytes()), Some(member));
        }
    }

    /// CVE-2024-3727: digests that are paths.
    #[test]
    fn no_other_name_is_an_image_s() {
        let a = hex('a');
        for path in [
            "".to_string(),
            ".".into(),
            "/index.json".into(),
            "../index.json".into(),
            "././index.json".into(),
            "x/index.json".into(),
            "index.json/".into(),
            "blobs".into(),
            "blobs/sha256".into(),
            "blobs/sha256/".into(),
            "blobs/sha256/..".into(),
            format!("blobs/sha256/{}", &a[1..]),
            format!("blobs/sha256/{}", a.to_uppercase()),
            format!("blobs/sha256/{a}/x"),
            format!("blobs/sha512/{a}"),
            format!("blobs/../{a}"),
            format!("blobs//{a}"),
            format!("{a}/VERSION"),
            format!("{a}/json"),
            format!("{a}/../layer.tar"),
            format!("../{a}/layer.tar"),
            format!("{a}.json.json"),
            format!("{a}\0"),
            "etc/os-release".into(),
        ] {
            assert_eq!(Member::parse(path.as_bytes()), None, "{path:?}");
        }
    }

    #[test]
    fn digests_are_of_names_that_say_them() {
        let told = |path: &str| Member::parse(path.as_bytes()).unwrap().digest().map(|digest| digest.to_string());
        let a = hex('a');
        let wanted = Some(format!("sha256:{a}"));
        assert_eq!(told(&format!("blobs/sha256/{a}")), wanted);
        assert_eq!(told(&format!("{a}.json")), wanted);
        assert_eq!(told(&format!("sha256:{a}")), wanted);
        assert_eq!(told(&format!("{a}.tar")), None);
        assert_eq!(told(&format!("{a}/layer.tar")), None);
        assert_eq!(told("index.json"), None);
    }

    #[test]
    fn links_lead_to_layers_of_the_image_only() {
        let scratch = Scratch::in_memory("oci-member");
        let (a, b) = (hex('a'), hex('b'));
        let member = |path: &str| Member::parse(path.as_bytes()).unwrap();
        let layer = member(&format!("{a}/layer.tar"));
        layer.create(scratch.dir()).unwrap().write_all(b"x").unwrap();
        assert!(layer.create(scratch.dir()).is_err());
        let link = member(&format!("{b}/layer.tar"));
        for target in ["/etc/passwd", "../../etc/passwd", "layer.tar", "../index.json", "../x", ""] {
            assert!(link.create_link(scratch.dir(), target.as_bytes()).is_err(), "{target:?}");
        }
        assert!(member("index.json").create_link(scratch.dir(), format!("../{a}/layer.tar").as_bytes()).is_err());
        link.create_link(scratch.dir(), format!("../{a}/layer.tar").as_bytes()).unwrap();
        let mut text = String::new();
        link.open(scratch.dir()).unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        // Of a directory that was given: links that somebody else made.
        for (target, whole) in
            [("/etc/passwd", false), (&format!("../{b}/layer.tar"), false), (&format!("../{a}.tar"), true)]
        {
            let c = scratch.dir().ensure(hex('c'), 0o700).unwrap();
            c.symlink(OsStr::new(target), "layer.tar").unwrap();
            let opened = member(&format!("{}/layer.tar", hex('c'))).open(scratch.dir());
            assert_eq!(opened.is_ok(), whole, "{target}");
            c.unlink("layer.tar").unwrap();
        }
        scratch.dir().symlink(OsStr::new("/etc/passwd"), "index.json").unwrap();
        assert!(member("index.json").open(scratch.dir()).is_err());
        scratch.dir().symlink(OsStr::new("/"), "blobs").unwrap();
        assert!(member(&format!("blobs/sha256/{a}")).open(scratch.dir()).is_err());
        assert!(member("oci-layout").open(scratch.dir()).unwrap().is_none());
    }
}
