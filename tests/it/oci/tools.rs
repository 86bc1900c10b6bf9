//! Images that umoci and skopeo make of a tree that changes from layer to layer: flattened, they are what umoci makes of them.

use super::made::{Layer, Layout, through};
use crate::corpus::chance::Chance;
use crate::sandbox::{Sandbox, root_or_skip};
use crate::trees::{Stage, assert_equal};
use rustix::fs::{CWD, FileType, Mode};
use sdme::oci::blobs::Blob;
use sdme::oci::image;
use sdme::oci::platform::Platform;
use sdme::rootfs::unpack::oci::{ImageInfo, is_image, spool, unpack_layout};
use sdme::stream::tar::Archive;
use sdme::sys::dir::Dir;
use sdme::sys::meta;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skip: {tool} is not here");
    }
    found
}

fn run(work: &Path, tool: &str, words: &str) {
    let output = Command::new(tool).args(words.split(' ')).current_dir(work).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{tool} {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Tests run beside one another: each stage has a name of its own.
fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn new_stage() -> Stage {
    Stage::new(&format!("oci-tools-{}", number()))
}

/// A tree that changes: what is where is known by walking it, in order.
struct Tree<'a> {
    root: &'a Path,
    chance: Chance,
    made: u32,
}

impl Tree<'_> {
    /// Everything but the root, directories first where they are asked for.
    fn all(&self, only_directories: bool) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.root.to_path_buf()]);
        while let Some(folder) = folders.pop() {
            let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                let is_folder = path.symlink_metadata().unwrap().is_dir();
                if is_folder {
                    folders.push(path.clone());
                }
                if is_folder || !only_directories {
                    found.push(path);
                }
            }
        }
        found
    }

    fn any(&mut self, only_directories: bool) -> Option<PathBuf> {
        let all = self.all(only_directories);
        if all.is_empty() { None } else { Some(all[self.chance.below(all.len() as u64) as usize].clone()) }
    }

    /// A name that is not there, in some directory.
    fn fresh(&mut self) -> PathBuf {
        self.made += 1;
        let folder = match self.chance.below(3) {
            0 => None,
            _ => self.any(true),
        };
        let odd = ["", " ", "ä", "\n", "%", "very-long-name-that-needs-an-extended-header-in-a-deep-directory-"];
        let odd = odd[self.chance.below(odd.len() as u64) as usize];
        folder.unwrap_or(self.root.to_path_buf()).join(format!("{odd}n{}", self.made))
    }

    fn change(&mut self) {
        let path = self.fresh();
        match self.chance.below(12) {
            0..=2 => self.file(&path),
            3 | 4 => fs::create_dir(&path).unwrap(),
            5 => symlink(["n1", "/etc/passwd", "../../.."][self.chance.below(3) as usize], &path).unwrap(),
            6 => self.hard_link(&path),
            7 => self.node(&path),
            8 | 9 => drop(self.remove()),
            10 => self.replace(),
            _ => self.touch(),
        }
    }

    fn file(&mut self, path: &Path) {
        let size = [0, 1, 511, 512, 513, 70_000][self.chance.below(6) as usize];
        let byte = self.chance.below(256) as u8;
        fs::write(path, vec![byte; size]).unwrap();
        fs::set_permissions(
            path,
            fs::Permissions::from_mode([0o644, 0o4755, 0o000, 0o600][self.chance.below(4) as usize]),
        )
        .unwrap();
        let file = File::open(path).unwrap();
        if self.chance.below(3) == 0 {
            meta::set_owner(&file, self.chance.below(70_000) as u32, self.chance.below(9) as u32).unwrap();
        }
        if self.chance.below(4) == 0 {
            meta::set_xattr(&file, "user.note".as_ref(), b"a\0b").unwrap();
        }
        meta::set_modified(
            &file,
            (1_500_000_000 + self.chance.below(1000) as i64, self.chance.below(1_000_000_000) as u32),
        )
        .unwrap();
    }

    fn hard_link(&mut self, path: &Path) {
        let files: Vec<PathBuf> =
            self.all(false).into_iter().filter(|path| path.symlink_metadata().unwrap().is_file()).collect();
        if !files.is_empty() {
            fs::hard_link(&files[self.chance.below(files.len() as u64) as usize], path).unwrap();
        }
    }

    fn node(&mut self, path: &Path) {
        let (kind, device) = [(FileType::Fifo, 0), (FileType::CharacterDevice, rustix::fs::makedev(1, 3))]
            [self.chance.below(2) as usize];
        rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, device).unwrap();
    }

    fn remove(&mut self) -> Option<PathBuf> {
        let path = self.any(false)?;
        match path.symlink_metadata().unwrap().is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
        Some(path)
    }

    /// Something of another type in its place.
    fn replace(&mut self) {
        let Some(path) = self.remove() else { return };
        match self.chance.below(3) {
            0 => self.file(&path),
            1 => symlink("x", &path).unwrap(),
            _ => {
                fs::create_dir(&path).unwrap();
                self.file(&path.join("inner"));
            }
        }
    }

    fn touch(&mut self) {
        let Some(path) = self.any(true) else { return };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700 + self.chance.below(0o100) as u32)).unwrap();
        meta::set_modified(File::open(&path).unwrap(), (1_400_000_000, 5)).unwrap();
    }
}

/// A layout `img` with an image `t` of so many layers, made by umoci from the changes of a tree.
fn image(work: &Path, layers: u32, seed: u64) {
    run(work, "umoci", "init --layout img");
    run(work, "umoci", "new --image img:t");
    run(work, "umoci", "unpack --image img:t bundle");
    let root = work.join("bundle/rootfs");
    let mut tree = Tree { root: &root, chance: Chance::new(seed), made: 0 };
    for _ in 0..layers {
        // One change that is sure to make a layer.
        let path = tree.fresh();
        tree.file(&path);
        (0..12).for_each(|_| tree.change());
        run(work, "umoci", "repack --refresh-bundle --image img:t bundle");
    }
}

