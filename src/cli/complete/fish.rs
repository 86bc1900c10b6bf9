//! fish: one `complete` line a flag, a verb and an operand, below a head that tells where the cursor stands.

use super::{Key, Kind, first_words, groups, members, places};
use crate::cli::help;
use crate::cli::spec::{Command, Flag, GLOBAL};

/// The whole file.
pub fn fish(table: &[&'static Command], keys: &[Key]) -> String {
    let mut text = include_str!("head.fish").to_string();
    text.push_str(&format!("set -g __sdme_groups {}\n\n", groups(table).join(" ")));
    text.push_str("# The flags of a verb that take the next word.\nfunction __sdme_valued\n");
    text.push_str(&format!("    string split ' ' -- '{}'\n    switch $argv[1]\n", valued(GLOBAL)));
    for command in table.iter().filter(|command| command.flags.iter().any(|flag| flag.value.is_some())) {
        let flags = valued(command.flags);
        text.push_str(&format!("        case '{}'\n            string split ' ' -- '{flags}'\n", command.name));
    }
    text.push_str("    end\nend\n\ncomplete -c sdme -f\n");
    for flag in GLOBAL {
        text.push_str(&line("", flag));
    }
    for (word, about) in first_words(table) {
        text.push_str(&word_line("", word, about));
    }
    for group in groups(table) {
        for (word, about) in members(group, table) {
            text.push_str(&word_line(group, word, about));
        }
    }
    for command in table {
        for flag in command.flags {
            text.push_str(&line(&format!(" -n '__sdme_in \"{}\"'", command.name), flag));
        }
        for (index, place) in places(command, keys).unwrap_or_default().iter().enumerate() {
            let more = if place.endless { " more" } else { "" };
            if let Some(words) = words(&place.kind) {
                let name = command.name;
                text.push_str(&format!("complete -c sdme -n '__sdme_at \"{name}\" {index}{more}'{words}\n"));
            }
        }
    }
    text
}

fn valued(flags: &[Flag]) -> String {
    let mut words = Vec::new();
    for flag in flags.iter().filter(|flag| flag.value.is_some()) {
        words.push(format!("--{}", flag.long));
        words.extend(flag.short.map(|short| format!("-{short}")));
    }
    words.join(" ")
}

fn word_line(before: &str, word: &str, about: &str) -> String {
    format!("complete -c sdme -n '__sdme_in \"{before}\"' -a {word} -d '{}'\n", quoted(about))
}

fn line(condition: &str, flag: &Flag) -> String {
    let mut line = format!("complete -c sdme{condition} -l {}", flag.long);
    if let Some(short) = flag.short {
        line.push_str(&format!(" -s {short}"));
    }
    if let Some(metavar) = flag.value {
        let kind = Kind::of_metavar(metavar).unwrap_or(Kind::Free);
        line.push_str(" -r");
        line.push_str(&words(&kind).unwrap_or_else(|| " -f".to_string()));
    }
    line.push_str(&format!(" -d '{}'\n", quoted(help::first_sentence(flag.help))));
    line
}

/// What is offered, as words of `complete`.
fn words(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Free => return None,
        Kind::Container => " -f -a '(__sdme_names containers)'".to_string(),
        Kind::Rootfs => " -f -a '(__sdme_names fs)'".to_string(),
        Kind::User => " -f -a '(__fish_complete_users)'".to_string(),
        Kind::File => " -F".to_string(),
        Kind::Directory => " -f -a '(__fish_complete_directories (commandline -ct))'".to_string(),
        Kind::Command => " -F -a '(__fish_complete_command)'".to_string(),
        Kind::Size => " -f -a '(__sdme_sizes)'".to_string(),
        Kind::Words(words) => format!(" -f -a '{}'", words.join(" ")),
    })
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
