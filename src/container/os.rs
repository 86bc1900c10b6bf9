//! Which system a container holds: its os-release, read through its layers as they lie on disk. Nothing is mounted,
//! and no name of the container's leads out of the layer it is read in.

use crate::container::state::{Layer, Rootfs, State};
use crate::error::Result;
use crate::paths::Paths;
use crate::store::datadir;
use crate::sys::resolve::Root;
use crate::text::osrelease::{OS_RELEASE_MAX, OsRelease};
use std::path::{Path, PathBuf};

/// Where os-release(5) may be, the admin's own first; NixOS has an empty /etc before its first start.
const PLACES: [&str; 3] = ["/etc/os-release", "/usr/lib/os-release", "/nix/var/nix/profiles/system/etc/os-release"];

/// What the container has changed wins over what lies beneath. Empty when neither says anything.
pub fn release(paths: &Paths, state: &State) -> OsRelease {
    let changed = PLACES.iter().find_map(|place| {
        let (layer, rest) = layer_of(&state.layers, Path::new(place))?;
        read(&upper(paths, state, layer).ok()?, &rest)
    });
    let beneath = || {
        let tree = lower(paths, &state.rootfs).ok()?;
        PLACES.iter().find_map(|place| read(&tree, Path::new(place)))
    };
    changed.or_else(beneath).unwrap_or_default()
}

/// The directory that a container's clone is made of.
pub fn lower(paths: &Paths, rootfs: &Rootfs) -> Result<Root> {
    match rootfs {
        Rootfs::Host => Root::open_path(paths.host_root()),
        Rootfs::Named(name) => datadir::filesystem(paths, name),
    }
}

fn upper(paths: &Paths, state: &State, layer: &Layer) -> Result<Root> {
    let container = Root::of(datadir::open(paths, &state.name)?.into());
    let place = Path::new("layers").join(layer.directory()).join("upper");
    container.open_directory_exact(&place).map(Root::of)
}

/// The innermost layer that holds `path`, and the path in it.
fn layer_of<'a>(layers: &'a [Layer], path: &Path) -> Option<(&'a Layer, PathBuf)> {
    let holding = layers.iter().filter_map(|layer| Some((layer, path.strip_prefix(&layer.mountpoint).ok()?)));
    holding.min_by_key(|(_, rest)| rest.as_os_str().len()).map(|(layer, rest)| (layer, rest.to_path_buf()))
}

/// Whatever is in the way (no file, a whiteout, a FIFO, a link that leads nowhere in this layer) is no os-release.
fn read(tree: &Root, place: &Path) -> Option<OsRelease> {
    tree.read_limited(place, OS_RELEASE_MAX).ok().map(|bytes| OsRelease::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(mountpoint: &str) -> Layer {
        Layer { mountpoint: mountpoint.into(), fstype: "ext4".to_string() }
    }

    #[test]
    fn the_innermost_layer_holds_a_path() {
        let layers = [layer("/"), layer("/usr"), layer("/usr/lib/x"), layer("/etc2")];
        let (found, rest) = layer_of(&layers, Path::new("/usr/lib/os-release")).unwrap();
        assert_eq!((found.mountpoint.as_path(), rest.as_path()), (Path::new("/usr"), Path::new("lib/os-release")));
        let (found, rest) = layer_of(&layers, Path::new("/etc/os-release")).unwrap();
        assert_eq!((found.mountpoint.as_path(), rest.as_path()), (Path::new("/"), Path::new("etc/os-release")));
        assert!(layer_of(&[], Path::new("/etc/os-release")).is_none());
    }
}
