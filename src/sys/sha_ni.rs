//! SHA-256's compression function (FIPS 180-4) for two states that take the same bytes, by the processor's own instructions (the SHA
//! extensions of x86-64).
//!
//! One state waits for itself: each instruction needs what the one before it gave, and their unit is idle for half of the time. A
//! second state fills these gaps, and what both take (the message schedule) is made once: two digests for 1.3 of the time of one.

/// The words of a digest that is being taken.
pub type State = [u32; 8];

/// Bytes that are taken at a time.
pub const BLOCK: usize = 64;

pub use here::Instructions;

// What of the instructions is unsafe to call differs between the compilers that this is built with.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)]
mod here {
    use super::{BLOCK, State};
    use std::arch::x86_64::*;

    /// FIPS 180-4, 4.2.2.
    const K: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// This processor has them.
    #[derive(Debug, Clone, Copy)]
    pub struct Instructions(());

    impl Instructions {
        pub fn find() -> Option<Instructions> {
            let are_here = is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("sse4.1")
                && is_x86_feature_detected!("ssse3");
            are_here.then_some(Instructions(()))
        }

        /// Both take the whole blocks; what is left over is not taken.
        pub fn compress(self, one: &mut State, other: &mut State, bytes: &[u8]) {
            // SAFETY: the processor has these instructions, or there would be no `self`.
            unsafe { compress(one, other, bytes) }
        }
    }

    /// A state as the instructions want it: the words ABEF and CDGH.
    type Halves = (__m128i, __m128i);

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    unsafe fn compress(one: &mut State, other: &mut State, bytes: &[u8]) {
        // SAFETY: the caller has seen that the processor has the instructions; each load is of an array as long as what is loaded.
        unsafe {
            let big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
            let (mut p, mut q) = (halved(one), halved(other));
            for block in bytes.chunks_exact(BLOCK) {
                let words = |at: usize| _mm_shuffle_epi8(_mm_loadu_si128(block.as_ptr().add(at).cast()), big_endian);
                let (mut w0, mut w1, mut w2, mut w3) = (words(0), words(16), words(32), words(48));
                let before = (p, q);
                // Written out, as a loop over registers is none for a compiler that saves bytes.
                macro_rules! four_rounds {
                    ($group:literal, $w:ident) => {
                        let sum = _mm_add_epi32($w, _mm_loadu_si128(K[$group].as_ptr().cast()));
                        let high = _mm_shuffle_epi32(sum, 0x0e);
                        p.1 = _mm_sha256rnds2_epu32(p.1, p.0, sum);
                        q.1 = _mm_sha256rnds2_epu32(q.1, q.0, sum);
                        p.0 = _mm_sha256rnds2_epu32(p.0, p.1, high);
                        q.0 = _mm_sha256rnds2_epu32(q.0, q.1, high);
                    };
                    // The same, and the words that are wanted four groups later.
                    ($group:literal, $w:ident, $second:ident, $third:ident, $fourth:ident) => {
                        four_rounds!($group, $w);
                        let sum = _mm_add_epi32(_mm_sha256msg1_epu32($w, $second), _mm_alignr_epi8($fourth, $third, 4));
                        $w = _mm_sha256msg2_epu32(sum, $fourth);
                    };
                }
                four_rounds!(0, w0, w1, w2, w3);
                four_rounds!(1, w1, w2, w3, w0);
                four_rounds!(2, w2, w3, w0, w1);
                four_rounds!(3, w3, w0, w1, w2);
                four_rounds!(4, w0, w1, w2, w3);
                four_rounds!(5, w1, w2, w3, w0);
                four_rounds!(6, w2, w3, w0, w1);
                four_rounds!(7, w3, w0, w1, w2);
                four_rounds!(8, w0, w1, w2, w3);
                four_rounds!(9, w1, w2, w3, w0);
                four_rounds!(10, w2, w3, w0, w1);
                four_rounds!(11, w3, w0, w1, w2);
                four_rounds!(12, w0);
                four_rounds!(13, w1);
                four_rounds!(14, w2);
                four_rounds!(15, w3);
                (p, q) = (sum(p, before.0), sum(q, before.1));
            }
            (*one, *other) = (joined(p), joined(q));
        }
    }

    #[target_feature(enable = "sse2")]
    unsafe fn sum(one: Halves, other: Halves) -> Halves {
        // SAFETY: every x86-64 has them.
        unsafe { (_mm_add_epi32(one.0, other.0), _mm_add_epi32(one.1, other.1)) }
    }

    #[target_feature(enable = "sse2")]
    unsafe fn halved(state: &State) -> Halves {
        let [a, b, c, d, e, f, g, h] = state.map(|word| word as i32);
        // SAFETY: every x86-64 has them.
        unsafe { (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)) }
    }

    #[target_feature(enable = "sse2")]
    unsafe fn joined((abef, cdgh): Halves) -> State {
        let (mut low, mut high) = ([0u32; 4], [0u32; 4]);
        // SAFETY: every x86-64 has them.
        unsafe {
            _mm_storeu_si128(low.as_mut_ptr().cast(), abef);
            _mm_storeu_si128(high.as_mut_ptr().cast(), cdgh);
        }
        let ([f, e, b, a], [h, g, d, c]) = (low, high);
        [a, b, c, d, e, f, g, h]
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod here {
    use super::State;

    /// There are none that are used here.
    #[derive(Debug, Clone, Copy)]
    pub enum Instructions {}

    impl Instructions {
        pub fn find() -> Option<Instructions> {
            None
        }

        pub fn compress(self, _: &mut State, _: &mut State, _: &[u8]) {
            match self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, 5.3.3.
    const FIRST: State =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

    #[test]
    fn both_take_whole_blocks_and_nothing_of_each_other() {
        let Some(instructions) = Instructions::find() else { return eprintln!("skip: no SHA instructions here") };
        // FIPS 180-4's "abc", with the filling and the length of 5.1.1.
        let mut block = [0; BLOCK + 3];
        block[..4].copy_from_slice(b"abc\x80");
        block[BLOCK - 1] = 24;
        let (mut one, mut other) = (FIRST, [7; 8]);
        instructions.compress(&mut one, &mut other, &block);
        let abc =
            [0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223, 0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad];
        assert_eq!(one, abc);
        let (mut alone, mut nobody) = ([7; 8], [0; 8]);
        instructions.compress(&mut alone, &mut nobody, &block[..BLOCK]);
        assert_eq!(other, alone);
    }
}
