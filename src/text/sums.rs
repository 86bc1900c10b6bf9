//! Checksum files: which digest one says a file has. The forms of GNU's tools (`HASH  NAME`, `HASH *NAME`), of BSD's and
//! OpenSSL's (`SHA256 (NAME) = HASH`), and a hash alone.
//!
//! The algorithm is told by the length, as by the tools themselves; sha256 and sha512 count, weaker ones do not. Lines that
//! are neither (comments, a PGP frame around them) are passed over: none of them can name the file.

use crate::error::{Error, Kind, Result};

/// No such file is larger: a line takes a hundred bytes.
pub const BYTES_MAX: usize = 16 << 20;

/// Hexadecimal digits of a sha256 and of a sha512.
const SHA256: usize = 64;
const SHA512: usize = 128;
/// MD5 has 32; what is shorter is no hash.
const SHORTEST: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// None: the hash stands alone.
    name: Option<Vec<u8>>,
    /// In lower case.
    hex: String,
}

/// The digest of the file called `name`, as `sha256:HEX` or `sha512:HEX`; the stronger one when both are told.
///
/// A line whose whole name this is goes before lines that have a directory in front of it. Errors: `NotFound` when no
/// line is the file's, `Invalid` when lines of it disagree or only weaker hashes are told.
pub fn lookup(text: &[u8], name: &[u8]) -> Result<String> {
    if text.len() > BYTES_MAX {
        return Err(Error::invalid(format!("it is no checksum file: it has more than {BYTES_MAX} bytes")));
    }
    // What some editors put in front of UTF-8.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines: Vec<Line> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
    let chosen = candidates(&lines, name);
    if lines.is_empty() {
        return Err(Error::new(Kind::NotFound, "it is no checksum file: it has no sums"));
    }
    if chosen.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("none of its {} sums is of {:?}", lines.len(), shown(name))));
    }
    let strongest = agreed(&chosen, SHA512, name)?.map(|hex| format!("sha512:{hex}"));
    let usual = agreed(&chosen, SHA256, name)?.map(|hex| format!("sha256:{hex}"));
    let weak = || Error::invalid(format!("it has no sha256 or sha512 of {:?}, only weaker sums", shown(name)));
    strongest.or(usual).ok_or_else(weak)
}

fn candidates<'a>(lines: &'a [Line], name: &[u8]) -> Vec<&'a Line> {
    if let [only @ Line { name: None, .. }] = lines {
        return vec![only];
    }
    let named = |accepts: fn(&[u8], &[u8]) -> bool| -> Vec<&Line> {
        lines.iter().filter(|line| line.name.as_ref().is_some_and(|known| accepts(known, name))).collect()
    };
    let exact = named(|known, name| known.strip_prefix(b"./").unwrap_or(known) == name);
    if exact.is_empty() { named(|known, name| known.rsplit(|byte| *byte == b'/').next() == Some(name)) } else { exact }
}

/// What all lines with a hash of this length say; None when there is none.
fn agreed<'a>(lines: &[&'a Line], digits: usize, name: &[u8]) -> Result<Option<&'a str>> {
    let mut hashes = lines.iter().map(|line| line.hex.as_str()).filter(|hex| hex.len() == digits);
    let first = hashes.next();
    match hashes.find(|other| Some(*other) != first) {
        None => Ok(first),
        Some(_) => Err(Error::invalid(format!("it has several sums of {:?} that differ", shown(name)))),
    }
}

fn line(text: &[u8]) -> Option<Line> {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let (escaped, text) = match text.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (name, hex) = bsd(text).or_else(|| gnu(text))?;
    let name = match (name, escaped) {
        (Some(name), true) => Some(unescaped(name)?),
        (name, _) => name.map(<[u8]>::to_vec),
    };
    Some(Line { name, hex })
}

type Parts<'a> = (Option<&'a [u8]>, String);

