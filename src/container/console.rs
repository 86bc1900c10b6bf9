//! Reading the console's log of a container that runs without systemd: the newest file and the one before it, and
//! what comes. Writing it is the supervisor's part.

use crate::error::{Context, Result};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The supervisor keeps files smaller than this; no more of one is read.
const FILE_MAX: u64 = 4 << 20;

/// A log that is being read: what was returned once is not returned again.
pub struct Log {
    path: PathBuf,
    /// None until there is one.
    file: Option<File>,
}

impl Log {
    /// Opens the log at `path` and gives what is in it; of `path.1` too, which is older.
    pub fn open(path: &Path) -> Result<(Log, Vec<u8>)> {
        let mut log = Log { path: path.to_path_buf(), file: None };
        let mut older = path.to_path_buf().into_os_string();
        older.push(".1");
        let mut text = open(Path::new(&older))?.map_or(Ok(Vec::new()), |mut file| rest(&mut file))?;
        text.extend(log.more()?);
        Ok((log, text))
    }

    /// What has been written since; the log may have been exchanged for a fresh one meanwhile.
    pub fn more(&mut self) -> Result<Vec<u8>> {
        let mut text = match &mut self.file {
            Some(file) => rest(file)?,
            None => Vec::new(),
        };
        if self.is_exchanged()? {
            // Its last words may have come after they were asked for above.
            if let Some(file) = &mut self.file {
                text.extend(rest(file)?);
            }
            self.file = open(&self.path)?;
            if let Some(file) = &mut self.file {
                text.extend(rest(file)?);
            }
        }
        Ok(text)
    }

    fn is_exchanged(&self) -> Result<bool> {
        let there = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            other => other.with_context(|| format!("{:?}", self.path))?.ino(),
        };
        let held = self.file.as_ref().map(File::metadata).transpose().with_context(|| format!("{:?}", self.path))?;
        Ok(held.map(|held| held.ino()) != Some(there))
    }
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some).with_context(|| format!("{path:?}")),
    }
}

fn rest(file: &mut File) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut text).context("the console's log")?;
    Ok(text)
}

/// The last `count` lines; one that has no line feed yet counts.
pub fn last_lines(text: &[u8], count: usize) -> &[u8] {
    let end = text.strip_suffix(b"\n").unwrap_or(text);
    let feeds = end.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    match count {
        0 => &[],
        _ => feeds.into_iter().nth(count - 1).and_then(|start| text.get(start..)).unwrap_or(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        let text = b"a\nb\nc\n";
        for (count, last) in [(0, &b""[..]), (1, b"c\n"), (2, b"b\nc\n"), (3, text), (9, text)] {
            assert_eq!(last_lines(text, count), last, "{count}");
        }
        assert_eq!(last_lines(b"a\nb", 1), b"b");
        assert_eq!(last_lines(b"\n\n", 1), b"\n");
        assert_eq!(last_lines(b"", 3), b"");
    }

    #[test]
    fn what_comes_is_given_once_across_an_exchange_of_files() {
        let dir = std::env::temp_dir().join(format!("sdme-log-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (path, older) = (dir.join("web.log"), dir.join("web.log.1"));
        let (mut log, text) = Log::open(&path).unwrap();
        assert_eq!(text, b"");
        fs::write(&path, "one\n").unwrap();
        assert_eq!(log.more().unwrap(), b"one\n");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"two\n").unwrap();
        fs::rename(&path, &older).unwrap();
        fs::write(&path, "three\n").unwrap();
        assert_eq!(log.more().unwrap(), b"two\nthree\n");
        assert_eq!(log.more().unwrap(), b"");
        assert_eq!(Log::open(&path).unwrap().1, b"one\ntwo\nthree\n");
        fs::remove_dir_all(&dir).unwrap();
    }
}
