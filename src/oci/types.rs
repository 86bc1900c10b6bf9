//! The documents of an image (image-spec 1.1: descriptor.md, image-index.md, manifest.md, config.md; Docker's image manifest
//! version 2, schema 2) from JSON; pure.
//!
//! What is read is what everybody else reads, or it is refused: a document is an index or a manifest by what it holds, and
//! what it, and the descriptor that led to it, say of its type must agree (CVE-2021-41190).

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::oci::platform::Platform;
use crate::text::json::{self, Limits, Value};

/// Bytes of an index, manifest or config. Registries take no larger ones.
pub const DOCUMENT_MAX: usize = 4 << 20;
/// Bytes of a layer as it is stored. What comes out of it is bounded by whoever unpacks it.
pub const LAYER_MAX: u64 = 1 << 40;

/// What a descriptor's media type says that its blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Index,
    Manifest,
    Config,
    Layer,
    /// A layer that may be left out of layouts and registries for its licence.
    ForeignLayer,
    Other,
}

impl Type {
    pub fn of(media_type: &str) -> Type {
        match media_type {
            "application/vnd.oci.image.index.v1+json" => Type::Index,
            "application/vnd.docker.distribution.manifest.list.v2+json" => Type::Index,
            "application/vnd.oci.image.manifest.v1+json" => Type::Manifest,
            "application/vnd.docker.distribution.manifest.v2+json" => Type::Manifest,
            "application/vnd.oci.image.config.v1+json" => Type::Config,
            "application/vnd.docker.container.image.v1+json" => Type::Config,
            _ => Type::of_layer(media_type),
        }
    }

    /// The compression is told by the bytes: what stands behind `+` is only known to be one of those.
    fn of_layer(media_type: &str) -> Type {
        let (base, compression) = match media_type.rsplit_once(".tar") {
            Some((base, rest)) => (base, rest.trim_start_matches(['+', '.'])),
            None => return Type::Other,
        };
        match (base, compression) {
            (_, compression) if !matches!(compression, "" | "gzip" | "zstd") => Type::Other,
            ("application/vnd.oci.image.layer.v1" | "application/vnd.docker.image.rootfs.diff", _) => Type::Layer,
            ("application/vnd.oci.image.layer.nondistributable.v1", _) => Type::ForeignLayer,
            ("application/vnd.docker.image.rootfs.foreign.diff", _) => Type::ForeignLayer,
            _ => Type::Other,
        }
    }
}

/// Where a blob is, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    /// Of a manifest in an index; not every tool writes it.
    pub platform: Option<Platform>,
    pub annotations: Vec<(String, String)>,
}

impl Descriptor {
    pub fn kind(&self) -> Type {
        Type::of(&self.media_type)
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn from_json(value: &Value) -> Result<Descriptor> {
        let digest = Digest::parse(text(value, "digest")?).context("digest")?;
        let media_type = text(value, "mediaType")?.to_string();
        let size = need(value, "size")?.as_i64().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| Error::invalid(format!("the size of {digest} is no number of bytes")))?;
        let most = match Type::of(&media_type) {
            Type::Layer | Type::ForeignLayer | Type::Other => LAYER_MAX,
            Type::Index | Type::Manifest | Type::Config => DOCUMENT_MAX as u64,
        };
        if size > most {
            return Err(Error::invalid(format!("{digest} is said to have {size} bytes: at most {most} are read")));
        }
        let platform = optional(value, "platform").map(platform).transpose()?;
        Ok(Descriptor { media_type, digest, size, platform, annotations: strings(value, "annotations")? })
    }
}

/// One of the two documents that lead to layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Index(Index),
    Manifest(Manifest),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Document {
    /// `expected`: what the descriptor that led here says. Errors: `Invalid`.
    pub fn parse(bytes: &[u8], expected: Option<Type>) -> Result<Document> {
        let value = json::parse(bytes, Limits { bytes: DOCUMENT_MAX, ..Limits::default() })?;
        demand_one_reading(&value)?;
        let (found, document) = match (value.get("manifests"), value.get("layers"), value.get("config")) {
            (Some(manifests), None, None) => (Type::Index, Document::Index(index(manifests)?)),
            (None, Some(layers), Some(config)) => (Type::Manifest, Document::Manifest(manifest(config, layers)?)),
            (None, None, _) | (None, Some(_), None) => {
                return Err(Error::invalid("it is neither an index nor a manifest"));
            }
            _ => return Err(Error::invalid("it is both an index and a manifest")),
        };
        let told = optional(&value, "mediaType").map(|told| told.as_str().ok_or_else(|| wrong("mediaType", "text")));
        if let Some(told) = told.transpose()? {
            demand_type(Type::of(told), found, told)?;
        }
        match expected {
            Some(expected) if expected != found => {
                Err(Error::invalid(format!("it is said to be {expected:?}, and is {found:?}")))
            }
            _ => Ok(document),
        }
    }
}

