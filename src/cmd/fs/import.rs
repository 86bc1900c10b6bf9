//! `sdme fs import`: a root filesystem from a directory, an archive or an image, here or elsewhere.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands, Tail};
use crate::cmd::fs::sources::Sources;
use crate::cmd::fs::{needed, packages};
use crate::cmd::{Context, flags};
use crate::error::{Context as _, Error, Kind, Result};
use crate::rootfs::bounds::Bounds;
use crate::rootfs::format::Format;
use crate::rootfs::import::{self, Imported, Request, Surroundings};
use crate::rootfs::prepare::{Hands, Install};
use crate::rootfs::progress::{Progress, Step};
use crate::rootfs::source::Source;
use crate::store::mounted;
use crate::store::name::Name;
use crate::sys::signal::{ENDING, Interrupts};
use crate::text::json::Writer;
use crate::text::size;
use crate::ui::{events, out, progress};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

pub const SPEC: Command = Command {
    name: "fs import",
    about: "import a root filesystem to make containers of",
    long: &[
        "SOURCE is a directory; a tar archive, plain or compressed (gzip, bzip2, xz, lzma, zstd, lz4); an OCI image as a \
         layout directory, as an archive of one, or as 'docker save' writes it; a disk image, qcow2 or raw, compressed or \
         not; '-' for one of these on standard input; or an http, https or file URL of one. What it is is found by its \
         bytes, never by its name.",
        "The tree arrives as it was: owners, modes, times, links, attributes, holes, devices. It counts when it is whole \
         and everything demanded of it has been checked; until then nothing of it has a name. An archive that holds its \
         tree in one top directory is unwrapped.",
        "Of a disk image the root is the partition whose type says so, else the first with a system in it; what its fstab \
         mounts from the same image comes along, and what would wait for hardware in a container is taken out. The kernel \
         reads its filesystems, by a loop device that is mounted nowhere. 'sdme fs show NAME' lists what was done.",
        "Without NAME one is taken from SOURCE. 'sdme new -r NAME' makes a container of it and boots that, if there is systemd \
         in the tree. Where it is missing, or D-Bus, the tree's own package manager can bring it (apt-get, dnf, microdnf, zypper, \
         pacman): it is run in a systemd-nspawn container with the host's network, and the import fails if it does.",
        "Servers are reached as curl would: http_proxy, https_proxy, all_proxy, no_proxy, SSL_CERT_FILE and SSL_CERT_DIR are \
         heeded. What a server cuts short is asked for again from there.",
    ],
    flags: &[
        Flag::valued("name", None, "NAME", "The root filesystem's name. The same as giving it before SOURCE."),
        Flag::switch(
            "force",
            Some('f'),
            "Replace the one that has the name, once the new one is whole; take one that is made for another processor.",
        ),
        Flag::valued("sha256", None, "HEX", "The SHA-256 that the bytes of SOURCE must have."),
        Flag::valued("sha512", None, "HEX", "The SHA-512 that the bytes of SOURCE must have."),
        Flag::valued("sums", None, "FILE|URL", "A checksum file, such as SHA256SUMS, with a line for SOURCE."),
        Flag::valued(
            "pubkey",
            None,
            "KEY|FILE",
            "The minisign or signify key with which SOURCE, or --sums, is signed.",
        ),
        Flag::valued("signature", None, "FILE|URL", "The signature of SOURCE, or of --sums when that is given."),
        Flag::valued("ca-file", None, "FILE", "Trust these certificates of authorities too, in PEM form.").repeated(),
        Flag::valued(
            "format",
            None,
            "FORM",
            "What SOURCE is: auto, dir, tar, oci, oci-archive, docker-archive, raw or qcow2. Default: auto, its bytes tell.",
        ),
        Flag::valued("image", None, "NAME", "Which image of several, by its reference name."),
        Flag::valued("partition", None, "N", "Of a disk image, the partition that is the root, by its number."),
        Flag::switch(
            "cross-mounts",
            None,
            "Of a directory, take what is mounted below it too, but for what the kernel makes up.",
        ),
        Flag::valued(
            "max-bytes",
            None,
            "SIZE",
            "At most so many bytes of files, what a package manager writes among them, like 20G. Default: 256G.",
        ),
        Flag::valued("max-entries", None, "N", "At most so many names. Default: 20000000."),
        Flag::valued("max-path", None, "N", "At most so many bytes of a path. Default: 4096."),
        Flag::valued("max-depth", None, "N", "At most so many directories in one another. Default: 1024."),
        Flag::valued("max-layers", None, "N", "At most so many layers of an image. Default: 512."),
        Flag::valued("max-window", None, "SIZE", "At most so much memory for a decoder's window. Default: 128M."),
        Flag::valued("max-header", None, "SIZE", "At most so many bytes of one tar header's extensions. Default: 1M."),
        Flag::valued("max-disk", None, "SIZE", "At most so many bytes of a disk image, holes too. Default: 4T."),
        Flag::valued("max-ratio", None, "N", "At most so many bytes for each compressed one. Default: 2000."),
        packages::FLAG,
        flags::JSON,
    ],
    operands: Operands { usage: "[NAME] SOURCE", least: 1, most: 2, tail: Tail::Nothing },
    examples: &[
        ("sdme fs import noble /tmp/noble.tar.xz", "a tarball, under the name noble"),
        ("debootstrap sid t && sdme fs import sid t", "a directory"),
        ("sdme fs import trixie debian-13-generic-amd64.qcow2", "a disk image"),
        ("sdme fs import https://example.org/Fedora.oci.tar.xz --sums SHA256SUMS", "from elsewhere, checked"),
    ],
    payload: false,
    root: true,
    image: Image::Makes,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let result = import_source(cx, args);
    if let (true, Err(error)) = (args.flag("json"), &result) {
        events::failed(error);
    }
    result
}

