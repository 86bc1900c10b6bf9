//! What the decoders take from their source: whole fields or an error, never less.

use crate::stream::{cut, invalid};
use std::io::{self, BufRead, Read};

/// Exactly `N` bytes of a field.
pub fn exact<const N: usize>(source: &mut (impl Read + ?Sized), format: &str) -> io::Result<[u8; N]> {
    let mut field = [0; N];
    fill(source, &mut field, format)?;
    Ok(field)
}

/// Fills the whole buffer.
pub fn fill(source: &mut (impl Read + ?Sized), buffer: &mut [u8], format: &str) -> io::Result<()> {
    source.read_exact(buffer).map_err(|error| end_is_cut(error, format))
}

/// Leaves out so many bytes.
pub fn skip(source: &mut impl BufRead, mut count: u64, format: &str) -> io::Result<()> {
    while count > 0 {
        let there = source.fill_buf()?.len();
        if there == 0 {
            return Err(cut(format));
        }
        let step = usize::try_from(count).unwrap_or(usize::MAX).min(there);
        source.consume(step);
        count -= step as u64;
    }
    Ok(())
}

/// Reads to the end, where only the zeros may be that tapes and `dd` pad with.
pub fn only_zeros(source: &mut impl BufRead, format: &str) -> io::Result<()> {
    loop {
        let there = source.fill_buf()?;
        if there.is_empty() {
            return Ok(());
        }
        if there.iter().any(|byte| *byte != 0) {
            return Err(invalid(format!("{format}: garbage follows the end of the stream")));
        }
        let length = there.len();
        source.consume(length);
    }
}

fn end_is_cut(error: io::Error, format: &str) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut(format),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_whole_or_an_error() {
        let mut source = &b"abc"[..];
        assert_eq!(exact::<2>(&mut source, "x").unwrap(), *b"ab");
        assert!(exact::<2>(&mut source, "x").unwrap_err().to_string().contains("cut short"));
        assert!(skip(&mut &b"abc"[..], 4, "x").is_err());
        assert!(skip(&mut &b"abc"[..], 3, "x").is_ok());
    }

    #[test]
    fn zeros_may_follow_and_nothing_else() {
        assert!(only_zeros(&mut &b"\0\0\0"[..], "x").is_ok());
        assert!(only_zeros(&mut &b"\0\0a"[..], "x").unwrap_err().to_string().contains("garbage"));
    }
}
