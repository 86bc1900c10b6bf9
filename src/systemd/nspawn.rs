//! Where systemd-nspawn is, and what it needs around it: for all who become it.

use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// Where systemd-nspawn is installed.
const PROGRAMS: [&str; 3] =
    ["/usr/bin/systemd-nspawn", "/bin/systemd-nspawn", "/run/current-system/sw/bin/systemd-nspawn"];
/// What nspawn finds its own helpers by.
pub const SAFE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Errors: `NotFound`, with the package that has it.
pub fn program() -> Result<PathBuf> {
    first(Path::exists).ok_or_else(|| {
        let advice = "install it (Debian, Fedora: the package systemd-container)";
        Error::new(Kind::NotFound, format!("systemd-nspawn is not installed at {:?}: {advice}", PROGRAMS[0]))
    })
}

fn first(exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    PROGRAMS.iter().map(PathBuf::from).find(|path| exists(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_there_is_taken() {
        assert_eq!(first(|path| path.starts_with("/run")).unwrap(), Path::new(PROGRAMS[2]));
        assert_eq!(first(|_| false), None);
    }
}
