//! Whether a tree holds a systemd that could be a machine's PID 1, and the bus that machines are spoken to by. Names are
//! looked up inside the tree only.

use crate::sys::dir;
use crate::sys::resolve::{Executable, Root};
use std::path::{Path, PathBuf};

/// Where NixOS keeps the script that starts its systemd.
const NIXOS: &str = "/nix/var/nix/profiles/system/init";
/// Where systemd is looked for, in the order in which nspawn tries them; NixOS's, which nspawn does not know, last.
pub const SYSTEMDS: [&str; 3] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd", NIXOS];
/// Any init; only as a link to systemd it is of use.
const INIT: &str = "/sbin/init";
/// The unit by which the bus is started, whichever program it is.
const BUSES: [&str; 3] = [
    "/usr/lib/systemd/system/dbus.socket",
    "/lib/systemd/system/dbus.socket",
    "/nix/var/nix/profiles/system/etc/systemd/system/dbus.socket",
];

/// The program that would be PID 1.
pub fn init(root: &Root) -> Option<PathBuf> {
    let found = |path: &str| match root.find_executable("", Path::new(path)) {
        Executable::Found(path) => Some(path),
        _ => None,
    };
    SYSTEMDS.iter().find_map(|path| found(path)).or_else(|| {
        let place = root.open_place(Path::new(INIT)).and_then(|init| dir::path_of(&init)).ok()?;
        place.ends_with("systemd").then(|| PathBuf::from(INIT))
    })
}

/// The program that systemd-nspawn has to be told of, as it would not find it by itself. None: it finds one, or there is none.
pub fn init_to_name(root: &Root) -> Option<PathBuf> {
    init(root).filter(|init| init == Path::new(NIXOS))
}

pub fn has_bus(root: &Root) -> bool {
    BUSES.iter().any(|path| root.is_file(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(scratch: &Scratch, path: &str) {
        let path = scratch.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn every_distributions_shape_is_known() {
        let root = |scratch: &Scratch| Root::open_path(scratch.path()).unwrap();
        let merged = Scratch::new("installed-merged");
        program(&merged, "usr/lib/systemd/systemd");
        program(&merged, "usr/lib/systemd/system/dbus.socket");
        assert_eq!(init(&root(&merged)).unwrap(), Path::new("/usr/lib/systemd/systemd"));
        assert!(has_bus(&root(&merged)));
        let split = Scratch::new("installed-split");
        program(&split, "lib/systemd/systemd");
        assert_eq!(init(&root(&split)).unwrap(), Path::new("/lib/systemd/systemd"));
        assert!(!has_bus(&root(&split)));
        let nix = Scratch::new("installed-nix");
        program(&nix, "nix/store/x-nixos/init");
        fs::create_dir_all(nix.path().join("nix/var/nix/profiles")).unwrap();
        symlink("system-1-link", nix.path().join("nix/var/nix/profiles/system")).unwrap();
        symlink("/nix/store/x-nixos", nix.path().join("nix/var/nix/profiles/system-1-link")).unwrap();
        assert_eq!(init_to_name(&root(&nix)).unwrap(), Path::new(NIXOS));
        for found_by_nspawn in [&merged, &split] {
            assert_eq!(init_to_name(&root(found_by_nspawn)), None);
        }
    }

    #[test]
    fn another_init_is_none() {
        let scratch = Scratch::new("installed-other");
        program(&scratch, "sbin/init");
        assert!(init(&Root::open_path(scratch.path()).unwrap()).is_none());
        let leading_out = Scratch::new("installed-out");
        fs::create_dir_all(leading_out.path().join("usr/lib/systemd")).unwrap();
        symlink("/bin/sh", leading_out.path().join("usr/lib/systemd/systemd")).unwrap();
        assert!(init(&Root::open_path(leading_out.path()).unwrap()).is_none(), "the host's is not the tree's");
    }
}
