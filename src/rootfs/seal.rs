//! What is checked of a source's bytes while they pass: their digest, always; whatever else was asked for. A tree counts
//! only when the seal has been seen.

use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::rootfs::signature::Verifier;
use crate::stream::tar::{ArchiveHasher, Digests};
use crate::stream::verify::{Piece, Verify, mismatch};
use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};

/// What the bytes must be, and who says so.
#[derive(Debug, Default)]
pub struct Demands {
    /// A digest and where it came from: "--sha256", a sums file.
    pub digest: Option<(Digest, String)>,
    pub signature: Option<Verifier>,
}

impl Demands {
    /// Whether nothing is demanded: then not all bytes need to be read.
    pub fn is_empty(&self) -> bool {
        self.digest.is_none() && self.signature.is_none()
    }

    /// Of a source that is no stream of bytes. Errors: `Usage` when anything is demanded.
    pub fn refuse_any(&self) -> Result<()> {
        match (&self.digest, &self.signature) {
            (None, None) => Ok(()),
            _ => Err(Error::usage("a directory has no checksum or signature: give an archive of it")),
        }
    }
}

/// What all bytes of a source came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub digest: Digest,
    /// Against what it was checked; empty when nothing was demanded.
    pub verified: String,
}

/// A source on its way to its seal.
pub struct Sealing<R, F> {
    /// Hands on and checks.
    pub reader: Verify<R, F>,
    /// Where the seal comes when it has been read to its end.
    pub seal: Receiver<Result<Seal>>,
    /// Should it be an archive as it is: where the digests of its files are told.
    pub digests: Digests,
}

pub fn sealing<R: Read>(
    source: R,
    mut demands: Demands,
) -> Sealing<R, impl FnMut(Piece<'_>) -> Result<()> + Send + use<R>> {
    let (told, seal) = sync_channel(1);
    let algorithm = demands.digest.as_ref().map_or(Algorithm::Sha256, |(digest, _)| digest.algorithm());
    let mut hasher = ArchiveHasher::new(algorithm);
    let digests = hasher.digests();
    let verify = move |piece: Piece<'_>| match piece {
        Piece::Bytes(bytes) => {
            hasher.update(bytes);
            demands.signature.as_mut().map_or(Ok(()), |verifier| verifier.update(bytes))
        }
        Piece::End => {
            // Nobody waits for it any more when the import has failed.
            let _ = told.try_send(judge(hasher.digest(), std::mem::take(&mut demands)));
            Ok(())
        }
    };
    Sealing { reader: Verify::new(source, verify), seal, digests }
}

/// Waits for the seal of a source that was read to its end.
pub fn seen(seal: &Receiver<Result<Seal>>) -> Result<Seal> {
    seal.recv()
        .unwrap_or_else(|_| Err(Error::invalid("what follows the archive was not read, so nothing is known of it")))
}

fn judge(found: Digest, demands: Demands) -> Result<Seal> {
    let mut verified = Vec::new();
    if let Some((expected, whence)) = demands.digest {
        if expected != found {
            return Err(mismatch(&expected.to_string(), &found.to_string(), &whence));
        }
        verified.push(whence);
    }
    if let Some(verifier) = demands.signature {
        let comment = verifier.finish()?;
        let comment = comment.map(|bytes| format!(" ({})", String::from_utf8_lossy(&bytes).trim()));
        verified.push(format!("signature{}", comment.unwrap_or_default()));
    }
    Ok(Seal { digest: found, verified: verified.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], demands: Demands) -> Result<Seal> {
        let Sealing { mut reader, seal, .. } = sealing(bytes, demands);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes);
        seen(&seal)
    }

    #[test]
    fn the_digest_is_of_all_bytes_and_a_wrong_one_names_both() {
        let expected = Digest::of(Algorithm::Sha512, b"abc");
        let demands = |whence: &str| Demands { digest: Some((expected, whence.into())), signature: None };
        assert_eq!(read(b"abc", demands("--sha512")).unwrap().verified, "--sha512");
        let error = read(b"abd", demands("SUMS")).unwrap_err().to_string();
        assert!(error.contains(&expected.to_string()) && error.contains("SUMS"), "{error}");
        let seal = read(b"abc", Demands::default()).unwrap();
        assert_eq!((seal.digest, seal.verified.as_str()), (Digest::of(Algorithm::Sha256, b"abc"), ""));
    }

    #[test]
    fn what_was_not_read_to_its_end_has_no_seal() {
        let Sealing { mut reader, seal, .. } = sealing(&b"abc"[..], Demands::default());
        reader.read_exact(&mut [0; 3]).unwrap();
        drop(reader);
        assert!(seen(&seal).is_err());
    }
}
