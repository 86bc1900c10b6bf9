//! The decoders, one line each: what is fed, and what must hold when it was accepted.

use crate::memory;
use codec::inflate::{Inflate, Pause};
use sdme::config::Config;
use sdme::container::state::State;
use sdme::dbus::auth::Auth;
use sdme::dbus::message::Message;
use sdme::dbus::{Endian, Limits, address, decode, encode, header, name, signature};
use sdme::digest::{Algorithm, Digest, Hasher};
use sdme::disk::qcow2::Image;
use sdme::disk::{ReadAt, partition, probe};
use sdme::http::chunked::Decoder;
use sdme::http::head::Head;
use sdme::http::proxy::{self, Proxy};
use sdme::http::range::{ContentRange, Facts};
use sdme::http::{Url, redirect, retry};
use sdme::oci::member::Member;
use sdme::oci::types::{Config as ImageConfig, DOCUMENT_MAX, Document};
use sdme::oci::{docker, platform::Platform, spool};
use sdme::store::name::Name;
use sdme::stream::decompress::{self, Compression, open_within, sniff};
use sdme::stream::tar::{self, Archive, acl, pax};
use sdme::systemd::escape;
use sdme::text::json::{self, Limits as JsonLimits, Value};
use sdme::text::keyvalue::Pairs;
use sdme::text::minisign::{PublicKey, Signature};
use sdme::text::osrelease::OsRelease;
use sdme::text::{base64, mountinfo, passwd, sanitize, size, sums, time};
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
    Target { name: "json", run: json },
    Target { name: "oci_document", run: oci_document },
    Target { name: "oci_config", run: |bytes| drop(ImageConfig::parse(bytes)) },
    Target { name: "oci_names", run: |bytes| with_text(bytes, oci_names) },
    Target { name: "docker_manifest", run: docker_manifest },
    Target { name: "sums", run: sums },
    Target { name: "minisign", run: minisign },
    Target { name: "qcow2", run: qcow2_image },
    Target { name: "disk", run: disk },
    Target { name: "tar", run: tar_archive },
    Target { name: "tar_pax", run: tar_records },
    Target { name: "tar_acl", run: tar_acl },
    Target { name: "http_url", run: |bytes| with_text(bytes, http_url) },
    Target { name: "http_proxy", run: |bytes| with_text(bytes, http_proxy) },
    Target { name: "http_range", run: |bytes| with_text(bytes, http_range) },
    Target { name: "http_head", run: http_head },
    Target { name: "http_chunked", run: http_chunked },
    Target { name: "inflate", run: inflate },
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

fn json(bytes: &[u8]) {
    let limits = JsonLimits { bytes: 1 << 20, values: 10_000, depth: 64 };
    let Ok(value) = json::parse(bytes, limits) else { return };
    let mut writer = json::Writer::new();
    write_json(&value, &mut writer);
    let again = json::parse(writer.finish().as_bytes(), JsonLimits::default()).expect("what was written can be read");
    assert_eq!(texts(&again), texts(&value));
}

/// The writer has no signed numbers: a number is written as the text that it is.
fn write_json(value: &Value, writer: &mut json::Writer) {
    match value {
        Value::Null => drop(writer.optional(None)),
        Value::Bool(value) => drop(writer.bool(*value)),
        Value::Integer(number) => drop(writer.string(&number.to_string())),
        Value::Number(text) | Value::String(text) => drop(writer.string(text)),
        Value::Array(values) => {
            writer.begin_array();
            values.iter().for_each(|value| write_json(value, writer));
            writer.end_array();
        }
        Value::Object(pairs) => {
            writer.begin_object();
            for (key, value) in pairs {
                writer.key(key);
                write_json(value, writer);
            }
            writer.end_object();
        }
    }
}

/// All texts in a value, in order.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Integer(number) => vec![number.to_string()],
        Value::Number(text) | Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(pairs) => {
            pairs.iter().flat_map(|(key, value)| [vec![key.clone()], texts(value)].concat()).collect()
        }
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

fn oci_document(bytes: &[u8]) {
    let Ok(Document::Manifest(manifest)) = Document::parse(bytes, None) else { return };
    assert!(manifest.config.size <= DOCUMENT_MAX as u64 || manifest.demand_image().is_err());
}

fn oci_names(text: &str) {
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(platform) = Platform::parse(text) {
        assert_eq!(Platform::parse(&platform.to_string()).expect("what was written can be read"), platform);
    }
    let plain = text.strip_prefix("./").unwrap_or(text);
    if let Some(member) = Member::parse(text.as_bytes()) {
        assert_eq!(member.to_string(), plain);
        assert!(!plain.starts_with('/') && !plain.contains("..") && plain.split('/').count() <= 3);
    }
    spool::is_image(text.as_bytes());
}

fn docker_manifest(bytes: &[u8]) {
    if let Ok(images) = docker::parse(bytes) {
        images.iter().for_each(|image| assert!(!image.config.to_string().contains("..")));
    }
}

