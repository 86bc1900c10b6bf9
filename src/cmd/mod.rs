//! The verbs: one table, and what every verb is given.

pub mod batch;
pub mod boot;
pub mod config;
pub mod create;
pub mod creation;
pub mod enable;
pub mod entering;
pub mod exec;
pub mod flags;
pub mod fs;
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
use crate::http::Environment;
use crate::paths::Paths;
use crate::ui::out;
use std::ffi::OsString;

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
    /// `$NOTIFY_SOCKET`: where a service manager wants to hear from us (sd_notify(3)).
    pub notify_socket: Option<OsString>,
    /// Proxies and certificates.
    pub http: Environment,
    pub stdin_tty: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
    /// The datadir is the one that a container's unit finds by itself, when the system boots.
    pub found_at_boot: bool,
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
pub const VERBS: [Verb; 21] = [
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
    Verb { spec: &enable::SPEC, run: enable::run },
    Verb { spec: &enable::DISABLE, run: enable::disable },
    Verb { spec: &boot::SPEC, run: boot::run },
    Verb { spec: &fs::import::SPEC, run: fs::import::run },
    Verb { spec: &fs::ls::SPEC, run: fs::ls::run },
    Verb { spec: &fs::show::SPEC, run: fs::show::run },
    Verb { spec: &fs::verify::SPEC, run: fs::verify::run },
    Verb { spec: &fs::rename::SPEC, run: fs::rename::run },
    Verb { spec: &fs::rm::SPEC, run: fs::rm::run },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help;
    use crate::cli::spec::{Flag, GLOBAL, Tail};
    use std::collections::HashSet;

    fn flags_of(command: &Command) -> Vec<&'static Flag> {
        command.flags.iter().chain(GLOBAL).collect()
    }

    #[test]
    fn every_name_is_unique_and_a_group_is_no_verb() {
        let names: HashSet<&str> = table().iter().map(|command| command.name).collect();
        assert_eq!(names.len(), VERBS.len());
        for group in table().iter().filter_map(|command| command.group()) {
            assert!(!names.contains(group), "{group}");
        }
    }

    #[test]
    fn every_verb_is_described_with_examples_of_its_own() {
        for command in table() {
            let name = command.name;
            assert!(!command.about.is_empty() && !command.about.ends_with('.'), "{name}");
            assert!(command.long.iter().all(|paragraph| paragraph.ends_with('.')), "{name}");
            assert!(!command.long.is_empty() && !command.examples.is_empty(), "{name}");
            let usual = format!("sdme {name}");
            let shown = |line: &str| line.contains(&usual) || name == "boot";
            assert!(command.examples.iter().all(|(line, _)| shown(line)), "{name}");
        }
    }

    #[test]
    fn every_flag_has_help_in_sentences() {
        for flag in table().iter().flat_map(|command| flags_of(command)) {
            assert!(flag.help.ends_with('.') && flag.help.len() > 8, "{}", flag.long);
            assert!(flag.help.starts_with(|first: char| first.is_ascii_uppercase()), "{}", flag.long);
            assert!(
                !flag.long.is_empty()
                    && flag.long.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
    }

    #[test]
    fn no_flag_is_declared_twice_for_a_verb() {
        for command in table() {
            let flags = flags_of(command);
            let longs: HashSet<&str> = flags.iter().map(|flag| flag.long).collect();
            assert_eq!(longs.len(), flags.len(), "{}", command.name);
            let shorts: Vec<char> = flags.iter().filter_map(|flag| flag.short).collect();
            assert_eq!(shorts.iter().collect::<HashSet<_>>().len(), shorts.len(), "{}", command.name);
        }
    }

    #[test]
    fn operands_are_consistent() {
        for command in table() {
            let operands = &command.operands;
            assert!(operands.least <= operands.most, "{}", command.name);
            assert_eq!(operands.most == 0, operands.usage.is_empty(), "{}", command.name);
            let endless = operands.most == usize::MAX;
            assert!(!endless || operands.tail == Tail::Nothing, "{}", command.name);
        }
    }

    #[test]
    fn no_line_of_any_help_is_too_long() {
        let table = table();
        let mut pages = vec![help::program(&table, false), help::program(&table, true), help::group("config", &table)];
        for command in table {
            pages.extend([help::command(command, false), help::command(command, true)]);
        }
        for line in pages.iter().flat_map(|page| page.lines()) {
            assert!(line.chars().count() <= help::WIDTH && line.trim_end() == line, "{line:?}");
        }
    }

    #[test]
    fn help_names_every_flag_and_every_verb() {
        let table = table();
        let program = help::program(&table, false);
        for command in table {
            assert!(program.contains(&format!("  {} ", command.name)), "{}", command.name);
            let page = help::command(command, true);
            for flag in flags_of(command) {
                assert!(page.contains(&help::flag_label(flag)), "{} {}", command.name, flag.long);
            }
        }
    }
}
