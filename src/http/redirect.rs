//! Where a server sends one on to, and whether one goes. Pure.

use crate::error::{Error, Result};
use crate::http::url::{Scheme, Url};

/// How often one is sent on before it is taken for a circle; curl(1) and browsers allow 20 to 50, no mirror needs five.
pub const HOPS_MAX: usize = 10;

/// Whether a status says that what was asked for is elsewhere, for a GET.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The address to ask next. Never from https to http; credentials stay with scheme, host and port for which they were given,
/// and none are taken from a server.
pub fn follow(from: &Url, location: Option<&str>) -> Result<Url> {
    let location = location.ok_or_else(|| Error::invalid("the server sends on to nowhere"))?;
    let to = from.join(location).map_err(|error| error.context("the server sends on to what is not followed"))?;
    if from.scheme == Scheme::Https && to.scheme == Scheme::Http {
        return Err(Error::invalid(format!("the server sends on from https to {to}: not followed")));
    }
    if to.login.is_some() && to.login != from.login {
        return Err(Error::invalid(format!("the server sends on to {to} with credentials of its own: not followed")));
    }
    match from.is_same_origin(&to) {
        true => Ok(to.with_login(from.login.clone())),
        false => Ok(to.with_login(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(from: &str, location: &str) -> Result<Url> {
        follow(&Url::parse(from).unwrap(), Some(location))
    }

    #[test]
    fn up_to_https_and_never_down() {
        assert!(followed("http://a/", "https://a/").is_ok());
        assert!(followed("http://a/", "http://b/").is_ok());
        assert!(followed("https://a/", "https://b/").is_ok());
        assert!(followed("https://a/", "//b/x").unwrap().to_string().starts_with("https://b/x"));
        for location in
            ["http://a/", "HTTP://a/", "file:///etc/passwd", "ftp://a/", "gopher://a/", "data:x", "https://"]
        {
            assert!(followed("https://a/", location).is_err(), "{location}");
        }
        assert!(follow(&Url::parse("http://a/").unwrap(), None).is_err());
    }

    #[test]
    fn credentials_stay_where_they_were_given() {
        let keeps = |from: &str, location: &str| followed(from, location).unwrap().login.is_some();
        assert!(keeps("https://u:p@a/x", "/y"));
        assert!(keeps("https://u:p@a/x", "https://A:443/y"));
        for location in ["https://b/", "https://a:444/", "//a.b/", "https://b.a/"] {
            assert!(!keeps("https://u:p@a/x", location), "{location}");
        }
        assert!(!keeps("http://u:p@a/x", "https://a/"));
        assert!(followed("https://a/x", "https://u:p@b/").is_err());
        assert!(!keeps("https://u:p@a/x", "https://u:p@b/"));
    }
}
