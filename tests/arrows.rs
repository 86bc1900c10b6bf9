//! Reads the sources and checks the house's arrows: which room may use which, and what only one room may do.
//!
//! The map is docs/code.md. What is looked at is what runs: comments and a file's own tests are left out.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, left to right. A room imports from rooms further right only; those on one step leave each other alone.
const STEPS: &[&[&str]] = &[
    &["main"],
    &["lib"],
    &["cmd"],
    &["container", "rootfs"],
    &["store"],
    &["systemd", "oci", "disk", "http"],
    &["dbus", "stream", "cli", "ui", "config"],
    &["text", "digest"],
    &["sys", "codec"],
    &["error", "paths"],
];

/// What only some files may say: the words, the files or folders below src/ that may, and why.
const ONLY_IN: &[(&[&str], &[&str], &str)] = &[
    (&["rustix::"], &["sys/", "error.rs"], "system calls are made in sys/ (error.rs knows Errno)"),
    (&["libc::"], &["sys/"], "system calls are made in sys/"),
    (&["lexopt::"], &["cli/parse.rs"], "the argument parser is named in one file"),
    (
        &["ring::"],
        &["digest.rs", "http/tls.rs"],
        "ring is named in digest.rs (and in http/tls.rs, which gives it to TLS)",
    ),
    (&["rustls::", "webpki_roots::"], &["http/tls.rs"], "TLS is named in one file"),
    (&["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"], &["sys/"], "unsafe code stays in sys/"),
    (
        &["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("],
        &["cmd/", "ui/", "lib.rs"],
        "below cmd/ nothing prints",
    ),
    (
        &["env::var", "env::args", "env::vars", "env::current_dir"],
        &["lib.rs", "paths.rs"],
        "the environment is read in lib.rs and paths.rs",
    ),
    (&["Command::new("], &["sys/spawn.rs"], "no helper program but nspawn and journalctl"),
    (&["todo!(", "unimplemented!(", ".unwrap()", ".expect("], &[], "a failure is an error, never a panic"),
];

struct Source {
    /// Below src/, as in `sys/dir.rs`.
    path: String,
    room: String,
    /// The lines that run: tests and comments are blank.
    lines: Vec<String>,
    text: String,
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    below(&top, &mut files);
    files.sort();
    assert!(files.len() > 20, "src/ was not read");
    files.iter().map(|file| source(file.strip_prefix(&top).unwrap(), fs::read_to_string(file).unwrap())).collect()
}

fn source(path: &Path, text: String) -> Source {
    let path = path.to_str().unwrap().to_string();
    let room = path.split(['/', '.']).next().unwrap().to_string();
    Source { lines: running(&text), path, room, text }
}

/// Blank instead of comments and of every item that is marked `#[cfg(test)]`.
fn running(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut end_of_test = None;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.trim() == "#[cfg(test)]" {
            end_of_test = Some(format!("{indent}}}"));
        }
        let of_test = end_of_test.is_some();
        let whole_item =
            line.ends_with([';', '}']) && end_of_test.as_ref().is_some_and(|end| end.len() == indent.len() + 1);
        if whole_item {
            end_of_test = None;
        }
        lines.push(if of_test { String::new() } else { without_comment(line).to_string() });
    }
    lines
}

/// A `//` in a string is rare enough, and followed by nothing that is looked for.
fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn step(room: &str) -> Option<usize> {
    STEPS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms named after each `crate::`, also in `use crate::{a::b, c}`.
fn named_rooms(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(first_words(list.trim_end_matches(['}', ';', ' ']))),
            None => rooms.extend(first_words(rest).into_iter().take(1)),
        }
    }
    rooms
}

/// The first word of each item of a use list; what stands in inner braces is no room.
fn first_words(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut words = vec![String::new()];
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(String::new()),
            _ if depth == 0 => words.last_mut().unwrap().push(letter),
            _ => {}
        }
    }
    let word = |item: &String| {
        item.trim().split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap().to_string()
    };
    words.iter().map(word).filter(|word| !word.is_empty()).collect()
}

