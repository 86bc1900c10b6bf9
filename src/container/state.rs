//! What a container is, as its `state` file says it: pure text to struct and back.

use crate::error::{Context, Error, Kind, Result};
use crate::store::fields::{self, Fields};
use crate::store::name::Name;
use crate::text::keyvalue::Pairs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The version of the text form that this program writes.
pub const VERSION: u32 = 1;
/// A state file is a few hundred bytes; whatever is longer than this is not one.
pub const STATE_MAX: usize = 1 << 20;
/// Overlays of one container: each costs a mount and a file descriptor or two at boot.
pub const LAYERS_MAX: usize = 64;
/// Mounts that are named as not followed; a host that runs other containers has thousands.
pub const SKIPPED_MAX: usize = 256;

const HOST: &str = "host";
const NAMED: &str = "fs/";
/// machine-id(5)'s word for one that is not drawn yet.
const UNINITIALIZED: &str = "uninitialized";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub name: Name,
    /// Seconds after 1970.
    pub created: u64,
    pub rootfs: Rootfs,
    /// 32 lower-case hexadecimal digits. None: the first boot draws one, as each machine that an image becomes needs its own.
    pub machine_id: Option<String>,
    pub services: Services,
    /// The overlays, outermost mountpoint first; the first is always `/`.
    pub layers: Vec<Layer>,
    /// Mounts of the host below `/` that are not followed.
    pub skipped: Vec<Skipped>,
}

/// What lies beneath the overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// The host's own `/`.
    Host,
    /// An imported root filesystem of the same datadir.
    Named(Name),
}

/// Which services a clone of `/` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// What the distribution starts on its own.
    Basic,
    /// What the host's administrator enabled too.
    Host,
}

/// One overlay: a local filesystem of the host with an upper of the container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub mountpoint: PathBuf,
    /// The filesystem's type, as mountinfo names it.
    pub fstype: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub mountpoint: PathBuf,
    pub fstype: String,
    /// Why, in a few words: "network filesystem".
    pub why: String,
}

impl State {
    /// Errors: `Invalid`, naming the line or the key; a newer version says so.
    pub fn parse(text: &[u8]) -> Result<State> {
        parse(text).context("state")
    }

    /// What [`State::parse`] reads.
    pub fn render(&self) -> String {
        let mut pairs = Pairs::new();
        pairs.push("name", self.name.as_str());
        pairs.push("created", self.created.to_string());
        match &self.rootfs {
            Rootfs::Host => pairs.push("rootfs", HOST),
            Rootfs::Named(name) => pairs.push("rootfs", format!("{NAMED}{name}")),
        }
        pairs.push("machine_id", self.machine_id.as_deref().unwrap_or(UNINITIALIZED));
        pairs.push("services", self.services.as_str());
        for (index, layer) in self.layers.iter().enumerate() {
            pairs.push(format!("layer.{index}.mountpoint"), layer.mountpoint.as_os_str().as_bytes());
            pairs.push(format!("layer.{index}.fstype"), &layer.fstype);
        }
        for (index, skipped) in self.skipped.iter().enumerate() {
            pairs.push(format!("skipped.{index}.mountpoint"), skipped.mountpoint.as_os_str().as_bytes());
            pairs.push(format!("skipped.{index}.fstype"), &skipped.fstype);
            pairs.push(format!("skipped.{index}.why"), &skipped.why);
        }
        fields::render(VERSION, &pairs)
    }
}

impl Rootfs {
    /// "/" or a root filesystem's name.
    pub fn as_str(&self) -> &str {
        match self {
            Rootfs::Host => "/",
            Rootfs::Named(name) => name.as_str(),
        }
    }
}

impl Services {
    pub fn as_str(self) -> &'static str {
        match self {
            Services::Basic => "basic",
            Services::Host => "host",
        }
    }
}

impl Layer {
    /// The name of its directory in `layers/`: the mountpoint's words joined by `-`, other bytes as `\xNN`, `-` for
    /// `/` itself (what systemd-escape(1) makes of a path).
    pub fn directory(&self) -> String {
        let words = self.mountpoint.as_os_str().as_bytes().split(|byte| *byte == b'/').filter(|word| !word.is_empty());
        let joined = words.map(escaped_word).collect::<Vec<_>>().join("-");
        match joined.strip_prefix('.') {
            _ if joined.is_empty() => "-".to_string(),
            Some(rest) => format!("\\x2e{rest}"),
            None => joined,
        }
    }
}

fn escaped_word(word: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    word.iter().map(escape).collect()
}

fn parse(text: &[u8]) -> Result<State> {
    if text.len() > STATE_MAX {
        return Err(Error::invalid(format!("it is longer than {STATE_MAX} bytes")));
    }
    let mut fields = Fields::parse(text, VERSION)?;
    let state = State {
        name: name(&fields.text("name")?)?,
        created: fields.number("created")?,
        rootfs: rootfs(&fields.text("rootfs")?)?,
        machine_id: machine_id(fields.text("machine_id")?)?,
        services: services(&fields.text("services")?)?,
        layers: layers(&mut fields)?,
        skipped: skipped(&mut fields)?,
    };
    fields.finish()?;
    Ok(state)
}

fn name(text: &str) -> Result<Name> {
    Name::parse(text).map_err(|error| error.with_kind(Kind::Invalid))
}

fn rootfs(value: &str) -> Result<Rootfs> {
    match value.strip_prefix(NAMED) {
        Some(text) => Ok(Rootfs::Named(name(text)?)),
        None if value == HOST => Ok(Rootfs::Host),
        None => Err(Error::invalid(format!("rootfs: {value:?} is unknown"))),
    }
}

