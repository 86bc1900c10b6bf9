//! The verbs: one table, and what every verb is given.

pub mod batch;
pub mod boot;
pub mod config;
pub mod create;
pub mod exec;
pub mod flags;
pub mod join;
pub mod logs;
pub mod new;
pub mod ps;
pub mod rm;
pub mod select;
pub mod show;
pub mod start;
pub mod stop;

use crate::cli::parse::Args;
use crate::cli::spec::Command;
use crate::config::Config;
use crate::error::Result;
use crate::paths::Paths;
use crate::ui::out;

/// What a verb may know beside its own words.
#[derive(Debug)]
pub struct Context {
    pub paths: Paths,
    pub config: Config,
    pub verbose: bool,
    pub quiet: bool,
    /// Standard input and standard error are a terminal, and the config does not forbid to ask.
    pub interactive: bool,
    /// Whether what goes to a terminal may be coloured.
    pub colour: bool,
    /// Who called sudo; never root, never empty.
    pub sudo_user: Option<String>,
    /// `$TERM`; never empty.
    pub term: Option<String>,
    pub stdin_tty: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
}

impl Context {
    /// Tells on standard error what is being done, when that was asked for.
    pub fn note(&self, text: &str) {
        if self.verbose {
            out::say(text);
        }
    }

    /// Tells on standard error what the user should know, unless told to be quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            out::say(text);
        }
    }
}

/// A verb: its words, and what it does. Gives the exit code.
pub struct Verb {
    pub spec: &'static Command,
    pub run: fn(&Context, &Args) -> Result<u8>,
}

/// All verbs, in the order in which the help shows them.
pub const VERBS: [Verb; 13] = [
    Verb { spec: &new::SPEC, run: new::run },
    Verb { spec: &create::SPEC, run: create::run },
    Verb { spec: &start::SPEC, run: start::run },
    Verb { spec: &join::SPEC, run: join::run },
    Verb { spec: &exec::SPEC, run: exec::run },
    Verb { spec: &logs::SPEC, run: logs::run },
    Verb { spec: &ps::SPEC, run: ps::run },
    Verb { spec: &show::SPEC, run: show::run },
    Verb { spec: &stop::SPEC, run: stop::run },
    Verb { spec: &rm::SPEC, run: rm::run },
    Verb { spec: &boot::SPEC, run: boot::run },
    Verb { spec: &config::GET, run: config::get },
    Verb { spec: &config::SET, run: config::set },
];

/// What the verbs' command lines look like.
pub fn table() -> [&'static Command; VERBS.len()] {
    VERBS.map(|verb| verb.spec)
}

/// The function behind a command of the table.
pub fn lookup(command: &Command) -> Option<fn(&Context, &Args) -> Result<u8>> {
    VERBS.iter().find(|verb| verb.spec.name == command.name).map(|verb| verb.run)
}
