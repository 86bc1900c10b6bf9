//! The built program, given hostile sources as a user gives them: it ends in time, says why on one line, and nothing but its datadir
//! has changed, in which nothing is left (cases 10 to 13, 20).

use crate::oci::made::{Layer, Layout, digest, tar};
use crate::sandbox::{Ran, Sandbox, ran, root_or_skip};
use crate::tar::made::{Header, Tape};
use crate::trees::{Tree, differences, snapshot};
use rustix::fs::{CWD, FileType, Mode};
use sdme::sys::dir::Dir;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Far more than any of these takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A sandbox, and beside its datadir what an attack would like to reach.
struct Place {
    sandbox: Sandbox,
    canary: Tree,
}

impl Place {
    fn new(name: &str) -> Option<Place> {
        root_or_skip(name).then(|| {
            let sandbox = Sandbox::new(&format!("imports-{name}"));
            let canary = sandbox.dir.join("canary");
            fs::create_dir_all(canary.join("etc")).unwrap();
            fs::write(canary.join("etc/passwd"), "a secret of the host").unwrap();
            rustix::fs::mknodat(CWD, canary.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
            let canary = snapshot(&canary);
            Place { sandbox, canary }
        })
    }

    fn canary(&self) -> PathBuf {
        self.sandbox.dir.join("canary")
    }

    fn filesystems(&self) -> PathBuf {
        self.sandbox.dir.join("data/fs")
    }

    fn start(&self, words: &[&str]) -> Child {
        let mut command = self.sandbox.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same, with an interrupt that counts where whoever runs the tests ignores it: a shell's background job does.
    fn start_interruptible(&self, words: &[&str]) -> Child {
        let inner = self.sandbox.command(words);
        let mut command = Command::new("/usr/bin/env");
        command.arg("--default-signal=INT").arg(inner.get_program()).args(inner.get_args());
        command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).current_dir(&self.sandbox.dir);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it to its end, which has to come.
    fn import(&self, source: &Path, options: &[&str]) -> Ran {
        let words = [&["fs", "import", "bad", source.to_str().unwrap()], options].concat();
        let mut child = self.start(&words);
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > LIMIT {
                child.kill().unwrap();
                panic!("{words:?} does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        ran(child.wait_with_output().unwrap())
    }

    fn refuses(&self, what: &str, source: &Path, why: &str) {
        let ran = self.import(source, &[]);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        assert!(ran.err.contains(why) && ran.err.lines().count() == 1, "{what}: {:?} does not say {why:?}", ran.err);
        self.assert_untouched(what);
        let left: Vec<_> = fs::read_dir(self.filesystems()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }

    fn assert_untouched(&self, what: &str) {
        let differences = differences(&self.canary, &snapshot(&self.canary()));
        assert!(differences.is_empty(), "{what}: outside:\n{}", differences.join("\n"));
    }
}

/// The same image as a directory and as an archive of it.
fn refuses_both(place: &Place, what: &str, layout: &Layout, why: &str) {
    place.refuses(what, &layout.path(), why);
    let archive = layout.sandbox.dir.join("archive.tar");
    let packed = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(layout.path()).arg(".").status();
    assert!(packed.unwrap().success());
    place.refuses(&format!("{what}, in an archive"), &archive, why);
}

fn edit(layout: &Layout, change: impl Fn(String) -> String) {
    let index = layout.path().join("index.json");
    fs::write(&index, change(fs::read_to_string(&index).unwrap())).unwrap();
}

#[test]
fn case_13_hostile_images_are_refused_as_layout_and_as_archive() {
    let Some(place) = Place::new("images") else { return };
    let plain = tar(&["etc/", "usr/", "a"]);
    let honest = Layer::plain(&plain);
    let made = |name: &str, layer: &Layer| Layout::new(&format!("imports-{name}")).image(std::slice::from_ref(layer));

    for name in ["sha256:../../../canary/etc/passwd", "sha256:/etc/passwd", "sha256:..", "md5:00", "sha256:"] {
        let layout = made("path", &Layer { digest: name.into(), stored: None, ..honest.clone() });
        refuses_both(&place, name, &layout, "digest");
        let layout = made("path-in-index", &honest);
        edit(&layout, |index| {
            let (before, after) = index.split_once("sha256:").unwrap();
            format!("{before}{name}{}", &after[64..])
        });
        refuses_both(&place, name, &layout, "digest");
    }
    for (size, why) in
        [(plain.len() - 1, "bytes"), (plain.len() + 1, "bytes"), (usize::MAX >> 1, "bytes"), (0, "bytes")]
    {
        let layout = made("size", &Layer { size, ..honest.clone() });
        refuses_both(&place, &format!("a size of {size}"), &layout, why);
    }
    let layout = made("diff-id", &Layer { diff_id: digest(b"other"), ..honest.clone() });
    refuses_both(&place, "a wrong diff_id", &layout, "config has");
    let layout = made("platform", &honest);
    edit(&layout, |index| {
        index.replace("\"annotations\"", r#""platform":{"os":"linux","architecture":"s390x"},"annotations""#)
    });
    refuses_both(&place, "of another platform", &layout, "s390x");
    let layout = made("confusion", &honest);
    edit(&layout, |index| index.replacen("{\"schemaVersion\":2", "{\"schemaVersion\":2,\"layers\":[]", 1));
    refuses_both(&place, "an index with layers", &layout, "both an index and a manifest");
}

#[test]
fn an_image_in_a_form_that_is_not_read_is_told_from_what_is_nothing() {
    let Some(place) = Place::new("image-forms") else { return };
    let layout = Layout::new("imports-forms").image(&[Layer::plain(&tar(&["etc/", "usr/", "a"]))]);
    let wrapped = place.sandbox.dir.join("wrapped");
    fs::create_dir(&wrapped).unwrap();
    let copied = Command::new("cp").arg("-r").arg(layout.path()).arg(wrapped.join("layout")).status().unwrap();
    assert!(copied.success());
    place.refuses("a layout further down", &wrapped, "an OCI layout, in its one top directory: give that directory");
    let archive = place.sandbox.dir.join("wrapped.tar");
    let packed = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&wrapped).arg("layout").status().unwrap();
    assert!(packed.success());
    place.refuses("an archive of one", &archive, "give that directory, or an archive of what is in it");
    let unpacked = place.sandbox.dir.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    fs::write(unpacked.join("manifest.json"), "[]").unwrap();
    place.refuses("an unpacked archive of docker save", &unpacked, "with a manifest.json: what 'docker save' writes");
}

#[test]
fn what_is_demanded_and_cannot_be_had_is_told_with_its_flag() {
    let Some(place) = Place::new("demands") else { return };
    let source = place.sandbox.dir.join("tree.tar");
    fs::write(&source, tar(&["etc/", "usr/"])).unwrap();
    let (short, long) = ("0".repeat(64), "0".repeat(128));
    for (options, code, why) in [
        (&["--sums", "/nonexistent"][..], 1, "--sums: open(\"/nonexistent\")"),
        (&["--pubkey", "x", "--signature", "/nonexistent"], 1, "--signature: open(\"/nonexistent\")"),
        (&["--sums", "-"], 2, "--sums: standard input is for SOURCE"),
        (&["--sha256", "abc"], 2, "\"abc\" is not the 64 hexadecimal digits of one;"),
        (&["--sha256", &long], 2, "64 hexadecimal digits of one"),
        (&["--sha512", &short], 2, "128 hexadecimal digits of one"),
    ] {
        let ran = place.import(&source, options);
        assert_eq!(ran.code, Some(code), "{options:?}: {ran:?}");
        assert!(
            ran.err.contains(why) && ran.err.lines().count() == 1,
            "{options:?}: {:?} does not say {why:?}",
            ran.err
        );
    }
}

#[test]
fn case_13_indexes_in_one_another_have_an_end() {
    let Some(place) = Place::new("nested") else { return };
    let layout = Layout::new("imports-nested").image(&[Layer::plain(&tar(&["a"]))]);
    let kind = "application/vnd.oci.image.index.v1+json";
    for _ in 0..40 {
        let index = fs::read(layout.path().join("index.json")).unwrap();
        fs::write(layout.blob(&digest(&index)), &index).unwrap();
        let (name, size) = (digest(&index), index.len());
        let twice = format!(r#"{{"mediaType":"{kind}","digest":"{name}","size":{size}}}"#);
        let next = format!(r#"{{"schemaVersion":2,"manifests":[{twice},{twice}]}}"#);
        fs::write(layout.path().join("index.json"), next).unwrap();
    }
    refuses_both(&place, "forty indexes, each twice in the next", &layout, "index");
}

/// What stands in a layout under a blob's name is no file, or has no end.
#[test]
fn case_13_blobs_that_are_no_files_are_not_opened() {
    let Some(place) = Place::new("blobs") else { return };
    let layer = Layer::plain(&tar(&["a"]));
    for kind in ["fifo", "zero", "secret", "directory", "longer", "missing"] {
        let layout = Layout::new("imports-blobs").image(std::slice::from_ref(&layer));
        let blob = layout.blob(&layer.digest);
        fs::remove_file(&blob).unwrap();
        match kind {
            "fifo" => rustix::fs::mknodat(CWD, &blob, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            "zero" => symlink("/dev/zero", &blob).unwrap(),
            "secret" => symlink(place.canary().join("etc/passwd"), &blob).unwrap(),
            "directory" => fs::create_dir(&blob).unwrap(),
            "longer" => File::create(&blob).unwrap().set_len(1 << 40).unwrap(),
            _ => {}
        }
        place.refuses(kind, &layout.path(), "blobs/sha256/");
    }
}

#[test]
fn case_12_layers_do_not_reach_out() {
    let Some(place) = Place::new("layers") else { return };
    let up = "../".repeat(12);
    let canary = place.canary();
    for target in [format!("{up}{}", canary.display()), canary.display().to_string(), "/proc/self/root".to_string()] {
        let link = format!("l -> {target}");
        for hidden in ["l/.wh.etc", "l/etc/.wh.passwd", "l/.wh..wh..opq", "l/etc/.wh..wh..opq"] {
            let layers = [Layer::plain(&tar(&["etc/", "usr/", &link])), Layer::plain(&tar(&[hidden]))];
            let layout = Layout::new("imports-layers").image(&layers);
            let ran = place.import(&layout.path(), &["--force"]);
            assert_eq!(ran.code, Some(0), "{hidden} by {target}: {ran:?}");
            place.assert_untouched(hidden);
        }
        let through = ["l/etc/passwd", "l/new/x", "l/etc/hard => l/etc/passwd"];
        for item in through {
            let layers = [Layer::plain(&tar(&["etc/", "usr/", &link])), Layer::plain(&tar(&[item]))];
            let ran = place.import(&Layout::new("imports-layers").image(&layers).path(), &["--force"]);
            assert!(ran.code.is_some(), "{item} by {target}: {ran:?}");
            place.assert_untouched(item);
        }
    }
}

/// While it imports, somebody who may write in the stage (nobody but root may) swaps its directories for symlinks out of it.
#[test]
fn a_racing_attacker_in_the_stage_reaches_nothing_outside() {
    let Some(place) = Place::new("race") else { return };
    let mut tape = Tape::default();
    tape.put(Header::new(b"usr", b'5', 0).set(100, b"0000755"), b"");
    for number in 0..600 {
        for name in ["etc", "etc/d"] {
            tape.put(Header::new(name.as_bytes(), b'5', 0).set(100, b"0000777"), b"");
        }
        tape.file("etc/passwd", b"evil").file(&format!("etc/d/{number}"), b"evil").file("etc/d/x", b"evil");
        tape.put(Header::new(b"etc/hard", b'1', 0).link(b"etc/passwd"), b"");
    }
    let archive = place.sandbox.dir.join("archive.tar");
    fs::write(&archive, tape.end()).unwrap();
    let over = AtomicBool::new(false);
    let swapped = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let mut swapped = 0u64;
            while !over.load(Ordering::Relaxed) {
                let Ok(entries) = fs::read_dir(place.filesystems()) else { continue };
                let stages =
                    entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(".stage-"));
                for tree in stages.filter_map(|stage| Dir::open(&stage.path().join("tree")).ok()) {
                    for _ in 0..200 {
                        swapped += u64::from(tree.rename("etc", &tree, "moved").is_ok());
                        let _ = tree.symlink(place.canary().join("etc").as_os_str(), "etc");
                        let _ = tree.unlink("etc");
                        let _ = tree.rename("moved", &tree, "etc");
                    }
                }
            }
            swapped
        });
        let codes = [(); 6].map(|()| place.import(&archive, &["--force"]).code);
        over.store(true, Ordering::Relaxed);
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
        place.assert_untouched("a race");
        attacker.join().unwrap()
    });
    assert!(swapped > 0);
}

/// Case 11: the source is swapped for symlinks to what others may not read, and its own target is in it.
#[test]
fn case_11_a_source_that_is_swapped_gives_nothing_away() {
    let Some(place) = Place::new("source") else { return };
    let source = place.sandbox.dir.join("source");
    fs::create_dir_all(source.join("etc/d")).unwrap();
    fs::create_dir(source.join("usr")).unwrap();
    (0..200).for_each(|number| fs::write(source.join(format!("etc/d/{number}")), "inside").unwrap());
    let secret = place.sandbox.dir.with_extension("secret");
    let _ = fs::remove_dir_all(&secret);
    fs::create_dir_all(secret.join("d")).unwrap();
    (0..200).for_each(|number| fs::write(secret.join(format!("d/{number}")), "the secret").unwrap());
    let over = AtomicBool::new(false);
    let whole = std::thread::scope(|scope| {
        scope.spawn(|| {
            let top = Dir::open(&source).unwrap();
            while !over.load(Ordering::Relaxed) {
                for name in ["etc/d", "etc"] {
                    let (inner, name) = match name.split_once('/') {
                        Some((folder, name)) => (top.subdir(folder), name),
                        None => (top.reopen(), name),
                    };
                    let Ok(inner) = inner else { continue };
                    let target = if name == "d" { secret.join("d") } else { secret.clone() };
                    let _ = inner.rename(name, &inner, ".moved");
                    let _ = inner.symlink(target.as_os_str(), name);
                    let _ = inner.unlink(name);
                    let _ = inner.rename(".moved", &inner, name);
                }
            }
        });
        let (mut whole, mut wrong) = (0, Vec::new());
        for _ in 0..15 {
            let ran = place.import(&source, &["--force"]);
            whole += u32::from(ran.code == Some(0));
            let tree = place.filesystems().join("bad");
            let tree = if tree.exists() { snapshot(&tree) } else { Tree::new() };
            let is_file = |mode: u32| FileType::from_raw_mode(mode) == FileType::RegularFile;
            wrong.extend(tree.into_iter().filter(|(_, entry)| is_file(entry.mode) && entry.size == 10));
        }
        over.store(true, Ordering::Relaxed);
        assert!(wrong.is_empty(), "{wrong:?}");
        whole
    });
    fs::remove_dir_all(&secret).unwrap();
    assert!(whole > 0, "not one came whole");
}

/// Case 11: the datadir is in the source; nothing of that comes along, neither the stage nor what else is here, nor its sockets.
#[test]
fn case_11_its_own_target_is_left_out() {
    let Some(place) = Place::new("own") else { return };
    for folder in ["etc", "usr"] {
        fs::create_dir(place.sandbox.dir.join(folder)).unwrap();
    }
    let _listener = UnixListener::bind(place.sandbox.dir.join("etc/socket")).unwrap();
    let ran = place.import(&place.sandbox.dir, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let tree = snapshot(&place.filesystems().join("bad"));
    assert!(tree.contains_key(Path::new("canary/fifo")) && !tree.contains_key(Path::new("etc/socket")));
    let inside: Vec<&PathBuf> = tree.keys().filter(|path| path.starts_with("data")).collect();
    assert!(inside.is_empty(), "{inside:?}");
}

/// Case 10 in small: memory does not grow with names, neither in one directory nor below one another.
#[test]
fn case_10_many_names_take_no_more_memory_than_few() {
    let Some(place) = Place::new("many") else { return };
    let peak = |many: usize, deep: usize| {
        let mut tape = Tape::default();
        tape.put(Header::new(b"usr", b'5', 0).set(100, b"0000755"), b"");
        // More than is read ahead: that memory is needed for any archive of so many bytes.
        tape.file("usr/large", &vec![7; 24 << 20]);
        for number in 0..many {
            tape.file(&format!("etc/{number:040}"), b"");
        }
        let path = "d/".repeat(deep);
        (0..deep).for_each(|depth| {
            tape.pax(&[("path", &path.as_bytes()[..2 * depth + 2])]).put(&Header::new(b"d/", b'5', 0), b"");
        });
        let archive = place.sandbox.dir.join("many.tar");
        fs::write(&archive, tape.end()).unwrap();
        let mut child = place.start(&["fs", "import", "-f", "bad", archive.to_str().unwrap()]);
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(1));
        }
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        peak
    };
    let (few, many): (u64, u64) = (peak(100, 10), peak(20_000, 1000));
    assert!(many < few + 8192, "{few} kB for few, {many} kB for many");
}

/// Case 20: what would be PID 1.
#[test]
fn case_20_an_init_that_cannot_run_here_is_told() {
    let Some(place) = Place::new("init") else { return };
    let source = place.sandbox.dir.join("source");
    fs::create_dir_all(source.join("usr/lib/systemd")).unwrap();
    fs::create_dir(source.join("etc")).unwrap();
    let init = source.join("usr/lib/systemd/systemd");
    let mut foreign = b"\x7fELF\x02\x01\x01".to_vec();
    foreign.resize(16, 0);
    foreign.extend([2, 0, 0xf7, 0]);
    foreign.resize(200, 0);
    fs::write(&init, &foreign).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    place.refuses("of another architecture", &source, "--force");
    let ran = place.import(&source, &["--force"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (what, mode) in [("not executable", Some(0o644)), ("missing", None)] {
        match mode {
            Some(mode) => fs::set_permissions(&init, fs::Permissions::from_mode(mode)).unwrap(),
            None => fs::remove_file(&init).unwrap(),
        }
        let ran = place.import(&source, &["--force"]);
        assert!(ran.code == Some(0) && ran.err.contains("systemd"), "{what}: {ran:?}");
    }
}

/// Case 26: a root filesystem is replaced, removed and renamed while containers are made of it. Each container that there is has
/// its root filesystem, and each refusal is one line that says why.
#[test]
fn case_26_a_container_never_loses_its_root_filesystem() {
    let Some(place) = Place::new("races") else { return };
    let source = place.sandbox.dir.join("source");
    fs::create_dir_all(source.join("usr/lib/systemd")).unwrap();
    fs::create_dir(source.join("etc")).unwrap();
    fs::copy("/bin/true", source.join("usr/lib/systemd/systemd")).unwrap();
    let source = source.to_str().unwrap();
    if place.start(&["fs", "import", "-f", "n", source]).wait().unwrap().code() != Some(0) {
        panic!("no import");
    }
    let probe = ran(place.start(&["create", "probe", "-r", "n"]).wait_with_output().unwrap());
    if probe.code != Some(0) {
        assert!(probe.err.contains("overlay"), "{probe:?}");
        return eprintln!("skipped: no overlay here: {}", probe.err);
    }
    assert_eq!(place.sandbox.run(&["rm", "-f", "probe"]).code, Some(0));
    let (mut made, mut refused, mut removed) = (0, 0, 0);
    for round in 0..3000 {
        // Who comes first is chance: each outcome is waited for.
        if round >= 300 && made > 0 && refused > 0 && removed > 0 {
            break;
        }
        let container = format!("c{round}");
        let commands: [&[&str]; 5] = [
            &["create", &container, "-r", "n"],
            &["fs", "import", "-f", "n", source],
            &["fs", "rm", "-f", "n"],
            &["fs", "rename", "n", "m"],
            &["fs", "rename", "m", "n"],
        ];
        let ended: Vec<Ran> = commands
            .map(|words| place.start(words))
            .map(|child| ran(child.wait_with_output().unwrap()))
            .into_iter()
            .collect();
        for (words, ended) in commands.iter().zip(&ended) {
            assert!(matches!(ended.code, Some(0 | 1)), "{words:?}: {ended:?}");
            let reasons = ["already", "needed by", "in use by another", "no root filesystem", "being changed"];
            let is_told = reasons.iter().any(|reason| ended.err.contains(reason));
            assert!(ended.code == Some(0) || is_told, "{words:?}: {ended:?}");
        }
        refused += ended.iter().filter(|ended| ended.code == Some(1)).count();
        let is_made = place.sandbox.dir.join("data/containers").join(&container).exists();
        assert_eq!(is_made, ended[0].code == Some(0), "{ended:?}");
        if is_made {
            made += 1;
            assert!(place.filesystems().join("n/usr/lib/systemd/systemd").is_file(), "round {round}: {ended:?}");
            assert_eq!(place.sandbox.run(&["rm", "-f", &container]).code, Some(0));
        }
        removed += usize::from(!place.filesystems().join("n").exists());
        let _ = place.start(&["fs", "import", "n", source]).wait();
    }
    assert!(made > 0 && refused > 0 && removed > 0, "{made} made, {refused} refused, {removed} times gone");
    let left: Vec<_> = fs::read_dir(place.filesystems()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn a_socket_is_called_one() {
    let Some(place) = Place::new("socket") else { return };
    let path = place.sandbox.dir.join("source");
    let _listener = UnixListener::bind(&path).unwrap();
    place.refuses("a socket", &path, "it is a socket");
}

/// An import behind a shell's line that ends with `exec "$@"`.
fn import_behind(place: &Place, shell: &str, source: &Path) -> Ran {
    let inner = place.sandbox.command(&["fs", "import", "bad", source.to_str().unwrap()]);
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    command.env("SDME_DATADIR", place.sandbox.dir.join("data"));
    ran(command.output().unwrap())
}

/// A directory that counts as a system.
fn system(place: &Place) -> PathBuf {
    let top = place.sandbox.dir.join("system");
    for folder in ["etc", "usr/bin"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    fs::write(top.join("usr/bin/large"), vec![b'x'; 1 << 20]).unwrap();
    symlink("usr/bin", top.join("bin")).unwrap();
    top
}

/// RLIMIT_FSIZE: the kernel would end the program with SIGXFSZ, and its stage would stay.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_others() {
    let Some(place) = Place::new("fsize") else { return };
    let ran = import_behind(&place, "ulimit -f 100; exec \"$@\"", &system(&place));
    assert!(ran.code == Some(1) && ran.err.ends_with("writing \"usr/bin/large\": File too large\n"), "{ran:?}");
    assert_eq!(fs::read_dir(place.filesystems()).unwrap().count(), 0);
}

#[test]
fn without_proc_it_is_said_what_for_it_is_needed() {
    let Some(place) = Place::new("no-proc") else { return };
    let ran =
        import_behind(&place, "exec unshare -m sh -c 'umount -l /proc && exec \"$@\"' sh \"$@\"", &system(&place));
    assert!(ran.code == Some(1) && ran.err.contains("\"bin\": /proc is not mounted"), "{ran:?}");
    assert_eq!(fs::read_dir(place.filesystems()).unwrap().count(), 0);
}

/// What has not changed since is not in it: a tree without it would look whole.
#[test]
fn an_increment_of_gnu_tar_is_no_tree() {
    let Some(place) = Place::new("increment") else { return };
    let (top, archive) = (system(&place), place.sandbox.dir.join("archive.tar"));
    let snapshot = place.sandbox.dir.join("snapshot");
    let pack = || {
        let mut command = Command::new("tar");
        command.arg("--listed-incremental").arg(&snapshot).arg("-cf").arg(&archive).arg("-C").arg(&top).arg(".");
        assert!(command.status().unwrap().success());
    };
    pack();
    let whole = place.import(&archive, &[]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(place.sandbox.run(&["fs", "rm", "bad"]).code, Some(0));
    // GNU tar takes what is as old as the snapshot for changed.
    std::thread::sleep(Duration::from_millis(1100));
    pack();
    std::thread::sleep(Duration::from_millis(1100));
    fs::write(top.join("etc/new"), "").unwrap();
    pack();
    place.refuses("an increment", &archive, "an incremental archive, whose file");
}

#[test]
fn a_layout_of_another_version_is_named_by_it() {
    let Some(place) = Place::new("version") else { return };
    let layout = Layout::new("imports-version").image(&[Layer::plain(&tar(&["etc/", "usr/"]))]);
    for (said, why) in
        [("{\"imageLayoutVersion\":\"2.0\"}", "of version \"2.0\", not 1"), ("{}", "imageLayoutVersion is missing")]
    {
        fs::write(layout.path().join("oci-layout"), said).unwrap();
        refuses_both(&place, said, &layout, why);
    }
}

/// A tree in which something is mounted keeps its name and its record, as a container does: what is behind it is not the store's.
#[test]
fn a_tree_with_a_mount_in_it_is_neither_removed_nor_replaced() {
    let Some(place) = Place::new("mounted") else { return };
    let source = system(&place);
    assert_eq!(place.import(&source, &[]).code, Some(0));
    let mounted = "exec unshare -m sh -c 'mount -t tmpfs none data/fs/bad/etc && exec \"$@\"' sh \"$@\"";
    let behind = |words: &[&str]| {
        let inner = place.sandbox.command(words);
        let mut command = Command::new("sh");
        command.args(["-c", mounted, "sh"]).arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
        command.current_dir(&place.sandbox.dir).env("SDME_DATADIR", place.sandbox.dir.join("data"));
        ran(command.output().unwrap())
    };
    for words in [
        &["fs", "rm", "bad"][..],
        &["fs", "rm", "--force", "bad"],
        &["fs", "import", "-f", "bad", source.to_str().unwrap()],
    ] {
        let ran = behind(words);
        assert!(ran.code == Some(1) && ran.err.contains("bad: something is mounted at"), "{words:?}: {ran:?}");
        let mut left: Vec<_> =
            fs::read_dir(place.filesystems()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["bad", "bad.manifest", "bad.origin"]);
    }
    assert_eq!(place.sandbox.run(&["fs", "verify", "bad"]).code, Some(0));
}

/// A hole that takes minutes to hash, as lastlog(8) has them.
#[test]
fn a_huge_hole_does_not_hold_up_an_interrupt() {
    let Some(place) = Place::new("hole") else { return };
    let top = system(&place);
    File::create(top.join("etc/hole")).unwrap().set_len(200 << 30).unwrap();
    let mut child = place.start_interruptible(&["fs", "import", "bad", top.to_str().unwrap()]);
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().unwrap().is_none(), "it is not large enough");
    let began = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    assert!(ran.code == Some(130) && ran.err.ends_with(": interrupted\n"), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(fs::read_dir(place.filesystems()).unwrap().count(), 0);
}

/// What an import with --json says of the tree.
fn tree_digest(ran: &Ran) -> String {
    let tree = ran.out.split("\"tree\":\"").nth(1).unwrap_or_else(|| panic!("{ran:?}"));
    tree.split('"').next().unwrap().to_string()
}

/// Holes are not read, and are zeros all the same.
#[test]
fn a_tree_has_one_digest_with_holes_and_without() {
    let Some(place) = Place::new("holes") else { return };
    let top = system(&place);
    let digest_of = |sparse: &str| {
        let _ = fs::remove_file(top.join("etc/large"));
        let made = "head -c 20000000 /dev/zero; echo data; head -c 20000000 /dev/zero";
        let made = format!(
            "({made}) >raw && cp --sparse={sparse} raw etc/large && touch -d @1 etc/large etc . && rm raw && touch -d @1 ."
        );
        assert!(Command::new("sh").args(["-c", &made]).current_dir(&top).status().unwrap().success());
        tree_digest(&place.import(&top, &["-f", "--json"]))
    };
    assert_eq!(digest_of("always"), digest_of("never"));
}

/// The digests of a plain archive's files are taken with the archive's own, those of a compressed one's and of a directory's
/// one by one. Sizes around a block of SHA-256, of tar, and of what is read at a time; a pipe that gives a little at a time.
#[test]
fn a_tree_has_one_digest_in_whatever_it_comes() {
    let Some(place) = Place::new("digests") else { return };
    let top = system(&place);
    for size in [0, 1, 55, 56, 63, 64, 65, 511, 512, 513, (1 << 20) - 1, (1 << 20) + 1, 3_000_000] {
        let bytes: Vec<u8> = (0..size).map(|at: usize| (at * 7 + at / 251) as u8).collect();
        fs::write(top.join(format!("etc/{size}")), bytes).unwrap();
    }
    let made = "
        name=etc/$(printf %070d 7); mkdir $name; echo long >$name/$(printf %070d 7); ln etc/65 etc/linked; truncate -s 5M etc/holes; echo x >>etc/holes
        find . -exec touch -h -d @1 {} +
        for format in ustar gnu posix; do tar -C . --format=$format -cf ../$format.tar .; done
        tar -C . --format=posix -S -cf ../sparse.tar .; bsdtar -cf ../bsdtar.tar .; gzip -k ../posix.tar";
    assert!(Command::new("sh").args(["-ec", made]).current_dir(&top).status().unwrap().success());
    let expected = tree_digest(&place.import(&top, &["-f", "--json"]));
    for archive in ["ustar.tar", "gnu.tar", "posix.tar", "sparse.tar", "bsdtar.tar", "posix.tar.gz"] {
        let archive = place.sandbox.dir.join(archive);
        assert_eq!(tree_digest(&place.import(&archive, &["-f", "--json"])), expected, "{archive:?}");
        assert_eq!(place.sandbox.run(&["fs", "verify", "bad"]).code, Some(0), "{archive:?}");
    }
    let mut child = place.sandbox.command(&["fs", "import", "bad", "-", "-f", "--json"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for piece in fs::read(place.sandbox.dir.join("posix.tar")).unwrap().chunks(4097) {
        pipe.write_all(piece).unwrap();
    }
    drop(pipe);
    assert_eq!(tree_digest(&ran(child.wait_with_output().unwrap())), expected, "a pipe");
}

/// A walk over a tree, to import it or to verify it, writes nothing: not the times at which its files and directories were read.
#[test]
fn what_is_read_keeps_its_times_of_access() {
    let Some(place) = Place::new("atime") else { return };
    let top = system(&place);
    // Older than the last change: what a filesystem with relatime, the usual option, moves at the next reading.
    let age = |top: &Path| {
        let aged = Command::new("find").arg(top).args(["-exec", "touch", "-h", "-a", "-d", "@1", "{}", "+"]).status();
        assert!(aged.unwrap().success());
    };
    let moved = |top: &Path| {
        let found =
            Command::new("find").arg(top).args(["!", "-type", "l", "-newerat", "@1", "-print"]).output().unwrap();
        assert!(found.status.success(), "{found:?}");
        String::from_utf8(found.stdout).unwrap()
    };
    age(&top);
    assert_eq!(place.import(&top, &[]).code, Some(0));
    assert_eq!(moved(&top), "");
    let tree = place.filesystems().join("bad");
    age(&tree);
    assert_eq!(place.sandbox.run(&["fs", "verify", "bad"]).code, Some(0));
    assert_eq!(moved(&tree), "");
}
