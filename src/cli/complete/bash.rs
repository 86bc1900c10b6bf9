//! bash: four functions that answer in `REPLY`, each one `case` over verbs, below a head that walks the words.

use super::{Key, Kind, first_words, groups, members, places};
use crate::cli::spec::{Command, Flag, GLOBAL, Tail};

/// The whole file.
pub fn bash(table: &[&'static Command], keys: &[Key]) -> String {
    let mut text = include_str!("head.bash").to_string();
    text.push_str("# The words that may follow a group, or nothing. Fails for what is no group.\n_sdme_members() { # GROUP\n    case $1 in\n");
    text.push_str(&arm("''", &listed(first_words(table).iter().map(|(word, _)| *word))));
    for group in groups(table) {
        text.push_str(&arm(group, &listed(members(group, table).iter().map(|(word, _)| *word))));
    }
    text.push_str("        *) REPLY=''; return 1 ;;\n    esac\n}\n\n");

    text.push_str(
        "# What its operands are; the last one of a list that has a + may come again. Fails for what is no verb.\n",
    );
    text.push_str("_sdme_operands() { # VERB\n    case $1 in\n");
    for command in table {
        let kinds = places(command, keys).unwrap_or_default();
        let kinds = kinds.iter().map(|place| match (&place.kind, command.operands.tail) {
            (Kind::Command, Tail::AfterDashes) => "dashes".to_string(),
            (Kind::Command, _) => "command".to_string(),
            (kind, _) => word(kind) + if place.endless { "+" } else { "" },
        });
        text.push_str(&arm(&format!("'{}'", command.name), &kinds.collect::<Vec<_>>().join(" ")));
    }
    text.push_str("        *) REPLY=''; return 1 ;;\n    esac\n}\n\n");

    text.push_str("_sdme_flags() { # VERB\n    case $1 in\n");
    for command in table.iter().filter(|command| !command.flags.is_empty()) {
        text.push_str(&arm(&format!("'{}'", command.name), &longs(command.flags)));
    }
    text.push_str(&format!("        *) REPLY='' ;;\n    esac\n    REPLY+=' {}'\n}}\n\n", longs(GLOBAL)));

    text.push_str(
        "# What a flag's value is; nothing for a switch.\n_sdme_kind() { # VERB FLAG\n    case \"$1 $2\" in\n",
    );
    for command in table {
        for flag in command.flags {
            text.push_str(&value(&format!("'{} ", command.name), "'", flag));
        }
    }
    for flag in GLOBAL {
        text.push_str(&value("*' ", "'", flag));
    }
    text.push_str("        *) REPLY='' ;;\n    esac\n}\n\ncomplete -F _sdme sdme\n");
    text
}

fn arm(pattern: &str, reply: &str) -> String {
    format!("        {pattern}) REPLY='{reply}' ;;\n")
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn longs(flags: &[Flag]) -> String {
    flags.iter().map(|flag| format!("--{}", flag.long)).collect::<Vec<_>>().join(" ")
}

fn value(before: &str, after: &str, flag: &Flag) -> String {
    let Some(metavar) = flag.value else { return String::new() };
    let kind = Kind::of_metavar(metavar).unwrap_or(Kind::Free);
    let mut pattern = format!("{before}--{}{after}", flag.long);
    if let Some(short) = flag.short {
        pattern.push_str(&format!(" | {before}-{short}{after}"));
    }
    arm(&pattern, &word(&kind).replace(',', " "))
}

/// One word for a kind; a list is joined by commas, as operands are parted by spaces.
fn word(kind: &Kind) -> String {
    match kind {
        Kind::Free => "free".to_string(),
        Kind::Container => "container".to_string(),
        Kind::Rootfs => "rootfs".to_string(),
        Kind::User => "user".to_string(),
        Kind::File => "file".to_string(),
        Kind::Directory => "directory".to_string(),
        Kind::Command => "command".to_string(),
        Kind::Size => "size".to_string(),
        Kind::Words(words) => format!("={}", words.join(",")),
    }
}
