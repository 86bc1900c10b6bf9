//! Maps of sparse files: GNU's old form (typeflag S), its PAX forms 0.0, 0.1 and 1.0, and star's. Pure and total.
//!
//! Whatever the form, a map is a list of runs of data; between them are holes. The runs stand one after the other in the
//! archive. GNU tar starts each at a new block, libarchive and others do not: a map for which that makes a difference, with a run
//! before the last that is no multiple of 512 bytes, is written by no tool and refused.

use super::header::{BLOCK, Header, number};
use crate::error::{Error, Result};

/// Runs of one file; they are held in memory, 16 bytes each. The worst file on a real system has some thousands.
pub const RUNS_MAX: u64 = 1 << 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub offset: u64,
    pub length: u64,
}

/// A map that is being read.
#[derive(Debug, Default)]
pub struct Map {
    runs: Vec<Run>,
    /// Entries of the map, empty ones too.
    count: u64,
    /// Where the last run ended.
    end: u64,
    /// Bytes of all runs.
    stored: u64,
}

impl Map {
    pub fn push(&mut self, offset: u64, length: u64) -> Result<()> {
        self.count += 1;
        if self.count > RUNS_MAX {
            return Err(Error::invalid(format!("a sparse file of more than {RUNS_MAX} runs of data")));
        }
        if length == 0 {
            // Marks where the file ends; it has no data that could be misplaced.
            return Ok(());
        }
        let end = offset.checked_add(length).filter(|_| offset >= self.end);
        let (Some(end), 0) = (end, self.stored % BLOCK as u64) else {
            return Err(Error::invalid(format!(
                "a sparse map with {length} bytes at {offset}, after byte {}",
                self.end
            )));
        };
        match self.runs.last_mut().filter(|last| last.offset + last.length == offset) {
            Some(last) => last.length += length,
            None => self.runs.push(Run { offset, length }),
        }
        self.end = end;
        self.stored += length;
        Ok(())
    }

    /// The runs of a file of `size` bytes of which the archive has `stored`.
    pub fn finish(self, size: u64, stored: u64) -> Result<Vec<Run>> {
        if self.end > size {
            return Err(Error::invalid(format!("a sparse map with data up to byte {} in a file of {size}", self.end)));
        }
        if self.stored != stored {
            return Err(Error::invalid(format!("a sparse map of {} bytes for data of {stored}", self.stored)));
        }
        Ok(self.runs)
    }
}

/// What PAX records say of a sparse file.
#[derive(Debug, Default)]
pub struct Records {
    pub name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    /// The file's, holes included.
    size: Option<u64>,
    numblocks: Option<u64>,
    /// Of a pair of 0.0 whose length has not come yet.
    offset: Option<u64>,
    map: Option<Map>,
    /// star's word for the size.
    realsize: Option<u64>,
}

/// How the map of a sparse file is found.
pub enum Form {
    /// Complete: the file's size and its map.
    Whole(u64, Map),
    /// The map of a file of this size stands before its data.
    InData(u64),
}

