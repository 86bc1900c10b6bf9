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
    // As 'skopeo copy' to a directory writes it: one image's manifest, where this format has a list of images.
    if value.get("layers").is_some() {
        return Err(Error::invalid(
            "it is the manifest of one image, as 'skopeo copy' writes to a 'dir:': have skopeo make an oci-archive of it",
        ));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{fixture, image};
    use crate::sys::tree::Scratch;

    fn hex(bytes: &[u8]) -> String {
        fixture::digest(bytes).hex()
    }

    /// The files of one image, and its part of manifest.json.
    fn save(dir: &Dir, architecture: &str, tag: &str, layers: &[(&str, &[u8])]) -> String {
        let bytes: Vec<&[u8]> = layers.iter().map(|(_, bytes)| *bytes).collect();
        let config = fixture::config(architecture, &bytes);
        let name = format!("{}.json", hex(config.as_bytes()));
        fixture::write(dir, &name, config.as_bytes());
        let paths: Vec<String> = layers.iter().map(|(path, _)| format!("{path:?}")).collect();
        layers.iter().for_each(|(path, bytes)| fixture::write(dir, path, bytes));
        format!(r#"{{"Config":"{name}","RepoTags":["{tag}"],"Layers":[{}]}}"#, paths.join(","))
    }

    fn opened(dir: &Dir, reference: Option<&str>) -> std::result::Result<Image, String> {
        let here = Platform::parse("linux/amd64").unwrap();
        image::open(dir, reference, Some(&here)).map_err(|error| error.to_string())
    }

    #[test]
    fn images_of_each_form() {
        let scratch = Scratch::in_memory("docker-forms");
        let (a, b) = (format!("{}/layer.tar", hex(b"any")), format!("{}.tar", hex(b"two")));
        let one = save(scratch.dir(), "amd64", "one:1", &[(&a, b"one"), (&b, b"two")]);
        let two = save(scratch.dir(), "amd64", "reg.io/two:1", &[]);
        let arm = save(scratch.dir(), "arm64", "one:1", &[]);
        fixture::write(scratch.dir(), "manifest.json", format!("[{one},{two},{arm}]").as_bytes());
        let found = opened(scratch.dir(), Some("one:1")).unwrap();
        assert_eq!(
            found.layers.iter().map(|layer| layer.diff_id.hex()).collect::<Vec<_>>(),
            [hex(b"one"), hex(b"two")]
        );
        assert_eq!(opened(scratch.dir(), Some("two:1")).unwrap().layers.len(), 0);
        assert_eq!(
            opened(scratch.dir(), None).unwrap_err(),
            "it holds several images, say which one: \"one:1\", \"reg.io/two:1\""
        );
    }

    #[test]
    fn a_config_that_is_not_its_name_is_refused() {
        let scratch = Scratch::in_memory("docker-config");
        let name = format!("{}.json", hex(b"another"));
        fixture::write(scratch.dir(), &name, fixture::config("amd64", &[]).as_bytes());
        fixture::write(scratch.dir(), "manifest.json", format!(r#"[{{"Config":"{name}","Layers":null}}]"#).as_bytes());
        assert!(opened(scratch.dir(), None).unwrap_err().contains("its bytes have the digest"));
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        let a = hex(b"a");
        for (config, layer) in [
            ("../../etc/passwd", format!("{a}.tar")),
            ("/etc/passwd", format!("{a}.tar")),
            ("manifest.json", format!("{a}.tar")),
            ("", format!("{a}.tar")),
            (&format!("{a}.json"), "../x".into()),
            (&format!("{a}.json"), "index.json".into()),
            (&format!("{a}.json"), format!("{a}/../../layer.tar")),
        ] {
            let text = format!(r#"[{{"Config":"{config}","RepoTags":[],"Layers":["{layer}"]}}]"#);
            assert!(parse(text.as_bytes()).unwrap_err().to_string().contains("is no file of an image"), "{text}");
        }
        let error = parse(br#"{"schemaVersion":2,"config":{},"layers":[]}"#).unwrap_err().to_string();
        assert!(error.contains("skopeo make an oci-archive"), "{error}");
        assert!(parse(b"{}").is_err() && parse(b"[7]").is_err() && parse(br#"[{"Layers":[]}]"#).is_err());
        assert!(
            parse(&format!("[{}]", vec![format!(r#"{{"Config":"{a}.json"}}"#); 257].join(",")).into_bytes()).is_err()
        );
    }
}
