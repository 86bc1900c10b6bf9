//! The same archive unpacked by GNU tar and by us: two trees that are equal entry by entry, holes too.

use super::made::{Header, Tape};
use super::tools::{GNU, Holds, PAX, USTAR, V7, WHOLE, has, run, tree};
use crate::sandbox::{Sandbox, root_or_skip};
use crate::trees::{Stage, assert_equal};
use sdme::error::Result;
use sdme::rootfs::unpack;
use sdme::rootfs::writer::Totals;
use sdme::stream::tar::Archive;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const EXTRACT: [&str; 8] =
    ["-p", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-S", "--delay-directory-restore", "-xf"];

fn unpacked(stage: &Stage, source: impl Read) -> Result<Totals> {
    let (mut archive, mut writer) = (Archive::new(source), stage.writer());
    unpack::tar::unpack(&mut archive, &mut writer)?;
    archive.finish()?;
    writer.finish()
}

fn same_as_gnu_tar(name: &str, holds: Holds, words: &[&str]) {
    let sandbox = Sandbox::new(&format!("unpacked-{name}"));
    let (top, archive, theirs) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"), sandbox.dir.join("theirs"));
    fs::create_dir(&top).unwrap();
    fs::create_dir(&theirs).unwrap();
    tree(&top, holds);
    let (first, rest) = words.split_first().unwrap();
    run(Command::new(first).args(rest).arg(&archive).arg(".").current_dir(&top));
    run(Command::new("tar").args(EXTRACT).arg(&archive).current_dir(&theirs));
    let stage = Stage::new(&format!("unpacked-stage-{name}"));
    unpacked(&stage, File::open(&archive).unwrap()).unwrap();
    assert_equal(&theirs, &stage.tree());
    // What loses nothing on the way is the first tree again.
    if words.contains(&"--xattrs") && words.contains(&"-S") {
        assert_equal(&top, &stage.tree());
    }
}

#[test]
fn case_8_what_gnu_tar_wrote() {
    if !root_or_skip("unpacked") || !has("tar") {
        return;
    }
    let all = ["--xattrs", "--xattrs-include=*", "--acls", "-S", "-cf"];
    same_as_gnu_tar("posix", WHOLE, &[&["tar", "--format=posix"][..], &all].concat());
    for (format, holds) in [("v7", V7), ("ustar", USTAR), ("oldgnu", GNU), ("gnu", GNU)] {
        let format = format!("--format={format}");
        let sparse = if format.ends_with("gnu") { "-S" } else { "-b20" };
        same_as_gnu_tar("formats", holds, &["tar", &format, sparse, "-cf"]);
    }
    for version in ["--sparse-version=0.0", "--sparse-version=0.1"] {
        same_as_gnu_tar("sparse", PAX, &["tar", "--format=posix", "-S", version, "--hole-detection=raw", "-cf"]);
    }
}

#[test]
fn case_8_what_bsdtar_wrote() {
    if !root_or_skip("unpacked") || !has("tar") || !has("bsdtar") {
        return;
    }
    for (format, holds) in [("ustar", USTAR), ("gnutar", GNU), ("pax", PAX)] {
        same_as_gnu_tar("bsd", holds, &["bsdtar", "--format", format, "-cf"]);
    }
}

/// GNU tar takes SCHILY.xattr as we take LIBARCHIVE.xattr, but sets ACLs with the names of this host.
#[test]
fn case_7_attributes_that_bsdtar_wrote() {
    if !root_or_skip("unpacked") || !has("bsdtar") {
        return;
    }
    let sandbox = Sandbox::new("unpacked-bsd-attributes");
    let (top, archive) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"));
    fs::create_dir(&top).unwrap();
    tree(&top, WHOLE);
    run(Command::new("bsdtar").args(["--format", "pax", "-cf"]).arg(&archive).arg(".").current_dir(&top));
    let stage = Stage::new("unpacked-bsd-attributes-stage");
    unpacked(&stage, File::open(&archive).unwrap()).unwrap();
    assert_equal(&top, &stage.tree());
}

/// A directory with a default ACL has an access ACL in the archive too, of which `tar --mode` knows nothing.
#[test]
fn case_7_an_acl_that_is_no_more_than_a_mode() {
    if !root_or_skip("unpacked") || !has("tar") {
        return;
    }
    let options = ["--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--mode=u+w,go-w"];
    let sandbox = Sandbox::new("unpacked-minimal-acl");
    let (top, archive, theirs) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"), sandbox.dir.join("theirs"));
    fs::create_dir_all(top.join("dir")).unwrap();
    fs::create_dir(&theirs).unwrap();
    tree(&top, WHOLE);
    fs::set_permissions(top.join("dir"), fs::Permissions::from_mode(0o2577)).unwrap();
    run(Command::new("tar").args(options).arg("-cf").arg(&archive).arg(".").current_dir(&top));
    run(Command::new("tar").args(EXTRACT).arg(&archive).current_dir(&theirs));
    let stage = Stage::new("unpacked-minimal-acl-stage");
    unpacked(&stage, File::open(&archive).unwrap()).unwrap();
    assert_equal(&theirs, &stage.tree());
}

#[test]
fn what_was_left_out_is_told() {
    if !root_or_skip("unpacked") {
        return;
    }
    let mut tape = Tape::default();
    tape.pax(&[("SCHILY.xattr.trusted.overlay.opaque", b"y")]).put(&Header::new(b"d", b'5', 0), b"");
    let stage = Stage::new("unpacked-notes");
    let totals = unpacked(&stage, &tape.end()[..]).unwrap();
    assert!(totals.notes[0].contains("1 extended attributes of an overlay"), "{:?}", totals.notes);
}

#[test]
fn errors_name_the_entry_and_stay_inside() {
    if !root_or_skip("unpacked") {
        return;
    }
    let fails = |bytes: &[u8], why: &str| {
        let stage = Stage::new("unpacked-errors-one");
        let error = unpacked(&stage, bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error:?} does not say {why:?}");
    };
    fails(&Tape::default().file("../x", b"").end(), "\"../x\"");
    fails(&Tape::default().put(Header::new(b"l", b'1', 0).link(b"missing"), b"").end(), "\"missing\"");
    let mut header = Header::new(b"terabytes", b'0', 0);
    header.set(124, b"\x80\0\0\0\0\x01\0\0\0\0\0\0");
    fails(&Tape::default().put(&header, b"").end(), "--max-bytes");
    fails(&Tape::default().file("a", &[1; 5000]).end()[..3000], "cut short");
}
