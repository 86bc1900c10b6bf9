//! sdme boots systemd containers from copy-on-write clones of the host or of a root filesystem.
//!
//! This file reads the environment, hands a verb what it needs, prints its error and gives the exit code.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod cmd;
pub mod config;
pub mod container;
pub mod dbus;
pub mod digest;
pub mod disk;
pub mod error;
pub mod http;
pub mod oci;
pub mod paths;
pub mod rootfs;
pub mod store;
pub mod stream;
pub mod sys;
pub mod systemd;
pub mod text;
pub mod ui;

use cli::parse::{Args, Refusal, Request};
use cli::spec::Image as InImage;
use cli::{help, parse};
use cmd::Context as VerbContext;
use config::Config;
use container::direct::{self, Console};
use container::enter;
use error::{Context, Error, Kind, Result};
use paths::{DEFAULT_CONFIG, Paths};
use rootfs::prepare::place;
use std::env;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::image::Image;
use store::name::Name;
use ui::out;

/// sdme's own failure where the exit status is otherwise a payload's.
const EXIT_OWN_FAILURE: u8 = 125;
/// terminfo's own limit is 128 bytes for all names of a terminal together.
const TERM_MAX: usize = 128;

pub fn main() -> ExitCode {
    let mut words = env::args_os();
    let called = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    if called == enter::CHILD {
        enter::child();
        return ExitCode::SUCCESS;
    }
    sys::credentials::umask(sys::create::UMASK);
    sys::signal::ignore_file_size_limit();
    if called == place::INSTALLER {
        return ExitCode::from(fail(&place::become_nspawn(&words), true));
    }
    if called == direct::SUPERVISOR {
        return ExitCode::from(supervise(&words));
    }
    ExitCode::from(match parse::parse(words, &cmd::table()) {
        Ok(Request::Run(args)) => run(&args),
        Ok(Request::Help { scope, long }) => print(&help_text(scope, long)),
        Ok(Request::Version) => print(concat!("sdme ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Nothing) => {
            out::print_error(&help_text("", false));
            Error::usage("").exit_code()
        }
        Err(Refusal { error, command }) => fail(&error, command.is_some_and(|command| command.payload)),
    })
}

/// Stays with a container that no systemd runs; `start` has called us so, with a datadir and a name.
fn supervise(words: &[OsString]) -> u8 {
    let [datadir, name] = words else { return Error::usage("").exit_code() };
    if let Err(error) = sys::confine::leave_caller() {
        return fail(&error, false);
    }
    let paths = Paths::under("/").with_datadir(datadir);
    let result = Name::parse(&name.to_string_lossy()).and_then(|name| direct::supervise(&paths, &name, Console::Log));
    result.unwrap_or_else(|error| fail(&error, false))
}

fn run(args: &Args) -> u8 {
    if let Err(error) = refuse_in_image(args) {
        // No payload was ever meant to run.
        return fail(&error, false);
    }
    match verb(args) {
        Ok(code) => code,
        Err(error) => fail(&error, args.command().payload),
    }
}

/// In an image nothing runs, nor does anything of it run on this machine.
fn refuse_in_image(args: &Args) -> Result<()> {
    let command = args.command();
    if args.value("root").is_some() && command.image == InImage::Refused {
        let what = format!("--root: nothing runs in an image: sdme {} is for the booted system", command.name);
        return Err(Error::usage(what));
    }
    Ok(())
}

fn verb(args: &Args) -> Result<u8> {
    let command = args.command();
    if command.root && !sys::credentials::is_root() {
        return Err(Error::failed(format!("must be run as root: sudo sdme {} ...", command.name)));
    }
    let run = cmd::lookup(command).ok_or_else(|| Error::failed(format!("{} is not in the table", command.name)))?;
    run(&context(args)?, args)
}

/// Prints an error and gives the exit code.
fn fail(error: &Error, payload: bool) -> u8 {
    out::error(&error.to_string(), colour());
    match error.kind() {
        Kind::Interrupted(_) => error.exit_code(),
        _ if payload => EXIT_OWN_FAILURE,
        _ => error.exit_code(),
    }
}

fn print(text: &str) -> u8 {
    out::print(text).map_or_else(|error| fail(&error, false), |()| 0)
}

fn help_text(scope: &str, long: bool) -> String {
    let table = cmd::table();
    match table.iter().find(|command| command.name == scope) {
        Some(command) => help::command(command, long),
        None if scope.is_empty() => help::program(&table, long),
        None => help::group(scope, &table),
    }
}

fn context(args: &Args) -> Result<VerbContext> {
    let Setting { paths, config, found_at_boot } = match image(args)? {
        Some(image) => setting_of_image(args, image)?,
        None => setting(args)?,
    };
    let (stdin_tty, stderr_tty) = (std::io::stdin().is_terminal(), std::io::stderr().is_terminal());
    Ok(VerbContext {
        paths,
        verbose: args.flag("verbose"),
        quiet: args.flag("quiet"),
        interactive: config.interactive && stdin_tty && stderr_tty,
        colour: colour(),
        sudo_user: text_variable("SUDO_USER").filter(|user| user != "root"),
        term: text_variable("TERM").filter(|term| is_terminal_name(term)),
        notify_socket: env::var_os("NOTIFY_SOCKET"),
        http: http::Environment::read(|name| env::var_os(name)),
        stdin_tty,
        stdout_tty: std::io::stdout().is_terminal(),
        stderr_tty,
        config,
        found_at_boot,
    })
}

/// What flags, environment and config come to.
struct Setting {
    paths: Paths,
    config: Config,
    found_at_boot: bool,
}

/// The image that the flag names. None without it, and where it names this system itself.
fn image(args: &Args) -> Result<Option<Image>> {
    match path_choice(args, "root", None)? {
        Some(path) => Image::open(&path),
        None => Ok(None),
    }
}

/// Flag, then the image's config, then default. The environment is this machine's, and says nothing about an image.
fn setting_of_image(args: &Args, image: Image) -> Result<Setting> {
    let chosen = |flag| path_in_image(args, flag);
    let named = chosen("config")?;
    let file = named.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let needed = named.is_some() && args.command().name != cmd::config::SET.name;
    let config = match image.read(&file, config::CONFIG_MAX)? {
        Some(text) => utf8(text).and_then(|text| Config::parse(&text)).with_context(|| format!("config {file:?}"))?,
        None if needed => return Err(Error::new(Kind::NotFound, format!("config {file:?}: the image has none"))),
        None => Config::default(),
    };
    let datadir = chosen("datadir")?.unwrap_or_else(|| config.datadir.clone());
    let found_at_boot = named.is_none() && datadir == config.datadir;
    let paths = image.paths(&datadir, &file, args.command().image == InImage::Makes)?;
    Ok(Setting { paths, config, found_at_boot })
}

/// A path from a flag, as the image's own system will know it.
fn path_in_image(args: &Args, flag: &str) -> Result<Option<PathBuf>> {
    match args.value(flag) {
        Some(path) if !Path::new(path).is_absolute() => {
            Err(args.usage(&format!("--{flag}: with --root it is an absolute path of the image, not {path:?}")))
        }
        path => Ok(path.map(PathBuf::from)),
    }
}

/// Flag, then environment, then config, then default.
fn setting(args: &Args) -> Result<Setting> {
    let mut paths = Paths::under("/");
    let named = path_choice(args, "config", Some("SDME_CONFIG"))?;
    if let Some(file) = &named {
        paths = paths.with_config(file);
    }
    // A file that was named must be there, except for the verb that may make it.
    let needed = named.is_some() && args.command().name != cmd::config::SET.name;
    let config = read_config(paths.config(), needed)?;
    let datadir = path_choice(args, "datadir", Some("SDME_DATADIR"))?.unwrap_or_else(|| config.datadir.clone());
    let found_at_boot = named.is_none() && datadir == config.datadir;
    Ok(Setting { paths: paths.with_datadir(datadir), config, found_at_boot })
}

/// A path from a flag or a variable, made absolute.
fn path_choice(args: &Args, flag: &str, variable: Option<&str>) -> Result<Option<PathBuf>> {
    let set = variable.and_then(env::var_os).filter(|value| !value.is_empty());
    let Some(path) = args.value(flag).map(OsString::from).or(set) else { return Ok(None) };
    if path.is_empty() {
        return Err(args.usage(&format!("--{flag}: the path is empty")));
    }
    std::path::absolute(&path).map(Some).context(format!("{path:?}"))
}

fn read_config(file: &Path, needed: bool) -> Result<Config> {
    let parsed = match std::fs::File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound && !needed => return Ok(Config::default()),
        Err(error) => Err(Error::new(Kind::Os(error.raw_os_error().unwrap_or_default()), "open")),
        Ok(file) => limited(file).and_then(|text| Config::parse(&text)),
    };
    parsed.with_context(|| format!("config {file:?}"))
}

fn limited(file: std::fs::File) -> Result<String> {
    let mut text = Vec::new();
    file.take(config::CONFIG_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > config::CONFIG_MAX {
        return Err(Error::invalid(format!("longer than {} bytes", config::CONFIG_MAX)));
    }
    utf8(text)
}

fn utf8(text: Vec<u8>) -> Result<String> {
    String::from_utf8(text).map_err(|_| Error::invalid("not UTF-8"))
}

/// Whether messages may be coloured (no-color.org).
fn colour() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && text_variable("TERM").is_some_and(|term| term != "dumb") && std::io::stderr().is_terminal()
}

/// A name that terminfo could know; what is handed into a container is nothing else.
fn is_terminal_name(term: &str) -> bool {
    term.len() <= TERM_MAX && term.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

fn text_variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
