//! `--root DIR`: everything happens in the tree of an image, whatever symlinks are in it, and nothing beside it.

use crate::sandbox::{Ran, Sandbox, ran, root_or_skip};
use sdme::sys::dir::Dir;
use sdme::sys::mountns;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Stands in every file outside; no message and no listing may ever hold it.
const SECRET: &str = "only-outside";

/// A sandbox with an image, a tree to import, and an outside that looks like a datadir and a system.
struct Stand {
    sandbox: Sandbox,
}

impl Stand {
    fn new(name: &str) -> Stand {
        let stand = Stand { sandbox: Sandbox::new(&format!("image-{name}")) };
        system(&stand.at("image"), "The image");
        system(&stand.at("tree"), "The guest");
        stand
    }

    fn at(&self, path: &str) -> PathBuf {
        self.sandbox.dir.join(path)
    }

    fn run(&self, words: &[&str]) -> Ran {
        ran(self.sandbox.command(&["--root", "image"]).args(words).output().unwrap())
    }

    fn done(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        ran.out
    }

    fn refused(&self, words: &[&str], code: i32) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.err.lines().count()), (Some(code), 1), "{words:?}: {}{}", ran.out, ran.err);
        ran.err
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        let place = self.at("image").join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, place).unwrap();
    }

    /// A datadir with a root filesystem and a container, and what else a system has, each with the canary in it.
    fn outside(&self) -> PathBuf {
        let out = self.at("outside");
        let data = out.join("lib/sdme");
        for place in [out.clone(), data.join("fs/guest"), data.join("containers/web/layers/-/upper")] {
            system(&place, SECRET);
        }
        fs::create_dir_all(data.join("containers/web/layers/-/work")).unwrap();
        fs::create_dir_all(data.join("locks")).unwrap();
        for room in ["", "fs", "containers", "locks"] {
            fs::set_permissions(data.join(room), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let state = "version=1\nname=web\ncreated=1\nrootfs=fs/guest\nmachine_id=0123456789abcdef0123456789abcdef\n\
            services=basic\nlayer.0.mountpoint=/\nlayer.0.fstype=\nend\n";
        fs::write(data.join("containers/web/state"), state).unwrap();
        fs::write(out.join("etc/sdme.conf"), format!("datadir=/{SECRET}\n")).unwrap();
        for file in ["lock", "fs/guest.origin", "fs/guest.manifest"] {
            fs::write(data.join(file), SECRET).unwrap();
        }
        fs::create_dir_all(out.join("units/machines.target.wants")).unwrap();
        symlink("/x", out.join("units/machines.target.wants/sdme@web.service")).unwrap();
        fs::write(out.join("units/sdme@.service"), format!("[Install]\nWantedBy={SECRET}.target\n")).unwrap();
        out
    }

    /// Verbs that write, that read, that remove; what they come to is not the question.
    fn every_verb(&self) -> Vec<Ran> {
        let verbs: [&[&str]; 20] = [
            &["ps"],
            &["fs", "ls"],
            &["config", "get"],
            &["show", "web"],
            &["fs", "show", "guest"],
            &["fs", "verify", "guest"],
            &["create", "web", "-r", "guest"],
            &["enable", "web"],
            &["disable", "web"],
            &["fs", "import", "-f", "guest", "tree"],
            &["create", "two", "-r", "guest"],
            &["enable", "two"],
            &["ps", "--json"],
            &["fs", "verify", "guest"],
            &["disable", "two"],
            &["rm", "-f", "--all"],
            &["rm", "-f", "web"],
            &["fs", "rename", "guest", "other"],
            &["fs", "rm", "-f", "guest"],
            &["config", "set", "stop_timeout", "5"],
        ];
        verbs.map(|words| self.run(words)).into()
    }
}

fn system(place: &Path, title: &str) {
    for directory in ["etc", "usr/bin", "usr/lib/systemd/system"] {
        fs::create_dir_all(place.join(directory)).unwrap();
    }
    fs::write(place.join("etc/os-release"), format!("ID=toy\nPRETTY_NAME=\"{title}\"\n")).unwrap();
    fs::write(place.join("usr/lib/systemd/system/dbus.socket"), "").unwrap();
    for program in ["usr/lib/systemd/systemd", "usr/bin/sdme"] {
        fs::write(place.join(program), "").unwrap();
        fs::set_permissions(place.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// All that is below a directory: names, inodes, times of change.
fn snapshot(place: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let mut found = Vec::new();
    let mut open = vec![place.to_path_buf()];
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push((path, meta.ino(), meta.ctime(), meta.ctime_nsec()));
    }
    found.sort();
    found
}

#[test]
fn what_an_image_will_boot_is_made_in_it() {
    if !root_or_skip("image") {
        return;
    }
    let stand = Stand::new("whole");
    assert_eq!(stand.done(&["fs", "import", "guest", "tree"]), "guest\n");
    assert_eq!(stand.done(&["create", "web", "-r", "guest"]), "web\n");
    stand.done(&["enable", "web"]);
    let listed = stand.done(&["ps", "--json"]);
    assert!(listed.contains("\"os\":\"The guest\"") && listed.contains("\"enabled\":true"), "{listed}");
    let state = fs::read_to_string(stand.at("image/var/lib/sdme/containers/web/state")).unwrap();
    assert!(state.contains("machine_id=uninitialized\n"), "each machine that boots the image needs its own: {state}");
    assert!(!state.contains(stand.sandbox.dir.to_str().unwrap()), "{state}");
    let link = stand.at("image/etc/systemd/system/machines.target.wants/sdme@web.service");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/etc/systemd/system/sdme@.service"));
    let template = fs::read_to_string(stand.at("image/etc/systemd/system/sdme@.service")).unwrap();
    assert!(template.contains("ExecStart=:\"/usr/bin/sdme\" boot %i\n"), "{template}");
    assert_eq!(fs::metadata(stand.at("image/var/lib")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(stand.at("image/var/lib/sdme")).unwrap().mode() & 0o777, 0o700);
    // Removed, it is not started either.
    stand.done(&["rm", "-f", "web"]);
    assert!(link.symlink_metadata().is_err());
}

#[test]
fn the_image_has_its_own_config_and_this_machines_variables_do_not_count() {
    if !root_or_skip("image") {
        return;
    }
    let stand = Stand::new("config");
    stand.done(&["config", "set", "datadir", "/srv/machines"]);
    assert_eq!(stand.done(&["config", "get", "datadir"]), "/srv/machines\n");
    stand.done(&["fs", "import", "guest", "tree"]);
    stand.done(&["create", "web", "-r", "guest"]);
    assert!(stand.at("image/srv/machines/containers/web/state").exists());
    stand.done(&["--datadir", "/other", "fs", "import", "guest", "tree"]);
    stand.done(&["--datadir", "/other", "create", "lost", "-r", "guest"]);
    assert!(stand.at("image/other/containers/lost/state").exists());
    assert!(!stand.at("data").exists(), "SDME_DATADIR is this machine's");
    assert!(stand.refused(&["--datadir", "/other", "enable", "lost"], 1).contains("config set datadir"));
    assert!(stand.refused(&["--datadir", "other", "ps"], 2).contains("absolute path of the image"));
    assert!(stand.refused(&["--config", "/etc/absent", "ps"], 1).contains("the image has none"));
}

#[test]
fn what_cannot_be_right_in_an_image_is_refused() {
    if !root_or_skip("image") {
        return;
    }
    let stand = Stand::new("refused");
    assert!(stand.refused(&["create", "web"], 2).contains("give it a root filesystem with -r"));
    for verb in ["start", "stop", "join", "new", "logs", "boot"] {
        assert!(stand.refused(&[verb, "web"], 2).contains("nothing runs in an image"), "{verb}");
    }
    assert!(stand.refused(&["exec", "web", "true"], 2).contains("nothing runs in an image"));
    assert!(stand.refused(&["fs", "import", "--install-packages=yes", "a", "tree"], 2).contains("--install-packages"));
    stand.done(&["fs", "import", "guest", "tree"]);
    stand.done(&["create", "web", "-r", "guest"]);
    fs::remove_file(stand.at("image/usr/bin/sdme")).unwrap();
    assert!(stand.refused(&["enable", "web"], 1).contains("neither the unit"));
    fs::write(stand.at("image/usr/bin/sdme"), "").unwrap();
    fs::set_permissions(stand.at("image/usr/bin/sdme"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(stand.refused(&["enable", "web"], 1).contains("can be written by others"));
    assert!(ran(stand.sandbox.command(&["--root", "nowhere", "ps"]).output().unwrap()).err.contains("nowhere"));
}

#[test]
fn nothing_of_this_machine_is_needed_or_touched() {
    if !root_or_skip("image") {
        return;
    }
    // A machine with nothing in /run: neither systemd nor a bus.
    let alone = || {
        mountns::unshare().unwrap();
        let stand = Stand::new("alone");
        mountns::cover(Path::new("/run")).unwrap().unwrap();
        stand.done(&["fs", "import", "guest", "tree"]);
        stand.done(&["create", "web", "-r", "guest"]);
        stand.done(&["create", "two", "-r", "guest"]);
        stand.done(&["enable", "--all"]);
        stand.done(&["show", "web"]);
        stand.done(&["disable", "two"]);
        stand.done(&["rm", "-f", "two"]);
        assert_eq!(fs::read_dir("/run").unwrap().count(), 0);
    };
    std::thread::scope(|scope| scope.spawn(alone).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn no_symlink_in_an_image_leads_out_of_it() {
    if !root_or_skip("image") {
        return;
    }
    // Where the link stands in the image, and where it leads: below the outside, or up from where it stands.
    let cases = [
        ("var", "/"),
        ("var/lib", "/lib"),
        ("var/lib", "../../outside/lib"),
        ("var/lib/sdme", "/lib/sdme"),
        ("var/lib/sdme", "../../../../../../../../../outside/lib/sdme"),
        ("var/lib/sdme/fs", "/lib/sdme/fs"),
        ("var/lib/sdme/containers", "/lib/sdme/containers"),
        ("var/lib/sdme/locks", "/lib/sdme/locks"),
        ("var/lib/sdme/fs/guest", "/lib/sdme/fs/guest"),
        ("var/lib/sdme/fs/guest.origin", "/lib/sdme/fs/guest.origin"),
        ("var/lib/sdme/fs/guest.manifest", "/lib/sdme/fs/guest.manifest"),
        ("var/lib/sdme/fs/guest.manifest", "../../../../../outside/lib/sdme/fs/guest.manifest"),
        ("var/lib/sdme/containers/web", "/lib/sdme/containers/web"),
        ("var/lib/sdme/containers/web/state", "/lib/sdme/containers/web/state"),
        ("var/lib/sdme/containers/web/layers", "/lib/sdme/containers/web/layers"),
        ("var/lib/sdme/containers/web/layers/-", "/lib/sdme/containers/web/layers/-"),
        ("var/lib/sdme/containers/web/layers/-/upper", "/lib/sdme/containers/web/layers/-/upper"),
        ("var/lib/sdme/locks/web", "/lib/sdme/lock"),
        ("var/lib/sdme/locks/two", "/lib/sdme/lock"),
        ("etc", "/etc"),
        ("etc/sdme.conf", "/etc/sdme.conf"),
        ("etc/sdme.conf", "../../outside/etc/sdme.conf"),
        ("etc/systemd", "/"),
        ("etc/systemd/system", "/units"),
        ("etc/systemd/system/machines.target.wants", "/units/machines.target.wants"),
        ("etc/systemd/system/sdme@.service", "/units/sdme@.service"),
        ("usr/lib/systemd/system", "/units"),
        ("usr/bin/sdme", "/usr/bin/sdme"),
        ("run", "/"),
    ];
    for made_before in [false, true] {
        for (index, (place, target)) in cases.iter().enumerate() {
            let stand = Stand::new(&format!("links-{index}-{made_before}"));
            let out = stand.outside();
            if made_before {
                stand.done(&["fs", "import", "guest", "tree"]);
                stand.done(&["create", "web", "-r", "guest"]);
                stand.done(&["enable", "web"]);
            }
            let there = stand.at("image").join(place);
            match there.symlink_metadata() {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(&there).unwrap(),
                Ok(_) => fs::remove_file(&there).unwrap(),
                Err(_) => {}
            }
            match target.strip_prefix('/') {
                Some(below) => stand.link(out.join(below), place),
                None => stand.link(target, place),
            }
            let before = snapshot(&out);
            for ran in stand.every_verb() {
                let said = ran.out + &ran.err;
                assert!(!said.contains(SECRET), "{place} -> {target}: {said}");
                assert!(!said.contains("/proc/self/fd"), "{place} -> {target}: {said}");
            }
            assert_eq!(snapshot(&out), before, "{place} -> {target}");
        }
    }
}

#[test]
fn what_is_outside_is_not_written_by_its_other_name_in_an_image() {
    if !root_or_skip("image") {
        return;
    }
    let stand = Stand::new("hard");
    let canary = stand.at("canary");
    fs::write(&canary, SECRET).unwrap();
    let places = [
        "etc/sdme.conf",
        "etc/systemd/system/sdme@.service",
        "var/lib/sdme/locks/web",
        "var/lib/sdme/fs/guest.origin",
        "var/lib/sdme/fs/guest.manifest",
        "var/lib/sdme/containers/web/state",
    ];
    for place in places {
        stand.done(&["fs", "import", "-f", "guest", "tree"]);
        stand.run(&["rm", "-f", "web"]);
        stand.done(&["create", "web", "-r", "guest"]);
        stand.done(&["enable", "web"]);
        let there = stand.at("image").join(place);
        let _ = fs::remove_file(&there);
        fs::hard_link(&canary, &there).unwrap();
        stand.every_verb();
        assert_eq!(fs::read_to_string(&canary).unwrap(), SECRET, "{place}");
        let _ = fs::remove_dir_all(stand.at("image"));
        system(&stand.at("image"), "The image");
    }
}

/// Takes turns of an image's directories and symlinks that lead out of it, until told to stop.
fn swap(stand: &Stand, pairs: &[(&str, &str)], stop: &AtomicBool) -> usize {
    let here = Dir::open(&stand.sandbox.dir).unwrap();
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        for (place, link) in pairs {
            let (above, name) = place.rsplit_once('/').unwrap();
            let above = Dir::open(&stand.at(above)).unwrap();
            above.exchange(name, &here, link).unwrap();
            swaps += 1;
        }
        // Sometimes it rests for as long as a verb takes.
        std::thread::sleep(Duration::from_micros(swaps as u64 % 7 * 100));
    }
    swaps
}

#[test]
fn what_is_exchanged_for_a_symlink_meanwhile_leads_nowhere() {
    if !root_or_skip("image") {
        return;
    }
    let stand = Stand::new("race");
    let out = stand.outside();
    stand.done(&["fs", "import", "guest", "tree"]);
    stand.done(&["create", "web", "-r", "guest"]);
    stand.done(&["enable", "web"]);
    symlink(out.join("lib"), stand.at("to-lib")).unwrap();
    symlink(out.join("units"), stand.at("to-units")).unwrap();
    let before = snapshot(&out);
    let stop = AtomicBool::new(false);
    let pairs = [("image/var/lib", "to-lib"), ("image/etc/systemd/system", "to-units")];
    let (swaps, said) = std::thread::scope(|scope| {
        let swaps = scope.spawn(|| swap(&stand, &pairs, &stop));
        let end = Instant::now() + Duration::from_secs(1);
        let mut said = String::new();
        // Without those that would leave nothing for the next turn.
        while Instant::now() < end {
            for words in
                [&["enable", "web"][..], &["ps"], &["show", "web"], &["fs", "verify", "guest"], &["disable", "web"]]
            {
                let ran = stand.run(words);
                assert!(matches!(ran.code, Some(0..=2)), "{words:?}: {:?} {}", ran.code, ran.err);
                said.push_str(&(ran.out + &ran.err));
            }
            let _ = stand.run(&["fs", "import", "-f", "guest", "tree"]);
        }
        stop.store(true, Ordering::Relaxed);
        (swaps.join().unwrap(), said)
    });
    assert!(swaps > 100 && said.contains("The guest"), "{swaps} swaps: {said}");
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(snapshot(&out), before);
}
