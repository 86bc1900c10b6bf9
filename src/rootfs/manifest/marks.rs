//! What in a tree would be an order to the overlay whose lower layer it becomes, looked for in its manifest. The writer lets none
//! of it into a tree; this is for a tree in which somebody else has written. Pure.

use crate::error::Result;
use crate::rootfs::manifest::compare::{demand_header, read_line};
use crate::rootfs::manifest::line;
use std::io::BufRead;

/// The first entry that is one, and what of it, as it stands in the manifest: printable.
pub fn overlay_mark(mut manifest: impl BufRead, header: &[u8]) -> Result<Option<(String, String)>> {
    demand_header(&mut manifest, header)?;
    while let Some(line) = read_line(&mut manifest)? {
        let (name, words) = line::split(&line);
        if let Some(mark) = mark(words) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Ok(Some((text(name), text(mark))));
        }
    }
    Ok(None)
}

fn mark(words: &[u8]) -> Option<&[u8]> {
    let is_mark = |word: &&[u8]| {
        *word == b"rdev=0:0" || word.starts_with(b"xattr.trusted.overlay.") || word.starts_with(b"xattr.user.overlay.")
    };
    let mark = words.split(|byte| *byte == b' ').find(is_mark)?;
    mark.split(|byte| *byte == b'=').next().filter(|key| *key != b"rdev").or(Some(b"a character device 0/0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &str) -> Option<(String, String)> {
        overlay_mark(format!("header\n{lines}").as_bytes(), b"header").unwrap()
    }

    #[test]
    fn orders_to_an_overlay_are_found_and_names_like_them_are_none() {
        assert_eq!(found(". type=d mode=0755\nrdev=0:0 type=f mode=0644\na type=l target=rdev=0:0\n"), None);
        assert_eq!(found("c type=c mode=0666 rdev=1:3\n"), None);
        let whiteout = found("a type=f\nw type=c mode=0000 uid=0 gid=0 mtime=1.0 rdev=0:0\n").unwrap();
        assert_eq!(whiteout, ("w".to_string(), "a character device 0/0".to_string()));
        let opaque = found("d type=d mode=0755 xattr.user.overlay.opaque=79\n").unwrap();
        assert_eq!(opaque.1, "xattr.user.overlay.opaque");
        assert!(found("d type=d xattr.trusted.overlay.redirect=2f\n").is_some());
        assert_eq!(found("d type=d xattr.user.overlays=79\n"), None);
    }
}
