//! One request and its answer, wherever redirects lead.

use crate::error::Error;
use crate::http::connect::{self, Connection};
use crate::http::head::Head;
use crate::http::payload::Payload;
use crate::http::proxy::{self, Proxy};
use crate::http::redirect::{self, HOPS_MAX};
use crate::http::retry::{Attempt, Failure};
use crate::http::url::{Scheme, Url};
use crate::http::wire::after;
use crate::http::{Net, basic};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Interim answers (1xx) before the real one.
const INTERIM_MAX: usize = 8;

/// What is wanted of an address.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub url: &'a Url,
    /// From which byte on, if the file is still the one that this validator names.
    pub rest: Option<(u64, &'a str)>,
}

pub struct Answer {
    pub head: Head,
    pub payload: Payload,
    /// Where the answer came from.
    pub url: Url,
}

/// Asks and follows. The answer is 200, or 206 or 416 when the rest was asked for.
pub fn ask(net: &Net, asked: Asked<'_>) -> Attempt<Answer> {
    let mut url = asked.url.clone();
    for _ in 0..=HOPS_MAX {
        let proxy = proxy::lookup(&net.environment, &url)?;
        let answer = once(net, &url, proxy.as_ref(), asked.rest)
            .map_err(|failure| place(failure, &url, asked.url, proxy.as_ref()))?;
        match (answer.head.status, asked.rest) {
            (200, _) | (206 | 416, Some(_)) => return Ok(answer),
            (status, _) if redirect::is_redirect(status) => {
                url = redirect::follow(&url, answer.head.field("location"))?;
            }
            _ => return Err(place(of_status(&answer.head, proxy.as_ref()), &url, asked.url, proxy.as_ref())),
        }
    }
    Err(Error::invalid(format!("the server sent on more than {HOPS_MAX} times, last to {url}")).into())
}

/// Says where an error happened, when that is not the address that everybody knows is being asked.
fn place(failure: Failure, url: &Url, first: &Url, proxy: Option<&Proxy>) -> Failure {
    let failure = match proxy {
        Some(proxy) => failure.context(format!("by the proxy {proxy}")),
        None => failure,
    };
    if url == first { failure } else { failure.context(format!("sent on to {url}")) }
}

fn of_status(head: &Head, proxy: Option<&Proxy>) -> Failure {
    match head.status {
        407 if proxy.is_some() => connect::refused(head),
        401 => Failure::Final(Error::failed(format!(
            "the server answered {}: it wants credentials (https://USER:PASSWORD@HOST/...)",
            head.status_text()
        ))),
        _ => Failure::of_status(head, seconds_now()),
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn once(net: &Net, url: &Url, proxy: Option<&Proxy>, rest: Option<(u64, &str)>) -> Attempt<Answer> {
    let mut connection = connect::open(net, url, proxy)?;
    let link = connection.reader.get_mut();
    link.write_all(request(url, proxy, rest).as_bytes())?;
    link.flush()?;
    connection.deadline.set(Some(after(net.pace.stall)));
    let head = final_head(&mut connection)?;
    connection.deadline.set(None);
    let framing = head.framing()?;
    Ok(Answer { head, payload: Payload::new(connection, framing), url: url.clone() })
}

fn final_head(connection: &mut Connection) -> Attempt<Head> {
    for _ in 0..=INTERIM_MAX {
        let head = connection.read_head()?;
        if head.status >= 200 {
            return Ok(head);
        }
        if head.status == 101 {
            break;
        }
    }
    Err(Error::invalid("the server answers without ever answering (1xx)").into())
}

/// The request's head. A proxy that is no tunnel is told the whole address, and its credentials.
fn request(url: &Url, proxy: Option<&Proxy>, rest: Option<(u64, &str)>) -> String {
    let direct = proxy.filter(|_| url.scheme == Scheme::Http);
    let target = direct.map_or_else(|| url.target().to_string(), |_| url.to_string());
    let mut text = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n", url.authority());
    text.push_str(concat!("User-Agent: sdme/", env!("CARGO_PKG_VERSION"), "\r\n"));
    text.push_str("Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
    let mut field = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    if let Some(login) = &url.login {
        field("Authorization", &basic::value(login));
    }
    if let Some(login) = direct.and_then(|proxy| proxy.login.as_ref()) {
        field("Proxy-Authorization", &basic::value(login));
    }
    if let Some((at, validator)) = rest {
        field("Range", &format!("bytes={at}-"));
        field("If-Range", validator);
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_as_they_are_sent() {
        let url = Url::parse("http://u:p@a:81/x?y#z").unwrap();
        let proxy = Proxy::parse("http://v:q@proxy:3128").unwrap();
        let plain = request(&url, None, None);
        assert!(plain.starts_with("GET /x?y HTTP/1.1\r\nHost: a:81\r\n"), "{plain}");
        assert!(plain.contains("\r\nAccept-Encoding: identity\r\n") && plain.ends_with("\r\n\r\n"));
        assert!(plain.contains("\r\nAuthorization: Basic dTpw\r\n") && !plain.contains("Range"));
        let relayed = request(&url, Some(&proxy), Some((5, "\"e\"")));
        assert!(relayed.starts_with("GET http://a:81/x?y HTTP/1.1\r\n"), "{relayed}");
        assert!(relayed.contains("\r\nProxy-Authorization: Basic djpx\r\n"));
        assert!(relayed.contains("\r\nRange: bytes=5-\r\nIf-Range: \"e\"\r\n"));
        let tunnelled = request(&Url::parse("https://a/").unwrap(), Some(&proxy), None);
        assert!(tunnelled.starts_with("GET / HTTP/1.1\r\nHost: a\r\n") && !tunnelled.contains("Proxy-"));
    }
}