impl Records {
    /// Takes a record whose keyword begins with `GNU.sparse.`; the name is seen to by the caller.
    pub fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<()> {
        match keyword {
            b"GNU.sparse.major" => self.major = Some(decimal(value)?),
            b"GNU.sparse.minor" => self.minor = Some(decimal(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.size = Some(decimal(value)?),
            b"GNU.sparse.numblocks" => self.numblocks = Some(decimal(value)?),
            b"GNU.sparse.map" => self.map = Some(listed(value)?),
            b"GNU.sparse.offset" if self.offset.is_none() => self.offset = Some(decimal(value)?),
            b"GNU.sparse.numbytes" => {
                let offset = self.offset.take().ok_or_else(|| Error::invalid("a sparse run without an offset"))?;
                self.map.get_or_insert_default().push(offset, decimal(value)?)?;
            }
            _ => return Err(Error::invalid(format!("{:?} is not understood", String::from_utf8_lossy(keyword)))),
        }
        Ok(())
    }

    pub fn set_realsize(&mut self, value: &[u8]) -> Result<()> {
        self.realsize = Some(decimal(value)?);
        Ok(())
    }

    pub fn realsize(&self) -> Option<u64> {
        self.realsize
    }

    /// None when the file is not sparse.
    pub fn form(self) -> Result<Option<Form>> {
        let known = [self.major, self.minor, self.size, self.numblocks, self.offset];
        if self.name.is_none() && self.map.is_none() && known.iter().all(Option::is_none) {
            return Ok(None);
        }
        let version = (self.major.unwrap_or(0), self.minor);
        let size = self.size.ok_or_else(|| Error::invalid("a sparse file without a size"))?;
        match (version, self.map) {
            ((1, Some(0)), None) => Ok(Some(Form::InData(size))),
            ((0, None | Some(0 | 1)), map) if self.offset.is_none() => {
                let map = map.unwrap_or_default();
                match self.numblocks {
                    Some(count) if count == map.count => Ok(Some(Form::Whole(size, map))),
                    Some(count) => Err(Error::invalid(format!("a sparse map of {} runs, not of {count}", map.count))),
                    None => Err(Error::invalid("a sparse map without the number of its runs")),
                }
            }
            _ => Err(Error::invalid(
                "a sparse file with records that do not fit together, or of a form that is not known",
            )),
        }
    }
}

fn decimal(text: &[u8]) -> Result<u64> {
    super::pax::decimal(text)
        .ok_or_else(|| Error::invalid(format!("{:?} is no number of a sparse map", String::from_utf8_lossy(text))))
}

/// 0.1: offsets and lengths, with commas between.
fn listed(value: &[u8]) -> Result<Map> {
    let mut map = Map::default();
    if value.is_empty() {
        return Ok(map);
    }
    let mut numbers = value.split(|byte| *byte == b',');
    while let Some(offset) = numbers.next() {
        let length = numbers.next().ok_or_else(|| Error::invalid("a sparse map ends inside a run"))?;
        map.push(decimal(offset)?, decimal(length)?)?;
    }
    Ok(map)
}

/// 1.0: the map as lines of decimal numbers before the data, filled up to a whole block: how many runs, then each
/// run's offset and length.
#[derive(Debug, Default)]
pub struct Lines {
    map: Map,
    number: Option<u64>,
    wanted: Option<u64>,
    offset: Option<u64>,
}

impl Lines {
    /// Takes one block; true when it was the last of the map.
    pub fn feed(&mut self, block: &[u8]) -> Result<bool> {
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    let number = self.number.unwrap_or(0).checked_mul(10).and_then(|number| number.checked_add(digit));
                    self.number = Some(number.ok_or_else(|| Error::invalid("a number of a sparse map is too large"))?);
                }
                b'\n' => {
                    let number = self.number.take().ok_or_else(|| Error::invalid("an empty line in a sparse map"))?;
                    if self.line(number)? {
                        return Ok(true);
                    }
                }
                other => return Err(Error::invalid(format!("{:?} in a sparse map", char::from(*other)))),
            }
        }
        Ok(false)
    }

    fn line(&mut self, number: u64) -> Result<bool> {
        match (self.wanted, self.offset.take()) {
            (None, _) if number > RUNS_MAX => {
                return Err(Error::invalid(format!("a sparse file of {number} runs: more than {RUNS_MAX}")));
            }
            (None, _) => self.wanted = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.map.push(offset, number)?,
        }
        Ok(self.wanted == Some(self.map.count) && self.offset.is_none())
    }

    pub fn into_map(self) -> Map {
        self.map
    }
}

/// Typeflag S: where the map is in a header. In old GNU's and star's, by turns.
struct Places {
    runs: usize,
    count: usize,
    more: usize,
}

const RUN: usize = 24;
const GNU: Places = Places { runs: 386, count: 4, more: 482 };
const STAR: Places = Places { runs: 356, count: 4, more: 355 };
const EXTENSION: Places = Places { runs: 0, count: 21, more: 504 };
const GNU_REALSIZE: usize = 483;
const STAR_REALSIZE: usize = 452;

/// What a header of typeflag S says: the file's size, the beginning of its map, and whether a block with more follows.
pub fn from_header(header: &Header) -> Result<(u64, Map, bool)> {
    let (places, at) = if header.is_star() { (STAR, STAR_REALSIZE) } else { (GNU, GNU_REALSIZE) };
    let size = number(header.bytes(at..at + 12)).and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| Error::invalid("a sparse file whose size is no number"))?;
    let mut map = Map::default();
    let more = places.read(header.bytes(0..BLOCK), &mut map)?;
    Ok((size, map, more))
}

/// A block that goes on with the map; true when another one follows.
pub fn from_extension(block: &[u8], map: &mut Map) -> Result<bool> {
    EXTENSION.read(block, map)
}