/// The hash, then nothing, or a space, a second one or `*`, and the name. (One space alone is an old BSD's.)
fn gnu(text: &[u8]) -> Option<Parts<'_>> {
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let hex = hex(digits)?;
    if rest.trim_ascii().is_empty() {
        return Some((None, hex));
    }
    let name = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"\t"))?;
    Some((Some(name.strip_prefix(b" ").or_else(|| name.strip_prefix(b"*")).unwrap_or(name)), hex))
}

/// `SHA256 (NAME) = HASH`; OpenSSL leaves the first and second space out. The name may itself hold `) = `.
fn bsd(text: &[u8]) -> Option<Parts<'_>> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let last = |end: &[u8]| text.windows(end.len()).rposition(|there| there == end);
    let close = last(b") =").max(last(b")="))?;
    let algorithm = text.get(..open)?.trim_ascii_end();
    let name = text.get(open + 1..close)?;
    let rest = text.get(close + 1..)?.trim_ascii();
    let hex = hex(rest.strip_prefix(b"=")?.trim_ascii())?;
    let digits = match algorithm {
        b"SHA256" | b"SHA2-256" => SHA256,
        b"SHA512" | b"SHA2-512" => SHA512,
        // Others may be as long as one of these: none of theirs may be taken for it.
        _ => return Some((Some(name), String::new())),
    };
    (hex.len() == digits).then_some((Some(name), hex))
}

fn hex(digits: &[u8]) -> Option<String> {
    let is_hash = (SHORTEST..=SHA512).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    is_hash.then(|| digits.iter().map(|digit| char::from(digit.to_ascii_lowercase())).collect())
}

