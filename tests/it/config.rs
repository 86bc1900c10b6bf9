//! `sdme config`, and which config and datadir a run uses.

use crate::sandbox::{Sandbox, ran, root_or_skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_key_that_was_set_is_got_and_the_rest_of_the_file_stays() {
    if !root_or_skip("config set") {
        return;
    }
    let sandbox = Sandbox::new("config-set");
    fs::write(sandbox.config(), "# ours\nboot_timeout=5\n").unwrap();
    assert_eq!(sandbox.run(&["config", "set", "interactive", "no"]).code, Some(0));
    assert_eq!(sandbox.run(&["config", "set", "boot_timeout", "2min"]).code, Some(0));
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), "# ours\nboot_timeout=2min\ninteractive=no\n");
    assert_eq!(sandbox.run(&["config", "get", "boot_timeout"]).out, "2min\n");
    assert_eq!(sandbox.run(&["config", "get", "interactive", "--json"]).out, "\"no\"\n");
    let left = fs::read_dir(&sandbox.dir).unwrap().count();
    assert_eq!(left, 1, "a temporary file was left");
}

#[test]
fn every_key_has_a_value_in_force() {
    let sandbox = Sandbox::new("config-defaults");
    fs::write(sandbox.config(), "").unwrap();
    assert_eq!(sandbox.run(&["config", "get", "datadir"]).out, "/var/lib/sdme\n");
    let all = sandbox.run(&["config", "get"]).out;
    assert!(all.starts_with("datadir=/var/lib/sdme\n") && all.lines().all(|line| !line.ends_with('=')), "{all}");
}

#[test]
fn set_makes_the_file_readable_for_everyone() {
    if !root_or_skip("config set") {
        return;
    }
    let sandbox = Sandbox::new("config-new");
    let file = sandbox.config();
    let output = sandbox.command(&["config", "set", "interactive", "no"]).env("SDME_CONFIG", &file).output().unwrap();
    assert_eq!(ran(output).code, Some(0));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o644);
}

#[test]
fn a_value_that_does_not_fit_changes_nothing() {
    if !root_or_skip("config set") {
        return;
    }
    let sandbox = Sandbox::new("config-bad");
    fs::write(sandbox.config(), "boot_timeout=5\n").unwrap();
    for (key, value) in [("boot_timeout", "soon"), ("datadir", "here"), ("bogus", "1"), ("datadir", "/a\nb=1")] {
        let ran = sandbox.run(&["config", "set", key, value]);
        assert_eq!(ran.code, Some(2), "{key}={value}: {}", ran.err);
    }
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), "boot_timeout=5\n");
}

#[test]
fn everyone_can_read_the_config() {
    let sandbox = Sandbox::new("config-get");
    let ran = sandbox.run_as_nobody(&["config", "get", "boot_timeout", "--config", "/dev/null"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "90s\n"));
    assert!(sandbox.run(&["config", "get", "bogus"]).err.contains("there are datadir"));
}

#[test]
fn a_malformed_config_stops_every_verb_and_names_the_line() {
    let sandbox = Sandbox::new("config-line");
    for (text, told) in [
        (&b"\nport=1\n"[..], "line 2: there is no key \"port\""),
        (b"interactive\n", "line 1: interactive: there is no '='"),
        (b"\xff", "not UTF-8"),
        (&[b'#'; 1 << 17], "longer than"),
    ] {
        fs::write(sandbox.config(), text).unwrap();
        let ran = sandbox.run(&["config", "get"]);
        assert_eq!(ran.code, Some(1), "{told}");
        assert!(ran.err.contains(told) && ran.err.contains("sdme.conf"), "{}", ran.err);
    }
    assert_eq!(sandbox.run(&["config", "-h"]).code, Some(0));
}

#[test]
fn a_config_that_was_named_must_be_there() {
    let sandbox = Sandbox::new("config-absent");
    let output = sandbox.command(&["config", "get", "--config", "absent"]).output().unwrap();
    let ran = ran(output);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("absent\": open: No such file"), "{}", ran.err);
}
