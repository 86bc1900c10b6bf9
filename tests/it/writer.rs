//! Attacks on a tree that is being written (cases 1-5, 7, 10, 12 and 18), each with a name; and the rules of replacing.
//! [`Stage`] proves in each that nothing outside the tree changed, and that nobody opened the FIFO beside it.

use crate::sandbox::root_or_skip;
use crate::trees::{PLAIN, Short, Stage, snapshot};
use sdme::rootfs::bounds::Bounds;
use sdme::rootfs::writer::{Attributes, Node};
use sdme::sys::dir::Dir;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

fn stage(name: &str) -> Option<Stage> {
    root_or_skip(name).then(|| Stage::new(&format!("writer-{name}")))
}

/// Case 1.
#[test]
fn names_that_lead_out_are_refused_and_strange_ones_kept() {
    let Some(stage) = stage("names") else { return };
    let mut writer = stage.writer();
    for name in ["../x", "a/../../x", "a/..", "..", "", "a\0b", "/..", "./../canary/etc/passwd"] {
        for result in
            [writer.put(name, "x"), writer.dir(name), writer.link(name, "x"), writer.whiteout(name.as_bytes())]
        {
            let error = result.unwrap_err().to_string();
            assert!(error.starts_with("the name \"") && !error.contains('\n'), "{error}");
        }
    }
    let long = writer.put(&"x/".repeat(32 * 1024), "x").unwrap_err().to_string();
    assert!(long.contains("--max-path"), "{long}");
    assert!(writer.put(&"x".repeat(256), "x").unwrap_err().to_string().len() < 900);
    writer.put("/abs/x", "x").unwrap();
    writer.file(b"./a\nb\x01\xff\x1b[0m", 0, &PLAIN).unwrap().finish().unwrap();
    writer.done();
    assert!(stage.path("abs/x").exists());
    assert_eq!(fs::read_dir(stage.tree()).unwrap().count(), 2);
}

/// Case 2: relative, absolute, through a chain, and to what would be outside.
#[test]
fn a_symlink_then_an_entry_through_it_stays_inside() {
    let Some(stage) = stage("through") else { return };
    let mut writer = stage.writer();
    let canary = stage.canary();
    writer.link("absolute", canary.to_str().unwrap()).unwrap();
    writer.link("relative", "../../canary").unwrap();
    writer.link("up", "../../../../../../..").unwrap();
    writer.link("self", "/proc/self/root").unwrap();
    for path in ["absolute/etc/passwd", "relative/etc/passwd", "self/etc/passwd"] {
        let error = writer.put(path, "evil").unwrap_err().to_string();
        assert!(error.contains("leads nowhere"), "{error}");
    }
    // `..` of the root is the root: what is named exists inside only.
    writer.put("up/inside", "x").unwrap();
    writer.dir("usr").unwrap();
    writer.dir("usr/lib").unwrap();
    writer.link("lib", "usr/lib").unwrap();
    writer.link("lib64", "/lib").unwrap();
    writer.put("lib64/libc.so", "x").unwrap();
    writer.dir("lib/inner").unwrap();
    writer.put("lib64/inner/y", "y").unwrap();
    writer.done();
    assert_eq!(fs::read(stage.path("inside")).unwrap(), b"x");
    assert!(stage.path("usr/lib/libc.so").exists() && stage.path("usr/lib/inner/y").exists());
    assert_eq!(fs::metadata(stage.path("usr/lib/inner")).unwrap().mode() & 0o7777, 0o755);
}

/// Case 2: more links than the kernel follows, and a loop.
#[test]
fn chains_and_loops_of_symlinks_are_an_error() {
    let Some(stage) = stage("chains") else { return };
    let mut writer = stage.writer();
    writer.dir("end").unwrap();
    writer.link("l0", "end").unwrap();
    for number in 1..60 {
        writer.link(&format!("l{number}"), &format!("l{}", number - 1)).unwrap();
    }
    writer.put("l30/x", "x").unwrap();
    writer.link("a", "b").unwrap();
    writer.link("b", "a").unwrap();
    for path in ["l59/x", "a/x"] {
        assert!(writer.put(path, "x").unwrap_err().to_string().contains("Too many levels"), "{path}");
    }
    let long = format!("end/{}", "./".repeat(2000));
    writer.link("long0", &long).unwrap();
    writer.link("long1", &format!("long0/{}", "./".repeat(2000))).unwrap();
    writer.put("long1/y", "y").unwrap();
    writer.done();
    assert!(stage.path("end/x").exists() && stage.path("end/y").exists());
}

