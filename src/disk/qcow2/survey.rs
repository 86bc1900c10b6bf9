//! A walk over all tables before anything is copied: how much there is, and that nothing is stored in two places.
//!
//! A table or a cluster that is used twice is how a small file would become a huge disk, or a walk without an end.

use crate::disk::ReadAt;
use crate::disk::qcow2::Image;
use crate::disk::qcow2::tables::Cluster;
use crate::error::{Error, Result};

/// Bytes of memory for what is known of each cluster of the file: enough for 1 TiB of clusters of 64 KiB. In a larger file
/// only the sum is compared.
const CLAIMS_MOST: u64 = 4 << 20;

/// What the tables say about the whole disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the disk that are stored as they are, compressed, and not at all.
    pub data: u64,
    pub compressed: u64,
    pub zero: u64,
}

impl Survey {
    /// The most that a raw copy with holes takes.
    pub fn stored(&self) -> u64 {
        self.data + self.compressed
    }
}

/// What clusters of the file are used for: two bits each.
struct Claims {
    cluster_bits: u32,
    bits: Vec<u8>,
    /// Bytes of all that is used, and how many there are.
    sum: u64,
    file_size: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A table, or a cluster that is stored as it is.
    Alone = 1,
    /// Parts of it, by clusters that are compressed.
    Shared = 2,
}

impl Claims {
    fn new(cluster_bits: u32, file_size: u64) -> Claims {
        let needed = (file_size >> cluster_bits) / 4 + 1;
        let length = if needed > CLAIMS_MOST { 0 } else { needed };
        Claims { cluster_bits, bits: vec![0; length as usize], sum: 0, file_size }
    }

    /// Of each cluster that is touched.
    fn claim(&mut self, at: u64, length: u64, new: Use) -> Result<()> {
        self.sum = self.sum.saturating_add(length);
        if self.sum > self.file_size.next_multiple_of(1 << self.cluster_bits) {
            return Err(Error::invalid("qcow2: the clusters in use are more than the file has: they overlap"));
        }
        let last = at.saturating_add(length.saturating_sub(1)) >> self.cluster_bits;
        (at >> self.cluster_bits..=last).try_for_each(|number| self.claim_one(number, new))
    }

    fn claim_one(&mut self, number: u64, new: Use) -> Result<()> {
        let Some(byte) = usize::try_from(number / 4).ok().and_then(|at| self.bits.get_mut(at)) else { return Ok(()) };
        let shift = number % 4 * 2;
        let old = *byte >> shift & 3;
        if old != 0 && (new == Use::Alone || old == Use::Alone as u8) {
            let at = number << self.cluster_bits;
            return Err(Error::invalid(format!(
                "qcow2: the cluster at {at} of the file is used for two things: tables or data overlap"
            )));
        }
        *byte |= (new as u8) << shift;
        Ok(())
    }
}

pub fn survey<F: ReadAt>(image: &Image<F>) -> Result<Survey> {
    let header = &image.header;
    let mut claims = Claims::new(header.cluster_bits, image.file_size);
    let mut survey = Survey::default();
    claims.claim(0, 1, Use::Alone)?;
    if header.l1_needed > 0 {
        claims.claim(header.l1_at, header.l1_needed * 8, Use::Alone)?;
    }
    for index in 0..header.l1_needed {
        let reach = header.l1_reach().min(header.size - index * header.l1_reach());
        // The lock is let go of here: who adds a table takes it again.
        let table = image.tables().l2(&image.file, index)?;
        match table {
            None => survey.zero += reach,
            Some(table) => {
                claims.claim(table, header.cluster_size(), Use::Alone)?;
                add_table(image, table, reach, &mut claims, &mut survey)?;
            }
        }
    }
    Ok(survey)
}

/// An L2 table, of which entries for so many bytes of the disk count.
fn add_table<F: ReadAt>(
    image: &Image<F>,
    table: u64,
    reach: u64,
    claims: &mut Claims,
    survey: &mut Survey,
) -> Result<()> {
    let size = image.header.cluster_size();
    let mut tables = image.tables();
    for index in 0..reach.div_ceil(size) {
        let needed = size.min(reach - index * size);
        match tables.cluster(&image.file, table, index, needed)? {
            Cluster::Unallocated => survey.zero += needed,
            Cluster::Standard { at, stored } => {
                let data = (size / 32 * u64::from(stored.count_ones())).min(needed);
                // One that is set apart and reads as zeros is not looked at, and qemu has let others use it.
                if data > 0 {
                    claims.claim(at, data, Use::Alone)?;
                }
                survey.data += data;
                survey.zero += needed - data;
            }
            Cluster::Compressed { at, length } => {
                // The sector in which one ends is also the next one's first.
                claims.claim(at, 1, Use::Shared)?;
                claims.claim_one(at.saturating_add(length - 1) >> image.header.cluster_bits, Use::Shared)?;
                survey.compressed += needed;
            }
        }
    }
    Ok(())
}
