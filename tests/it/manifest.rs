//! Manifests of real trees: the same for equal trees, and every change is named.

use crate::copy::{Source, odd_tree};
use crate::sandbox::root_or_skip;
use crate::trees::Stage;
use rustix::fs::{CWD, XattrFlags};
use sdme::rootfs::manifest;
use sdme::rootfs::unpack::dir::{self, Options};
use sdme::sys::dir::Dir;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

fn rendered(tree: &Path) -> (String, Vec<u8>) {
    let mut text = Vec::new();
    let add = |line: &[u8]| {
        text.extend_from_slice(line);
        Ok(())
    };
    let digest = manifest::render(&Dir::open(tree).unwrap(), add).unwrap();
    (digest.to_string(), text)
}

fn changes(tree: &Path, text: &[u8]) -> Vec<String> {
    let verdict = manifest::verify(&Dir::open(tree).unwrap(), text, 100).unwrap();
    let lines: Vec<String> = verdict.differences.iter().map(ToString::to_string).collect();
    assert_eq!(verdict.count as usize, lines.len());
    assert_eq!(verdict.digest == verdict.recorded, lines.is_empty());
    lines
}

#[test]
fn equal_trees_have_equal_manifests() {
    if !root_or_skip("manifest") {
        return;
    }
    let (stage, source) = (Stage::new("manifest-equal"), Source::new("manifest-equal"));
    odd_tree(&source.top(), 77);
    let mut writer = stage.writer();
    dir::copy(&Dir::open(&source.top()).unwrap(), &mut writer, &Options::default()).unwrap();
    writer.finish().unwrap();
    let (digest, text) = rendered(&source.top());
    assert_eq!(rendered(&stage.tree()), (digest.clone(), text.clone()));
    assert_eq!(changes(&stage.tree(), &text), [""; 0]);
    assert_eq!(digest, sdme::digest::Digest::of(sdme::digest::Algorithm::Sha256, &text).to_string());
}

#[test]
fn every_change_of_a_tree_is_named() {
    if !root_or_skip("manifest") {
        return;
    }
    let source = Source::new("manifest-changes");
    let path = |name: &str| source.top().join(name);
    for name in ["content", "mode", "owner", "time", "attribute", "gone", "link-a", "type", "odd \n\u{e9}"] {
        fs::write(path(name), "0123456789").unwrap();
    }
    fs::create_dir_all(path("d/e")).unwrap();
    fs::write(path("d/e/f"), "x").unwrap();
    fs::hard_link(path("link-a"), path("link-b")).unwrap();
    symlink("one", path("symlink")).unwrap();
    let times = |name: &str, nanoseconds| {
        let time = rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: nanoseconds };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path(name), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    };
    for name in ["content", "time", "type", "symlink", "d", "link-a", "."] {
        times(name, 5);
    }
    let (_, text) = rendered(&source.top());
    assert_eq!(changes(&source.top(), &text), [""; 0]);
    fs::write(path("content"), "012345678x").unwrap();
    times("content", 5);
    fs::set_permissions(path("mode"), fs::Permissions::from_mode(0o4755)).unwrap();
    chown(path("owner"), Some(7), None).unwrap();
    times("time", 6);
    rustix::fs::setxattr(path("attribute"), "trusted.x", b"\x01", XattrFlags::empty()).unwrap();
    fs::remove_file(path("gone")).unwrap();
    fs::remove_file(path("type")).unwrap();
    symlink("x", path("type")).unwrap();
    times("type", 5);
    fs::remove_file(path("symlink")).unwrap();
    symlink("two", path("symlink")).unwrap();
    times("symlink", 5);
    fs::remove_file(path("link-b")).unwrap();
    fs::write(path("new\x1b[0m"), "").unwrap();
    fs::write(path("d/e.x"), "").unwrap();
    times("d", 5);
    times(".", 5);
    let lines = changes(&source.top(), &text);
    let of = |name: &str| lines.iter().find(|line| line.starts_with(&format!("{name}: "))).cloned().unwrap_or_default();
    assert!(
        of("content")
            .starts_with("content: sha256 84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882 is now ")
    );
    assert_eq!(of("mode"), "mode: mode 0644 is now 4755");
    assert_eq!(of("owner"), "owner: uid 0 is now 7");
    assert_eq!(of("time"), "time: mtime 1000000000.000000005 is now 1000000000.000000006");
    assert_eq!(of("attribute"), "attribute: xattr.trusted.x 01 added");
    assert_eq!(of("gone"), "gone: missing");
    assert_eq!(of("link-b"), "link-b: missing");
    assert_eq!(of("symlink"), "symlink: target one is now two");
    assert!(of("type").contains("type f is now l") && of("type").contains("target x added"), "{lines:?}");
    assert_eq!(of("new\\x1b[0m"), "new\\x1b[0m: added");
    assert_eq!(of("d/e.x"), "d/e.x: added");
    assert_eq!(lines.len(), 11, "{lines:?}");
}
