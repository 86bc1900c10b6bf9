//! TLS over a connection: the only file that names rustls and the built-in authorities (webpki-roots).

use crate::error::{Error, Result};
use crate::http::authority::Host;
use crate::http::retry::{Attempt, Failure};
use crate::http::trust::Bundle;
use crate::http::wire::Link;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::SigningKey;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, InvalidMessage, RootCertStore, StreamOwned};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whom we trust and how we speak; sessions are remembered, so a second connection to a server is cheaper.
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts the built-in authorities and those of the bundles.
    pub fn new(bundles: &[Bundle]) -> Result<Tls> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for bundle in bundles {
            // What is no certificate, or one that cannot be used, is passed over: old bundles have some.
            let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle.text).flatten());
            if added == 0 && bundle.is_demanded {
                return Err(Error::invalid(format!("{:?} holds no certificate in PEM form", bundle.path)));
            }
        }
        let provider = Arc::new(CryptoProvider { key_provider: &NoKeys, ..rustls::crypto::ring::default_provider() });
        let builder =
            ClientConfig::builder_with_details(provider, Arc::new(Clock)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Error::failed(format!("TLS: {error}")))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config) })
    }

    /// Shakes hands with `host` over a connection that leads to it.
    pub fn over(&self, mut link: Box<dyn Link>, host: &Host) -> Attempt<Box<dyn Link>> {
        let mut connection =
            ClientConnection::new(self.config.clone(), server_name(host)?).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            // Both alerts and the end of the connection come as errors.
            connection.complete_io(&mut link)?;
        }
        Ok(Box::new(StreamOwned::new(connection, link)))
    }
}

/// We show no server who we are: what reads and signs with private keys is left out of the program.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> std::result::Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this program has no keys of its own".into()))
    }
}

/// When this program was built, in seconds since 1970: reproducible-builds.org's SOURCE_DATE_EPOCH, which packaging/build
/// sets; 0 where nobody does.
const BUILT: Duration = Duration::from_secs(seconds(option_env!("SOURCE_DATE_EPOCH")));

/// A compile error where it is no number: a program with a wrong time in it would refuse every server.
const fn seconds(text: Option<&str>) -> u64 {
    let Some(text) = text else { return 0 };
    let (digits, mut at, mut seconds) = (text.as_bytes(), 0, 0);
    while at < digits.len() {
        assert!(digits[at].is_ascii_digit(), "SOURCE_DATE_EPOCH is no number of seconds");
        seconds = seconds * 10 + (digits[at] - b'0') as u64;
        at += 1;
    }
    seconds
}

/// The time by which certificates are judged: a machine without a battery starts in 1970, when none was valid yet, so the clock
/// counts from the program's build on. That lets nobody in whose certificate had expired by then.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(later(SystemTime::now(), BUILT)))
    }
}

fn later(clock: SystemTime, built: Duration) -> Duration {
    clock.duration_since(UNIX_EPOCH).unwrap_or_default().max(built)
}

fn server_name(host: &Host) -> Result<ServerName<'static>> {
    match host {
        Host::Ip(ip) => Ok(ServerName::from(*ip)),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_string())
            .map_err(|_| Error::invalid(format!("no certificate can be for the host {name:?}"))),
    }
}

/// A refused certificate stays refused; a connection that broke may not break again.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let told = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(explain);
        match told {
            Some(failure) => failure,
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Failure::passing(Error::failed("the connection ended too early"))
            }
            None => Failure::passing(error),
        }
    }
}

fn explain(error: &rustls::Error) -> Failure {
    let text = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is of no authority that is trusted here (--ca-file adds one)".to_string()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => format!("the server's certificate is not valid at this time; is the clock right? ({error})"),
        rustls::Error::InvalidCertificate(why) => format!("the server's certificate: {why}"),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS: is its address one of http?".to_string()
        }
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) | rustls::Error::PeerMisbehaved(_) => {
            format!("TLS: {error}")
        }
        other => return Failure::passing(Error::failed(format!("TLS: {other}"))),
    };
    Failure::Final(Error::invalid(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_judged_by_the_later_of_the_clock_and_the_build() {
        let (built, second) = (Duration::from_secs(1_800_000_000), Duration::from_secs(1));
        for early in [UNIX_EPOCH - second, UNIX_EPOCH, UNIX_EPOCH + built - second] {
            assert_eq!(later(early, built), built);
        }
        assert_eq!(later(UNIX_EPOCH + built + second, built), built + second);
        assert_eq!(later(UNIX_EPOCH, Duration::ZERO), Duration::ZERO);
        let judged = Clock.current_time().unwrap().as_secs();
        assert!(judged >= BUILT.as_secs() && judged >= UnixTime::now().as_secs() - 1);
    }

    #[test]
    fn the_build_says_when_it_was() {
        assert_eq!((seconds(None), seconds(Some("")), seconds(Some("1795578493"))), (0, 0, 1_795_578_493));
        assert!(std::panic::catch_unwind(|| seconds(Some("yesterday"))).is_err());
    }
}
