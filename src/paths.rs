//! Every path the program uses, each hung off one root that is given at start (`/`, or a test's folder).

use std::path::{Path, PathBuf};

/// Where the datadir is when neither flag, environment nor config says.
pub const DEFAULT_DATADIR: &str = "/var/lib/sdme";
/// Where the config file is when no flag says.
pub const DEFAULT_CONFIG: &str = "/etc/sdme.conf";

/// The paths of one run. `datadir` and `config` are what the user chose, already below `root`.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
    datadir: PathBuf,
    config: PathBuf,
    image: Option<Image>,
}

/// A system that does not run: the tree of an image. Its datadir and config are reached by descriptors that are held.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its root directory.
    pub root: PathBuf,
    /// What the user calls the datadir.
    pub datadir: PathBuf,
    /// What the user calls the config file.
    pub config: PathBuf,
}

impl Paths {
    /// Paths below `root`, with the default datadir and config file.
    pub fn under(root: impl Into<PathBuf>) -> Paths {
        let root = root.into();
        Paths { datadir: below(&root, DEFAULT_DATADIR), config: below(&root, DEFAULT_CONFIG), root, image: None }
    }

    /// The same with another datadir (absolute; symlinks in it are the caller's affair).
    pub fn with_datadir(mut self, datadir: impl Into<PathBuf>) -> Paths {
        self.datadir = datadir.into();
        self
    }

    pub fn with_config(mut self, config: impl Into<PathBuf>) -> Paths {
        self.config = config.into();
        self
    }

    /// The same for the tree of an image: what is of this machine's running system stays as it is.
    pub fn with_image(mut self, image: Image) -> Paths {
        self.image = Some(image);
        self
    }

    /// Whether what is worked on is an image, in which nothing runs.
    pub fn is_image(&self) -> bool {
        self.image.is_some()
    }

    /// What a clone copies: the host's `/`, or the image's.
    pub fn host_root(&self) -> &Path {
        self.image.as_ref().map_or(&self.root, |image| &image.root)
    }

    /// A path in the datadir as the user knows it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match (&self.image, path.strip_prefix(&self.datadir)) {
            (Some(image), Ok(rest)) => image.datadir.join(rest),
            _ => path.to_path_buf(),
        }
    }

    /// The config file as the user knows it.
    pub fn shown_config(&self) -> &Path {
        self.image.as_ref().map_or(&self.config, |image| &image.config)
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    pub fn containers(&self) -> PathBuf {
        self.datadir.join("containers")
    }

    pub fn container(&self, name: &str) -> PathBuf {
        self.containers().join(name)
    }

    /// Imported root filesystems.
    pub fn filesystems(&self) -> PathBuf {
        self.datadir.join("fs")
    }

    pub fn locks(&self) -> PathBuf {
        self.datadir.join("locks")
    }

    /// What must not survive a boot of the host.
    pub fn run(&self) -> PathBuf {
        below(&self.root, "/run/sdme")
    }

    /// One record a known container: where its datadir is, and which process runs it.
    pub fn units(&self) -> PathBuf {
        self.run().join("units")
    }

    /// Empty directories on which `boot` mounts, in its own namespace.
    pub fn mounts(&self) -> PathBuf {
        self.run().join("mnt")
    }

    /// Console output and status of containers run without systemd.
    pub fn direct(&self) -> PathBuf {
        self.run().join("direct")
    }

    /// Exists exactly when PID 1 is systemd (sd_booted(3)).
    pub fn systemd_marker(&self) -> PathBuf {
        below(&self.root, "/run/systemd/system")
    }

    pub fn system_bus_socket(&self) -> PathBuf {
        below(&self.root, "/run/dbus/system_bus_socket")
    }

    /// PID 1's own D-Bus socket: the same protocol, no broker, no Hello.
    pub fn private_socket(&self) -> PathBuf {
        below(&self.root, "/run/systemd/private")
    }

    pub fn resolv_conf(&self) -> PathBuf {
        below(&self.root, "/etc/resolv.conf")
    }

    pub fn resolved_stub(&self) -> PathBuf {
        below(&self.root, "/run/systemd/resolve/stub-resolv.conf")
    }

    pub fn mountinfo(&self) -> PathBuf {
        below(&self.root, "/proc/self/mountinfo")
    }

    /// Where the template unit may stand, in the order in which systemd prefers them.
    pub fn unit_directories(&self) -> [PathBuf; 5] {
        [
            "/etc/systemd/system",
            "/run/systemd/system",
            "/usr/local/lib/systemd/system",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
        ]
        .map(|directory| below(&self.root, directory))
    }

    /// A file of the host by its absolute path.
    pub fn host(&self, absolute: &str) -> PathBuf {
        below(&self.root, absolute)
    }
}

fn below(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_hangs_off_the_root() {
        let paths = Paths::under("/t");
        assert_eq!(paths.container("web"), Path::new("/t/var/lib/sdme/containers/web"));
        assert_eq!(paths.private_socket(), Path::new("/t/run/systemd/private"));
    }

    #[test]
    fn a_datadir_moves_what_is_in_it_and_nothing_else() {
        let paths = Paths::under("/").with_datadir("/srv/a b");
        assert_eq!(paths.locks(), Path::new("/srv/a b/locks"));
        assert_eq!(paths.units(), Path::new("/run/sdme/units"));
    }
}
