//! What `docker save` writes beside, or instead of, a layout: `manifest.json`, a list of images with the names of their
//! config's and layers' files (moby's image/spec/v1.2.md; the same of podman, skopeo, bazel and others).

use crate::digest::{Algorithm, Digest};
use crate::error::{Context, Error, Result};
use crate::oci::image::{Image, Layer, read_member};
use crate::oci::member::Member;
use crate::oci::platform::Platform;
use crate::oci::select::{self, Candidate};
use crate::oci::types::{Config, DOCUMENT_MAX, each, text};
use crate::sys::dir::Dir;
use crate::text::json::{self, Limits, Value};

const MANIFEST: Member = Member::Fixed("manifest.json");
/// Images of one archive.
const IMAGES_MAX: usize = 256;

/// One image as `manifest.json` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub config: Member,
    pub tags: Vec<String>,
    pub layers: Vec<Member>,
}

/// The images of a `manifest.json`; pure. Errors: `Invalid`.
pub fn parse(bytes: &[u8]) -> Result<Vec<Saved>> {
    let value = json::parse(bytes, Limits { bytes: DOCUMENT_MAX, ..Limits::default() })?;
    let images = each(&value, "it", saved)?;
    match images.len() > IMAGES_MAX {
        true => Err(Error::invalid(format!("it names more than {IMAGES_MAX} images"))),
        false => Ok(images),
    }
}

fn saved(value: &Value) -> Result<Saved> {
    let null = Value::Null;
    let list = |key: &str| value.get(key).unwrap_or(&null);
    let tag = |value: &Value| value.as_str().map(str::to_string).ok_or_else(|| Error::invalid("it is no text"));
    let layer = |value: &Value| member(value.as_str().unwrap_or_default());
    Ok(Saved {
        config: member(text(value, "Config")?)?,
        tags: each(list("RepoTags"), "RepoTags", tag)?,
        layers: each(list("Layers"), "Layers", layer)?,
    })
}

fn member(path: &str) -> Result<Member> {
    let member = Member::parse(path.as_bytes()).filter(|member| !matches!(member, Member::Fixed(_)));
    let shown: String = path.chars().take(160).collect();
    member.ok_or_else(|| Error::invalid(format!("{shown:?} is no file of an image")))
}

/// Whether there is a `manifest.json`.
pub fn is_archive(dir: &Dir) -> Result<bool> {
    Ok(MANIFEST.open(dir)?.is_some())
}

pub(super) fn open(dir: &Dir, reference: Option<&str>, platform: Option<&Platform>) -> Result<Image> {
    let bytes = read_member(dir, &MANIFEST, None)?.unwrap_or_default();
    let images = parse(&bytes).context("manifest.json")?;
    let candidates = images.iter().map(|saved| candidate(dir, saved)).collect::<Result<Vec<_>>>()?;
    let chosen = select::choose(&candidates, reference, platform)?;
    let saved = candidates.iter().position(|candidate| candidate == chosen).and_then(|number| images.get(number));
    let saved = saved.ok_or_else(|| Error::failed("the image was lost"))?;
    image(dir, chosen, saved).with_context(|| format!("image {}", chosen.digest))
}

fn read_config(dir: &Dir, saved: &Saved) -> Result<Vec<u8>> {
    let bytes = read_member(dir, &saved.config, None)?;
    bytes.ok_or_else(|| Error::invalid(format!("config {} is missing: the image is not whole", saved.config)))
}

fn candidate(dir: &Dir, saved: &Saved) -> Result<Candidate> {
    let bytes = read_config(dir, saved)?;
    let config = Config::parse(&bytes).with_context(|| format!("config {}", saved.config))?;
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    Ok(Candidate { names: saved.tags.clone(), digest, platform: config.platform })
}

fn image(dir: &Dir, chosen: &Candidate, saved: &Saved) -> Result<Image> {
    let config = Config::parse(&read_config(dir, saved)?)?;
    let (layers, diff_ids) = (saved.layers.len(), config.diff_ids.len());
    if layers != diff_ids {
        return Err(Error::invalid(format!("manifest.json has {layers} layers, its config {diff_ids}")));
    }
    let layer = |(member, diff_id): (&Member, &Digest)| Layer {
        diff_id: *diff_id,
        member: member.clone(),
        size: None,
        foreign: false,
    };
    let layers = saved.layers.iter().zip(&config.diff_ids).map(layer).collect();
    Ok(Image { digest: chosen.digest, names: chosen.names.clone(), config, layers })
}
