//! Archives that lie, that tools read differently, or that nobody wrote to be read.

use super::made::{BLOCK, Header, Seen, Tape, all, names, record, through};
use sdme::stream::tar::{Archive, Kind};

fn refused(bytes: &[u8], why: &str) {
    let error = all(bytes).unwrap_err().to_string();
    assert!(error.contains(why) && !error.contains('\n'), "{error:?} does not say {why:?}");
}

#[test]
fn case_1_names_are_given_as_they_stand() {
    let long = vec![b'n'; 64 << 10];
    for name in [&b"../x"[..], b"a/../../x", b"/abs/x", b".", b"a\nb", b"\x1b[31m", b"\xff\xfe", &long] {
        let mut tape = Tape::default();
        tape.pax(&[("path", name)]).file("short", b"1");
        assert_eq!(all(&tape.end()).unwrap()[0].entry.path, name);
        let mut tape = Tape::default();
        tape.extended(b'L', &[name, b"\0"].concat()).file("short", b"1");
        assert_eq!(all(&tape.end()).unwrap()[0].entry.path, name);
    }
    assert_eq!(names(&Tape::default().file("", b"1").end()).unwrap(), [""]);
}

#[test]
fn case_1_nul_and_nothing_are_no_names() {
    for name in [&b"a\0b"[..], b""] {
        for keyword in ["path", "linkpath", "GNU.sparse.name"] {
            refused(&Tape::default().pax(&[(keyword, name)]).file("a", b"1").end(), "is no name");
        }
        refused(&Tape::default().extended(b'L', name).file("a", b"1").end(), "is no long name");
        refused(&Tape::default().extended(b'K', name).file("a", b"1").end(), "is no long name");
    }
    for typeflag in [b'1', b'2'] {
        refused(&Tape::default().put(&Header::new(b"a", typeflag, 0), b"").end(), "a link to nothing");
    }
}

/// CVE-2025-62518: one reader goes on behind the header's size and another behind the record's.
#[test]
fn case_6_a_pax_size_wins_over_the_headers_and_only_once() {
    let inner = Tape::default().file("smuggled", b"evil").0.clone();
    let size = inner.len().to_string();
    let mut tape = Tape::default();
    tape.pax(&[("size", size.as_bytes())]).put(&Header::new(b"outer", b'0', 0), &inner).file("next", b"12345");
    let seen = all(&tape.end()).unwrap();
    assert_eq!(seen.iter().map(Seen::path).collect::<Vec<_>>(), ["outer", "next"]);
    assert_eq!((seen[0].bytes(), seen[1].bytes()), (inner.clone(), b"12345".to_vec()));

    let mut tape = Tape::default();
    tape.pax(&[("size", b"0")]).put(&Header::new(b"outer", b'0', inner.len() as u64), &inner);
    assert_eq!(names(&tape.end()).unwrap(), ["outer", "smuggled"]);

    // Between a record and its entry there may be a long link name, whose size is its own.
    let mut tape = Tape::default();
    tape.pax(&[("size", b"5")]).extended(b'K', b"target\0").put(&Header::new(b"a", b'0', 0), b"12345");
    assert_eq!(all(&tape.end()).unwrap()[0].bytes(), b"12345");
}

#[test]
fn case_6_what_has_no_data_does_not_hide_any() {
    let inner = Tape::default().file("inner", b"").0.clone();
    for typeflag in [b'2', b'3', b'4', b'5', b'6'] {
        // The header's size is not believed, as in libarchive, Go and Python.
        let mut header = Header::new(b"a", typeflag, inner.len() as u64);
        let mut tape = Tape::default();
        tape.put(header.link(b"t"), &inner);
        assert_eq!(names(&tape.end()).unwrap(), ["a", "inner"]);
        let mut tape = Tape::default();
        tape.pax(&[("size", b"512")]).put(Header::new(b"a", typeflag, 0).link(b"t"), &inner);
        refused(&tape.end(), "512 bytes of data for what is no file");
    }
    refused(&Tape::default().put(&Header::new(b"v7/", b'0', 512), &inner).end(), "for what is no file");
}

