//! (not written yet)

use crate::error::Result;
use crate::paths::Paths;
use crate::store::name::Name;

/// The containers of the datadir.
pub fn names(paths: &Paths) -> Result<Vec<Name>> {
    let Ok(entries) = std::fs::read_dir(paths.containers()) else { return Ok(Vec::new()) };
    let mut names: Vec<Name> =
        entries.flatten().filter_map(|entry| Name::parse(entry.file_name().to_str()?).ok()).collect();
    names.sort();
    Ok(names)
}
