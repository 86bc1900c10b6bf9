//! The overlays of a container: its directories, and the whole tree that is mounted before it boots.

use crate::container::hide;
use crate::container::state::{Layer, Rootfs, State};
use crate::error::{Context, Errno, Error, Kind, Result};
use crate::paths::Paths;
use crate::store::{datadir, mounted};
use crate::sys::dir::Dir;
use crate::sys::meta;
use crate::sys::mount::{self, Changes};
use crate::text::mountinfo::{self, Mount};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

pub const LAYERS: &str = "layers";
pub const UPPER: &str = "upper";
pub const WORK: &str = "work";

/// One layer with everything opened that a mount needs.
struct Opened {
    mountpoint: PathBuf,
    fstype: String,
    lower: Dir,
    upper: Dir,
    work: Dir,
    directory: Dir,
}

impl Opened {
    fn mount(&self, source: &str) -> Result<OwnedFd> {
        let (lower, upper, work) = (self.lower.as_fd(), self.upper.as_fd(), self.work.as_fd());
        mount::overlay(&mount::Overlay { lower, upper, work }, source, Changes::Kept)
            .map_err(|error| refused(error, &self.mountpoint, &self.fstype))
    }
}

/// The directory that lies beneath a layer: what is mounted there on the host, or the container's root filesystem.
pub fn lower(paths: &Paths, rootfs: &Rootfs, layer: &Layer) -> Result<Dir> {
    let place = match rootfs {
        Rootfs::Host => mount::place_beneath(mount::place(paths.host_root())?, &layer.mountpoint)?,
        Rootfs::Named(name) => mount::place_beneath(mount::place(&paths.filesystems())?, Path::new(name.as_str()))?,
    };
    Dir::at_place(&place)
}

/// Makes the directories of a layer in `layers`. The root that the container sees is the upper's.
pub fn create_layer(layers: &Dir, layer: &Layer, lower: &Dir) -> Result<()> {
    let directory = layers.mkdir(layer.directory(), 0o700)?;
    directory.mkdir(WORK, 0o700)?;
    meta::copy(lower, directory.mkdir(UPPER, 0o700)?)
}

fn open_layer(layers: &Dir, layer: &Layer, lower: Dir) -> Result<Opened> {
    let part = |dir: &Dir, name: &str| dir.subdir(name).with_context(|| format!("layer {:?}", layer.mountpoint));
    let directory = part(layers, &layer.directory())?;
    let (upper, work) = (part(&directory, UPPER)?, part(&directory, WORK)?);
    Ok(Opened { mountpoint: layer.mountpoint.clone(), fstype: layer.fstype.clone(), lower, upper, work, directory })
}

/// Why a layer cannot be mounted, from the errno and what the kernel says of it.
pub fn refused(error: Error, mountpoint: &Path, fstype: &str) -> Error {
    let why = match error.errno() {
        Some(Errno::NODEV) => "this kernel has no overlay filesystem (CONFIG_OVERLAY_FS, module overlay)".to_string(),
        Some(Errno::NOSYS) => "this kernel has no fsopen(2): Linux 5.2 or newer is needed".to_string(),
        Some(Errno::NOSPC) => "there is no space left in this datadir".to_string(),
        Some(Errno::PERM) => "mounting is forbidden here: CAP_SYS_ADMIN is needed".to_string(),
        _ => format!("overlayfs does not stack on {mountpoint:?} ({fstype}) with its changes in this datadir"),
    };
    error.context(why)
}

/// Mounts the whole tree of a container at `target`, in the mount namespace of this process: every overlay, with what
/// belongs to the host hidden before.
///
/// Errors: the layer whose filesystem is missing or another, or whose mountpoint the guest has removed.
pub fn mount_all(paths: &Paths, state: &State, target: &Path) -> Result<()> {
    let mounts = mounted::read(paths)?;
    check_layers(state, &mounts)?;
    let container = datadir::open(paths, &state.name)?;
    let layers = open_layers(state, paths, &container)?;
    hide(state, paths, &layers)?;
    let source = format!("sdme:{}", state.name);
    let mut root = None;
    for layer in &layers {
        let mounted = layer.mount(&source)?;
        let place = match &root {
            None => mount::place(target)?,
            Some(root) => mount::place_beneath(root, &layer.mountpoint).map_err(|error| lost(error, layer))?,
        };
        mount::attach(&mounted, place).with_context(|| format!("layer {:?}", layer.mountpoint))?;
        root.get_or_insert(mounted);
    }
    Ok(())
}