fn import_source(cx: &Context, args: &Args) -> Result<u8> {
    let (name, source) = operands(args)?;
    let force = args.flag("force");
    let format = args.text("format")?.map(Format::parse).transpose()?.flatten();
    let install = packages::wish(cx, args)?;
    refuse_busy(cx, &name, force)?;
    let interrupts = Interrupts::block(&ENDING)?;
    let watch = interrupts.watch()?;
    let sources = Sources::new(cx, args, &watch)?;
    let request = Request {
        demands: sources.demands(args, &source)?,
        source,
        name: name.clone(),
        force,
        bounds: bounds(args)?,
        cross_mounts: args.flag("cross-mounts"),
        reference: args.text("image")?.map(str::to_string),
        partition: partition(args)?,
        format,
        install,
        options: options(args, format, install),
    };
    let progress = Arc::new(Progress::default());
    let around = Surroundings {
        paths: &cx.paths,
        progress: progress.clone(),
        watch: &watch,
        open_url: &|url| sources.open_url(url),
        say: &|text| cx.say(text),
        hands: Hands {
            ask: &|question| packages::ask(cx, args, question, &progress, &interrupts),
            told: &|line| packages::told(cx, line),
            proxies: &cx.http.proxies(),
        },
        may_go: &|| refuse_busy(cx, &name, force),
    };
    let told = args.flag("json") && !cx.quiet;
    // Where both are one terminal the events are enough.
    let shown = cx.stderr_tty && !cx.quiet && !(told && cx.stdout_tty);
    let work =
        || events::while_told(told, &Told { name: &name, progress: &progress }, || import::import(request, &around));
    let imported = progress::while_shown(shown, || line(&name, &progress), work)?;
    report(cx, args, &name, &imported)
}

/// `[NAME] SOURCE`, `--name NAME SOURCE`; without a name the source's own.
fn operands(args: &Args) -> Result<(Name, Source)> {
    let (typed, word): (Option<&str>, &OsStr) = match args.operands() {
        [source] => (args.text("name")?, source),
        [_, source] if args.value("name").is_none() => (args.operand(0)?, source),
        _ => return Err(args.usage("the name is given twice, as NAME and with --name")),
    };
    let source = Source::parse(word, Path::is_dir)?;
    let name = match typed {
        Some(name) => Name::parse(name)?,
        None => source.suggested_name().ok_or_else(|| {
            args.usage(&format!("no name can be taken from {:?}: give one with --name", source.shown()))
        })?,
    };
    Ok((name, source))
}

/// What is mounted in it is somebody's; what runs has its files open; a container that is stopped gets the new tree beneath its changes.
fn refuse_busy(cx: &Context, name: &Name, force: bool) -> Result<()> {
    if !force {
        return Ok(());
    }
    mounted::refuse_below(&cx.paths, &cx.paths.filesystems(), name.as_str())?;
    match needed::containers(cx, name, true)?.as_slice() {
        [] => Ok(()),
        some => {
            let what = format!("{name} cannot be replaced while {} run on it: stop them first", needed::words(some));
            Err(Error::new(Kind::Busy, what))
        }
    }
}

fn partition(args: &Args) -> Result<Option<u32>> {
    let number = args.number("partition")?;
    let refused = || args.usage("--partition: partitions are counted from 1");
    number.map(|number| u32::try_from(number).ok().filter(|number| *number > 0).ok_or_else(refused)).transpose()
}

