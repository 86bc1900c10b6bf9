//! qcow2 images as qemu makes them, from a seed: what is read, copied and told of each equals what qemu-img converts it to.
//!
//! `SDME_QCOW2=N` makes N images instead of a few, `SDME_QCOW2_SEED=S` begins with another seed.

use crate::corpus::chance::Chance;
use crate::limit::Limit;
use crate::sandbox::Sandbox;
use sdme::disk::ReadAt;
use sdme::disk::copy;
use sdme::disk::qcow2::{Image, Kind};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USUAL: u64 = 16;
/// Seconds of a test, and of each image of the first, which takes one or two.
const LIMIT: u64 = 120;
const LIMIT_EACH: u64 = 15;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn run(program: &str, words: &[&str]) -> String {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {words:?}: {said}");
    said.into_owned()
}

fn has_qemu() -> bool {
    let has = ["qemu-img", "qemu-io"].iter().all(|tool| Command::new(tool).arg("--version").output().is_ok());
    if !has {
        eprintln!("skip: qemu-img or qemu-io is not here");
    }
    has
}

struct Lab {
    sandbox: Sandbox,
}

impl Lab {
    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.dir.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    /// Makes an image of a seed. What it was made with.
    fn make(&self, seed: u64) -> String {
        let mut chance = Chance::new(seed);
        let image = self.text("image");
        let bits = 9 + chance.below(13);
        let is_old = chance.once_in(5);
        let mut options = vec![format!("cluster_size={}", 1u64 << bits)];
        options.push(format!("compat={}", if is_old { "0.10" } else { "1.1" }));
        if !is_old {
            options.push(format!("compression_type={}", chance.of(&["zlib", "zstd"])));
            if bits >= 14 && chance.once_in(3) {
                options.push("extended_l2=on".to_string());
            }
            if chance.once_in(4) {
                options.push("lazy_refcounts=on".to_string());
            }
        }
        if chance.once_in(4) {
            options.push(format!("preallocation={}", chance.of(&["metadata", "falloc", "full"])));
        }
        // Small clusters make large tables, and qemu slow.
        let most = if bits < 12 { 4 << 20 } else { 48 << 20 };
        let size = (1 + chance.below(most / 512)) * 512;
        let options = options.join(",");
        run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", &options, &image, &size.to_string()]);
        let packs = chance.once_in(2);
        for round in 0..1 + chance.below(3) {
            let commands: Vec<String> =
                (0..2 + chance.below(20)).map(|_| command(&mut chance, packs, size, 1 << bits)).collect();
            let words: Vec<&str> = commands.iter().flat_map(|command| ["-c", command.as_str()]).collect();
            // A compressed write where something is already is refused, and the others go on.
            let ran =
                Command::new("qemu-io").args(["-f", "qcow2"]).args(&words).arg(&image).stdin(Stdio::null()).output();
            assert!(ran.is_ok());
            if chance.once_in(3) {
                let _ = Command::new("qemu-img").args(["snapshot", "-c", &format!("s{round}"), &image]).output();
            }
        }
        if chance.once_in(5) && !is_old && !options.contains("prealloc") {
            let _ = Command::new("qemu-img").args(["resize", "-q", "-f", "qcow2", &image, "+1M"]).output();
        }
        options
    }
}

/// One request to qemu-io. Of an image that is told both to forget and to compress, qemu (10.0) uses clusters twice: a
/// compressed one is then written into another's data, and neither qemu-img check nor convert say so.
fn command(chance: &mut Chance, packs: bool, size: u64, cluster: u64) -> String {
    let offset = chance.below(size / 512) * 512;
    let length = ((1 + chance.below(1 + size / 4096)) * 512).min(size - offset);
    let pattern = 1 + chance.below(255);
    match chance.below(6) {
        0 => format!("write -z {offset} {length}"),
        1 if !packs => format!("write -zu {offset} {length}"),
        2 if !packs => format!("discard {offset} {length}"),
        3 if packs => {
            let offset = offset / cluster * cluster;
            format!("write -c -P {pattern} {offset} {}", cluster.min(size - offset))
        }
        _ => format!("write -P {pattern} {offset} {length}"),
    }
}

