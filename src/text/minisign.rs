//! Keys and signatures as the files of minisign and of OpenBSD's signify hold them: a comment line, then base64 of an
//! algorithm (`Ed`: of the bytes, `ED`: of their BLAKE2b-512), a key's identity, and the key or the signature. minisign
//! adds a comment that is signed too.
//!
//! Formats only: whether a signature is right is told by `rootfs/signature`.

use crate::error::{Error, Result};
use crate::text::base64;

/// Neither file is larger: minisign's own limit of a comment is 1 KiB, and 8 KiB of a trusted one.
pub const BYTES_MAX: usize = 16 * 1024;

const UNTRUSTED: &[u8] = b"untrusted comment:";
const TRUSTED: &[u8] = b"trusted comment: ";

/// By which a signature says whose it is; chance, no digest.
pub type KeyId = [u8; 8];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub id: KeyId,
    /// An Ed25519 key.
    pub key: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub id: KeyId,
    /// Of the BLAKE2b-512 of the bytes, not of themselves.
    pub prehashed: bool,
    pub bytes: [u8; 64],
    pub trusted: Option<Trusted>,
}

/// minisign's trusted comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    pub comment: Vec<u8>,
    /// Of the signature's bytes and the comment.
    pub signature: [u8; 64],
}

impl PublicKey {
    /// The text of a key file, or its base64 line alone as minisign prints it. Errors: `Invalid`.
    pub fn parse(text: &[u8]) -> Result<PublicKey> {
        let fault = || Error::invalid("it is no public key of minisign or signify");
        let mut lines = lines(text).ok_or_else(fault)?.into_iter();
        let first = lines.next().ok_or_else(fault)?;
        let encoded = if first.starts_with(UNTRUSTED) { lines.next().ok_or_else(fault)? } else { first };
        if lines.next().is_some() {
            return Err(fault());
        }
        let (algorithm, id, key) = parts(encoded).ok_or_else(fault)?;
        if algorithm != *b"Ed" {
            return Err(fault());
        }
        Ok(PublicKey { id, key })
    }
}

impl Signature {
    /// The text of a signature file. Errors: `Invalid`.
    pub fn parse(text: &[u8]) -> Result<Signature> {
        let fault = || Error::invalid("it is no signature of minisign or signify");
        let lines = lines(text).ok_or_else(fault)?;
        let (encoded, trusted) = match lines.as_slice() {
            [first, encoded] if first.starts_with(UNTRUSTED) => (encoded, None),
            [first, encoded, comment, global] if first.starts_with(UNTRUSTED) => {
                (encoded, Some(trusted(comment, global).ok_or_else(fault)?))
            }
            _ => return Err(fault()),
        };
        let (algorithm, id, bytes) = parts(encoded).ok_or_else(fault)?;
        let prehashed = match &algorithm {
            b"Ed" => false,
            b"ED" => true,
            _ => return Err(fault()),
        };
        Ok(Signature { id, prehashed, bytes, trusted })
    }
}

/// An identity as minisign prints it.
pub fn render_id(id: &KeyId) -> String {
    id.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// Without the ends of the lines; what is behind the last one must be nothing.
fn lines(text: &[u8]) -> Option<Vec<&[u8]>> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Some(text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect())
}

/// Algorithm, identity, and the `N` bytes of a key or a signature.
fn parts<const N: usize>(encoded: &[u8]) -> Option<([u8; 2], KeyId, [u8; N])> {
    let bytes = base64::decode(encoded.trim_ascii())?;
    let (algorithm, rest) = bytes.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    Some((*algorithm, *id, rest.try_into().ok()?))
}

fn trusted(comment: &[u8], global: &[u8]) -> Option<Trusted> {
    let comment = comment.strip_prefix(TRUSTED)?.to_vec();
    let signature = base64::decode(global.trim_ascii())?.try_into().ok()?;
    Some(Trusted { comment, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(algorithm: &[u8; 2], length: usize) -> String {
        let mut bytes = algorithm.to_vec();
        bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend(std::iter::repeat_n(9, length));
        base64::encode(&bytes)
    }

    fn global() -> String {
        base64::encode(&[7; 64])
    }

    #[test]
    fn keys_of_both_programs() {
        let line = encoded(b"Ed", 32);
        let wanted = PublicKey { id: [1, 2, 3, 4, 5, 6, 7, 8], key: [9; 32] };
        for text in [
            line.clone(),
            format!("{line}\n"),
            format!("untrusted comment: minisign public key 0807060504030201\n{line}\n"),
            format!("untrusted comment: signify public key\n{line}"),
            format!("untrusted comment: x\r\n{line}\r\n"),
        ] {
            assert_eq!(PublicKey::parse(text.as_bytes()).unwrap(), wanted, "{text}");
        }
        assert_eq!(render_id(&wanted.id), "0807060504030201");
    }

    #[test]
    fn signatures_of_both_programs() {
        let text = format!("untrusted comment: verify with x.pub\n{}\n", encoded(b"Ed", 64));
        let signature = Signature::parse(text.as_bytes()).unwrap();
        assert_eq!((signature.prehashed, signature.bytes, &signature.trusted), (false, [9; 64], &None));
        let comment = "timestamp:1\tfile:x";
        let text = format!("untrusted comment: y\n{}\ntrusted comment: {comment}\n{}\n", encoded(b"ED", 64), global());
        let signature = Signature::parse(text.as_bytes()).unwrap();
        assert!(signature.prehashed);
        assert_eq!(signature.trusted, Some(Trusted { comment: comment.into(), signature: [7; 64] }));
        for end in 0..text.len() - 1 {
            // A whole signature without a trusted comment is signify's.
            let whole = text[..end].lines().count() == 2 && Signature::parse(&text.as_bytes()[..end]).is_ok();
            assert!(whole || Signature::parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let (key, sign) = (encoded(b"Ed", 32), encoded(b"Ed", 64));
        for text in [
            "".into(),
            "\n".into(),
            "untrusted comment: x\n".into(),
            encoded(b"ED", 32),
            encoded(b"RS", 32),
            encoded(b"Ed", 31),
            encoded(b"Ed", 33),
            format!("comment: x\n{key}\n"),
            format!("untrusted comment: x\n\n{key}\n"),
            format!("{key}\n{key}\n"),
            format!("{key}=\n"),
            "x".repeat(1 << 20),
        ] {
            assert!(PublicKey::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in [
            sign.clone(),
            format!("untrusted comment: x\n{key}\n"),
            format!("untrusted comment: x\n{}\n", encoded(b"RE", 64)),
            format!("untrusted comment: x\n{sign}\ntrusted comment: y\n"),
            format!("untrusted comment: x\n{sign}\nuntrusted comment: y\n{}\n", global()),
            format!("untrusted comment: x\n{sign}\ntrusted comment: y\n{}\nmore\n", global()),
            format!("untrusted comment: x\n{sign}\nthe message that signify -e puts behind\n"),
        ] {
            assert!(Signature::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
