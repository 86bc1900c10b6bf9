//! The config file: KEY=VALUE lines, `#` comments; one table of keys. Pure: files are read and written by others.

use crate::error::{Error, Result};
use crate::paths::DEFAULT_DATADIR;
use crate::text::time;
use std::path::PathBuf;
use std::time::Duration;

/// A config file is a few lines; whatever is longer than this is not one.
pub const CONFIG_MAX: usize = 1 << 16;

/// What the config says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Absolute.
    pub datadir: PathBuf,
    /// How long a start may take; `Duration::MAX` for no limit.
    pub boot_timeout: Duration,
    /// How long a container may take to power off before it is terminated.
    pub stop_timeout: Duration,
    /// Whether `join` and `new` enter a clone of `/` as the user who called sudo.
    pub join_as_sudo_user: bool,
    /// Whether questions are asked on a terminal.
    pub interactive: bool,
    /// Whether a new clone of `/` starts the services that the host's administrator enabled.
    pub host_services: bool,
    texts: Vec<(&'static str, String)>,
}

/// One key of the file.
pub struct Key {
    pub name: &'static str,
    /// The value where the file has none, as it would stand there; empty for unset.
    pub default: &'static str,
    pub about: &'static str,
    /// What a value looks like, for the error.
    pub form: &'static str,
    /// Takes a value over; None when it is malformed.
    set: fn(&mut Config, &str) -> Option<()>,
}

const YES_OR_NO: &str = "yes or no";
const SPAN: &str = "a time span like 90, 2min or infinity";

/// All keys.
pub const KEYS: [Key; 6] = [
    Key {
        name: "datadir",
        default: DEFAULT_DATADIR,
        about: "where containers are kept",
        form: "an absolute path",
        set: |config, text| {
            config.datadir = PathBuf::from(text);
            config.datadir.is_absolute().then_some(())
        },
    },
    Key {
        name: "boot_timeout",
        default: "90s",
        about: "how long a start may take",
        form: SPAN,
        set: |config, text| time::parse_span(text).map(|span| config.boot_timeout = span),
    },
    Key {
        name: "stop_timeout",
        default: "90s",
        about: "how long a container may take to power off before it is terminated",
        form: SPAN,
        set: |config, text| time::parse_span(text).map(|span| config.stop_timeout = span),
    },
    Key {
        name: "join_as_sudo_user",
        default: "yes",
        about: "enter a clone of / as the user who called sudo",
        form: YES_OR_NO,
        set: |config, text| switch(text).map(|on| config.join_as_sudo_user = on),
    },
    Key {
        name: "interactive",
        default: "yes",
        about: "ask questions on a terminal",
        form: YES_OR_NO,
        set: |config, text| switch(text).map(|on| config.interactive = on),
    },
    Key {
        name: "host_services",
        default: "no",
        about: "start the host's own enabled services in new clones of /",
        form: YES_OR_NO,
        set: |config, text| switch(text).map(|on| config.host_services = on),
    },
];

impl Default for Config {
    fn default() -> Config {
        let mut config = Config {
            datadir: PathBuf::new(),
            boot_timeout: Duration::ZERO,
            stop_timeout: Duration::ZERO,
            join_as_sudo_user: false,
            interactive: false,
            host_services: false,
            texts: Vec::new(),
        };
        for key in &KEYS {
            (key.set)(&mut config, key.default);
        }
        config
    }
}

impl Config {
    /// Errors: `Invalid`, naming the line and the key.
    pub fn parse(text: &str) -> Result<Config> {
        let mut config = Config::default();
        for (number, line) in text.lines().enumerate() {
            if let Some((name, value)) = assignment(line) {
                config.take(name, value).map_err(|error| error.context(format!("line {}", number + 1)))?;
            }
        }
        Ok(config)
    }

