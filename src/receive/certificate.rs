//! Client certificates as identity: signed by the authority of the listener, in one of the names that it allows.
//!
//! A client without a certificate may still connect, and log in instead; one with a certificate of another authority fails at the
//! handshake, and one with another name is nobody.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::mail::Domain;

/// Whose certificates identify a client.
#[derive(Debug, Clone)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Arc<[ServerName<'static>]>,
}

impl Clients {
    /// With the authorities in a PEM file, and the host names of which a certificate must have one.
    ///
    /// # Errors
    /// When the file cannot be read or holds no authority, or a name can stand in no certificate.
    pub fn read(authorities: &Path, names: &[Domain]) -> io::Result<Self> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authorities).map_err(|e| invalid(e.to_string()))? {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let name = |name: &Domain| ServerName::try_from(name.as_str().to_owned()).map_err(|e| invalid(e.to_string()));
        let names: Vec<_> = names.iter().map(name).collect::<Result<_, _>>()?;
        Ok(Self { verifier, names: names.into() })
    }

    /// Whether a certificate, which the handshake verified, has one of the names.
    pub(super) fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
        self.names.iter().any(|name| verify_server_name(&parsed, name).is_ok())
    }

    /// The gateway's own side of TLS, asking for a certificate too. `None` where the two cannot be combined.
    pub(super) fn asked_for_by(&self, own: &ServerConfig) -> Option<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(own.crypto_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .ok()?
            .with_client_cert_verifier(Arc::clone(&self.verifier))
            .with_cert_resolver(Arc::clone(&own.cert_resolver));
        config.send_tls13_tickets = own.send_tls13_tickets;
        Some(config)
    }
}
