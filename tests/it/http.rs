//! The HTTP client against a server that cuts, stalls, lies and redirects.

use crate::http_server::{Server, agent, agent_with, error_of, read_all, sequence, settings};
use sdme::error::{Error, Kind, Result};
use sdme::http::{Settings, Url};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn patient(retries: u32) -> Settings {
    Settings { retries, delay: Duration::ZERO, ..settings() }
}

fn get(url: &Url) -> Result<Vec<u8>> {
    read_all(agent().get(url))
}

/// The file must come whole, whatever happens on the way.
fn comes_whole(server: &Server, length: usize, query: &str, settings: &Settings) {
    let url = server.url(&format!("/bytes/{length}?{query}"));
    let bytes = read_all(agent_with(settings).get(&url)).unwrap_or_else(|error| panic!("{error}"));
    assert!(bytes == sequence(length), "{url}: {} of {length} bytes, or other ones", bytes.len());
}

/// It must not, and the error says this.
fn fails(server: &Server, target: &str, settings: &Settings, words: &str) {
    let url = server.url(target);
    let error = error_of(read_all(agent_with(settings).get(&url)));
    assert!(error.contains(words) && error.starts_with(&url.to_string()), "{error}");
    assert!(!error.contains('\n') && error.chars().all(|letter| !letter.is_control()), "{error:?}");
}

#[test]
fn a_file_comes_whole_however_it_is_framed() {
    for server in [Server::plain(), Server::tls("server", &[]), Server::tls("rsa", &[])] {
        for query in ["", "chunked=1", "chunked=1&chunk=1", "close=1", "interim=8", "head=60000", "trickle=5000"] {
            comes_whole(&server, 20_000, query, &settings());
        }
        comes_whole(&server, 0, "", &settings());
        comes_whole(&server, 0, "chunked=1", &settings());
        comes_whole(&server, 3_000_000, "", &settings());
    }
}

