//! What GNU tar writes for a directory of an incremental archive: its names, each with a letter (tar's manual, "Dumpdir").

use crate::error::{Error, Result};
use crate::stream::tar::entry::lossy;
use crate::stream::tar::input::Input;

/// Of a name that is shown.
const SHOWN_MAX: usize = 160;
/// The letter of a name that the archive does not hold, because an earlier one does.
const ELSEWHERE: u8 = b'N';

/// Reads a listing of `size` bytes. Errors: `Invalid`, a name of the directory is in another archive.
pub(super) fn pass(input: &mut Input<'_>, size: u64) -> Result<()> {
    let (mut buffer, mut left) = ([0; 4096], size);
    let (mut letter, mut name) = (None, Vec::new());
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..count).unwrap_or_default();
        input.exact(part)?;
        left -= count as u64;
        for byte in part.iter().copied() {
            match (letter, byte) {
                (None, byte) => letter = Some(byte).filter(|letter| *letter != 0),
                (Some(ELSEWHERE), 0) => return Err(missing(&name)),
                (Some(_), 0) => (letter, name) = (None, Vec::new()),
                (Some(_), byte) if name.len() < SHOWN_MAX => name.push(byte),
                (Some(_), _) => {}
            }
        }
    }
    Ok(())
}

fn missing(name: &[u8]) -> Error {
    Error::invalid(format!(
        "an incremental archive, whose file {:?} is in an earlier one: give a whole one (tar --level=0)",
        lossy(name)
    ))
}