fn assert_equal(ours: &[u8], theirs: &[u8], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: length");
    if ours != theirs {
        let place = ours.iter().zip(theirs).position(|(one, other)| one != other);
        panic!("{what}: byte {place:?} is the first one that differs");
    }
}

fn compare(lab: &Lab, chance: &mut Chance, what: &str) {
    let expected = fs::read(lab.path("raw")).unwrap();
    let size = expected.len() as u64;
    let image = Image::open(File::open(lab.path("image")).unwrap()).unwrap();
    assert_eq!(image.size(), size, "{what}");
    let survey = image.survey().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(survey.data + survey.compressed + survey.zero, size, "{what}");
    // Extents follow each other to the end, and what is said to be zero is.
    let mut at = 0;
    while let Some(extent) = image.next_extent(at).unwrap() {
        assert!(extent.offset == at && extent.length > 0, "{what}: {extent:?} at {at}");
        at += extent.length;
        let bytes = &expected[extent.offset as usize..at as usize];
        assert!(extent.kind != Kind::Zero || bytes.iter().all(|byte| *byte == 0), "{what}: {extent:?}");
    }
    assert_eq!(at, size, "{what}");
    // Pieces that begin and end anywhere, also behind the end.
    for _ in 0..60 {
        let from = chance.below(size + 10);
        let mut buffer = vec![0xee; chance.below(200_000) as usize];
        let length = image.read_at(from, &mut buffer).unwrap();
        let there = &expected[(from.min(size)) as usize..];
        assert_eq!(length, there.len().min(buffer.len()), "{what}: at {from}");
        assert_equal(&buffer[..length], &there[..length], &format!("{what}: read at {from}"));
    }
    let copied = lab.path("copied");
    let _ = fs::remove_file(&copied);
    let target = File::options().read(true).write(true).create_new(true).open(&copied).unwrap();
    copy::to_sparse(&image, &target, &mut |_| Ok(())).unwrap();
    assert_equal(&fs::read(&copied).unwrap(), &expected, &format!("{what}: copied"));
    part(&image, &expected, lab, chance, what);
}

/// A part alone, to its own place.
fn part(image: &Image<File>, expected: &[u8], lab: &Lab, chance: &mut Chance, what: &str) {
    let size = expected.len() as u64;
    let start = chance.below(size);
    let end = start + 1 + chance.below(size - start);
    let path = lab.path("part");
    let _ = fs::remove_file(&path);
    let target = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    target.set_len(size).unwrap();
    copy::part_to_sparse(image, start..end, &target, &mut |_| Ok(())).unwrap();
    let range = start as usize..end as usize;
    let copied = fs::read(&path).unwrap();
    assert_equal(&copied[range.clone()], &expected[range], &format!("{what}: {start} to {end}"));
}

#[test]
fn images_of_qemu_are_read_as_qemu_reads_them() {
    let count = number("SDME_QCOW2", USUAL);
    let _limit = Limit::seconds(count * LIMIT_EACH);
    if !has_qemu() {
        return;
    }
    let lab = Lab { sandbox: Sandbox::new("qcow2-qemu") };
    let first = number("SDME_QCOW2_SEED", 1);
    for seed in first..first + count {
        let _ = fs::remove_file(lab.path("image"));
        let options = lab.make(seed);
        // qemu 10 has let a cluster be used twice: what it calls broken itself is no judge.
        let checked =
            Command::new("qemu-img").args(["check", "-q", "-f", "qcow2", &lab.text("image")]).output().unwrap();
        let is_marked = fs::read(lab.path("image")).unwrap()[79] & 2 != 0;
        if is_marked {
            let error = Image::open(File::open(lab.path("image")).unwrap()).err().unwrap().to_string();
            assert!(error.contains("corrupt"), "{error}");
        }
        if is_marked || !checked.status.success() {
            eprintln!("seed {seed}: not compared: qemu made an image that qemu-img check finds broken");
            continue;
        }
        run("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", &lab.text("image"), &lab.text("raw")]);
        compare(&lab, &mut Chance::new(seed), &format!("seed {seed}, {options}"));
    }
}

