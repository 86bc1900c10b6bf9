//! The sum of bytes, which headers of tar have of themselves.

/// So many bytes at their largest just fit in 16 bits: twice as many of these are added at a time as of 32.
const CHUNK: usize = 257;

pub fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(CHUNK).fold(0, |sum, chunk| sum.wrapping_add(u32::from(of_chunk(chunk))))
}

fn of_chunk(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_once() {
        assert_eq!((sum(&[]), sum(&[255; 512]), sum(&[1; 77]), sum(&[255; 257])), (0, 255 * 512, 77, 65_535));
    }
}
