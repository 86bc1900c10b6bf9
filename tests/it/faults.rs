//! Peers that misbehave (cases 30 and 31): what no real one does, so these are made up, each in a thread at the other end
//! of a socket pair. Whatever they do, a call ends with one clear error, in time.

use sdme::dbus::connection::Connection;
use sdme::dbus::header::{self, Header, Kind};
use sdme::dbus::message::Message;
use sdme::dbus::rule::Rule;
use sdme::dbus::value::Value;
use sdme::dbus::{Endian, Limits, encode, signature};
use sdme::error::{self, Error};
use sdme::sys::poll::Wait;
use sdme::sys::socket;
use sdme::systemd::manager::Manager;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const OK: &[u8] = b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
const LIMIT: Duration = Duration::from_secs(5);

fn wait() -> Wait<'static> {
    Wait::at_most(LIMIT)
}

/// A connection to a peer that runs this script.
fn connected(limits: Limits, script: impl FnOnce(Peer) + Send + 'static) -> Connection {
    let (here, there) = UnixStream::pair().unwrap();
    thread::spawn(move || script(Peer(there)));
    Connection::over(here.into(), limits).unwrap()
}

/// One that authenticates us and then runs the script.
fn peer(limits: Limits, script: impl FnOnce(Peer) + Send + 'static) -> Connection {
    connected(limits, |mut peer| {
        peer.hear_auth();
        peer.say(OK);
        script(peer);
    })
}

struct Peer(UnixStream);

impl Peer {
    fn say(&mut self, bytes: &[u8]) {
        // Whom it speaks to may have hung up already: that is what some tests are about.
        let _ = self.0.write_all(bytes);
    }

    fn say_with_fds(&mut self, bytes: &[u8], count: usize) {
        let fds: Vec<OwnedFd> = (0..count).map(|_| File::open("/dev/null").unwrap().into()).collect();
        socket::send(self.0.as_fd(), bytes, &fds).unwrap();
    }

    fn hear_auth(&mut self) {
        let mut heard = Vec::new();
        while !heard.ends_with(b"BEGIN\r\n") {
            let mut byte = [0];
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            heard.push(byte[0]);
        }
    }

    /// The next call; its serial and its message. `None` when the other side has hung up.
    fn hear(&mut self) -> Option<Message> {
        let mut bytes = vec![0; header::FIXED];
        self.0.read_exact(&mut bytes).ok()?;
        let frame = header::frame(&bytes, Limits::TRUSTED).unwrap().unwrap();
        bytes.resize(frame.total, 0);
        self.0.read_exact(&mut bytes[header::FIXED..]).ok()?;
        Some(Message::decode(&bytes, frame, &mut Vec::new()).unwrap())
    }

    fn answer(&mut self, call: &Message, body: Vec<Value>) {
        self.say(&reply_bytes(call.header.serial, body));
    }

    /// Says nothing more, and does not hang up.
    fn be_silent(mut self) {
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

fn reply(to: u32, body: Vec<Value>) -> Message {
    let header = Header { kind: Kind::MethodReturn, reply_serial: Some(to), ..Header::default() };
    Message { header, body, fds: Vec::new() }
}

fn reply_bytes(to: u32, body: Vec<Value>) -> Vec<u8> {
    reply(to, body).encode(1, Endian::Little).unwrap()
}

fn signal(path: &str, interface: &str, member: &str, body: Vec<Value>) -> Message {
    let mut message = Message::call(path, interface, member);
    message.header.kind = Kind::Signal;
    message.body = body;
    message
}

fn call() -> Message {
    Message::call("/a", "b.C", "D")
}

/// What a call to a peer that says these bytes in answer to it ends with.
fn answered(limits: Limits, bytes: Vec<u8>) -> sdme::error::Result<Message> {
    let mut connection = peer(limits, move |mut peer| {
        peer.hear();
        peer.say(&bytes);
        peer.be_silent();
    });
    connection.call(call(), Wait::at_most(Duration::from_millis(300)))
}

fn is_invalid(result: sdme::error::Result<Message>, what: &str) {
    match result {
        Err(error) => assert_eq!(*error.kind(), error::Kind::Invalid, "{what}: {error}"),
        Ok(message) => panic!("{what}: {message:?}"),
    }
}

/// An answer with this signature and these bytes as its body, whatever they are.
fn raw(signature: &str, body: &[u8]) -> Vec<u8> {
    let field = |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::variant(value)]);
    raw_fields(vec![field(5, Value::Uint32(1)), field(8, Value::Signature(signature.into()))], body)
}

