//! The codec against what real peers said (tests/data/dbus): all of it is understood, and comes back byte for byte; cut or
//! mutated, it is an error and nothing worse.

use sdme::dbus::auth::Auth;
use sdme::dbus::header::{self, Frame, Kind};
use sdme::dbus::message::Message;
use sdme::dbus::value::Value;
use sdme::dbus::{Endian, Limits, decode, encode, signature};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dbus").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn frame(bytes: &[u8]) -> Frame {
    header::frame(bytes, Limits::TRUSTED).unwrap().unwrap()
}

/// As many descriptors as any of the messages counts.
fn descriptors() -> Vec<OwnedFd> {
    (0..3).map(|_| fs::File::open("/dev/null").unwrap().into()).collect()
}

fn decoded(bytes: &[u8]) -> Message {
    Message::decode(bytes, frame(bytes), &mut descriptors()).unwrap()
}

#[test]
fn every_message_comes_back_byte_for_byte() {
    let header_types = signature::parse(b"yyyyuua(yv)").unwrap();
    for (path, bytes) in files("messages") {
        let (frame, message) = (frame(&bytes), decoded(&bytes));
        let (head, body) = bytes.split_at(frame.total - frame.body);
        let count = message.fds.len();
        assert_eq!(encode::values(&message.body, frame.endian, count).unwrap(), body, "{path:?}");
        // The fields stand in the order of their sender.
        let fields =
            (16..=head.len()).rev().find_map(|end| decode::values(&header_types, &head[..end], frame.endian, 0).ok());
        let mut again = encode::values(&fields.unwrap(), frame.endian, 0).unwrap();
        again.resize(again.len().next_multiple_of(8), 0);
        assert_eq!(again, head, "{path:?}");
    }
}

#[test]
fn every_message_says_the_same_in_the_other_byte_order() {
    let (mut little, mut big) = (0, 0);
    for (path, bytes) in files("messages") {
        let message = decoded(&bytes);
        let other = match frame(&bytes).endian {
            Endian::Little => (little += 1, Endian::Big).1,
            Endian::Big => (big += 1, Endian::Little).1,
        };
        let again = decoded(&message.encode(message.header.serial, other).unwrap());
        assert_eq!((&again.header, &again.body), (&message.header, &message.body), "{path:?}");
    }
    assert!(little > 20 && big > 5, "{little} {big}");
}

#[test]
fn the_messages_are_of_all_kinds_and_types() {
    let messages: Vec<Message> = files("messages").iter().map(|(_, bytes)| decoded(bytes)).collect();
    for kind in [Kind::MethodCall, Kind::MethodReturn, Kind::Error, Kind::Signal] {
        assert!(messages.iter().any(|message| message.header.kind == kind), "{kind:?}");
    }
    let signatures: String = messages.iter().map(|message| signature::render(&message.header.signature)).collect();
    for code in "ybnqiuxtdsogva({".chars() {
        assert!(signatures.contains(code), "{code}");
    }
    assert!(messages.iter().any(|message| message.fds.len() == 3), "descriptors");
    let all = messages.iter().find(|message| message.member() == "AllTypes").unwrap();
    assert_eq!(all.body[0], Value::Byte(7));
    assert_eq!(all.body[9], Value::from("text \u{e4} \u{2603}"));
    assert_eq!(all.body[12].as_str(), Some("held"));
    assert_eq!(all.body[14].as_bytes(), Some(&[1, 2, 3][..]));
    assert_eq!(all.body[15].lookup("x").and_then(Value::as_u32), Some(1));
}

/// Case 30: every message cut at every byte.
#[test]
fn a_cut_message_is_an_error_wherever_it_is_cut() {
    for (path, bytes) in files("messages") {
        let whole = frame(&bytes);
        // A long one is cut where its structure is: near its ends, and here and there between.
        for cut in (0..bytes.len()).filter(|cut| *cut < 600 || bytes.len() - cut < 100 || cut % 257 == 0) {
            let short = &bytes[..cut];
            match header::frame(short, Limits::TRUSTED).unwrap() {
                None => assert!(cut < 16),
                Some(frame) => assert_eq!(frame, whole, "it is still known how much is to come"),
            }
            assert!(Message::decode(short, whole, &mut descriptors()).is_err(), "{path:?} cut at {cut}");
            // Nor does it pass when its lengths are made to fit what is left.
            let body = whole.body.saturating_sub(bytes.len() - cut);
            if body > 0 && body < whole.body {
                let mut shortened = short.to_vec();
                let length = body as u32;
                let length = if whole.endian == Endian::Big { length.to_be_bytes() } else { length.to_le_bytes() };
                shortened[4..8].copy_from_slice(&length);
                assert!(
                    Message::decode(&shortened, frame(&shortened), &mut descriptors()).is_err(),
                    "{path:?} body of {body}"
                );
            }
        }
    }
}

/// Case 30: whatever a byte says, decoding ends, and what is understood can be said again.
#[test]
fn a_mutated_message_is_an_error_or_a_message() {
    let mut descriptors = descriptors();
    for (_, bytes) in files("messages").iter().filter(|(_, bytes)| bytes.len() < 300) {
        let mut mutated = bytes.clone();
        for at in 0..bytes.len() {
            for byte in [0, 0xff, bytes[at] ^ 1] {
                mutated[at] = byte;
                let Ok(Some(frame)) = header::frame(&mutated, Limits::TRUSTED) else { continue };
                if let Ok(message) = Message::decode(&mutated, frame, &mut descriptors) {
                    message.encode(message.header.serial, Endian::Little).unwrap();
                    descriptors.extend(message.fds);
                }
            }
            mutated[at] = bytes[at];
        }
    }
}

/// Case 31: half lines.
#[test]
fn what_brokers_and_managers_answer_authenticates_us_also_in_pieces() {
    let answers = files("auth").into_iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "server"));
    for (path, bytes) in answers {
        let text = String::from_utf8(bytes).unwrap();
        // Some clients ask in more steps than we do; the end of it is alike.
        let text = &text[text.find("OK ").unwrap()..];
        for cut in 0..=text.len() {
            let (mut auth, _) = Auth::begin(0);
            let taken = auth.feed(&text.as_bytes()[..cut]).unwrap();
            auth.feed(&text.as_bytes()[taken..]).unwrap();
            assert!(auth.is_done() && auth.passes_descriptors() && auth.guid().len() == 32, "{path:?} {cut}");
        }
    }
}
