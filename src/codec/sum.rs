//! The sum of bytes, which headers of tar have of themselves.

pub fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_once() {
        assert_eq!((sum(&[]), sum(&[255; 512]), sum(&[1; 77])), (0, 255 * 512, 77));
    }
}