fn raw_fields(fields: Vec<Value>, body: &[u8]) -> Vec<u8> {
    let of = signature::parse_one(b"(yv)").unwrap();
    let fixed = [Value::Byte(b'l'), Value::Byte(2), Value::Byte(0), Value::Byte(1)];
    let lengths = [Value::Uint32(body.len() as u32), Value::Uint32(9), Value::Array(of, fields)];
    let mut bytes = encode::values(&[&fixed[..], &lengths[..]].concat(), Endian::Little, 0).unwrap();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    [&bytes, body].concat()
}

// --- case 30: messages -------------------------------------------------------------------------------------------

#[test]
fn case_30_a_message_cut_at_any_byte_by_the_end_of_the_peer() {
    let whole = reply_bytes(1, vec!["text".into(), Value::strings(["a", "b"])]);
    for cut in 0..whole.len() {
        let bytes = whole[..cut].to_vec();
        let mut connection = peer(Limits::HOSTILE, move |mut peer| {
            peer.hear();
            peer.say(&bytes);
        });
        let error = connection.call(call(), wait()).unwrap_err();
        assert_eq!(*error.kind(), error::Kind::Unavailable, "cut at {cut}: {error}");
    }
    assert!(answered(Limits::HOSTILE, whole).is_ok());
}

#[test]
fn case_30_a_message_byte_by_byte_is_a_message() {
    let mut connection = peer(Limits::HOSTILE, |mut peer| {
        peer.hear();
        for byte in reply_bytes(1, vec!["slow".into()]) {
            peer.say(&[byte]);
        }
        peer.be_silent();
    });
    assert_eq!(connection.call(call(), wait()).unwrap().body, ["slow".into()]);
}

#[test]
fn case_30_lengths_that_lie() {
    let good = reply_bytes(1, vec!["text".into()]);
    let with = |at: usize, length: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    is_invalid(answered(Limits::HOSTILE, with(4, u32::MAX)), "body of 4 GiB");
    is_invalid(answered(Limits::HOSTILE, with(4, 1 << 20)), "body over the limit");
    is_invalid(answered(Limits::TRUSTED, with(4, 1 << 27)), "body over 128 MiB");
    is_invalid(answered(Limits::TRUSTED, with(12, (1 << 26) + 1)), "fields over 64 MiB");
    is_invalid(answered(Limits::HOSTILE, with(4, 0)), "a signature but no body");
    is_invalid(answered(Limits::HOSTILE, with(4, 8)), "body shorter than its string");
    is_invalid(answered(Limits::HOSTILE, with(12, 8)), "fields shorter than they are");
    is_invalid(answered(Limits::HOSTILE, raw("s", b"\xff\xff\xff\xffx\0")), "string longer than the message");
    is_invalid(answered(Limits::HOSTILE, raw("as", b"\xf0\0\0\0\x01\0\0\0x\0")), "array longer than the message");
    is_invalid(answered(Limits::TRUSTED, raw("ay", &((1u32 << 26) + 1).to_le_bytes())), "array over 64 MiB");
    is_invalid(answered(Limits::HOSTILE, raw("", b"left over")), "body without a signature");
}

#[test]
fn case_30_cve_2022_42011_an_array_whose_length_is_no_multiple_of_its_items() {
    is_invalid(answered(Limits::HOSTILE, raw("au", b"\x05\0\0\0\x01\0\0\0\x02\0\0\0")), "au");
    is_invalid(answered(Limits::HOSTILE, raw("a(yy)", b"\x03\0\0\0\0\0\0\0\x01\x02\x03\0\0\0\0\0")), "a(yy)");
}