/// The first line is the name that is looked for.
fn sums(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (name, text) = bytes.split_at(end);
    if let Ok(told) = sums::lookup(text, name) {
        Digest::parse(&told).expect("what was found is a digest");
    }
}

fn minisign(bytes: &[u8]) {
    drop(PublicKey::parse(bytes));
    drop(Signature::parse(bytes));
    if let Some(decoded) = base64::decode(bytes) {
        assert_eq!(base64::encode(&decoded).as_bytes(), bytes);
    }
}

/// Every header is given the checksum that it needs; what is read does not depend on the pieces in which it comes, and the digest that
/// whoever hashed the stream tells of a file is that of the bytes that are read.
fn tar_archive(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(tar::BLOCK).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let whole = entries(Archive::new(&bytes[..]), 1 << 16);
    let mut hasher = tar::ArchiveHasher::new(Algorithm::Sha256);
    bytes.chunks(97).for_each(|piece| hasher.update(piece));
    assert_eq!(hasher.digest(), Digest::of(Algorithm::Sha256, &bytes));
    let pieces = entries(Archive::new(Pieces(&bytes)).with_digests(hasher.digests()), 100);
    assert_eq!(whole, pieces);
}

struct Pieces<'a>(&'a [u8]);

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (piece, rest) = self.0.split_at(self.0.len().min(buffer.len()).min(97));
        buffer[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

/// Entries, and a hash of all their data; the error as text.
fn entries(mut archive: Archive<'_>, piece: usize) -> Result<(Vec<tar::Entry>, u64), String> {
    let (mut seen, mut hash, mut buffer) = (Vec::new(), 0u64, vec![0; piece]);
    while let Some(entry) = archive.next().map_err(|error| error.to_string())? {
        assert!(!entry.path.contains(&0) && entry.mode <= 0o7777 && entry.uid != u32::MAX && entry.gid != u32::MAX);
        assert!(entry.modified.1 < 1_000_000_000);
        let (span, mut data, mut end) = (archive.digested(), Hasher::new(Algorithm::Sha256), 0);
        while let Some(chunk) = archive.read(&mut buffer).map_err(|error| error.to_string())? {
            assert!(chunk.offset >= end && chunk.length > 0);
            end = chunk.offset + chunk.length as u64;
            assert!(end <= entry.size);
            let fold = |hash: u64, byte: &u8| hash.wrapping_mul(31).wrapping_add(u64::from(*byte));
            hash = buffer[..chunk.length].iter().fold(hash, fold);
            data.update(&buffer[..chunk.length]);
        }
        if let Some(span) = span {
            assert_eq!(archive.digest(span).map(Digest::of_sha256), Some(data.finish()));
        }
        seen.push(entry);
    }
    archive.finish().map_err(|error| error.to_string())?;
    Ok((seen, hash))
}

fn tar_records(bytes: &[u8]) {
    let Ok(records) = pax::Records::parse(bytes) else { return };
    drop(pax::Globals::default().parse(bytes));
    for (name, _) in records.into_xattrs().unwrap_or_default() {
        assert!(!name.is_empty() && name.len() <= 255 && !name.contains(&0));
    }
}

fn tar_acl(bytes: &[u8]) {
    let Ok(acl) = acl::Acl::parse(bytes) else { return };
    let value = acl.encode();
    assert!(value.len() % 8 == 4 && acl::mode(&value).is_some_and(|mode| mode <= 0o777));
}

/// The first line is an address, the second what a server there says one is to ask instead.
fn http_url(text: &str) {
    let (first, second) = text.split_once('\n').unwrap_or((text, "x"));
    let Ok(url) = Url::parse(first) else { return };
    let sent = |url: &Url| format!("{} {}", url.target(), url.authority());
    assert!(sent(&url).bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !url.target().contains(' '));
    assert!(url.target().starts_with('/') && !url.authority().contains('@'));
    let again = Url::parse(&url.to_string()).expect("what was printed can be read");
    assert_eq!((again.target(), again.authority()), (url.target(), url.authority()));
    let name = url.file_name().unwrap_or_default();
    assert!(!name.contains('/') && name != "..");
    if let Ok(next) = redirect::follow(&url, Some(second)) {
        assert!(next.scheme == url.scheme || next.scheme == sdme::http::url::Scheme::Https);
        assert!(next.login.is_none() || next.is_same_origin(&url));
        assert!(!next.target().contains([' ', '\r', '\n']));
    }
}

/// The first line is a proxy, the second an address, the rest a no_proxy list.
fn http_proxy(text: &str) {
    let mut lines = text.splitn(3, '\n');
    drop(Proxy::parse(lines.next().unwrap_or_default()));
    let Ok(url) = Url::parse(lines.next().unwrap_or_default()) else { return };
    let list = lines.next().unwrap_or_default();
    let excepted = proxy::is_excepted(list, &url.host, url.port);
    assert!(!excepted || !list.trim_matches([',', ' ', '\t']).is_empty());
}

fn http_range(text: &str) {
    let Ok(range) = ContentRange::parse(text) else { return };
    assert!(range.first <= range.last && range.complete.is_none_or(|complete| range.last < complete));
    let head = Head::parse(format!("HTTP/1.1 206 x\nContent-Range: {text}\n").as_bytes());
    if let Ok(resumed) = head.and_then(|head| Facts::default().check_resumed(&head, range.first)) {
        assert_eq!(resumed.length, Some(range.last - range.first + 1));
    }
}

fn http_head(bytes: &[u8]) {
    let Ok(head) = Head::parse(bytes) else { return };
    assert!((100..600).contains(&head.status) && !head.status_text().contains(char::is_control));
    drop(head.refuse_encoding());
    drop(retry::Failure::of_status(&head, 1_700_000_000));
    if let Ok(facts) = Facts::of(&head) {
        assert!(facts.validator().is_none_or(|validator| !validator.contains(['\r', '\n'])));
        drop(facts.check_resumed(&head, 7));
    }
}

/// The first byte says how much is given to the decoder at once: it must come to the same as the whole.
fn http_chunked(bytes: &[u8]) {
    let Some((step, body)) = bytes.split_first() else { return };
    let whole = chunks(body, body.len().max(1), 4096);
    assert_eq!(chunks(body, usize::from(*step).max(1), 3).map(|it| it.0), whole.map(|it| it.0));
}

/// What comes out and how much went in; None for what is refused.
fn chunks(body: &[u8], step: usize, room: usize) -> Option<(Vec<u8>, usize)> {
    let (mut decoder, mut out, mut at) = (Decoder::default(), Vec::new(), 0);
    let mut buffer = vec![0; room];
    while at < body.len() && !decoder.is_done() {
        let fed = decoder.feed(&body[at..body.len().min(at + step)], &mut buffer).ok()?;
        assert!(fed.taken > 0 && fed.given <= room, "it must go on");
        out.extend_from_slice(&buffer[..fed.given]);
        at += fed.taken;
    }
    Some((out, at))
}

/// What a decoder may hold for any input: lz4's largest window and a little, as none of the seeds asks for more.
const DECODER_MEMORY: usize = 12 << 20;

/// Raw deflate, whole and in pieces, beside zlib-rs: the same bytes come out where it is whole, and it is for both or for none.
fn inflate(bytes: &[u8]) {
    const MOST: usize = 1 << 18;
    let ours = |piece| {
        let (mut inflate, mut unpacked, mut at) = (Inflate::default(), Vec::new(), 0);
        let mut buffer = vec![0; MOST];
        while unpacked.len() < MOST {
            let end = bytes.len().min(at + piece);
            let (taken, pause) = inflate.unpack(&bytes[at..end]).ok()?;
            at += taken;
            let length = inflate.read(&mut buffer);
            unpacked.extend_from_slice(&buffer[..length]);
            match pause {
                Pause::Done => return Some((unpacked, at)),
                Pause::Hungry if at == bytes.len() => return None,
                _ => {}
            }
        }
        None
    };
    let theirs = || {
        let (mut inflate, mut unpacked) = (zlib_rs::Inflate::new(false, 15), vec![0; MOST]);
        let status = inflate.decompress(bytes, &mut unpacked, zlib_rs::InflateFlush::NoFlush);
        unpacked.truncate(inflate.total_out() as usize);
        matches!(status, Ok(zlib_rs::Status::StreamEnd)).then_some((unpacked, inflate.total_in() as usize))
    };
    memory::reset();
    let whole = ours(bytes.len());
    assert!(memory::peak() < DECODER_MEMORY, "{}", memory::peak());
    assert!(whole == ours(5));
    let is_small = |outcome: &Option<(Vec<u8>, usize)>| outcome.as_ref().is_none_or(|(bytes, _)| bytes.len() < MOST);
    let judge = theirs();
    assert!(!is_small(&whole) || !is_small(&judge) || whole == judge);
}

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

/// The file of an image: its tables are walked, and what they say is there is read as far as a test has time.
fn qcow2_image(bytes: &[u8]) {
    let Ok(image) = Image::open(bytes) else { return };
    if image.survey().is_err() {
        return;
    }
    let (mut at, mut buffer) = (0, [0; 4096]);
    for _ in 0..64 {
        let Ok(Some(extent)) = image.next_extent(at) else { return };
        assert!(extent.offset == at && extent.length > 0 && extent.length <= image.size() - at);
        let _ = image.read_at(at, &mut buffer);
        at += extent.length;
    }
}

/// A whole disk: its table, and what each of its partitions begins with. None reaches past its end.
fn disk(bytes: &[u8]) {
    drop(probe::probe(&bytes, 0, bytes.len() as u64));
    let Ok(Some(table)) = partition::read(&bytes) else { return };
    for part in table.partitions {
        assert!(part.offset.checked_add(part.length).is_some_and(|end| end <= bytes.len() as u64), "{part:?}");
        drop(probe::probe(&bytes, part.offset, part.length));
        part.role();
    }
}