/// Case 3.
#[test]
fn hard_links_lead_nowhere_but_into_the_tree() {
    let Some(stage) = stage("hard-links") else { return };
    let mut writer = stage.writer();
    writer.link("out", stage.canary().to_str().unwrap()).unwrap();
    writer.link("passwd", "../../canary/etc/passwd").unwrap();
    writer.dir("d").unwrap();
    for target in ["../secret", "..", "", "a\0b"] {
        assert!(writer.hard("h", target).is_err(), "{target}");
    }
    for target in ["out/etc/passwd", "later", "/etc/passwd", "d", "d/none"] {
        let error = writer.hard("h", target).unwrap_err().to_string();
        assert!(error.contains("\"h\": hard link to "), "{error}");
        assert!(error.contains(target.trim_start_matches('/')), "{error}");
    }
    // Of a symlink the link itself gets a second name; an entry for that name then replaces it.
    writer.hard("h", "passwd").unwrap();
    assert!(stage.path("h").symlink_metadata().unwrap().is_symlink());
    writer.put("h", "evil").unwrap();
    writer.put("f", "content").unwrap();
    writer.hard("g", "f").unwrap();
    writer.hard("f", "g").unwrap();
    writer.hard("f", "./f").unwrap();
    writer.done();
    assert_eq!(fs::metadata(stage.path("f")).unwrap().nlink(), 2);
    assert_eq!(fs::read(stage.path("g")).unwrap(), b"content");
}

/// Case 4.
#[test]
fn the_later_entry_wins() {
    let Some(stage) = stage("later") else { return };
    let mut writer = stage.writer();
    let make = |writer: &mut sdme::rootfs::writer::Writer, kind: &str, path: &str| match kind {
        "file" => writer.put(path, kind),
        "dir" => writer.dir(path),
        "link" => writer.link(path, "../../canary"),
        "fifo" => writer.node(path.as_bytes(), Node::Fifo, &PLAIN),
        _ => writer.hard(path, "target"),
    };
    writer.put("target", "hard").unwrap();
    let kinds = ["file", "dir", "link", "fifo", "hard"];
    for first in kinds {
        for second in kinds {
            let path = format!("{first}-{second}");
            make(&mut writer, first, &path).unwrap();
            if first == "dir" {
                writer.put(&format!("{path}/kept"), "x").unwrap();
            }
            make(&mut writer, second, &path).unwrap();
            let now = stage.path(&path).symlink_metadata().unwrap().file_type();
            let is_right = match second {
                "file" | "hard" => now.is_file(),
                "dir" => now.is_dir(),
                "link" => now.is_symlink(),
                _ => now.is_fifo(),
            };
            assert!(is_right, "{path}: {now:?}");
        }
    }
    writer.done();
    assert!(stage.path("dir-dir/kept").exists());
}

/// Case 4, CVE-2026-33056: a directory whose attributes come at the end has become a symlink, or another directory.
#[test]
fn late_attributes_do_not_follow_what_took_the_place() {
    let Some(stage) = stage("late") else { return };
    let mut writer = stage.writer();
    let canary = stage.canary();
    let open = Attributes { mode: 0o777, uid: 1234, ..PLAIN };
    for name in ["d", "e", "f", "g"] {
        writer.directory(name.as_bytes(), &open).unwrap();
    }
    writer.link("d", canary.to_str().unwrap()).unwrap();
    writer.put("e", "now a file").unwrap();
    writer.put("f", "now a file").unwrap();
    writer.dir("f").unwrap();
    // By another hand, behind the writer's back: what is held open gets its attributes where it is, what is named does not.
    writer.directory(b"h", &Attributes { mode: 0o1777, ..open }).unwrap();
    for (name, away) in [("g", "held"), ("h", "named")] {
        fs::rename(stage.path(name), stage.path(away)).unwrap();
        symlink(&canary, stage.path(name)).unwrap();
    }
    writer.done();
    let mode = |path: &str| stage.path(path).symlink_metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("e"), mode("f"), mode("held"), mode("named")), (0o644, 0o755, 0o777, 0o700));
}