#[test]
fn case_6_extended_headers_stand_before_one_entry_each() {
    let two = |first: u8, second: u8| {
        let text = |typeflag| if typeflag == b'x' { record("path", b"n") } else { b"n\0".to_vec() };
        let mut tape = Tape::default();
        tape.extended(first, &text(first)).extended(second, &text(second)).file("a", b"");
        tape.end()
    };
    refused(&two(b'x', b'x'), "two extended headers");
    refused(&two(b'L', b'L'), "two long names");
    refused(&two(b'K', b'K'), "two long link names");
    refused(&two(b'x', b'L'), "two long names");
    refused(&two(b'x', b'g'), "without its entry");
    refused(&Tape::default().extended(b'L', b"n\0").extended(b'V', b"").file("a", b"").end(), "without its entry");
    refused(&Tape::default().pax(&[("path", b"n")]).end(), "ends with an entry's extended header");
    refused(&Tape::default().pax(&[("path", b"n")]).end()[..1024], "it may be cut short");
}

#[test]
fn case_6_records_of_100_mib_are_not_held() {
    for typeflag in [b'x', b'g', b'L', b'K'] {
        let tape = Tape::default().put(&Header::new(b"a", typeflag, 100 << 20), b"").end();
        refused(&tape, "an extended header of 104857600 bytes");
    }
    let value = vec![b'v'; 2 << 20];
    let tape = Tape::default().pax(&[("comment", &value)]).file("a", b"").end();
    refused(&tape, "more than 1048576");
    assert_eq!(through(Archive::new(&tape[..]).with_limit(4 << 20), 512).unwrap().len(), 1);
}

