//! The part of an address that says where: `user:password@host:port` (RFC 3986, 3.2). Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name that the DNS knows (RFC 1035), without the last dot.
const HOST_MAX: usize = 253;

/// Lower case. A name may end in a dot, which keeps resolvers from adding a search domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// A user and a password, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: Vec<u8>,
    pub password: Vec<u8>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(...)")
    }
}

/// `user:password@host:port`, of an address or of a proxy.
#[derive(Debug)]
pub struct Authority {
    pub login: Option<Login>,
    pub host: Host,
    pub port: Option<u16>,
}

impl Authority {
    /// The error is a reason that names no credentials.
    pub fn parse(text: &str) -> std::result::Result<Authority, String> {
        let (login, place) = match text.rsplit_once('@') {
            Some((login, place)) => (Some(parse_login(login)?), place),
            None => (None, text),
        };
        let (host, port) = split_port(place).ok_or_else(|| format!("{place:?} is no host and port"))?;
        let port = match port {
            None | Some("") => None,
            Some(digits) => Some(parse_port(digits).ok_or_else(|| format!("{digits:?} is no port"))?),
        };
        Ok(Authority { login, host: parse_host(host)?, port })
    }
}

fn parse_login(text: &str) -> std::result::Result<Login, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let part =
        |text| decode(text).ok_or("a % in the credentials is not followed by two hexadecimal digits (%25 is a %)");
    let login = Login { user: part(user)?, password: part(password)? };
    // What Basic cannot carry (RFC 7617).
    match login.user.contains(&b':') || login.user.iter().chain(&login.password).any(u8::is_ascii_control) {
        true => Err("the credentials hold a colon in the user's name or a control character".to_string()),
        false => Ok(login),
    }
}

/// Host and port; brackets go with the host.
fn split_port(place: &str) -> Option<(&str, Option<&str>)> {
    let end = if place.starts_with('[') { place.find(']')? + 1 } else { place.find(':').unwrap_or(place.len()) };
    let (host, port) = place.split_at(end);
    match port {
        "" => Some((host, None)),
        port => Some((host, Some(port.strip_prefix(':')?))),
    }
}

pub fn parse_port(digits: &str) -> Option<u16> {
    let sound = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok())?.filter(|port| *port != 0)
}

fn parse_host(text: &str) -> std::result::Result<Host, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let ip = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return ip.map(|ip| Host::Ip(ip.into())).ok_or_else(|| format!("{text:?} is no IPv6 address"));
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    if !text.is_ascii() {
        return Err(format!("the host {text:?} is not ASCII: write it as the DNS does (xn--...)"));
    }
    match is_name(text) {
        true => Ok(Host::Name(text.to_ascii_lowercase())),
        false => Err(format!("{text:?} is no host name")),
    }
}

fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.len() <= HOST_MAX && name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(letter))
}

/// Percent-decoded bytes; None where a `%` has no two digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// A word that may be an address, without the credentials that may be in it.
pub fn hidden(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (front, rest) = text.split_at(start);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    format!("{front}{}{tail}", authority.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<u16>)> {
        Authority::parse(text).ok().map(|authority| (authority.host.to_string(), authority.port))
    }

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("A.b-c_d", "a.b-c_d", None),
            ("a.:1", "a.", Some(1)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[0:0::1]:", "[::1]", None),
            ("u:p@[::1]:2", "[::1]", Some(2)),
            ("u@:@b:3", "b", Some(3)),
        ] {
            assert_eq!(parsed(text), Some((host.to_string(), port)), "{text}");
        }
        for text in
            ["", ":1", "a:b", "a:0", "a:1:2", "a:+1", "[::1", "::1", "[127.0.0.1]", "a/b", "a..b", ".", "-\n", "[::1]x"]
        {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert!(parsed(&format!("{}.de", "x".repeat(64))).is_none());
        assert!(parsed(&["x.".repeat(127), "x".into()].concat()).is_none());
    }

    #[test]
    fn words_without_their_credentials() {
        for (text, shown) in [
            ("http://a:b@c/d@e", "http://c/d@e"),
            ("a:b@c", "c"),
            ("a@b@c:1/?x", "c:1/?x"),
            ("http://c", "http://c"),
            ("x://a@b?c@d", "x://b?c@d"),
        ] {
            assert_eq!(hidden(text), shown);
        }
        assert_eq!(format!("{:?}", parse_login("a:b").unwrap()), "Login(...)");
    }
}
