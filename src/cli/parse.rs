//! From the words of a command line to what they say, by the table of verbs. The only file that knows lexopt.
//!
//! Nothing is looked up or opened here; what the words mean is the verb's affair.

use crate::cli::spec::{Command, Flag, GLOBAL, Tail};
use crate::cli::suggest;
use crate::error::{Error, Result};
use crate::text::time;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    Run(Args),
    /// `scope` is a verb's name, a group's, or empty for the whole program.
    Help {
        scope: &'static str,
        long: bool,
    },
    Version,
    /// Not a word was given.
    Nothing,
}

/// A wrong command line, and the verb it was meant for, if that much was clear.
#[derive(Debug)]
pub struct Refusal {
    pub error: Error,
    pub command: Option<&'static Command>,
}

/// The words of one verb.
#[derive(Debug)]
pub struct Args {
    command: &'static Command,
    flags: Vec<(&'static str, OsString)>,
    operands: Vec<OsString>,
    tail: Option<Vec<OsString>>,
}

/// Reads the words after the program's own name.
pub fn parse(words: Vec<OsString>, table: &[&'static Command]) -> std::result::Result<Request, Refusal> {
    if words.is_empty() {
        return Ok(Request::Nothing);
    }
    let mut reading = Reading {
        parser: lexopt::Parser::from_args(words),
        table,
        group: None,
        command: None,
        flags: Vec::new(),
        operands: Vec::new(),
        tail: None,
        asked: None,
    };
    match reading.read().and_then(|()| reading.check()) {
        Ok(()) => Ok(reading.request()),
        Err(error) => Err(Refusal { error, command: reading.command }),
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Help { long: bool },
    Version,
}

struct Reading<'t> {
    parser: lexopt::Parser,
    table: &'t [&'static Command],
    group: Option<&'static str>,
    command: Option<&'static Command>,
    flags: Vec<(&'static str, OsString)>,
    operands: Vec<OsString>,
    tail: Option<Vec<OsString>>,
    asked: Option<Asked>,
}

/// One step of the parser, detached from it.
enum Step {
    Short(char),
    Long(String),
    Word(OsString),
    End,
}

impl Reading<'_> {
    /// Takes words until they end, the tail begins, or help can be given.
    fn read(&mut self) -> Result<()> {
        while self.tail.is_none() && !(self.asked.is_some() && self.command.is_some()) {
            if self.tail_begins() {
                self.tail = Some(self.rest());
                break;
            }
            match self.step()? {
                Step::Short(short) => self.flag(Some(short), "", &format!("-{short}"))?,
                Step::Long(long) => self.flag(None, &long, &format!("--{long}"))?,
                Step::Word(word) => self.word(word)?,
                Step::End => break,
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Step> {
        let step = self.parser.next().map(|arg| match arg {
            Some(lexopt::Arg::Short(short)) => Step::Short(short),
            Some(lexopt::Arg::Long(long)) => Step::Long(long.to_string()),
            Some(lexopt::Arg::Value(word)) => Step::Word(word),
            None => Step::End,
        });
        step.map_err(|error| self.usage(&complaint(error)))
    }

    /// Whether the next word belongs to the tail though no operand announced it.
    fn tail_begins(&mut self) -> bool {
        let Some(command) = self.command else { return false };
        let complete = self.operands.len() >= command.operands.most;
        let Some(mut raw) = self.parser.try_raw_args() else { return false };
        match command.operands.tail {
            Tail::AfterDashes => raw.next_if(|word| word == "--").is_some(),
            Tail::Unknown if complete => raw.peek().is_some_and(|word| !is_known_flag(command, word)),
            _ => false,
        }
    }

    fn rest(&mut self) -> Vec<OsString> {
        self.parser.try_raw_args().map(Iterator::collect).unwrap_or_default()
    }

    fn word(&mut self, word: OsString) -> Result<()> {
        let Some(command) = self.command else { return self.verb(&word) };
        if self.operands.len() < command.operands.most {
            self.operands.push(word);
            return Ok(());
        }
        match command.operands.tail {
            Tail::Command { .. } => {
                let mut tail = vec![word];
                tail.extend(self.rest());
                self.tail = Some(tail);
                Ok(())
            }
            Tail::AfterDashes => Err(self.usage(&format!("a command stands after '--': -- {}", lossy(&word)))),
            Tail::Nothing | Tail::Unknown => Err(self.usage(&format!("unexpected word {word:?}"))),
        }
    }

    fn verb(&mut self, word: &OsStr) -> Result<()> {
        let word = word.to_string_lossy();
        let full = match self.group {
            Some(group) => format!("{group} {word}"),
            None => word.to_string(),
        };
        self.command = self.table.iter().find(|command| command.name == full).copied();
        if self.command.is_some() {
            return Ok(());
        }
        if self.group.is_none() {
            self.group = self.table.iter().find_map(|command| command.group().filter(|group| *group == full));
            if self.group.is_some() {
                return Ok(());
            }
        }
        let fault = format!("there is no command {full:?}");
        Err(match suggest::verb(&full, self.table) {
            Some(meant) => Error::usage(format!("{fault}; did you mean '{meant}'?")),
            None => self.usage(&fault),
        })
    }

    fn flag(&mut self, short: Option<char>, long: &str, shown: &str) -> Result<()> {
        let own: &[Flag] = self.command.map_or(&[], |command| command.flags);
        let matches = |flag: &&Flag| if short.is_some() { flag.short == short } else { flag.long == long };
        let Some(flag) = own.iter().chain(GLOBAL).find(matches) else {
            let fault = format!("there is no flag {shown:?}");
            return Err(match suggest::flag(shown, own) {
                Some(meant) => Error::usage(format!("{fault}; did you mean '{meant}'?")),
                None => self.usage(&fault),
            });
        };
        match flag.long {
            "help" => self.asked = Some(Asked::Help { long: short.is_none() }),
            "version" => self.asked = Some(Asked::Version),
            _ => {
                let value = self.value_of(flag, shown)?;
                self.flags.push((flag.long, value));
            }
        }
        Ok(())
    }

    fn value_of(&mut self, flag: &Flag, shown: &str) -> Result<OsString> {
        let Some(metavar) = flag.value else { return Ok(OsString::new()) };
        self.parser.value().map_err(|_| self.usage(&format!("{shown} needs a value: {shown} {metavar}")))
    }

    /// Whether all that the verb needs was given.
    fn check(&self) -> Result<()> {
        if self.asked.is_some() {
            return Ok(());
        }
        let Some(command) = self.command else {
            return Err(Error::usage(match self.group {
                Some(group) => format!("{group}: a word is missing; 'sdme {group} -h' shows which there are"),
                None => "no command was given; 'sdme -h' shows which there are".to_string(),
            }));
        };
        if self.operands.len() < command.operands.least {
            return Err(self.usage(&format!("{} is missing", first_missing(command, self.operands.len()))));
        }
        let lacking = self.tail.as_ref().is_none_or(Vec::is_empty);
        if command.operands.tail == (Tail::Command { required: true }) && lacking {
            return Err(self.usage("the command to run is missing"));
        }
        Ok(())
    }

    fn request(self) -> Request {
        match (self.asked, self.command) {
            (Some(Asked::Version), _) => Request::Version,
            (Some(Asked::Help { long }), command) => {
                Request::Help { scope: command.map(|command| command.name).or(self.group).unwrap_or(""), long }
            }
            (None, Some(command)) => {
                Request::Run(Args { command, flags: self.flags, operands: self.operands, tail: self.tail })
            }
            (None, None) => Request::Nothing,
        }
    }

    /// A usage error that says where to read on.
    fn usage(&self, fault: &str) -> Error {
        match self.command {
            Some(command) => Error::usage(format!("{0}: {fault}; see 'sdme {0} -h'", command.name)),
            None => Error::usage(format!("{fault}; see 'sdme -h'")),
        }
    }
}

/// The word of the usage line that stands for operand number `index`.
fn first_missing(command: &Command, index: usize) -> &'static str {
    command.operands.usage.split(' ').nth(index).unwrap_or("an operand")
}

fn is_known_flag(command: &Command, word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let mut flags = command.flags.iter().chain(GLOBAL);
    if word == "--" {
        return false;
    }
    match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(long), _) => {
            let long = long.split('=').next();
            flags.any(|flag| Some(flag.long) == long)
        }
        (None, Some(shorts)) => flags.any(|flag| flag.short.is_some() && flag.short == shorts.chars().next()),
        (None, None) => false,
    }
}

fn complaint(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => format!("{option} takes no value, and got {value:?}"),
        other => other.to_string(),
    }
}