impl Places {
    fn read(&self, block: &[u8], map: &mut Map) -> Result<bool> {
        let runs = block.get(self.runs..self.runs + self.count * RUN).unwrap_or_default();
        for run in runs.chunks_exact(RUN) {
            let (offset, length) = run.split_at(RUN / 2);
            // Slots that are not used are empty.
            if length.first() == Some(&0) {
                break;
            }
            let field = |bytes| number(bytes).and_then(|number| u64::try_from(number).ok());
            let (Some(offset), Some(length)) = (field(offset), field(length)) else {
                return Err(Error::invalid("a sparse map with what is no number"));
            };
            map.push(offset, length)?;
        }
        Ok(block.get(self.more).is_some_and(|byte| *byte != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(list: &[(u64, u64)]) -> Vec<Run> {
        list.iter().map(|(offset, length)| Run { offset: *offset, length: *length }).collect()
    }

    fn map(list: &[(u64, u64)]) -> Result<Map> {
        let mut map = Map::default();
        list.iter().try_for_each(|(offset, length)| map.push(*offset, *length)).map(|()| map)
    }

    #[test]
    fn runs_that_touch_are_one_and_empty_ones_are_none() {
        let map = map(&[(0, 0), (512, 512), (1024, 512), (4096, 3), (9000, 0)]).unwrap();
        assert_eq!(map.finish(9000, 1027).unwrap(), runs(&[(512, 1024), (4096, 3)]));
    }

    #[test]
    fn maps_that_lie_are_refused() {
        for list in [
            &[(512, 512), (0, 512)][..],
            &[(0, 1024), (512, 512)],
            &[(u64::MAX, 1)],
            &[(1, u64::MAX)],
            &[(0, 100), (512, 512)],
        ] {
            assert!(map(list).is_err(), "{list:?}");
        }
        assert!(map(&[(0, 512)]).unwrap().finish(511, 512).is_err());
        assert!(map(&[(0, 512)]).unwrap().finish(512, 511).is_err());
        assert!(map(&[(0, 512)]).unwrap().finish(512, 1024).is_err());
        assert!((0..=RUNS_MAX).try_fold(Map::default(), |mut m, _| m.push(0, 0).map(|()| m)).is_err());
    }

    fn records(list: &[(&str, &str)]) -> Result<Option<Form>> {
        let mut records = Records::default();
        for (keyword, value) in list {
            records.take(format!("GNU.sparse.{keyword}").as_bytes(), value.as_bytes())?;
        }
        records.form()
    }

    #[test]
    fn the_three_forms_in_records() {
        let pairs = [("numblocks", "2"), ("offset", "0"), ("numbytes", "512"), ("offset", "1024"), ("numbytes", "1")];
        let zero = [&[("size", "2000")][..], &pairs].concat();
        let Ok(Some(Form::Whole(2000, map))) = records(&zero) else { panic!() };
        assert_eq!(map.finish(2000, 513).unwrap(), runs(&[(0, 512), (1024, 1)]));
        let one = [("major", "0"), ("minor", "1"), ("numblocks", "1"), ("map", "7,512"), ("size", "600")];
        let Ok(Some(Form::Whole(600, map))) = records(&one) else { panic!() };
        assert_eq!(map.finish(600, 512).unwrap(), runs(&[(7, 512)]));
        let hole = [("numblocks", "0"), ("map", ""), ("size", "600")];
        assert!(matches!(records(&hole), Ok(Some(Form::Whole(600, _)))));
        let in_data = [("major", "1"), ("minor", "0"), ("realsize", "99")];
        assert!(matches!(records(&in_data), Ok(Some(Form::InData(99)))));
        assert!(matches!(records(&[]), Ok(None)));
    }

    #[test]
    fn records_that_do_not_fit_together_are_refused() {
        for list in [
            &[("size", "5")][..],
            &[("map", "0,5"), ("numblocks", "1")],
            &[("map", "0,5"), ("numblocks", "2"), ("size", "5")],
            &[("map", "0"), ("numblocks", "1"), ("size", "5")],
            &[("map", "0,-5"), ("numblocks", "1"), ("size", "5")],
            &[("numbytes", "5")],
            &[("offset", "5"), ("offset", "6")],
            &[("offset", "5"), ("numblocks", "0"), ("size", "9")],
            &[("major", "1"), ("minor", "1"), ("realsize", "9")],
            &[("major", "2"), ("minor", "0"), ("realsize", "9")],
            &[("major", "1"), ("minor", "0"), ("realsize", "9"), ("map", "0,5")],
            &[("nonesuch", "1")],
        ] {
            assert!(records(list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_in_words() {
        let map = &[("map", "0,5"), ("size", "5")][..];
        let told = |list: &[(&str, &str)]| records(list).err().unwrap().to_string();
        assert_eq!(told(map), "a sparse map without the number of its runs");
        assert_eq!(told(&[map, &[("numblocks", "2")]].concat()), "a sparse map of 1 runs, not of 2");
        let other = "a sparse file with records that do not fit together, or of a form that is not known";
        assert_eq!(told(&[("major", "2"), ("size", "9")]), other);
        assert_eq!(told(&[map, &[("major", "1"), ("minor", "0")]].concat()), other);
    }

    #[test]
    fn lines_may_be_cut_anywhere_between_blocks() {
        let text = b"2\n0\n512\n4096\n10\n\0\0\0\0";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let (head, tail) = text.split_at(cut);
            if !lines.feed(head).unwrap() {
                assert!(lines.feed(tail).unwrap());
            }
            assert_eq!(lines.into_map().finish(9999, 522).unwrap(), runs(&[(0, 512), (4096, 10)]));
        }
        assert!(Lines::default().feed(b"0\n").unwrap());
    }

    #[test]
    fn lines_that_are_no_map_are_refused() {
        for text in ["\n", "x", "1\n\n", "99999999999999999999999\n", "1\n-5\n", "999999999\n", "2\n512\n1\n0\n1\n"] {
            assert!(Lines::default().feed(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
