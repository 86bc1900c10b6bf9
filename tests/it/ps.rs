//! `sdme ps` and `sdme show` where nothing runs.

use crate::sandbox::{Sandbox, root_or_skip};
use std::fs;

#[test]
fn an_empty_datadir_is_an_empty_list() {
    if !root_or_skip("ps") {
        return;
    }
    let sandbox = Sandbox::new("ps-empty");
    let ran = sandbox.run(&["ps"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "NAME  STATUS  HEALTH  OS  ADDRESSES  ROOTFS\n"));
    assert_eq!(sandbox.run(&["ps", "--json"]).out, "[]\n");
}

#[test]
fn a_broken_container_is_listed_and_cannot_write_on_the_terminal() {
    if !root_or_skip("ps") {
        return;
    }
    let sandbox = Sandbox::new("ps-broken");
    let dir = sandbox.dir.join("data/containers/web");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("state"), "\x1b[2Jversion=1\n").unwrap();
    let ran = sandbox.run(&["ps"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 2);
    assert!(ran.out.contains("web   broken"), "{}", ran.out);
    assert!(!ran.out.contains('\x1b'));
    let json = sandbox.run(&["ps", "--json"]).out;
    assert!(json.starts_with("[{\"name\":\"web\",\"status\":\"broken\",\"health\":"), "{json}");
}

#[test]
fn a_name_that_is_not_there_is_told() {
    if !root_or_skip("show") {
        return;
    }
    let sandbox = Sandbox::new("show-absent");
    for words in [&["show", "web"][..], &["logs", "web"]] {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.err, "sdme: there is no container \"web\"; 'sdme ps' lists them\n");
    }
}

#[test]
fn a_unique_beginning_is_enough_and_an_ambiguous_one_lists_the_names() {
    if !root_or_skip("logs") {
        return;
    }
    let sandbox = Sandbox::new("ps-prefix");
    for name in ["web-one", "web-two", "db"] {
        fs::create_dir_all(sandbox.dir.join("data/containers").join(name)).unwrap();
    }
    let ran = sandbox.run(&["show", "web"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "sdme: \"web\" is ambiguous: web-one, web-two\n"));
    assert_eq!(sandbox.run(&["show", "d"]).code, Some(0));
}