fn lossy(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

impl Args {
    pub fn command(&self) -> &'static Command {
        self.command
    }

    /// Whether a switch was given.
    pub fn flag(&self, long: &str) -> bool {
        self.value(long).is_some()
    }

    /// The value of a flag; of several the last.
    pub fn value(&self, long: &str) -> Option<&OsStr> {
        self.must_know(long);
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_os_str())
    }

    /// Every value of a repeatable flag, in order.
    pub fn values<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.must_know(long);
        self.flags.iter().filter(move |(name, _)| *name == long).map(|(_, value)| value.as_os_str())
    }

    /// A value that must be text.
    pub fn text(&self, long: &str) -> Result<Option<&str>> {
        self.value(long).map(|value| self.utf8(long, value)).transpose()
    }

    /// A time span: "30", "1.5", "2min", "infinity" (which is `Duration::MAX`).
    pub fn seconds(&self, long: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        time::parse_span(text).map(Some).ok_or_else(|| {
            self.wrong(long, &format!("{text:?} is not a time span (like 30, 1.5, 2min, 1min30s or infinity)"))
        })
    }

    /// A whole number in decimal digits.
    pub fn number(&self, long: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(long, &format!("{text:?} is not a whole number")))
    }

    /// One of a few words.
    pub fn choice(&self, long: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        let found = words.iter().find(|word| **word == text);
        found
            .map(|word| Some(*word))
            .ok_or_else(|| self.wrong(long, &format!("{text:?} is none of {}", words.join(", "))))
    }

    /// Which of several switches that exclude each other was given.
    pub fn one_of(&self, longs: &[&'static str]) -> Result<Option<&'static str>> {
        let mut given = longs.iter().filter(|long| self.flag(long));
        match (given.next(), given.next()) {
            (Some(one), Some(other)) => Err(self.usage(&format!("--{one} and --{other} exclude each other"))),
            (one, _) => Ok(one.copied()),
        }
    }

    pub fn operands(&self) -> &[OsString] {
        &self.operands
    }

    /// Operand number `index` as text, if it was given.
    pub fn operand(&self, index: usize) -> Result<Option<&str>> {
        let Some(word) = self.operands.get(index) else { return Ok(None) };
        word.to_str().map(Some).ok_or_else(|| self.usage(&format!("{word:?} is not UTF-8")))
    }

    /// What was to be passed on untouched.
    pub fn tail(&self) -> &[OsString] {
        self.tail.as_deref().unwrap_or_default()
    }

    /// A usage error of this verb that says where to read on.
    pub fn usage(&self, fault: &str) -> Error {
        Error::usage(format!("{0}: {fault}; see 'sdme {0} -h'", self.command.name))
    }

    fn wrong(&self, long: &str, fault: &str) -> Error {
        self.usage(&format!("--{long}: {fault}"))
    }

    fn utf8<'a>(&self, long: &str, value: &'a OsStr) -> Result<&'a str> {
        value.to_str().ok_or_else(|| self.wrong(long, &format!("{value:?} is not UTF-8")))
    }

    /// A verb that asks for a flag it never declared is a mistake of ours, found by any test that runs it.
    fn must_know(&self, long: &str) {
        let mut flags = self.command.flags.iter().chain(GLOBAL);
        debug_assert!(flags.any(|flag| flag.long == long), "{} has no flag {long}", self.command.name);
    }
}
