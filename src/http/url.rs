//! http and https addresses (RFC 3986, as far as a client needs it): parsed once, at the edge. Pure.
//!
//! What is kept is safe to send: no control character, no blank, a host that a resolver can take. Credentials are kept apart
//! and never printed.

use crate::error::{Error, Result};
use crate::http::authority::{Authority, Host, Login, decode, hidden};
use std::fmt;

/// The longest address that is taken; what servers and proxies take is shorter.
const URL_MAX: usize = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Prints without credentials and without the fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    pub login: Option<Login>,
    /// Path and query as they are sent: begins with `/`, holds nothing but printable ASCII.
    target: String,
}

impl Url {
    /// `http://` or `https://`, in any case of letters.
    pub fn parse(text: &str) -> Result<Url> {
        let invalid = |why: &str| Error::invalid(format!("URL {:?}: {why}", hidden(text)));
        if text.len() > URL_MAX {
            return Err(Error::invalid(format!("a URL of {} bytes is longer than {URL_MAX}", text.len())));
        }
        let (scheme, rest) = split_scheme(text).ok_or_else(|| invalid("not http:// or https://"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = Authority::parse(authority).map_err(|why| invalid(&why))?;
        let target = sendable(target).ok_or_else(|| invalid("it holds a control character"))?;
        Ok(Url {
            scheme,
            host: authority.host,
            port: authority.port.unwrap_or(scheme.port()),
            login: authority.login,
            target: without_dots(&target),
        })
    }

    /// What a server's `Location` means to one who asked for this (RFC 3986, 5.2).
    pub fn join(&self, reference: &str) -> Result<Url> {
        let reference = reference.trim_matches([' ', '\t']);
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{}:{reference}", self.scheme.name()));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let target = match reference.bytes().next() {
            None => self.target.clone(),
            Some(b'/') => reference.to_string(),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => format!("{folder}{reference}"),
        };
        let target = sendable(&target).filter(|target| target.len() <= URL_MAX);
        let target = target.ok_or_else(|| Error::invalid(format!("no address can be made of {reference:?}")))?;
        Ok(Url { target: without_dots(&target), ..self.clone() })
    }

    /// Path and query, as the request line wants them.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// `host` or `host:port`, as the Host header wants it.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether credentials for one are for the other too.
    pub fn is_same_origin(&self, other: &Url) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    pub fn with_login(self, login: Option<Login>) -> Url {
        Url { login, ..self }
    }

    /// The last name of the path, percent-decoded: what a browser would call the file. None when that is no name.
    pub fn file_name(&self) -> Option<String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let name = String::from_utf8(decode(path.rsplit('/').next()?)?).ok()?;
        let usable = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
        usable.then_some(name)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target)
    }
}

fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name())).zip(Some(rest))
}

/// Whether a reference says a scheme of its own, of whatever sort.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Path and query with what may not stand in a request line percent-encoded; None with a control character in it.
fn sendable(target: &str) -> Option<String> {
    let mut out = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        out.push('/');
    }
    for byte in target.bytes() {
        match byte {
            0..0x20 | 0x7f => return None,
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    Some(out)
}

/// A target with `.` and `..` taken out of its path.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut names = path.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        match name {
            "." => {}
            ".." => drop(kept.pop()),
            name => {
                kept.push(name);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        Url::parse(text).unwrap().to_string()
    }

    #[test]
    fn addresses_are_made_regular() {
        for (text, regular) in [
            ("http://a", "http://a/"),
            ("HTTPS://A.Example:443/x?y=1#z", "https://a.example/x?y=1"),
            ("http://a:8080?q", "http://a:8080/?q"),
            ("http://u:p%40@a/", "http://a/"),
            ("http://[::1]:81/", "http://[::1]:81/"),
            ("http://127.0.0.1:80/a b/\u{e4}", "http://127.0.0.1/a%20b/%C3%A4"),
            ("http://a/b/../../c/./d/..", "http://a/c/"),
            ("http://a:/x", "http://a/x"),
            ("https://a./", "https://a./"),
        ] {
            assert_eq!(printed(text), regular);
            assert_eq!(printed(regular), regular);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in [
            "",
            "a",
            "ftp://a/",
            "file:///etc/passwd",
            "http:/a",
            "http://",
            "http:///x",
            "http://a:0/",
            "http://a:65536/",
            "http://a:1x/",
            "http://a b/",
            "http://a\r\n/",
            "http://a/\r\nX: y",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://::1/",
            "http://a..b/",
            "http://\u{e4}.de/",
            "http://secret:%zz@a/",
            "http://secret%3Ax:y@a/",
            "http://secret%0a:y@a/",
            "http://secret:secret@a b/",
            "ftp://secret:secret@a/",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Url::parse(&format!("http://a/{}", "x".repeat(URL_MAX))).is_err());
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let url = Url::parse("http://us%20er:p%3A%40ss@a/").unwrap();
        let login = url.login.clone().unwrap();
        assert_eq!((login.user.as_slice(), login.password.as_slice()), (&b"us er"[..], &b"p:@ss"[..]));
        assert!(!format!("{url:?} {url}").contains("ss@"));
        assert!(url.with_login(None).login.is_none());
    }

    #[test]
    fn references_are_joined_as_rfc_3986_says() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("https://h/x", "https://h/x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g?u=http://h/", "http://a/b/c/g?u=http://h/"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), target, "{reference:?}");
        }
        for reference in ["ftp://a/", "file:///x", "javascript:x", "http:g", "//", "a\nb"] {
            assert!(base.join(reference).is_err(), "{reference:?}");
        }
    }

    #[test]
    fn the_last_name_of_a_path() {
        let name = |text| Url::parse(text).unwrap().file_name();
        assert_eq!(name("http://a/b/ubuntu%2024.tar.xz?x=/y").as_deref(), Some("ubuntu 24.tar.xz"));
        for text in ["http://a", "http://a/b/", "http://a/%2e%2e", "http://a/x%2fy", "http://a/%ff", "http://a/%"] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
