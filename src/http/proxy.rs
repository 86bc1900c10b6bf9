//! Which proxy an address is asked through, as curl(1) decides it. Pure.

use crate::error::{Error, Result};
use crate::http::authority::{Authority, Host, Login, hidden, parse_port};
use crate::http::environment::Environment;
use crate::http::url::{Scheme, Url};
use std::fmt;
use std::net::IpAddr;

/// The port of an http proxy that says none (curl's own choice), and of an https one.
const PORT: u16 = 1080;
const SECURE_PORT: u16 = 443;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How one speaks to the proxy itself.
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    pub login: Option<Login>,
}

/// Without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl Proxy {
    pub fn parse(text: &str) -> Result<Proxy> {
        let invalid = |why: &str| Error::invalid(format!("proxy {:?}: {why}", hidden(text)));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, PORT),
            "https" => (Scheme::Https, SECURE_PORT),
            _ => return Err(invalid("only http:// and https:// proxies can be used")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = Authority::parse(authority).map_err(|why| invalid(&why))?;
        Ok(Proxy { scheme, host: authority.host, port: authority.port.unwrap_or(port), login: authority.login })
    }
}

/// The proxy for an address, if there is to be one.
pub fn lookup(environment: &Environment, url: &Url) -> Result<Option<Proxy>> {
    let own = match url.scheme {
        Scheme::Http => &environment.http_proxy,
        Scheme::Https => &environment.https_proxy,
    };
    let Some(proxy) = own.as_ref().or(environment.all_proxy.as_ref()) else { return Ok(None) };
    match environment.no_proxy.as_ref().is_some_and(|list| is_excepted(list, &url.host, url.port)) {
        true => Ok(None),
        false => Proxy::parse(proxy).map(Some),
    }
}

/// Whether a host is on a no_proxy list: names with what is below them, addresses, networks, `*`; each may name a port.
pub fn is_excepted(list: &str, host: &Host, port: u16) -> bool {
    list.split([',', ' ', '\t']).filter(|item| !item.is_empty()).any(|item| covers(item, host, port))
}

fn covers(item: &str, host: &Host, port: u16) -> bool {
    if item == "*" {
        return true;
    }
    match host {
        Host::Ip(ip) => covers_ip(item, *ip, port),
        Host::Name(name) => covers_name(item, name, port),
    }
}

