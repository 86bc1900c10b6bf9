//! What a system runs on, in Go's words as OCI writes it (image-index.md, "platform"), and which offer fits best.

use crate::error::{Error, Result};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    /// `v7` of arm, `v8` of arm64, `v2` to `v4` of amd64.
    pub variant: Option<String>,
}

impl Platform {
    /// What this binary was built for.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        let variant = match architecture {
            "arm64" => Some("v8".to_string()),
            "arm" => Some("v7".to_string()),
            _ => None,
        };
        Platform { os: "linux".to_string(), architecture: architecture.to_string(), variant }
    }

    /// `OS/ARCHITECTURE[/VARIANT]`, or an architecture alone. Errors: `Invalid`.
    pub fn parse(text: &str) -> Result<Platform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [architecture] => ("linux", *architecture, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return Err(Error::invalid(format!("{text:?} is no platform: one is linux/arm64 or linux/arm/v7"))),
        };
        if [os, architecture].into_iter().chain(variant).any(str::is_empty) {
            return Err(Error::invalid(format!("{text:?} is no platform: one is linux/arm64 or linux/arm/v7")));
        }
        Ok(Platform { os: os.into(), architecture: architecture.into(), variant: variant.map(str::to_string) })
    }

    /// How well what is offered runs here: 0 is best, None not at all.
    pub fn rank(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let highest = |variant: Option<u32>| variant.unwrap_or(lowest(&self.architecture));
        let (ours, theirs) = (highest(level(&self.variant)?), highest(level(&offered.variant)?));
        // A processor runs what was made for its predecessors.
        ours.checked_sub(theirs)
    }
}

/// The number in `v7`; None within None: it has none. None when it is something else.
fn level(variant: &Option<String>) -> Option<Option<u32>> {
    match variant.as_deref() {
        None | Some("") => Some(None),
        Some(text) => text.strip_prefix('v')?.parse().ok().map(Some),
    }
}

/// The variant that is meant where none is told.
fn lowest(architecture: &str) -> u32 {
    match architecture {
        "arm" => 7,
        "arm64" => 8,
        _ => 1,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(here: &str, offered: &str) -> Option<u32> {
        Platform::parse(here).unwrap().rank(&Platform::parse(offered).unwrap())
    }

    #[test]
    fn what_runs_where() {
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/amd64", "linux/amd64/v1"), Some(0));
        assert_eq!(rank("linux/amd64", "linux/amd64/v2"), None);
        assert_eq!(rank("linux/amd64/v3", "linux/amd64/v2"), Some(1));
        assert_eq!(rank("linux/arm64/v8", "arm64"), Some(0));
        assert_eq!(rank("linux/arm64", "linux/arm64/v8"), Some(0));
        assert_eq!(rank("linux/arm64/v8", "linux/arm64/v9"), None);
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/arm/v7", "linux/arm"), Some(0));
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
        assert_eq!(rank("linux/amd64", "unknown/unknown"), None);
        assert_eq!(rank("linux/amd64", "linux/amd64/x"), None);
        assert_eq!(Platform::host().rank(&Platform::host()), Some(0));
    }

    #[test]
    fn texts_of_platforms() {
        for text in ["linux/amd64", "linux/arm/v7", "freebsd/arm64"] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Platform::parse("riscv64").unwrap().to_string(), "linux/riscv64");
        for text in ["", "/", "linux/", "linux/arm/", "a/b/c/d"] {
            assert!(Platform::parse(text).is_err(), "{text:?}");
        }
    }
}
