//! The integrity checks of xz blocks (section 2.1.1.2 of `xz-file-format.txt`). One that is not known is refused: what
//! cannot be verified is not taken.

use crate::digest::{Algorithm, Hasher};
use crate::stream::invalid;
use crate::sys::clmul::{BLOCK, Folding};
use codec::crc64::{Crc64, POLYNOMIAL};
use std::io;
use zlib_rs::crc32::crc32;

/// Which check all blocks of a stream have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    None,
    Crc32,
    Crc64,
    Sha256,
}

impl Kind {
    pub fn parse(id: u8) -> io::Result<Kind> {
        match id {
            0 => Ok(Kind::None),
            1 => Ok(Kind::Crc32),
            4 => Ok(Kind::Crc64),
            10 => Ok(Kind::Sha256),
            _ => Err(invalid(format!("xz: unknown check {id}: the stream cannot be verified"))),
        }
    }

    /// Bytes of its field behind each block.
    pub fn length(self) -> usize {
        match self {
            Kind::None => 0,
            Kind::Crc32 => 4,
            Kind::Crc64 => 8,
            Kind::Sha256 => 32,
        }
    }
}

/// A check in the making.
pub enum Sum {
    None,
    Crc32(u32),
    /// And how most of the bytes are folded first, where the processor can.
    Crc64(Crc64, Option<Folding>),
    Sha256(Box<Hasher>),
}

impl Sum {
    pub fn new(kind: Kind) -> Sum {
        match kind {
            Kind::None => Sum::None,
            Kind::Crc32 => Sum::Crc32(0),
            Kind::Crc64 => Sum::Crc64(Crc64::default(), Folding::find(POLYNOMIAL)),
            Kind::Sha256 => Sum::Sha256(Box::new(Hasher::new(Algorithm::Sha256))),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Sum::None => {}
            Sum::Crc32(crc) => *crc = crc32(*crc, bytes),
            Sum::Crc64(crc, folding) => update(crc, folding.as_ref(), bytes),
            Sum::Sha256(hash) => hash.update(bytes),
        }
    }

    /// The bytes of the field that belongs behind the block.
    pub fn field(self) -> Vec<u8> {
        match self {
            Sum::None => Vec::new(),
            Sum::Crc32(crc) => crc.to_le_bytes().to_vec(),
            Sum::Crc64(crc, _) => crc.finish().to_le_bytes().to_vec(),
            Sum::Sha256(hash) => hash.finish().bytes().to_vec(),
        }
    }
}

fn update(crc: &mut Crc64, folding: Option<&Folding>, bytes: &[u8]) {
    let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
    match folding {
        Some(folding) if !blocks.is_empty() => {
            let folded = folding.fold(crc.take_register(), blocks);
            crc.update(&folded);
            crc.update(rest);
        }
        _ => crc.update(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length around the blocks, at every place in one, behind other bytes and none, beside the tables.
    #[test]
    fn folded_or_not_a_sum_is_the_same() {
        let Some(folding) = Folding::find(POLYNOMIAL) else {
            return eprintln!("skip: no carry-less multiplication here");
        };
        let bytes: Vec<u8> = (0..700u32).map(|number| (number * number / 7 + number / 251) as u8).collect();
        for before in 0..BLOCK {
            for length in (0..=3 * BLOCK + 17).chain([255, 256, 257, 511, 512, 600]) {
                let (head, rest) = bytes.split_at(before);
                let (mut crc, mut plain) = (Crc64::default(), Crc64::default());
                for bytes in [head, &rest[..length]] {
                    update(&mut crc, Some(&folding), bytes);
                    update(&mut plain, None, bytes);
                }
                assert_eq!(crc, plain, "{before} + {length}");
            }
        }
    }

    #[test]
    fn known_sums() {
        let sum = |kind| {
            let mut sum = Sum::new(kind);
            sum.update(b"12345678");
            sum.update(b"9");
            sum.field().iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(sum(Kind::Crc32), "cbf43926");
        assert_eq!(sum(Kind::Crc64), "995dc9bbdf1939fa");
        assert_eq!(sum(Kind::None), "");
        assert_eq!(
            Kind::parse(2).map_err(|error| error.to_string()).unwrap_err(),
            "xz: unknown check 2: the stream cannot be verified"
        );
    }
}
