//! `/etc/fstab` (fstab(5)): its entries, what device each is of, and the same text with some of them commented out; pure.
//!
//! Whoever made the file chose every byte: a line that is no entry is passed over, as mount(8) does.

use crate::text::mountinfo::unescaped;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Lines that are looked at; more are no file that a machine would have.
const LINES_MAX: usize = 10_000;
/// Stands before an entry that was taken out.
const OUT: &[u8] = b"#sdme: ";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub spec: Spec,
    /// What the spec was, as it was written.
    pub word: String,
    /// Where it is mounted.
    pub file: OsString,
    pub fstype: String,
    pub options: Vec<String>,
}

/// Of what device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// A filesystem by its own UUID, lower case.
    Uuid(String),
    /// A filesystem by its own label.
    Label(String),
    /// A partition by the table's UUID, lower case.
    PartUuid(String),
    /// A partition by the table's name.
    PartLabel(String),
    /// A node, its name without `/dev/`.
    Device(String),
    /// No device: a pseudo filesystem's name, a server's, a path.
    Other,
}

impl Entry {
    /// None: a comment, an empty line, or no entry.
    fn parse(line: &[u8]) -> Option<Entry> {
        let mut words =
            line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty()).map(unescaped);
        let word = words.next().filter(|word| !word.as_bytes().starts_with(b"#"))?;
        let (file, fstype) = (words.next()?, text(words.next()?));
        let options = text(words.next().unwrap_or_default());
        let word = text(word);
        let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_string).collect();
        Some(Entry { spec: spec(&word), word, file, fstype, options })
    }

    /// The value of `name=value`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|each| each == option)
    }

    /// Whether it is of a device, or of swap, which a container has none of.
    pub fn needs_device(&self) -> bool {
        self.spec != Spec::Other || self.fstype == "swap"
    }
}

impl Spec {
    /// Any word that names what is mounted, as units have it too.
    pub fn parse(word: &str) -> Spec {
        spec(word)
    }
}

fn text(word: OsString) -> String {
    String::from_utf8_lossy(&word.into_vec()).into_owned()
}

/// A tag, the folder of udev's links that means the same, and what they make of a value.
type Tag = (&'static str, &'static str, fn(String) -> Spec);

fn spec(word: &str) -> Spec {
    const TAGS: [Tag; 4] = [
        ("UUID=", "/dev/disk/by-uuid/", |value| Spec::Uuid(value.to_ascii_lowercase())),
        ("LABEL=", "/dev/disk/by-label/", Spec::Label),
        ("PARTUUID=", "/dev/disk/by-partuuid/", |value| Spec::PartUuid(value.to_ascii_lowercase())),
        ("PARTLABEL=", "/dev/disk/by-partlabel/", Spec::PartLabel),
    ];
    for (tag, folder, make) in TAGS {
        if let Some(value) = word.strip_prefix(tag).or(word.strip_prefix(folder)) {
            return make(value.trim_matches('"').to_string());
        }
    }
    match word.strip_prefix("/dev/") {
        Some(device) => Spec::Device(device.to_string()),
        None if word.starts_with("ID=") => Spec::Device(word.to_string()),
        None => Spec::Other,
    }
}

/// All entries, in their order.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    lines(text).filter_map(Entry::parse).collect()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').take(LINES_MAX)
}

/// The text with the entries that `is_out` chooses as comments. None when it chooses none.
pub fn without(text: &[u8], is_out: impl Fn(&Entry) -> bool) -> Option<Vec<u8>> {
    let mut rendered = Vec::with_capacity(text.len());
    let mut is_changed = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if Entry::parse(line.strip_suffix(b"\n").unwrap_or(line)).is_some_and(|entry| is_out(&entry)) {
            rendered.extend_from_slice(OUT);
            is_changed = true;
        }
        rendered.extend_from_slice(line);
    }
    is_changed.then_some(rendered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &[u8] = b"# a comment\n\nPARTUUID=0F-02 / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\n\
        UUID=AB-cd /boot/efi\tvfat defaults 0 0\nLABEL=\"my\\040disk\" /my\\040disk xfs\n/dev/vda3 none swap sw 0 0\n\
        tmpfs /tmp tmpfs size=1G\n/a /b none bind\n/swapfile none swap sw\nserver:/x /y nfs\nnonsense\n";

    #[test]
    fn entries_are_of_what_they_name() {
        let entries = parse(DEBIAN);
        let specs: Vec<Spec> = entries.iter().map(|entry| entry.spec.clone()).collect();
        assert_eq!(
            specs,
            [
                Spec::PartUuid("0f-02".into()),
                Spec::Uuid("ab-cd".into()),
                Spec::Label("my disk".into()),
                Spec::Device("vda3".into()),
                Spec::Other,
                Spec::Other,
                Spec::Other,
                Spec::Other
            ]
        );
        assert_eq!(entries[2].file, "/my disk");
        assert_eq!((entries[4].option("size"), entries[5].has("bind")), (Some("1G"), true));
        assert_eq!(spec("/dev/disk/by-label/x"), Spec::Label("x".into()));
    }

    #[test]
    fn what_needs_a_device_becomes_a_comment_and_all_else_stays() {
        let changed = without(DEBIAN, Entry::needs_device).unwrap();
        let text = String::from_utf8(changed.clone()).unwrap();
        assert_eq!(text.matches("#sdme: ").count(), 5);
        assert_eq!(text.replace("#sdme: ", "").as_bytes(), DEBIAN);
        assert_eq!(without(&changed, Entry::needs_device), None);
        assert_eq!(parse(&changed).len(), 3);
    }

    #[test]
    fn any_bytes_are_read() {
        for bytes in [&b"\xff\xfe \\ \\777 x\n"[..], b"\0", b"   ", b"a b", b"UUID= / x", &[b'\\'; 5000]] {
            let _ = (parse(bytes), without(bytes, |_| true));
        }
        assert!(parse(&b"a b c\n".repeat(LINES_MAX * 2)).len() <= LINES_MAX);
    }
}
