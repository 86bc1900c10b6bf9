//! Which files say whom to trust beside the built-in authorities: the user's, the environment's, the distribution's.

use crate::error::{Context, Error, Result};
use crate::http::environment::Environment;
use crate::paths::Paths;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where distributions keep the bundle: the first that is there counts.
const BUNDLES: [&str; 8] = [
    // Debian, Ubuntu, Arch, Gentoo, NixOS
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, CentOS, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // openSUSE, SLES
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    // NixOS, and whoever copies it
    "/etc/ssl/certs/ca-bundle.crt",
    // Alpine, and whoever follows OpenSSL's own default
    "/etc/ssl/cert.pem",
    "/usr/lib/ssl/cert.pem",
];

/// Where single certificates are, for systems without a bundle.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// One bundle's bytes; Mozilla's whole list has 230 KB.
const BUNDLE_MAX: u64 = 8 << 20;
/// Files of one directory that are read.
const FILES_MAX: usize = 2048;

/// A file of certificates.
#[derive(Debug)]
pub struct Bundle {
    pub path: PathBuf,
    pub text: Vec<u8>,
    /// Named for this run: it must hold a certificate.
    pub is_demanded: bool,
}

/// Reads them all. What the environment names and cannot be read is handed to `notice`.
pub fn read(
    paths: &Paths,
    environment: &Environment,
    demanded: &[PathBuf],
    notice: &dyn Fn(&str),
) -> Result<Vec<Bundle>> {
    let mut bundles = Vec::new();
    for path in demanded {
        bundles.push(Bundle { is_demanded: true, ..read_bundle(path)? });
    }
    let file = match &environment.ssl_cert_file {
        Some(file) => Some(file.clone()),
        None => BUNDLES.iter().map(|bundle| paths.host(bundle)).find(|bundle| bundle.is_file()),
    };
    let directories = match &environment.ssl_cert_dir {
        Some(list) => split(list.as_bytes()),
        None if file.is_some() => Vec::new(),
        None => DIRECTORIES.iter().map(|directory| paths.host(directory)).collect(),
    };
    let mut seen = HashSet::new();
    if let Some(file) = file {
        seen.extend(identity(&file));
        match read_bundle(&file) {
            Ok(bundle) => bundles.push(bundle),
            Err(error) => notice(&format!("certificates: {error}")),
        }
    }
    for directory in directories {
        bundles.extend(read_directory(&directory, &mut seen));
    }
    Ok(bundles)
}

/// Which file a path leads to: OpenSSL's directories have two symlinks to each.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A list of directories with colons between.
fn split(list: &[u8]) -> Vec<PathBuf> {
    let parts = list.split(|byte| *byte == b':').filter(|part| !part.is_empty());
    parts.map(|part| PathBuf::from(std::ffi::OsString::from_vec(part.to_vec()))).collect()
}

/// What can be read of a directory's files; a name that OpenSSL would not look at is read too.
fn read_directory(directory: &Path, seen: &mut HashSet<(u64, u64)>) -> Vec<Bundle> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().take(FILES_MAX).map(|entry| entry.path());
    let fresh = paths.filter(|path| identity(path).is_some_and(|identity| seen.insert(identity)));
    fresh.filter_map(|path| read_bundle(&path).ok()).collect()
}

fn read_bundle(path: &Path) -> Result<Bundle> {
    // A FIFO would be waited for.
    if !fs::metadata(path).with_context(|| format!("{path:?}"))?.is_file() {
        return Err(Error::invalid(format!("{path:?} is no file")));
    }
    let mut text = Vec::new();
    let file = File::open(path).with_context(|| format!("{path:?}"))?;
    file.take(BUNDLE_MAX + 1).read_to_end(&mut text).with_context(|| format!("{path:?}"))?;
    if text.len() as u64 > BUNDLE_MAX {
        return Err(Error::invalid(format!("{path:?} has more than {BUNDLE_MAX} bytes")));
    }
    Ok(Bundle { path: path.to_path_buf(), text, is_demanded: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[&str]) -> Folder {
            let folder = Folder(std::env::temp_dir().join(format!("sdme-trust-{name}-{}", std::process::id())));
            for file in files {
                let path = folder.0.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
            }
            folder
        }

        fn read(&self, environment: &Environment, demanded: &[PathBuf]) -> Result<(Vec<String>, usize)> {
            let told = Cell::new(0);
            let bundles = read(&Paths::under(&self.0), environment, demanded, &|_| told.set(told.get() + 1))?;
            let mut names: Vec<String> =
                bundles.iter().map(|bundle| String::from_utf8(bundle.text.clone()).unwrap()).collect();
            names.sort();
            Ok((names, told.get()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_first_bundle_of_a_distribution_else_its_directories() {
        let fedora =
            Folder::new("fedora", &["etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/cert.pem", "etc/ssl/certs/x.pem"]);
        let usual = fedora.read(&Environment::default(), &[]).unwrap();
        assert_eq!(usual, (vec!["etc/pki/tls/certs/ca-bundle.crt".to_string()], 0));
        let bare = Folder::new("bare", &["etc/ssl/certs/x.pem", "etc/ssl/certs/y.pem"]);
        assert_eq!(bare.read(&Environment::default(), &[]).unwrap().0.len(), 2);
        let none = Folder::new("none", &["x"]);
        assert_eq!(none.read(&Environment::default(), &[]).unwrap(), (vec![], 0));
    }

    #[test]
    fn the_environment_goes_before_the_distribution_and_files_of_the_user_are_added() {
        let folder = Folder::new("own", &["etc/ssl/cert.pem", "own.pem", "dir/a", "other/b", "extra.pem"]);
        let own = Environment { ssl_cert_file: Some(folder.0.join("own.pem")), ..Environment::default() };
        assert_eq!(folder.read(&own, &[folder.0.join("extra.pem")]).unwrap().0, ["extra.pem", "own.pem"]);
        let list = format!("{0}/dir:{0}/missing::{0}/other", folder.0.display());
        let directories = Environment { ssl_cert_dir: Some(list.into()), ..Environment::default() };
        assert_eq!(folder.read(&directories, &[]).unwrap().0, ["dir/a", "etc/ssl/cert.pem", "other/b"]);
    }

    #[test]
    fn a_file_with_many_names_is_read_once() {
        let folder = Folder::new("links", &["dir/a.pem", "dir/bundle"]);
        std::os::unix::fs::symlink("a.pem", folder.0.join("dir/01234567.0")).unwrap();
        std::os::unix::fs::symlink("gone", folder.0.join("dir/dangling")).unwrap();
        let environment = Environment {
            ssl_cert_file: Some(folder.0.join("dir/bundle")),
            ssl_cert_dir: Some(folder.0.join("dir").into()),
            ..Environment::default()
        };
        assert_eq!(folder.read(&environment, &[]).unwrap(), (vec!["dir/a.pem".into(), "dir/bundle".into()], 0));
    }

    #[test]
    fn what_is_missing_is_told_or_refused() {
        let folder = Folder::new("missing", &["x"]);
        let own = Environment { ssl_cert_file: Some(folder.0.join("nope")), ..Environment::default() };
        assert_eq!(folder.read(&own, &[]).unwrap(), (vec![], 1));
        for named in ["nope", "."] {
            assert!(folder.read(&Environment::default(), &[folder.0.join(named)]).is_err(), "{named}");
        }
    }
}