/// GNU's tools write a backslash in front of a line whose name has one, a line feed or a carriage return in it.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(plain)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: impl AsRef<[u8]>, name: &str) -> String {
        lookup(text.as_ref(), name.as_bytes()).unwrap_or_else(|error| error.to_string())
    }

    fn hash(digit: &str) -> String {
        digit.repeat(64)
    }

    #[test]
    fn each_form_names_its_file() {
        let (a, b) = (hash("a"), hash("b"));
        for text in [
            format!("{b}  other\n{a}  root.tar.xz\n"),
            format!("{b} *other\n{a} *root.tar.xz\n"),
            format!("{b} other\n{a} root.tar.xz"),
            format!("{b}  other\r\n{a}  root.tar.xz\r\n"),
            format!("SHA256 (other) = {b}\nSHA256 (root.tar.xz) = {a}\n"),
            format!("SHA256(other)= {b}\nSHA256(root.tar.xz)= {a}\n"),
            format!("SHA2-256(root.tar.xz)= {a}\n"),
            format!("{b}  old/root.tar.xz\n{a}  ./root.tar.xz\n"),
            format!("{b}  root.tar.xz.asc\n{a}  2024/root.tar.xz\n"),
            format!("{}  root.tar.xz\n", a.to_uppercase()),
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# root.tar.xz: 12 bytes\nSHA256 (root.tar.xz) = {a}\n-----BEGIN PGP SIGNATURE-----\niQIz\n"
            ),
            format!("MD5 (root.tar.xz) = {}\nSHA256 (root.tar.xz) = {a}\n", "1".repeat(32)),
            format!("BLAKE2s (root.tar.xz) = {b}\nSHA256 (root.tar.xz) = {a}\n"),
            format!("{a}\n"),
            a.clone(),
            format!("{a}  \n\n"),
        ] {
            assert_eq!(told(&text, "root.tar.xz"), format!("sha256:{a}"), "{text}");
        }
    }

    #[test]
    fn the_stronger_of_two_is_taken() {
        let text = format!("SHA256 (x) = {}\nSHA512 (x) = {}\n", hash("a"), hash("b").repeat(2));
        assert_eq!(told(text, "x"), format!("sha512:{}", "b".repeat(128)));
    }

    #[test]
    fn escaped_names() {
        let a = hash("a");
        assert_eq!(told(format!("\\{a}  a\\\\b\\nc\\rd\n"), "a\\b\nc\rd"), format!("sha256:{a}"));
        assert_eq!(told(format!("\\SHA256 (a\\nb) = {a}\n"), "a\nb"), format!("sha256:{a}"));
        assert_eq!(told(format!("{a}  a\\nb\n"), "a\\nb"), format!("sha256:{a}"));
        assert!(told(format!("\\{a}  a\\xb\n"), "a\\xb").contains("it has no sums"));
        assert_eq!(told(format!("SHA256 (a) = b) = {a}\n"), "a) = b"), format!("sha256:{a}"));
        assert_eq!(told(format!("SHA256 (a (b)) = {a}\n"), "a (b)"), format!("sha256:{a}"));
        assert_eq!(told(format!("SHA256 (a)=b) = {a}\n"), "a)=b"), format!("sha256:{a}"));
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        let (a, b) = (hash("a"), hash("b"));
        assert_eq!(told(format!("{a}  x\n{b}  x\n"), "x"), "it has several sums of \"x\" that differ");
        assert_eq!(told(format!("{a}  p/x\n{b}  q/x\n"), "x"), "it has several sums of \"x\" that differ");
        assert_eq!(told(format!("{a}  x\n{a}  x\n"), "x"), format!("sha256:{a}"));
        assert_eq!(told(format!("{a}  y\n{b}  z\n"), "x"), "none of its 2 sums is of \"x\"");
        assert_eq!(told(format!("{a}\n{b}\n"), "x"), "none of its 2 sums is of \"x\"");
        assert_eq!(told(format!("{a}\n{b}  y\n"), "x"), "none of its 2 sums is of \"x\"");
        assert_eq!(told(format!("\u{feff}{a} *x\r\n"), "x"), format!("sha256:{a}"));
        assert_eq!(told("", "x"), "it is no checksum file: it has no sums");
        assert_eq!(told("<html>", "x"), "it is no checksum file: it has no sums");
        let md5 = "1".repeat(32);
        assert_eq!(told(format!("{md5}  x\n"), "x"), "it has no sha256 or sha512 of \"x\", only weaker sums");
        assert_eq!(told(&md5, "x"), "it has no sha256 or sha512 of \"x\", only weaker sums");
        assert_eq!(told(format!("MD5 (x) = {md5}\n"), "x"), "it has no sha256 or sha512 of \"x\", only weaker sums");
        assert_eq!(told(format!("{}  x\n", &a[1..]), "x"), "it has no sha256 or sha512 of \"x\", only weaker sums");
        assert_eq!(told(format!("SHA512 (x) = {a}\n"), "x"), "it is no checksum file: it has no sums");
        assert!(told(vec![b'\n'; BYTES_MAX + 1], "x").contains("no checksum file"));
    }

    /// The tools' own words, where they are.
    #[test]
    fn what_the_tools_write() {
        let scratch = crate::sys::tree::Scratch::new("sums");
        for name in ["plain", "with space", "back\\slash", "line\nfeed", "a) = b"] {
            std::fs::write(scratch.path().join(name), name).unwrap();
            let wanted = std::process::Command::new("sha256sum").arg("--").arg(scratch.path().join("plain")).output();
            if wanted.is_err() {
                return eprintln!("skip: no sha256sum here");
            }
            for (tool, options) in [("sha256sum", &[][..]), ("sha256sum", &["--tag"]), ("sha512sum", &["-b"])] {
                let mut command = std::process::Command::new(tool);
                let output = command.args(options).arg("--").arg(name).current_dir(scratch.path()).output().unwrap();
                let algorithm = crate::digest::Algorithm::from_name(tool.trim_end_matches("sum")).unwrap();
                let digest = crate::digest::Digest::of(algorithm, name.as_bytes()).to_string();
                assert_eq!(lookup(&output.stdout, name.as_bytes()).unwrap(), digest, "{tool} {options:?} {name:?}");
            }
        }
    }
}