/// Case 15: by name, with nothing else opened, and at once.
#[test]
fn what_an_image_may_not_be_is_named() {
    let _limit = Limit::seconds(LIMIT);
    if !has_qemu() {
        return;
    }
    let lab = Lab { sandbox: Sandbox::new("qcow2-refused") };
    let create = |words: &[&str]| {
        let _ = fs::remove_file(lab.path("image"));
        run("qemu-img", &[&["create", "-q", "-f", "qcow2"], words, &[&lab.text("image"), "1M"]].concat());
    };
    let refused = || match Image::open(File::open(lab.path("image")).unwrap()).and_then(|image| image.survey()) {
        Err(error) => error.to_string(),
        Ok(survey) => panic!("it was read: {survey:?}"),
    };
    fs::write(lab.path("base"), vec![7; 1 << 20]).unwrap();
    create(&["-F", "raw", "-b", &lab.text("base")]);
    assert!(refused().contains("backing file"), "{}", refused());
    create(&["-o", &format!("data_file={}", lab.text("data"))]);
    assert!(refused().contains("data file"), "{}", refused());
    create(&[
        "--object",
        "secret,id=s,data=abc123",
        "-o",
        "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
    ]);
    assert!(refused().contains("encrypt"), "{}", refused());
    for (byte, bit, said) in [(79, 1, "corrupt"), (72, 0, "bit 56")] {
        create(&[]);
        let mut bytes = fs::read(lab.path("image")).unwrap();
        bytes[byte] |= 1 << bit;
        fs::write(lab.path("image"), bytes).unwrap();
        assert!(refused().contains(said), "{said}: {}", refused());
    }
}

/// Every byte of an image's tables, one after the other: an error or a reading, and soon.
#[test]
fn tables_that_lie_end_in_an_error_or_a_reading() {
    let _limit = Limit::seconds(LIMIT);
    if !has_qemu() {
        return;
    }
    let lab = Lab { sandbox: Sandbox::new("qcow2-lies") };
    let image = lab.text("image");
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", "cluster_size=512", &image, "64K"]);
    run("qemu-io", &["-f", "qcow2", "-c", "write -c -P 7 0 512", "-c", "write -P 3 4096 8192", &image]);
    let good = fs::read(&image).unwrap();
    for at in 0..good.len().min(6144) {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            read_all(&bytes);
        }
    }
    for length in 0..good.len().min(4096) {
        read_all(&good[..length].to_vec());
    }
}

fn read_all(bytes: &Vec<u8>) {
    let Ok(image) = Image::open(bytes) else { return };
    if image.survey().is_err() || image.size() > 1 << 30 {
        return;
    }
    let mut buffer = vec![0; 70_000];
    let _ = image.read_at(0, &mut buffer);
}

#[test]
fn a_copy_that_is_given_up_ends_at_once() {
    let _limit = Limit::seconds(LIMIT);
    if !has_qemu() {
        return;
    }
    let lab = Lab { sandbox: Sandbox::new("qcow2-stopped") };
    let image = lab.text("image");
    run("qemu-img", &["create", "-q", "-f", "qcow2", &image, "64M"]);
    run("qemu-io", &["-f", "qcow2", "-c", "write -P 3 0 64M", &image]);
    let image = Image::open(File::open(lab.path("image")).unwrap()).unwrap();
    let target = File::options().write(true).create_new(true).open(lab.path("copied")).unwrap();
    let error = copy::to_sparse(&image, &target, &mut |_| Err(sdme::error::Error::failed("enough"))).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    assert!(used(&lab.path("copied")) < 32 << 20);
}

fn used(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().unwrap().blocks() * 512
}