/// Readers that take no notice of case (Go's is one) must not see another document.
fn demand_one_reading(value: &Value) -> Result<()> {
    const MEANT: [&str; 6] = ["schemaVersion", "mediaType", "manifests", "layers", "config", "fsLayers"];
    let pairs = value.as_object().ok_or_else(|| Error::invalid("it is no JSON object"))?;
    for (key, _) in pairs {
        if MEANT.iter().any(|meant| meant.eq_ignore_ascii_case(key) && meant != key) {
            return Err(Error::invalid(format!("{key:?} is written in an unusual way")));
        }
    }
    match (value.get("schemaVersion").and_then(Value::as_i64), value.get("fsLayers")) {
        (Some(2), None) => Ok(()),
        (Some(1), _) | (_, Some(_)) => {
            Err(Error::invalid("it is of Docker's image schema 1: make the image anew with a tool of after 2017"))
        }
        (version, _) => Err(Error::invalid(format!("its schemaVersion is {version:?}, not 2"))),
    }
}

fn demand_type(told: Type, found: Type, media_type: &str) -> Result<()> {
    if told == found {
        return Ok(());
    }
    Err(Error::invalid(format!("it says that it is a {media_type:?}, and is {found:?}")))
}

fn index(manifests: &Value) -> Result<Index> {
    Ok(Index { manifests: each(manifests, "manifests", Descriptor::from_json)? })
}

fn manifest(config: &Value, layers: &Value) -> Result<Manifest> {
    let config = Descriptor::from_json(config).context("config")?;
    Ok(Manifest { config, layers: each(layers, "layers", Descriptor::from_json)? })
}

impl Manifest {
    /// Manifests are used for charts, signatures and anything else too. Errors: `Invalid`, with the other media type.
    pub fn demand_image(&self) -> Result<()> {
        if self.config.kind() != Type::Config {
            return Err(Error::invalid(format!("it is no container image but a {:?}", self.config.media_type)));
        }
        match self.layers.iter().find(|layer| !matches!(layer.kind(), Type::Layer | Type::ForeignLayer)) {
            Some(layer) => Err(Error::invalid(format!("layer {}: {:?} is no layer", layer.digest, layer.media_type))),
            None => Ok(()),
        }
    }
}

/// What a config says of the machine and the layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub platform: Option<Platform>,
    /// The digests of the layers' tar streams, lowest first.
    pub diff_ids: Vec<Digest>,
    pub labels: Vec<(String, String)>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
}

impl Config {
    /// Errors: `Invalid`.
    pub fn parse(bytes: &[u8]) -> Result<Config> {
        let value = json::parse(bytes, Limits { bytes: DOCUMENT_MAX, ..Limits::default() })?;
        let rootfs = need(&value, "rootfs")?;
        match text(rootfs, "type").context("rootfs")? {
            "layers" => {}
            other => return Err(Error::invalid(format!("rootfs is of type {other:?}, not layers"))),
        }
        let diff_id = |value: &Value| Digest::parse(value.as_str().ok_or_else(|| wrong("it", "text"))?);
        let diff_ids = each(need(rootfs, "diff_ids")?, "diff_ids", diff_id)?;
        let architecture = optional(&value, "architecture").and_then(Value::as_str).unwrap_or_default();
        let platform = if architecture.is_empty() { None } else { Some(platform(&value)?) };
        let (labels, env) = match optional(&value, "config") {
            Some(config) => (strings(config, "Labels")?, environment(config)?),
            None => Default::default(),
        };
        Ok(Config { platform, diff_ids, labels, env })
    }
}

fn environment(config: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_string).ok_or_else(|| wrong("it", "text"));
    optional(config, "Env").map_or(Ok(Vec::new()), |env| each(env, "Env", text))
}

fn platform(value: &Value) -> Result<Platform> {
    let variant = optional(value, "variant").map(|_| text(value, "variant")).transpose()?;
    Ok(Platform {
        os: text(value, "os")?.to_string(),
        architecture: text(value, "architecture")?.to_string(),
        variant: variant.filter(|variant| !variant.is_empty()).map(str::to_string),
    })
}

fn wrong(key: &str, wanted: &str) -> Error {
    Error::invalid(format!("{key} is no {wanted}"))
}

fn need<'a>(value: &'a Value, key: &str) -> Result<&'a Value> {
    value.get(key).ok_or_else(|| Error::invalid(format!("{key} is missing")))
}

/// What is null is not there: Go writes its empty lists and maps so.
pub(super) fn optional<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| **value != Value::Null)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    need(value, key)?.as_str().ok_or_else(|| wrong(key, "text"))
}

/// An array's values, each made into something; an error says which.
pub(super) fn each<T>(value: &Value, key: &str, make: impl Fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    if *value == Value::Null {
        return Ok(Vec::new());
    }
    let values = value.as_array().ok_or_else(|| wrong(key, "list"))?;
    let numbered = values.iter().enumerate();
    numbered.map(|(number, value)| make(value).with_context(|| format!("{key}[{number}]"))).collect()
}

/// A map from text to text; none when it is missing.
fn strings(value: &Value, key: &str) -> Result<Vec<(String, String)>> {
    let Some(map) = optional(value, key) else { return Ok(Vec::new()) };
    let pairs = map.as_object().ok_or_else(|| wrong(key, "map"))?.iter();
    let pair = |(name, value): &(String, Value)| {
        let value = value.as_str().ok_or_else(|| wrong(&format!("{key}: {name:?}"), "text"))?;
        Ok((name.clone(), value.to_string()))
    };
    pairs.map(pair).collect()
}
