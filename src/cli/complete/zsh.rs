//! zsh: a list of `_arguments` specifications for each verb, below a head that picks the verb.

use super::{Key, Kind, first_words, groups, members, places};
use crate::cli::help;
use crate::cli::spec::{Command, Flag, GLOBAL};

/// The whole file.
pub fn zsh(table: &[&'static Command], keys: &[Key]) -> String {
    let mut text = include_str!("head.zsh").to_string();
    text.push_str("typeset -ga _sdme_global _sdme_first\ntypeset -gA _sdme_members\n\n_sdme_global=(\n");
    for flag in GLOBAL {
        text.push_str(&format!("    {}\n", specification(flag)));
    }
    text.push_str(")\n\n_sdme_first=(\n");
    for described in first_words(table) {
        text.push_str(&format!("    {}\n", item(described)));
    }
    text.push_str(")\n\n_sdme_members=(\n");
    for group in groups(table) {
        let lines: Vec<String> = members(group, table).into_iter().map(item).collect();
        text.push_str(&format!("    {group} {}\n", lines.join("$'\\n'")));
    }
    text.push_str(")\n\n_sdme_verb() {\n    case $words[1] in\n");
    for command in table {
        text.push_str(&format!("        '{}')\n            _arguments -s -S $_sdme_global", command.name));
        for flag in command.flags {
            text.push_str(&format!(" \\\n                {}", specification(flag)));
        }
        for place in operands(command, keys) {
            text.push_str(&format!(" \\\n                {place}"));
        }
        text.push_str(" ;;\n");
    }
    text.push_str("    esac\n}\n\nif [[ $funcstack[1] == _sdme ]]; then _sdme \"$@\"; else compdef _sdme sdme; fi\n");
    text
}

fn operands(command: &Command, keys: &[Key]) -> Vec<String> {
    let places = places(command, keys).unwrap_or_default();
    let shown = places.iter().enumerate().map(|(index, place)| match (&place.kind, place.endless) {
        (Kind::Command, _) => "'*:::command:_normal'".to_string(),
        (kind, true) => format!("'*:{}:{}'", message(kind), action(kind)),
        (kind, false) => format!("'{}:{}:{}'", index + 1, message(kind), action(kind)),
    });
    shown.collect()
}

/// `'(-r --fs)'{-r+,--fs=}'[about]:ROOTFS:action'`.
fn specification(flag: &Flag) -> String {
    let about = quoted(&help::first_sentence(flag.help).replace(['[', ']'], ""));
    let value = flag.value.map(|metavar| {
        let kind = Kind::of_metavar(metavar).unwrap_or(Kind::Free);
        format!(":{}:{}", quoted(metavar), action(&kind))
    });
    let (star, value) = (if flag.repeatable { "*" } else { "" }, value.unwrap_or_default());
    let (plus, equals) = if flag.value.is_some() { ("+", "=") } else { ("", "") };
    let long = flag.long;
    match flag.short {
        Some(short) if flag.repeatable => format!("'*'{{-{short}{plus},--{long}{equals}}}'[{about}]{value}'"),
        Some(short) => format!("'(-{short} --{long})'{{-{short}{plus},--{long}{equals}}}'[{about}]{value}'"),
        None => format!("'{star}--{long}{equals}[{about}]{value}'"),
    }
}

fn item((word, about): (&str, &str)) -> String {
    format!("'{word}:{}'", quoted(about))
}

/// Within single quotes, and within a specification, where colons part.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

fn message(kind: &Kind) -> &'static str {
    match kind {
        Kind::Container => "container",
        Kind::Rootfs => "root filesystem",
        Kind::File => "file",
        Kind::Words(_) => "key",
        _ => "value",
    }
}

/// A space before a function: it is called with its own words only.
fn action(kind: &Kind) -> String {
    match kind {
        Kind::Free => " ".to_string(),
        Kind::Container => " _sdme_names containers".to_string(),
        Kind::Rootfs => " _sdme_names fs".to_string(),
        Kind::User => "_users".to_string(),
        Kind::File => "_files".to_string(),
        Kind::Directory => "_files -/".to_string(),
        Kind::Command => "_normal".to_string(),
        Kind::Size => "_sdme_size".to_string(),
        Kind::Words(words) => format!("({})", words.join(" ")),
    }
}