fn report(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    let unknown = |source: &&Source| step(&source.room).is_none();
    report(
        sources()
            .iter()
            .filter(unknown)
            .map(|source| format!("src/{}: room {:?} is not on the map", source.path, source.room))
            .collect(),
    );
}

#[test]
fn imports_only_go_right() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(here) = step(&source.room) else { continue };
        for (number, line) in source.lines.iter().enumerate() {
            for room in named_rooms(line) {
                if room != source.room && step(&room).is_some_and(|there| there <= here) {
                    broken.push(format!("src/{}:{}: {} may not use {room}", source.path, number + 1, source.room));
                }
            }
        }
    }
    report(broken);
}

#[test]
fn no_verb_uses_another() {
    let sources = sources();
    let is_verb =
        |source: &&Source| source.room == "cmd" && source.lines.iter().any(|line| line.contains("pub const SPEC"));
    let module = |source: &Source| source.path.trim_start_matches("cmd/").trim_end_matches(".rs").replace('/', "::");
    let verbs: Vec<String> = sources.iter().filter(is_verb).map(module).collect();
    let mut broken = Vec::new();
    for source in sources.iter().filter(is_verb) {
        for other in verbs.iter().filter(|verb| **verb != module(source)) {
            let names = [
                format!("cmd::{other}::"),
                format!("super::{other}::"),
                format!("super::{other};"),
                format!("cmd::{other};"),
            ];
            for (number, line) in source.lines.iter().enumerate() {
                if names.iter().any(|name| line.contains(name.as_str())) {
                    broken.push(format!("src/{}:{}: a verb may not use the verb {other}", source.path, number + 1));
                }
            }
        }
    }
    report(broken);
}

#[test]
fn what_one_place_does_no_other_does() {
    let mut broken = Vec::new();
    for source in sources() {
        for (words, places, why) in ONLY_IN {
            if places
                .iter()
                .any(|place| source.path == *place || place.ends_with('/') && source.path.starts_with(place))
            {
                continue;
            }
            for (number, line) in source.lines.iter().enumerate() {
                if let Some(word) = words.iter().find(|word| says(line, word)) {
                    broken.push(format!("src/{}:{}: {word:?}: {why}", source.path, number + 1));
                }
            }
        }
    }
    report(broken);
}

/// Whether the word stands there by itself, not as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    let whole = |at: usize| {
        word.starts_with('.') || !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
    };
    line.match_indices(word).any(|(at, _)| whole(at))
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut broken = Vec::new();
    for source in sources() {
        let original: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.lines.iter().enumerate() {
            let reason = original[number.saturating_sub(6)..=number]
                .iter()
                .any(|line| line.contains("SAFETY") || line.contains("# Safety"));
            if (says(line, "unsafe {") || says(line, "unsafe impl")) && !reason {
                broken.push(format!("src/{}:{}: unsafe without a SAFETY reason", source.path, number + 1));
            }
        }
    }
    report(broken);
}

#[test]
fn every_file_says_what_it_owns() {
    let headless = |source: &&Source| source.path != "main.rs" && !source.text.starts_with("//!");
    report(
        sources()
            .iter()
            .filter(headless)
            .map(|source| format!("src/{}:1: does not start with //! lines", source.path))
            .collect(),
    );
}

#[test]
fn the_reader_of_imports_sees_what_is_written() {
    assert_eq!(named_rooms("use crate::sys::dir::Dir;"), ["sys"]);
    assert_eq!(named_rooms("use crate::{cli::spec, ui::{out, table}, error};"), ["cli", "ui", "error"]);
    assert_eq!(named_rooms("    crate::text::size::parse(crate::paths::X)"), ["text", "paths"]);
    assert!(says("unsafe { x }", "unsafe {") && !says("not_unsafe { x }", "unsafe {"));
    let text = "a\n// b\n#[cfg(test)]\nmod tests {\n    b;\n}\nc\n#[cfg(test)]\nuse d;\ne";
    assert_eq!(running(text).join("|"), "a||||||c|||e");
}
