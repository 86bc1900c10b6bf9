//! Going on where a body was cut: what identifies the file, and what a server's answer to a Range request says. Pure.
//!
//! Bytes of two files are never put together: without something that identifies the file nothing is resumed.

use crate::error::{Error, Result};
use crate::http::head::{Framing, Head};
use crate::text::time;

/// What a server's first answer says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The whole file's bytes, where the server knows.
    pub length: Option<u64>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// What its bytes are said to be; one and the same file may come in two forms.
    encoding: Option<String>,
    /// Last-Modified is a second or more older than the answer: a second write in the same second cannot have the same date.
    is_date_strong: bool,
}

impl Facts {
    /// Of an answer with the whole file.
    pub fn of(head: &Head) -> Result<Facts> {
        let length = match head.framing()? {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::Close => None,
        };
        let text = |name| head.field(name).filter(|value| !value.is_empty()).map(str::to_string);
        let seconds = |name| head.field(name).and_then(time::parse_http_date);
        let dates = seconds("last-modified").zip(seconds("date"));
        Ok(Facts {
            length,
            etag: text("etag"),
            last_modified: text("last-modified"),
            encoding: text("content-encoding"),
            is_date_strong: dates.is_some_and(|(modified, now)| modified < now),
        })
    }

    /// What If-Range may carry (RFC 9110, 13.1.5): a strong ETag, else a strong date.
    pub fn validator(&self) -> Option<&str> {
        match &self.etag {
            Some(etag) if is_strong(etag) => Some(etag),
            _ => self.last_modified.as_deref().filter(|_| self.is_date_strong),
        }
    }

    /// Fails when an answer is of another file than the first one was.
    fn check_same(&self, head: &Head) -> Result<()> {
        head.refuse_encoding()?;
        let now = |name| head.field(name).filter(|value| !value.is_empty());
        let told = [("etag", &self.etag), ("last-modified", &self.last_modified), ("content-encoding", &self.encoding)];
        for (name, before) in told {
            // A 206 need not repeat what the request said (RFC 9110, 15.3.7).
            let missing_is_fine = head.status == 206;
            if now(name) != before.as_deref() && !(missing_is_fine && now(name).is_none()) {
                return Err(changed(&format!("{name} was {before:?} and is {:?}", now(name))));
            }
        }
        Ok(())
    }

    /// An answer to a second request for the whole file, when nothing of the first answer's body has come.
    pub fn check_again(&self, head: &Head) -> Result<()> {
        self.check_same(head)?;
        match Facts::of(head)?.length == self.length {
            true => Ok(()),
            false => Err(changed("its length is another")),
        }
    }

    /// What the body of an answer to `bytes=at-` is: the rest alone, or all of it anew.
    pub fn check_resumed(&self, head: &Head, at: u64) -> Result<Resumed> {
        match head.status {
            206 => self.check_part(head, at),
            200 => self.check_whole(head),
            416 => self.check_nothing(head, at),
            _ => Err(Error::failed(format!("the server answered {}", head.status_text()))),
        }
    }

    fn check_part(&self, head: &Head, at: u64) -> Result<Resumed> {
        self.check_same(head)?;
        let text = head.field("content-range").ok_or_else(|| Error::invalid("a part without Content-Range"))?;
        let range = ContentRange::parse(text)?;
        if range.first != at {
            return Err(Error::invalid(format!("asked for the bytes from {at} on, the server sends {text:?}")));
        }
        if let Some((told, now)) = self.length.zip(range.complete) {
            if told != now {
                return Err(changed(&format!("it had {told} bytes and has {now}")));
            }
        }
        if self.length.is_some_and(|told| range.last >= told) {
            return Err(Error::invalid(format!("the server announced {} and sends {text:?}", self.told())));
        }
        let length = range.last - range.first + 1;
        match head.framing()? {
            Framing::Length(framed) if framed != length => {
                Err(Error::invalid(format!("Content-Range {text:?} and Content-Length {framed}")))
            }
            _ => Ok(Resumed { first: at, length: Some(length), complete: range.complete }),
        }
    }

    /// The server knows no ranges, or the file changed: only what identifies the file tells them apart.
    fn check_whole(&self, head: &Head) -> Result<Resumed> {
        self.check_again(head)?;
        match self.validator() {
            Some(_) => Ok(Resumed { first: 0, length: self.length, complete: self.length }),
            None => Err(changed("the server sends it all anew")),
        }
    }

    /// A chunked body that was cut before its last mark may have been whole. The file is the same: If-Range goes first, and
    /// for another file the whole of it would have come.
    fn check_nothing(&self, head: &Head, at: u64) -> Result<Resumed> {
        let complete = head.field("content-range").and_then(|text| number(text.trim().strip_prefix("bytes */")?));
        match complete == Some(at) && self.length.is_none_or(|told| told == at) {
            true => Ok(Resumed { first: at, length: Some(0), complete }),
            false => {
                Err(Error::invalid(format!("the server announced {} and has nothing after byte {at}", self.told())))
            }
        }
    }

    fn told(&self) -> String {
        self.length.map_or("no length".to_string(), |length| format!("{length} bytes"))
    }
}

/// What an answer to a Range request brings.
#[derive(Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The byte of the file with which the body begins.
    pub first: u64,
    pub length: Option<u64>,
    /// The whole file's bytes, where the server says so.
    pub complete: Option<u64>,
}

