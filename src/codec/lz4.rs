//! Blocks of lz4 (`doc/lz4_Block_format.md` of lz4); pure.

use crate::Corrupt;
use crate::copy::{self, SPARE};

/// The least that a match is.
const MATCH: usize = 4;

const CUT: Corrupt = Corrupt("a block is cut short");
const TOO_LARGE: Corrupt = Corrupt("a block holds more than it may");

/// Unpacks the block in the first `length` bytes of `block` to `start` in the window, at most `most` bytes. What stands before
/// is what matches refer to. Both have `SPARE` bytes behind. Gives the end of what was unpacked.
pub fn unpack(block: &[u8], length: usize, window: &mut [u8], start: usize, most: usize) -> Result<usize, Corrupt> {
    if block.len() < length + SPARE || window.len() < start + most + SPARE {
        return Err(CUT);
    }
    let (mut from, mut at, end) = (0, start, start + most);
    loop {
        let token = *block.get(from).filter(|_| from < length).ok_or(CUT)?;
        from += 1;
        let mut count = usize::from(token >> 4);
        if count == 15 {
            count += more(block, length, &mut from)?;
        }
        if count > length - from {
            return Err(CUT);
        }
        if count > end - at {
            return Err(TOO_LARGE);
        }
        copy::add(window, at, block, from, count)?;
        (from, at) = (from + count, at + count);
        // The last sequence has no match.
        if from == length {
            return Ok(at);
        }
        let distance = block.get(from..length).and_then(<[u8]>::first_chunk).ok_or(CUT)?;
        let distance = usize::from(u16::from_le_bytes(*distance));
        from += 2;
        let mut count = usize::from(token & 15) + MATCH;
        if count == 15 + MATCH {
            count += more(block, length, &mut from)?;
        }
        if count > end - at {
            return Err(TOO_LARGE);
        }
        copy::repeat(window, at, distance, count)?;
        at += count;
    }
}

/// What is added to a length that does not fit its four bits.
#[inline(always)]
fn more(block: &[u8], length: usize, from: &mut usize) -> Result<usize, Corrupt> {
    let mut sum = 0;
    loop {
        let byte = *block.get(*from).filter(|_| *from < length).ok_or(CUT)?;
        *from += 1;
        sum += usize::from(byte);
        if byte < 255 {
            return Ok(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], history: &[u8], most: usize) -> Result<Vec<u8>, Corrupt> {
        let block = [bytes, &[0; SPARE]].concat();
        let mut window = [history, &vec![0; most + SPARE]].concat();
        let end = unpack(&block, bytes.len(), &mut window, history.len(), most)?;
        Ok(window[history.len()..end].to_vec())
    }

    #[test]
    fn blocks() {
        assert_eq!(decode(b"\0", b"", 0).unwrap(), b"");
        assert_eq!(decode(b"\x30abc", b"", 10).unwrap(), b"abc");
        assert_eq!(decode(b"\x22ab\x02\0\x10c", b"", 100).unwrap(), b"ababababc");
        assert_eq!(decode(b"\x00\x03\0\x10c", b"xyz", 100).unwrap(), b"xyzxc");
        assert_eq!(decode(&[&b"\xf0\xff\x00"[..], &[7; 270]].concat(), b"", 270).unwrap(), [7; 270]);
        assert_eq!(decode(b"\x1fa\x01\0\xff\x01\0", b"", 300).unwrap(), [b'a'; 276]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (bytes, most) in [
            (&b""[..], 10),
            (b"\x30ab", 10),
            (b"\x30abc", 2),
            (b"\x22ab\x02", 100),
            (b"\x22ab\x02\0", 100),
            (b"\x22ab\x03\0\x10c", 100),
            (b"\x22ab\0\0\x10c", 100),
            (b"\x22ab\x02\0\x10c", 7),
            (b"\xf0\xff", 1000),
        ] {
            assert!(decode(bytes, b"", most).is_err(), "{bytes:?}");
        }
    }
}
