//! Manual pages in man(7), from the table; pure. What is written is committed under packaging/man, and compared by a test.
//!
//! The shipped program does not call this: it is the packages' own text.

use crate::cli::help;
use crate::cli::spec::{Command, ENVIRONMENT, EXITS, Flag, GLOBAL, PAYLOAD_EXITS};

/// What a page says of itself in its margins.
#[derive(Debug, Clone, Copy)]
pub struct Edition<'a> {
    pub version: &'a str,
    /// As in 2026-11-25.
    pub date: &'a str,
}

/// A key of the config file, in words.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub name: &'a str,
    pub default: &'a str,
    pub about: &'a str,
    /// What a value looks like.
    pub form: &'a str,
}

const ALSO: &str = "systemd-nspawn(1), machinectl(1), journalctl(1), sdme@.service(8)";

/// The page's file without its section: "sdme-fs-import".
pub fn page_name(command: &Command) -> String {
    format!("sdme-{}", command.name.replace(' ', "-"))
}

/// sdme(1).
pub fn program(table: &[&'static Command], edition: Edition) -> String {
    let mut page = Page::titled("sdme", 1, edition, "boot systemd containers from copy-on-write clones of this system");
    page.section("SYNOPSIS");
    page.request(&format!("{} [{}] {} ...", bold("sdme"), italic("FLAGS"), italic("COMMAND")));
    page.section("DESCRIPTION");
    page.paragraph(help::ABOUT);
    page.paragraph(
        "A container is a real machine: systemd as PID 1, journald, logind and timers, under systemd-nspawn(1).",
    );
    page.section("COMMANDS");
    for command in table {
        page.item(&reference(&page_name(command), "1"), &sentence(command.about));
    }
    page.section("OPTIONS");
    page.paragraph("Every command takes these, before or after its name.");
    page.flags(GLOBAL);
    page.section("EXIT STATUS");
    page.pairs(&EXITS);
    page.paragraph("Commands that run a program in a container hand on its status:");
    page.pairs(&PAYLOAD_EXITS);
    page.section("ENVIRONMENT");
    page.pairs(ENVIRONMENT);
    page.section("FILES");
    page.pairs(help::FILES);
    page.examples(help::EXAMPLES);
    page.section("SEE ALSO");
    page.references(&format!("{ALSO}, sdme.conf(5)"));
    page.text
}

/// The page of one verb.
pub fn command(command: &Command, edition: Edition) -> String {
    let mut page = Page::titled(&page_name(command), 1, edition, command.about);
    page.section("SYNOPSIS");
    page.request(&synopsis(command));
    page.section("DESCRIPTION");
    for paragraph in command.long {
        page.paragraph(paragraph);
    }
    page.section("OPTIONS");
    page.flags(command.flags);
    page.paragraph(if command.flags.is_empty() {
        "The flags of every command:"
    } else {
        "And the flags of every command:"
    });
    page.flags(GLOBAL);
    page.section("EXIT STATUS");
    page.pairs(command.exits());
    page.examples(command.examples);
    page.section("SEE ALSO");
    page.references("sdme(1), sdme.conf(5)");
    page.text
}

/// sdme.conf(5).
pub fn config(settings: &[Setting], edition: Edition) -> String {
    let mut page = Page::titled("sdme.conf", 5, edition, "settings of sdme");
    page.section("SYNOPSIS");
    page.paragraph("/etc/sdme.conf");
    page.section("DESCRIPTION");
    page.paragraph(
        "Lines of the form KEY=VALUE; blank lines and those that begin with # are comments. A key that is not there has \
         its default; one that is there twice, or is not known, is an error.",
    );
    page.paragraph("'sdme config get' prints all, defaults included, 'sdme config set KEY VALUE' changes one line.");
    page.section("KEYS");
    for setting in settings {
        let about = format!("{} A value is {}. Default: {}.", sentence(setting.about), setting.form, setting.default);
        page.item(&bold(&format!("{}=", setting.name)), &about);
    }
    page.examples(&[("sdme config set boot_timeout 3min", "gives boots more time")]);
    page.section("SEE ALSO");
    page.references("sdme(1), sdme-config-get(1), sdme-config-set(1)");
    page.text
}

/// The file itself, as packages install it: every key as a comment.
pub fn config_file(settings: &[Setting]) -> String {
    let mut text = "# Settings of sdme; see sdme.conf(5). What is commented out is the default.\n".to_string();
    for Setting { name, default, about, form } in settings {
        text.push_str(&format!("\n# {about}: {form}.\n#{name}={default}\n"));
    }
    text
}

fn synopsis(command: &Command) -> String {
    let mut line = bold(&format!("sdme {}", command.name));
    if !command.flags.is_empty() {
        line.push_str(&format!(" [{}]", italic("FLAGS")));
    }
    for word in command.operands.usage.split(' ').filter(|word| !word.is_empty()) {
        line.push(' ');
        line.push_str(&escaped(word));
    }
    line
}

fn label(flag: &Flag) -> String {
    let mut label = flag.short.map(|short| bold(&format!("-{short}")) + ", ").unwrap_or_default();
    label.push_str(&bold(&format!("--{}", flag.long)));
    if let Some(value) = flag.value {
        label.push_str(&format!(" {}", italic(value)));
    }
    label
}

fn sentence(about: &str) -> String {
    let mut letters = about.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

fn reference(name: &str, section: &str) -> String {
    format!("{}({section})", bold(name))
}

/// Text that means itself to roff: no escape, no hyphenated minus, no quotes that turn.
fn escaped(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => plain.push_str("\\e"),
            '-' => plain.push_str("\\-"),
            '\'' => plain.push_str("\\(aq"),
            '^' => plain.push_str("\\(ha"),
            '~' => plain.push_str("\\(ti"),
            '`' => plain.push_str("\\(ga"),
            letter => plain.push(letter),
        }
    }
    plain
}