fn machine_id(value: String) -> Result<Option<String>> {
    if value == UNINITIALIZED {
        return Ok(None);
    }
    let is_id = value.len() == 32 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_id && value.bytes().any(|byte| byte != b'0') {
        Ok(Some(value))
    } else {
        Err(Error::invalid(format!("machine_id: {value:?} is not 32 lower-case hexadecimal digits")))
    }
}

fn services(value: &str) -> Result<Services> {
    let known = [Services::Basic, Services::Host].into_iter().find(|services| services.as_str() == value);
    known.ok_or_else(|| Error::invalid(format!("services: {value:?} is unknown")))
}

fn layers(fields: &mut Fields) -> Result<Vec<Layer>> {
    let mut layers: Vec<Layer> = Vec::new();
    for index in 0..LAYERS_MAX {
        let key = |what: &str| format!("layer.{index}.{what}");
        if !fields.has(&key("mountpoint")) {
            break;
        }
        let layer = Layer { mountpoint: fields.path(&key("mountpoint"))?, fstype: fields.text(&key("fstype"))? };
        // Boot mounts in this order: what is below another comes after it.
        let misplaced = layers.iter().any(|earlier| earlier.mountpoint.starts_with(&layer.mountpoint));
        if misplaced || layers.is_empty() != (layer.mountpoint == Path::new("/")) {
            return Err(Error::invalid(format!("layer {:?} is out of order", layer.mountpoint)));
        }
        layers.push(layer);
    }
    if layers.is_empty() { Err(Error::invalid("layer.0.mountpoint is missing")) } else { Ok(layers) }
}

fn skipped(fields: &mut Fields) -> Result<Vec<Skipped>> {
    let mut skipped = Vec::new();
    for index in 0..SKIPPED_MAX {
        let key = |what: &str| format!("skipped.{index}.{what}");
        if !fields.has(&key("mountpoint")) {
            break;
        }
        skipped.push(Skipped {
            mountpoint: fields.path(&key("mountpoint"))?,
            fstype: fields.text(&key("fstype"))?,
            why: fields.text(&key("why"))?,
        });
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn sample() -> State {
        let odd = OsStr::from_bytes(b"/mnt/a b\\\n\xff=%,:");
        State {
            name: Name::parse("web").unwrap(),
            created: 1_700_000_000,
            rootfs: Rootfs::Host,
            machine_id: Some("0123456789abcdef0123456789abcdef".to_string()),
            services: Services::Basic,
            layers: vec![layer("/", "ext4"), layer("/home", "xfs"), layer("/home/x", "btrfs")],
            skipped: vec![Skipped {
                mountpoint: PathBuf::from(odd),
                fstype: "nfs4".into(),
                why: "network filesystem".into(),
            }],
        }
    }

    fn layer(mountpoint: &str, fstype: &str) -> Layer {
        Layer { mountpoint: PathBuf::from(mountpoint), fstype: fstype.to_string() }
    }

    #[test]
    fn a_state_comes_back() {
        let named =
            State { rootfs: Rootfs::Named(Name::parse("debian").unwrap()), services: Services::Host, ..sample() };
        let of_image = State { machine_id: None, ..named.clone() };
        for state in [sample(), named, of_image] {
            assert_eq!(State::parse(state.render().as_bytes()).unwrap(), state);
        }
    }

    #[test]
    fn the_text_is_what_it_was() {
        let text = State { skipped: Vec::new(), ..sample() }.render();
        let expected = "version=1\nname=web\ncreated=1700000000\nrootfs=host\n\
            machine_id=0123456789abcdef0123456789abcdef\nservices=basic\n\
            layer.0.mountpoint=/\nlayer.0.fstype=ext4\nlayer.1.mountpoint=/home\nlayer.1.fstype=xfs\n\
            layer.2.mountpoint=/home/x\nlayer.2.fstype=btrfs\nend\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_cut_is_seen() {
        let text = sample().render();
        for length in 0..text.len() {
            assert!(State::parse(&text.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("name=web", "name=../web", "name"),
            ("created=1", "created=-1", "number"),
            ("rootfs=host", "rootfs=guest", "unknown"),
            ("rootfs=host", "rootfs=fs/..", "name"),
            ("rootfs=host", "rootfs=host\nrootfs=host", "twice"),
            ("machine_id=0", "machine_id=X", "hexadecimal"),
            ("services=basic", "services=all", "unknown"),
            ("services=basic", "colour=red\nservices=basic", "colour"),
            ("layer.0.mountpoint=/\n", "layer.0.mountpoint=/home\n", "order"),
            ("layer.0.mountpoint=/\n", "", "missing"),
            ("layer.1.mountpoint=/home\n", "layer.1.mountpoint=/home/../etc\n", "absolute path"),
            ("layer.1.mountpoint=/home\n", "layer.1.mountpoint=/home/x/y\n", "order"),
            ("layer.1.fstype=xfs\n", "", "missing"),
            ("layer.2", "layer.3", "unknown"),
            ("version=1", "version=2", "newer"),
            ("\n", "\r\n", "CR LF"),
        ];
        for (good, bad, told) in cases {
            let error = State::parse(sample().render().replace(good, bad).as_bytes()).unwrap_err();
            assert_eq!(*error.kind(), crate::error::Kind::Invalid);
            assert!(error.to_string().contains(told), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_huge_file_is_not_read_through() {
        assert!(State::parse(&vec![b'a'; STATE_MAX + 1]).unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn every_mountpoint_has_a_directory_of_its_own() {
        let cases =
            [("/", "-"), ("/var/lib", "var-lib"), ("/var-lib", "var\\x2dlib"), ("/.x", "\\x2ex"), ("/a b", "a\\x20b")];
        for (mountpoint, directory) in cases {
            assert_eq!(layer(mountpoint, "ext4").directory(), directory);
        }
    }
}
