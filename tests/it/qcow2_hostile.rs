//! qcow2 images made by hand that lie (case 15): each lie is named, soon, by whoever meets it first; what is only odd is read.

use crate::limit::Limit;
use sdme::disk::ReadAt;
use sdme::disk::qcow2::{DISK_MOST, Extent, Image, Kind};
use std::time::{Duration, Instant};
use zlib_rs::{Deflate, DeflateFlush};

/// Seconds of a test that takes milliseconds.
const LIMIT: u64 = 60;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;

/// An image of clusters of 512 bytes: the header, the L1 table, one L2 table, then data. An L2 table has 64 entries.
struct Hand(Vec<u8>);

const L1: usize = 512;
const L2: usize = 1024;
const DATA: usize = 1536;

impl Hand {
    /// A disk of two L2 tables, of which the first is there and empty.
    fn new() -> Hand {
        let mut hand = Hand(vec![0; 4096]);
        hand.0[..4].copy_from_slice(b"QFI\xfb");
        hand.be32(4, 3).be32(20, 9).be64(24, 64 << 10).be32(36, 2).be64(40, L1 as u64);
        hand.be32(96, 4).be32(100, 104).be64(L1, L2 as u64 | COPIED);
        hand
    }

    fn be32(&mut self, at: usize, value: u32) -> &mut Hand {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    fn be64(&mut self, at: usize, value: u64) -> &mut Hand {
        self.0[at..at + 8].copy_from_slice(&value.to_be_bytes());
        self
    }

    fn l2(&mut self, entry: usize, value: u64) -> &mut Hand {
        self.be64(L2 + entry * 8, value)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Hand {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// What opening it, or looking through all of it, says.
    fn refused(&self) -> String {
        let began = Instant::now();
        let error = match Image::open(&self.0).and_then(|image| image.survey()) {
            Err(error) => error.to_string(),
            Ok(survey) => panic!("it was read: {survey:?}"),
        };
        assert!(began.elapsed() < Duration::from_secs(2), "{error}");
        assert!(!error.contains(|letter: char| letter.is_control() || letter == '\u{202e}'), "{error:?}");
        error
    }

    fn image(&self) -> Image<&Vec<u8>> {
        Image::open(&self.0).unwrap()
    }

    fn first_cluster(&self) -> Result<Vec<u8>, String> {
        let mut cluster = vec![0xee; 512];
        let read = self.image().read_at(0, &mut cluster);
        read.map(|_| cluster).map_err(|error| error.to_string())
    }
}

/// All of these are refused with this text in the error.
fn all_refused(said: &str, changes: &[&dyn Fn(&mut Hand)]) {
    for (number, change) in changes.iter().enumerate() {
        let mut hand = Hand::new();
        change(&mut hand);
        let error = hand.refused();
        assert!(error.contains(said), "{number}: {error}");
    }
}

#[test]
fn case_15_the_image_by_hand_is_a_good_one() {
    let _limit = Limit::seconds(LIMIT);
    let mut hand = Hand::new();
    hand.l2(1, DATA as u64 | COPIED).put(DATA, &[7; 512]).l2(3, 1);
    let image = hand.image();
    let survey = image.survey().unwrap();
    assert_eq!((survey.data, survey.compressed, survey.zero), (512, 0, (64 << 10) - 512));
    let data = Extent { offset: 512, length: 512, kind: Kind::Data { at: DATA as u64 } };
    assert_eq!(image.next_extent(512).unwrap(), Some(data));
    let rest = Extent { offset: 1024, length: (64 << 10) - 1024, kind: Kind::Zero };
    assert_eq!(image.next_extent(1024).unwrap(), Some(rest));
    assert_eq!(image.next_extent(64 << 10).unwrap(), None);
    assert_eq!(image.next_extent(u64::MAX).unwrap(), None);
}

#[test]
fn case_15_tables_and_clusters_past_the_end_are_refused() {
    let _limit = Limit::seconds(LIMIT);
    const FAR: u64 = 0x00ff_ffff_ffff_fe00;
    all_refused(
        "no cluster of the file",
        &[
            &|hand| _ = hand.be64(40, 4096),
            &|hand| _ = hand.be64(40, FAR),
            &|hand| _ = hand.be64(40, u64::MAX),
            &|hand| _ = hand.be64(40, 0),
            &|hand| _ = hand.be64(40, 513),
            &|hand| _ = hand.be64(L1, 4096),
            &|hand| _ = hand.be64(L1, FAR | COPIED),
            // Bits that mean nothing.
            &|hand| _ = hand.be64(L1, L2 as u64 | 1),
            &|hand| _ = hand.be64(L1, L2 as u64 | COMPRESSED),
        ],
    );
    all_refused("reaches past the end of the file", &[&|hand| hand.0.truncate(L2 + 100)]);
    all_refused(
        "which cannot be (or the file is cut short)",
        &[
            &|hand| _ = hand.l2(0, 4096),
            &|hand| _ = hand.l2(0, FAR),
            &|hand| _ = hand.l2(0, COPIED),
            &|hand| _ = hand.l2(0, DATA as u64 | 2),
            &|hand| _ = hand.l2(0, DATA as u64 | 1 << 57),
            &|hand| _ = hand.l2(0, COMPRESSED | 4096),
            &|hand| _ = hand.l2(0, COMPRESSED | ((1 << 61) - 1)),
            &|hand| _ = hand.l2(0, COMPRESSED | COPIED | DATA as u64),
            // Version 2 has no zero clusters.
            &|hand| _ = hand.be32(4, 2).l2(0, 1),
        ],
    );
}

#[test]
fn case_15_what_is_used_twice_is_refused() {
    let _limit = Limit::seconds(LIMIT);
    let data = DATA as u64;
    all_refused(
        "used for two things",
        &[
            // One table for all of the disk; the L1 table as an L2 table; a table that is its own data; the header.
            &|hand| _ = hand.be64(L1 + 8, L2 as u64),
            &|hand| _ = hand.be64(L1 + 8, L1 as u64),
            &|hand| _ = hand.l2(0, L2 as u64),
            &|hand| _ = hand.l2(63, L1 as u64),
            &move |hand| _ = hand.l2(0, data).l2(1, data),
            &move |hand| _ = hand.l2(0, data).l2(1, COMPRESSED | (data + 100)),
            &move |hand| _ = hand.l2(0, COMPRESSED | (data + 100)).l2(1, data),
            &|hand| _ = hand.l2(0, COMPRESSED | 100),
        ],
    );
}

#[test]
fn case_15_absurd_headers_are_refused() {
    let _limit = Limit::seconds(LIMIT);
    all_refused(
        "qcow2: ",
        &[
            &|hand| _ = hand.be32(4, 1),
            &|hand| _ = hand.be32(4, u32::MAX),
            &|hand| _ = hand.be32(20, 8),
            &|hand| _ = hand.be32(20, 22),
            &|hand| _ = hand.be32(20, 64),
            &|hand| _ = hand.be32(20, u32::MAX),
            &|hand| _ = hand.be64(24, DISK_MOST + 1),
            &|hand| _ = hand.be64(24, u64::MAX),
            &|hand| _ = hand.be64(24, (64 << 10) + 1),
            &|hand| _ = hand.be32(36, 0),
            &|hand| _ = hand.be32(36, u32::MAX),
            &|hand| _ = hand.be32(60, u32::MAX),
            &|hand| _ = hand.be32(96, 7),
            &|hand| _ = hand.be32(100, 0),
            &|hand| _ = hand.be32(100, 72),
            &|hand| _ = hand.be32(100, 105),
            &|hand| _ = hand.be32(100, u32::MAX),
            &|hand| _ = hand.be32(32, 1),
            &|hand| _ = hand.be32(32, 2),
            &|hand| _ = hand.be32(32, 77),
        ],
    );
    for length in 0..104 {
        let mut hand = Hand::new();
        hand.0.truncate(length);
        assert!(hand.refused().starts_with("qcow2: "));
    }
}

#[test]
fn case_15_a_dirty_image_is_read_and_a_corrupt_one_is_not() {
    let _limit = Limit::seconds(LIMIT);
    let mut hand = Hand::new();
    hand.l2(0, DATA as u64).put(DATA, &[7; 512]).be64(72, 1);
    assert_eq!(hand.first_cluster().unwrap(), [7; 512]);
    assert!(hand.be64(72, 2).refused().contains("marked corrupt"));
}

#[test]
fn case_15_names_out_of_the_image_do_not_reach_a_terminal_as_they_are() {
    let _limit = Limit::seconds(LIMIT);
    let table = |length: u32| {
        let mut hand = Hand::new();
        hand.be64(72, 1 << 40).be32(104, 0xdead_beef).be32(108, 3).be32(120, 0x6803_f857).be32(124, length);
        hand.put(128 + 48, b"\0\x28").put(128 + 50, "evil\x1b[2J\u{202e}\n".as_bytes());
        hand
    };
    let error = table(96).refused();
    assert!(error.contains("evil\\u{1b}[2J") && error.contains("incompatible bit 40"), "{error}");
    // A table that is longer than the header's cluster has no names.
    for length in [u32::MAX, 1 << 20, 47] {
        let error = table(length).refused();
        assert!(error.contains("incompatible bit 40") && !error.contains("evil"), "{error}");
    }
    let mut hand = Hand::new();
    hand.be64(8, 200).be32(16, 12).put(200, b"/etc/\x1b]0;x\x07y");
    assert!(hand.refused().contains("backing file (\"/etc/\\u{1b}]0;x"), "{}", hand.refused());
    for (at, length) in [(u64::MAX, 12), (200, u32::MAX), (4096, 9), (1, 0)] {
        assert!(hand.be64(8, at).be32(16, length).refused().contains("backing file"));
    }
}

#[test]
fn case_15_the_method_of_compression_and_its_mark_agree() {
    let _limit = Limit::seconds(LIMIT);
    for (field, mark, said) in [(1, 0, "do not agree"), (0, 8, "do not agree"), (2, 8, "is not known")] {
        let mut hand = Hand::new();
        hand.be32(100, 112).put(104, &[field]).be64(72, mark);
        assert!(hand.refused().contains(said), "{field}: {}", hand.refused());
    }
}

/// Raw deflate of one cluster.
fn deflated(byte: u8, length: usize) -> Vec<u8> {
    let mut packed = vec![0; 512];
    let mut deflate = Deflate::new(6, false, 12);
    deflate.compress(&vec![byte; length], &mut packed, DeflateFlush::Finish).unwrap();
    packed.truncate(deflate.total_out() as usize);
    packed
}

#[test]
fn case_15_compressed_clusters_are_whole_or_refused() {
    let _limit = Limit::seconds(LIMIT);
    let with = |bytes: &[u8]| {
        let mut hand = Hand::new();
        hand.l2(0, COMPRESSED | (DATA as u64 + 100)).put(DATA + 100, bytes);
        hand
    };
    assert_eq!(with(&deflated(7, 512)).first_cluster().unwrap(), [7; 512]);
    // What goes on behind the cluster does not matter; what ends before it does.
    assert_eq!(with(&deflated(7, 5000)).first_cluster().unwrap(), [7; 512]);
    for bad in [deflated(7, 511), vec![0xff; 64], vec![]] {
        let error = with(&bad).first_cluster().unwrap_err();
        assert!(error.contains("a compressed cluster: deflate"), "{error}");
    }
    // The file ends in the padding, or within the stream.
    let packed = deflated(7, 512);
    let mut hand = with(&packed);
    hand.0.truncate(DATA + 100 + packed.len());
    assert_eq!(hand.first_cluster().unwrap(), [7; 512]);
    hand.0.truncate(DATA + 100 + packed.len() - 3);
    assert!(hand.first_cluster().is_err());
    // The same of zstd: one block that repeats a byte, and bytes that are none.
    for (bytes, is_good) in
        [(&b"\x28\xb5\x2f\xfd\x60\0\x01\x03\x10\0\x07"[..], true), (&b"\x28\xb5\x2f\xfd"[..], false)]
    {
        let mut hand = with(bytes);
        hand.be32(100, 112).put(104, &[1]).be64(72, 8);
        assert_eq!(hand.first_cluster().ok(), is_good.then(|| vec![7; 512]));
    }
}

#[test]
fn case_15_a_small_image_of_a_large_disk_says_how_large_before_it_is_copied() {
    let _limit = Limit::seconds(LIMIT);
    // 64 entries for one cluster that is packed.
    let mut hand = Hand::new();
    hand.put(DATA, &deflated(7, 512));
    for entry in 0..64 {
        hand.l2(entry, COMPRESSED | DATA as u64);
    }
    assert_eq!(hand.image().survey().unwrap().stored(), 32 << 10);
}

#[test]
fn case_15_the_largest_disk_with_nothing_on_it_is_walked_at_once() {
    let _limit = Limit::seconds(LIMIT);
    let mut hand = Hand::new();
    let entries = (DISK_MOST / (64 << 10) / 8192) as u32;
    hand.be32(20, 16).be64(24, DISK_MOST).be32(36, entries).be64(40, 65536).0.resize(65536 + entries as usize * 8, 0);
    let began = Instant::now();
    let image = hand.image();
    assert_eq!(image.survey().unwrap().zero, DISK_MOST);
    let mut at = 0;
    while let Some(extent) = image.next_extent(at).unwrap() {
        at += extent.length;
    }
    assert_eq!(at, DISK_MOST);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn case_15_subclusters_are_zero_or_stored_or_neither_but_not_both() {
    let _limit = Limit::seconds(LIMIT);
    // Clusters of 16 KiB, subclusters of 512 bytes; data in the fourth cluster of the file.
    let cluster = 16 << 10;
    let with = |word: u64, bitmap: u64| {
        let mut hand = Hand(Hand::new().0[..512].to_vec());
        hand.0.resize(4 * cluster, 0);
        hand.be32(20, 14).be64(24, cluster as u64).be32(36, 1).be64(40, cluster as u64).be64(72, 16);
        hand.be64(cluster, 2 * cluster as u64).be64(2 * cluster, word).be64(2 * cluster + 8, bitmap);
        hand.put(3 * cluster, &[7; 16 << 10]);
        hand
    };
    let data = 3 * cluster as u64;
    let hand = with(data | COPIED, 0b0110 | 1 << 32);
    let mut bytes = vec![0xee; cluster];
    assert_eq!(hand.image().read_at(0, &mut bytes).unwrap(), cluster);
    assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == if at / 512 == 1 || at / 512 == 2 { 7 } else { 0 }));
    assert_eq!(hand.image().survey().unwrap().data, 1024);
    for (word, bitmap) in [(data, 1 | 1 << 32), (data, u64::MAX), (0, 1), (data | 1, 1)] {
        assert!(with(word, bitmap).refused().contains("which cannot be"), "{word:x} {bitmap:x}");
    }
    let mut small = Hand::new();
    assert!(small.be64(72, 16).refused().contains("cannot have subclusters"));
}