#[test]
fn case_30_cve_2022_42010_brackets_that_do_not_match() {
    for signature in ["(y", "y)", "a{yy", "a{y}", "(y}", "a{y)}", "a{(yy)", "((y)", "{yy}"] {
        // Such a signature cannot be encoded: the field is made from a string.
        let mut bytes = raw(&"y".repeat(signature.len()), b"\x01\x01\x01\x01\x01\x01");
        let at = bytes.windows(signature.len()).position(|window| window.iter().all(|byte| *byte == b'y')).unwrap();
        bytes[at..at + signature.len()].copy_from_slice(signature.as_bytes());
        is_invalid(answered(Limits::HOSTILE, bytes), signature);
    }
}

#[test]
fn case_30_nesting_beyond_the_limits() {
    let field = |text: String| {
        let mut bytes = raw(&"y".repeat(text.len()), &[0; 512]);
        let at = bytes.windows(text.len()).position(|window| window.iter().all(|byte| *byte == b'y')).unwrap();
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    is_invalid(answered(Limits::HOSTILE, field(format!("{}y", "a".repeat(33)))), "33 arrays");
    is_invalid(answered(Limits::HOSTILE, field(format!("{}y{}", "(".repeat(33), ")".repeat(33)))), "33 structs");
    let variants = [b"\x01v\0".repeat(100_000), b"\x01y\0\x07".to_vec()].concat();
    is_invalid(answered(Limits::HOSTILE, raw("v", &variants)), "100,000 variants");
}

#[test]
fn case_30_bad_padding_texts_paths_and_signatures() {
    let bad: [(&str, &[u8]); 9] = [
        ("yu", b"\x01\0\xff\0\x01\0\0\0"),
        ("b", b"\x02\0\0\0"),
        ("s", b"\x02\0\0\0\xc3\x28\0"),
        ("s", b"\x03\0\0\0a\0b\0"),
        ("s", b"\x01\0\0\0ab"),
        ("o", b"\x04\0\0\0/a//\0"),
        ("o", b"\x02\0\0\0/\xff\0"),
        ("g", b"\x01(\0"),
        ("v", b"\x02yy\0\0\0"),
    ];
    for (signature, body) in bad {
        is_invalid(answered(Limits::HOSTILE, raw(signature, body)), signature);
    }
}

#[test]
fn case_30_header_fields_that_are_missing_doubled_or_of_a_wrong_type() {
    let field = |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::variant(value)]);
    let to = || field(5, Value::Uint32(1));
    is_invalid(answered(Limits::HOSTILE, raw_fields(vec![], b"")), "no reply serial");
    is_invalid(answered(Limits::HOSTILE, raw_fields(vec![to(), to()], b"")), "two reply serials");
    is_invalid(
        answered(Limits::HOSTILE, raw_fields(vec![field(5, "1".into())], b"")),
        "a reply serial that is a string",
    );
    is_invalid(answered(Limits::HOSTILE, raw_fields(vec![to(), field(7, "no name".into())], b"")), "a bad sender");
    is_invalid(answered(Limits::HOSTILE, raw_fields(vec![to(), field(0, 1u32.into())], b"")), "field 0");
    let unknown = raw_fields(vec![field(200, Value::strings(["what"])), to()], b"");
    assert!(answered(Limits::HOSTILE, unknown).is_ok(), "fields that are not known are ignored");
}

#[test]
fn case_30_cve_2022_42012_foreign_byte_order_is_read_as_it_is_meant() {
    let body =
        vec![Value::Uint32(0x0102_0304), Value::Bytes(vec![1, 2, 3]), Value::variant(Value::Int16(-2)), "x".into()];
    let answer = reply(1, body.clone()).encode(7, Endian::Big).unwrap();
    assert_eq!(answered(Limits::HOSTILE, answer.clone()).unwrap().body, body);
    let mut other = answer;
    other[0] = b'x';
    is_invalid(answered(Limits::HOSTILE, other), "a third byte order");
}