fn lost(error: Error, layer: &Opened) -> Error {
    error.context(format!(
        "the container has no directory {:?} any more, on which a layer is to be mounted",
        layer.mountpoint
    ))
}

/// A clone over an empty mountpoint would boot, and lack the half of its system.
fn check_layers(state: &State, mounts: &[Mount]) -> Result<()> {
    if state.rootfs != Rootfs::Host {
        return Ok(());
    }
    for Layer { mountpoint, fstype } in &state.layers {
        match mountinfo::lookup(mounts, mountpoint) {
            Some(mount) if mount.fstype == *fstype => {}
            Some(mount) => {
                let there = &mount.fstype;
                return Err(missing(format!("{mountpoint:?} is {there} now; {} was made over {fstype}", state.name)));
            }
            None => {
                return Err(missing(format!(
                    "nothing is mounted at {mountpoint:?}; {} was made over {fstype}",
                    state.name
                )));
            }
        }
    }
    Ok(())
}

fn missing(what: String) -> Error {
    Error::new(Kind::NotFound, format!("{what} there: mount that first"))
}

fn open_layers(state: &State, paths: &Paths, container: &Dir) -> Result<Vec<Opened>> {
    let layers = container.subdir(LAYERS).with_context(|| format!("{}: its layers", state.name))?;
    let open = |layer: &Layer| open_layer(&layers, layer, lower(paths, &state.rootfs, layer)?);
    state.layers.iter().map(open).collect()
}

fn hide(state: &State, paths: &Paths, layers: &[Opened]) -> Result<()> {
    let places = layers.iter().map(|layer| place(layer, state, paths)).collect::<Result<Vec<_>>>()?;
    let host = match state.rootfs {
        Rootfs::Host => hide::Host::read(state, paths)?,
        Rootfs::Named(_) => hide::Host::default(),
    };
    hide::apply(state, &places, &host)
}

