//! Whether bytes are all zero: a disk is mostly this.

/// Words that are looked at before the answer may be no: branches cost more than they save.
const GROUP: usize = 64;

pub fn is_zero(bytes: &[u8]) -> bool {
    let groups = bytes.chunks_exact(GROUP);
    let rest = groups.remainder().iter().all(|byte| *byte == 0);
    rest && groups.into_iter().all(|group| {
        let words = group.chunks_exact(8).filter_map(|word| word.try_into().ok());
        words.fold(0, |all, word| all | u64::from_ne_bytes(word)) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_every_byte() {
        assert!(is_zero(&[]) && is_zero(&[0; 130]));
        for at in 0..130 {
            let mut bytes = [0; 130];
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "{at}");
        }
    }
}