#[test]
fn case_30_descriptors_that_are_too_many_too_few_or_wrong() {
    let sent = |limits: Limits, count: u32, index: u32, attached: usize| {
        let field = |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::variant(value)]);
        let fields = vec![field(5, 1u32.into()), field(8, Value::Signature("h".into())), field(9, count.into())];
        let bytes = raw_fields(fields, &index.to_le_bytes());
        let mut connection = peer(limits, move |mut peer| {
            peer.hear();
            peer.say_with_fds(&bytes, attached);
            peer.be_silent();
        });
        connection.call(call(), Wait::at_most(Duration::from_millis(300)))
    };
    assert_eq!(sent(Limits::TRUSTED, 1, 0, 1).unwrap().fds.len(), 1);
    is_invalid(sent(Limits::TRUSTED, 2, 0, 1), "one too few");
    is_invalid(sent(Limits::TRUSTED, 1, 0, 2), "one too many");
    is_invalid(sent(Limits::TRUSTED, 1, 1, 1), "an index past the last");
    is_invalid(sent(Limits::TRUSTED, 17, 0, 17), "more than we take");
    is_invalid(sent(Limits::HOSTILE, 1, 0, 1), "none is taken from a guest");
    is_invalid(sent(Limits::TRUSTED, 1, 0, 0), "none came");
}

#[test]
fn case_30_other_kinds_of_messages_are_passed_over() {
    let mut connection = peer(Limits::HOSTILE, |mut peer| {
        let ours = peer.hear().unwrap();
        let mut unknown = reply_bytes(1, vec![]);
        unknown[1] = 77;
        peer.say(&unknown);
        peer.say(&call().encode(5, Endian::Little).unwrap());
        peer.say(&reply_bytes(999, vec!["nobody asked".into()]));
        peer.answer(&ours, vec!["yes".into()]);
        peer.be_silent();
    });
    assert_eq!(connection.call(call(), wait()).unwrap().body, ["yes".into()]);
}

// --- case 31: conversations --------------------------------------------------------------------------------------

fn auth_answer(answer: &'static [u8]) -> Error {
    let mut connection = connected(Limits::TRUSTED, move |mut peer| {
        peer.hear_auth();
        peer.say(answer);
        peer.be_silent();
    });
    connection.call(call(), Wait::at_most(Duration::from_millis(300))).unwrap_err()
}

#[test]
fn case_31_auth_refusals_and_answers_out_of_turn() {
    assert_eq!(*auth_answer(b"REJECTED EXTERNAL ANONYMOUS\r\n").kind(), error::Kind::Unavailable);
    assert_eq!(*auth_answer(b"ERROR\r\n").kind(), error::Kind::Unavailable);
    assert_eq!(*auth_answer(b"DATA 00\r\n").kind(), error::Kind::Invalid);
    assert_eq!(
        *auth_answer(b"OK 0123456789abcdef0123456789abcdef\r\nOK 0\r\n").kind(),
        error::Kind::Invalid,
        "extra lines"
    );
    assert_eq!(*auth_answer(&[b'x'; 4096]).kind(), error::Kind::Invalid, "a line without end");
    assert_eq!(*auth_answer(b"OK 0123456789ab").kind(), error::Kind::TimedOut, "half a line");
    assert_eq!(*auth_answer(b"").kind(), error::Kind::TimedOut);
    let extra = b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\nAGREE_UNIX_FD\r\n";
    assert_eq!(*auth_answer(extra).kind(), error::Kind::Invalid, "an extra line where messages are due");
}

#[test]
fn case_31_a_peer_without_descriptor_passing_gets_none() {
    let mut connection = connected(Limits::TRUSTED, |mut peer| {
        peer.hear_auth();
        peer.say(b"OK 0123456789abcdef0123456789abcdef\r\nERROR\r\n");
        let ours = peer.hear().unwrap();
        peer.answer(&ours, vec!["yes".into()]);
        peer.be_silent();
    });
    let mut with_fd = call();
    let fd = with_fd.attach(File::open("/dev/null").unwrap().into());
    assert_eq!(connection.call(call(), wait()).unwrap().body, ["yes".into()]);
    let error = connection.call(with_fd.with(fd), wait()).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::Unavailable, "{error}");
}

