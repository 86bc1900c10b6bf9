//! Looking for the root among an image's volumes: a filesystem, or a subvolume of one, with a system in it.

use crate::error::{Context, Error, Kind, Result};
use crate::rootfs::inspect;
use crate::rootfs::unpack::disk::Volumes;
use crate::rootfs::unpack::disk::volume::{self, Why};
use crate::sys::dir::Dir;
use crate::sys::resolve::Root;

/// Names of the subvolume that is the root, as Fedora, Ubuntu and openSUSE, and Debian give them.
const SUBVOLUMES: [&str; 3] = ["root", "@", "@rootfs"];

/// Where the root is.
pub struct Found {
    pub volume: usize,
    pub dir: Dir,
    /// That it is, and why this one; for the user and the record.
    pub told: String,
}

/// Errors: nothing has a system in it, with what each holds instead.
pub fn find(volumes: &mut Volumes<'_>, asked: Option<u32>) -> Result<Found> {
    let candidates = volume::candidates(&volumes.all, asked)?;
    let mut failures: Vec<Error> = Vec::new();
    for (position, (index, why)) in candidates.iter().enumerate() {
        let shown = volumes.all.get(*index).map(volume::Volume::shown).unwrap_or_default();
        match look(volumes, *index, *why == Why::Asked) {
            Ok((dir, subvolume)) => {
                let rest: Vec<usize> = candidates.iter().skip(position + 1).map(|(index, _)| *index).collect();
                let told = tell(volumes, &shown, *why, subvolume, &rest);
                return Ok(Found { volume: *index, dir, told });
            }
            Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => return Err(error),
            Err(error) => failures.push(error.context(shown)),
        }
    }
    Err(none(failures))
}

/// One failure is told as it is; of several all are, on one line.
fn none(mut failures: Vec<Error>) -> Error {
    match failures.len() {
        1 => failures.remove(0),
        _ => {
            let all: Vec<String> = failures.iter().map(Error::to_string).collect();
            Error::invalid(format!("no root was found: {}", all.join("; ")))
        }
    }
}

fn tell(volumes: &Volumes<'_>, shown: &str, why: Why, subvolume: Option<&str>, rest: &[usize]) -> String {
    let part = subvolume.map(|name| format!("subvolume {name:?} of ")).unwrap_or_default();
    let why = match why {
        Why::Asked => "it was asked for".to_string(),
        Why::Type => {
            format!("its type says that it is a root for {}, and there is a system in it", std::env::consts::ARCH)
        }
        Why::Search => "there is a system in it".to_string(),
    };
    let others: Vec<String> = rest
        .iter()
        .filter_map(|index| volumes.all.get(*index))
        .filter_map(|volume| volume.number)
        .map(|number| number.to_string())
        .collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(" (not looked at: {}; --partition takes another)", others.join(", ")),
    };
    format!("the root is {part}{shown}: {why}{others}")
}

/// The directory in a volume that is a system's root, and which subvolume it is.
///
/// Errors: there is none, unless `any` will do.
fn look(volumes: &mut Volumes<'_>, index: usize, any: bool) -> Result<(Dir, Option<&'static str>)> {
    let mounted = volumes.mounted(index)?;
    let top = mounted.dir.reopen()?;
    if mounted.has_subvolumes() {
        let default = mounted.default_subvolume().context("mounting the default subvolume")?;
        if is_system(&default)? {
            return Ok((default, None));
        }
        for name in SUBVOLUMES {
            match top.subdir(name) {
                Ok(dir) if is_system(&dir)? => return Ok((dir, Some(name))),
                _ => {}
            }
        }
    }
    match any || is_system(&top)? {
        true => Ok((top, None)),
        false => Err(Error::invalid("there is no system in it: no /etc beside /usr, /bin, /sbin or /nix")),
    }
}

fn is_system(dir: &Dir) -> Result<bool> {
    Ok(inspect::inspect(&Root::of(dir.reopen()?.into())).is_system)
}
