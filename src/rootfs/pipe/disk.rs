//! A disk image, as a file here or as a stream: which file the kernel is shown, and when.

use crate::error::Result;
use crate::rootfs::import::{self, Surroundings};
use crate::rootfs::pipe::{Job, Unpacked};
use crate::rootfs::progress::Step;
use crate::rootfs::seal::{self, Seal};
use crate::rootfs::sniff::{self, Form, Packing};
use crate::rootfs::unpack::disk;
use crate::rootfs::writer::Writer;
use crate::stream::decompress::{self, Compression};
use crate::sys::source;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::Receiver;

/// To read all of a sparse disk for its digest would cost more than the import, and somebody could write to it meanwhile.
const NO_DIGEST: &str = "its source has no digest: it was read where it is, and only what was needed of it \
                         (--sha256 or --sums have all of it read, checked, and kept from changing)";

/// A disk image that comes as a stream: put into the stage, its zeros as holes. The kernel is shown nothing before the
/// whole of it is what was demanded.
pub fn unpack_stream(
    bytes: impl Read,
    packing: Packing,
    ending: &str,
    seal: &Receiver<Result<Seal>>,
    around: &Surroundings<'_>,
    job: &Job<'_>,
    writer: Writer,
) -> Result<Unpacked> {
    job.image.refuse_name()?;
    let file = disk::scratch(job.stage)?;
    disk::fill(bytes, &file, disk::Most { length: job.bounds.disk, data: job.bounds.bytes })?;
    let seal = seal::seen(seal)?;
    around.progress.enter(Step::Copying);
    let heed = |_| around.watch.check();
    let unpacked = disk_image(file, packing, true, &heed, around, job, writer)?;
    Ok(Unpacked { form: format!("{}{ending}", unpacked.form), seal: Some(seal), ..unpacked })
}

/// A disk image that is a file here, and of which nothing is demanded: read where it is, and only what is needed of it.
pub fn local(path: &Path) -> Result<Option<(File, Packing)>> {
    let Some(file) = source::open_regular(path)? else { return Ok(None) };
    let mut head = Vec::new();
    (&file).take(sniff::HEAD as u64).read_to_end(&mut head)?;
    match (decompress::sniff(&head), sniff::form(&head)) {
        (Compression::None, Ok(Form::Disk(packing))) => Ok(Some((file, packing))),
        _ => Ok(None),
    }
}

pub fn unpack_local(
    file: File,
    packing: Packing,
    around: &Surroundings<'_>,
    job: &Job<'_>,
    writer: Writer,
) -> Result<Unpacked> {
    job.image.refuse_name()?;
    writer.note(|| NO_DIGEST.to_string());
    let counter = around.progress.counter();
    let heed = |bytes| {
        counter.add(bytes);
        around.watch.check()
    };
    disk_image(file, packing, false, &heed, around, job, writer)
}

fn disk_image(
    file: File,
    packing: Packing,
    is_ours: bool,
    heed: &(dyn Fn(u64) -> Result<()> + Sync),
    around: &Surroundings<'_>,
    job: &Job<'_>,
    mut writer: Writer,
) -> Result<Unpacked> {
    let tree = job.stage.subdir(import::TREE)?;
    let expect = |bytes| {
        if !is_ours {
            around.progress.set_length(Some(bytes))
        }
    };
    let task = disk::Job { tree: &tree, partition: job.image.partition, heed, expect: &expect, say: around.say };
    let (name, image) = match packing {
        Packing::Raw => ("raw disk image", disk::Image::raw(file, is_ours, job.stage, heed)?),
        Packing::Qcow2 => ("qcow2 disk image", disk::Image::qcow2(file, job.stage, heed)?),
    };
    let what = disk::unpack(image, &task, &mut writer)?;
    Ok(Unpacked { form: format!("{name} ({what})"), totals: writer.finish()?, seal: None, manifest: String::new() })
}
