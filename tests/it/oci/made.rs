//! Layouts written by hand, with whatever is to be wrong in them.

use crate::sandbox::Sandbox;
use crate::tar::made::{Header, Tape};
use crate::trees::Stage;
use sdme::digest::{Algorithm, Digest};
use sdme::error::Result;
use sdme::rootfs::unpack::oci::{ImageInfo, unpack_layout};
use sdme::sys::dir::Dir;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

pub fn digest(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, bytes).to_string()
}

/// A layer as its manifest and config will tell of it; each may lie.
#[derive(Clone)]
pub struct Layer {
    pub media_type: String,
    pub stored: Option<Vec<u8>>,
    pub digest: String,
    pub size: usize,
    pub diff_id: String,
}

impl Layer {
    /// Honest, of a tar stream and what is stored of it.
    pub fn of(plain: &[u8], stored: Vec<u8>) -> Layer {
        let (digest, diff_id) = (digest(&stored), digest(plain));
        Layer { media_type: LAYER.into(), digest, size: stored.len(), diff_id, stored: Some(stored) }
    }

    pub fn plain(plain: &[u8]) -> Layer {
        Layer::of(plain, plain.to_vec())
    }
}

/// Gives bytes to a tool and takes what comes out; None when it is not here.
pub fn through(tool: &str, options: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(tool).args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{tool} {options:?}");
    Some(output.stdout)
}

pub struct Layout {
    pub sandbox: Sandbox,
}

impl Layout {
    pub fn new(name: &str) -> Layout {
        let sandbox = Sandbox::new(&format!("layout-{name}"));
        fs::create_dir_all(sandbox.dir.join("image/blobs/sha256")).unwrap();
        let layout = Layout { sandbox };
        fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        layout
    }

    pub fn path(&self) -> PathBuf {
        self.sandbox.dir.join("image")
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> String {
        fs::write(self.blob(&digest(bytes)), bytes).unwrap();
        descriptor(media_type, &digest(bytes), bytes.len())
    }

    /// The only image of the layout.
    pub fn image(self, layers: &[Layer]) -> Layout {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("{:?}", layer.diff_id)).collect();
        let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, diff_ids.join(","));
        let config = self.put("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let mut descriptors = Vec::new();
        for layer in layers {
            if let Some(stored) = &layer.stored {
                fs::write(self.blob(&layer.digest), stored).unwrap();
            }
            descriptors.push(descriptor(&layer.media_type, &layer.digest, layer.size));
        }
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#, descriptors.join(","));
        let manifest = self.put("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
        let name = r#","annotations":{"org.opencontainers.image.ref.name":"t"}}"#;
        let manifest = manifest.trim_end_matches('}').to_string() + name;
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#);
        fs::write(self.path().join("index.json"), index).unwrap();
        self
    }

    /// Flattens its image into the stage.
    pub fn unpack(&self, stage: &Stage) -> Result<ImageInfo> {
        let mut writer = stage.writer();
        let info = unpack_layout(&Dir::open(&self.path()).unwrap(), None, None, &mut writer)?;
        writer.finish()?;
        Ok(info)
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// A tar stream of directories (`a/`), files (`a`, its own path in it), symlinks (`a -> b`) and hard links (`a => b`).
pub fn tar(items: &[&str]) -> Vec<u8> {
    let mut tape = Tape::default();
    for item in items {
        if let Some((path, target)) = item.split_once(" -> ") {
            tape.put(Header::new(path.as_bytes(), b'2', 0).link(target.as_bytes()), b"");
        } else if let Some((path, target)) = item.split_once(" => ") {
            tape.put(Header::new(path.as_bytes(), b'1', 0).link(target.as_bytes()), b"");
        } else if item.ends_with('/') {
            tape.put(Header::new(item.as_bytes(), b'5', 0).set(100, b"0000755"), b"");
        } else {
            tape.file(item, item.as_bytes());
        }
    }
    tape.end()
}
