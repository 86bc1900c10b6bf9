//! Whom the HTTP client believes to be the server it asked for.

use crate::http_server::{Server, agent_with, error_of, keys, read_all, sequence, settings};
use sdme::error::Result;
use sdme::http::{Agent, Environment, Settings, Url};
use sdme::paths::Paths;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

fn get(settings: &Settings, url: &Url) -> Result<Vec<u8>> {
    read_all(agent_with(settings).get(url))
}

fn without_ca(environment: Environment) -> Settings {
    Settings { ca_files: Vec::new(), ..Settings { environment, ..settings() } }
}

#[test]
fn strangers_other_names_and_old_certificates_are_refused_at_once() {
    let expired = Server::tls("expired", &[]);
    for (server, words) in [
        (Server::tls("rogue", &[]), "no authority that is trusted here (--ca-file adds one)"),
        (Server::tls("other", &[]), "the server's certificate: "),
    ] {
        let error = error_of(get(&settings(), &server.url("/bytes/9")));
        assert!(error.contains(words) && !error.contains("tried"), "{error}");
    }
    let server = Server::tls("server", &[]);
    let error = error_of(get(&without_ca(Environment::default()), &server.url("/bytes/9")));
    assert!(error.contains("no authority that is trusted"), "{error}");
    // It was good for the second in which it was made.
    std::thread::sleep(Duration::from_millis(1100));
    let error = error_of(get(&settings(), &expired.url("/bytes/9")));
    assert!(error.contains("is the clock right?"), "{error}");
}

/// A port where http is spoken stays one: nobody is to wait for more attempts.
#[test]
fn a_server_without_tls_is_told_from_one_in_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://{}/x", listener.local_addr().unwrap())).unwrap();
    // As web servers do when what they are asked is no HTTP.
    let answer = std::thread::spawn(move || {
        let mut asked = listener.accept().unwrap().0;
        asked.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = asked.read_to_end(&mut Vec::new());
    });
    let error = error_of(get(&settings(), &url));
    answer.join().unwrap();
    assert!(error.contains("does not speak TLS: is its address one of http?") && !error.contains("tried"), "{error}");
}

#[test]
fn the_environment_and_the_distribution_add_to_what_is_built_in() {
    let server = Server::tls("server", &[]);
    let url = server.url("/bytes/9");
    let file = Environment { ssl_cert_file: Some(keys().join("ca.pem")), ..Environment::default() };
    assert_eq!(get(&without_ca(file), &url).unwrap(), sequence(9));
    let root = keys().join("root");
    let bundles = root.join("etc/ssl/certs");
    fs::create_dir_all(&bundles).unwrap();
    let both = [fs::read(keys().join("stranger.pem")).unwrap(), fs::read(keys().join("ca.pem")).unwrap()].concat();
    fs::write(bundles.join("ca-certificates.crt"), both).unwrap();
    let agent = Agent::new(&Paths::under(&root), &without_ca(Environment::default())).unwrap();
    assert_eq!(read_all(agent.get(&url)).unwrap(), sequence(9));
    let directory = Environment { ssl_cert_dir: Some(bundles.into()), ..Environment::default() };
    assert_eq!(get(&without_ca(directory), &url).unwrap(), sequence(9));
}

#[test]
fn a_file_of_authorities_that_was_named_must_hold_one() {
    let empty = keys().join("empty.pem");
    fs::write(&empty, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (file, words) in
        [(empty, "no certificate"), (keys().join("nope.pem"), "No such file"), (keys().into(), "no file")]
    {
        let settings = Settings { ca_files: vec![file], ..settings() };
        let error = Agent::new(&Paths::under("/nonexistent"), &settings).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn plain_text_where_tls_is_expected_is_an_error() {
    let server = Server::plain();
    let url = Url::parse(&server.text("/bytes/9").replace("http://", "https://")).unwrap();
    // Our greeting is no request, so that server waits for more.
    let impatient = Settings { retries: 0, connect: Duration::from_millis(300), ..settings() };
    let error = error_of(get(&impatient, &url));
    assert!(error.contains("silent too long"), "{error}");
    let server = Server::tls("server", &[]);
    let url = Url::parse(&server.text("/bytes/9").replace("https://", "http://")).unwrap();
    assert!(get(&Settings { retries: 0, ..settings() }, &url).is_err());
}
