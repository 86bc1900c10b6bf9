//! os-release(5): the few fields that say which system a tree holds. Total: what is malformed is skipped, as the
//! shell-like readers of other tools do.

/// An os-release file is about 500 bytes; what is beyond this is not read.
pub const OS_RELEASE_MAX: usize = 1 << 16;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OsRelease {
    pub id: String,
    /// "Debian GNU/Linux 12 (bookworm)".
    pub pretty_name: String,
    pub name: String,
    pub version_id: String,
}

impl OsRelease {
    /// Later assignments win, as in a shell. Bytes that are not UTF-8 become U+FFFD.
    pub fn parse(bytes: &[u8]) -> OsRelease {
        let text = String::from_utf8_lossy(bytes.get(..OS_RELEASE_MAX).unwrap_or(bytes));
        let mut release = OsRelease::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            let field = match key {
                "ID" => &mut release.id,
                "PRETTY_NAME" => &mut release.pretty_name,
                "NAME" => &mut release.name,
                "VERSION_ID" => &mut release.version_id,
                _ => continue,
            };
            if let Some(value) = unquoted(value) {
                *field = value;
            }
        }
        release
    }

    /// What to call the system: the pretty name, else name and version, else the id; empty when it says nothing.
    pub fn title(&self) -> String {
        if !self.pretty_name.is_empty() {
            return self.pretty_name.clone();
        }
        let name = if self.name.is_empty() { &self.id } else { &self.name };
        [name.as_str(), self.version_id.as_str()].join(" ").trim().to_string()
    }
}

/// A word in shell quoting: bare, 'single' or "double" quoted pieces, backslashes as the shell reads them.
/// None for an open quote, or words after the first.
fn unquoted(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => single(&mut letters, &mut value)?,
            '"' => double(&mut letters, &mut value)?,
            '\\' => value.push(letters.next()?),
            _ if letter.is_whitespace() => return letters.as_str().trim_start().starts_with('#').then_some(value),
            _ => value.push(letter),
        }
    }
    Some(value)
}

fn single(letters: &mut std::str::Chars<'_>, value: &mut String) -> Option<()> {
    loop {
        match letters.next()? {
            '\'' => return Some(()),
            letter => value.push(letter),
        }
    }
}

fn double(letters: &mut std::str::Chars<'_>, value: &mut String) -> Option<()> {
    loop {
        match letters.next()? {
            '"' => return Some(()),
            '\\' => match letters.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            letter => value.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n\
                          VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n";

    #[test]
    fn a_real_one() {
        let release = OsRelease::parse(DEBIAN.as_bytes());
        assert_eq!(release.id, "debian");
        assert_eq!(release.version_id, "12");
        assert_eq!(release.title(), "Debian GNU/Linux 12 (bookworm)");
    }

    #[test]
    fn quoting_is_the_shells() {
        for (text, value) in [
            ("plain", Some("plain")),
            ("'a \"b'", Some("a \"b")),
            ("\"a\\\"b\\$c\\d\"", Some("a\"b$c\\d")),
            ("a\\ b", Some("a b")),
            ("\"a\"'b'c", Some("abc")),
            ("", Some("")),
            ("a # comment", Some("a")),
            ("a b", None),
            ("\"open", None),
            ("'open", None),
            ("\\", None),
        ] {
            assert_eq!(unquoted(text).as_deref(), value, "{text:?}");
        }
    }

    #[test]
    fn the_title_makes_do_with_what_there_is() {
        assert_eq!(OsRelease::parse(b"NAME=Void\n").title(), "Void");
        assert_eq!(OsRelease::parse(b"ID=arch\nVERSION_ID=7").title(), "arch 7");
        assert_eq!(OsRelease::parse(b"PRETTY_NAME=\"open\n#x\n=\n\xff\xfe").title(), "");
        assert_eq!(OsRelease::parse(b"ID=a\r\nID=b\r\n").id, "b");
    }

    #[test]
    fn a_file_cut_or_endless_is_no_trouble() {
        for end in 0..DEBIAN.len() {
            OsRelease::parse(&DEBIAN.as_bytes()[..end]);
        }
        assert_eq!(OsRelease::parse(&vec![b'x'; OS_RELEASE_MAX * 2]).title(), "");
    }
}
