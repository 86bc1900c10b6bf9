//! The HTTP client behind proxies: relays and tunnels, with and without a password, and what goes around them.

use crate::http_server::{Server, agent_with, error_of, read_all, sequence, settings};
use sdme::error::Result;
use sdme::http::{Environment, Settings, Url};

fn through(environment: Environment, url: &str) -> Result<Vec<u8>> {
    let settings = Settings { environment, retries: 0, ..settings() };
    read_all(agent_with(&settings).get(&Url::parse(url)?))
}

fn for_all(proxy: &str, no_proxy: &str) -> Environment {
    Environment { all_proxy: Some(proxy.into()), no_proxy: Some(no_proxy.into()), ..Environment::default() }
}

#[test]
fn http_is_relayed_and_https_tunnelled() {
    let (plain, secure, proxy) = (Server::plain(), Server::tls("server", &[]), Server::start(&["--proxy"]));
    let environment = for_all(&format!("127.0.0.1:{}", proxy.port), "");
    // Names that only the proxy knows: nothing is looked up here.
    let at = |scheme: &str, server: &Server| format!("{scheme}://web.test:{}/bytes/5000?hops=1", server.port);
    assert_eq!(through(environment.clone(), &at("http", &plain)).unwrap(), sequence(5000));
    assert_eq!(through(environment, &at("https", &secure)).unwrap(), sequence(5000));
    let log = proxy.log();
    assert_eq!(log.iter().filter(|line| line.contains("\"CONNECT\"")).count(), 2, "{log:?}");
    assert_eq!(log.iter().filter(|line| line.contains("\"http://web.test")).count(), 2, "{log:?}");
}

#[test]
fn a_file_that_is_cut_behind_a_proxy_is_resumed() {
    let (secure, proxy) = (Server::tls("server", &[]), Server::start(&["--proxy"]));
    let environment = for_all(&format!("http://127.0.0.1:{}/", proxy.port), "");
    let settings = Settings { environment, retries: 9, ..settings() };
    let url = Url::parse(&format!("https://web.test:{}/bytes/5000?cut=999&etag=a", secure.port)).unwrap();
    assert_eq!(read_all(agent_with(&settings).get(&url)).unwrap(), sequence(5000));
}

#[test]
fn a_proxy_that_wants_a_password_gets_it_and_the_server_does_not() {
    let (plain, secure) = (Server::plain(), Server::tls("server", &[]));
    let proxy = Server::start(&["--proxy", "--login", "me:se cret@"]);
    for server in [&plain, &secure] {
        let url = server.text("/bytes/9");
        let with = |login: &str| through(for_all(&format!("http://{login}127.0.0.1:{}", proxy.port), ""), &url);
        assert_eq!(with("me:se%20cret%40@").unwrap(), sequence(9));
        for login in ["", "me:wrong@", "me@"] {
            let error = error_of(with(login));
            assert!(error.contains("407") && error.contains("USER:PASSWORD"), "{error}");
            assert!(!error.contains("wrong"), "{error}");
        }
        assert!(server.log().iter().all(|line| !line.contains("proxy-authorization")));
    }
}

#[test]
fn a_proxy_may_itself_be_spoken_to_over_tls() {
    let (plain, secure, proxy) = (Server::plain(), Server::tls("rsa", &[]), Server::tls("server", &["--proxy"]));
    let environment = for_all(&format!("https://127.0.0.1:{}", proxy.port), "");
    for server in [&plain, &secure] {
        assert_eq!(through(environment.clone(), &server.text("/bytes/50000")).unwrap(), sequence(50_000));
    }
}

#[test]
fn what_no_proxy_covers_goes_around() {
    let (plain, secure) = (Server::plain(), Server::tls("server", &[]));
    // Nobody listens there.
    let dead = "http://127.0.0.1:1";
    for list in ["127.0.0.1", "x, 127.0.0.0/8", "*"] {
        for server in [&plain, &secure] {
            assert_eq!(through(for_all(dead, list), &server.text("/bytes/9")).unwrap(), sequence(9), "{list}");
        }
    }
    let error = error_of(through(for_all(dead, "127.0.0.2"), &plain.text("/bytes/9")));
    assert!(error.contains("by the proxy http://127.0.0.1:1") && error.contains("refused"), "{error}");
    let only_https = Environment { https_proxy: Some(dead.into()), ..Environment::default() };
    assert!(through(only_https.clone(), &plain.text("/bytes/9")).is_ok());
    assert!(through(only_https, &secure.text("/bytes/9")).is_err());
}

#[test]
fn a_proxy_that_does_not_do_its_part_is_named() {
    let (secure, plain) = (Server::tls("server", &[]), Server::plain());
    // A server that is no proxy takes no CONNECT.
    let error = error_of(through(for_all(&plain.text(""), ""), &secure.text("/bytes/9")));
    assert!(error.contains("by the proxy") && error.contains("the proxy answered 404"), "{error}");
    let error = error_of(through(for_all("socks5h://me:secret@127.0.0.1:1080", ""), &plain.text("/bytes/9")));
    assert!(error.contains("only http:// and https:// proxies") && !error.contains("secret"), "{error}");
}
