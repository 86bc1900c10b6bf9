//! Files from http and https servers: one agent, one `Read` that goes on by itself when a connection is cut.
//!
//! The parts are pure where they can be: `url` and `authority`, `environment` and `proxy`, `redirect`, `head` and `chunked`,
//! `range`, `retry`, `basic`. Bytes move in `wire` (TCP with limits), `tls`, `connect`, `exchange` (a request, redirects), `payload` (one answer's
//! body) and `body` (the file). HTTP/1.1, a connection a request.

pub mod authority;
pub mod basic;
pub mod body;
pub mod chunked;
mod connect;
pub mod environment;
mod exchange;
pub mod head;
mod payload;
pub mod proxy;
pub mod range;
pub mod redirect;
pub mod retry;
mod tls;
pub mod trust;
pub mod url;
pub mod wire;

pub use body::Body;
pub use environment::Environment;
pub use url::Url;

use crate::error::Result;
use crate::paths::Paths;
use retry::{Failure, Tries};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use wire::{Alive, Pace};

/// How an agent goes about it.
#[derive(Clone)]
pub struct Settings {
    pub environment: Environment,
    /// Files with authorities to trust beside the system's and the built-in ones.
    pub ca_files: Vec<PathBuf>,
    /// For finding the server, connecting, the proxy and TLS together.
    pub connect: Duration,
    /// How long a server may be silent.
    pub stall: Duration,
    /// Attempts after one that failed, in a row.
    pub retries: u32,
    /// Before the first of them; doubled each time.
    pub delay: Duration,
    /// Asked several times a second, from the thread that reads: an error ends it.
    pub alive: Alive,
    /// Told what a user should know: a line without a full stop.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Settings {
    pub fn new(environment: Environment) -> Settings {
        Settings {
            environment,
            ca_files: Vec::new(),
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            retries: 6,
            delay: Duration::from_millis(500),
            alive: Arc::new(|| Ok(())),
            notice: Arc::new(|_| {}),
        }
    }
}

/// What every connection of an agent needs.
pub struct Net {
    environment: Environment,
    tls: Tls,
    pace: Pace,
    connect: Duration,
    retries: u32,
    delay: Duration,
    notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Net {
    fn tries(&self) -> Tries {
        Tries::new(self.retries, self.delay)
    }

    /// Waits until the next attempt, or gives the error with which it ends.
    fn settle(&self, tries: &mut Tries, failure: Failure, at: u64, url: &Url) -> Result<()> {
        let (delay, error) = tries.again(failure, at).map_err(|error| error.context(url.to_string()))?;
        // Who ends it may have been the reason for the failure: then nothing is said of another attempt.
        (self.pace.alive)()?;
        (self.notice)(&format!("{url}: {error}; trying again in {:.1} s", delay.as_secs_f32()));
        self.pace.pause(delay)
    }
}

/// Gets files. Cheap to clone; clones share TLS sessions.
#[derive(Clone)]
pub struct Agent {
    net: Arc<Net>,
}

impl Agent {
    /// Reads the certificates. Errors: a file of `ca_files` cannot be read or holds none.
    pub fn new(paths: &Paths, settings: &Settings) -> Result<Agent> {
        let Settings { environment, ca_files, connect, stall, retries, delay, alive, notice } = settings.clone();
        let bundles = trust::read(paths, &environment, &ca_files, &*notice)?;
        let (tls, pace) = (Tls::new(&bundles)?, Pace { alive, stall });
        Ok(Agent { net: Arc::new(Net { environment, tls, pace, connect, retries, delay, notice }) })
    }

    /// Asks for a file; gives its bytes as they come. Errors name the address.
    pub fn get(&self, url: &Url) -> Result<Body> {
        Body::open(self.net.clone(), url)
    }
}