fn covers_name(item: &str, name: &str, port: u16) -> bool {
    let (item, of_port) = match item.rsplit_once(':') {
        Some((item, digits)) => (item, parse_port(digits)),
        None => (item, Some(port)),
    };
    let item = item.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(item);
    let item = item.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let below = name.strip_suffix(item.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    !item.is_empty() && below && of_port == Some(port)
}

fn covers_ip(item: &str, ip: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = item.split_once('/') {
        return parse_ip(network).is_some_and(|network| is_within(ip, network, bits));
    }
    // A bare IPv6 address has colons, and no port.
    if let Some(single) = parse_ip(item) {
        return single == ip;
    }
    let Some((address, digits)) = item.rsplit_once(':') else { return false };
    parse_ip(address) == Some(ip) && parse_port(digits) == Some(port)
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// Whether an address is in a network of so many bits. Both as 128 bits, an IPv4 one in the first 32.
fn is_within(ip: IpAddr, network: IpAddr, bits: &str) -> bool {
    let sound = (1..=3).contains(&bits.len()) && bits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(bits) = sound.then(|| bits.parse::<u32>().ok()).flatten() else { return false };
    let (one, other, most) = match (ip, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits()) << 96, u128::from(other.to_bits()) << 96, 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    // A shift by all 128 bits is none: everything is in a network of 0 bits.
    bits <= most && (one ^ other).checked_shr(128 - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excepted(list: &str, url: &str) -> bool {
        let url = Url::parse(url).unwrap();
        is_excepted(list, &url.host, url.port)
    }

    #[test]
    fn names_with_what_is_below_them() {
        for list in
            ["example.com", ".example.com", "*.example.com", "EXAMPLE.com.", "a,example.com", "a example.com\tb"]
        {
            assert!(excepted(list, "http://example.com/"), "{list}");
            assert!(excepted(list, "https://www.Example.com./"), "{list}");
            assert!(!excepted(list, "https://notexample.com/"), "{list}");
            assert!(!excepted(list, "https://example.com.evil.org/"), "{list}");
        }
        for list in ["", ",", ".", "com.", "xample.com", "*example.com", "example.com:", "example.com:x"] {
            let whole = list == "com.";
            assert_eq!(excepted(list, "http://example.com/"), whole, "{list}");
        }
    }

    #[test]
    fn ports_narrow() {
        assert!(excepted("example.com:8080", "http://a.example.com:8080/"));
        assert!(!excepted("example.com:8080", "http://a.example.com/"));
        assert!(excepted("127.0.0.1:80", "http://127.0.0.1/"));
        assert!(!excepted("127.0.0.1:81", "http://127.0.0.1/"));
        assert!(excepted("[::1]:443", "https://[::1]/"));
        assert!(!excepted("[::1]:443", "http://[::1]/"));
    }

    #[test]
    fn addresses_and_networks() {
        for (list, url, expected) in [
            ("127.0.0.1", "http://127.0.0.1/", true),
            ("127.0.0.1", "http://127.0.0.11/", false),
            ("127.0.0.0/8", "http://127.1.2.3:99/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("192.168.1.128/25", "http://192.168.1.127/", false),
            ("192.168.1.128/25", "http://192.168.1.128/", true),
            ("0.0.0.0/0", "http://9.9.9.9/", true),
            ("1.2.3.4/32", "http://1.2.3.4/", true),
            ("1.2.3.4/32", "http://1.2.3.5/", false),
            ("1.2.3.4/33", "http://1.2.3.4/", false),
            ("1.2.3.4/", "http://1.2.3.4/", false),
            ("1.2.3.4/-1", "http://1.2.3.4/", false),
            ("::/0", "http://1.2.3.4/", false),
            ("::1", "http://[::1]/", true),
            ("[::1]", "http://[0:0::1]/", true),
            ("2001:db8::/32", "http://[2001:db8:1::1]/", true),
            ("2001:db8::/32", "http://[2001:db9::1]/", false),
            ("::/0", "http://[2001:db9::1]/", true),
            ("::/129", "http://[::]/", false),
            ("127.0.0.0/8", "http://localhost/", false),
            ("*", "http://localhost/", true),
            ("a, *", "http://[::1]/", true),
        ] {
            assert_eq!(excepted(list, url), expected, "{list} {url}");
        }
    }

    #[test]
    fn a_proxy_by_scheme() {
        let environment = Environment {
            http_proxy: Some("one".into()),
            https_proxy: Some("https://user:p%40@two:1/".into()),
            all_proxy: Some("three".into()),
            no_proxy: Some("direct".into()),
            ..Environment::default()
        };
        let chosen = |environment: &Environment, url: &str| {
            lookup(environment, &Url::parse(url).unwrap()).unwrap().map(|proxy| proxy.to_string())
        };
        assert_eq!(chosen(&environment, "http://x/").as_deref(), Some("http://one:1080"));
        assert_eq!(chosen(&environment, "https://x/").as_deref(), Some("https://two:1"));
        assert_eq!(chosen(&environment, "https://direct/"), None);
        let environment = Environment { http_proxy: None, ..environment };
        assert_eq!(chosen(&environment, "http://x/").as_deref(), Some("http://three:1080"));
        assert_eq!(chosen(&Environment::default(), "http://x/"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for text in ["socks5://u:secret@h:1", "http://u:secret@h h:1", "http://", "u:secret@", "http://h:0"] {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("proxy ") && !error.contains("secret"), "{error}");
        }
        let login = Proxy::parse("u:p%40@h:3128").unwrap().login.unwrap();
        assert_eq!((login.user.as_slice(), login.password.as_slice()), (&b"u"[..], &b"p@"[..]));
    }
}
