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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::fixture::{CONFIG, INDEX, LAYER, MANIFEST, descriptor};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn described(media_type: &str) -> String {
        descriptor(media_type, DIGEST, 7, "")
    }

    /// A manifest without its outer braces and version.
    fn image() -> String {
        format!(r#""config":{},"layers":[{}]"#, described(CONFIG), described(LAYER))
    }

    fn told(text: &str, expected: Option<Type>) -> String {
        match Document::parse(text.as_bytes(), expected) {
            Ok(Document::Index(index)) => format!("index {}", index.manifests.len()),
            Ok(Document::Manifest(manifest)) => match manifest.demand_image() {
                Ok(()) => format!("manifest {}", manifest.layers.len()),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn media_types() {
        for (media_type, kind) in [
            (INDEX, Type::Index),
            (MANIFEST, Type::Manifest),
            (CONFIG, Type::Config),
            (LAYER, Type::Layer),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Type::Layer),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Type::Layer),
            ("application/vnd.docker.image.rootfs.diff.tar", Type::Layer),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Type::Layer),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", Type::Layer),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Type::ForeignLayer),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Type::ForeignLayer),
            ("application/vnd.docker.distribution.manifest.v2+json", Type::Manifest),
            ("application/vnd.docker.distribution.manifest.list.v2+json", Type::Index),
            ("application/vnd.docker.container.image.v1+json", Type::Config),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", Type::Other),
            ("application/vnd.oci.image.layer.v1.tar+lzma", Type::Other),
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", Type::Other),
            ("application/vnd.in-toto+json", Type::Other),
            ("application/x.tar", Type::Other),
            ("", Type::Other),
        ] {
            assert_eq!(Type::of(media_type), kind, "{media_type}");
        }
    }

    #[test]
    fn documents_with_and_without_their_media_type() {
        let manifest = format!(r#"{{"schemaVersion":2,{}}}"#, image());
        assert_eq!(told(&manifest, None), "manifest 1");
        assert_eq!(told(&manifest, Some(Type::Manifest)), "manifest 1");
        let typed = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","annotations":{{}},{}}}"#, image());
        assert_eq!(told(&typed, Some(Type::Manifest)), "manifest 1");
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{0},{0}]}}"#, described(MANIFEST));
        assert_eq!(told(&index, None), "index 2");
        assert_eq!(told(r#"{"schemaVersion":2,"manifests":null}"#, None), "index 0");
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        let docker = format!(r#"{{"schemaVersion":2,"mediaType":"{docker}",{}}}"#, image());
        assert_eq!(told(&docker, Some(Type::Manifest)), "manifest 1");
    }

    /// CVE-2021-41190.
    #[test]
    fn a_document_that_is_two_is_refused() {
        let manifests = format!(r#""manifests":[{}]"#, described(MANIFEST));
        for (body, told_) in [
            (format!("{manifests},{}", image()), "it is both an index and a manifest"),
            (format!(r#"{manifests},"layers":[]"#), "it is both an index and a manifest"),
            (format!(r#"{manifests},"layers":null"#), "it is both an index and a manifest"),
            (format!(r#"{manifests},"config":{}"#, described(CONFIG)), "it is both an index and a manifest"),
            (
                format!(r#"{manifests},"mediaType":"{MANIFEST}""#),
                &format!("it says that it is a {MANIFEST:?}, and is Index"),
            ),
            (
                format!(r#"{},"mediaType":"{INDEX}""#, image()),
                &format!("it says that it is a {INDEX:?}, and is Manifest"),
            ),
            (
                format!(r#"{},"mediaType":"{CONFIG}""#, image()),
                &format!("it says that it is a {CONFIG:?}, and is Manifest"),
            ),
            (format!(r#"{},"mediaType":7"#, image()), "mediaType is no text"),
            (format!(r#"{},"Manifests":[]"#, image()), "\"Manifests\" is written in an unusual way"),
            (format!(r#"{manifests},"LAYERS":[]"#), "\"LAYERS\" is written in an unusual way"),
            (r#""layers":[]"#.to_string(), "it is neither an index nor a manifest"),
            (format!(r#""config":{}"#, described(CONFIG)), "it is neither an index nor a manifest"),
        ] {
            assert_eq!(told(&format!(r#"{{"schemaVersion":2,{body}}}"#), None), told_, "{body}");
        }
        let manifest = format!(r#"{{"schemaVersion":2,{}}}"#, image());
        assert_eq!(told(&manifest, Some(Type::Index)), "it is said to be Index, and is Manifest");
        let twice = format!(r#"{{"schemaVersion":2,{},"layers":[]}}"#, image());
        assert!(told(&twice, None).contains("stands there twice"));
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        assert!(told(r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#, None).contains("image schema 1"));
        assert!(told(&format!(r#"{{"schemaVersion":2,"fsLayers":[],{}}}"#, image()), None).contains("image schema 1"));
        assert!(told(&format!(r#"{{{}}}"#, image()), None).contains("schemaVersion is None"));
        assert!(told(&format!(r#"{{"schemaVersion":"2",{}}}"#, image()), None).contains("schemaVersion is None"));
        assert_eq!(told("[]", None), "it is no JSON object");
        assert_eq!(told("7", None), "it is no JSON object");
    }

    /// CVE-2024-3727, and sizes that are none.
    #[test]
    fn descriptors_are_checked() {
        let with = |descriptor: &str| {
            told(&format!(r#"{{"schemaVersion":2,"config":{},"layers":[{descriptor}]}}"#, described(CONFIG)), None)
        };
        assert_eq!(with(&descriptor(LAYER, DIGEST, 0, "")), "manifest 1");
        assert!(with(&descriptor(LAYER, &DIGEST.to_uppercase(), 0, "")).contains("no sha256 or sha512 digest"));
        assert!(
            with(&descriptor(LAYER, "sha256:../../../etc/passwd", 0, "")).contains("layers[0]: digest: \"sha256:../")
        );
        assert!(with(&descriptor(LAYER, &DIGEST.replace("sha256", "sha512"), 0, "")).contains("no sha256 or sha512"));
        assert!(with(&descriptor(LAYER, DIGEST, -1, "")).contains("is no number of bytes"));
        assert!(with(&descriptor(LAYER, DIGEST, i64::MAX, "")).contains("at most 1099511627776 are read"));
        assert!(with(&descriptor(LAYER, DIGEST, 0, "").replace(":0}", ":1.5}")).contains("is no number of bytes"));
        assert!(with(&descriptor(LAYER, DIGEST, 0, "").replace(":0}", ":1e3}")).contains("is no number of bytes"));
        assert!(with(&descriptor(CONFIG, DIGEST, 5 << 20, "")).contains("at most 4194304 are read"));
        assert_eq!(with(&format!(r#"{{"digest":"{DIGEST}","size":1}}"#)), "layers[0]: mediaType is missing");
        assert_eq!(with("[]"), "layers[0]: digest is missing");
        assert_eq!(
            with(&described("application/vnd.in-toto+json")),
            format!("layer {DIGEST}: \"application/vnd.in-toto+json\" is no layer")
        );
        let chart = "application/vnd.cncf.helm.config.v1+json";
        let text = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, described(chart));
        assert_eq!(told(&text, None), format!("it is no container image but a {chart:?}"));
    }

    #[test]
    fn configs() {
        let config = |text: &str| Config::parse(text.as_bytes());
        let rootfs = format!(r#""rootfs":{{"type":"layers","diff_ids":["{DIGEST}"]}}"#);
        let full = config(&format!(
            r#"{{"os":"linux","architecture":"arm64","variant":"v8","config":{{"Labels":{{"a":"b"}},"Env":["X=y"]}},{rootfs}}}"#
        ))
        .unwrap();
        assert_eq!(full.platform, Some(Platform::parse("linux/arm64/v8").unwrap()));
        assert_eq!((full.labels, full.env), (vec![("a".into(), "b".into())], vec!["X=y".into()]));
        assert_eq!(full.diff_ids.len(), 1);
        let bare = config(&format!(r#"{{"architecture":"","config":{{"Labels":null,"Env":null}},{rootfs}}}"#)).unwrap();
        assert_eq!((bare.platform, bare.labels.len(), bare.env.len()), (None, 0, 0));
        for text in [
            "{}".to_string(),
            r#"{"rootfs":{"type":"layers"}}"#.into(),
            r#"{"rootfs":{"type":"layers+base","diff_ids":[]}}"#.into(),
            r#"{"rootfs":{"type":"layers","diff_ids":["sha256:00"]}}"#.into(),
            r#"{"rootfs":{"type":"layers","diff_ids":[7]}}"#.into(),
            format!(r#"{{"os":"linux","architecture":"arm64","config":{{"Labels":["a"]}},{rootfs}}}"#),
            format!(r#"{{"os":"linux","architecture":"arm64","config":{{"Env":"a"}},{rootfs}}}"#),
            format!(r#"{{"architecture":"arm64",{rootfs}}}"#),
        ] {
            assert!(config(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_document_cut_anywhere_is_refused() {
        let text = format!(r#"{{"schemaVersion":2,{}}}"#, image());
        for end in 0..text.len() {
            assert!(Document::parse(&text.as_bytes()[..end], None).is_err(), "{end}");
        }
    }
}
