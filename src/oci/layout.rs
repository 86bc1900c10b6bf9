//! An OCI image layout (image-layout.md): `oci-layout`, `index.json`, `blobs/ALGORITHM/HEX`; from its index to one image.

use crate::error::{Context, Error, Result};
use crate::oci::image::{Image, Layer, read_member};
use crate::oci::member::Member;
use crate::oci::platform::Platform;
use crate::oci::select::{self, Candidate};
use crate::oci::types::{Config, Descriptor, Document, Index, Manifest, Type};
use crate::sys::dir::Dir;
use crate::text::json::{self, Limits, Value};

/// Indexes in one another; what tools write are two.
const DEPTH_MAX: u32 = 4;
/// Documents that are read to find one image, and images among which it is.
const DOCUMENTS_MAX: u32 = 512;
const IMAGES_MAX: usize = 4096;

/// Where tools put an image's name: the whole one, then the tag alone.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// Whether the directory says that it is one. Errors: of a version that is not known.
pub fn is_layout(dir: &Dir) -> Result<bool> {
    let Some(bytes) = read_member(dir, &Member::Fixed("oci-layout"), None)? else { return Ok(false) };
    let value = json::parse(&bytes, Limits::default()).context("oci-layout")?;
    match value.get("imageLayoutVersion").and_then(Value::as_str) {
        Some(version) if version.starts_with("1.") => Ok(true),
        Some(version) => Err(Error::invalid(format!("the OCI layout is of version {version:?}, not 1"))),
        None => Err(Error::invalid("oci-layout: imageLayoutVersion is missing")),
    }
}

pub(super) fn open(dir: &Dir, reference: Option<&str>, platform: Option<&Platform>) -> Result<Image> {
    let bytes = read_member(dir, &Member::Fixed("index.json"), None)?;
    let bytes = bytes.ok_or_else(|| Error::invalid("the OCI layout has no index.json"))?;
    let Document::Index(mut index) = Document::parse(&bytes, Some(Type::Index)).context("index.json")? else {
        return Err(Error::invalid("index.json is no index"));
    };
    narrow(&mut index, reference);
    let mut search = Search { dir, found: Vec::new(), documents: 0, passed_over: None };
    search.index(&index, &[], DEPTH_MAX)?;
    let candidates: Vec<Candidate> = search.found.iter().map(|found| found.candidate.clone()).collect();
    if let (true, Some(error)) = (candidates.is_empty(), search.passed_over) {
        return Err(error);
    }
    let chosen = select::choose(&candidates, reference, platform)?;
    let found = search.found.iter().find(|found| found.candidate == *chosen);
    let descriptor = found.map(|found| &found.descriptor).ok_or_else(|| Error::failed("the image was lost"))?;
    image(dir, chosen, descriptor).with_context(|| format!("image {}", chosen.digest))
}

/// Looks no further than at what has the name, if the first index has it: others may be there in part only.
fn narrow(index: &mut Index, reference: Option<&str>) {
    let is_called = |descriptor: &Descriptor| {
        let candidate = Candidate { names: names(descriptor), digest: descriptor.digest, platform: None };
        reference.is_none_or(|reference| candidate.is_called(reference))
    };
    if index.manifests.iter().any(is_called) {
        index.manifests.retain(is_called);
    }
}

fn names(descriptor: &Descriptor) -> Vec<String> {
    NAMES.into_iter().filter_map(|key| descriptor.annotation(key)).map(str::to_string).collect()
}

struct Found {
    candidate: Candidate,
    descriptor: Descriptor,
}

/// A walk through indexes that looks for images.
struct Search<'a> {
    dir: &'a Dir,
    found: Vec<Found>,
    documents: u32,
    /// Why something was no image: told when there is none at all.
    passed_over: Option<Error>,
}