#[test]
fn case_31_the_first_message_may_carry_descriptors() {
    let mut connection = peer(Limits::TRUSTED, |mut peer| {
        let mut bytes = [0; 1024];
        let (_, fds) = loop {
            match socket::receive(peer.0.as_fd(), &mut bytes, 4).unwrap() {
                Some(received) => break received,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        peer.say(&reply_bytes(1, vec![Value::Uint32(fds.len() as u32)]));
        peer.be_silent();
    });
    let mut message = call();
    let fd = message.attach(File::open("/dev/null").unwrap().into());
    assert_eq!(connection.call(message.with(fd), wait()).unwrap().body, [Value::Uint32(1)]);
}

#[test]
fn case_31_the_peer_gone_at_any_moment() {
    let gone: [fn(Peer); 3] = [
        drop,
        |mut peer| peer.hear_auth(),
        |mut peer| {
            peer.hear_auth();
            peer.say(OK);
            peer.hear();
        },
    ];
    for script in gone {
        let mut connection = connected(Limits::TRUSTED, script);
        let started = Instant::now();
        for _ in 0..2 {
            let error = connection.call(call(), wait()).unwrap_err();
            assert_eq!(*error.kind(), error::Kind::Unavailable, "{error}");
        }
        assert!(started.elapsed() < LIMIT);
    }
}

#[test]
fn case_31_the_last_words_of_a_peer_are_heard() {
    let mut connection = peer(Limits::TRUSTED, |mut peer| {
        let ours = peer.hear().unwrap();
        peer.answer(&ours, vec!["last words".into()]);
    });
    assert_eq!(connection.call(call(), wait()).unwrap().body, ["last words".into()]);
    assert_eq!(*connection.call(call(), wait()).unwrap_err().kind(), error::Kind::Unavailable);
}

#[test]
fn case_31_answers_out_of_order_reach_whom_they_are_for() {
    let mut connection = peer(Limits::TRUSTED, |mut peer| {
        let calls: Vec<Message> = (0..3).map(|_| peer.hear().unwrap()).collect();
        for call in [&calls[2], &calls[0], &calls[1]] {
            peer.answer(call, vec![Value::Uint32(call.header.serial)]);
        }
        peer.be_silent();
    });
    let serials: Vec<u32> = (0..3).map(|_| connection.queue(call()).unwrap()).collect();
    for serial in serials {
        assert_eq!(connection.reply(serial, wait()).unwrap().body, [Value::Uint32(serial)]);
    }
}

#[test]
fn case_31_an_answer_that_comes_too_late_is_not_taken_for_the_next() {
    let mut connection = peer(Limits::TRUSTED, |mut peer| {
        let first = peer.hear().unwrap();
        let second = peer.hear().unwrap();
        peer.answer(&first, vec!["late".into()]);
        peer.answer(&second, vec!["in time".into()]);
        peer.be_silent();
    });
    let error = connection.call(call(), Wait::at_most(Duration::from_millis(30))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut);
    assert_eq!(connection.call(call(), wait()).unwrap().body, ["in time".into()]);
}

#[test]
fn case_31_signals_before_answers_are_kept_and_others_dropped() {
    let mut connection = peer(Limits::TRUSTED, |mut peer| {
        let ours = peer.hear().unwrap();
        for (serial, member) in ["Wanted", "Other", "Wanted"].iter().enumerate() {
            let body = vec![Value::Uint32(serial as u32)];
            peer.say(&signal("/a", "b.C", member, body).encode(serial as u32 + 1, Endian::Little).unwrap());
        }
        peer.answer(&ours, vec![]);
        peer.be_silent();
    });
    connection.watch(Rule::signal("x.y", "b.C", "Wanted"), wait()).unwrap();
    connection.call(call(), wait()).unwrap();
    assert_eq!(connection.next_signal(wait()).unwrap().body, [Value::Uint32(0)]);
    assert_eq!(connection.next_signal(wait()).unwrap().body, [Value::Uint32(2)]);
}

#[test]
fn case_31_a_peer_that_never_answers_and_one_that_floods_end_in_time() {
    let mut silent = peer(Limits::HOSTILE, Peer::be_silent);
    let started = Instant::now();
    let error = silent.call(call(), Wait::at_most(Duration::from_millis(50))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut);

    let flood = |member: &'static str| {
        move |mut peer: Peer| {
            let bytes = signal("/a", "b.C", member, vec!["x".repeat(1000).into()]).encode(1, Endian::Little).unwrap();
            while peer.0.write_all(&bytes).is_ok() {}
        }
    };
    let mut unwanted = peer(Limits::HOSTILE, flood("Other"));
    let error = unwanted.call(call(), Wait::at_most(Duration::from_millis(50))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut, "{error}");

    let mut wanted = peer(Limits::HOSTILE, flood("Wanted"));
    wanted.watch(Rule::signal("x.y", "b.C", "Wanted"), wait()).unwrap();
    let error = wanted.call(call(), wait()).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::Unavailable, "what is kept is bounded: {error}");
    assert!(started.elapsed() < LIMIT);
}

