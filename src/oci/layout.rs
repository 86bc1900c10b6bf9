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
        version => Err(Error::invalid(format!("the OCI layout is of version {version:?}, not 1"))),
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
