//! What `fs import` reads beside the source: checksum files, keys, signatures; and the agent that gets what lies elsewhere.

use crate::cli::parse::Args;
use crate::cmd::Context;
use crate::digest::{Algorithm, Digest};
use crate::error::{Context as _, Error, Result};
use crate::http::{Agent, Settings, Url};
use crate::paths::Paths;
use crate::rootfs::import::{Bytes, Opened};
use crate::rootfs::seal::Demands;
use crate::rootfs::signature::Verifier;
use crate::rootfs::source::Source;
use crate::sys::signal::Watch;
use crate::sys::source::Polled;
use crate::text::minisign::{PublicKey, Signature};
use crate::text::sums;
use crate::ui::out;
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A key or a signature is some hundred bytes.
const SIGNATURE_MAX: usize = 64 << 10;

/// Files of this machine and of others, read until the user gives up.
pub struct Sources<'a> {
    paths: &'a Paths,
    watch: &'a Watch,
    settings: Settings,
    /// Made for the first URL: it reads all certificates of the system.
    agent: OnceCell<Agent>,
}

impl<'a> Sources<'a> {
    pub fn new(cx: &'a Context, args: &Args, watch: &'a Watch) -> Result<Sources<'a>> {
        let mut settings = Settings::new(cx.http.clone());
        settings.ca_files = args.values("ca-file").map(PathBuf::from).collect();
        let alive = watch.try_clone()?;
        settings.alive = Arc::new(move || alive.check());
        if !cx.quiet {
            settings.notice = Arc::new(out::say);
        }
        Ok(Sources { paths: &cx.paths, watch, settings, agent: OnceCell::new() })
    }

    fn agent(&self) -> Result<&Agent> {
        match self.agent.get() {
            Some(agent) => Ok(agent),
            None => Agent::new(self.paths, &self.settings).map(|agent| self.agent.get_or_init(|| agent)),
        }
    }

    /// The bytes behind a URL, and how many will come if the server says.
    pub fn open_url(&self, url: &str) -> Result<Opened> {
        let body = self.agent()?.get(&Url::parse(url)?)?;
        let length = body.length();
        Ok((Box::new(body), length))
    }

    /// A small FILE or URL as a whole.
    fn read(&self, word: &OsStr, most: usize) -> Result<Vec<u8>> {
        let source = Source::parse(word, |_| false)?;
        let reader: Bytes = match &source {
            Source::Url(url) => self.open_url(url)?.0,
            Source::File(path) | Source::Directory(path) => Box::new(Polled::open(path, self.watch.try_clone()?)?),
            Source::Stdin => return Err(Error::usage("standard input is for SOURCE")),
        };
        let mut bytes = Vec::new();
        reader.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("{:?}", source.shown()))?;
        if bytes.len() > most {
            return Err(Error::invalid(format!("{:?} is longer than {most} bytes", source.shown())));
        }
        Ok(bytes)
    }

    /// What the flags demand of the source's bytes.
    pub fn demands(&self, args: &Args, source: &Source) -> Result<Demands> {
        let read = |word| Ok::<_, Error>((word, self.read(word, sums::BYTES_MAX).context("--sums")?));
        let sums = args.value("sums").map(read).transpose()?;
        let signed = self.signature(args)?;
        // Who signs a checksum file has signed what it tells of.
        let (signature, signed_sums) = match (&sums, signed) {
            (Some((word, bytes)), Some(mut verifier)) => {
                verifier
                    .update(bytes)
                    .and_then(|()| verifier.finish())
                    .with_context(|| format!("{:?}", shown(word)))?;
                (None, true)
            }
            (_, signed) => (signed, false),
        };
        let from_sums = sums.map(|(word, bytes)| {
            let found = sums::lookup(&bytes, &file_name(source)?).with_context(|| format!("{:?}", shown(word)))?;
            let whence = format!("{}{}", if signed_sums { "signed " } else { "" }, shown(word));
            Ok::<_, Error>((Digest::parse(&found)?, whence))
        });
        let digest = from_sums.transpose()?.or(typed(args)?);
        Ok(Demands { digest, signature })
    }

    fn signature(&self, args: &Args) -> Result<Option<Verifier>> {
        let (key, word) = match (args.value("pubkey"), args.value("signature")) {
            (None, None) => return Ok(None),
            (Some(key), Some(word)) => (key, word),
            _ => return Err(args.usage("--pubkey and --signature are of use together only")),
        };
        let signature = Signature::parse(&self.read(word, SIGNATURE_MAX).context("--signature")?);
        let signature = signature.with_context(|| format!("--signature {:?}", shown(word)))?;
        let verifier = Verifier::new(self.key(key).context("--pubkey")?, signature);
        verifier.map(Some).with_context(|| format!("--signature {:?}", shown(word)))
    }

    /// A key as its base64 line, or in a file.
    fn key(&self, word: &OsStr) -> Result<PublicKey> {
        match word.to_str().map(|text| PublicKey::parse(text.as_bytes())) {
            Some(Ok(key)) => Ok(key),
            _ => PublicKey::parse(&self.read(word, SIGNATURE_MAX)?),
        }
    }
}

/// A FILE or URL for messages and the record: without the credentials in it.
fn shown(word: &OsStr) -> String {
    Source::parse(word, |_| false).map(|source| source.shown()).unwrap_or_default()
}

fn typed(args: &Args) -> Result<Option<(Digest, String)>> {
    let Some(flag) = args.one_of(&["sha256", "sha512"])? else { return Ok(None) };
    let text = args.text(flag)?.unwrap_or_default().trim().to_ascii_lowercase();
    let Some(algorithm) = Algorithm::from_name(flag) else { return Ok(None) };
    let digest = Digest::from_hex(algorithm, &text);
    let digits = 2 * algorithm.length();
    let wrong = || args.usage(&format!("--{flag}: {text:?} is not the {digits} hexadecimal digits of one"));
    let digest = digest.ok_or_else(wrong)?;
    Ok(Some((digest, format!("--{flag}"))))
}

/// By which a checksum file knows the source.
fn file_name(source: &Source) -> Result<Vec<u8>> {
    let shown = source.shown();
    let path = match source {
        Source::Url(_) => shown.split(['?', '#']).next().unwrap_or_default(),
        _ => shown.as_str(),
    };
    match (source, Path::new(path).file_name()) {
        (Source::Url(_) | Source::File(_), Some(name)) => Ok(name.as_encoded_bytes().to_vec()),
        // Of a bare sum alone it is asked nothing.
        _ => Ok(b"-".to_vec()),
    }
}
