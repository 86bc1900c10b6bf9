//! BLAKE2b-512 without a key (RFC 7693): what minisign hashes a file with before it signs.
//!
//! Our own, because it is this page: the crate that does it brings six more with it.

/// Bytes of one block.
const BLOCK: usize = 128;

const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The order in which each round takes the words of a block; the last two of twelve repeat the first two.
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// Takes bytes piece by piece.
#[derive(Debug, Clone)]
pub struct Blake2b {
    state: [u64; 8],
    /// Bytes that were compressed.
    taken: u128,
    /// What waits: a full block too, as the last one is compressed in another way.
    block: [u8; BLOCK],
    filled: usize,
}

impl Default for Blake2b {
    fn default() -> Blake2b {
        let mut state = IV;
        // The parameter block: 64 bytes of digest, no key, no tree.
        state[0] ^= 0x0101_0000 ^ 64;
        Blake2b { state, taken: 0, block: [0; BLOCK], filled: 0 }
    }
}

impl Blake2b {
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == BLOCK {
                self.compress(false);
            }
            let room = self.block.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.filled += now.len();
            bytes = later;
        }
    }

    pub fn finish(mut self) -> [u8; 64] {
        self.block.iter_mut().skip(self.filled).for_each(|byte| *byte = 0);
        self.compress(true);
        let mut digest = [0; 64];
        for (to, word) in digest.chunks_exact_mut(8).zip(self.state) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// The function F of the RFC over the block that waits.
    fn compress(&mut self, last: bool) {
        self.taken += self.filled as u128;
        self.filled = 0;
        let mut message = [0u64; 16];
        for (word, bytes) in message.iter_mut().zip(self.block.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        let mut v = [0u64; 16];
        v[..8].copy_from_slice(&self.state);
        v[8..].copy_from_slice(&IV);
        v[12] ^= self.taken as u64;
        v[13] ^= (self.taken >> 64) as u64;
        if last {
            v[14] = !v[14];
        }
        for round in 0..12 {
            mix_round(&mut v, &message, &SIGMA[round % 10]);
        }
        for (word, (low, high)) in self.state.iter_mut().zip(v[..8].iter().zip(&v[8..])) {
            *word ^= low ^ high;
        }
    }
}

/// Mixes the columns, then the diagonals.
fn mix_round(v: &mut [u64; 16], message: &[u64; 16], order: &[usize; 16]) {
    mix(v, [0, 4, 8, 12], message[order[0]], message[order[1]]);
    mix(v, [1, 5, 9, 13], message[order[2]], message[order[3]]);
    mix(v, [2, 6, 10, 14], message[order[4]], message[order[5]]);
    mix(v, [3, 7, 11, 15], message[order[6]], message[order[7]]);
    mix(v, [0, 5, 10, 15], message[order[8]], message[order[9]]);
    mix(v, [1, 6, 11, 12], message[order[10]], message[order[11]]);
    mix(v, [2, 7, 8, 13], message[order[12]], message[order[13]]);
    mix(v, [3, 4, 9, 14], message[order[14]], message[order[15]]);
}

/// The function G of the RFC.
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], x: u64, y: u64) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(24);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(63);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8], piece: usize) -> String {
        let mut hasher = Blake2b::default();
        bytes.chunks(piece).for_each(|piece| hasher.update(piece));
        hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn b2sum(bytes: &[u8]) -> Option<String> {
        use std::process::{Command, Stdio};
        let mut child = Command::new("b2sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        std::io::Write::write_all(&mut child.stdin.take()?, bytes).ok()?;
        String::from_utf8(child.wait_with_output().ok()?.stdout).ok()
    }

    /// RFC 7693, appendix A, and the empty input of the reference implementation's list.
    #[test]
    fn digests_of_known_bytes() {
        let abc = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                   7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
        let empty = "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419\
                     d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce";
        assert_eq!(hex(b"abc", 1), abc);
        assert_eq!(hex(b"", 1), empty);
    }

    #[test]
    fn every_length_is_what_b2sum_says() {
        let mut lengths: Vec<usize> = (120..=136).chain(250..=260).collect();
        lengths.extend([1, 511, 512, 513, 4095, 4096, 10_000]);
        let bytes: Vec<u8> = (0..10_000u32).map(|number| (number * 7 + number / 251) as u8).collect();
        for length in lengths {
            let Some(told) = b2sum(&bytes[..length]) else { return eprintln!("skip: no b2sum here") };
            for piece in [1, 127, 128, 129, 10_000] {
                assert_eq!(hex(&bytes[..length], piece), told[..128], "{length} bytes by {piece}");
            }
        }
    }
}