/// A directory that was named by way of a symlink gets its attributes whatever becomes of the symlink.
#[test]
fn late_attributes_reach_what_was_named_by_a_symlink() {
    let Some(stage) = stage("late-linked") else { return };
    let mut writer = stage.writer();
    let open = Attributes { mode: 0o2750, uid: 1234, ..PLAIN };
    for link in ["gone", "other", "same"] {
        writer.dir(&format!("real-{link}")).unwrap();
        writer.link(link, &format!("real-{link}")).unwrap();
        writer.directory(format!("{link}/d").as_bytes(), &open).unwrap();
        writer.directory(format!("{link}/d/e").as_bytes(), &open).unwrap();
    }
    writer.link("self", ".").unwrap();
    writer.directory(b"self/self", &open).unwrap();
    writer.dir("self/self/inner").unwrap();
    // The same of what has its attributes at once: the name leads elsewhere, or nowhere, when it is made.
    writer.link("into", ".").unwrap();
    writer.symlink(b"into/into", b"/", &Attributes { uid: 77, ..PLAIN }).unwrap();
    writer.link("pipe", ".").unwrap();
    writer.node(b"pipe/pipe", Node::Fifo, &Attributes { mode: 0o4711, uid: 77, ..PLAIN }).unwrap();
    writer.put("gone", "now a file").unwrap();
    writer.dir("other").unwrap();
    writer.dir("other/d").unwrap();
    writer.done();
    let is = |path: &str| {
        let meta = stage.path(path).symlink_metadata().unwrap();
        (meta.mode() & 0o7777, meta.uid(), meta.mtime_nsec())
    };
    for path in
        ["real-gone/d", "real-other/d", "real-same/d", "real-gone/d/e", "real-other/d/e", "real-same/d/e", "self"]
    {
        assert_eq!(is(path), (0o2750, 1234, 123_456_789), "{path}");
    }
    assert_eq!(is("other/d"), (0o755, 0, 123_456_789));
    assert!(stage.path("self/self/inner").is_dir() && !stage.path("self/inner").exists());
    assert_eq!((is("into").1, is("pipe")), (77, (0o4711, 77, 123_456_789)));
}

/// Case 5, CVE-2021-29136 and CVE-2026-48749.
#[test]
fn the_root_stays_a_directory_and_takes_its_own_attributes() {
    let Some(stage) = stage("root") else { return };
    let mut writer = stage.writer();
    for name in [".", "/", "./", "//."] {
        for result in [
            writer.put(name, "x"),
            writer.link(name, stage.canary().to_str().unwrap()),
            writer.node(name.as_bytes(), Node::Fifo, &PLAIN),
            writer.whiteout(name.as_bytes()),
        ] {
            assert!(result.unwrap_err().to_string().contains("the root of the tree"), "{name}");
        }
    }
    writer.put("f", "x").unwrap();
    assert!(writer.hard(".", "f").is_err() && writer.hard("g", ".").is_err());
    writer
        .directory(b"./", &Attributes { mode: 0o700, uid: 5, xattrs: &[(b"user.first".into(), b"1".into())], ..PLAIN })
        .unwrap();
    writer.directory(b".", &Attributes { mode: 0o1755, gid: 7, modified: (-5, 999_999_999), ..PLAIN }).unwrap();
    writer.done();
    let root = &snapshot(&stage.tree())[std::path::Path::new("")];
    assert_eq!((root.mode & 0o7777, root.owner, root.modified), (0o1755, (0, 7), (-5, 999_999_999)));
    assert!(root.xattrs.is_empty());
    let stage = Stage::new("writer-root-unnamed");
    let mut writer = stage.writer();
    writer.put("a/b/f", "x").unwrap();
    assert_eq!(writer.done().entries, 3);
    for path in ["", "a", "a/b"] {
        let meta = fs::metadata(stage.path(path)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 0, 0), "{path}");
    }
}