fn place(layer: &Opened, state: &State, paths: &Paths) -> Result<hide::Place> {
    let path = match &state.rootfs {
        Rootfs::Host => paths.host_root().join(layer.mountpoint.strip_prefix("/").unwrap_or(&layer.mountpoint)),
        Rootfs::Named(name) => paths.filesystems().join(name.as_str()),
    };
    Ok(hide::Place {
        mountpoint: layer.mountpoint.clone(),
        lower: mount::clone_of(&path)?,
        upper: layer.upper.reopen()?,
        build: layer.directory.reopen()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::mounts::Choice;
    use crate::container::state::{Services, Skipped};
    use crate::container::trial;
    use crate::store::name::Name;
    use crate::sys::tree::Scratch;
    use crate::sys::{credentials, mountns};
    use std::fs;

    /// A host of its own in a folder, and a container `web` over it.
    struct Stand {
        scratch: Scratch,
        paths: Paths,
        state: State,
    }

    /// What a test has mounted and left is detached, or the folder could not be removed.
    impl Drop for Stand {
        fn drop(&mut self) {
            let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let places = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
            for place in places.filter(|place| place.starts_with(self.scratch.path())) {
                // What was mounted on another one has gone with it.
                let _ = mountns::detach(place);
            }
        }
    }

    impl Stand {
        fn new(name: &str) -> Stand {
            let scratch = Scratch::new(name);
            let paths = Paths::under(scratch.path().join("host"));
            let state = State {
                name: Name::parse("web").unwrap(),
                created: 0,
                rootfs: Rootfs::Host,
                machine_id: Some("0123456789abcdef0123456789abcdef".into()),
                services: Services::Basic,
                layers: vec![Layer { mountpoint: "/".into(), fstype: "ext4".into() }],
                skipped: Vec::new(),
            };
            fs::create_dir_all(scratch.path().join("target")).unwrap();
            let stand = Stand { scratch, paths, state };
            stand.host("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n");
            stand.host("etc/fstab", "/dev/sda1 / ext4\n");
            stand
        }

        fn with_layer(mut self, mountpoint: &str, fstype: &str) -> Stand {
            self.state.layers.push(Layer { mountpoint: mountpoint.into(), fstype: fstype.into() });
            let text = format!("1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / {mountpoint} rw - {fstype} b rw\n");
            self.host("proc/self/mountinfo", &text);
            self
        }

        fn host(&self, path: &str, content: &str) {
            let path = self.paths.host_root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn link(&self, path: &str, target: &str) {
            let path = self.paths.host_root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        }

        fn create(&self) -> Result<()> {
            datadir::ensure(&self.paths)?;
            let container = datadir::containers(&self.paths)?.mkdir(self.state.name.as_str(), 0o700)?;
            let layers = container.mkdir(LAYERS, 0o700)?;
            for layer in &self.state.layers {
                create_layer(&layers, layer, &lower(&self.paths, &self.state.rootfs, layer)?)?;
            }
            let choice = Choice { layers: self.state.layers.clone(), skipped: Vec::new() };
            trial::trial(&self.paths, &self.state.rootfs, choice, &container).map(drop)
        }

        fn mount(&self) -> Result<()> {
            mount_all(&self.paths, &self.state, &self.scratch.path().join("target"))
        }

        /// Boots, looks at the tree as the guest does, and shuts down.
        fn boot<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
            let target = self.scratch.path().join("target");
            self.mount().unwrap();
            let seen = look(&target);
            mountns::detach(&target).unwrap();
            seen
        }
    }

    /// Runs a test in a mount namespace of its own, which ends with its thread.
    fn apart(test: impl FnOnce() + Send) {
        if !credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let run = || {
            mountns::unshare().unwrap();
            test();
        };
        std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    fn read(tree: &Path, path: &str) -> Option<String> {
        fs::read_to_string(tree.join(path)).ok()
    }

    fn names(tree: &Path, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(tree.join(path)) else { return vec!["(none)".into()] };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn exists(tree: &Path, path: &str) -> bool {
        tree.join(path).symlink_metadata().is_ok()
    }

    #[test]
    fn a_clone_has_the_hosts_files_and_none_of_its_secrets() {
        apart(|| {
            let stand = Stand::new("overlay-secrets");
            let secrets = [
                "etc/ssh/ssh_host_rsa_key",
                "etc/crypttab",
                "etc/ssl/private/key.pem",
                "etc/wireguard/wg0.conf",
                "etc/httpd/x.keytab",
                "var/lib/systemd/credential.secret",
                "var/lib/sss/secrets/secrets.ldb",
                "var/log/auth.log",
                "var/spool/cron/crontabs/root",
                "swapfile",
                "etc/systemd/system/db.service",
                "etc/systemd/system/multi-user.target.wants/db.service",
                "etc/systemd/network/10-host.network",
                "tmp/x",
            ];
            for secret in secrets {
                stand.host(secret, "secret\n");
            }
            stand.host("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
            stand.host("etc/ssh/sshd_config.d/a.conf", "Port 22\n");
            stand.host("etc/machine-id", "ffffffffffffffffffffffffffffffff\n");
            stand.link("etc/systemd/system/cups.service", "/dev/null");
            stand.link("etc/systemd/system/dbus.service", "/usr/lib/systemd/system/dbus-broker.service");
            stand.create().unwrap();
            stand.boot(|tree| {
                for secret in secrets {
                    assert!(!exists(tree, secret), "{secret}");
                }
                assert!(exists(tree, "etc/passwd"));
                assert_eq!(read(tree, "etc/ssh/sshd_config.d/a.conf").unwrap(), "Port 22\n");
                assert_eq!(read(tree, "etc/machine-id").unwrap(), "0123456789abcdef0123456789abcdef\n");
                assert_eq!(read(tree, "etc/hostname").unwrap(), "web\n");
                assert!(read(tree, "etc/hosts").unwrap().contains(" web\n"));
                assert!(read(tree, "etc/fstab").unwrap().starts_with('#'));
                assert_eq!(names(tree, "var/spool"), ["cron"]);
                assert_eq!(names(tree, "var/spool/cron/crontabs"), [""; 0]);
                assert_eq!(names(tree, "etc/ssl/private"), [""; 0]);
                assert_eq!(names(tree, "etc/systemd/system"), ["cups.service", "dbus.service"]);
            });
        });
    }

    #[test]
    fn what_the_host_gets_later_does_not_appear() {
        apart(|| {
            let stand = Stand::new("overlay-later");
            stand.host("var/lib/systemd/x", "");
            stand.host("etc/ssh/sshd_config", "");
            stand.create().unwrap();
            let late = |stand: &Stand| {
                for secret in
                    ["etc/krb5.keytab", "etc/wireguard/wg0.conf", "etc/ssh/ssh_host_new_key", "etc/ssl/private/k"]
                {
                    stand.host(secret, "secret");
                }
            };
            stand.boot(|_| ());
            late(&stand);
            stand.host("etc/wpa_supplicant/home.conf", "psk");
            for _ in 0..2 {
                stand.boot(|tree| {
                    for secret in ["etc/krb5.keytab", "etc/wireguard/wg0.conf", "etc/wpa_supplicant/home.conf"] {
                        assert!(!exists(tree, secret), "{secret}");
                    }
                    assert!(!exists(tree, "etc/ssh/ssh_host_new_key") && !exists(tree, "etc/ssl/private/k"));
                });
            }
        });
    }

    #[test]
    fn while_it_runs_nothing_appears_either() {
        apart(|| {
            let stand = Stand::new("overlay-running");
            stand.host("etc/ssh/sshd_config", "");
            stand.create().unwrap();
            stand.mount().unwrap();
            for secret in ["etc/krb5.keytab", "etc/wireguard/wg0.conf", "etc/ssh/ssh_host_new_key"] {
                stand.host(secret, "secret");
                assert!(!exists(&stand.scratch.path().join("target"), secret), "{secret}");
            }
            mountns::detach(&stand.scratch.path().join("target")).unwrap();
        });
    }

    #[test]
    fn what_the_guest_wrote_stays() {
        apart(|| {
            let stand = Stand::new("overlay-guest");
            stand.host("etc/ssl/private/key.pem", "secret");
            stand.host("etc/wpa_supplicant/x", "");
            stand.host("var/log/dpkg/old", "");
            stand.create().unwrap();
            stand.boot(|tree| {
                fs::write(tree.join("etc/ssl/private/own.pem"), "own").unwrap();
                fs::write(tree.join("etc/hostname"), "changed\n").unwrap();
                fs::remove_file(tree.join("etc/hosts")).unwrap();
                fs::create_dir(tree.join("etc/wireguard")).unwrap();
                fs::write(tree.join("etc/wireguard/own.conf"), "own").unwrap();
                fs::write(tree.join("etc/wpa_supplicant/a.conf"), "own").unwrap();
                fs::remove_dir_all(tree.join("var/log/dpkg")).unwrap();
            });
            stand.host("etc/wireguard/host.conf", "secret");
            stand.host("etc/wpa_supplicant/a.conf", "secret");
            for _ in 0..2 {
                stand.boot(|tree| {
                    assert_eq!(names(tree, "etc/ssl/private"), ["own.pem"]);
                    assert_eq!(read(tree, "etc/hostname").unwrap(), "changed\n");
                    assert!(!exists(tree, "etc/hosts"));
                    assert_eq!(names(tree, "etc/wireguard"), ["own.conf"]);
                    assert_eq!(read(tree, "etc/wpa_supplicant/a.conf").unwrap(), "own");
                    assert_eq!(names(tree, "var/log"), [""; 0]);
                });
            }
        });
    }

    #[test]
    fn a_directory_in_which_the_guest_wrote_first_is_made_new_around_it() {
        apart(|| {
            let stand = Stand::new("overlay-first");
            stand.host("var/lib/x", "");
            stand.create().unwrap();
            // What an older table let through: a merged directory with the guest's file and the guest's deletion in it.
            stand.host("etc/ssl/private/host.pem", "secret");
            stand.host("etc/ssl/private/gone.pem", "secret");
            let upper = stand.paths.container("web").join("layers/-/upper");
            fs::create_dir_all(upper.join("etc/ssl/private")).unwrap();
            fs::write(upper.join("etc/ssl/private/own.pem"), "own").unwrap();
            Dir::open(&upper.join("etc/ssl/private")).unwrap().whiteout("gone.pem").unwrap();
            for _ in 0..2 {
                stand.boot(|tree| assert_eq!(names(tree, "etc/ssl/private"), ["own.pem"]));
            }
        });
    }

    #[test]
    fn modes_and_owners_are_the_hosts() {
        apart(|| {
            let stand = Stand::new("overlay-modes");
            stand.host("etc/ssl/private/k", "");
            stand.host("tmp/x", "");
            let root = stand.paths.host_root();
            std::os::unix::fs::chown(root.join("etc/ssl/private"), Some(0), Some(112)).unwrap();
            for (path, mode) in [("etc/ssl/private", 0o710), ("tmp", 0o1777), ("etc", 0o751), ("", 0o755)] {
                meta::set_mode(Dir::open(&root.join(path)).unwrap(), mode).unwrap();
            }
            stand.create().unwrap();
            stand.boot(|tree| {
                let of = |path: &str| Dir::open(&tree.join(path)).unwrap().meta().unwrap();
                assert_eq!((of("etc/ssl/private").mode, of("etc/ssl/private").gid), (0o710, 112));
                assert_eq!((of("tmp").mode, of("etc").mode, of("").mode), (0o1777, 0o751, 0o755));
            });
        });
    }

    #[test]
    fn the_times_of_directories_are_the_hosts() {
        apart(|| {
            let stand = Stand::new("overlay-times");
            for path in ["usr/local/lib/x", "etc/ssl/private/k", "var/lib/systemd/x"] {
                stand.host(path, "");
            }
            let directories = ["usr", "usr/local/lib", "etc", "etc/ssl/private", "var/lib/systemd"];
            let of = |path: PathBuf| Dir::open(&path).unwrap().meta().unwrap().modified;
            for path in directories {
                meta::set_modified(Dir::open(&stand.paths.host_root().join(path)).unwrap(), (1_000_000_000, 7))
                    .unwrap();
            }
            stand.create().unwrap();
            stand.boot(|tree| directories.map(|path| assert_eq!(of(tree.join(path)), (1_000_000_000, 7), "{path}")));
        });
    }

    #[test]
    fn symlinks_on_the_host_lead_to_what_is_hidden() {
        apart(|| {
            let stand = Stand::new("overlay-links");
            stand.host("data/docker/image", "secret");
            stand.host("data/keytab", "secret");
            stand.host("real/spool/cron/root", "secret");
            stand.link("var/lib/docker", "/data/docker");
            stand.link("etc/krb5.keytab", "../data/keytab");
            stand.link("var/spool", "../real/spool");
            stand.host("etc/machine-id", "host");
            stand.link("var/lib/dbus/machine-id", "/etc/machine-id");
            stand.link("var/lib/lxc", "../../../../../../data/../data/lxc");
            stand.create().unwrap();
            stand.boot(|tree| {
                assert_eq!(names(tree, "data"), ["docker"]);
                assert_eq!(names(tree, "data/docker"), [""; 0]);
                assert_eq!(names(tree, "real/spool"), ["cron"]);
                assert_eq!(names(tree, "real/spool/cron"), [""; 0]);
                assert!(exists(tree, "var/lib/docker") && exists(tree, "var/lib/dbus/machine-id"));
            });
        });
    }

    #[test]
    fn datadirs_and_swap_files_are_hidden_wherever_they_are() {
        apart(|| {
            let mut stand = Stand::new("overlay-own");
            stand.paths = stand.paths.clone().with_datadir(stand.paths.host_root().join("srv/a b*%"));
            stand.host("srv/other", "kept");
            stand.host("vault/swap file", "secret");
            stand.host("proc/swaps", "Filename Type Size Used Priority\n/vault/swap\\040file file 1 0 -2\n");
            stand.create().unwrap();
            stand.host("srv/a b*%/fs/debian/secret", "secret");
            stand.boot(|tree| {
                assert_eq!(names(tree, "srv/a b*%"), [""; 0]);
                assert_eq!(names(tree, "srv"), ["a b*%", "other"]);
                assert_eq!(names(tree, "vault"), [""; 0]);
            });
        });
    }

    #[test]
    fn the_hosts_services_come_along_without_its_mounts() {
        apart(|| {
            let mut stand = Stand::new("overlay-services");
            stand.state.services = Services::Host;
            for unit in ["db.service", "data.mount", "local-fs.target.requires/data.mount", "a.wants/sdme@x.service"] {
                stand.host(&format!("etc/systemd/system/{unit}"), "x");
            }
            stand.create().unwrap();
            stand.boot(|tree| {
                assert_eq!(names(tree, "etc/systemd/system"), ["a.wants", "db.service", "local-fs.target.requires"]);
                assert_eq!(names(tree, "etc/systemd/system/local-fs.target.requires"), [""; 0]);
                assert_eq!(names(tree, "etc/systemd/system/a.wants"), [""; 0]);
            });
        });
    }

    #[test]
    fn another_filesystem_of_the_host_is_a_layer_of_its_own() {
        apart(|| {
            let stand = Stand::new("overlay-layers").with_layer("/var", "tmpfs");
            fs::create_dir_all(stand.paths.host_root().join("var")).unwrap();
            let var = mount::filesystem("tmpfs", &[]).unwrap();
            mount::attach(&var, mount::place(&stand.paths.host_root().join("var")).unwrap()).unwrap();
            stand.host("var/lib/systemd/random-seed", "secret");
            stand.host("var/lib/data", "data");
            stand.host("var/log/x/y", "secret");
            stand.create().unwrap();
            stand.boot(|tree| {
                assert_eq!(read(tree, "var/lib/data").unwrap(), "data");
                assert_eq!(names(tree, "var/lib/systemd"), [""; 0]);
                assert_eq!(names(tree, "var/log"), ["x"]);
                assert_eq!(names(tree, "var/log/x"), [""; 0]);
                fs::write(tree.join("var/lib/data"), "changed").unwrap();
            });
            assert_eq!(read(stand.paths.host_root(), "var/lib/data").unwrap(), "data");
            stand.boot(|tree| assert_eq!(read(tree, "var/lib/data").unwrap(), "changed"));
        });
    }

    #[test]
    fn a_layer_whose_root_is_hidden_shows_nothing() {
        apart(|| {
            let stand = Stand::new("overlay-root").with_layer("/depot", "tmpfs");
            fs::create_dir_all(stand.paths.host_root().join("depot")).unwrap();
            let depot = mount::filesystem("tmpfs", &[]).unwrap();
            mount::attach(&depot, mount::place(&stand.paths.host_root().join("depot")).unwrap()).unwrap();
            stand.host("depot/image/x", "secret");
            stand.link("var/lib/docker", "/depot");
            stand.create().unwrap();
            stand.boot(|tree| assert_eq!(names(tree, "depot"), [""; 0]));
        });
    }

    #[test]
    fn what_is_beneath_a_mount_is_hidden_too() {
        apart(|| {
            let mut stand = Stand::new("overlay-beneath");
            stand.host("var/log/beneath", "secret");
            let log = mount::filesystem("tmpfs", &[]).unwrap();
            mount::attach(&log, mount::place(&stand.paths.host_root().join("var/log")).unwrap()).unwrap();
            stand.host("var/log/audit/audit.log", "secret");
            let why = crate::container::mounts::NOT_CARRIED.to_string();
            stand.state.skipped.push(Skipped { mountpoint: "/var/log".into(), fstype: "ext4".into(), why });
            stand.create().unwrap();
            stand.boot(|tree| {
                assert_eq!(names(tree, "var/log"), ["audit"]);
                assert_eq!(names(tree, "var/log/audit"), [""; 0]);
            });
        });
    }

    #[test]
    fn a_layer_that_is_missing_or_another_is_named() {
        apart(|| {
            let stand = Stand::new("overlay-missing").with_layer("/home", "xfs");
            stand.host("home/x", "");
            stand.create().unwrap();
            stand.host("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n");
            assert!(stand.mount().unwrap_err().to_string().contains("nothing is mounted at \"/home\""));
            stand.host("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /home rw - ext4 b rw\n");
            assert!(stand.mount().unwrap_err().to_string().contains("\"/home\" is ext4 now"));
        });
    }

    #[test]
    fn a_mountpoint_that_the_guest_made_a_symlink_is_not_followed() {
        apart(|| {
            let stand = Stand::new("overlay-swapped").with_layer("/home", "xfs");
            stand.host("home/x", "");
            stand.create().unwrap();
            let upper = stand.paths.container("web").join("layers/-/upper");
            std::os::unix::fs::symlink(stand.scratch.path(), upper.join("home")).unwrap();
            assert!(stand.mount().unwrap_err().to_string().contains("has no directory \"/home\""));
        });
    }

    #[test]
    fn an_imported_tree_gets_an_identity_and_is_not_trusted() {
        apart(|| {
            let mut stand = Stand::new("overlay-named");
            stand.state.rootfs = Rootfs::Named(Name::parse("debian").unwrap());
            datadir::ensure(&stand.paths).unwrap();
            let tree = stand.paths.filesystems().join("debian");
            fs::create_dir_all(tree.join("usr/etc")).unwrap();
            fs::write(tree.join("usr/etc/fstab"), "own").unwrap();
            fs::write(tree.join("usr/etc/hostname"), "builder").unwrap();
            std::os::unix::fs::symlink("/usr/etc", tree.join("etc")).unwrap();
            stand.create().unwrap();
            stand.boot(|tree| {
                assert_eq!(read(tree, "usr/etc/machine-id").unwrap(), "0123456789abcdef0123456789abcdef\n");
                assert_eq!(read(tree, "usr/etc/hostname").unwrap(), "web\n");
                assert_eq!(read(tree, "usr/etc/fstab").unwrap(), "own");
            });
            assert!(!Path::new("/usr/etc/machine-id").exists());
        });
    }

    #[test]
    fn an_upper_full_of_symlinks_leads_nowhere() {
        apart(|| {
            let stand = Stand::new("overlay-hostile");
            stand.host("var/log/x", "");
            stand.create().unwrap();
            let victim = stand.scratch.dir().mkdir("victim", 0o700).unwrap();
            let upper = stand.paths.container("web").join("layers/-/upper");
            for name in ["etc", "var", "tmp"] {
                std::os::unix::fs::symlink(stand.scratch.path().join("victim"), upper.join(name)).unwrap();
            }
            stand.boot(|_| ());
            assert_eq!(victim.entries(10).unwrap(), []);
        });
    }

    #[test]
    fn a_filesystem_without_extended_attributes_is_refused_by_name() {
        apart(|| {
            let stand = Stand::new("overlay-ramfs");
            fs::create_dir_all(stand.paths.datadir()).unwrap();
            let ramfs = mount::filesystem("ramfs", &[]).unwrap();
            mount::attach(&ramfs, mount::place(stand.paths.datadir()).unwrap()).unwrap();
            let error = stand.create().unwrap_err().to_string();
            assert!(error.contains("extended attributes") && error.contains("--datadir"), "{error}");
        });
    }

    #[test]
    fn a_datadir_on_an_overlay_is_refused() {
        apart(|| {
            let stand = Stand::new("overlay-stacked");
            stand.create().unwrap();
            stand.boot(|tree| {
                let error = datadir::ensure(&Paths::under(tree)).unwrap_err().to_string();
                assert!(error.contains("overlay") && error.contains("--datadir"), "{error}");
            });
        });
    }

    #[test]
    fn a_boot_that_was_killed_while_hiding_is_made_good_by_the_next() {
        apart(|| {
            let stand = Stand::new("overlay-killed");
            stand.host("etc/ssl/private/k", "secret");
            stand.create().unwrap();
            let layer = stand.paths.container("web").join("layers/-");
            fs::create_dir_all(layer.join("hide/half/made")).unwrap();
            stand.boot(|tree| assert_eq!(names(tree, "etc/ssl/private"), [""; 0]));
            assert_eq!(names(&layer, "."), ["seeded", "upper", "work"]);
        });
    }
}
