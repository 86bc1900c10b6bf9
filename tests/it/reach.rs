//! How the host's manager is reached: what is there decides, once.

use crate::peers::{Bus, Folder, Systemd};
use sdme::error::Kind;
use sdme::paths::Paths;
use sdme::systemd::host::{self, Host};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A host's `/` on which systemd has booted, with these two sockets.
fn root(bus: Option<&Path>, private: Option<&Path>) -> (Folder, Paths) {
    let folder = Folder::new();
    let paths = Paths::under(folder.path());
    fs::create_dir_all(paths.systemd_marker()).unwrap();
    fs::create_dir_all(paths.system_bus_socket().parent().unwrap()).unwrap();
    for (target, link) in [(bus, paths.system_bus_socket()), (private, paths.private_socket())] {
        if let Some(target) = target {
            symlink(target, link).unwrap();
        }
    }
    (folder, paths)
}

fn is_on_bus(paths: &Paths) -> bool {
    match host::connect(paths).unwrap() {
        Host::Systemd(manager) => manager.is_on_bus(),
        Host::Direct => panic!("direct"),
    }
}

#[test]
fn without_systemd_the_way_is_direct() {
    let folder = Folder::new();
    assert!(matches!(host::connect(&Paths::under(folder.path())).unwrap(), Host::Direct));
}

#[test]
fn the_bus_comes_first() {
    let Some(systemd) = Systemd::start_on_bus("reach: bus") else { return };
    let _on_bus = systemd.manager_on_bus();
    let (_folder, paths) = root(Some(&systemd.bus_socket()), Some(&systemd.private_socket()));
    assert!(is_on_bus(&paths));
}

#[test]
fn without_a_bus_or_without_systemd_on_it_it_is_the_private_socket() {
    let Some(systemd) = Systemd::start("reach: private socket") else { return };
    let (_folder, paths) = root(None, Some(&systemd.private_socket()));
    assert!(!is_on_bus(&paths));
    let Some(bus) = Bus::start("reach: bus without systemd") else { return };
    drop(bus.connection());
    let (_folder, paths) = root(Some(&bus.folder().join("bus")), Some(&systemd.private_socket()));
    assert!(!is_on_bus(&paths));
}

#[test]
fn a_bus_that_does_not_answer_is_passed_over() {
    let Some(systemd) = Systemd::start("reach: silent bus") else { return };
    let silent = Folder::new();
    let socket = silent.path().join("bus");
    let _listener = UnixListener::bind(&socket).unwrap();
    let (_folder, paths) = root(Some(&socket), Some(&systemd.private_socket()));
    let started = Instant::now();
    assert!(!is_on_bus(&paths));
    assert!((2..4).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn when_neither_answers_both_are_named() {
    let (_folder, paths) = root(None, None);
    let started = Instant::now();
    let error = host::connect(&paths).err().unwrap();
    assert_eq!(*error.kind(), Kind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("system_bus_socket") && text.contains("systemd/private"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(1));
}
