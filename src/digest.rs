//! Digests as OCI and checksum files write them: an algorithm and its bytes; the one hasher. The only file that knows ring.
//!
//! Only sha256 and sha512 exist here, and a digest that was parsed has exactly its algorithm's length in lower-case
//! hexadecimal (image-spec 1.1, descriptor.md, "Registered algorithms"): its text is safe as a file name.

pub mod blake2b;
pub mod twin;

use crate::error::{Error, Result};
use std::fmt;

/// Bytes of the longest digest.
const LONGEST: usize = 64;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// As OCI, and the options of checksum tools, write it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Bytes of its digests.
    pub fn length(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zeros behind a shorter one.
    bytes: [u8; LONGEST],
}

impl Digest {
    /// `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits. Errors: `Invalid`, with the text.
    pub fn parse(text: &str) -> Result<Digest> {
        let fault = || Error::invalid(format!("{:?} is no sha256 or sha512 digest", shown(text)));
        let (name, hex) = text.split_once(':').ok_or_else(fault)?;
        let algorithm = Algorithm::from_name(name).ok_or_else(fault)?;
        Digest::from_hex(algorithm, hex).ok_or_else(fault)
    }

    /// None unless `hex` is exactly as long as the algorithm's digests are, and in lower case.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Digest> {
        let hex = hex.as_bytes();
        if hex.len() != 2 * algorithm.length() {
            return None;
        }
        let mut bytes = [0; LONGEST];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Some(Digest { algorithm, bytes })
    }

    pub fn of_sha256(sha256: [u8; 32]) -> Digest {
        let mut digest = Digest { algorithm: Algorithm::Sha256, bytes: [0; LONGEST] };
        digest.bytes.iter_mut().zip(sha256).for_each(|(to, from)| *to = from);
        digest
    }

    /// The digest of bytes in memory.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.length()).unwrap_or_default()
    }

    /// The digits alone.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
        let mut hex = String::with_capacity(2 * self.bytes().len());
        hex.extend(self.bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value of a lower-case hexadecimal digit.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// As much of a foreign text as belongs into a message.
fn shown(text: &str) -> &str {
    const MOST: usize = 160;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// Takes bytes piece by piece.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    context: ring::digest::Context,
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Hasher {
        let of_ring = match algorithm {
            Algorithm::Sha256 => &ring::digest::SHA256,
            Algorithm::Sha512 => &ring::digest::SHA512,
        };
        Hasher { algorithm, context: ring::digest::Context::new(of_ring) }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub fn finish(self) -> Digest {
        let mut bytes = [0; LONGEST];
        let digest = self.context.finish();
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Digest { algorithm: self.algorithm, bytes }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm.name())
    }
}

/// Whether `signature` of `message` was made with the private half of this Ed25519 key (RFC 8032).
pub fn is_signed(message: &[u8], signature: &[u8; 64], key: &[u8; 32]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_of_known_bytes() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
        // FIPS 180-2, the examples of "abc".
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(Digest::of(Algorithm::Sha256, b"abc").hex(), sha256);
        assert_eq!(Digest::of(Algorithm::Sha512, b"abc").hex(), sha512);
    }

    #[test]
    fn pieces_come_to_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..1000u32).map(|number| number as u8).collect();
        for algorithm in Algorithm::ALL {
            for length in [1, 63, 64, 65, 127, 128, 999] {
                let mut hasher = Hasher::new(algorithm);
                bytes.chunks(length).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.finish(), Digest::of(algorithm, &bytes), "{length}");
            }
        }
    }

    #[test]
    fn what_was_parsed_is_written_the_same() {
        for text in [EMPTY, &format!("sha512:{}", "0a".repeat(64))] {
            let digest = Digest::parse(text).unwrap();
            assert_eq!(digest.to_string(), text);
            assert_eq!(digest.bytes().len(), digest.algorithm().length());
        }
    }

    /// CVE-2024-3727, CVE-2026-48769: digests that are paths, or of another length, case or algorithm.
    #[test]
    fn digests_that_are_none_are_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "",
            ":",
            "sha256",
            "sha256:",
            hex,
            &format!("sha256:{}", &hex[1..]),
            &format!("sha256:{hex}0"),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("SHA256:{hex}"),
            &format!("sha512:{hex}"),
            &format!("sha384:{}", "0".repeat(96)),
            &format!("md5:{}", "0".repeat(32)),
            &format!("sha256:{hex}\n"),
            &format!(" sha256:{hex}"),
            &format!("sha256:../../{}", &hex[6..]),
            &format!("sha256:{}/{}", &hex[..31], &hex[32..]),
            &format!("sha256:{}\0", &hex[1..]),
            &format!("sha256:+{}", &hex[1..]),
            "sha256:../../../../etc/passwd",
            "../sha256:x",
            &format!("sha256:{}", "ä".repeat(32)),
        ] {
            let error = Digest::parse(text).unwrap_err().to_string();
            assert!(error.contains("is no sha256 or sha512 digest") && !error.contains('\n'), "{error}");
        }
        assert!(Digest::parse(&"x".repeat(1 << 20)).unwrap_err().to_string().len() < 300);
    }

    /// RFC 8032, 7.1, TEST 2.
    #[test]
    fn an_ed25519_signature_is_checked() {
        let bytes = |hex: &str| Digest::from_hex(Algorithm::Sha256, hex).unwrap().bytes().to_vec();
        let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = [
            bytes("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"),
            bytes("085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        ]
        .concat();
        let (key, mut signature) = (key.try_into().unwrap(), signature.try_into().unwrap());
        assert!(is_signed(&[0x72], &signature, &key));
        assert!(!is_signed(&[0x73], &signature, &key));
        signature[0] ^= 1;
        assert!(!is_signed(&[0x72], &signature, &key));
    }
}