#[test]
fn case_6_numbers_in_headers_that_are_none() {
    let negative = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let huge = b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    let one = |at: usize, field: &[u8], typeflag: u8| {
        let mut header = Header::new(b"a", typeflag, 0);
        header.set(at, field).link(b"t");
        Tape::default().put(&header, b"").end()
    };
    for field in [&negative[..], huge, b"-0000000001\0", b"0000000001.5", b"8\0"] {
        for typeflag in [b'0', b'1', b'S', b'D', b'L', b'x', b'V'] {
            refused(&one(124, field, typeflag), "is no number");
        }
    }
    // The largest that is one is more than there is.
    refused(&one(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", b'0'), "is cut short");
    for (at, what) in [(108, "owner"), (116, "group")] {
        for field in [&b"\x80\0\0\0\xff\xff\xff\xff"[..], b"\x80\0\0\x01\0\0\0\0", &negative[..8]] {
            refused(&one(at, field, b'0'), what);
        }
        assert!(all(&one(at, b"\x80\0\0\0\xff\xff\xff\xfe", b'0')).is_ok());
    }
    refused(&one(100, b"rwxr-xr-", b'0'), "its mode");
    refused(&one(136, b"yesterday\0", b'0'), "its time");
    assert_eq!(all(&one(136, negative, b'0')).unwrap()[0].entry.modified, (-1, 0));
    for field in [&b"\x80\0\0\0\0\0\x10\0"[..], &negative[..8], b"\x80\xff\xff\xff\xff\xff\xff\xff"] {
        refused(&one(329, field, b'3'), "a device whose number");
    }
    assert_eq!(all(&one(329, b"0007777\0", b'4')).unwrap()[0].entry.kind, Kind::BlockDevice(4095, 0));
}

#[test]
fn case_6_a_global_header_speaks_of_all_entries_after_it() {
    let mut tape = Tape::default();
    tape.file("a", b"").extended(b'g', &[record("mtime", b"7.5"), record("uid", b"9")].concat()).file("b", b"");
    tape.pax(&[("uid", b"1")]).file("c", b"").extended(b'g', &record("mtime", b"")).file("d", b"");
    let seen = all(&tape.end()).unwrap();
    let told: Vec<_> = seen.iter().map(|seen| (seen.entry.uid, seen.entry.modified)).collect();
    assert_eq!(told, [(0, (0, 0)), (9, (7, 500_000_000)), (1, (7, 500_000_000)), (9, (0, 0))]);
    refused(
        &Tape::default().extended(b'g', &record("path", b"x")).file("a", b"").end(),
        "a global header with \"path\"",
    );
    refused(
        &Tape::default().extended(b'g', &record("size", b"9")).file("a", b"").end(),
        "a global header with \"size\"",
    );
}

fn sparse_1(map: &str, data: &[u8], real: &str) -> Vec<u8> {
    let mut stored = map.as_bytes().to_vec();
    stored.resize(stored.len().next_multiple_of(BLOCK), 0);
    stored.extend(data);
    let version = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")];
    let records = [&version[..], &[("GNU.sparse.realsize", real.as_bytes()), ("GNU.sparse.name", b"s")]].concat();
    let mut tape = Tape::default();
    tape.pax(&records).put(&Header::new(b"GNUSparseFile.0/s", b'0', stored.len() as u64), &stored);
    tape.file("next", b"").end()
}

#[test]
fn case_6_sparse_maps_that_lie_are_refused() {
    let data = [7; 1024];
    let good = all(&sparse_1("2\n0\n512\n2048\n512\n", &data, "3000")).unwrap();
    assert_eq!((good[0].path(), good[0].entry.size, good[1].path()), ("s".to_string(), 3000, "next".to_string()));
    assert_eq!(good[0].chunks, [(0, vec![7; 512]), (2048, vec![7; 512])]);
    for (map, real) in [
        ("2\n512\n512\n0\n512\n", "3000"),
        ("2\n0\n512\n256\n512\n", "3000"),
        ("2\n0\n512\n2048\n512\n", "2500"),
        ("1\n0\n512\n", "3000"),
        ("2\n0\n512\n2048\n1024\n", "5000"),
        ("2\n0\n100\n2048\n924\n", "3000"),
        ("1\n18446744073709551615\n1024\n", "3000"),
        ("99999999\n0\n1024\n", "3000"),
        ("2\n0\n512\n2048\n512", "3000"),
        ("", "3000"),
        ("2\n0\n512\n2048\n512\n", "-3000"),
        ("2\n0\n512\n2048\n512\n", "9223372036854775808"),
    ] {
        assert!(all(&sparse_1(map, &data, real)).is_err(), "{map:?} {real}");
    }
    let directory = Tape::default().pax(&[("GNU.sparse.size", b"5")]).put(&Header::new(b"d", b'5', 0), b"").end();
    assert!(all(&directory).is_err());
}

#[test]
fn case_6_holes_of_terabytes_cost_nothing() {
    let seen = all(&sparse_1("1\n4611686018427387904\n1024\n", &[7; 1024], "9223372036854775807")).unwrap();
    assert_eq!((seen[0].entry.size, seen[0].chunks[0].0), (i64::MAX as u64, 1 << 62));
    let seen = all(&sparse_1("0\n", b"", "9223372036854775807")).unwrap();
    assert!(seen[0].chunks.is_empty());
}

/// 24 bytes of a map.
fn run(offset: u64, length: u64) -> Vec<u8> {
    format!("{offset:011o}\0{length:011o}\0").into_bytes()
}

fn old_sparse(runs: &[(u64, u64)], real: u64, stored: usize) -> Vec<u8> {
    let mut header = Header::new(b"s", b'S', stored as u64);
    header.gnu().set(483, format!("{real:011o}\0").as_bytes());
    let (inside, outside) = runs.split_at(runs.len().min(4));
    for (at, (offset, length)) in inside.iter().enumerate() {
        header.set(386 + at * 24, &run(*offset, *length));
    }
    header.set(482, &[u8::from(!outside.is_empty())]);
    let mut tape = Tape::default();
    tape.put(&header, b"");
    for (at, runs) in outside.chunks(21).enumerate() {
        let mut block: Vec<u8> = runs.iter().flat_map(|(offset, length)| run(*offset, *length)).collect();
        block.resize(504, 0);
        block.push(u8::from((at + 1) * 21 < outside.len()));
        tape.data(&block);
    }
    tape.data(&vec![7; stored]).file("next", b"").end()
}

#[test]
fn case_6_old_sparse_maps() {
    let many: Vec<(u64, u64)> = (0..60).map(|at| (at * 1024, 512)).collect();
    for count in [1, 4, 5, 25, 26, 46, 47, 60] {
        let seen = all(&old_sparse(&many[..count], 70_000, count * 512)).unwrap();
        assert_eq!((seen[0].chunks.len(), seen[1].path()), (count, "next".to_string()));
        assert!(all(&old_sparse(&many[..count], 1024 * count as u64 - 513, count * 512)).is_err());
        assert!(all(&old_sparse(&many[..count], 70_000, count * 512 + 512)).is_err());
    }
    for runs in [&[(512, 512), (0, 512)][..], &[(0, 1024), (512, 512)], &[(0, 100), (512, 412)]] {
        let stored: u64 = runs.iter().map(|(_, length)| length).sum();
        assert!(all(&old_sparse(runs, 9000, stored as usize)).is_err(), "{runs:?}");
    }
}

#[test]
fn stars_sparse_files() {
    let mut header = Header::new(b"s", b'S', 1024);
    header.set(508, b"tar\0").set(476, b"00000000000 00000000000 ");
    header.set(356, &run(512, 512)).set(380, &run(2048, 512)).set(452, b"00000010000\0");
    let tape = Tape::default().put(&header, &[7; 1024]).end();
    let seen = all(&tape).unwrap();
    assert_eq!((seen[0].entry.size, seen[0].path()), (4096, "s".to_string()));
    assert_eq!(seen[0].chunks, [(512, vec![7; 512]), (2048, vec![7; 512])]);
}

#[test]
fn a_hard_link_may_have_data() {
    let inner = Tape::default().file("inner", b"").0.clone();
    let link = |pax: bool, magic: &[u8], data: &[u8]| {
        let mut tape = Tape::default();
        if pax {
            tape.pax(&[("mtime", b"1")]);
        }
        let mut header = Header::new(b"l", b'1', 512);
        header.link(b"a").set(257, magic);
        names(&tape.put(&header, data).file("next", b"").end())
    };
    // PAX: there is what the size says. Old formats: there is nothing. ustar: as it looks.
    assert_eq!(link(true, b"ustar", &inner).unwrap(), ["l", "next"]);
    assert_eq!(link(false, b"ustar", &inner).unwrap(), ["l", "inner", "next"]);
    assert_eq!(link(false, b"ustar", &[7; 512]).unwrap(), ["l", "next"]);
    assert_eq!(link(false, b"ustar", b"").unwrap(), ["l", "next"]);
    assert_eq!(link(false, b"ustar  ", b"").unwrap(), ["l", "next"]);
    assert_eq!(link(false, &[0; 8], b"").unwrap(), ["l", "next"]);
    let mut header = Header::new(b"l", b'1', 512);
    assert_eq!(names(&Tape::default().put(header.link(b"a"), b"").end()).unwrap(), ["l"]);
}

#[test]
fn kinds_that_are_old_or_rare() {
    let mut tape = Tape::default();
    tape.extended(b'V', b"").put(&Header::new(b"dump/", b'D', 6), b"Yname\0").put(&Header::new(b"c", b'7', 2), b"hi");
    let mut old = Header::new(b"v7/", 0, 0);
    tape.put(old.set(257, &[0; 8]).set(100, b" 40755 \0"), b"").put(&Header::new(b"f", b'6', 0), b"");
    let seen = all(&tape.end()).unwrap();
    let kinds: Vec<_> = seen.iter().map(|seen| seen.entry.kind.clone()).collect();
    assert_eq!(kinds, [Kind::Directory, Kind::File, Kind::Directory, Kind::Fifo]);
    assert_eq!((seen[1].bytes(), seen[2].entry.mode), (b"hi".to_vec(), 0o755));
}

#[test]
fn kinds_that_are_refused() {
    refused(&Tape::default().put(&Header::new(b"a", b'M', 0), b"").end(), "several volumes");
    refused(&Tape::default().extended(b'g', &record("GNU.volume.offset", b"1")).end(), "several volumes");
    for typeflag in [b'8', b'A', b'E', b'I', b'N', b'Z', b'l', 0xff] {
        refused(&Tape::default().put(&Header::new(b"a", typeflag, 0), b"").end(), "is not understood");
    }
}

#[test]
fn the_end_is_marked_and_nothing_comes_after_it() {
    let tape = Tape::default().file("a", b"1").clone();
    let whole = tape.0.len();
    for zeros in [1024, 1025, 9216, 1 << 20] {
        assert_eq!(names(&[&tape.0[..], &vec![0; zeros]].concat()).unwrap(), ["a"]);
    }
    assert_eq!(names(&[0; 10240]).unwrap(), [""; 0]);
    refused(&tape.0, "without end-of-archive blocks");
    refused(&[&tape.0[..], &[0; 512]].concat(), "inside its end-of-archive blocks");
    refused(&[&tape.0[..], &[0; 700]].concat(), "cut short");
    refused(&[&tape.0[..], &[0; 512], &tape.0[..], &[0; 1024]].concat(), "more behind it");
    refused(&[&tape.0[..], &[0; 1024], &tape.0[..], &[0; 1024]].concat(), "more follows at byte 2048");
    refused(&[&tape.0[..], &[0; 4096], b"x"].concat(), &format!("more follows at byte {}", whole + 4096));
    refused(b"", "without end-of-archive blocks");
    refused(&[b'x'; 512], "this is no tar archive");
    refused(&[&tape.0[..], &[b'x'; 512]].concat(), "at byte 1024 there is no header");
    let open = |bytes: &[u8]| through(Archive::new(bytes).with_open_end(), 512).map(|seen| seen.len());
    assert_eq!(open(&tape.0).unwrap(), 1);
    assert_eq!(open(&[&tape.0[..], &[0; 512]].concat()).unwrap(), 1);
    // umoci's layers: the last file's data is whole, its block is not.
    assert_eq!([513, 1000, 1023].map(|end| open(&tape.0[..end]).unwrap()), [1; 3]);
    assert!(open(&tape.0[..512]).is_err() && open(&tape.0[..511]).is_err());
    assert!(open(&[&tape.0[..], &[0; 1024], b"x"].concat()).is_err());
}

#[test]
fn what_is_left_of_an_entry_is_passed_over() {
    let data = vec![9; 300_000];
    let bytes = Tape::default().file("a", &data).file("b", &data).file("c", b"3").end();
    let mut archive = Archive::new(&bytes[..]);
    let mut buffer = [0; 100];
    assert_eq!(archive.read(&mut buffer).unwrap(), None);
    archive.next().unwrap();
    archive.next().unwrap();
    assert_eq!(archive.read(&mut buffer).unwrap().unwrap().length, 100);
    assert_eq!(archive.next().unwrap().unwrap().path, b"c");
    assert_eq!((archive.next().unwrap(), archive.next().unwrap()), (None, None));
    assert_eq!(archive.read(&mut buffer).unwrap(), None);
    archive.finish().unwrap();
}

#[test]
fn case_7_acls_and_attributes_of_other_systems_are_told() {
    let acl = b"user::rw-,user:bob:rwx,group::r--,mask::rwx,other::r--";
    let mut tape = Tape::default();
    tape.pax(&[("SCHILY.acl.access", acl), ("SCHILY.xattr.com.apple.quarantine", b"1")]).file("a", b"");
    tape.pax(&[("SCHILY.xattr.trusted.overlay.opaque", b"y"), ("SCHILY.xattr.user.x", b"1")]).file("b", b"");
    tape.pax(&[("LIBARCHIVE.xattr.user%2Eoverlay%2eredirect", b"eQ")]).file("c", b"");
    let bytes = tape.end();
    let mut archive = Archive::new(&bytes[..]);
    let first = archive.next().unwrap().unwrap();
    assert_eq!(first.xattrs[0].0, b"system.posix_acl_access");
    assert_eq!(archive.next().unwrap().unwrap().xattrs, [(b"user.x".to_vec(), b"1".to_vec())]);
    assert_eq!(archive.next().unwrap().unwrap().xattrs, []);
    let notes = archive.notes();
    assert!(notes[0].contains("1 ACL entries") && notes[0].contains("user:bob:rwx"), "{notes:?}");
    assert!(notes[1].contains("com.apple.quarantine") && notes.len() == 3, "{notes:?}");
    assert!(
        notes[2].contains("2 extended attributes of an overlay") && notes[2].contains("overlay.opaque"),
        "{notes:?}"
    );
}

#[test]
fn every_cut_of_every_kind_of_header_is_an_error() {
    let mut tape = Tape::default();
    tape.extended(b'g', &record("comment", b"c")).pax(&[("path", b"long"), ("mtime", b"1.5")]).file("a", &[1; 700]);
    tape.extended(b'L', b"long\0").extended(b'K', b"target\0").put(Header::new(b"l", b'2', 0).link(b"t"), b"");
    let sparse = sparse_1("2\n0\n512\n2048\n512\n", &[7; 1024], "3000");
    let old = old_sparse(&(0..30).map(|at| (at * 1024, 512)).collect::<Vec<_>>(), 70_000, 30 * 512);
    for whole in [tape.end(), sparse, old] {
        assert!(all(&whole).is_ok());
        for cut in (0..whole.len()).filter(|cut| cut % 512 == 0 || cut % 37 == 0 || cut % 512 == 511) {
            assert!(all(&whole[..cut]).is_err(), "{cut}");
        }
    }
}
