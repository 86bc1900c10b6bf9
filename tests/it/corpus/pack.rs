//! An archive of a tree, by a tool and with options that the seed chooses; and the same compressed by another.

use super::chance::Chance;
use super::odd;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What of the tree has to come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// Everything: what is unpacked is the tree again.
    All,
    /// What the format holds: the judge is GNU tar alone.
    Some,
    /// Everything, but in words that GNU tar does not know.
    AllForOthers,
}

pub struct Packed {
    pub archive: PathBuf,
    pub keeps: Keeps,
    /// How it was made.
    pub what: String,
    /// The tool took all there was.
    pub whole: bool,
}

/// What is installed of those that not every Debian has.
pub struct Tools(BTreeSet<&'static str>);

impl Tools {
    pub fn here() -> Tools {
        let all = ["bsdtar", "python3", "busybox", "pax", "cpio", "gzip", "pigz", "bgzip", "bzip2", "lbzip2", "pbzip2"];
        let all = all.into_iter().chain(["xz", "pixz", "zstd", "lz4"]);
        Tools(all.filter(|tool| super::has(tool)).collect())
    }
}

const PYTHON: &str = "import sys, tarfile\n\
    t = tarfile.open(sys.argv[2], 'w', format=int(sys.argv[1]), errors='surrogateescape')\n\
    t.add('.')\nt.close()";

pub struct Packer<'a> {
    pub top: &'a Path,
    /// For the archive, and for what is needed beside it.
    pub work: &'a Path,
    pub chance: &'a mut Chance,
    pub tools: &'a Tools,
}

