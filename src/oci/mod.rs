//! OCI images (image-spec 1.1) and `docker save` archives: what their documents say, and where their blobs are.

pub mod blobs;
pub mod docker;
pub mod image;
pub mod layout;
pub mod member;
pub mod platform;
pub mod select;
pub mod spool;
pub mod types;

/// Images for tests, written by hand into a directory.
#[cfg(test)]
pub mod fixture {
    use crate::digest::{Algorithm, Digest};
    use crate::oci::member::Member;
    use crate::sys::dir::Dir;
    use std::io::Write;

    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

    pub fn digest(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    pub fn write(dir: &Dir, path: &str, bytes: &[u8]) {
        Member::parse(path.as_bytes()).unwrap().create(dir).unwrap().write_all(bytes).unwrap();
    }

    /// Stores a blob and gives its descriptor; `more` are further members of it, with a comma in front.
    pub fn put(dir: &Dir, media_type: &str, bytes: &[u8], more: &str) -> String {
        match Member::Blob(digest(bytes)).create(dir) {
            Ok(mut file) => file.write_all(bytes).unwrap(),
            // It is there already.
            Err(error) => assert_eq!(*error.kind(), crate::error::Kind::Exists, "{error}"),
        }
        descriptor(media_type, &digest(bytes).to_string(), bytes.len() as i64, more)
    }

    pub fn descriptor(media_type: &str, digest: &str, size: i64, more: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{more}}}"#)
    }

    pub fn named(name: &str) -> String {
        format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#)
    }

    pub fn on(architecture: &str) -> String {
        format!(r#","platform":{{"os":"linux","architecture":"{architecture}"}}"#)
    }

    pub fn config(architecture: &str, layers: &[&[u8]]) -> String {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", digest(layer))).collect();
        format!(
            r#"{{"os":"linux","architecture":"{architecture}","config":{{"Env":["A=b"],"Labels":{{"l":"m"}}}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        )
    }

    pub fn manifest(config: &str, layers: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{}]}}"#, layers.join(","))
    }

    pub fn index(manifests: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, manifests.join(","))
    }

    /// Stores an image of plain layers and gives its manifest's descriptor.
    pub fn image(dir: &Dir, architecture: &str, layers: &[&[u8]], more: &str) -> String {
        let config = put(dir, CONFIG, config(architecture, layers).as_bytes(), "");
        let layers: Vec<String> = layers.iter().map(|layer| put(dir, LAYER, layer, "")).collect();
        put(dir, MANIFEST, manifest(&config, &layers).as_bytes(), more)
    }

    /// A layout with these images.
    pub fn layout(dir: &Dir, manifests: &[String]) {
        write(dir, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        write(dir, "index.json", index(manifests).as_bytes());
    }

    /// One file, directory (the path ends in `/`), symlink or hard link (`-> ` and `=> ` in the content) for [`tar`].
    pub type Item<'a> = (&'a str, &'a str);

    /// A ustar archive.
    pub fn tar(items: &[Item<'_>]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (path, content) in items {
            let (kind, link, content) = match (content.strip_prefix("-> "), content.strip_prefix("=> ")) {
                (Some(target), _) => (b'2', target, ""),
                (_, Some(target)) => (b'1', target, ""),
                _ if path.ends_with('/') => (b'5', "", ""),
                _ => (b'0', "", *content),
            };
            archive.extend(header(path, kind, link, content.len()));
            archive.extend(content.as_bytes());
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    fn header(path: &str, kind: u8, link: &str, size: usize) -> [u8; 512] {
        let mut header = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, if kind == b'5' { b"0000755\0" } else { b"0000644\0" });
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{size:011o}\0").as_bytes());
        put(136, b"00000000001\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }
}
