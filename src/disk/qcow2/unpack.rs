//! Clusters that are compressed: raw deflate, or zstd.
//!
//! How long one is, is told in sectors: what follows its end is padding, or the next one, and is not looked at.

use crate::disk::qcow2::header::Compression;
use crate::error::{Context, Error, Result};
use crate::stream::zstd::Zstd;
use codec::inflate::{Inflate, Pause};
use std::io::{self, Cursor, Read};

/// zstd's window has no use for more than the largest cluster, which it reaches at the highest levels.
const ZSTD_WINDOW_MOST: u64 = 8 << 20;

/// What a thread needs to unpack clusters.
pub struct Unpacker {
    method: Compression,
    inflate: Inflate,
    zstd: Zstd<Cursor<Vec<u8>>>,
}

impl Unpacker {
    pub fn new(method: Compression) -> Unpacker {
        let zstd = Zstd::new(Cursor::default(), ZSTD_WINDOW_MOST);
        Unpacker { method, inflate: Inflate::default(), zstd }
    }

    /// Fills the whole cluster.
    pub fn unpack(&mut self, packed: &[u8], cluster: &mut [u8]) -> Result<()> {
        match self.method {
            Compression::Zlib => self.inflate(packed, cluster),
            Compression::Zstd => self.zstd(packed, cluster).context("qcow2: a compressed cluster"),
        }
    }

    /// In the memory of the cluster before: that, mapped and given back for each, costs as much as what is done in it.
    fn zstd(&mut self, packed: &[u8], cluster: &mut [u8]) -> io::Result<()> {
        let mut source = self.zstd.restart(Cursor::default()).into_inner();
        source.clear();
        source.extend_from_slice(packed);
        self.zstd.restart(Cursor::new(source));
        self.zstd.read_exact(cluster)
    }

    fn inflate(&mut self, packed: &[u8], cluster: &mut [u8]) -> Result<()> {
        self.inflate.restart();
        let (mut rest, mut filled) = (packed, 0);
        loop {
            let outcome = self.inflate.unpack(rest);
            filled += self.inflate.read(&mut cluster[filled..]);
            let wrong = match outcome {
                // A stream that goes on is taken, as qemu takes it: all that the cluster holds is there.
                _ if filled == cluster.len() => return Ok(()),
                Ok((taken, Pause::Full)) => {
                    rest = &rest[taken..];
                    continue;
                }
                Ok(_) => "it ends too early",
                Err(corrupt) => corrupt.0,
            };
            return Err(Error::invalid(format!("qcow2: a compressed cluster: deflate: {wrong}")));
        }
    }
}