impl Packer<'_> {
    pub fn pack(&mut self) -> Packed {
        let archive = self.work.join("archive");
        let (keeps, words) = match self.chance.below(16) {
            0..=8 => self.gnu(),
            9..=11 if self.has("bsdtar") => self.bsdtar(),
            12 if self.has("python3") => {
                (Keeps::Some, words(&["python3", "-c", PYTHON, self.chance.of(&["0", "1", "2"])]))
            }
            13 if self.has("busybox") => (Keeps::Some, words(&["busybox", "tar", "-cf"])),
            14 if self.has("pax") => {
                (Keeps::Some, words(&["pax", "-w", "-x", self.chance.of(&["ustar", "tar"]), "-f"]))
            }
            15 if self.has("cpio") => return self.cpio(archive),
            _ => self.gnu(),
        };
        let mut what = words.join(" ");
        let names = if words[0] == "tar" { self.names(&mut what) } else { words_of(&["."]) };
        let names = if words[0] == "python3" { Vec::new() } else { names };
        let (first, rest) = words.split_first().unwrap();
        let code = quietly(Command::new(first).args(rest).arg(&archive).args(names).current_dir(self.top));
        if code != Some(0) {
            what += &format!(" (status {code:?})");
        }
        // libarchive cuts long names that are no UTF-8.
        let cuts = words[0] == "bsdtar" && (what.contains("hdrcharset=BINARY") || self.listed(false).contains(&0xff));
        let whole = code == Some(0) && !cuts;
        let keeps = if words[0] == "tar" && self.chance.once_in(5) {
            self.more(&words, &archive, &mut what, keeps)
        } else {
            keeps
        };
        Packed { archive, keeps, what, whole }
    }

    fn has(&self, tool: &str) -> bool {
        self.tools.0.contains(tool)
    }

    fn gnu(&mut self) -> (Keeps, Vec<String>) {
        let mut all = words(&["tar", "--warning=none"]);
        let mut add = |list: &[&str]| all.extend(words(list));
        let format = self.chance.of(&["posix", "posix", "posix", "gnu", "gnu", "oldgnu", "ustar", "v7"]);
        add(&[&format!("--format={format}")]);
        let (mut attributes, mut sparse, mut changes) = (false, false, false);
        if format == "posix" {
            attributes = !self.chance.once_in(3);
            if attributes {
                add(&["--xattrs", "--xattrs-include=*", "--acls"]);
            }
            match self.chance.below(6) {
                0 => add(&["--pax-option=delete=atime,delete=ctime"]),
                1 => add(&["--pax-option=exthdr.name=%d/h/%f,exthdr.mtime=1"]),
                2 => add(&["--pax-option=globexthdr.name=g,comment=of all"]),
                3 => {
                    add(&["--pax-option=delete=mtime"]);
                    changes = true;
                }
                _ => {}
            }
        }
        if !matches!(format, "ustar" | "v7") && self.chance.below(3) > 0 {
            let detection = self.chance.of(&["--hole-detection=seek", "--hole-detection=raw"]);
            add(&["-S", detection]);
            // The other makes a hole of each block of zeros.
            sparse = detection.ends_with("seek");
            if format == "posix" {
                add(&[self.chance.of(&["--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"])]);
            }
        }
        if self.chance.once_in(2) {
            add(&["--numeric-owner"]);
        }
        if self.chance.once_in(4) {
            add(&[self.chance.of(&["-b1", "-b7", "-b20", "-b128"])]);
        }
        if format != "v7" && format != "ustar" && self.chance.once_in(8) {
            add(&["--label=a volume"]);
        }
        match self.chance.below(20) {
            0 => add(&["--hard-dereference"]),
            1 => add(&["--transform=s,1,one/x,g", "--show-transformed-names"]),
            2 => add(&["--transform=flags=rh;s,^\\./,top/,"]),
            3 => add(&["--mtime=@1000000000.5", "--clamp-mtime"]),
            4 => add(&["--owner=:77", "--group=:88", "--mode=u+w,go-w"]),
            5 => add(&["--check-links", "--seek"]),
            6 if matches!(format, "posix" | "gnu" | "oldgnu") => {
                let snapshot = self.work.join("snapshot");
                add(&["--listed-incremental", snapshot.to_str().unwrap()]);
            }
            _ => {}
        }
        let changes = changes
            || all.iter().any(|word| {
                ["--hard-d", "--transf", "--mtime", "--owner", "--listed"].iter().any(|change| word.starts_with(change))
            });
        all.push("-cf".to_string());
        let keeps = if attributes && sparse && !changes { Keeps::All } else { Keeps::Some };
        (keeps, all)
    }

    fn bsdtar(&mut self) -> (Keeps, Vec<String>) {
        let mut all =
            words(&["bsdtar", "--format", self.chance.of(&["pax", "pax", "paxr", "gnutar", "ustar", "v7tar"])]);
        let plain = all[2] != "pax" || self.chance.once_in(2);
        if plain {
            all.extend(words(&["--no-xattrs", "--no-acls"]));
        }
        if all[2] == "pax" && self.chance.once_in(3) {
            all.extend(words(&["--options", "pax:hdrcharset=BINARY"]));
        }
        if self.chance.once_in(4) {
            all.extend(words(&["--no-read-sparse"]));
        }
        if self.chance.once_in(4) {
            all.extend(words(&["--no-fflags"]));
        }
        all.push("-cf".to_string());
        (if plain { Keeps::Some } else { Keeps::AllForOthers }, all)
    }

    fn cpio(&mut self, archive: PathBuf) -> Packed {
        let format = self.chance.of(&["ustar", "tar"]);
        let list = self.work.join("list");
        fs::write(&list, self.listed(false)).unwrap();
        let list = File::open(list).unwrap();
        let mut command = Command::new("cpio");
        command.args(["-o", "-0", "--quiet", "-H", format, "-F"]).arg(&archive).current_dir(self.top).stdin(list);
        quietly(&mut command);
        Packed { archive, keeps: Keeps::Some, what: format!("cpio -o -H {format}"), whole: false }
    }

    /// The whole tree by its top, or each entry by its name in any order.
    fn names(&mut self, what: &mut String) -> Vec<String> {
        if !self.chance.once_in(3) {
            return words_of(&["."]);
        }
        let list = self.work.join("list");
        fs::write(&list, self.listed(true)).unwrap();
        *what += " (shuffled)";
        words_of(&["--no-recursion", "--null", "--verbatim-files-from", "-T", list.to_str().unwrap()])
    }

    fn listed(&mut self, shuffled: bool) -> Vec<u8> {
        let mut all = Vec::new();
        odd::below(self.top, &mut all);
        if shuffled {
            self.chance.shuffle(&mut all);
        }
        let name =
            |path: &PathBuf| [b"./", path.strip_prefix(self.top).unwrap().as_os_str().as_bytes(), b"\0"].concat();
        all.iter().flat_map(name).collect()
    }

    /// Appends: the tree again, what is newer of it, or another archive.
    fn more(&mut self, words: &[String], archive: &Path, what: &mut String, keeps: Keeps) -> Keeps {
        let options = words[1..words.len() - 1].iter();
        let options: Vec<&String> = options
            .filter(|word| !word.starts_with("--listed") && !word.contains("snapshot") && !word.starts_with("--label"))
            .collect();
        let (mode, keeps) = match self.chance.below(3) {
            0 => ("-r", keeps),
            1 => ("-u", Keeps::Some),
            _ => ("-A", Keeps::Some),
        };
        *what += &format!(", then {mode}");
        let mut command = Command::new("tar");
        command.args(options).arg(mode).arg("-f").arg(archive).current_dir(self.top);
        if mode == "-A" {
            let other = self.work.join("other");
            let format = words.iter().find(|word| word.starts_with("--format")).unwrap();
            quietly(
                Command::new("tar").args(["--warning=none", format, "-cf"]).arg(&other).arg(".").current_dir(self.top),
            );
            command.arg(other);
        } else {
            command.arg(".");
        }
        quietly(&mut command);
        keeps
    }

    /// Compresses it, or not; the file that holds it then.
    pub fn compress(&mut self, archive: &Path, what: &mut String) -> PathBuf {
        let tool: &[&str] = self.chance.of(&[
            &[][..],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &["gzip", "-1"],
            &["gzip", "-9"],
            &["pigz", "-p2", "-b128"],
            &["pigz", "-i", "-p2"],
            &["bgzip"],
            &["bzip2", "-1"],
            &["lbzip2", "-n2", "-1"],
            &["pbzip2", "-b1", "-p2"],
            &["xz", "-0"],
            &["xz", "-1", "-T2", "--block-size=65536"],
            &["xz", "--check=sha256", "--x86", "--lzma2=preset=0"],
            &["xz", "-0", "--format=lzma"],
            &["pixz", "-0", "-p2"],
            &["zstd", "-q", "-1"],
            &["zstd", "-q", "--long=24", "-T2"],
            &["zstd", "-q", "-1", "--no-check"],
            &["lz4", "-q", "-1"],
            &["lz4", "-q", "-B4", "-BD", "-BX"],
            &["lz4", "-q", "-l"],
        ]);
        let [program, options @ ..] = tool else { return archive.to_path_buf() };
        if !self.has(program) {
            return archive.to_path_buf();
        }
        *what += &format!(" | {}", tool.join(" "));
        let bytes = fs::read(archive).unwrap();
        let target = self.work.join("compressed");
        // Two members, where the format has them.
        let cut = if self.chance.once_in(4) && !what.contains("lzma") && *program != "pixz" {
            bytes.len() / 3
        } else {
            bytes.len()
        };
        let Some(mut packed) = through(program, options, &bytes[..cut]) else { return archive.to_path_buf() };
        if cut < bytes.len() {
            *what += " (two members)";
            let Some(second) = through(program, options, &bytes[cut..]) else { return archive.to_path_buf() };
            packed.extend(second);
        }
        fs::write(&target, packed).unwrap();
        target
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| word.to_string()).collect()
}

fn words_of(list: &[&str]) -> Vec<String> {
    words(list)
}

/// Its status; what it says of members that it cannot take is not looked at.
fn quietly(command: &mut Command) -> Option<i32> {
    let command = command.env("LC_ALL", "C.UTF-8").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().code()
}

/// None when the tool fails, as pixz does over archives that it does not understand.
fn through(program: &str, options: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let standard = if program == "pixz" { &[][..] } else { &["-c"] };
    let mut child = Command::new(program)
        .args(options)
        .args(standard)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut input, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output.status.success().then_some(output.stdout)
}