    /// The value of a key as the file has it, else the default.
    pub fn text(&self, key: &Key) -> &str {
        self.texts.iter().find(|(name, _)| *name == key.name).map_or(key.default, |(_, text)| text)
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let key = key(name).map_err(|error| error.with_kind(crate::error::Kind::Invalid))?;
        let value = value.ok_or_else(|| Error::invalid(format!("{name}: there is no '='")))?;
        if self.texts.iter().any(|(known, _)| *known == key.name) {
            return Err(Error::invalid(format!("{name} was set above")));
        }
        if (key.set)(self, value).is_none() {
            return Err(Error::invalid(format!("{name}: {value:?} is not {}", key.form)));
        }
        self.texts.push((key.name, value.to_string()));
        Ok(())
    }
}

/// The key of this name. Errors: `Usage`, listing the keys.
pub fn key(name: &str) -> Result<&'static Key> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        Error::usage(format!("there is no key {name:?} (there are {})", known.join(", ")))
    })
}

/// The file's text with one key set; comments and all other lines stay. `text` must be a well-formed file.
///
/// Errors: `Usage` when the value does not fit the key.
pub fn edit(text: &str, key: &Key, value: &str) -> Result<String> {
    let fits = value == value.trim() && !value.contains(char::is_control);
    if !fits || (key.set)(&mut Config::default(), value).is_none() {
        return Err(Error::usage(format!("{}: {value:?} is not {}", key.name, key.form)));
    }
    let mut edited = String::new();
    let mut done = false;
    for line in text.lines() {
        let ours = assignment(line).is_some_and(|(name, _)| name == key.name);
        if ours {
            push_assignment(&mut edited, key.name, value);
            done = true;
        } else {
            edited.push_str(line);
            edited.push('\n');
        }
    }
    if !done {
        push_assignment(&mut edited, key.name, value);
    }
    Ok(edited)
}

fn push_assignment(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push('=');
    text.push_str(value);
    text.push('\n');
}

/// Name and value of a line that is neither blank nor a comment; no value when there is no `=`.
fn assignment(line: &str) -> Option<(&str, Option<&str>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    Some(line.split_once('=').map_or((line, None), |(name, value)| (name.trim(), Some(value.trim()))))
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in &KEYS {
            let mut config = Config::default();
            assert!((key.set)(&mut config, key.default).is_some(), "{}", key.name);
        }
        let config = Config::default();
        assert_eq!(config.boot_timeout, Duration::from_secs(90));
        assert!(config.join_as_sudo_user && config.interactive && !config.host_services);
    }

    #[test]
    fn a_file_is_read_with_its_comments() {
        let config = Config::parse("# ours\n\n datadir = /srv/a b=c\r\nboot_timeout=2min\ninteractive=no\n").unwrap();
        assert_eq!(config.datadir, PathBuf::from("/srv/a b=c"));
        assert_eq!(config.boot_timeout, Duration::from_secs(120));
        assert!(!config.interactive);
        assert_eq!(config.text(key("boot_timeout").unwrap()), "2min");
        assert_eq!(config.text(key("stop_timeout").unwrap()), "90s");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, told) in [
            ("#\nport=1\n", "line 2: there is no key \"port\""),
            ("interactive\n", "line 1: interactive: there is no '='"),
            ("interactive=maybe", "line 1: interactive: \"maybe\" is not yes or no"),
            ("datadir=here", "line 1: datadir: \"here\" is not an absolute path"),
            ("interactive=no\ninteractive=no", "line 2: interactive was set above"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn setting_a_key_keeps_all_else() {
        let text = "# ours\ndatadir=/srv\n\n#boot_timeout=1\nboot_timeout = 5\n";
        let edited = edit(text, key("boot_timeout").unwrap(), "2min").unwrap();
        assert_eq!(edited, "# ours\ndatadir=/srv\n\n#boot_timeout=1\nboot_timeout=2min\n");
        let edited = edit("# no line feed at the end", key("interactive").unwrap(), "no").unwrap();
        assert_eq!(edited, "# no line feed at the end\ninteractive=no\n");
    }

    #[test]
    fn a_value_cannot_bring_a_line_of_its_own() {
        let datadir = key("datadir").unwrap();
        assert!(edit("", datadir, "/srv\ninteractive=no").is_err());
        assert!(edit("", datadir, "/srv ").is_err());
        assert!(edit("", datadir, "srv").is_err());
    }
}
