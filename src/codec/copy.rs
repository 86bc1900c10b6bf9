//! Copies of what LZ decoders unpack: mostly a few bytes, so whole chunks are copied, past the end of what is meant.
//!
//! A call of memcpy for each would cost more than all the rest (musl's does). `SPARE` bytes must follow whatever is read or
//! written; what stands there is lost.

pub const CHUNK: usize = 16;
/// What is read and written past an end.
pub const SPARE: usize = 4 * CHUNK;

/// Whoever calls has left too little room.
#[derive(Debug)]
pub struct NoRoom;

/// Copies `length` bytes from one buffer to another.
#[inline(always)]
pub fn add(target: &mut [u8], at: usize, source: &[u8], from: usize, length: usize) -> Result<(), NoRoom> {
    *place(target, at)? = *load(source, from)?;
    if length > CHUNK {
        add_more(target, at, source, from, length)?;
    }
    Ok(())
}

#[inline(always)]
fn add_more(target: &mut [u8], at: usize, source: &[u8], from: usize, length: usize) -> Result<(), NoRoom> {
    if length > 8 * CHUNK {
        let source = source.get(from..from + length).ok_or(NoRoom)?;
        target.get_mut(at..at + length).ok_or(NoRoom)?.copy_from_slice(source);
        return Ok(());
    }
    let mut done = CHUNK;
    while done < length {
        *place(target, at + done)? = *load(source, from + done)?;
        done += CHUNK;
    }
    Ok(())
}

/// Copies what stands `distance` bytes before, which there must be, and goes on with what that adds.
#[inline(always)]
pub fn repeat(bytes: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), NoRoom> {
    let Some(from) = at.checked_sub(distance) else { return Err(NoRoom) };
    if distance < CHUNK {
        return repeat_closely(bytes, from, at, length);
    }
    double(bytes, from, at)?;
    if length > 2 * CHUNK {
        repeat_more(bytes, from, at, length)?;
    }
    Ok(())
}

/// The same for deflate, most of whose matches are short: nothing is called. (With `double` in it inflate takes 7 % longer.)
#[inline(always)]
pub fn repeat_short(bytes: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), NoRoom> {
    let Some(from) = at.checked_sub(distance) else { return Err(NoRoom) };
    if distance < CHUNK {
        return repeat_pattern(bytes, from, at, length);
    }
    let chunk = *load(bytes, from)?;
    *place(bytes, at)? = chunk;
    let chunk = *load(bytes, from + CHUNK)?;
    *place(bytes, at + CHUNK)? = chunk;
    let mut done = 2 * CHUNK;
    while done < length {
        let chunk = *load(bytes, from + done)?;
        *place(bytes, at + done)? = chunk;
        done += CHUNK;
    }
    Ok(())
}

/// Two chunks, the second of which may be what the first one adds.
#[inline(always)]
fn double(bytes: &mut [u8], from: usize, at: usize) -> Result<(), NoRoom> {
    let bytes = bytes.get_mut(from..at + 2 * CHUNK).ok_or(NoRoom)?;
    let distance = at - from;
    let chunk = *load(bytes, 0)?;
    *place(bytes, distance)? = chunk;
    let chunk = *load(bytes, CHUNK)?;
    *place(bytes, distance + CHUNK)? = chunk;
    Ok(())
}

#[inline(always)]
fn repeat_more(bytes: &mut [u8], from: usize, at: usize, length: usize) -> Result<(), NoRoom> {
    if length > 16 * CHUNK && from + length <= at && at + length <= bytes.len() {
        bytes.copy_within(from..from + length, at);
        return Ok(());
    }
    let mut done = 2 * CHUNK;
    while done < length {
        double(bytes, from + done, at + done)?;
        done += 2 * CHUNK;
    }
    Ok(())
}