fn changed(how: &str) -> Error {
    Error::invalid(format!("the file changed on the server while it was read ({how}): begin again"))
}

/// Whether an ETag promises the same bytes, and is one.
fn is_strong(etag: &str) -> bool {
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains('"'))
}

/// `bytes FIRST-LAST/COMPLETE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    pub first: u64,
    pub last: u64,
    pub complete: Option<u64>,
}

impl ContentRange {
    pub fn parse(text: &str) -> Result<ContentRange> {
        Self::read(text).ok_or_else(|| Error::invalid(format!("Content-Range {text:?}")))
    }

    fn read(text: &str) -> Option<ContentRange> {
        let (unit, rest) = text.split_once(' ')?;
        let (range, complete) = rest.trim_start().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let complete = if complete == "*" { None } else { Some(number(complete)?) };
        let sound = unit.eq_ignore_ascii_case("bytes") && first <= last && last < complete.unwrap_or(u64::MAX);
        sound.then_some(ContentRange { first, last, complete })
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, fields: &str) -> Head {
        Head::parse(format!("HTTP/1.1 {status} x\n{fields}\n").as_bytes()).unwrap()
    }

    fn facts(fields: &str) -> Facts {
        Facts::of(&head(200, fields)).unwrap()
    }

    #[test]
    fn content_ranges() {
        let range = |first, last, complete| ContentRange { first, last, complete };
        assert_eq!(ContentRange::parse("bytes 0-0/1").unwrap(), range(0, 0, Some(1)));
        assert_eq!(ContentRange::parse("Bytes 5-9/*").unwrap(), range(5, 9, None));
        for text in [
            "",
            "bytes",
            "bytes */5",
            "bytes 5-4/9",
            "bytes 0-9/9",
            "bytes 0-9",
            "bytes -9/9",
            "bytes 0-/9",
            "bytes +1-2/9",
            "lines 0-1/9",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "bytes 0-1/x",
            "bytes=0-1/9",
        ] {
            assert!(ContentRange::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_identifies_a_file() {
        let old = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\nDate: Sun, 06 Nov 1994 08:49:38 GMT\n";
        let fresh = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\nDate: Sun, 06 Nov 1994 08:49:37 GMT\n";
        assert_eq!(facts("ETag: \"a\"\n").validator(), Some("\"a\""));
        assert_eq!(facts("ETag: W/\"a\"\n").validator(), None);
        assert_eq!(facts("ETag: a\n").validator(), None);
        assert_eq!(facts(&format!("ETag: W/\"a\"\n{old}")).validator(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(facts(fresh).validator(), None);
        assert_eq!(facts("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n").validator(), None);
    }

    #[test]
    fn the_rest_of_the_same_file_is_taken() {
        let first = facts("ETag: \"a\"\nContent-Length: 10\n");
        let resumed = |status, fields: &str| first.check_resumed(&head(status, fields), 4);
        let rest = Resumed { first: 4, length: Some(6), complete: Some(10) };
        assert_eq!(resumed(206, "ETag: \"a\"\nContent-Range: bytes 4-9/10\nContent-Length: 6\n").unwrap(), rest);
        assert_eq!(resumed(206, "Content-Range: bytes 4-9/10\n").unwrap(), rest);
        let part = resumed(206, "Content-Range: bytes 4-5/*\nTransfer-Encoding: chunked\n").unwrap();
        assert_eq!((part.first, part.length), (4, Some(2)));
        let unknown = facts("ETag: \"a\"\nTransfer-Encoding: chunked\n");
        let nothing = unknown.check_resumed(&head(416, "Content-Range: bytes */4\n"), 4).unwrap();
        assert_eq!(nothing, Resumed { first: 4, length: Some(0), complete: Some(4) });
        assert!(unknown.check_resumed(&head(416, "Content-Range: bytes */3\n"), 4).is_err());
        // A server that knows no ranges sends the same file from its first byte.
        assert_eq!(resumed(200, "ETag: \"a\"\nContent-Length: 10\n").unwrap().first, 0);
    }

    #[test]
    fn nothing_of_another_file_is_taken() {
        let first = facts("ETag: \"a\"\nContent-Length: 10\n");
        for (status, fields) in [
            (200, "ETag: \"b\"\nContent-Length: 10\n"),
            (200, "ETag: \"a\"\nContent-Length: 11\n"),
            (200, "Content-Length: 10\n"),
            (206, "ETag: \"b\"\nContent-Range: bytes 4-9/10\n"),
            (206, "ETag: \"a\"\nContent-Range: bytes 4-10/11\n"),
            (206, "ETag: \"a\"\nContent-Range: bytes 3-9/10\n"),
            (206, "ETag: \"a\"\nContent-Range: bytes 4-10/*\n"),
            (206, "ETag: \"a\"\nContent-Range: bytes 4-9/10\nContent-Length: 5\n"),
            (206, "ETag: \"a\"\nContent-Type: multipart/byteranges; boundary=x\n"),
            (206, "ETag: \"a\"\nContent-Range: bytes 4-9/10\nContent-Encoding: gzip\n"),
            (416, "ETag: \"a\"\nContent-Range: bytes */4\n"),
            (404, "ETag: \"a\"\n"),
        ] {
            assert!(first.check_resumed(&head(status, fields), 4).is_err(), "{status} {fields}");
        }
        assert!(facts("Content-Length: 10\n").check_resumed(&head(200, "Content-Length: 10\n"), 4).is_err());
    }
}
