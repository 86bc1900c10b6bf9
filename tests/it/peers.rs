//! Real programs as peers of a test, which end with it, and a folder for them.

use sdme::dbus::Limits;
use sdme::dbus::connection::Connection;
use sdme::sys::poll::Wait;
use sdme::systemd::manager::Manager;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> (File, File) {
    let (near, far) = sdme::sys::io::pipe().unwrap();
    (near.into(), far.into())
}

/// For whatever is to happen at once.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A folder that is removed when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sdme-it-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that runs for the length of a test.
pub struct Peer(Child);

impl Peer {
    pub fn start(command: &mut Command) -> Peer {
        Peer(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message bus of the test's own.
pub struct Bus {
    peer: Peer,
    folder: Folder,
}

impl Bus {
    /// With the reference implementation as its broker; `None` where that is not installed.
    pub fn start(test: &str) -> Option<Bus> {
        Bus::start_at(test, bus_address)
    }

    /// The same at an address that may depend on its folder.
    pub fn start_at(test: &str, address: impl FnOnce(&Path) -> String) -> Option<Bus> {
        if !has("dbus-daemon", test) {
            return None;
        }
        let folder = Folder::new();
        let config = bus_config(&folder, &address(folder.path()));
        let mut command = Command::new("dbus-daemon");
        let peer = Peer::start(command.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]));
        Some(Bus { peer, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn kill(&mut self) {
        self.peer.kill();
    }

    pub fn connection(&self) -> Connection {
        connect(&self.folder.path().join("bus"))
    }
}

fn bus_address(folder: &Path) -> String {
    format!("unix:path={}/bus", folder.display())
}

/// A bus where everybody may do everything; it starts what `services` in this folder names.
fn bus_config(folder: &Folder, address: &str) -> PathBuf {
    let config = folder.path().join("bus.conf");
    let services = folder.path().join("services");
    std::fs::create_dir(&services).unwrap();
    let text = format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
         <busconfig><listen>{address}</listen><servicedir>{}</servicedir><policy context=\"default\">\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        services.display()
    );
    std::fs::write(&config, text).unwrap();
    config
}

/// Connects as soon as somebody listens.
pub fn connect(path: &Path) -> Connection {
    until_some(&format!("nobody listens at {path:?}"), || Connection::open(path, Limits::TRUSTED, limit()).ok())
}

/// Tries again until there is a result.
pub fn until_some<T>(otherwise: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let wait = limit();
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(!wait.is_over(), "{otherwise}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn limit() -> Wait<'static> {
    Wait::at_most(LIMIT)
}

/// Whether a program is installed; says so if the test is left out for want of it.
pub fn has(program: &str, test: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/sbin", "/lib/systemd", "/usr/lib/systemd"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        println!("{test}: skipped: {program} is not installed");
    }
    found
}

/// systemd refuses to be a user's manager where no systemd has booted: the folder that says so is made for it alone. Its
/// control group is the root of a namespace, so that it makes groups nowhere else.
const START: &str = r#"
set -e
top=/sys/fs/cgroup; [ -d $top/unified ] && top=$top/unified
mkdir -p $top/$NAME
echo $$ > $top/$NAME/cgroup.procs
exec unshare --cgroup --mount sh -ec '
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/system
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A group that is not the root of all: there, systemd would move every process of this machine into a group of its own.
  [ -e /sys/fs/cgroup/cgroup.type ]
  program=/usr/lib/systemd/systemd; [ -x $program ] || program=/lib/systemd/systemd
  exec env -i XDG_RUNTIME_DIR=$TOP HOME=$TOP XDG_CONFIG_HOME=$TOP/config XDG_DATA_DIRS=$TOP SYSTEMD_UNIT_PATH=$TOP/units: \
    PATH=/usr/bin:/bin $program --user --unit=basic.target --log-target=null'
"#;

pub struct Systemd {
    pub peer: Peer,
    group: String,
    pub folder: Folder,
}

impl Systemd {
    pub fn start(test: &str) -> Option<Systemd> {
        if !has("systemd", test) || !has("unshare", test) {
            return None;
        }
        if !sdme::sys::credentials::is_root() {
            println!("{test}: skipped: namespaces take root");
            return None;
        }
        let folder = Folder::new();
        std::fs::create_dir(folder.path().join("units")).unwrap();
        let group = folder.path().file_name().unwrap().to_str().unwrap().to_string();
        let peer = Peer::start(Command::new("sh").args(["-c", START]).env("TOP", folder.path()).env("NAME", &group));
        let mut systemd = Systemd { peer, group, folder };
        let socket = systemd.private_socket();
        let runs = until_some("systemd does not start", || match std::os::unix::net::UnixStream::connect(&socket) {
            Ok(_) => Some(true),
            Err(_) => systemd.peer.has_ended().then_some(false),
        });
        if !runs {
            println!("{test}: skipped: a user's systemd does not run here (no cgroup2?)");
        }
        runs.then_some(systemd)
    }

    /// With a bus of its own, which it joins when the bus is up.
    pub fn start_on_bus(test: &str) -> Option<Systemd> {
        if !has("dbus-daemon", test) {
            return None;
        }
        let systemd = Systemd::start(test)?;
        let config = bus_config(&systemd.folder, &bus_address(systemd.folder.path()));
        let command = format!("dbus-daemon --config-file {} --address=systemd: --nofork --nopidfile", config.display());
        systemd.unit("dbus.service", &format!("[Service]\nExecStart=/usr/bin/env {command}\n"));
        systemd.unit("dbus.socket", "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=%t/bus\n");
        let mut manager = systemd.manager();
        manager.reload().unwrap();
        let job = manager.start_unit("dbus.socket").unwrap();
        assert_eq!(manager.wait_job(&job, limit()).unwrap(), "done");
        Some(systemd)
    }

    pub fn manager(&self) -> Manager {
        Manager::private(connect(&self.private_socket()), LIMIT).unwrap()
    }

    pub fn manager_on_bus(&self) -> Manager {
        until_some("systemd does not come to the bus", || {
            let mut connection = self.bus();
            connection.hello(limit()).unwrap();
            Manager::on_bus(connection, LIMIT).ok()
        })
    }

    pub fn private_socket(&self) -> PathBuf {
        self.folder.path().join("systemd/private")
    }

    pub fn bus_socket(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// Another client of its bus.
    pub fn bus(&self) -> Connection {
        connect(&self.bus_socket())
    }

    pub fn unit(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("units").join(name), text).unwrap();
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let group = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(|top| format!("{top}/{}", self.group));
        let group = group.iter().map(Path::new).find(|group| group.exists());
        if let Some(group) = group {
            let _ = std::fs::write(group.join("cgroup.kill"), "1");
        }
        self.peer.kill();
        if let Some(group) = group {
            remove_groups(group);
        }
    }
}

/// From the leaves up; what was killed leaves its group a moment later.
fn remove_groups(group: &Path) {
    for entry in std::fs::read_dir(group).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        remove_groups(&entry.path());
    }
    for _ in 0..200 {
        if std::fs::remove_dir(group).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
