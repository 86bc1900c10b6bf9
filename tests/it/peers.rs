//! Real programs as peers of a test, which end with it, and a folder for them.

use sdme::dbus::Limits;
use sdme::dbus::connection::Connection;
use sdme::sys::poll::Wait;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
    _peer: Peer,
    folder: Folder,
}

impl Bus {
    /// With the reference implementation as its broker; `None` where that is not installed.
    pub fn start(test: &str) -> Option<Bus> {
        if !has("dbus-daemon", test) {
            return None;
        }
        let folder = Folder::new();
        let config = bus_config(&folder);
        let mut command = Command::new("dbus-daemon");
        let peer = Peer::start(command.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]));
        Some(Bus { _peer: peer, folder })
    }

    pub fn connection(&self) -> Connection {
        connect(&self.folder.path().join("bus"))
    }
}

/// A bus at the socket `bus` in this folder, where everybody may do everything.
pub fn bus_config(folder: &Folder) -> PathBuf {
    let config = folder.path().join("bus.conf");
    let text = format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
         <busconfig><listen>unix:path={}/bus</listen><policy context=\"default\">\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        folder.path().display()
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

fn limit() -> Wait<'static> {
    Wait::at_most(Duration::from_secs(10))
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
