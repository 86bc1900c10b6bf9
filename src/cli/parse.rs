//! From the words of a command line to what they say, by the table of verbs. The only file that knows lexopt.
//!
//! Nothing is looked up or opened here; what the words mean is the verb's affair.

pub use crate::cli::args::Args;
use crate::cli::spec::{Command, Flag, GLOBAL, Tail};
use crate::cli::suggest;
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};

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
            Tail::Unknown if complete => {
                raw.next_if(|word| word == "--").is_some()
                    || raw.peek().is_some_and(|word| !is_known_flag(command, word))
            }
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
        if word == "help" && self.group.is_none() {
            self.asked = Some(Asked::Help { long: true });
            return Ok(());
        }
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
            (None, Some(command)) => Request::Run(Args {
                command,
                flags: self.flags,
                operands: self.operands,
                tail: self.tail.unwrap_or_default(),
            }),
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
    let needed = |word: &&str| !word.starts_with('[');
    command.operands.usage.split(' ').filter(needed).nth(index).unwrap_or("an operand")
}

fn is_known_flag(command: &Command, word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let mut flags = command.flags.iter().chain(GLOBAL);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::spec::{Image, Operands};
    use std::os::unix::ffi::OsStringExt;

    const fn command(name: &'static str, operands: Operands) -> Command {
        const FLAGS: &[Flag] = &[
            Flag::switch("all", Some('a'), "All."),
            Flag::valued("user", Some('u'), "USER", "User."),
            Flag::valued("env", Some('e'), "K=V", "Variable.").repeated(),
        ];
        Command {
            name,
            about: "",
            long: &[],
            flags: FLAGS,
            operands,
            examples: &[],
            payload: matches!(operands.tail, Tail::Command { .. }),
            root: true,
            image: Image::Works,
        }
    }

    const fn one_then(tail: Tail) -> Operands {
        Operands { usage: "NAME ...", least: 1, most: 1, tail }
    }

    static EXEC: Command = command("exec", one_then(Tail::Command { required: true }));
    static JOIN: Command = command("join", one_then(Tail::Command { required: false }));
    static LOGS: Command = command("logs", one_then(Tail::Unknown));
    static NEW: Command = command("new", Operands { usage: "[NAME]", least: 0, most: 1, tail: Tail::AfterDashes });
    static RM: Command = command("rm", Operands::any("NAME..."));
    static GET: Command = command("config get", Operands::NONE);
    static TABLE: [&Command; 6] = [&EXEC, &JOIN, &LOGS, &NEW, &RM, &GET];

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn run(line: &str) -> Args {
        match parse(words(line), &TABLE) {
            Ok(Request::Run(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str) -> String {
        match parse(words(line), &TABLE) {
            Err(refusal) => refusal.error.to_string(),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn shown(words: &[OsString]) -> String {
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_payloads_words_are_its_own() {
        for (line, user, tail) in [
            ("exec web ls -l --color", None, "ls -l --color"),
            ("exec web -- ls -l", None, "ls -l"),
            ("exec -- web ls -u x", None, "ls -u x"),
            ("exec web -u x cmd -u y", Some("x"), "cmd -u y"),
            ("exec -u x web cmd --help", Some("x"), "cmd --help"),
            ("exec web -ux -- -u", Some("x"), "-u"),
            ("exec web -- -- a", None, "-- a"),
            ("exec web cmd -- a", None, "cmd -- a"),
            ("exec web - a", None, "- a"),
            ("join web -u x cmd -u y", Some("x"), "cmd -u y"),
            ("join web", None, ""),
            ("join web --", None, ""),
        ] {
            let args = run(line);
            assert_eq!(args.text("user").unwrap(), user, "{line}");
            assert_eq!(shown(args.tail()), tail, "{line}");
            assert_eq!(shown(args.operands()), "web", "{line}");
        }
    }

    #[test]
    fn where_the_name_may_be_missing_a_command_stands_after_dashes() {
        for (line, operands, tail) in [
            ("new", "", ""),
            ("new web", "web", ""),
            ("new web -- cmd -a", "web", "cmd -a"),
            ("new -- cmd --help", "", "cmd --help"),
            ("new -a -- -- x", "", "-- x"),
            ("new web -u -- -- x", "web", "x"),
        ] {
            let args = run(line);
            assert_eq!(shown(args.operands()), operands, "{line}");
            assert_eq!(shown(args.tail()), tail, "{line}");
        }
        assert!(refused("new web cmd").contains("after '--'"));
    }

    #[test]
    fn flags_that_are_not_ours_are_passed_on_with_all_that_follows() {
        for (line, tail) in [
            ("logs web", ""),
            ("logs web -a", ""),
            ("logs web -p err -a", "-p err -a"),
            ("logs web --since=today x", "--since=today x"),
            ("logs web -a _PID=1 -u x", "_PID=1 -u x"),
            ("logs web -- -a", "-a"),
            ("logs -a web -v --user=x --until=now", "--until=now"),
        ] {
            assert_eq!(shown(run(line).tail()), tail, "{line}");
        }
        assert!(refused("logs -p web").contains("no flag"));
    }

    #[test]
    fn global_flags_stand_anywhere_before_the_tail() {
        let args = run("--datadir /d -v exec --config=/c web -q cmd -v --datadir /x");
        assert_eq!(args.value("datadir"), Some(OsStr::new("/d")));
        assert_eq!(args.value("config"), Some(OsStr::new("/c")));
        assert!(args.flag("verbose") && args.flag("quiet"));
        assert_eq!(shown(args.tail()), "cmd -v --datadir /x");
    }

    #[test]
    fn help_and_version_are_given_whatever_else_is_missing() {
        for (line, scope, long) in [
            ("-h", "", false),
            ("--help", "", true),
            ("exec -h", "exec", false),
            ("-h exec", "exec", false),
            ("exec web -h", "exec", false),
            ("rm --all --help", "rm", true),
            ("config --help", "config", true),
            ("config get -h", "config get", false),
            ("help", "", true),
            ("help exec", "exec", true),
            ("help config", "config", true),
            ("help config get", "config get", true),
        ] {
            match parse(words(line), &TABLE) {
                Ok(Request::Help { scope: given, long: size }) => assert_eq!((given, size), (scope, long), "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(parse(words("--version"), &TABLE), Ok(Request::Version)));
        assert!(matches!(parse(words("exec --version"), &TABLE), Ok(Request::Version)));
        assert_eq!(refused("help exce"), "there is no command \"exce\"; did you mean 'exec'?");
        assert!(matches!(parse(Vec::new(), &TABLE), Ok(Request::Nothing)));
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong_and_where_to_read_on() {
        for (line, told) in [
            ("exce web", "there is no command \"exce\"; did you mean 'exec'?"),
            ("frobnicate", "there is no command \"frobnicate\"; see 'sdme -h'"),
            ("config", "config: a word is missing; 'sdme config -h' shows which there are"),
            ("config gte", "there is no command \"config gte\"; did you mean 'config get'?"),
            ("-v", "no command was given; 'sdme -h' shows which there are"),
            ("exec", "exec: NAME is missing; see 'sdme exec -h'"),
            ("exec web", "exec: the command to run is missing; see 'sdme exec -h'"),
            ("exec web --", "exec: the command to run is missing; see 'sdme exec -h'"),
            ("exec web --usre x", "there is no flag \"--usre\"; did you mean '--user'?"),
            ("rm -x", "rm: there is no flag \"-x\"; see 'sdme rm -h'"),
            ("rm --user", "rm: --user needs a value: --user USER; see 'sdme rm -h'"),
            ("rm -u", "rm: -u needs a value: -u USER; see 'sdme rm -h'"),
            ("rm --all=x", "rm: --all takes no value, and got \"x\"; see 'sdme rm -h'"),
            ("rm -a=x", "rm: -a takes no value, and got \"x\"; see 'sdme rm -h'"),
            ("config get x", "config get: unexpected word \"x\"; see 'sdme config get -h'"),
            ("--all rm", "there is no flag \"--all\"; see 'sdme -h'"),
        ] {
            assert_eq!(refused(line), told, "{line}");
        }
    }

    #[test]
    fn a_refusal_knows_its_verb_once_that_is_clear() {
        let payload =
            |line: &str| parse(words(line), &TABLE).unwrap_err().command.is_some_and(|command| command.payload);
        assert!(payload("exec web --bogus"));
        assert!(!payload("--bogus exec web"));
        assert!(!payload("rm --bogus"));
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let odd = OsString::from_vec(b"a\xff\n".to_vec());
        let line = vec!["exec".into(), "-e".into(), odd.clone(), "web".into(), odd.clone(), odd.clone()];
        let Ok(Request::Run(args)) = parse(line, &TABLE) else { panic!("refused") };
        assert_eq!(args.tail(), [odd.clone(), odd.clone()]);
        assert_eq!(args.values("env").collect::<Vec<_>>(), [odd.as_os_str()]);
        let flag = OsString::from_vec(b"--\xff".to_vec());
        assert!(parse(vec!["rm".into(), flag], &TABLE).is_err());
    }
}