struct Page {
    text: String,
}

impl Page {
    fn titled(name: &str, section: u8, edition: Edition, about: &str) -> Page {
        let (version, date) = (edition.version, edition.date);
        let mut page = Page { text: String::new() };
        page.request(".\\\" Made of the table of flags by `make generated`; not to be edited.");
        page.request(&format!(".TH {} {section} {date} \"sdme {version}\" \"sdme\"", name.to_uppercase()));
        page.section("NAME");
        page.request(&format!("{} \\- {}", escaped(name), escaped(about)));
        page
    }

    fn request(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.request(&format!(".SH {title}"));
    }

    /// One sentence a line; a line never begins with what roff takes for a request.
    fn prose(&mut self, text: &str) {
        for sentence in text.split_inclusive(". ") {
            let line = escaped(sentence.trim_end());
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            self.request(&format!("{guard}{line}"));
        }
    }

    fn paragraph(&mut self, text: &str) {
        if !self.text.trim_end().lines().last().is_some_and(|line| line.starts_with(".SH")) {
            self.request(".PP");
        }
        self.prose(text);
    }

    /// A label that is escaped already, and what it means.
    fn item(&mut self, label: &str, text: &str) {
        self.request(".TP");
        self.request(label);
        self.prose(text);
    }

    fn flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let more = if flag.repeatable { " It may be given several times." } else { "" };
            self.item(&label(flag), &format!("{}{more}", flag.help));
        }
    }

    fn pairs(&mut self, pairs: &[(&str, &str)]) {
        for (left, right) in pairs {
            self.item(&bold(left), right);
        }
    }

    fn examples(&mut self, examples: &[(&str, &str)]) {
        self.section("EXAMPLES");
        self.pairs(examples);
    }

    /// "a(1), b(5)", the names in bold.
    fn references(&mut self, list: &str) {
        let shown = list.split(", ").filter_map(|item| item.trim_end_matches(')').split_once('('));
        let shown: Vec<String> = shown.map(|(name, section)| reference(name, section)).collect();
        self.request(&shown.join(",\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_itself() {
        assert_eq!(escaped("a-b\\c ^] 'x'"), "a\\-b\\ec \\(ha] \\(aqx\\(aq");
        let mut page = Page { text: ".SH X\n".to_string() };
        page.paragraph(".nspawn files. Two.");
        assert_eq!(page.text, ".SH X\n\\&.nspawn files.\nTwo.\n");
    }

    #[test]
    fn a_setting_without_a_value_is_no_setting() {
        let setting = Setting { name: "a", default: "1", about: "what it is", form: "a number" };
        assert_eq!(config_file(&[setting]).lines().last(), Some("#a=1"));
        assert!(config_file(&[setting]).lines().all(|line| line.is_empty() || line.starts_with('#')));
    }
}
