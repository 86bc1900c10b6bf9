//! The decoders, one line each: what is fed, and what must hold when it was accepted.

use crate::memory;
use sdme::config::Config;
use sdme::container::state::State;
use sdme::dbus::auth::Auth;
use sdme::dbus::message::Message;
use sdme::dbus::{Endian, Limits, address, decode, encode, header, name, signature};
use sdme::store::name::Name;
use sdme::stream::decompress::{self, Compression, open_within, sniff};
use sdme::systemd::escape;
use sdme::text::keyvalue::Pairs;
use sdme::text::osrelease::OsRelease;
use sdme::text::{mountinfo, passwd, sanitize, size, time};
use std::io::{self, Read};

pub struct Target {
    /// The name of its folder in corpus/.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const ALL: &[Target] = &[
    Target { name: "dbus_message", run: dbus_message },
    Target { name: "dbus_values", run: dbus_values },
    Target { name: "dbus_signature", run: dbus_signature },
    Target { name: "dbus_auth", run: dbus_auth },
    Target { name: "dbus_address", run: |bytes| with_text(bytes, |text| drop(address::parse(text))) },
    Target { name: "dbus_name", run: dbus_name },
    Target { name: "state", run: state },
    Target { name: "keyvalue", run: keyvalue },
    Target { name: "config", run: |bytes| with_text(bytes, |text| drop(Config::parse(text))) },
    Target { name: "name", run: |bytes| with_text(bytes, container_name) },
    Target { name: "mountinfo", run: |bytes| drop(mountinfo::parse(bytes)) },
    Target { name: "osrelease", run: |bytes| drop(OsRelease::parse(bytes)) },
    Target { name: "passwd", run: users },
    Target { name: "sanitize", run: |bytes| with_text(bytes, sanitized) },
    Target { name: "numbers", run: |bytes| with_text(bytes, numbers) },
    Target { name: "unit_name", run: |bytes| with_text(bytes, unit_name) },
    Target { name: "gzip", run: |bytes| stream(bytes, Compression::Gzip) },
    Target { name: "bzip2", run: |bytes| stream(bytes, Compression::Bzip2) },
    Target { name: "xz", run: |bytes| stream(bytes, Compression::Xz) },
    Target { name: "lzma", run: |bytes| stream(bytes, Compression::Lzma) },
    Target { name: "zstd", run: |bytes| stream(bytes, Compression::Zstd) },
    Target { name: "lz4", run: |bytes| stream(bytes, Compression::Lz4) },
];

fn with_text(bytes: &[u8], run: impl Fn(&str)) {
    run(&String::from_utf8_lossy(bytes));
}

fn dbus_message(bytes: &[u8]) {
    let Ok(Some(frame)) = header::frame(bytes, Limits::HOSTILE) else { return };
    assert!(frame.total <= Limits::HOSTILE.message);
    let Some(whole) = bytes.get(..frame.total) else { return };
    let Ok(message) = Message::decode(whole, frame, &mut Vec::new()) else { return };
    let again = message.encode(message.header.serial, frame.endian).expect("what was read can be written");
    let frame = header::frame(&again, Limits::TRUSTED).unwrap().unwrap();
    let other = Message::decode(&again, frame, &mut Vec::new()).expect("what was written can be read");
    assert_eq!(format!("{:?}", message.header), format!("{:?}", other.header));
    assert_eq!(format!("{:?}", message.body), format!("{:?}", other.body));
}

/// The first byte says how long the signature is; its highest bit, the byte order.
fn dbus_values(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Some((types, body)) = rest.split_at_checked(usize::from(first & 0x7f)) else { return };
    let endian = if first & 0x80 == 0 { Endian::Little } else { Endian::Big };
    let Ok(types) = signature::parse(types) else { return };
    let Ok(values) = decode::values(&types, body, endian, 4) else { return };
    assert_eq!(encode::values(&values, endian, 4).expect("what was read can be written"), body);
}

