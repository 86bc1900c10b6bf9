//! What real tools write of a real tree reads as that tree: GNU tar, bsdtar and Python's tarfile in each of their formats.

use super::made::{Seen, all};
use crate::sandbox::{Sandbox, is_root};
use sdme::stream::tar::Kind;
use sdme::sys::meta;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a format and its writer can hold.
#[derive(Clone, Copy)]
pub struct Holds {
    /// Names of any length, any owner, and nanoseconds.
    everything: bool,
    long_names: bool,
    large_owners: bool,
    xattrs: bool,
    devices: bool,
    /// Files that do not fit into the reader's buffer.
    large: bool,
}

pub const V7: Holds =
    Holds { everything: false, long_names: false, large_owners: false, xattrs: false, devices: false, large: true };
pub const USTAR: Holds = Holds { devices: true, ..V7 };
pub const GNU: Holds = Holds { long_names: true, large_owners: true, ..USTAR };
pub const PAX: Holds = Holds { everything: true, ..GNU };
pub const WHOLE: Holds = Holds { xattrs: true, ..PAX };

pub fn run(command: &mut Command) {
    let output = command.env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skip: {tool} is not here");
    }
    found
}

fn touch(path: &Path, seconds: i64, nanoseconds: u32) {
    meta::set_modified(File::open(path).unwrap(), (seconds, nanoseconds)).unwrap();
}

/// Data at these places, and holes up to `size`.
fn sparse(path: &Path, size: u64, runs: &[(u64, usize)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, length) in runs {
        file.write_all_at(&vec![b'd'; *length], *offset).unwrap();
    }
}

