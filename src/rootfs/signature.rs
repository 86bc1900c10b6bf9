//! Whether bytes were signed with somebody's key: minisign's and signify's Ed25519 signatures, checked while the bytes pass.

use crate::digest::blake2b::Blake2b;
use crate::digest::is_signed;
use crate::error::{Error, Result};
use crate::text::minisign::{PublicKey, Signature, render_id};

/// Ed25519 takes the signed bytes as a whole: only of this many are they kept. What is larger is signed by its hash, as
/// minisign has done since 0.10, or by a checksum file.
pub const UNHASHED_MAX: usize = 64 << 20;

/// Takes the bytes piece by piece, and says at the end.
#[derive(Debug)]
pub struct Verifier {
    key: PublicKey,
    signature: Signature,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Hashed(Box<Blake2b>),
    Whole(Vec<u8>),
}

impl Verifier {
    /// Errors: `Invalid` when the signature is another key's, or its trusted comment is not signed by it.
    pub fn new(key: PublicKey, signature: Signature) -> Result<Verifier> {
        if key.id != signature.id {
            let (signed, given) = (render_id(&signature.id), render_id(&key.id));
            return Err(Error::invalid(format!("the signature was made with the key {signed}, not with {given}")));
        }
        if let Some(trusted) = &signature.trusted {
            let signed = [&signature.bytes[..], &trusted.comment].concat();
            if !is_signed(&signed, &trusted.signature, &key.key) {
                return Err(Error::invalid("the trusted comment is not what the key's owner wrote"));
            }
        }
        let bytes = if signature.prehashed { Bytes::Hashed(Box::default()) } else { Bytes::Whole(Vec::new()) };
        Ok(Verifier { key, signature, bytes })
    }

    /// Errors: `Invalid` when a signature of the bytes themselves is of too many.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.bytes {
            Bytes::Hashed(hasher) => hasher.update(bytes),
            Bytes::Whole(all) if all.len().saturating_add(bytes.len()) <= UNHASHED_MAX => all.extend_from_slice(bytes),
            Bytes::Whole(_) => {
                return Err(Error::invalid(format!(
                    "a signature that is not of a hash is checked of at most {UNHASHED_MAX} bytes: \
                     sign with minisign -H, or sign a checksum file and give it with --sums"
                )));
            }
        }
        Ok(())
    }

    /// The trusted comment, foreign text that is the key owner's, if there is one. Errors: `Invalid`.
    pub fn finish(self) -> Result<Option<Vec<u8>>> {
        let message = match self.bytes {
            Bytes::Hashed(hasher) => hasher.finish().to_vec(),
            Bytes::Whole(all) => all,
        };
        if !is_signed(&message, &self.signature.bytes, &self.key.key) {
            let id = render_id(&self.key.id);
            return Err(Error::invalid(format!("the signature is not of these bytes (the key is {id})")));
        }
        Ok(self.signature.trusted.map(|trusted| trusted.comment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::process::{Command, Stdio};

    /// Runs a tool in the directory; None when it is not here.
    fn run(scratch: &Scratch, tool: &str, arguments: &[&str]) -> Option<()> {
        let output =
            Command::new(tool).args(arguments).current_dir(scratch.path()).stdin(Stdio::null()).output().ok()?;
        assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(())
    }

    fn read(scratch: &Scratch, name: &str) -> Vec<u8> {
        std::fs::read(scratch.path().join(name)).unwrap()
    }

    fn verify(key: &[u8], signature: &[u8], bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut verifier = Verifier::new(PublicKey::parse(key)?, Signature::parse(signature)?)?;
        bytes.chunks(1000).try_for_each(|piece| verifier.update(piece))?;
        verifier.finish()
    }

    fn demand_right_and_every_change_wrong(key: &[u8], signature: &[u8], bytes: &[u8], comment: Option<&[u8]>) {
        assert_eq!(verify(key, signature, bytes).unwrap().as_deref(), comment);
        let mut other = bytes.to_vec();
        other[17] ^= 1;
        assert!(verify(key, signature, &other).unwrap_err().to_string().contains("not of these bytes"));
        assert!(verify(key, signature, &bytes[1..]).is_err());
        // Of the lines that are no untrusted comment, every byte counts.
        let start = signature.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in start..signature.len() - 1 {
            let mut other = signature.to_vec();
            other[at] ^= 1;
            assert!(verify(key, &other, bytes).is_err(), "{at}");
        }
    }

    #[test]
    fn what_minisign_signs() {
        let scratch = Scratch::in_memory("minisign");
        let bytes: Vec<u8> = (0..5000u32).map(|number| (number * 31) as u8).collect();
        std::fs::write(scratch.path().join("data"), &bytes).unwrap();
        let Some(()) = run(&scratch, "minisign", &["-G", "-W", "-p", "key.pub", "-s", "key"]) else {
            return eprintln!("skip: no minisign here");
        };
        let key = read(&scratch, "key.pub");
        for hashed in [&["-H"][..], &["-l"]] {
            let sign = ["-S", "-W", "-s", "key", "-m", "data", "-t", "a comment", "-x", "data.minisig"];
            run(&scratch, "minisign", &[&sign[..], hashed].concat());
            let signature = read(&scratch, "data.minisig");
            assert_eq!(Signature::parse(&signature).unwrap().prehashed, hashed == ["-H"]);
            demand_right_and_every_change_wrong(&key, &signature, &bytes, Some(b"a comment"));
        }
        run(&scratch, "minisign", &["-G", "-W", "-p", "other.pub", "-s", "other"]);
        let error = verify(&read(&scratch, "other.pub"), &read(&scratch, "data.minisig"), &bytes).unwrap_err();
        assert!(error.to_string().contains("was made with the key"), "{error}");
    }

    #[test]
    fn what_signify_signs() {
        let scratch = Scratch::in_memory("signify");
        let bytes = b"SHA256 (root.tar) = 0000\n".repeat(50);
        std::fs::write(scratch.path().join("data"), &bytes).unwrap();
        let Some(()) = run(&scratch, "signify-openbsd", &["-G", "-n", "-p", "key.pub", "-s", "key.sec"]) else {
            return eprintln!("skip: no signify-openbsd here");
        };
        run(&scratch, "signify-openbsd", &["-S", "-s", "key.sec", "-m", "data", "-x", "data.sig"]);
        demand_right_and_every_change_wrong(&read(&scratch, "key.pub"), &read(&scratch, "data.sig"), &bytes, None);
    }

    #[test]
    fn a_signature_of_too_many_bytes_says_what_to_do() {
        let signature = Signature { id: [0; 8], prehashed: false, bytes: [0; 64], trusted: None };
        let mut verifier = Verifier::new(PublicKey { id: [0; 8], key: [0; 32] }, signature).unwrap();
        verifier.update(&vec![0; UNHASHED_MAX]).unwrap();
        assert!(verifier.update(&[0]).unwrap_err().to_string().contains("minisign -H"));
    }
}
