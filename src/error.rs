//! The one error of the program: a kind, a message and the contexts added on its way up.
//!
//! The kind decides the exit code, in one match; the text is one line, "context: context: cause".

pub use rustix::io::Errno;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::RwLock;

pub type Result<T> = std::result::Result<T, Error>;

/// What sort of failure this is. Callers branch on it; users see the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The operation could not be done.
    Failed,
    /// The command line or a value in it is wrong.
    Usage,
    /// The thing that was named does not exist.
    NotFound,
    /// The thing to be made exists.
    Exists,
    /// Somebody else works on it.
    Busy,
    /// The peer cannot be talked to (no socket, connection lost).
    Unavailable,
    /// A deadline passed.
    TimedOut,
    /// Foreign bytes are not what their format demands.
    Invalid,
    /// A system call failed with this errno.
    Os(i32),
    /// A D-Bus peer answered with the error of this name.
    Dbus(String),
    /// The user sent this signal.
    Interrupted(i32),
}

#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    contexts: Vec<String>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), contexts: Vec::new() }
    }

    pub fn failed(message: impl Into<String>) -> Error {
        Error::new(Kind::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Kind::Usage, message)
    }

    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::Invalid, message)
    }

    /// A failed system call; `call` reads like a line of strace: `openat(5, "etc", O_PATH)`.
    pub fn os(errno: Errno, call: impl Into<String>) -> Error {
        Error::new(Kind::Os(errno.raw_os_error()), call)
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The errno of a failed system call.
    pub fn errno(&self) -> Option<Errno> {
        match self.kind {
            Kind::Os(number) => Some(Errno::from_raw_os_error(number)),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, Kind::NotFound) || self.errno() == Some(Errno::NOENT)
    }

    /// Adds what was being done, in front of what is there; the kind stays.
    pub fn context(mut self, context: impl Into<String>) -> Error {
        self.contexts.push(context.into());
        self
    }

    /// The same words under another kind.
    pub fn with_kind(mut self, kind: Kind) -> Error {
        self.kind = kind;
        self
    }

    /// The exit code for every verb but the ones that hand on a payload's status.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 2,
            Kind::Interrupted(signal) => 128u8.saturating_add(signal.clamp(0, 127) as u8),
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text: String = self.contexts.iter().rev().map(|context| format!("{context}: ")).collect();
        text.push_str(&self.message);
        match self.kind {
            Kind::Os(number) if self.message.is_empty() => text.push_str(&errno_text(number)),
            Kind::Os(number) => text.push_str(&format!(": {}", errno_text(number))),
            _ => {}
        }
        f.write_str(&with_shown_places(text))
    }
}

/// Places that are opened by a descriptor's path, and what the user calls them.
static SHOWN: RwLock<Vec<(String, String)>> = RwLock::new(Vec::new());

/// From now on errors call `place` by the words `shown`.
pub fn show_as(place: &Path, shown: &Path) {
    if let Ok(mut places) = SHOWN.write() {
        places.push((place.display().to_string(), shown.display().to_string()));
    }
}

fn with_shown_places(text: String) -> String {
    let Ok(places) = SHOWN.read() else { return text };
    places.iter().fold(text, |text, (place, shown)| renamed(&text, place, shown))
}

/// `/proc/self/fd/1` is not meant where `/proc/self/fd/12` stands.
fn renamed(text: &str, place: &str, shown: &str) -> String {
    let mut parts = text.split(place);
    let mut renamed = parts.next().unwrap_or_default().to_string();
    for part in parts {
        renamed.push_str(if part.starts_with(|next: char| next.is_ascii_digit()) { place } else { shown });
        renamed.push_str(part);
    }
    renamed
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    /// An error of ours that came through a `Read` is itself again.
    fn from(error: io::Error) -> Error {
        let error = match error.downcast::<Error>() {
            Ok(own) => return own,
            Err(error) => error,
        };
        match error.raw_os_error() {
            // Whoever adds a context says what was read or written.
            Some(number) => Error::new(Kind::Os(number), ""),
            None => Error::failed(error.to_string()),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::other(error)
    }
}

/// Adds context to any result that can become ours.
pub trait Context<T> {
    fn context(self, text: impl Into<String>) -> Result<T>;
    fn with_context<S: Into<String>>(self, text: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, text: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().context(text))
    }

    fn with_context<S: Into<String>>(self, text: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().context(text()))
    }
}

/// The system's words for an errno, without the "(os error N)" that std appends.
fn errno_text(number: i32) -> String {
    let text = io::Error::from_raw_os_error(number).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_by_its_name_and_no_other_is() {
        let text = "open(\"/proc/self/fd/1/fs\") of /proc/self/fd/12/fs and /proc/self/fd/1";
        assert_eq!(renamed(text, "/proc/self/fd/1", "/image"), "open(\"/image/fs\") of /proc/self/fd/12/fs and /image");
    }

    #[test]
    fn contexts_stand_in_front_of_the_cause() {
        let error = Error::os(Errno::NOENT, "openat(3, \"etc\")").context("state").context("web");
        assert_eq!(error.to_string(), "web: state: openat(3, \"etc\"): No such file or directory");
        assert!(error.is_not_found());
    }

    #[test]
    fn an_error_of_the_library_is_its_reason_alone() {
        let error = Error::from(io::Error::from_raw_os_error(Errno::CONNRESET.raw_os_error()));
        assert_eq!(error.to_string(), "Connection reset by peer");
        assert_eq!(error.context("reading x").to_string(), "reading x: Connection reset by peer");
    }

    #[test]
    fn the_kind_gives_the_exit_code() {
        assert_eq!(Error::failed("x").exit_code(), 1);
        assert_eq!(Error::usage("x").exit_code(), 2);
        assert_eq!(Error::new(Kind::Interrupted(2), "x").exit_code(), 130);
        assert_eq!(Error::new(Kind::Interrupted(15), "x").exit_code(), 143);
    }
}
