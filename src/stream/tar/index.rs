//! What pixz puts behind an archive: an index of it, in a block of its own of the same stream. It says nothing of the tree.
//!
//! A magic number; then names that end with NUL, each followed by its entry's place; last an empty name and the archive's
//! length. Numbers are 64 bits, little endian (`write_file_index` of pixz's write.c).

use super::input::Input;
use crate::error::Result;

const MAGIC: u64 = 0xdbae_14d6_2e32_4ca6;

/// Passes over such an index of all that was read so far. False when what is here is none, or not of this archive.
pub fn pass(input: &mut Input<'_>) -> Result<bool> {
    let length = input.position();
    if number(input)? != Some(MAGIC) {
        return Ok(false);
    }
    loop {
        let Some(name) = input.pass_text()? else { return Ok(false) };
        let Some(place) = number(input)? else { return Ok(false) };
        if name == 0 {
            return Ok(place == length);
        }
    }
}

/// None when the stream ends before.
fn number(input: &mut Input<'_>) -> Result<Option<u64>> {
    let mut bytes = [0; 8];
    let whole = input.fill(&mut bytes)? == bytes.len();
    Ok(whole.then(|| u64::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::slice::Buffered;

    fn index(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        for (name, place) in entries {
            bytes.extend([name.as_bytes(), b"\0", &place.to_le_bytes()].concat());
        }
        bytes
    }

    fn passed(archive: u64, bytes: &[u8]) -> bool {
        let all = [&vec![0; archive as usize], bytes].concat();
        let mut input = Input::new(Box::new(Buffered::new(&all[..], usize::MAX, 100)));
        input.skip(archive).unwrap();
        pass(&mut input).unwrap()
    }

    #[test]
    fn an_index_is_of_its_archive_and_whole() {
        let good = index(&[("a", 0), ("a/b", 512), ("", 2048)]);
        assert!(passed(2048, &good));
        assert!(passed(2048, &index(&[("", 2048)])));
        assert!(!passed(1024, &good));
        assert!((0..good.len()).all(|cut| !passed(2048, &good[..cut])));
        assert!((0..8).all(|at| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            !passed(2048, &bad)
        }));
    }
}