/// What umoci makes of `img:t`.
fn expected(work: &Path) -> PathBuf {
    run(work, "umoci", "raw unpack --image img:t expected");
    work.join("expected")
}

fn flattened(layout: &Path) -> (Stage, ImageInfo) {
    let stage = new_stage();
    let mut writer = stage.writer();
    let info = unpack_layout(&Dir::open(layout).unwrap(), Some("t"), Some(&Platform::host()), &mut writer).unwrap();
    writer.finish().unwrap();
    (stage, info)
}

/// The same image by hand, each layer stored by this tool.
fn restored(layout: &Path, tool: &str, options: &[&str]) -> Layout {
    let dir = Dir::open(layout).unwrap();
    let image = image::open(&dir, None, None).unwrap();
    let layers: Vec<Layer> = image
        .layers
        .iter()
        .map(|layer| {
            let mut stored = Vec::new();
            let mut blob: Blob<File> = image.open_layer(&dir, layer).unwrap();
            blob.read_to_end(&mut stored).unwrap();
            let plain = through("gzip", &["-dc"], &stored).unwrap();
            Layer::of(&plain, through(tool, options, &plain).unwrap())
        })
        .collect();
    Layout::new(&format!("restored-{}", number())).image(&layers)
}

fn compare(layers: u32, seed: u64) {
    if !(root_or_skip("umoci") && has("umoci")) {
        return;
    }
    let work = Sandbox::new(&format!("umoci-{layers}-{seed}"));
    image(&work.dir, layers, seed);
    let expected = expected(&work.dir);
    let (stage, info) = flattened(&work.dir.join("img"));
    assert_eq!(info.layers, layers as usize);
    assert_equal(&expected, &stage.tree());
    for (tool, options) in [("cat", &[][..]), ("zstd", &["-qc"]), ("gzip", &["-1c"])] {
        if !has(tool) {
            continue;
        }
        let layout = restored(&work.dir.join("img"), tool, options);
        let stage = new_stage();
        layout.unpack(&stage).unwrap();
        assert_equal(&expected, &stage.tree());
    }
}

#[test]
#[ignore = "a longer search for seeds that differ"]
fn many_images_are_as_umoci_unpacks_them() {
    (100..140).for_each(|seed| compare(1 + (seed % 7) as u32, seed));
}

#[test]
fn one_layer_is_as_umoci_unpacks_it() {
    (1..=3).for_each(|seed| compare(1, seed));
}

#[test]
fn forty_layers_are_as_umoci_unpacks_them() {
    compare(40, 1);
}

/// Its layers end with the last byte of the last file: neither filled up nor with an end of archive.
#[test]
fn layers_opaque_markers_and_whiteouts_of_umoci_insert() {
    if !(root_or_skip("umoci insert") && has("umoci")) {
        return;
    }
    let work = Sandbox::new("umoci-insert");
    for path in ["a/d/one", "a/d/e/two", "a/three", "b/d/four"] {
        fs::create_dir_all(work.dir.join(path).parent().unwrap()).unwrap();
        fs::write(work.dir.join(path), path).unwrap();
    }
    run(&work.dir, "umoci", "init --layout img");
    run(&work.dir, "umoci", "new --image img:t");
    run(&work.dir, "umoci", "insert --image img:t a /x");
    run(&work.dir, "umoci", "insert --image img:t --opaque b/d /x/d");
    run(&work.dir, "umoci", "insert --image img:t --whiteout /x/three");
    let expected = expected(&work.dir);
    let (stage, info) = flattened(&work.dir.join("img"));
    assert_eq!(info.layers, 3);
    assert_eq!(stage.listing(), ["d x", "d x/d", "f x/d/four"]);
    assert_equal(&expected, &stage.tree());
}

#[test]
fn archives_that_skopeo_writes_are_the_same() {
    if !(root_or_skip("skopeo") && has("umoci") && has("skopeo")) {
        return;
    }
    let work = Sandbox::new("skopeo");
    image(&work.dir, 4, 9);
    let expected = expected(&work.dir);
    let policy = work.dir.join("policy.json");
    fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    for target in
        ["oci-archive:a.tar:t", "docker-archive:b.tar:x/t", "oci:copy:t", "docker-archive:c.tar:reg.io/y/t:latest"]
    {
        run(&work.dir, "skopeo", &format!("--policy policy.json copy -q oci:img:t {target}"));
        let name = target.split(':').nth(1).unwrap();
        let stage = match target.starts_with("oci:") {
            true => flattened(&work.dir.join(name)).0,
            false => from_archive(&work.dir, name),
        };
        assert_equal(&expected, &stage.tree());
    }
}

/// Spools an archive, then flattens its only image.
fn from_archive(work: &Path, name: &str) -> Stage {
    let head = fs::read(work.join(name)).unwrap();
    assert!(is_image(&head[..head.len().min(70 << 10)]), "{name}");
    let spooled = work.join(format!("{name}.spool"));
    fs::create_dir(&spooled).unwrap();
    let dir = Dir::open(&spooled).unwrap();
    let mut archive = Archive::new(File::open(work.join(name)).unwrap());
    spool(&mut archive, &dir, 1 << 30).unwrap();
    archive.finish().unwrap();
    let stage = new_stage();
    let mut writer = stage.writer();
    unpack_layout(&dir, None, Some(&Platform::host()), &mut writer).unwrap();
    writer.finish().unwrap();
    stage
}
