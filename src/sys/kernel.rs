//! Small facts asked of the kernel: random bytes, the clock, whether it knows a filesystem.

use crate::error::{Error, Result};
use rustix::rand::GetRandomFlags;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random bytes of the kernel's own generator.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(Error::os(errno, format!("getrandom({N})"))),
        }
    }
    Ok(bytes)
}

/// Seconds after 1970; a clock before that reads 0.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }
}
