//! A test that never ends fails, and says which it was, instead of holding up whoever waits for all of them.

use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{process, thread};

/// While this lives, so long.
pub struct Limit {
    _done: Sender<()>,
}

impl Limit {
    pub fn seconds(seconds: u64) -> Limit {
        let (done, ended) = channel();
        let test = thread::current().name().unwrap_or("a test").to_string();
        thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
                // Past what the harness keeps of a test's output until its end; and no thread can end one that hangs.
                let _ = writeln!(io::stderr(), "{test}: no end after {seconds} seconds");
                process::exit(101);
            }
        });
        Limit { _done: done }
    }
}

#[test]
#[ignore = "run by the next test"]
fn a_test_without_end() {
    let _limit = Limit::seconds(1);
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn what_hangs_fails() {
    let words = ["--exact", "--ignored", "limit::a_test_without_end"];
    let ran = process::Command::new(std::env::current_exe().unwrap()).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(101), "{said}");
    assert!(said.contains("a_test_without_end: no end after 1 seconds"), "{said}");
}
