//! What `--format` calls the things that a SOURCE can be, and whether what came is that; pure. A row of the table is a word.

use crate::error::{Error, Result};
use crate::oci::image::Flavour;
use crate::rootfs::sniff::{Form, Packing};

/// What the user says that SOURCE is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Directory,
    Tar,
    /// A directory with an OCI layout.
    Layout,
    LayoutArchive,
    DockerArchive,
    RawDisk,
    Qcow2,
}

/// The word for finding out by the bytes.
const AUTO: &str = "auto";
const FORMATS: [(&str, Format); 7] = [
    ("dir", Format::Directory),
    ("tar", Format::Tar),
    ("oci", Format::Layout),
    ("oci-archive", Format::LayoutArchive),
    ("docker-archive", Format::DockerArchive),
    ("raw", Format::RawDisk),
    ("qcow2", Format::Qcow2),
];

/// For help: every word that `parse` knows.
pub const WORDS: &str = "auto, dir, tar, oci, oci-archive, docker-archive, raw or qcow2";

impl Format {
    /// None is "auto". Errors: `Usage`, naming the words.
    pub fn parse(word: &str) -> Result<Option<Format>> {
        if word == AUTO {
            return Ok(None);
        }
        let known = FORMATS.iter().find(|(known, _)| *known == word);
        known
            .map(|(_, format)| Some(*format))
            .ok_or_else(|| Error::usage(format!("--format {word:?} is none of {WORDS}")))
    }

    pub fn word(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or(AUTO, |(word, _)| word)
    }

    /// What a stream is read as that was found to be `form`. A tar archive can be read as either: an image's by the names
    /// in it, a tree's that begins with such a name.
    pub fn of_stream(self, form: Form) -> Result<Form> {
        match (self, form) {
            (Format::Tar, Form::Tar | Form::Image) => Ok(Form::Tar),
            (Format::LayoutArchive | Format::DockerArchive, Form::Tar | Form::Image) => Ok(Form::Image),
            (Format::RawDisk, Form::Disk(Packing::Raw)) | (Format::Qcow2, Form::Disk(Packing::Qcow2)) => Ok(form),
            _ => Err(self.refuse(&form.shown())),
        }
    }

    /// Whether a directory is read as an image, which it looks like if `is_layout`.
    pub fn of_directory(self, is_layout: bool) -> Result<bool> {
        match self {
            Format::Directory => Ok(false),
            Format::Layout if is_layout => Ok(true),
            _ if is_layout => Err(self.refuse("the directory of an OCI layout (--format oci)")),
            _ => Err(self.refuse("a directory of files (--format dir)")),
        }
    }

    /// Which of an image's descriptions is read.
    pub fn flavour(self) -> Option<Flavour> {
        match self {
            Format::Layout | Format::LayoutArchive => Some(Flavour::Layout),
            Format::DockerArchive => Some(Flavour::Docker),
            _ => None,
        }
    }

    /// The error: what it is instead.
    fn refuse(self, what: &str) -> Error {
        Error::invalid(format!("--format {}: it is none, it looks like {what}", self.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_known_and_told() {
        for (word, format) in FORMATS {
            assert_eq!((Format::parse(word).unwrap(), format.word()), (Some(format), word));
            assert!(WORDS.split([',', ' ']).any(|told| told == word), "{word}");
        }
        assert_eq!(Format::parse(AUTO).unwrap(), None);
        for wrong in ["", "TAR", "zip", "oci archive"] {
            assert!(Format::parse(wrong).unwrap_err().to_string().contains(WORDS), "{wrong}");
        }
    }

    #[test]
    fn a_stream_is_what_is_said_or_what_it_is_is_named() {
        let refused = |format: Format, form| format.of_stream(form).unwrap_err().to_string();
        assert_eq!(Format::Tar.of_stream(Form::Image).unwrap(), Form::Tar);
        assert_eq!(Format::DockerArchive.of_stream(Form::Tar).unwrap(), Form::Image);
        assert!(
            refused(Format::Tar, Form::Disk(Packing::Qcow2))
                .contains("--format tar: it is none, it looks like a QCOW2 disk image")
        );
        assert!(refused(Format::RawDisk, Form::Disk(Packing::Qcow2)).contains("it looks like a QCOW2 disk image"));
        let disk = Form::Disk(Packing::Raw);
        assert_eq!(Format::RawDisk.of_stream(disk).unwrap(), disk);
        assert!(refused(Format::Directory, Form::Tar).contains("a tar archive"));
        assert!(refused(Format::Layout, Form::Image).contains("an archive of an image"));
    }

    #[test]
    fn a_directory_is_what_is_said_or_what_it_is_is_named() {
        assert!(!Format::Directory.of_directory(true).unwrap());
        assert!(Format::Layout.of_directory(true).unwrap());
        for (format, is_layout, told) in [
            (Format::Layout, false, "--format oci: it is none, it looks like a directory of files"),
            (Format::Tar, false, "a directory of files"),
            (Format::LayoutArchive, true, "directory of an OCI layout"),
        ] {
            assert!(format.of_directory(is_layout).unwrap_err().to_string().contains(told), "{format:?}");
        }
    }
}
