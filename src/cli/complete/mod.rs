//! Completions for shells, from the table; pure. What is written is committed under packaging/completions, and compared by a
//! test. The shipped program does not call this.
//!
//! What a shell does at run time stands in a head of its own language beside this (`head.bash` ...); what it has to know
//! about verbs and flags is made here. The names of containers and root filesystems are read from the datadir's folders,
//! which costs nothing and waits for nobody; who may not read them gets none, in silence.

mod bash;
mod fish;
mod zsh;

pub use bash::bash;
pub use fish::fish;
pub use zsh::zsh;

use crate::cli::spec::{Command, Tail};

/// What can stand in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Something of the user's own.
    Free,
    Container,
    Rootfs,
    User,
    File,
    Directory,
    /// A program and its words.
    Command,
    /// Digits and a unit.
    Size,
    /// One of these.
    Words(Vec<String>),
}

/// A key of the config file and what its values may be.
#[derive(Debug, Clone)]
pub struct Key<'a> {
    pub name: &'a str,
    pub value: Kind,
}

/// One operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub kind: Kind,
    /// It may be there several times.
    pub endless: bool,
}

const SPANS: [&str; 5] = ["10s", "30s", "90s", "2min", "infinity"];

impl Kind {
    pub fn words(words: &[&str]) -> Kind {
        Kind::Words(words.iter().map(|word| word.to_string()).collect())
    }

    /// What the values of the config are, by the words in which the config tells it.
    pub fn of_form(form: &str) -> Kind {
        match form {
            "yes or no" => Kind::words(&["yes", "no"]),
            "an absolute path" => Kind::Directory,
            form if form.contains("time span") => Kind::words(&SPANS),
            _ => Kind::Free,
        }
    }

    /// What a flag's word for its value stands for; None for a word that nobody has thought about yet.
    pub fn of_metavar(word: &str) -> Option<Kind> {
        Some(match word {
            "NAME" | "HEX" | "N" | "KEY=VALUE" => Kind::Free,
            "FILE" | "FILE|URL" | "KEY|FILE" => Kind::File,
            "DIR" => Kind::Directory,
            "ROOTFS" => Kind::Rootfs,
            "USER" => Kind::User,
            "SEC" => Kind::words(&SPANS),
            "SIZE" => Kind::Size,
            "WHAT" => Kind::words(&["booted", "reachable", "none"]),
            "FORM" => Kind::words(&["auto", "dir", "tar", "oci", "oci-archive", "docker-archive", "raw", "qcow2"]),
            words if words.contains('|') && words.to_lowercase() == words => {
                Kind::words(&words.split('|').collect::<Vec<_>>())
            }
            _ => return None,
        })
    }
}

/// The operands of a verb, its command to run included; None when one of its words is not known here.
pub fn places(command: &Command, keys: &[Key]) -> Option<Vec<Place>> {
    let tail = matches!(command.operands.tail, Tail::Command { .. } | Tail::AfterDashes);
    let words = command.operands.usage.split(' ').filter(|word| !word.is_empty() && *word != "[--");
    let words: Vec<&str> = words.collect();
    let own = words.iter().filter(|word| !word.contains("COMMAND") && !word.contains("-ARGS"));
    let mut places = own.map(|word| place(command, word, keys)).collect::<Option<Vec<Place>>>()?;
    if tail {
        places.push(Place { kind: Kind::Command, endless: true });
    }
    Some(places)
}

fn place(command: &Command, word: &str, keys: &[Key]) -> Option<Place> {
    let bare = word.trim_matches(['[', ']', '.']);
    let is_filesystem = command.group() == Some("fs");
    let kind = match bare {
        // The name before a source may be left out: what stands there may be the source.
        "NAME" | "SOURCE" if command.name == "fs import" => Kind::File,
        "NAME" if word.starts_with('[') => Kind::Free,
        "NAME" | "OLD" if is_filesystem => Kind::Rootfs,
        "NAME" => Kind::Container,
        "NEW" => Kind::Free,
        "VALUE" => Kind::Words(values(keys)),
        "KEY" => Kind::Words(keys.iter().map(|key| key.name.to_string()).collect()),
        _ => return None,
    };
    Some(Place { kind, endless: word.contains("...") })
}

/// What the values of all keys may be.
fn values(keys: &[Key]) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for key in keys {
        let Kind::Words(words) = &key.value else { continue };
        values.extend(words.iter().filter(|word| !values.contains(word)).cloned().collect::<Vec<_>>());
    }
    values
}

/// The verbs of one word, the groups, and help: what can stand first. Each with what it is.
fn first_words(table: &[&'static Command]) -> Vec<(&'static str, &'static str)> {
    let mut words: Vec<(&str, &str)> = Vec::new();
    for command in table {
        match command.group() {
            None => words.push((command.name, command.about)),
            Some(group) if words.iter().all(|(word, _)| *word != group) => words.push((group, about_group(group))),
            Some(_) => {}
        }
    }
    words.push(("help", "tell about a command"));
    words
}

fn about_group(group: &str) -> &'static str {
    match group {
        "fs" => "root filesystems",
        "config" => "settings",
        _ => "more commands",
    }
}

/// The second words of a group.
fn members(group: &str, table: &[&'static Command]) -> Vec<(&'static str, &'static str)> {
    let of_it = table.iter().filter(|command| command.group() == Some(group));
    of_it.filter_map(|command| Some((command.name.split_once(' ')?.1, command.about))).collect()
}

fn groups(table: &[&'static Command]) -> Vec<&'static str> {
    let mut groups: Vec<&str> = table.iter().filter_map(|command| command.group()).collect();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::spec::{Image, Operands};

    const fn command(name: &'static str, operands: Operands) -> Command {
        Command {
            name,
            about: "",
            long: &[],
            flags: &[],
            operands,
            examples: &[],
            payload: false,
            root: true,
            image: Image::Works,
        }
    }

    fn kinds(name: &'static str, operands: Operands) -> Option<Vec<(Kind, bool)>> {
        let keys = [Key { name: "a", value: Kind::words(&["yes", "no"]) }, Key { name: "b", value: Kind::Free }];
        let places = places(&command(name, operands), &keys)?;
        Some(places.into_iter().map(|place| (place.kind, place.endless)).collect())
    }

    #[test]
    fn a_name_is_of_what_the_verb_is_about() {
        assert_eq!(kinds("stop", Operands::any("NAME...")), Some(vec![(Kind::Container, true)]));
        assert_eq!(kinds("fs rm", Operands::any("NAME...")), Some(vec![(Kind::Rootfs, true)]));
        let new = Operands { usage: "[NAME] [-- COMMAND...]", least: 0, most: 1, tail: Tail::AfterDashes };
        assert_eq!(kinds("new", new), Some(vec![(Kind::Free, false), (Kind::Command, true)]));
    }

    #[test]
    fn keys_and_values_are_those_of_the_config() {
        let two = Operands { usage: "KEY VALUE", least: 2, most: 2, tail: Tail::Nothing };
        let words = |words: &[&str]| (Kind::words(words), false);
        assert_eq!(kinds("config set", two), Some(vec![words(&["a", "b"]), words(&["yes", "no"])]));
    }

    #[test]
    fn a_word_that_nobody_has_thought_about_is_told() {
        assert_eq!(kinds("stop", Operands::one("PLANET")), None);
        assert_eq!(Kind::of_metavar("PLANET"), None);
    }
}
