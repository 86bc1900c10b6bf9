//! TLS over a connection: the only file that names rustls and the built-in authorities (webpki-roots).

use crate::error::{Error, Result};
use crate::http::authority::Host;
use crate::http::retry::{Attempt, Failure};
use crate::http::trust::Bundle;
use crate::http::wire::Link;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io;
use std::sync::Arc;

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
        let provider = Arc::new(rustls::crypto::ring::default_provider());
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

/// The time by which certificates are judged.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::now())
    }
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
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) | rustls::Error::PeerMisbehaved(_) => {
            format!("TLS: {error}")
        }
        other => return Failure::passing(Error::failed(format!("TLS: {other}"))),
    };
    Failure::Final(Error::invalid(text))
}