/// A tree with one of everything that the format holds.
pub fn tree(top: &Path, holds: Holds) {
    let at = |name: &str| top.join(name);
    fs::create_dir_all(at("dir/sub")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    for size in [0, 1, 511, 512, 513, 10_000, 131_072, 400_000].into_iter().filter(|size| holds.large || *size < 20_000)
    {
        let bytes: Vec<u8> = (0..size).map(|byte: u32| (byte * 31 / 7) as u8).collect();
        fs::write(at(&format!("dir/{size}")), bytes).unwrap();
    }
    fs::set_permissions(at("dir/1"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(at("dir/0"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(at("empty"), fs::Permissions::from_mode(0o1777)).unwrap();
    for (name, target) in [("link", "dir/512"), ("absolute", "/etc/passwd"), ("dangling", "no/such"), ("up", "../..")] {
        symlink(target, at(name)).unwrap();
    }
    fs::hard_link(at("dir/513"), at("dir/sub/again")).unwrap();
    fs::hard_link(at("dir/513"), at("third")).unwrap();
    fs::write(top.join(OsStr::from_bytes(b"\xff\xfe\n\t\\x")), b"odd").unwrap();
    fs::write(at("dir/caf\u{e9} = %"), b"utf-8").unwrap();
    sparse(&at("only-hole"), 20_000, &[]);
    sparse(&at("hole-first"), 24_581, &[(20_480, 4101)]);
    if holds.large {
        sparse(&at("holes"), 1 << 20, &[(0, 4096), (65536, 8192), (1 << 19, 4096)]);
        let many: Vec<(u64, usize)> = (0..60).map(|at| (at * 8192, 4096)).collect();
        sparse(&at("many-holes"), 1 << 19, &many);
    }
    touch(&at("dir/511"), 1, 0);
    if holds.devices {
        run(Command::new("mkfifo").arg(at("fifo")));
        if is_root() {
            run(Command::new("mknod").arg(at("char")).args(["c", "10", "229"]));
            run(Command::new("mknod").arg(at("block")).args(["b", "259", "70000"]));
        }
    }
    if holds.large_owners && is_root() {
        std::os::unix::fs::chown(at("dir/10000"), Some(4_000_000_000), Some(3_000_000)).unwrap();
    }
    if holds.long_names {
        let (long, longer) = ("n".repeat(200), format!("{}/", "d".repeat(60)).repeat(8));
        fs::create_dir_all(at(&longer)).unwrap();
        fs::write(at(&format!("{longer}{long}")), b"deep").unwrap();
        fs::write(at(&long), b"long").unwrap();
        fs::hard_link(at(&long), at(&format!("{longer}again"))).unwrap();
        symlink("t/".repeat(300), at("long-link")).unwrap();
    }
    if holds.everything {
        touch(&at("dir/512"), -2, 0);
        touch(&at("empty"), 1_700_000_000, 123_456_789);
        symlink("\u{e9}", at("nanoseconds")).unwrap();
    }
    if holds.xattrs && is_root() {
        attributes(top);
    }
}

fn attributes(top: &Path) {
    let file = File::open(top.join("dir/1")).unwrap();
    let directory = File::open(top.join("dir")).unwrap();
    let acl = |ids: &[(u8, u8, u8)]| {
        let entry = |(tag, rights, id): &(u8, u8, u8)| {
            let id = if *id == 0 { u32::MAX } else { u32::from(*id) };
            [&[*tag, 0, *rights, 0][..], &id.to_le_bytes()].concat()
        };
        [&[2, 0, 0, 0][..], &ids.iter().flat_map(entry).collect::<Vec<u8>>()].concat()
    };
    let set = |file: &File, name: &str, value: &[u8]| meta::set_xattr(file, OsStr::new(name), value).unwrap();
    set(&file, "user.empty", b"");
    set(&file, "user.a=b%c d", b"\0\n=\xff");
    set(&file, "trusted.large", &[b'x'; 3000]);
    set(&file, "security.capability", &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    set(
        &file,
        "system.posix_acl_access",
        &acl(&[(1, 7, 0), (2, 6, 77), (4, 5, 0), (8, 4, 88), (16, 7, 0), (32, 1, 0)]),
    );
    set(&directory, "system.posix_acl_default", &acl(&[(1, 7, 0), (2, 6, 77), (4, 5, 0), (16, 7, 0), (32, 0, 0)]));
    set(&directory, "user.on-directory", b"1");
}

/// Every path below, itself included, as an archive of `.` names them.
fn below(top: &Path, path: &Path, found: &mut BTreeMap<PathBuf, fs::Metadata>) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| below(top, &entry.unwrap().path(), found));
    }
    found.insert(path.strip_prefix(top).unwrap().to_path_buf(), meta);
}

fn named(seen: &Seen) -> PathBuf {
    Path::new(&OsString::from_vec(seen.entry.path.clone()))
        .components()
        .filter(|part| part.as_os_str() != ".")
        .collect()
}

fn compare(bytes: &[u8], top: &Path, holds: Holds, what: &str) {
    let mut real = BTreeMap::new();
    below(top, top, &mut real);
    let seen = all(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut left: BTreeSet<&PathBuf> = real.keys().collect();
    let mut inodes = BTreeMap::new();
    for one in &seen {
        let name = named(one);
        assert!(left.remove(&name), "{what}: {name:?} twice or not there");
        let meta = &real[&name];
        if let Kind::HardLink(target) = &one.entry.kind {
            let target = Path::new(OsStr::from_bytes(target)).components().filter(|part| part.as_os_str() != ".");
            let target: PathBuf = target.collect();
            assert_eq!(inodes.get(&target), Some(&meta.ino()), "{what}: {name:?}");
            continue;
        }
        inodes.insert(name.clone(), meta.ino());
        compare_one(one, meta, &top.join(&name), holds, &format!("{what}: {name:?}"));
    }
    assert!(left.is_empty(), "{what}: missing {left:?}");
}

fn compare_one(one: &Seen, meta: &fs::Metadata, path: &Path, holds: Holds, what: &str) {
    let entry = &one.entry;
    let device = || ((meta.rdev() >> 8 & 0xfff) as u32, (meta.rdev() & 0xff | meta.rdev() >> 12 & 0xfff00) as u32);
    let kind = match meta.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Symlink(fs::read_link(path).unwrap().into_os_string().into_vec()),
        kind if kind.is_fifo() => Kind::Fifo,
        kind if kind.is_char_device() => Kind::CharDevice(device().0, device().1),
        kind if kind.is_block_device() => Kind::BlockDevice(device().0, device().1),
        _ => Kind::File,
    };
    assert_eq!(entry.kind, kind, "{what}");
    assert_eq!((entry.mode, entry.uid, entry.gid), (meta.mode() & 0o7777, meta.uid(), meta.gid()), "{what}");
    let nanoseconds = if holds.everything { meta.mtime_nsec() as u32 } else { 0 };
    assert_eq!(entry.modified, (meta.mtime(), nanoseconds), "{what}");
    if kind == Kind::File {
        assert_eq!(entry.size, meta.len(), "{what}");
        assert!(one.bytes() == fs::read(path).unwrap_or_default() || meta.mode() & 0o400 == 0, "{what}: other bytes");
    }
    if holds.xattrs && matches!(kind, Kind::File | Kind::Directory) {
        let file = File::open(path).unwrap();
        let names = meta::xattrs(&file).unwrap().into_iter().map(|name| {
            let value = meta::xattr(&file, name.to_str().unwrap()).unwrap().unwrap();
            (name.into_vec(), value)
        });
        let ours: BTreeMap<_, _> = entry.xattrs.iter().cloned().collect();
        assert_eq!(ours, names.collect::<BTreeMap<_, _>>(), "{what}");
    }
}

/// A tree, an archive of it by this command (`cd TOP; COMMAND... ARCHIVE .`), and both compared.
fn written(name: &str, holds: Holds, words: &[&str]) -> Vec<u8> {
    written_of(name, holds, words, |top| tree(top, holds))
}

fn written_of(name: &str, holds: Holds, words: &[&str], make: impl Fn(&Path)) -> Vec<u8> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let sandbox = Sandbox::new(&format!("tar-{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let (top, archive) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"));
    fs::create_dir(&top).unwrap();
    make(&top);
    let (first, rest) = words.split_first().unwrap();
    run(Command::new(first).args(rest).arg(&archive).arg(".").current_dir(&top));
    let bytes = fs::read(&archive).unwrap();
    compare(&bytes, &top, holds, &words.join(" "));
    bytes
}

/// Cuts an archive of a small tree where a cut could look like an end, and elsewhere.
fn cuts_are_refused(holds: Holds, words: &[&str]) {
    let what = words.join(" ");
    let bytes = written("cut", Holds { large: false, ..holds }, words);
    let data = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = (data.next_multiple_of(512)..).step_by(512).find(|cut| all(&bytes[..*cut]).is_ok()).unwrap();
    assert_eq!(all(&bytes[..end]).unwrap().len(), all(&bytes).unwrap().len(), "{what}");
    assert!(end <= bytes.len() && end <= data + 1024 + 4096, "{what}: {end} of {data}");
    for block in 0..end / 512 {
        for cut in [block * 512, block * 512 + 1 + block % 510] {
            assert!(all(&bytes[..cut]).is_err(), "{what}: cut at {cut} of {end}");
        }
    }
}

#[test]
fn what_gnu_tar_writes() {
    if !has("tar") {
        return;
    }
    for (format, holds) in [("v7", V7), ("oldgnu", GNU), ("gnu", GNU), ("ustar", USTAR), ("posix", PAX)] {
        let format = format!("--format={format}");
        written("gnu", holds, &["tar", &format, "-cf"]);
        cuts_are_refused(holds, &["tar", &format, "-cf"]);
        if ["--format=oldgnu", "--format=gnu", "--format=posix"].contains(&format.as_str()) {
            written("gnu-s", holds, &["tar", &format, "-S", "-cf"]);
        }
        written("gnu-label", holds, &["tar", &format, if holds.long_names { "--label=name" } else { "-b7" }, "-cf"]);
    }
}

#[test]
fn what_gnu_tar_writes_of_sparse_files_and_attributes() {
    if !has("tar") {
        return;
    }
    for version in ["--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"] {
        for detect in ["--hole-detection=seek", "--hole-detection=raw"] {
            let bytes = written("sparse", PAX, &["tar", "--format=posix", "-S", version, detect, "-cf"]);
            let seen = all(&bytes).unwrap();
            let chunks = |name: &str| seen.iter().find(|one| one.path() == name).unwrap().chunks.len();
            assert_eq!(
                (chunks("./many-holes"), chunks("./only-hole"), chunks("./hole-first")),
                (60, 0, 1),
                "{version}"
            );
            cuts_are_refused(PAX, &["tar", "--format=posix", "-S", version, detect, "-cf"]);
        }
    }
    let attributes = ["--xattrs", "--xattrs-include=*", "--acls"];
    written("attributes", WHOLE, &[&["tar", "--format=posix", "-S"][..], &attributes, &["-cf"]].concat());
    written("mtime", GNU, &["tar", "--format=posix", "--pax-option=delete=?time,delete=comment", "-cf"]);
    written("global", PAX, &["tar", "--format=posix", "--pax-option=globexthdr.name=x,comment=y", "-cf"]);
    for (format, holds) in [("--format=gnu", GNU), ("--format=posix", PAX)] {
        written("incremental", holds, &["tar", format, "--listed-incremental=../snapshot", "-cf"]);
    }
    written_of("1970", PAX, &["tar", "--format=posix", "-cf"], |top| {
        for (at, nanoseconds) in [0, 1, 250_000_001, 500_000_000, 999_999_999].into_iter().enumerate() {
            fs::write(top.join(at.to_string()), b"").unwrap();
            touch(&top.join(at.to_string()), -1 - at as i64, nanoseconds);
        }
    });
}

/// Without the attribute itself there are only names, which GNU tar writes even with --numeric-owner.
#[test]
fn acls_by_name() {
    if !has("tar") || !is_root() {
        return;
    }
    let sandbox = Sandbox::new("tar-acl");
    let (top, archive) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"));
    tree(&top, WHOLE);
    run(Command::new("tar").args(["--format=posix", "--acls", "-cf"]).arg(&archive).arg(".").current_dir(&top));
    // 77 and 88 have no names on any Debian, so that their numbers are written.
    let seen = all(&fs::read(&archive).unwrap()).unwrap();
    for (path, name) in [("dir", "system.posix_acl_default"), ("dir/1", "system.posix_acl_access")] {
        let ours = &seen.iter().find(|one| named(one) == Path::new(path)).unwrap().entry.xattrs;
        let real = meta::xattr(File::open(top.join(path)).unwrap(), name).unwrap().unwrap();
        assert_eq!(ours[..], [(name.as_bytes().to_vec(), real)], "{path}");
    }
}

#[test]
fn what_bsdtar_writes() {
    if !has("bsdtar") {
        return;
    }
    for (format, holds) in [("v7tar", V7), ("ustar", USTAR), ("gnutar", GNU), ("pax", WHOLE)] {
        written("bsd", holds, &["bsdtar", "--format", format, "-cf"]);
        cuts_are_refused(holds, &["bsdtar", "--format", format, "-cf"]);
    }
    // The default: PAX only where ustar is not enough.
    written_of("bsd", WHOLE, &["bsdtar", "-cf"], |top| {
        tree(top, WHOLE);
        whole_seconds(top);
    });
    let plain = ["--no-xattrs", "--no-acls", "--options", "pax:hdrcharset=BINARY"];
    written("bsd", PAX, &[&["bsdtar", "--format", "pax"][..], &plain, &["-cf"]].concat());
}

#[test]
fn what_python_writes() {
    if !has("python3") {
        return;
    }
    let script = "import sys, tarfile\n\
        t = tarfile.open(sys.argv[2], 'w', format=int(sys.argv[1]), errors='surrogateescape')\n\
        t.add(sys.argv[3])\nt.close()";
    for (format, holds) in [("0", USTAR), ("1", GNU), ("2", GNU)] {
        // Python's times are floating: whole seconds only are exact.
        written_of("python", holds, &["python3", "-c", script, format], |top| {
            tree(top, holds);
            whole_seconds(top);
        });
    }
}

/// Each piece alone is a part of an archive, and says so by its last block or its first.
#[test]
fn pieces_of_several_volumes_are_refused() {
    if !has("tar") {
        return;
    }
    let sandbox = Sandbox::new("tar-volumes");
    fs::write(sandbox.dir.join("data"), vec![b'x'; 50_000]).unwrap();
    for format in ["gnu", "posix"] {
        let pieces = [0, 1, 2].map(|number| sandbox.dir.join(format!("{format}-{number}")));
        let mut command = Command::new("tar");
        command.args(["-c", "-M", "-L20", &format!("--format={format}")]).current_dir(&sandbox.dir);
        run(command.args(pieces.iter().flat_map(|piece| [OsStr::new("-f"), piece.as_os_str()])).arg("data"));
        for piece in pieces {
            let error = all(&fs::read(&piece).unwrap()).unwrap_err().to_string();
            assert!(error.contains("cut short") || error.contains("several volumes"), "{piece:?}: {error}");
        }
    }
}

/// pixz makes an index of an archive and puts it behind that, in the same stream.
#[test]
fn what_pixz_adds_is_passed_over() {
    if !has("tar") || Command::new("pixz").arg("-h").output().is_err() {
        return eprintln!("skip: pixz is not here");
    }
    let sandbox = Sandbox::new("tar-pixz");
    let (top, archive) = (sandbox.dir.join("tree"), sandbox.dir.join("archive"));
    fs::create_dir(&top).unwrap();
    tree(&top, GNU);
    run(Command::new("tar").args(["-I", "pixz", "-cf"]).arg(&archive).arg(".").current_dir(&top));
    let whole = Command::new("xz").arg("-dc").stdin(File::open(&archive).unwrap()).output().unwrap().stdout;
    let magic = 0xdbae_14d6_2e32_4ca6_u64.to_le_bytes();
    assert!(whole.windows(8).any(|window| window == magic), "pixz made no index");
    compare(&whole, &top, GNU, "pixz");
    assert!(all(&whole[..whole.len() - 1]).is_err() && all(&[&whole[..], b"x"].concat()).is_err());
}

fn whole_seconds(top: &Path) {
    run(Command::new("find").arg(top).args(["-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"]));
}
