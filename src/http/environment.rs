//! What the environment says to an HTTP client: the variables' names and which of two goes first, as curl(1) reads them.
//! Pure: lib.rs gives the lookup.

use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Clone, Default)]
pub struct Environment {
    pub http_proxy: Option<String>,
    pub https_proxy: Option<String>,
    pub all_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub ssl_cert_file: Option<PathBuf>,
    /// Directories, with colons between.
    pub ssl_cert_dir: Option<OsString>,
}

/// Proxies have passwords in them.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(...)")
    }
}

impl Environment {
    /// A variable that is empty counts as not set. `HTTP_PROXY` is not looked at: behind CGI it is a request's header "Proxy".
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Environment {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |names: &[&str]| names.iter().find_map(|name| set(name)).map(|it| it.to_string_lossy().into_owned());
        Environment {
            http_proxy: text(&["http_proxy"]),
            https_proxy: text(&["https_proxy", "HTTPS_PROXY"]),
            all_proxy: text(&["all_proxy", "ALL_PROXY"]),
            no_proxy: text(&["no_proxy", "NO_PROXY"]),
            ssl_cert_file: set("SSL_CERT_FILE").map(PathBuf::from),
            ssl_cert_dir: set("SSL_CERT_DIR"),
        }
    }

    /// The proxies as variables, for another program that is to go the same way.
    pub fn proxies(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("http_proxy", &self.http_proxy),
            ("https_proxy", &self.https_proxy),
            ("all_proxy", &self.all_proxy),
            ("no_proxy", &self.no_proxy),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_goes_first_and_upper_case_http_proxy_is_not_read() {
        let of = |pairs: &'static [(&str, &str)]| {
            Environment::read(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
        };
        let both = of(&[("https_proxy", "low"), ("HTTPS_PROXY", "up"), ("HTTP_PROXY", "cgi"), ("NO_PROXY", "x")]);
        assert_eq!(both.https_proxy.as_deref(), Some("low"));
        assert_eq!((both.http_proxy, both.no_proxy.as_deref()), (None, Some("x")));
        let empty = of(&[("https_proxy", ""), ("HTTPS_PROXY", "up"), ("SSL_CERT_FILE", "")]);
        assert_eq!((empty.https_proxy.as_deref(), empty.ssl_cert_file), (Some("up"), None));
    }
}
