//! The head of a response: status line and fields (RFC 9112), bounded. Pure.

use crate::error::{Error, Result};
use crate::text::sanitize;

/// The bytes of a whole head; servers' own bounds on requests are 8 to 64 KiB.
pub const HEAD_MAX: usize = 64 << 10;
/// The fields of one.
const FIELDS_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// The server's word for the status, fit to be shown.
    pub reason: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// By the end of the connection.
    Close,
}

impl Head {
    /// Lines end in LF or CRLF; the empty line may be there or not.
    pub fn parse(bytes: &[u8]) -> Result<Head> {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let (status, reason) = parse_status(lines.next().unwrap_or_default())?;
        let mut fields = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if fields.len() == FIELDS_MAX {
                return Err(Error::invalid(format!("the server's answer has more than {FIELDS_MAX} header fields")));
            }
            fields.push(parse_field(line)?);
        }
        Ok(Head { status, reason, fields })
    }

    /// The first field of a name, in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |field| field.0 == name).map(|field| field.1.as_str())
    }

    /// What two readers could understand in two ways is refused.
    pub fn framing(&self) -> Result<Framing> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let encodings: Vec<&str> = self.all("transfer-encoding").collect();
        match (&encodings[..], &lengths[..]) {
            ([], []) => Ok(Framing::Close),
            ([], [first, rest @ ..]) if rest.iter().all(|other| other == first) => parse_length(first),
            ([one], []) if one.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            _ => Err(Error::invalid(format!(
                "the server's answer has Transfer-Encoding {encodings:?} and Content-Length {lengths:?}"
            ))),
        }
    }

    /// The bytes must be the file's own. Servers that know files by their names call a `.tar.gz` one that is encoded with gzip:
    /// what is taken is what curl and wget store, and its bytes tell what it is.
    pub fn refuse_encoding(&self) -> Result<()> {
        let is_other =
            |coding: &&str| ["", "identity", "gzip", "x-gzip"].iter().all(|own| !coding.eq_ignore_ascii_case(own));
        match self.all("content-encoding").find(is_other) {
            Some(coding) => Err(Error::invalid(format!(
                "the server sends Content-Encoding {coding:?} although only the file's own bytes were asked for"
            ))),
            None => Ok(()),
        }
    }

    /// "404 Not Found".
    pub fn status_text(&self) -> String {
        format!("{} {}", self.status, self.reason).trim_end().to_string()
    }
}

fn parse_length(text: &str) -> Result<Framing> {
    let length = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    length.map(Framing::Length).ok_or_else(|| Error::invalid(format!("Content-Length {text:?}")))
}

fn parse_status(line: &[u8]) -> Result<(u16, String)> {
    let invalid = || {
        let start = String::from_utf8_lossy(line.get(..40).unwrap_or(line)).into_owned();
        Error::invalid(format!("the server's answer does not begin as HTTP/1.1 does: {start:?}"))
    };
    let rest = line.strip_prefix(b"HTTP/1.").ok_or_else(invalid)?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(invalid)?;
    let (digits, reason) = rest.split_at_checked(3).ok_or_else(invalid)?;
    let sound = matches!(version, b"0 " | b"1 ") && matches!(reason.first(), None | Some(b' '));
    let digits = digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()).flatten();
    let status = digits.and_then(|digits| digits.parse().ok()).filter(|status| (100..600).contains(status));
    let status = status.filter(|_| sound).ok_or_else(invalid)?;
    Ok((status, sanitize::line(String::from_utf8_lossy(reason).trim()).to_string()))
}

fn parse_field(line: &[u8]) -> Result<(String, String)> {
    let invalid = || Error::invalid(format!("a header field of the server's is {:?}", String::from_utf8_lossy(line)));
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(invalid)?;
    let (name, value) = line.split_at(colon);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    // A line that begins with a blank would go on with the one before: nobody may send that any more (RFC 9112, 5.2).
    if name.is_empty() || !name.iter().all(token) || value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(invalid());
    }
    let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &str) -> Result<Framing> {
        Head::parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).and_then(|head| head.framing())
    }

    #[test]
    fn a_head_is_read() {
        let head =
            Head::parse(b"HTTP/1.1 206 Partial Content\r\nETag: \"x\" \r\nX-a:\r\nx-A:b\r\n\r\nrest: no\r\n").unwrap();
        assert_eq!((head.status, head.reason.as_str()), (206, "Partial Content"));
        assert_eq!((head.field("etag"), head.field("x-a"), head.field("rest")), (Some("\"x\""), Some(""), None));
        assert_eq!(Head::parse(b"HTTP/1.0 404\n\n").unwrap().status_text(), "404");
        assert!(!Head::parse(b"HTTP/1.1 404 \x1b[31mgone\n").unwrap().reason.contains('\x1b'));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for start in [
            "",
            "HTTP/2 200",
            "HTTP/1.2 200 OK",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 099 x",
            "ICY 200 OK",
            "<html>",
            "HTTP/1.1  200 OK",
        ] {
            assert!(Head::parse(format!("{start}\r\n\r\n").as_bytes()).is_err(), "{start}");
        }
        for field in ["x", ": y", "a b: c", " folded", "a: b\0c", "a: b\rc", "a\u{e9}: b"] {
            assert!(Head::parse(format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n").as_bytes()).is_err(), "{field:?}");
        }
        let many = "a: b\r\n".repeat(FIELDS_MAX + 1);
        assert!(Head::parse(format!("HTTP/1.1 200 OK\r\n{many}\r\n").as_bytes()).is_err());
    }

    #[test]
    fn a_body_ends_in_one_way_only() {
        assert_eq!(framing("").unwrap(), Framing::Close);
        assert_eq!(framing("Content-Length: 0\r\n").unwrap(), Framing::Length(0));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n").unwrap(), Framing::Length(5));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n").unwrap(), Framing::Chunked);
        for fields in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
        ] {
            assert!(framing(fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let refused = |value: &str| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {value}\r\n\r\n");
            Head::parse(head.as_bytes()).unwrap().refuse_encoding().is_err()
        };
        assert!(refused("br") && refused("identity, br") && refused("gzip, gzip"));
        assert!(!refused("identity") && !refused("") && !refused("gzip") && !refused("X-Gzip"));
    }
}
