//! tests/server/serve as a child of a test: a server or proxy on loopback that misbehaves on demand, and agents for it.

use sdme::error::Result;
use sdme::http::{Agent, Body, Environment, Settings, Url};
use sdme::paths::Paths;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

pub struct Server {
    child: Child,
    pub port: u16,
    scheme: &'static str,
}

impl Server {
    pub fn start(words: &[&str]) -> Server {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/serve");
        let mut command = Command::new("python3");
        let mut child =
            command.arg(script).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server says its port");
        Server { child, port, scheme: if words.contains(&"--tls") { "https" } else { "http" } }
    }

    pub fn plain() -> Server {
        Server::start(&[])
    }

    /// With one of the certificates that tests/server/keys makes.
    pub fn tls(certificate: &str, words: &[&str]) -> Server {
        let file = |kind: &str| keys().join(format!("{certificate}.{kind}")).display().to_string();
        Server::start(&[&["--tls", &file("pem"), &file("key")], words].concat())
    }

    pub fn url(&self, target: &str) -> Url {
        Url::parse(&self.text(target)).unwrap()
    }

    pub fn text(&self, target: &str) -> String {
        format!("{}://127.0.0.1:{}{target}", self.scheme, self.port)
    }

    /// What was asked for so far, one request a line.
    pub fn log(&self) -> Vec<String> {
        let text = read_all(agent().get(&self.url("/log"))).unwrap();
        String::from_utf8(text).unwrap().lines().map(str::to_string).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with an authority and certificates, made once a run.
pub fn keys() -> &'static Path {
    static KEYS: OnceLock<PathBuf> = OnceLock::new();
    KEYS.get_or_init(|| {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        remove_old(parent);
        let dir = parent.join(format!("keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/keys");
        assert!(Command::new(script).arg(&dir).status().unwrap().success(), "openssl makes the keys");
        dir
    })
}

/// The folders of runs that are over.
fn remove_old(parent: &Path) {
    for entry in std::fs::read_dir(parent).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix("keys-") else { continue };
        if !Path::new("/proc").join(process).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// An environment that says nothing, our own authority, and no patience.
pub fn settings() -> Settings {
    Settings {
        ca_files: vec![keys().join("ca.pem")],
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        retries: 3,
        delay: Duration::from_millis(1),
        ..Settings::new(Environment::default())
    }
}

pub fn agent() -> Agent {
    agent_with(&settings())
}

/// On a host without certificates of its own.
pub fn agent_with(settings: &Settings) -> Agent {
    Agent::new(&Paths::under("/nonexistent"), settings).unwrap()
}

pub fn read_all(body: Result<Body>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    body?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of /bytes/LENGTH.
pub fn sequence(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 256 * 13) as u8).collect()
}

pub fn error_of(result: Result<Vec<u8>>) -> String {
    match result {
        Ok(bytes) => panic!("{} bytes came", bytes.len()),
        Err(error) => error.to_string(),
    }
}
