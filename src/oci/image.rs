//! One image that was found on disk, whichever tool wrote it: its config, and its layers to be opened one after the other.

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::oci::blobs::{Blob, read_whole};
use crate::oci::member::Member;
use crate::oci::platform::Platform;
use crate::oci::types::{Config, DOCUMENT_MAX, LAYER_MAX};
use crate::oci::{docker, layout};
use crate::sys::dir::Dir;
use crate::sys::meta;
use std::fs::File;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Of its manifest; of an archive of `docker save`, of its config (docker's image ID).
    pub digest: Digest,
    pub names: Vec<String>,
    pub config: Config,
    /// Lowest first, as many as the config has diff_ids.
    pub layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of its tar stream.
    pub diff_id: Digest,
    pub member: Member,
    /// Of the file, where a descriptor says it.
    pub size: Option<u64>,
    /// It may be missing, by its media type.
    pub foreign: bool,
}

/// Who describes the image: some archives have both descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `oci-layout` and `index.json`.
    Layout,
    /// `manifest.json` of `docker save`.
    Docker,
}

/// The image by the description that is demanded; None: the one that is there, OCI's first.
///
/// Errors: as `open`; `Invalid` when that description is not there.
pub fn open_as(
    dir: &Dir,
    flavour: Option<Flavour>,
    reference: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Image> {
    match flavour {
        None => open(dir, reference, platform),
        Some(Flavour::Layout) if layout::is_layout(dir)? => layout::open(dir, reference, platform),
        Some(Flavour::Docker) if docker::is_archive(dir)? => docker::open(dir, reference, platform),
        Some(Flavour::Layout) if docker::is_archive(dir)? => {
            Err(Error::invalid("it has no oci-layout: it looks like what 'docker save' writes (docker-archive)"))
        }
        Some(Flavour::Docker) if layout::is_layout(dir)? => {
            Err(Error::invalid("it has no manifest.json: it looks like an OCI layout (oci-archive)"))
        }
        Some(_) => Err(Error::invalid("it holds no image: it looks like a tar archive of files")),
    }
}

/// The image in an OCI layout, or in what `docker save` wrote. `reference`: its name, when there are several; `platform`:
/// what it has to run on, None: anything.
///
/// Errors: `Invalid`, `NotFound` (nothing fits) and `Usage` (several do).
pub fn open(dir: &Dir, reference: Option<&str>, platform: Option<&Platform>) -> Result<Image> {
    if layout::is_layout(dir)? {
        return layout::open(dir, reference, platform);
    }
    if docker::is_archive(dir)? {
        return docker::open(dir, reference, platform);
    }
    match Member::Fixed("repositories").open(dir)? {
        Some(_) => Err(Error::invalid("it was saved by docker before 1.10: save it again with a newer one")),
        None => Err(Error::invalid("it is neither an OCI layout (oci-layout) nor of docker save (manifest.json)")),
    }
}

impl Image {
    /// The stored bytes of a layer, checked while they are read. Errors: the blob is missing.
    pub fn open_layer(&self, dir: &Dir, layer: &Layer) -> Result<Blob<File>> {
        let Some(file) = layer.member.open(dir)? else {
            return Err(Error::invalid(match layer.foreign {
                true => format!(
                    "layer {} is a foreign one that its licence keeps out of the image: it cannot be had",
                    layer.member
                ),
                false => format!("layer {} is missing: the image is not whole", layer.member),
            }));
        };
        blob(&layer.member, file, layer.size, LAYER_MAX)
    }
}

/// A small file of the image, whole and checked. None: it is not there.
pub(super) fn read_member(dir: &Dir, member: &Member, size: Option<u64>) -> Result<Option<Vec<u8>>> {
    let Some(file) = member.open(dir)? else { return Ok(None) };
    let whole = blob(member, file, size, DOCUMENT_MAX as u64).and_then(|blob| read_whole(blob, DOCUMENT_MAX));
    whole.with_context(|| member.to_string()).map(Some)
}

fn blob(member: &Member, file: File, told: Option<u64>, most: u64) -> Result<Blob<File>> {
    let size = meta::of(&file)?.size;
    let told = told.unwrap_or(size);
    if size != told {
        return Err(Error::invalid(format!("{member} has {size} bytes, not the {told} it should have")));
    }
    if size > most {
        return Err(Error::invalid(format!("{member} has {size} bytes: at most {most} are read")));
    }
    Ok(match member.digest() {
        Some(digest) => Blob::new(file, digest, size),
        None => Blob::unnamed(file, member.to_string(), size),
    })
}