impl Search<'_> {
    fn index(&mut self, index: &Index, inherited: &[String], depth: u32) -> Result<()> {
        for descriptor in &index.manifests {
            let own = names(descriptor);
            let names = if own.is_empty() { inherited } else { &own };
            match descriptor.kind() {
                Type::Index => self.deeper(descriptor, names, depth)?,
                Type::Manifest => self.manifest(descriptor, names)?,
                // The spec has them passed over.
                _ => {}
            }
        }
        Ok(())
    }

    fn deeper(&mut self, descriptor: &Descriptor, names: &[String], depth: u32) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| Error::invalid("indexes stand in one another too deep"))?;
        self.count()?;
        match document(self.dir, descriptor)? {
            Document::Index(index) => self.index(&index, names, depth),
            Document::Manifest(_) => Err(Error::invalid(format!("{} is no index", descriptor.digest))),
        }
    }

    fn manifest(&mut self, descriptor: &Descriptor, names: &[String]) -> Result<()> {
        let platform = match &descriptor.platform {
            Some(platform) => Some(platform.clone()),
            None => match self.platform(descriptor)? {
                Some(platform) => platform,
                None => return Ok(()),
            },
        };
        if self.found.len() == IMAGES_MAX {
            return Err(Error::invalid(format!("it holds more than {IMAGES_MAX} images")));
        }
        let candidate = Candidate { names: names.to_vec(), digest: descriptor.digest, platform };
        self.found.push(Found { candidate, descriptor: descriptor.clone() });
        Ok(())
    }

    /// What the config says where the index says nothing. None: this is no image.
    fn platform(&mut self, descriptor: &Descriptor) -> Result<Option<Option<Platform>>> {
        self.count()?;
        let manifest = manifest(self.dir, descriptor)?;
        if let Err(error) = manifest.demand_image() {
            self.passed_over.get_or_insert(error);
            return Ok(None);
        }
        Ok(Some(config(self.dir, &manifest)?.platform))
    }

    fn count(&mut self) -> Result<()> {
        self.documents += 1;
        match self.documents > DOCUMENTS_MAX {
            true => Err(Error::invalid(format!("it has more than {DOCUMENTS_MAX} indexes and manifests"))),
            false => Ok(()),
        }
    }
}

fn read_blob(dir: &Dir, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let bytes = read_member(dir, &Member::Blob(descriptor.digest), Some(descriptor.size))?;
    bytes.ok_or_else(|| Error::invalid(format!("blob {} is missing: the image is not whole", descriptor.digest)))
}

fn document(dir: &Dir, descriptor: &Descriptor) -> Result<Document> {
    let bytes = read_blob(dir, descriptor)?;
    Document::parse(&bytes, Some(descriptor.kind())).with_context(|| descriptor.digest.to_string())
}

fn manifest(dir: &Dir, descriptor: &Descriptor) -> Result<Manifest> {
    match document(dir, descriptor)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(Error::invalid(format!("{} is no manifest", descriptor.digest))),
    }
}

fn config(dir: &Dir, manifest: &Manifest) -> Result<Config> {
    let bytes = read_blob(dir, &manifest.config)?;
    Config::parse(&bytes).with_context(|| format!("config {}", manifest.config.digest))
}

