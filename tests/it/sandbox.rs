//! A folder with a datadir and a config of its own, and the built program run with nothing else around it.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Who owns nothing.
const NOBODY: u32 = 65534;

pub struct Sandbox {
    pub dir: PathBuf,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Sandbox {
    pub fn new(name: &str) -> Sandbox {
        let dir = std::env::temp_dir().join(format!("sdme-it-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Sandbox { dir }
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("sdme.conf")
    }

    /// The program with this sandbox's datadir and config, an empty environment and no input.
    pub fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sdme"));
        command.args(words).env_clear().stdin(Stdio::null()).current_dir(&self.dir);
        command.env("SDME_DATADIR", self.dir.join("data"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        ran(self.command(words).arg("--config").arg(self.existing_config()).output().unwrap())
    }

    /// As a user without rights, whoever runs the tests. The program is copied to where such a user can reach it.
    pub fn run_as_nobody(&self, words: &[&str]) -> Ran {
        let copy = self.dir.join("sdme");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_sdme"), &copy).unwrap();
        }
        let mut command = Command::new(copy);
        command.args(words).env_clear().stdin(Stdio::null()).current_dir("/");
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        loop {
            match command.output() {
                // A test in another thread forked while the copy was still open for writing.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => continue,
                output => return ran(output.unwrap()),
            }
        }
    }

    fn existing_config(&self) -> PathBuf {
        if !self.config().exists() {
            fs::write(self.config(), "").unwrap();
        }
        self.config()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// Whether a test that needs root can run; says when it cannot.
pub fn root_or_skip(test: &str) -> bool {
    if !is_root() {
        eprintln!("skipped: {test} needs root");
    }
    is_root()
}