#[test]
fn what_the_server_says_of_the_file_is_kept() {
    let server = Server::plain();
    let url = server.text("/bytes/9?hops=2&etag=x&date=old").replace("http://", "http://me:secret@");
    let body = agent().get(&Url::parse(&url).unwrap()).unwrap();
    assert_eq!((body.length(), body.etag()), (Some(9), Some("\"x\"")));
    assert_eq!(body.last_modified(), Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    let last = body.final_url().to_string();
    assert!(last.contains("hops=0") && !last.contains("secret") && body.final_url().login.is_none());
    assert_eq!(agent().get(&server.url("/bytes/9?chunked=1")).unwrap().length(), None);
}

#[test]
fn a_file_that_is_cut_at_every_byte_comes_whole() {
    let (plain, secure) = (Server::plain(), Server::tls("server", &[]));
    for cut in 1..=40 {
        comes_whole(&plain, 41, &format!("cut={cut}&etag=a&n={cut}"), &patient(41));
    }
    for query in ["", "&reset=1", "&rude=1", "&chunked=1&chunk=300", "&chunked=1&rude=1", "&part=900", "&date=old"] {
        for server in [&plain, &secure] {
            comes_whole(server, 10_000, &format!("cut=777&etag=a{query}"), &patient(20));
        }
    }
    comes_whole(&plain, 10_000, "cut=777&date=old", &patient(20));
    comes_whole(&plain, 10_000, "cut=777&date=old&etag=weak:a", &patient(20));
    comes_whole(&plain, 10_000, "part=500&cut=0&cuts=1&etag=b", &patient(30));
    // The mark that ends a chunked body is all that is missing.
    comes_whole(&plain, 10_000, "cut=10000&etag=a&chunked=1", &patient(1));
    // A body that ends with the connection: over TLS a cut can be told from the end.
    comes_whole(&secure, 10_000, "cut=777&cuts=3&etag=a&close=1&rude=1", &patient(20));
}

#[test]
fn a_server_without_ranges_sends_it_all_again_and_no_byte_comes_twice() {
    let server = Server::plain();
    comes_whole(&server, 200_000, "cut=150000&cuts=2&etag=a&ranges=no", &settings());
    comes_whole(&server, 200_000, "cut=1&cuts=2&date=old&ranges=no", &settings());
    fails(&server, "/bytes/200?cut=50&etag=a&ranges=no&n=1", &settings(), "tried 4 times");
}

#[test]
fn two_files_are_never_mixed() {
    let server = Server::plain();
    fails(&server, "/bytes/1000?cut=500&etags=change", &settings(), "changed on the server");
    fails(&server, "/bytes/1000?cut=500&etags=change&ranges=no", &settings(), "changed on the server");
    fails(&server, "/bytes/1000?cut=0&etags=change", &settings(), "changed on the server");
    for query in ["", "&etag=weak:a", "&date=now", "&etag=weak:a&date=now"] {
        fails(&server, &format!("/bytes/1000?cut=500{query}"), &settings(), "begin again");
    }
    // Nothing has come yet: nothing can be mixed.
    comes_whole(&server, 1000, "cut=0&cuts=2", &settings());
}

#[test]
fn silence_ends_and_is_resumed() {
    let server = Server::plain();
    let impatient = Settings { stall: Duration::from_millis(200), ..settings() };
    comes_whole(&server, 1000, "stall=300&stalls=2&etag=a", &impatient);
    comes_whole(&server, 1000, "stall=0&stalls=2", &impatient);
    let began = Instant::now();
    fails(&server, "/bytes/1000?stall=0&etag=b", &impatient, "silent too long");
    fails(&server, "/bytes/1000?wait=60000", &impatient, "silent too long");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // Slow is not silent.
    comes_whole(&server, 1000, "trickle=20", &impatient);
}

#[test]
fn lengths_that_lie_are_found() {
    let server = Server::plain();
    fails(&server, "/bytes/1000?length=-5", &settings(), "more than it announced");
    fails(&server, "/bytes/1000?length=-1000", &settings(), "more than it announced");
    fails(&server, "/bytes/1000?length=5&etag=a", &settings(), "announced 1005 bytes");
    fails(&server, "/bytes/1000?length=5", &settings(), "begin again");
    fails(&server, "/bytes/1000?length=5&cut=9&etag=a", &settings(), "it had 1005 bytes and has 1000");
    for range in
        ["bytes 0-999/1000", "bytes 501-999/1000", "bytes 500-998/999", "bytes 500-1000/1001", "bytes 500-999", "x"]
    {
        let target = format!("/bytes/1000?cut=500&etag=a&range={}", range.replace(' ', "%20"));
        let error = error_of(get(&server.url(&target)));
        assert!(
            error.contains("range") || error.contains("Range") || error.contains("sends") || error.contains("has"),
            "{error}"
        );
    }
    fails(&server, "/bytes/1000?encoding=br", &settings(), "Content-Encoding \"br\"");
    // What a server says of every file whose name ends so.
    comes_whole(&server, 1000, "encoding=x-gzip", &settings());
}

#[test]
fn redirects_are_followed_within_bounds() {
    let (plain, secure) = (Server::plain(), Server::tls("server", &[]));
    let to = |target: &str| format!("/x?to={}", target.replace('%', "%25").replace('&', "%26").replace('?', "%3f"));
    comes_whole(&plain, 99, "hops=10", &settings());
    fails(&plain, "/bytes/99?hops=11", &settings(), "more than 10 times");
    fails(&plain, "/x?to=/x", &settings(), "404");
    for code in [301, 302, 303, 307, 308] {
        let target = format!("{}&code={code}", to(&secure.text("/bytes/9")));
        assert_eq!(get(&plain.url(&target)).unwrap(), sequence(9));
    }
    assert!(get(&plain.url(&to("//127.0.0.1:1/bytes/9"))).is_err());
    fails(&secure, &to(&plain.text("/bytes/9")), &settings(), "from https to http://");
    for place in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x", "http://[", "http://a:secret@127.0.0.1/"] {
        fails(&plain, &to(place), &settings(), "followed");
    }
    fails(&plain, "/x?raw=485454502f312e3120333032200d0a0d0a", &settings(), "sends on to nowhere");
}