fn bounds(args: &Args) -> Result<Bounds> {
    let usual = Bounds::default();
    let number = |flag: &str, usual: u64| args.number(flag).map(|number| number.unwrap_or(usual));
    let size = |flag: &str, usual: u64| match args.text(flag)? {
        None => Ok(usual),
        Some(text) => size::parse(text).ok_or_else(|| args.usage(&format!("--{flag}: {text:?} is no size, like 20G"))),
    };
    Ok(Bounds {
        bytes: size("max-bytes", usual.bytes)?,
        window: size("max-window", usual.window)?,
        header: size("max-header", usual.header)?,
        disk: size("max-disk", usual.disk)?,
        entries: number("max-entries", usual.entries)?,
        path: number("max-path", usual.path as u64)? as usize,
        depth: number("max-depth", usual.depth as u64)? as usize,
        layers: number("max-layers", usual.layers as u64)? as usize,
        ratio: number("max-ratio", usual.ratio)?,
    })
}

/// What changes the tree itself, for the record.
fn options(args: &Args, format: Option<Format>, install: Install) -> String {
    let mut words = Vec::new();
    words.extend(format.map(|format| format!("--format={}", format.word())));
    if install == Install::Always {
        words.push("--install-packages=yes".to_string());
    }
    if args.flag("cross-mounts") {
        words.push("--cross-mounts".to_string());
    }
    if let Some(image) = args.value("image") {
        words.push(format!("--image={}", image.to_string_lossy()));
    }
    if let Some(number) = args.value("partition") {
        words.push(format!("--partition={}", number.to_string_lossy()));
    }
    words.join(" ")
}

/// "noble: reading 12.3M of 83M, 41M/s, 2 s left"
fn line(name: &Name, progress: &Progress) -> progress::Line {
    let word = progress.word();
    progress::Line {
        what: if word.is_empty() { String::new() } else { format!("{name}: {word}") },
        done: progress.read(),
        whole: progress.length(),
        counts: progress.step() == Step::Reading,
    }
}

/// The import as events tell it.
struct Told<'a> {
    name: &'a Name,
    progress: &'a Progress,
}

impl events::Told for Told<'_> {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    /// "done" is what the result's own line says.
    fn steps(&self) -> Vec<&'static str> {
        self.progress.take_begun().into_iter().filter(|word| *word != Step::Done.word()).collect()
    }

    fn state(&self) -> events::State {
        events::State { bytes: self.progress.read(), total: self.progress.length() }
    }

    fn counts(&self, step: &str) -> bool {
        step == Step::Reading.word()
    }
}

fn report(cx: &Context, args: &Args, name: &Name, imported: &Imported) -> Result<u8> {
    let Imported { origin, facts } = imported;
    for note in &origin.notes {
        cx.note(note);
    }
    match origin.notes.len() {
        _ if cx.verbose => {}
        0 => {}
        1 => cx.say(&format!("1 note on what was chosen, left out or changed: sdme fs show {name}")),
        many => cx.say(&format!("{many} notes on what was chosen, left out or changed: sdme fs show {name}")),
    }
    if let Some(lacks) = facts.lacks() {
        cx.say(&format!("{name} {lacks}"));
    }
    let text = if args.flag("json") { object(name, imported) } else { format!("{name}\n") };
    out::print(&text).with_context(|| format!("{name} is imported, but that could not be written"))?;
    Ok(0)
}

fn object(name: &Name, Imported { origin, facts }: &Imported) -> String {
    let mut json = Writer::new();
    json.begin_object().key("event").string("done").key("name").string(name.as_str());
    for (key, text) in [
        ("source", &origin.source),
        ("form", &origin.form),
        ("digest", &origin.digest),
        ("verified", &origin.verified),
        ("manifest", &origin.manifest),
        ("tree", &origin.tree),
        ("os", &origin.title),
    ] {
        json.key(key).optional(Some(text.as_str()).filter(|text| !text.is_empty()));
    }
    json.key("entries").number(origin.entries).key("bytes").number(origin.bytes);
    json.key("lacks").optional(facts.lacks().as_deref());
    json.key("notes").begin_array();
    for note in &origin.notes {
        json.string(note);
    }
    json.end_array().end_object();
    json.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::format;

    #[test]
    fn help_tells_every_word_of_format() {
        let flag = SPEC.flags.iter().find(|flag| flag.long == "format").unwrap();
        assert!(flag.help.contains(format::WORDS), "{}", flag.help);
    }
}