/// Case 7: modes that a umask or a change of owner would take bits of, capabilities, ACLs.
#[test]
fn attributes_arrive_exactly() {
    let Some(stage) = stage("exact") else { return };
    let mut writer = stage.writer();
    // cap_net_raw=ep; user 1234 may read; the directory's default ACL must not reach what is made in it.
    let capability = [1u8, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let acl = acl(&[(1, 6, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]);
    let on_file = [(b"security.capability".to_vec(), capability), (b"system.posix_acl_access".to_vec(), acl.clone())];
    let on_directory = [(b"system.posix_acl_default".to_vec(), acl), (b"trusted.x".to_vec(), vec![0, 255])];
    writer.directory(b"d", &Attributes { mode: 0o2070, uid: 3, gid: 4, xattrs: &on_directory, ..PLAIN }).unwrap();
    for mode in [0o644, 0o666, 0o4755, 0o2755, 0o6777, 0o1777, 0o000, 0o4711, 0o222] {
        for (uid, gid) in [(0, 0), (1234, 0), (0, 4321), (4_000_000_000, 5)] {
            let path = format!("d/{mode:o}-{uid}-{gid}");
            let attributes = Attributes { mode, uid, gid, ..PLAIN };
            let mut file = writer.file(path.as_bytes(), 3, &attributes).unwrap();
            file.write_at(0, b"abc").unwrap();
            file.finish().unwrap();
            writer.directory(format!("{path}.d").as_bytes(), &attributes).unwrap();
            writer.node(format!("{path}.p").as_bytes(), Node::Fifo, &attributes).unwrap();
            writer.node(format!("{path}.c").as_bytes(), Node::CharDevice(1, 3), &attributes).unwrap();
            writer.symlink(format!("{path}.l").as_bytes(), b"x", &attributes).unwrap();
        }
    }
    writer.file(b"d/cap", 0, &Attributes { mode: 0o640, uid: 9, xattrs: &on_file, ..PLAIN }).unwrap().finish().unwrap();
    assert_eq!(writer.done().notes, [""; 0]);
    let tree = snapshot(&stage.tree());
    for (path, entry) in
        tree.iter().filter(|(path, _)| path.to_str().unwrap().starts_with("d/") && !path.ends_with("cap"))
    {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut parts = name.trim_end_matches(|letter| ".dpcl".contains(letter)).split('-');
        let mode = u32::from_str_radix(parts.next().unwrap(), 8).unwrap();
        let owner: Vec<u32> = parts.map(|part| part.parse().unwrap()).collect();
        assert_eq!(entry.owner, (owner[0], owner[1]), "{name}");
        assert!(name.ends_with('l') || entry.mode & 0o7777 == mode, "{name}: {:o}", entry.mode);
        assert_eq!(entry.modified, (1_000_000_000, 123_456_789), "{name}");
        assert!(entry.xattrs.is_empty(), "{name}: {:?}", entry.xattrs);
    }
    for (path, wanted) in [("d/cap", &on_file), ("d", &on_directory)] {
        let found = &tree[std::path::Path::new(path)].xattrs;
        assert!(
            found.len() == 2 && wanted.iter().all(|(n, v)| found.get(std::str::from_utf8(n).unwrap()) == Some(v)),
            "{found:?}"
        );
    }
    assert_eq!(tree[std::path::Path::new("d")].mode & 0o7777, 0o2070);
}

/// The kernel's form of an ACL: entries of a tag, permissions and an id.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Case 7: orders to an overlay.
#[test]
fn what_an_overlay_would_obey_never_reaches_the_tree() {
    let Some(stage) = stage("overlay") else { return };
    let mut writer = stage.writer();
    let xattrs: Vec<(Vec<u8>, Vec<u8>)> =
        ["trusted.overlay.opaque", "user.overlay.redirect", "trusted.overlay.", "security.selinux"]
            .map(|name| (name.into(), b"y".to_vec()))
            .to_vec();
    let attributes = Attributes { xattrs: &xattrs, ..PLAIN };
    writer.directory(b"d", &attributes).unwrap();
    writer.file(b"f", 0, &attributes).unwrap().finish().unwrap();
    writer.symlink(b"l", b"f", &attributes).unwrap();
    writer.node(b"w", Node::CharDevice(0, 0), &PLAIN).unwrap();
    writer.hard("w2", "./w").unwrap();
    writer.hard("w3", "w2").unwrap();
    writer.node(b"b", Node::BlockDevice(0, 0), &PLAIN).unwrap();
    let totals = writer.done();
    assert_eq!(stage.listing(), ["BlockDevice b", "d d", "f f", "l l -> f"]);
    assert!(snapshot(&stage.tree()).values().all(|entry| entry.xattrs.is_empty()));
    assert_eq!(totals.notes.len(), 9 + 3, "{:?}", totals.notes);
}

/// What the directory of the stage passes on to new ones (set-group-id, a default ACL) is none of the tree's.
#[test]
fn the_tree_inherits_nothing_from_where_it_stands() {
    let Some(stage) = stage("inherit") else { return };
    let tree = stage.tree();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o2777)).unwrap();
    std::os::unix::fs::chown(&tree, Some(12), Some(34)).unwrap();
    let default = acl(&[(1, 7, u32::MAX), (2, 7, 1234), (4, 7, u32::MAX), (16, 7, u32::MAX), (32, 7, u32::MAX)]);
    rustix::fs::setxattr(&tree, "system.posix_acl_default", &default, rustix::fs::XattrFlags::empty()).unwrap();
    let mut writer = stage.writer();
    writer.dir("d").unwrap();
    writer.put("d/f", "x").unwrap();
    writer.done();
    for (path, entry) in snapshot(&tree) {
        let mode = if path.ends_with("f") { 0o644 } else { 0o755 };
        assert_eq!((entry.owner, entry.mode & 0o7777, entry.xattrs.len()), ((0, 0), mode, 0), "{path:?}");
    }
}