#[test]
fn credentials_reach_only_the_host_they_are_for() {
    let (with, other) = (Server::start(&["--login", "me:p@ss word"]), Server::plain());
    let login = |text: String| Url::parse(&text.replace("http://", "http://me:p%40ss%20word@")).unwrap();
    assert_eq!(get(&login(with.text("/bytes/9?hops=2"))).unwrap(), sequence(9));
    assert!(error_of(get(&with.url("/bytes/9"))).contains("401"));
    assert_eq!(get(&login(other.text("/bytes/9"))).unwrap(), sequence(9));
    let elsewhere = login(with.text(&format!("/x?to={}", other.text("/bytes/8"))));
    assert_eq!(get(&elsewhere).unwrap(), sequence(8));
    let log = other.log();
    assert!(log.iter().any(|line| line.contains("/bytes/9") && line.contains("authorization")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("/bytes/8") && !line.contains("authorization")), "{log:?}");
}

#[test]
fn servers_in_trouble_are_asked_again_and_others_are_not() {
    let server = Server::plain();
    for status in [429, 500, 502, 503, 504] {
        comes_whole(&server, 10, &format!("status={status},3"), &settings());
    }
    fails(&server, "/bytes/10?status=503", &settings(), "tried 4 times: the server answered 503");
    fails(&server, "/bytes/10?status=503&after=9999", &settings(), "asked to come again in 9999 s");
    let began = Instant::now();
    comes_whole(&server, 10, "status=429,1&after=1", &settings());
    assert!(began.elapsed() >= Duration::from_secs(1));
    for status in [400, 403, 404, 410, 501] {
        fails(&server, &format!("/bytes/10?status={status}"), &settings(), &format!("the server answered {status}"));
    }
    let asked = server.log().iter().filter(|line| line.contains("status=404")).count();
    assert_eq!(asked, 1);
}

#[test]
fn where_nobody_listens_is_not_asked_again() {
    let refused = Server::plain();
    let port = refused.port;
    drop(refused);
    let patient = Settings { retries: 6, delay: Duration::from_millis(500), ..settings() };
    for host in [format!("127.0.0.1:{port}"), "nonesuch.invalid".to_string()] {
        let said = Arc::new(Mutex::new(Vec::new()));
        let notice = said.clone();
        let patient = Settings {
            notice: Arc::new(move |line: &str| notice.lock().unwrap().push(line.to_string())),
            ..patient.clone()
        };
        let url = format!("http://{host}/");
        let error = error_of(read_all(agent_with(&patient).get(&Url::parse(&url).unwrap())));
        assert!(error.starts_with(&url) && !error.contains("tried"), "{error}");
        assert_eq!(said.lock().unwrap().len(), 0, "{said:?}");
    }
}

#[test]
fn a_server_that_listened_is_waited_for() {
    let server = Server::plain();
    let url = server.url("/bytes/1000000?cut=500&etag=a");
    let said = Arc::new(Mutex::new(Vec::new()));
    let notice = said.clone();
    let settings = Settings {
        retries: 2,
        delay: Duration::from_millis(1),
        notice: Arc::new(move |line: &str| notice.lock().unwrap().push(line.to_string())),
        ..settings()
    };
    let mut body = agent_with(&settings).get(&url).unwrap();
    body.read_exact(&mut [0; 500]).unwrap();
    drop(server);
    let error = error_of(body.read_to_end(&mut Vec::new()).map(|_| Vec::new()).map_err(Error::from));
    assert!(error.contains("tried 3 times") && error.contains("refused"), "{error}");
    assert_eq!(said.lock().unwrap().len(), 2, "{said:?}");
}

