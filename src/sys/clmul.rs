//! Folding of a reflected CRC of 64 bits by the processor's carry-less multiplication (PCLMULQDQ of x86-64): of any number of
//! blocks the sixteen bytes are made that have the same sum.
//!
//! Bytes are a polynomial over bits, the lowest bit of the first byte its highest power, and a sum is its remainder. So sixteen
//! bytes that stand `n` bits before others may be added to these once they are multiplied by x^n, of which the remainder does.
//! Four times sixteen bytes are on their way at once, as a multiplication waits for the one before it.

/// Bytes that are taken at a time.
pub const BLOCK: usize = 64;

/// What sixteen bytes are multiplied by: the first eight, and the others.
type Factors = [u64; 2];

/// A processor that can, and the factors of a polynomial.
#[derive(Debug, Clone, Copy)]
pub struct Folding {
    instructions: here::Instructions,
    /// To get over a block, and over sixteen bytes.
    block: Factors,
    lane: Factors,
}

impl Folding {
    /// For a polynomial, reflected. None where the processor does not have what it takes.
    pub fn find(polynomial: u64) -> Option<Folding> {
        // The first eight bytes stand 64 bits before the others. A product of two reflected words is reflected in 127 bits, not in
        // 128, which is a multiplication by x more: one less is left to do.
        let factors = |bits: u32| [power(polynomial, bits + 63), power(polynomial, bits - 1)];
        Some(Folding { instructions: here::find()?, block: factors(512), lane: factors(128) })
    }

    /// What stands for the whole blocks behind a register, of which there is at least one: their sum is that of these bytes
    /// behind a register of zero.
    pub fn fold(&self, register: u64, blocks: &[u8]) -> [u8; 16] {
        here::fold(self.instructions, self.block, self.lane, register, blocks)
    }
}

/// The remainder of x^n.
fn power(polynomial: u64, n: u32) -> u64 {
    (0..n).fold(1 << 63, |power, _| (power >> 1) ^ ((power & 1) * polynomial))
}

// What of the instructions is unsafe to call differs between the compilers that this is built with.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)]
mod here {
    use super::{BLOCK, Factors};
    use std::arch::x86_64::*;

    /// This processor has them.
    #[derive(Debug, Clone, Copy)]
    pub struct Instructions(());

    pub fn find() -> Option<Instructions> {
        is_x86_feature_detected!("pclmulqdq").then_some(Instructions(()))
    }

    pub fn fold(_: Instructions, block: Factors, lane: Factors, register: u64, blocks: &[u8]) -> [u8; 16] {
        // SAFETY: the processor has these instructions, or there would be no value of them.
        unsafe { folded(block, lane, register, blocks) }
    }

    #[target_feature(enable = "pclmulqdq,sse2")]
    unsafe fn folded(block: Factors, lane: Factors, register: u64, blocks: &[u8]) -> [u8; 16] {
        // SAFETY: the caller has seen that the processor has the instructions; each load is from inside a block, and an array of
        // bytes is what sixteen of them are.
        unsafe {
            let (far, near) = (loaded(block), loaded(lane));
            let (mut a, mut b, mut c, mut d) = (loaded([0; 2]), loaded([0; 2]), loaded([0; 2]), loaded([0; 2]));
            let mut register = loaded([register, 0]);
            for block in blocks.chunks_exact(BLOCK) {
                let lane = |at: usize| _mm_loadu_si128(block.as_ptr().add(at).cast());
                a = _mm_xor_si128(brought(a, far, lane(0)), register);
                b = brought(b, far, lane(16));
                c = brought(c, far, lane(32));
                d = brought(d, far, lane(48));
                register = loaded([0; 2]);
            }
            std::mem::transmute(brought(brought(brought(a, near, b), near, c), near, d))
        }
    }

    /// What stands before, brought to where the others are, and added to them.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    unsafe fn brought(before: __m128i, factors: __m128i, others: __m128i) -> __m128i {
        // SAFETY: as the caller's.
        unsafe {
            let first = _mm_clmulepi64_si128::<0x00>(before, factors);
            let second = _mm_clmulepi64_si128::<0x11>(before, factors);
            _mm_xor_si128(_mm_xor_si128(first, second), others)
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    unsafe fn loaded([first, second]: Factors) -> __m128i {
        // SAFETY: every x86-64 has it.
        unsafe { _mm_set_epi64x(second as i64, first as i64) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod here {
    use super::Factors;

    /// There are none that are used here.
    #[derive(Debug, Clone, Copy)]
    pub enum Instructions {}

    pub fn find() -> Option<Instructions> {
        None
    }

    pub fn fold(none: Instructions, _: Factors, _: Factors, _: u64, _: &[u8]) -> [u8; 16] {
        match none {}
    }
}