#[test]
fn what_is_not_written_is_a_hole_and_nothing_goes_past_the_size() {
    let Some(stage) = stage("holes") else { return };
    let mut writer = stage.writer();
    let mut file = writer.file(b"sparse", 1 << 37, &PLAIN).unwrap();
    file.write_at(1 << 30, b"middle").unwrap();
    file.finish().unwrap();
    let mut file = writer.file(b"short", 4, &PLAIN).unwrap();
    for (offset, bytes) in [(0, &b"12345"[..]), (4, b"x"), (u64::MAX, b"x")] {
        assert!(file.write_at(offset, bytes).unwrap_err().to_string().contains("\"short\" goes on after its 4 bytes"));
    }
    drop(file);
    assert!(writer.file(b"much", 1 << 50, &PLAIN).err().unwrap().to_string().contains("--max-bytes"));
    let meta = fs::metadata(stage.path("sparse")).unwrap();
    assert!(meta.size() == 1 << 37 && meta.blocks() < 64);
}

/// Case 10: the writer's own memory; the tree goes to the disk.
#[test]
fn deep_and_wide_trees_are_bounded() {
    let Some(stage) = stage("deep") else { return };
    let deep = vec!["d"; 10_000].join("/");
    assert!(
        stage
            .bounded(Bounds { path: 1 << 20, ..Bounds::default() })
            .put(&deep, "x")
            .unwrap_err()
            .to_string()
            .contains("--max-depth")
    );
    let mut writer = stage.bounded(Bounds { entries: 2000, ..Bounds::default() });
    let deep = vec!["d"; 1000].join("/");
    writer.put(&format!("{deep}/f"), "x").unwrap();
    writer.put(&format!("{deep}/g"), "x").unwrap();
    // Directories that are made on the way count too.
    let other = vec!["e"; 1000].join("/");
    assert!(writer.put(&other, "x").unwrap_err().to_string().contains("--max-entries"));
}

/// Case 12.
#[test]
fn whiteouts_remove_what_earlier_layers_brought_and_nothing_of_their_own() {
    let Some(stage) = stage("whiteouts") else { return };
    let mut writer = stage.writer();
    writer.begin_layer().unwrap();
    // Nothing is below the first layer.
    writer.dir("usr").unwrap();
    writer.dir("usr/lib").unwrap();
    writer.put("usr/lib/old", "1").unwrap();
    writer.put("usr/lib/both", "1").unwrap();
    writer.put("usr/lib/sub/old", "1").unwrap();
    writer.put("usr/lib/implicit/old", "1").unwrap();
    writer.link("lib", "usr/lib").unwrap();
    writer.put("gone/x/y", "1").unwrap();
    writer.link("dangling", "/nowhere").unwrap();
    writer.link("out", stage.canary().to_str().unwrap()).unwrap();
    writer.opaque(b"usr").unwrap();
    writer.whiteout(b"lib").unwrap();
    writer.begin_layer().unwrap();
    // Through the symlink, before the marker; and after it.
    writer.put("lib/both", "2").unwrap();
    writer.put("lib/implicit/new", "2").unwrap();
    writer.dir("usr/lib/sub").unwrap();
    writer.opaque(b"usr/lib").unwrap();
    writer.put("usr/lib/new", "2").unwrap();
    writer.whiteout(b"usr/lib/new").unwrap();
    writer.whiteout(b"gone").unwrap();
    for nothing in ["absent", "absent/x", "dangling/x", "out/etc/passwd", "usr/lib/new/x"] {
        writer.whiteout(nothing.as_bytes()).unwrap();
        writer.opaque(nothing.as_bytes()).unwrap();
    }
    writer.whiteout(b"dangling").unwrap();
    writer.whiteout(b"out").unwrap();
    assert_eq!(
        stage.listing(),
        [
            "l lib -> usr/lib",
            "d usr",
            "d usr/lib",
            "f usr/lib/both",
            "d usr/lib/implicit",
            "f usr/lib/implicit/new",
            "f usr/lib/new",
            "d usr/lib/sub"
        ]
    );
    writer.begin_layer().unwrap();
    writer.opaque(b".").unwrap();
    writer.put("only", "3").unwrap();
    writer.done();
    assert_eq!(stage.listing(), ["f only"]);
    let mut writer = Stage::new("writer-layers").bounded(Bounds { layers: 1, ..Bounds::default() });
    writer.begin_layer().unwrap();
    assert!(writer.begin_layer().unwrap_err().to_string().contains("--max-layers"));
}

