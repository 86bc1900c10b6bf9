//! The words of one verb, and what a verb asks them: switches, values, operands. Says on its own what is malformed.

use crate::cli::spec::{Command, GLOBAL};
use crate::error::{Error, Result};
use crate::text::time;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// The words of one verb.
#[derive(Debug)]
pub struct Args {
    pub(super) command: &'static Command,
    pub(super) flags: Vec<(&'static str, OsString)>,
    pub(super) operands: Vec<OsString>,
    pub(super) tail: Vec<OsString>,
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
        &self.tail
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::spec::{Flag, Image, Operands};
    use std::os::unix::ffi::OsStringExt;

    static COMMAND: Command = Command {
        name: "test",
        about: "",
        long: &[],
        flags: &[
            Flag::switch("kill", None, ""),
            Flag::switch("term", None, ""),
            Flag::valued("timeout", None, "SEC", ""),
            Flag::valued("wait", None, "WHAT", ""),
        ],
        operands: Operands::NONE,
        examples: &[],
        payload: false,
        root: false,
        image: Image::Works,
    };

    fn args(flags: &[(&'static str, &str)]) -> Args {
        let flags = flags.iter().map(|(long, value)| (*long, OsString::from(value))).collect();
        Args { command: &COMMAND, flags, operands: Vec::new(), tail: Vec::new() }
    }

    #[test]
    fn the_last_value_counts() {
        let args = args(&[("timeout", "1"), ("timeout", "2min")]);
        assert_eq!(args.seconds("timeout").unwrap(), Some(Duration::from_secs(120)));
        assert_eq!(args.values("timeout").count(), 2);
    }

    #[test]
    fn a_malformed_value_is_quoted_and_told_how_it_should_look() {
        let error = args(&[("timeout", "soon")]).seconds("timeout").unwrap_err().to_string();
        assert!(error.starts_with("test: --timeout: \"soon\" is not a time span"), "{error}");
        let error = args(&[("timeout", "-1")]).number("timeout").unwrap_err().to_string();
        assert!(error.starts_with("test: --timeout: \"-1\" is not a whole number"), "{error}");
        let error = args(&[("wait", "x")]).choice("wait", &["booted", "none"]).unwrap_err().to_string();
        assert!(error.starts_with("test: --wait: \"x\" is none of booted, none"), "{error}");
        assert_eq!(args(&[("wait", "none")]).choice("wait", &["booted", "none"]).unwrap(), Some("none"));
    }

    #[test]
    fn switches_can_exclude_each_other() {
        let switches = ["term", "kill"];
        assert_eq!(args(&[]).one_of(&switches).unwrap(), None);
        assert_eq!(args(&[("kill", "")]).one_of(&switches).unwrap(), Some("kill"));
        assert!(args(&[("kill", ""), ("term", "")]).one_of(&switches).is_err());
    }

    #[test]
    fn a_value_that_must_be_text_is_refused_otherwise() {
        let mut args = args(&[]);
        args.flags.push(("wait", OsString::from_vec(vec![0xff])));
        args.operands.push(OsString::from_vec(vec![0xff]));
        assert!(args.text("wait").unwrap_err().to_string().contains("is not UTF-8"));
        assert!(args.operand(0).is_err());
        assert_eq!(args.operand(1).unwrap(), None);
    }
}
