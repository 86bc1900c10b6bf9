//! `sdme logs`: a container's journal.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands, Tail};
use crate::cmd::{Context, entering, select};
use crate::container::console::{self, Log};
use crate::container::direct::status;
use crate::container::{exec, lookup};
use crate::error::{Error, Kind, Result};
use crate::store::name::Name;
use crate::store::runtime::{self, Route};
use crate::sys::poll::{self, For, Wait};
use crate::sys::spawn::Program;
use crate::text::sanitize;
use crate::ui::out;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::Duration;

/// Where journalctl may be; it is never searched in `$PATH`.
const JOURNALCTL: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];
/// How often a console's log is looked at while it is followed.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub const SPEC: Command = Command {
    name: "logs",
    about: "show a container's log",
    long: &[
        "Shows what the container's unit wrote to the host's journal: its console and systemd-nspawn's own words. \
         With --guest, the journal that the container itself keeps.",
        "sdme's own flags stand after NAME; from the first word that is none of them, everything is passed on to \
         journalctl. Where the host has no systemd, the console's output is shown as it was recorded.",
    ],
    flags: &[
        Flag::switch("follow", Some('f'), "Go on showing what comes."),
        Flag::valued("lines", Some('n'), "N", "Show the last N lines."),
        Flag::switch("guest", None, "Show the journal inside the container."),
    ],
    operands: Operands { usage: "NAME [JOURNALCTL-ARGS...]", least: 1, most: 1, tail: Tail::Unknown },
    examples: &[
        ("sdme logs web -f", "follows the console"),
        ("sdme logs web --guest -u ssh.service", "the container's own journal of one unit"),
        ("sdme logs web -n 20 --since today -o cat", "words of journalctl are passed on"),
    ],
    payload: false,
    root: true,
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = select::one(cx, args)?;
    let lines = lines(args)?;
    if args.flag("guest") {
        return guest(cx, args, &name);
    }
    match runtime::read(&cx.paths, &name)?.map(|runtime| runtime.route) {
        Some(Route::Direct) => console(cx, args, &name, lines),
        Some(Route::Unit) => journal(cx, args, &name),
        None if cx.paths.systemd_marker().is_dir() => journal(cx, args, &name),
        None => console(cx, args, &name, lines),
    }
}

/// Becomes journalctl, with the caller's own environment: pager and colours are as he set them.
fn journal(cx: &Context, args: &Args, name: &Name) -> Result<u8> {
    let program = JOURNALCTL.iter().map(|path| cx.paths.host(path)).find(|path| path.exists()).ok_or_else(|| {
        Error::failed(format!("{name}: journalctl is in neither of {}: install systemd", JOURNALCTL.join(", ")))
    })?;
    let words: Vec<OsString> = ["-u".into(), name.unit().into()].into_iter().chain(journal_words(args)).collect();
    Err(Program::of_the_caller(&program, &words).exec())
}

/// Our flags as journalctl spells them, then its own words.
fn journal_words(args: &Args) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if args.flag("follow") {
        words.push("--follow".into());
    }
    if let Some(count) = args.value("lines") {
        words.extend(["--lines".into(), count.into()]);
    }
    words.extend_from_slice(args.tail());
    words
}

fn lines(args: &Args) -> Result<Option<usize>> {
    match args.text("lines")? {
        None | Some("all") => Ok(None),
        Some(_) => Ok(args.number("lines")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX))),
    }
}

/// The container's own journalctl, run as `sdme exec` would.
fn guest(cx: &Context, args: &Args, name: &Name) -> Result<u8> {
    let words: Vec<OsString> = [OsString::from("journalctl")].into_iter().chain(journal_words(args)).collect();
    let command = lookup::Command {
        words: &words,
        terminal: cx.stdin_tty && cx.stdout_tty,
        term: cx.term.as_deref(),
        ..lookup::Command::default()
    };
    entering::enter(cx, name, cx.config.boot_timeout, |guest, verb| exec::exec(guest, &command, verb))
}

/// Prints what the supervisor recorded.
fn console(cx: &Context, args: &Args, name: &Name, lines: Option<usize>) -> Result<u8> {
    if let Some(word) = args.tail().first() {
        return Err(args.usage(&format!("{word:?} is for journalctl, and {name} runs without a journal of the host's")));
    }
    let (mut log, text) = Log::open(&status::log_path(&cx.paths, name))?;
    let text = lines.map_or(&text[..], |count| console::last_lines(&text, count));
    let mut read = out::write(&shown(cx, text))?;
    while read && args.flag("follow") {
        read = !reader_leaves()? && out::write(&shown(cx, &log.more()?))?;
    }
    Ok(0)
}

/// On a terminal a container's words are only words; elsewhere they are given as they are.
fn shown(cx: &Context, text: &[u8]) -> Vec<u8> {
    match cx.stdout_tty {
        true => sanitize::console(&String::from_utf8_lossy(text)).into_bytes(),
        false => text.to_vec(),
    }
}

/// Waits a little; true when whoever reads our output has gone meanwhile.
fn reader_leaves() -> Result<bool> {
    let stdout = std::io::stdout();
    let wait = Wait::at_most(FOLLOW_EVERY);
    match poll::poll(&[(stdout.as_fd(), For::Nothing)], wait) {
        Err(error) if *error.kind() == Kind::TimedOut => Ok(false),
        other => other.map(|_| true),
    }
}
