//! Help as text, from the table: short for one glance, long with paragraphs, examples and exit codes.

use crate::cli::spec::{Command, ENVIRONMENT, Flag, GLOBAL};

/// Columns of the help.
pub const WIDTH: usize = 100;

pub(super) const ABOUT: &str = "sdme boots systemd containers from copy-on-write clones of this host.";

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("sudo sdme new", "clone this system, boot the clone and enter it"),
    ("sudo sdme new web -- hostnamectl", "the same under a name, for one command"),
    ("sudo sdme exec web systemctl is-system-running", "run a command in it"),
    ("sudo sdme ps", "what there is and how it is"),
    ("sudo sdme rm web", "stop it and remove it"),
];

pub(super) const FILES: &[(&str, &str)] = &[
    ("/etc/sdme.conf", "the config: KEY=VALUE lines; see 'sdme config get'"),
    ("/var/lib/sdme", "the datadir: containers and their layers"),
    ("/run/sdme", "what does not survive a boot of the host"),
];

/// The whole program's help.
pub fn program(table: &[&'static Command], long: bool) -> String {
    let mut page = Page::default();
    page.line(&format!("{ABOUT}\n"));
    page.line("usage: sdme [FLAGS] COMMAND ...\n");
    page.pairs("Commands", table.iter().map(|command| (command.name.to_string(), command.about)));
    page.flags("Flags of every command", GLOBAL, long);
    if long {
        page.pairs("Examples", owned(EXAMPLES));
        page.pairs("Environment", owned(ENVIRONMENT));
        page.pairs("Files", owned(FILES));
    }
    page.line("'sdme COMMAND -h' tells about one command, '--help' tells more.");
    page.text
}

/// The help of a group of verbs, as of "config".
pub fn group(group: &str, table: &[&'static Command]) -> String {
    let mut page = Page::default();
    page.line(&format!("usage: sdme {group} COMMAND ...\n"));
    let members = table.iter().filter(|command| command.group() == Some(group));
    page.pairs("Commands", members.map(|command| (command.name.to_string(), command.about)));
    page.line(&format!("'sdme {group} COMMAND -h' tells about one of them."));
    page.text
}

/// One verb's help.
pub fn command(command: &Command, long: bool) -> String {
    let mut page = Page::default();
    page.line(&format!("{}\n", sentence(command.about)));
    page.line(&format!("{}\n", usage(command)));
    if long {
        for paragraph in command.long {
            page.wrapped(paragraph, 0);
            page.line("");
        }
    }
    page.flags("Flags", command.flags, long);
    if long {
        page.flags("Flags of every command", GLOBAL, true);
        page.pairs("Examples", owned(command.examples));
        page.pairs("Exit status", owned(command.exits()));
    }
    while page.text.ends_with("\n\n") {
        page.text.pop();
    }
    page.text
}

/// "usage: sdme exec [FLAGS] NAME COMMAND..."
pub fn usage(command: &Command) -> String {
    let mut line = format!("usage: sdme {}", command.name);
    if !command.flags.is_empty() {
        line.push_str(" [FLAGS]");
    }
    if !command.operands.usage.is_empty() {
        line.push(' ');
        line.push_str(command.operands.usage);
    }
    line
}

/// "-t, --timeout SEC", with the short one's place kept free.
pub fn flag_label(flag: &Flag) -> String {
    let mut label = match flag.short {
        Some(short) => format!("-{short}, --{}", flag.long),
        None => format!("    --{}", flag.long),
    };
    if let Some(value) = flag.value {
        label.push(' ');
        label.push_str(value);
    }
    if flag.repeatable {
        label.push_str(" ...");
    }
    label
}

/// The first sentence of a flag's help, as the short help prints it: up to the first full stop before a space.
pub fn first_sentence(help: &str) -> &str {
    help.split_once(". ").map_or(help.trim_end_matches('.'), |(first, _)| first)
}

fn sentence(about: &str) -> String {
    let mut letters = about.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn owned(pairs: &'static [(&'static str, &'static str)]) -> impl Iterator<Item = (String, &'static str)> {
    pairs.iter().map(|(left, right)| (left.to_string(), *right))
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn flags(&mut self, title: &str, flags: &'static [Flag], long: bool) {
        let told = |flag: &'static Flag| if long { flag.help } else { first_sentence(flag.help) };
        self.pairs(title, flags.iter().map(|flag| (flag_label(flag), told(flag))));
    }

    /// Two columns under a title, the right one wrapped; nothing at all when there are no rows.
    fn pairs(&mut self, title: &str, rows: impl Iterator<Item = (String, &'static str)>) {
        let rows: Vec<_> = rows.collect();
        let Some(widest) = rows.iter().map(|(left, _)| left.chars().count()).max() else { return };
        self.line(&format!("{title}:"));
        for (left, right) in &rows {
            let start = self.text.len();
            self.text.push_str("  ");
            self.text.push_str(left);
            if widest > WIDTH / 2 {
                self.text.push('\n');
                self.wrapped(right, 6);
                continue;
            }
            self.text.extend(std::iter::repeat_n(' ', widest - left.chars().count() + 2));
            let column = self.text.len() - start;
            self.wrapped(right, column);
        }
        self.line("");
    }

    /// Words at column `indent`; what is on the line already counts as indent.
    fn wrapped(&mut self, text: &str, indent: usize) {
        let mut column = if self.text.is_empty() || self.text.ends_with('\n') { 0 } else { indent };
        let mut first = true;
        for word in text.split(' ') {
            if !first && column + 1 + word.len() > WIDTH {
                self.text.push('\n');
                column = 0;
                first = true;
            }
            if column < indent {
                self.text.extend(std::iter::repeat_n(' ', indent - column));
                column = indent;
            }
            if !first {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(word);
            column += word.len();
            first = false;
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_at_its_column() {
        let mut page = Page::default();
        page.text.push_str("  -x  ");
        page.wrapped(&"word ".repeat(40), 6);
        assert!(page.text.lines().all(|line| line.len() <= WIDTH));
        assert!(page.text.lines().skip(1).all(|line| line.starts_with("      word")));
    }

    #[test]
    fn the_first_sentence() {
        assert_eq!(first_sentence("Wait this long. Default: 90s."), "Wait this long");
        assert_eq!(first_sentence("Use 1.5 of it."), "Use 1.5 of it");
    }
}