/// A directory that an earlier layer described and a later one describes again has the later one's attributes only.
#[test]
fn a_directory_described_again_has_the_last_attributes_only() {
    let Some(stage) = stage("again") else { return };
    let mut writer = stage.writer();
    let first = [(b"user.first".to_vec(), b"1".to_vec())];
    let second = [(b"user.second".to_vec(), b"2".to_vec())];
    writer.directory(b"d", &Attributes { mode: 0o2777, uid: 7, gid: 7, xattrs: &first, ..PLAIN }).unwrap();
    writer.put("d/kept", "x").unwrap();
    writer.directory(b"d", &Attributes { mode: 0o750, modified: (5, 5), xattrs: &second, ..PLAIN }).unwrap();
    writer.done();
    let entry = &snapshot(&stage.tree())[std::path::Path::new("d")];
    assert_eq!((entry.mode & 0o7777, entry.owner, entry.modified), (0o750, (0, 0), (5, 5)));
    assert_eq!(entry.xattrs.keys().collect::<Vec<_>>(), ["user.second"]);
}

/// Case 18: places that programs of the host might trust.
#[test]
fn system_files_that_are_symlinks_to_the_host_are_replaced_not_followed() {
    let Some(stage) = stage("host-links") else { return };
    let mut writer = stage.writer();
    let canary = stage.canary();
    let canary = canary.to_str().unwrap();
    writer.link("etc", &format!("{canary}/etc")).unwrap();
    assert!(writer.put("etc/passwd", "evil").is_err());
    writer.dir("etc").unwrap();
    for name in ["passwd", "os-release", "machine-id", "hostname", "resolv.conf"] {
        writer.link(&format!("etc/{name}"), &format!("{canary}/etc/passwd")).unwrap();
        writer.put(&format!("etc/{name}"), "inside").unwrap();
        assert!(stage.path(&format!("etc/{name}")).symlink_metadata().unwrap().is_file());
    }
    writer.link("etc/fifo", &format!("{canary}/fifo")).unwrap();
    writer.put("etc/fifo", "inside").unwrap();
    writer.done();
}

/// Cases 4 and 19: somebody renames directories and puts symlinks in their places while they are written in.
#[test]
fn a_racing_attacker_gains_nothing() {
    let Some(stage) = stage("race") else { return };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // By descriptors: the attacker's own hands must not reach out through the symlinks that it makes.
            let (tree, canary) = (Dir::open(&stage.tree()).unwrap(), stage.canary());
            let (secret, mut round) = (canary.join("etc/passwd"), 0u64);
            while !over.load(Ordering::Relaxed) {
                round += 1;
                let target = if round % 2 == 0 { canary.join("etc") } else { "../../canary/etc".into() };
                let _ = tree.rename("d", &tree, "moved");
                let _ = tree.symlink(target.as_os_str(), "d");
                if let Ok(moved) = tree.subdir("moved") {
                    let _ = moved.unlink("passwd");
                    let _ = moved.symlink(secret.as_os_str(), "passwd");
                }
                let _ = tree.unlink("d");
                let _ = tree.rename("moved", &tree, "d");
            }
        });
        let mut written = 0;
        for round in 0..400u32 {
            let mut writer = stage.writer();
            let open = Attributes { mode: 0o777, uid: 1234, ..PLAIN };
            // Each may fail: somebody changes the tree. What is outside is what matters.
            let _ = writer.directory(b"d", &open);
            written += u32::from(writer.put("d/passwd", "evil").is_ok());
            let _ = writer.symlink(b"d/link", b"x", &open);
            let _ = writer.node(b"d/fifo", Node::Fifo, &open);
            let _ = writer.hard("d/hard", "d/passwd");
            let _ = writer.directory(b"d/e", &open);
            if round % 7 == 0 {
                let _ = writer.begin_layer().and_then(|()| writer.begin_layer());
                let _ = writer.whiteout(b"d");
                let _ = writer.opaque(b"d");
            }
            let _ = writer.finish();
        }
        over.store(true, Ordering::Relaxed);
        assert!(written > 0);
    });
}
