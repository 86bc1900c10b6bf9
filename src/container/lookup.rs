//! From a command as it was typed to one with everything found in the container's tree: user, directory, program.

use crate::container::enter::Entered;
use crate::container::request::{Account, Plan};
use crate::error::{Error, Result};
use crate::sys::poll::Wait;
use crate::sys::resolve::Executable;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The command could not be executed.
pub const EXIT_UNEXECUTED: u8 = 126;
/// The command was not found.
pub const EXIT_MISSING: u8 = 127;

/// Where programs are searched: what root has after login, on merged and unmerged trees.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The same on NixOS, which has its programs in a profile: first those that gain privileges, then the system's.
const NIXOS_SEARCH: &str = "/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin";
/// By what such a system is known while it runs.
const NIXOS_PROGRAMS: &str = "/run/current-system/sw/bin";

/// What is to be run, as it was typed.
#[derive(Debug, Default, Clone)]
pub struct Command<'a> {
    /// The program and its arguments; without any, the user's login shell.
    pub words: &'a [OsString],
    /// A name or number of the container's passwd; without one, root.
    pub user: Option<&'a str>,
    /// Absolute; without one, the user's home.
    pub directory: Option<&'a str>,
    /// Set beside HOME, USER and their like, and before them.
    pub environment: &'a [(String, String)],
    /// Give it a terminal of the container.
    pub terminal: bool,
    /// The caller's $TERM.
    pub term: Option<&'a str>,
    /// PAM makes a session of it.
    pub is_login: bool,
}

/// What is to be run, as the container can run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    pub account: Account,
    /// Absolute.
    pub program: String,
    /// From the zeroth argument on.
    pub words: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: String,
}

/// What came of looking.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    Ready(Prepared),
    /// The status to exit with, and what to say.
    Refused(u8, String),
}

/// Errors: `Usage` for what cannot be handed on at all: neither D-Bus nor a unit file takes it.
pub fn check(command: &Command<'_>) -> Result<()> {
    texts(command.words)?;
    for (key, _) in command.environment {
        let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Error::usage(format!(
                "{key:?} cannot be set: the name of a variable is letters, digits and '_', and starts with no digit"
            )));
        }
    }
    match command.directory {
        Some(directory) if !directory.starts_with('/') => {
            Err(Error::usage(format!("{directory:?} is no absolute path of the container")))
        }
        _ => Ok(()),
    }
}

/// Looks everything up.
///
/// Errors: the user or the directory is not there.
pub fn prepare(inside: &mut Entered, command: &Command<'_>, wait: Wait<'_>) -> Result<Lookup> {
    let who = command.user.unwrap_or("root");
    let account = inside.user(who, wait)?;
    let account = account.ok_or_else(|| Error::failed(format!("the container has no user {who:?} in its passwd")))?;
    let directory = directory(inside, command, &account, wait)?;
    let usual = search(inside, wait)?;
    let environment = environment(command, &account, usual);
    if command.words.is_empty() {
        return Ok(Lookup::Ready(login_shell(account, directory, environment)));
    }
    let search = environment.iter().find(|(key, _)| key == "PATH").map_or(usual, |(_, value)| value);
    let name = PathBuf::from(&command.words[0]);
    let found = inside.executable(search, &anchored(&name, &directory), wait)?;
    let program = match found {
        Executable::Found(path) => text(path.as_os_str(), "the program's path")?,
        Executable::Refused(path) => {
            return Ok(Lookup::Refused(EXIT_UNEXECUTED, format!("{path:?} of the container cannot be executed")));
        }
        Executable::Missing => {
            return Ok(Lookup::Refused(EXIT_MISSING, format!("{name:?} was not found in the container")));
        }
    };
    Ok(Lookup::Ready(Prepared { account, program, words: texts(command.words)?, environment, directory }))
}

fn directory(inside: &mut Entered, command: &Command<'_>, account: &Account, wait: Wait<'_>) -> Result<String> {
    match command.directory {
        Some(directory) if inside.is_directory(Path::new(directory), wait)? => Ok(directory.to_string()),
        Some(directory) => Err(Error::failed(format!("{directory:?} is no directory of the container"))),
        None if inside.is_directory(Path::new(&account.user.home), wait)? => Ok(account.user.home.clone()),
        None => Ok("/".to_string()),
    }
}

