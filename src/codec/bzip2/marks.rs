//! Where a mark of 48 bits may stand, at any bit: whole bytes of it are looked for, two at a time.

use std::ops::Range;

/// Pi and the root of pi, in decimal digits: what blocks begin with, and the end of a stream.
pub const BLOCK: u64 = 0x3141_5926_5359;
pub const END: u64 = 0x1772_4538_5090;

/// Bytes from one look to the next: a mark has five whole bytes in a row wherever it begins, so one of their four pairs is seen.
const STEP: usize = 4;
/// So many bytes behind the first of such a pair a mark ends.
const NEAREST: usize = 2;
const FARTHEST: usize = 5;

/// By a byte, in which places of which marks it stands: a bit for each mark, shift and pair.
struct Places([u64; 256]);

static FIRST: Places = Places::of(0);
static SECOND: Places = Places::of(1);

impl Places {
    /// Of the first or the second bytes of pairs.
    const fn of(which: usize) -> Places {
        let mut places = [0; 256];
        let mut bit = 0;
        while bit < 64 {
            let mark = if bit < 32 { BLOCK } else { END };
            // In seven bytes, of which the first may be none of the mark's and the last is only in part.
            let (shift, pair) = (bit / 4 % 8, bit % 4);
            let byte = (mark << shift).to_be_bytes()[2 + pair + which];
            places[byte as usize] |= 1 << bit;
            bit += 1;
        }
        Places(places)
    }

    fn at(&self, byte: u8) -> u64 {
        self.0[usize::from(byte)]
    }
}

/// The next four bytes with one of which a mark may end that ends at `from` or behind: where they begin, perhaps a little before
/// `from`. Marks that end before them there are none.
pub fn suspects(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let begin = from.saturating_sub(FARTHEST);
    let groups = bytes.get(begin..).unwrap_or_default().chunks_exact(STEP);
    let rest = groups.remainder();
    let is_suspect = |group: &[u8]| match group {
        [first, second, ..] => FIRST.at(*first) & SECOND.at(*second) != 0,
        _ => false,
    };
    let pair = groups.chain([rest]).position(is_suspect).map(|number| begin + number * STEP)?;
    Some(pair + NEAREST..pair + FARTHEST + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where marks of this kind may end, as they are found by going on behind what was found.
    fn all(bytes: &[u8]) -> Vec<usize> {
        let (mut from, mut found) = (0, Vec::new());
        while let Some(suspects) = suspects(bytes, from) {
            found.extend(suspects.start.max(from)..suspects.end);
            from = suspects.end;
        }
        found
    }

    #[test]
    fn a_mark_is_suspected_wherever_it_stands() {
        for mark in [BLOCK, END] {
            for (shift, before) in (0..8).flat_map(|shift| (0..9).map(move |before| (shift, before))) {
                let mut bytes = vec![0xff; before];
                bytes.extend_from_slice(&(mark << shift).to_be_bytes()[1..]);
                let end = bytes.len() - 1;
                for behind in 0..9 {
                    assert!(all(&bytes).contains(&end), "{mark:x} by {shift} behind {before}, {behind} follow");
                    bytes.push(0xff);
                }
            }
        }
    }

    #[test]
    fn few_others_are() {
        let mut state = 1u64;
        let mut chance = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..1 << 20).map(|_| chance()).collect();
        assert!(all(&bytes).len() < bytes.len() / 100);
        assert_eq!((suspects(&bytes, bytes.len() + 9), suspects(&[], 0), suspects(&[0x41], 3)), (None, None, None));
    }
}