fn image(dir: &Dir, chosen: &Candidate, descriptor: &Descriptor) -> Result<Image> {
    let manifest = manifest(dir, descriptor)?;
    manifest.demand_image()?;
    let config = config(dir, &manifest)?;
    let (layers, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if layers != diff_ids {
        return Err(Error::invalid(format!("its manifest has {layers} layers, its config {diff_ids}")));
    }
    let layer = |(descriptor, diff_id): (&Descriptor, &_)| Layer {
        diff_id: *diff_id,
        member: Member::Blob(descriptor.digest),
        size: Some(descriptor.size),
        foreign: descriptor.kind() == Type::ForeignLayer,
    };
    let layers = manifest.layers.iter().zip(&config.diff_ids).map(layer).collect();
    Ok(Image { digest: chosen.digest, names: chosen.names.clone(), config, layers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::oci::fixture::{self, INDEX, MANIFEST, image, index, named, on, put};
    use crate::oci::image;
    use crate::sys::tree::Scratch;

    fn opened(dir: &Dir, reference: Option<&str>) -> std::result::Result<Image, String> {
        let here = Platform::parse("linux/amd64").unwrap();
        image::open(dir, reference, Some(&here)).map_err(|error| error.to_string())
    }

    fn refused(dir: &Dir, reference: Option<&str>) -> String {
        opened(dir, reference).unwrap_err()
    }

    #[test]
    fn one_image_of_two_layers() {
        let scratch = Scratch::in_memory("oci-one");
        let manifest = image(scratch.dir(), "amd64", &[b"one", b"two"], &named("latest"));
        fixture::layout(scratch.dir(), &[manifest]);
        let found = opened(scratch.dir(), None).unwrap();
        assert_eq!((found.names, found.layers.len()), (vec!["latest".to_string()], 2));
        assert_eq!((found.config.env, found.config.labels), (vec!["A=b".into()], vec![("l".into(), "m".into())]));
        let layers: Vec<_> = found.layers.iter().map(|layer| (layer.diff_id, layer.size)).collect();
        assert_eq!(layers, [(fixture::digest(b"one"), Some(3)), (fixture::digest(b"two"), Some(3))]);
    }

    #[test]
    fn the_name_and_the_platform_choose() {
        let scratch = Scratch::in_memory("oci-choice");
        let dir = scratch.dir();
        let arm = image(dir, "arm64", &[b"arm"], &on("arm64"));
        let amd = image(dir, "amd64", &[b"amd"], &on("amd64"));
        let nothing = put(dir, MANIFEST, b"{}", r#","platform":{"os":"unknown","architecture":"unknown"}"#);
        let nested = put(dir, INDEX, index(&[arm, nothing, amd]).as_bytes(), &named("many"));
        let other = image(dir, "amd64", &[b"other"], &named("other"));
        let foreign = image(dir, "s390x", &[b"s390x"], &named("foreign"));
        fixture::layout(dir, &[nested, other, foreign]);
        let layer = |reference| opened(dir, Some(reference)).unwrap().layers[0].diff_id;
        assert_eq!(layer("many"), fixture::digest(b"amd"));
        assert_eq!(layer("other"), fixture::digest(b"other"));
        assert_eq!(refused(dir, Some("foreign")), "it holds no image for linux/amd64, only for \"linux/s390x\"");
        assert!(image::open(dir, Some("foreign"), None).is_ok());
        assert_eq!(refused(dir, None), "it holds several images, say which one: \"many\", \"other\"");
        assert!(refused(dir, Some("none")).contains("no image called \"none\", only \"many\", \"other\""));
    }

    #[test]
    fn a_blob_that_is_not_its_digest_or_size_is_refused() {
        let scratch = Scratch::in_memory("oci-blob");
        let dir = scratch.dir();
        let manifest = image(dir, "amd64", &[b"one"], "");
        let digest = Digest::parse(manifest.split('"').nth(7).unwrap()).unwrap();
        fixture::layout(dir, &[manifest]);
        let path = scratch.path().join("blobs/sha256").join(digest.hex());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&bytes[..bytes.len() - 1], b" "].concat()).unwrap();
        assert!(refused(dir, None).contains("its bytes have the digest"));
        std::fs::write(&path, [&bytes[..], b" "].concat()).unwrap();
        assert!(refused(dir, None).contains("bytes, not the"));
        std::fs::remove_file(&path).unwrap();
        assert!(refused(dir, None).contains("is missing: the image is not whole"));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(refused(dir, None).contains("it is a symlink, which is not followed"));
    }

    #[test]
    fn nested_indexes_have_an_end() {
        let scratch = Scratch::in_memory("oci-nested");
        let dir = scratch.dir();
        let nest = |levels: u32| {
            let start = image(dir, "amd64", &[b"one"], "");
            (0..levels).fold(start, |inner, _| put(dir, INDEX, index(&[inner]).as_bytes(), &named(&levels.to_string())))
        };
        let levels = [nest(DEPTH_MAX), nest(DEPTH_MAX + 1)];
        fixture::layout(dir, &levels);
        assert!(opened(dir, Some("4")).is_ok());
        assert!(refused(dir, Some("5")).contains("too deep"));
    }

    /// Ten indexes that each name the one below ten times are ten blobs, and would be a search of 10^4.
    #[test]
    fn a_search_has_an_end() {
        let scratch = Scratch::in_memory("oci-search");
        let dir = scratch.dir();
        let mut inner = image(dir, "amd64", &[b"one"], &on("amd64"));
        for _ in 0..4 {
            inner = put(dir, INDEX, index(&vec![inner; 10]).as_bytes(), "");
        }
        fixture::layout(dir, &[inner]);
        assert!(refused(dir, None).contains("more than"));
    }

    #[test]
    fn confusion_is_refused() {
        let scratch = Scratch::in_memory("oci-confusion");
        let dir = scratch.dir();
        let manifest = image(dir, "amd64", &[b"one"], "");
        let both = format!(r#"{{"schemaVersion":2,"manifests":[{manifest}],"config":{manifest},"layers":[]}}"#);
        let as_manifest = put(dir, MANIFEST, index(std::slice::from_ref(&manifest)).as_bytes(), &named("index"));
        fixture::layout(dir, &[put(dir, INDEX, both.as_bytes(), &named("both")), as_manifest]);
        assert!(refused(dir, Some("both")).contains("it is both an index and a manifest"));
        assert!(refused(dir, Some("index")).contains("it is said to be Manifest, and is Index"));
    }

    #[test]
    fn layers_and_diff_ids_are_as_many() {
        let scratch = Scratch::in_memory("oci-count");
        let dir = scratch.dir();
        let config = put(dir, fixture::CONFIG, fixture::config("amd64", &[b"one"]).as_bytes(), "");
        fixture::layout(dir, &[put(dir, MANIFEST, fixture::manifest(&config, &[]).as_bytes(), "")]);
        assert!(refused(dir, None).contains("its manifest has 0 layers, its config 1"));
    }

    #[test]
    fn what_is_no_image_is_passed_over_or_named() {
        let scratch = Scratch::in_memory("oci-artifact");
        let dir = scratch.dir();
        let chart = put(dir, "application/vnd.cncf.helm.config.v1+json", b"{}", "");
        let chart = put(dir, MANIFEST, fixture::manifest(&chart, &[]).as_bytes(), "");
        let unknown = put(dir, "application/x.something", b"", "");
        fixture::layout(dir, &[chart.clone(), unknown.clone(), image(dir, "amd64", &[b"one"], "")]);
        assert!(opened(dir, None).is_ok());
        let scratch = Scratch::in_memory("oci-artifact-only");
        let chart = put(scratch.dir(), "application/vnd.cncf.helm.config.v1+json", b"{}", "");
        let chart = put(scratch.dir(), MANIFEST, fixture::manifest(&chart, &[]).as_bytes(), "");
        fixture::layout(scratch.dir(), &[chart]);
        assert!(refused(scratch.dir(), None).contains("no container image but a \"application/vnd.cncf.helm"));
    }

    #[test]
    fn directories_that_are_no_layout() {
        let scratch = Scratch::in_memory("oci-none");
        assert!(refused(scratch.dir(), None).contains("neither an OCI layout"));
        fixture::write(scratch.dir(), "repositories", b"{}");
        assert!(refused(scratch.dir(), None).contains("docker before 1.10"));
        fixture::write(scratch.dir(), "oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#);
        assert!(refused(scratch.dir(), None).contains("of version \"2.0.0\", not 1"));
        let scratch = Scratch::in_memory("oci-no-index");
        fixture::write(scratch.dir(), "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        assert!(refused(scratch.dir(), None).contains("has no index.json"));
    }
}
