//! Which one of several images is meant: by its name, and by what runs here.

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::oci::platform::Platform;

/// Names shown of those that there are.
const SHOWN_MAX: usize = 20;

/// An image that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called; nothing, or several names.
    pub names: Vec<String>,
    /// Of its manifest or, where there is none, its config.
    pub digest: Digest,
    /// None: it does not say, and is taken to run anywhere.
    pub platform: Option<Platform>,
}

impl Candidate {
    /// Whether `reference` is one of its names, the end of one from a slash on, or its digest.
    pub fn is_called(&self, reference: &str) -> bool {
        let is_end =
            |name: &String| name.strip_suffix(reference).is_some_and(|start| start.is_empty() || start.ends_with('/'));
        self.names.iter().any(is_end) || self.digest.to_string() == reference
    }

    fn shown(&self) -> String {
        self.names.first().map_or_else(|| self.digest.to_string(), |name| format!("{name:?}"))
    }
}

/// The one that fits best; `platform` is what it has to run on, None: anything. Errors: `NotFound`, or `Usage` when two
/// fit as well; both list what there is.
pub fn choose<'a>(
    images: &'a [Candidate],
    reference: Option<&str>,
    platform: Option<&Platform>,
) -> Result<&'a Candidate> {
    let named: Vec<&Candidate> =
        images.iter().filter(|image| reference.is_none_or(|name| image.is_called(name))).collect();
    if named.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            match reference {
                Some(reference) => format!(
                    "it holds no image called {reference:?}, only {}",
                    list(images.iter().map(Candidate::shown))
                ),
                None => "it holds no image".to_string(),
            },
        ));
    }
    let mut ranked: Vec<(u32, &Candidate)> =
        named.iter().filter_map(|image| Some((rank(image, platform)?, *image))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let Some((best, chosen)) = ranked.first() else { return Err(foreign(&named, platform)) };
    let rivals: Vec<&Candidate> = ranked.iter().filter(|(rank, _)| rank == best).map(|(_, image)| *image).collect();
    match rivals.iter().all(|rival| rival.digest == chosen.digest) {
        true => Ok(chosen),
        false => Err(Error::usage(format!(
            "it holds several images, say which one: {}",
            list(rivals.iter().map(|image| image.shown()))
        ))),
    }
}

fn rank(image: &Candidate, platform: Option<&Platform>) -> Option<u32> {
    match (platform, &image.platform) {
        (Some(here), Some(offered)) => here.rank(offered),
        _ => Some(0),
    }
}

fn foreign(images: &[&Candidate], platform: Option<&Platform>) -> Error {
    let here = platform.map(Platform::to_string).unwrap_or_default();
    let offered =
        images.iter().filter_map(|image| image.platform.as_ref()).map(|platform| format!("{:?}", platform.to_string()));
    Error::new(Kind::NotFound, format!("it holds no image for {here}, only for {}", list(offered)))
}

/// Each word once, as many as can be read.
fn list(words: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        if shown.len() == SHOWN_MAX {
            shown.push("others".to_string());
            break;
        }
        if !shown.contains(&word) {
            shown.push(word);
        }
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    fn image(name: &str, content: &str, platform: &str) -> Candidate {
        Candidate {
            names: name.split(' ').filter(|name| !name.is_empty()).map(str::to_string).collect(),
            digest: Digest::of(Algorithm::Sha256, content.as_bytes()),
            platform: Platform::parse(platform).ok(),
        }
    }

    fn chosen(images: &[Candidate], reference: Option<&str>) -> String {
        let here = Platform::parse("linux/amd64").unwrap();
        match choose(images, reference, Some(&here)) {
            Ok(image) => images.iter().position(|other| other == image).unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_image_that_is_meant() {
        let images = [
            image("a", "1", "arm64"),
            image("a", "2", "amd64"),
            image("reg.io/x/b:1 b", "3", "amd64"),
            image("c", "4", ""),
        ];
        assert_eq!(chosen(&images, Some("a")), "1");
        for name in ["b", "b:1", "x/b:1", "reg.io/x/b:1"] {
            assert_eq!(chosen(&images, Some(name)), "2", "{name}");
        }
        assert_eq!(chosen(&images, Some("c")), "3");
        assert_eq!(
            chosen(&images, Some(&images[0].digest.to_string())),
            "it holds no image for linux/amd64, only for \"linux/arm64\""
        );
        assert_eq!(chosen(&images, Some("1")), "it holds no image called \"1\", only \"a\", \"reg.io/x/b:1\", \"c\"");
        assert_eq!(chosen(&images, None), "it holds several images, say which one: \"a\", \"reg.io/x/b:1\", \"c\"");
        assert_eq!(chosen(&images[..2], None), "1");
        assert_eq!(chosen(&[], None), "it holds no image");
    }

    #[test]
    fn two_names_of_one_image_are_one() {
        assert_eq!(chosen(&[image("a", "1", ""), image("b", "1", "")], None), "0");
    }

    #[test]
    fn the_platform_that_fits_best() {
        let images = [image("", "1", "linux/amd64/v3"), image("", "2", "amd64"), image("", "3", "unknown/unknown")];
        assert_eq!(chosen(&images, None), "1");
        assert!(choose(&images, None, None).unwrap_err().to_string().contains("several"));
        assert!(choose(&images[..1], None, None).is_ok());
        assert_eq!(chosen(&images[..1], None), "it holds no image for linux/amd64, only for \"linux/amd64/v3\"");
    }
}
