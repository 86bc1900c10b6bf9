//! Standard input, output and error that are closed, full or gone.

use crate::sandbox::Sandbox;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

fn shell(sandbox: &Sandbox, line: &str) -> Option<i32> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env("SDME", env!("CARGO_BIN_EXE_sdme")).current_dir(&sandbox.dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code()
}

#[test]
fn closed_streams_are_no_trouble() {
    let sandbox = Sandbox::new("closed");
    assert_eq!(shell(&sandbox, "\"$SDME\" -h <&- >&- 2>&-"), Some(0));
    assert_eq!(shell(&sandbox, "\"$SDME\" bogus 2>&-"), Some(2));
    // What is opened first must not become standard error, where a message would land in it.
    std::fs::write(sandbox.config(), "bogus\n").unwrap();
    assert_eq!(shell(&sandbox, "\"$SDME\" config get --config sdme.conf <&- >&- 2>&-"), Some(1));
    assert_eq!(std::fs::read_to_string(sandbox.config()).unwrap(), "bogus\n");
}

#[test]
fn a_reader_that_has_gone_is_success() {
    let sandbox = Sandbox::new("pipe");
    for words in [&["--help"][..], &["config", "get"]] {
        let mut child = sandbox.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let sandbox = Sandbox::new("full");
    for words in [&["--help"][..], &["config", "get"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(words).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(err.contains("standard output: write: No space left on device"), "{err}");
    }
}

#[test]
fn an_error_that_nobody_can_be_told_is_still_an_exit_code() {
    let sandbox = Sandbox::new("full-error");
    for words in [&[][..], &["bogus"], &["config", "get", "bogus"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let words: &[&str] = words;
        assert_eq!(sandbox.command(words).stderr(full).status().unwrap().code(), Some(2), "{words:?}");
    }
}