#[test]
fn hostile_answers_are_bounded_and_refused() {
    let server = Server::plain();
    let raw = |bytes: &str| {
        let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("/x?raw={hex}")
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    fails(&server, "/bytes/9?head=70000", &settings(), "more than 65536 bytes");
    fails(&server, "/bytes/9?interim=9", &settings(), "without ever answering");
    for (answer, words) in [
        ("HTTP/2 200 OK\r\n\r\n".to_string(), "does not begin as HTTP/1.1"),
        ("\u{1b}[31mSSH-2.0\r\n\r\n".to_string(), "does not begin as HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_string(), "Transfer-Encoding"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_string(), "Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx".to_string(), "Content-Length"),
        ("HTTP/1.1 101 Switching\r\n\r\n".to_string(), "without ever answering"),
        ("HTTP/1.1 206 Part\r\nContent-Range: bytes 5-6/9\r\n\r\n".to_string(), "answered 206"),
        ("HTTP/1.1 204 Empty\r\n\r\n".to_string(), "answered 204"),
        ("HTTP/1.1 200 OK\r\n".to_string(), "before it answered"),
        ("HTTP/1.1 200 OK\r\n x: y\r\n\r\n".to_string(), "header field"),
        (format!("{chunked}-1\r\nx"), "chunked body"),
        (format!("{chunked}fffffffffffffffff\r\nx"), "chunked body"),
        (format!("{chunked}1\r\nxy"), "chunked body"),
        (format!("{chunked}ffffffffffffffff\r\nx"), "begin again"),
        (format!("{chunked}1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "more than it announced"),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(300)), "header fields"),
    ] {
        fails(&server, &raw(&answer), &settings(), words);
    }
}

/// Ctrl-C is such an error: fs import's own test sends one.
#[test]
fn whoever_waits_is_asked_whether_to_go_on() {
    let server = Server::plain();
    for target in
        ["/bytes/9?wait=60000", "/bytes/9000?stall=500", "/bytes/100000?trickle=1", "/bytes/9?status=503&after=60"]
    {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let alive = move || match asked.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Interrupted(2), "interrupted")),
            false => Ok(()),
        };
        let url = server.url(target);
        let settings = Settings { alive: Arc::new(alive), ..settings() };
        let reader = std::thread::spawn(move || read_all(agent_with(&settings).get(&url)));
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        stop.store(true, Ordering::Relaxed);
        let error = reader.join().unwrap().unwrap_err();
        assert_eq!(*error.kind(), Kind::Interrupted(2), "{target}: {error}");
        assert!(began.elapsed() < Duration::from_millis(500), "{target}: {:?}", began.elapsed());
    }
}

#[test]
fn a_body_may_be_read_by_another_thread() {
    let server = Server::tls("server", &[]);
    let mut body: Box<dyn Read + Send> = Box::new(agent().get(&server.url("/bytes/70000?cut=50000&etag=a")).unwrap());
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).map(|_| bytes)
    });
    assert_eq!(reader.join().unwrap().unwrap(), sequence(70_000));
}

#[test]
fn each_new_attempt_is_told_once() {
    let server = Server::plain();
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = told.clone();
    let notice = move |line: &str| lines.lock().unwrap().push(line.to_string());
    comes_whole(&server, 1000, "cut=400&etag=a", &Settings { notice: Arc::new(notice), ..settings() });
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|line| line.contains("/bytes/1000") && line.contains("trying again")), "{told:?}");
}

#[test]
fn after_an_error_a_reader_has_nothing_more() {
    let server = Server::plain();
    let mut body = agent().get(&server.url("/bytes/1000?cut=500")).unwrap();
    let mut bytes = Vec::new();
    let first = body.read_to_end(&mut bytes).unwrap_err().to_string();
    assert_eq!(bytes, sequence(500));
    assert_eq!(body.read(&mut [0; 9]).unwrap_err().to_string(), first);
    let mut body = agent().get(&server.url("/bytes/10")).unwrap();
    body.read_to_end(&mut bytes).unwrap();
    assert_eq!((body.read(&mut [0; 9]).unwrap(), body.read(&mut []).unwrap()), (0, 0));
}
