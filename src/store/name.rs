//! The name of a container or a root filesystem: checked once, carried as a type.

use crate::error::{Error, Result};
use std::fmt;

/// Longest name: with "sdme@" and ".service" around it a unit name stays far under 255, and a host name under 64.
pub const NAME_MAX: usize = 63;

/// Lower-case letters, digits and `-`; starts with a letter, ends with a letter or digit; at most [`NAME_MAX`] bytes.
///
/// Such a name is at once a machine name, a host name, a file name and a unit instance that needs no escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Errors: `Usage`, saying which rule is broken.
    pub fn parse(text: &str) -> Result<Name> {
        match fault(text) {
            None => Ok(Name(text.to_string())),
            Some(fault) => Err(Error::usage(format!(
                "{:?} is not a name: {fault} (a name is lower-case letters, digits and '-', starts with a letter, \
                 ends with a letter or digit, and has at most {NAME_MAX} bytes)",
                abridged(text)
            ))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unit that runs the container of this name.
    pub fn unit(&self) -> String {
        format!("sdme@{}.service", self.0)
    }

    /// The name in `sdme@NAME.service`, when that is what `unit` is.
    pub fn of_unit(unit: &str) -> Option<Name> {
        Name::parse(unit.strip_prefix("sdme@")?.strip_suffix(".service")?).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn fault(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Some("it is empty");
    };
    if bytes.len() > NAME_MAX {
        Some("it is too long")
    } else if !bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        Some("it holds other characters")
    } else if !first.is_ascii_lowercase() {
        Some("it does not start with a letter")
    } else if *last == b'-' {
        Some("it ends with '-'")
    } else {
        None
    }
}

fn abridged(text: &str) -> String {
    text.chars().take(NAME_MAX + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for name in ["a", "web", "web-1", "a1", &"x".repeat(NAME_MAX)] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn bad_names() {
        for name in [
            "",
            "-a",
            "a-",
            "1a",
            "Web",
            "a.b",
            "a_b",
            "a/b",
            "..",
            "a b",
            "a\n",
            "ä",
            "a%i",
            &"x".repeat(NAME_MAX + 1),
        ] {
            assert!(Name::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_unit_names_its_container() {
        let name = Name::parse("my-web").unwrap();
        assert_eq!(Name::of_unit(&name.unit()), Some(name));
        assert_eq!(Name::of_unit("sdme@.service"), None);
        assert_eq!(Name::of_unit("sshd.service"), None);
    }
}
