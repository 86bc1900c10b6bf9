//! Questions, on a real terminal.

use crate::sandbox::{Sandbox, is_root};
use sdme::sys::pty;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

/// Answers the question of a run on a terminal of its own; gives the exit code and all that was shown.
fn answered(sandbox: &Sandbox, words: &[&str], answer: &str) -> Option<(Option<i32>, String)> {
    let devpts = File::open("/dev/pts").ok()?;
    let Ok(master) = pty::open_in(devpts.as_fd()) else {
        eprintln!("skipped: no terminal can be had here");
        return None;
    };
    let terminal = || Stdio::from(pty::peer(master.as_fd()).unwrap());
    let mut command = sandbox.command(words);
    let mut child = command.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap();
    drop(command);
    let mut master = File::from(master);
    master.write_all(answer.as_bytes()).unwrap();
    let code = child.wait().unwrap().code();
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    // The terminal was closed with the child: what is left in it is all there will be.
    while let Ok(length @ 1..) = master.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..length]);
        sleep(Duration::from_millis(1));
    }
    Some((code, String::from_utf8_lossy(&shown).into_owned()))
}

fn with_container(test: &str) -> Option<Sandbox> {
    if !is_root() {
        eprintln!("skipped: {test} needs root");
        return None;
    }
    let sandbox = Sandbox::new(test);
    fs::create_dir_all(sandbox.dir.join("data/containers/web-one")).unwrap();
    Some(sandbox)
}

#[test]
fn a_beginning_is_asked_about_on_a_terminal() {
    let Some(sandbox) = with_container("ask-prefix") else { return };
    for answer in ["n\n", "\n", "\x04", "yess\n"] {
        let Some((code, shown)) = answered(&sandbox, &["rm", "web"], answer) else { return };
        assert_eq!(code, Some(1), "{answer:?}: {shown}");
        assert!(shown.contains("\"web\" is short for \"web-one\". Is that meant? [y/N]"), "{shown}");
        assert!(shown.contains("type the whole name"), "{shown}");
        assert!(sandbox.dir.join("data/containers/web-one").exists());
    }
}

#[test]
fn nothing_is_asked_when_the_config_forbids_it() {
    let Some(sandbox) = with_container("ask-config") else { return };
    fs::write(sandbox.config(), "interactive=no\n").unwrap();
    let words = ["rm", "web", "--config", "sdme.conf"];
    let Some((code, shown)) = answered(&sandbox, &words, "y\n") else { return };
    assert_eq!(code, Some(1), "{shown}");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert!(sandbox.dir.join("data/containers/web-one").exists());
}

#[test]
fn an_archive_is_not_waited_for_on_a_terminal() {
    if !is_root() {
        eprintln!("skipped: an archive on a terminal needs root");
        return;
    }
    let sandbox = Sandbox::new("ask-archive");
    // Without an answer it would wait for ever; the end of what is typed ends that, too.
    let Some((code, shown)) = answered(&sandbox, &["fs", "import", "typed", "-"], "\x04") else { return };
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("standard input is a terminal"), "{shown}");
    assert!(!sandbox.dir.join("data/fs/typed").exists());
}