/// Where programs are searched in this container.
fn search(inside: &mut Entered, wait: Wait<'_>) -> Result<&'static str> {
    Ok(if inside.is_directory(Path::new(NIXOS_PROGRAMS), wait)? { NIXOS_SEARCH } else { SEARCH })
}

/// Each variable once; what the user sets wins.
fn environment(command: &Command<'_>, account: &Account, search: &str) -> Vec<(String, String)> {
    let user = &account.user;
    let mut environment = vec![
        ("HOME", user.home.as_str()),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", &user.shell),
        ("PATH", search),
    ];
    environment.extend(command.term.filter(|_| command.terminal).map(|term| ("TERM", term)));
    environment.extend(command.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut once: Vec<(String, String)> = Vec::new();
    for (key, value) in environment {
        once.retain(|(known, _)| known != key);
        once.push((key.to_string(), value.to_string()));
    }
    once
}

/// A shell knows by a dash before its name that it is a login shell.
fn login_shell(account: Account, directory: String, environment: Vec<(String, String)>) -> Prepared {
    let program = account.user.shell.clone();
    let name = program.rsplit('/').next().unwrap_or("sh");
    Prepared { words: vec![format!("-{name}")], account, program, environment, directory }
}

/// A name with a slash that is not absolute is meant from the working directory.
fn anchored(name: &Path, directory: &str) -> PathBuf {
    let has_slash = name.as_os_str().as_encoded_bytes().contains(&b'/');
    if !has_slash || name.is_absolute() {
        return name.to_path_buf();
    }
    let name = name.strip_prefix("./").unwrap_or(name);
    Path::new(directory).join(name)
}

fn texts(words: &[OsString]) -> Result<Vec<String>> {
    words.iter().enumerate().map(|(index, word)| text(word, &format!("argument {index} of the command"))).collect()
}

fn text(word: &OsStr, what: &str) -> Result<String> {
    let refused = || Error::usage(format!("{what} is not UTF-8, and systemd takes nothing else: {word:?}"));
    word.to_str().map(str::to_string).ok_or_else(refused)
}

impl Prepared {
    /// "KEY=VALUE", one each.
    pub fn assignments(&self) -> Vec<String> {
        self.environment.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// The same, to be run without the container's manager.
    pub fn plan(&self, terminal: bool) -> Plan {
        Plan {
            program: PathBuf::from(&self.program),
            arguments: self.words.iter().map(OsString::from).collect(),
            environment: self.assignments().into_iter().map(OsString::from).collect(),
            directory: PathBuf::from(&self.directory),
            uid: self.account.user.uid,
            gid: self.account.user.gid,
            groups: self.account.groups.clone(),
            terminal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::passwd::User;
    use std::os::unix::ffi::OsStringExt;

    fn alice() -> Account {
        let user = User {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/alice".into(),
            shell: "/usr/bin/bash".into(),
        };
        Account { user, groups: vec![27] }
    }

    #[test]
    fn what_the_user_sets_wins_and_stands_once() {
        let set = [("PATH".to_string(), "/x".to_string()), ("A".into(), "1".into()), ("A".into(), "2".into())];
        let command = Command { environment: &set, term: Some("xterm"), terminal: true, ..Command::default() };
        let environment = environment(&command, &alice(), SEARCH);
        let values = |key: &str| environment.iter().filter(|(k, _)| k == key).map(|(_, v)| &**v).collect::<Vec<_>>();
        assert_eq!(values("PATH"), ["/x"]);
        assert_eq!(values("A"), ["2"]);
        assert_eq!(values("HOME"), ["/home/alice"]);
        assert_eq!(values("TERM"), ["xterm"]);
    }

    #[test]
    fn without_a_terminal_its_type_is_not_told() {
        let command = Command { term: Some("xterm"), ..Command::default() };
        assert!(environment(&command, &alice(), SEARCH).iter().all(|(key, _)| key != "TERM"));
    }

    #[test]
    fn a_relative_program_is_meant_from_the_working_directory() {
        assert_eq!(anchored(Path::new("ls"), "/srv"), Path::new("ls"));
        assert_eq!(anchored(Path::new("./x"), "/srv"), Path::new("/srv/x"));
        assert_eq!(anchored(Path::new("a/x"), "/srv"), Path::new("/srv/a/x"));
        assert_eq!(anchored(Path::new("/bin/x"), "/srv"), Path::new("/bin/x"));
    }

    #[test]
    fn a_login_shell_is_told_by_its_dash() {
        let shell = login_shell(alice(), "/".into(), Vec::new());
        assert_eq!((shell.program.as_str(), shell.words), ("/usr/bin/bash", vec!["-bash".to_string()]));
    }

    #[test]
    fn what_cannot_be_handed_on_is_refused_by_its_place() {
        let words = ["ok".into(), OsString::from_vec(vec![0xff])];
        let error = check(&Command { words: &words, ..Command::default() }).unwrap_err();
        assert!(error.to_string().contains("argument 1"), "{error}");
        for key in ["", "1A", "A-B", "A B", "ä"] {
            let set = [(key.to_string(), String::new())];
            assert!(check(&Command { environment: &set, ..Command::default() }).is_err(), "{key:?}");
        }
        assert!(check(&Command { directory: Some("srv"), ..Command::default() }).is_err());
    }
}