/// The same in a ring that began anew at the front: of what stands before, the older bytes end at `wrapped`, farther on by more
/// than a chunk, and what follows them is the front.
#[inline(always)]
pub fn repeat_across(ring: &mut [u8], wrapped: usize, at: usize, distance: usize, length: usize) -> Result<(), NoRoom> {
    let from = (wrapped + at).checked_sub(distance).ok_or(NoRoom)?;
    let old = length.min(wrapped.checked_sub(from).ok_or(NoRoom)?);
    bring(ring, at, from, old)?;
    let rest = ring.get_mut(..at + length).ok_or(NoRoom)?;
    for number in 0..length - old {
        rest[at + old + number] = rest[number];
    }
    Ok(())
}

/// Copies what stands elsewhere in the same buffer, at least a chunk farther on.
#[inline(always)]
fn bring(bytes: &mut [u8], at: usize, from: usize, length: usize) -> Result<(), NoRoom> {
    let mut done = 0;
    while done < length {
        let chunk = *load(bytes, from + done)?;
        *place(bytes, at + done)? = chunk;
        done += CHUNK;
    }
    Ok(())
}

/// A short pattern again and again.
#[inline(never)]
fn repeat_closely(bytes: &mut [u8], from: usize, at: usize, length: usize) -> Result<(), NoRoom> {
    repeat_pattern(bytes, from, at, length)
}

#[inline(always)]
fn repeat_pattern(bytes: &mut [u8], from: usize, at: usize, length: usize) -> Result<(), NoRoom> {
    let distance = at - from;
    let mut pattern = *load(bytes, from)?;
    // Once it fills a chunk, whole chunks of whole patterns can be copied.
    let period = PERIODS.get(distance).copied().filter(|period| *period > 0).ok_or(NoRoom)?;
    for number in distance..CHUNK {
        pattern[number] = pattern[number - distance];
    }
    *place(bytes, at)? = pattern;
    let mut done = period;
    while done < length {
        *place(bytes, at + done)? = pattern;
        done += period;
    }
    Ok(())
}

/// For each distance, the whole patterns that a chunk holds.
const PERIODS: [usize; CHUNK] = [0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15];

#[inline(always)]
fn load(bytes: &[u8], at: usize) -> Result<&[u8; CHUNK], NoRoom> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(NoRoom)
}

#[inline(always)]
fn place(bytes: &mut [u8], at: usize) -> Result<&mut [u8; CHUNK], NoRoom> {
    bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut).ok_or(NoRoom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_and_length() {
        for distance in 1..40 {
            for length in (0..150).chain([255, 256, 257, 300, 600]) {
                let mut bytes: Vec<u8> = (0..40).chain(vec![0; 600 + SPARE]).collect();
                let mut list = bytes[..40].to_vec();
                let mut other = bytes.clone();
                repeat(&mut bytes, 40, distance, length).unwrap();
                repeat_short(&mut other, 40, distance, length).unwrap();
                (0..length).for_each(|_| list.push(list[list.len() - distance]));
                assert_eq!(bytes[..40 + length], list, "{distance} {length}");
                assert_eq!(other[..40 + length], list, "{distance} {length}");
            }
        }
        for repeat in [repeat, repeat_short] {
            assert!(repeat(&mut [0; 200], 40, 0, 1).is_err());
            assert!(repeat(&mut [0; 200], 40, 41, 1).is_err());
            assert!(repeat(&mut [0; 50], 40, 20, 1).is_err());
        }
    }

    #[test]
    fn from_farther_on() {
        let list: Vec<u8> = (0..=255).cycle().take(400 + SPARE).collect();
        for gap in [CHUNK, 17, 40, 100] {
            for length in 0..250 {
                let mut bytes = list.clone();
                bring(&mut bytes, 5, 5 + gap, length).unwrap();
                assert_eq!(bytes[5..5 + length], list[5 + gap..5 + gap + length], "{gap} {length}");
            }
        }
        assert!(bring(&mut [0; 50], 0, 20, 40).is_err());
    }

    #[test]
    fn every_length_of_what_is_new() {
        let source: Vec<u8> = (0..=255).cycle().take(400 + SPARE).collect();
        for length in 0..400 {
            let mut target = vec![0; 410 + SPARE];
            add(&mut target, 5, &source, 3, length).unwrap();
            assert_eq!(target[5..5 + length], source[3..3 + length]);
        }
        assert!(add(&mut [0; 20], 5, &source, 3, 1).is_err());
    }
}