fn dbus_signature(bytes: &[u8]) {
    drop(signature::parse_one(bytes));
    if let Ok(types) = signature::parse(bytes) {
        assert_eq!(signature::render(&types).as_bytes(), bytes);
    }
}

/// A peer whose lines come in two parts.
fn dbus_auth(bytes: &[u8]) {
    let (first, _) = bytes.split_at(bytes.len() / 2);
    let (mut auth, _) = Auth::begin(0);
    let Ok(taken) = auth.feed(first) else { return };
    assert!(taken <= first.len());
    if let Ok(more) = auth.feed(&bytes[taken..]) {
        assert!(taken + more <= bytes.len());
    }
    assert!(!auth.is_done() || auth.guid().len() == 32);
}

fn dbus_name(bytes: &[u8]) {
    with_text(bytes, |text| {
        let accepted = name::is_path(text) || name::is_interface(text) || name::is_member(text) || name::is_bus(text);
        assert!(!accepted || !text.contains(['\0', '\n', ' ']));
    });
}

fn state(bytes: &[u8]) {
    if let Ok(state) = State::parse(bytes) {
        assert_eq!(State::parse(state.render().as_bytes()).expect("what was written can be read"), state);
    }
}

fn keyvalue(bytes: &[u8]) {
    if let Ok(pairs) = Pairs::parse(bytes) {
        assert_eq!(Pairs::parse(pairs.render().as_bytes()).expect("what was written can be read"), pairs);
    }
}

fn container_name(text: &str) {
    if Name::parse(text).is_ok() {
        assert!(text.len() <= 64 && !text.contains(['/', '\0', '\n', '%', ' ']) && !text.starts_with(['.', '-']));
    }
}

/// The first line is who is looked for.
fn users(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (who, table) = bytes.split_at(end);
    with_text(who, |who| {
        drop(passwd::lookup(table, who));
        drop(passwd::supplementary(table, who));
    });
}

fn sanitized(text: &str) {
    let harmless = |letter: char| !letter.is_control();
    assert!(sanitize::line(text).chars().all(harmless));
    assert!(sanitize::lines(text).chars().all(|letter| letter == '\n' || harmless(letter)));
    assert!(sanitize::console(text).chars().all(|letter| matches!(letter, '\n' | '\t') || harmless(letter)));
}

fn numbers(text: &str) {
    size::parse(text);
    time::parse_span(text);
    let digits: String = text.chars().filter(char::is_ascii_digit).take(18).collect();
    time::render_rfc3339(digits.parse().unwrap_or(0));
}

fn unit_name(text: &str) {
    drop(escape::unescape(text));
    assert_eq!(escape::unescape(&escape::escape(text.as_bytes())).expect("what was escaped"), text.as_bytes());
}

/// What a decoder may hold for any input: lz4's largest window and a little, as none of the seeds asks for more.
const DECODER_MEMORY: usize = 12 << 20;

/// A stream of one format, its output bounded; by one thread and by two where that makes a difference. It has a memory
/// count of its own, as a thread.
fn stream(bytes: &[u8], kind: Compression) {
    let unpack = |threads| {
        memory::reset();
        let limits = decompress::Limits { window: 8 << 20, threads };
        let reader = open_within(Box::new(io::Cursor::new(bytes.to_vec())), kind, limits).expect("threads can be had");
        let mut unpacked = Vec::new();
        let outcome = reader.take(1 << 18).read_to_end(&mut unpacked);
        assert!(memory::peak() < DECODER_MEMORY, "{}", memory::peak());
        outcome.map(|_| unpacked).ok()
    };
    let unpack = |threads| std::thread::scope(|scope| scope.spawn(move || unpack(threads)).join()).unwrap();
    let one = unpack(1);
    if matches!(kind, Compression::Bzip2 | Compression::Xz) {
        assert!(one == unpack(2));
    }
    sniff(bytes);
}