#[test]
fn case_31_a_peer_that_does_not_read_cannot_hold_us() {
    let mut connection = peer(Limits::TRUSTED, |peer| {
        thread::sleep(LIMIT);
        drop(peer);
    });
    let error =
        connection.call(call().with("x".repeat(8 << 20)), Wait::at_most(Duration::from_millis(50))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut);
}

/// A manager on a private socket whose `StartUnit` is answered by this script.
fn manager(limits: Limits, script: impl FnOnce(Peer, Message) + Send + 'static) -> Manager {
    let connection = peer(limits, |mut peer| {
        let version = peer.hear().unwrap();
        peer.answer(&version, vec![Value::variant("0")]);
        let start = peer.hear().unwrap();
        assert_eq!(start.member(), "StartUnit");
        script(peer, start);
    });
    Manager::private(connection, LIMIT).unwrap()
}

fn job_removed(id: u32, result: &str) -> Vec<u8> {
    let path = Value::path(format!("/org/freedesktop/systemd1/job/{id}"));
    let body = vec![id.into(), path, "a.service".into(), result.into()];
    let signal = signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", body);
    signal.encode(1, Endian::Little).unwrap()
}

#[test]
fn case_31_a_job_removed_before_its_path_is_known() {
    let mut manager = manager(Limits::TRUSTED, |mut peer, start| {
        peer.say(&job_removed(6, "done"));
        peer.say(&job_removed(7, "failed"));
        peer.answer(&start, vec![Value::path("/org/freedesktop/systemd1/job/7")]);
        peer.be_silent();
    });
    let job = manager.start_unit("a.service").unwrap();
    assert_eq!(job.id, 7);
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "failed");
}

#[test]
fn case_31_a_manager_that_answers_with_something_else() {
    for answer in [
        vec![],
        vec!["/a".into()],
        vec![Value::path("/")],
        vec![Value::path("/a/x1")],
        vec![Value::path("/a"), true.into()],
    ] {
        let mut manager = manager(Limits::HOSTILE, move |mut peer, start| {
            peer.answer(&start, answer);
            peer.be_silent();
        });
        let error = manager.start_unit("a.service").unwrap_err();
        assert_eq!(*error.kind(), error::Kind::Invalid, "{error}");
    }
}

#[test]
fn case_31_a_manager_that_goes_away_in_the_middle_of_a_call() {
    let mut manager = manager(Limits::TRUSTED, |peer, _| drop(peer));
    let error = manager.start_unit("a.service").unwrap_err();
    assert_eq!(*error.kind(), error::Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("a.service"), "{error}");
}

#[test]
fn case_31_signals_of_a_guest_without_end_do_not_keep_us_past_the_deadline() {
    let mut manager = manager(Limits::HOSTILE, |mut peer, start| {
        peer.answer(&start, vec![Value::path("/org/freedesktop/systemd1/job/7")]);
        while peer.0.write_all(&job_removed(8, "done")).is_ok() {}
    });
    let job = manager.start_unit("a.service").unwrap();
    let error = manager.wait_job(&job, Wait::at_most(Duration::from_millis(100))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut, "{error}");
}

#[test]
fn case_23_the_words_of_a_guest_cannot_write_to_a_terminal() {
    let mut manager = manager(Limits::HOSTILE, |mut peer, start| {
        peer.answer(&start, vec![Value::path("/org/freedesktop/systemd1/job/7")]);
        peer.say(&job_removed(7, "\x1b]0;gotcha\x07"));
        peer.be_silent();
    });
    let job = manager.start_unit("a.service").unwrap();
    let result = manager.wait_job(&job, wait()).unwrap();
    assert!(result.chars().all(|c| !c.is_control()), "{result:?}");
}
