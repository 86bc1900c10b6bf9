//! A verb and its flags as plain data: parser, help, man page and completions read the same lines.

/// One verb.
#[derive(Debug)]
pub struct Command {
    /// One word, or a group and a word: "start", "config get".
    pub name: &'static str,
    /// What it does, in one line without a full stop.
    pub about: &'static str,
    /// More of it: paragraphs for the long help.
    pub long: &'static [&'static str],
    pub flags: &'static [Flag],
    pub operands: Operands,
    /// A command line and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// It hands on the status of a program in the container: its own failures, usage too, exit 125.
    pub payload: bool,
    /// Only root can do it.
    pub root: bool,
    /// What it does with `--root DIR`.
    pub image: Image,
}

/// What a verb does in the tree of an image, where nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Nothing: it runs something, or asks what runs.
    Refused,
    /// It works on what is there.
    Works,
    /// It makes the datadir where there is none.
    Makes,
}

/// One flag. The long name is also the key by which a verb asks for it.
#[derive(Debug)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    /// The word that stands for its value in the help; without one the flag is a switch.
    pub value: Option<&'static str>,
    /// Every occurrence counts; of any other flag the last one does.
    pub repeatable: bool,
    /// Sentences with full stops; the short help prints the first.
    pub help: &'static str,
}

/// The words that are no flags.
#[derive(Debug, Clone, Copy)]
pub struct Operands {
    /// As the usage line shows them, the tail included: "NAME COMMAND...".
    pub usage: &'static str,
    /// At least this many, the tail not counted.
    pub least: usize,
    /// At most this many, the tail not counted.
    pub most: usize,
    pub tail: Tail,
}

/// What follows the operands and is passed on untouched, be it flags or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    Nothing,
    /// From the first word after the last operand that is no flag; a `--` before it is dropped.
    Command {
        required: bool,
    },
    /// Only what stands after `--`, because the operands themselves may be missing.
    AfterDashes,
    /// From the first word after the last operand that is not a flag of this verb, unknown flags included.
    Unknown,
}

impl Flag {
    pub const fn switch(long: &'static str, short: Option<char>, help: &'static str) -> Flag {
        Flag { long, short, value: None, repeatable: false, help }
    }

    pub const fn valued(long: &'static str, short: Option<char>, value: &'static str, help: &'static str) -> Flag {
        Flag { long, short, value: Some(value), repeatable: false, help }
    }

    pub const fn repeated(self) -> Flag {
        Flag { repeatable: true, ..self }
    }
}

impl Operands {
    pub const NONE: Operands = Operands { usage: "", least: 0, most: 0, tail: Tail::Nothing };

    /// Exactly one.
    pub const fn one(usage: &'static str) -> Operands {
        Operands { usage, least: 1, most: 1, tail: Tail::Nothing }
    }

    /// Any number; the verb itself says when there are too few.
    pub const fn any(usage: &'static str) -> Operands {
        Operands { usage, least: 0, most: usize::MAX, tail: Tail::Nothing }
    }
}

impl Command {
    /// The group of a verb of two words.
    pub fn group(&self) -> Option<&'static str> {
        self.name.split_once(' ').map(|(group, _)| group)
    }

    /// Exit codes and their meaning.
    pub fn exits(&self) -> &'static [(&'static str, &'static str)] {
        if self.payload { &PAYLOAD_EXITS } else { &EXITS }
    }
}

/// Of a verb that does something itself.
pub const EXITS: [(&str, &str); 4] = [
    ("0", "done"),
    ("1", "it failed; standard error says why"),
    ("2", "the command line is wrong"),
    ("129, 130, 143", "interrupted by SIGHUP, SIGINT, SIGTERM"),
];

/// Of a verb that runs a program in a container.
pub const PAYLOAD_EXITS: [(&str, &str); 6] = [
    ("0..255", "the command's own status; 128+N when signal N ended it"),
    ("125", "sdme itself failed, or the command line is wrong; standard error says why"),
    ("126", "the command could not be executed"),
    ("127", "the command was not found"),
    ("129, 130, 143", "interrupted by SIGHUP, SIGINT, SIGTERM before the command ran"),
    ("0", "left by ^] three times within a second"),
];

/// Flags that every verb takes, before or after its name.
pub const GLOBAL: &[Flag] = &[
    Flag::valued(
        "root",
        None,
        "DIR",
        "Work on the system in DIR, an image that is to be booted later: datadir, config and units are those below DIR, \
         --datadir and --config too, and the variables that stand for them are not read. What runs something is refused, \
         with exit status 2.",
    ),
    Flag::valued("datadir", None, "DIR", "Keep containers in DIR. Default: the config's, else /var/lib/sdme."),
    Flag::valued("config", None, "FILE", "Read this config file. Default: /etc/sdme.conf."),
    Flag::switch("verbose", Some('v'), "Say on standard error what is being done."),
    Flag::switch("quiet", Some('q'), "Say nothing but results and errors."),
    Flag::switch("help", Some('h'), "Print help. -h is short, --help is long."),
    Flag::switch("version", None, "Print the version."),
];

/// What is read from the environment.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("SDME_DATADIR", "stands for --datadir"),
    ("SDME_CONFIG", "stands for --config"),
    ("SUDO_USER", "the user whom new and join enter as, if a clone of / has that user"),
    ("TERM", "the terminal's type, handed to the container"),
    ("NO_COLOR", "if set and not empty, nothing is coloured"),
];
