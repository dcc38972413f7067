//! From a host's name to a connection past EHLO, TLS and AUTH, over `mail-send`. Hosts and their addresses are tried in order;
//! TLS that is asked for is never left out, and a certificate that does not fit ends the attempt.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mail_send::{Credentials, SmtpClient};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;
use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, EXT_8BIT_MIME, EXT_DSN, EXT_REQUIRE_TLS, EXT_SIZE, EXT_SMTP_UTF8, EXT_START_TLS,
    EhloResponse,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Stream, Waits};
use super::{Capabilities, Host, Settings, Tls};

/// The TLS side of a hop's settings; `None` without TLS. The error is for the log and names no secret.
pub(super) fn connector(tls: &Tls) -> Result<Option<TlsConnector>, String> {
    let ca = match tls {
        Tls::Off => return Ok(None),
        Tls::Verified { ca } | Tls::Implicit { ca } => ca,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(|error| format!("the system's trusted roots: {error}"))?,
    };
    Ok(Some(TlsConnector::from(Arc::new(builder.with_no_client_auth()))))
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        store.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if store.is_empty() { Err(wrong(&"no certificate in it")) } else { Ok(store) }
}

/// Connects to one host: each of its addresses in turn. The error is for the log.
pub(super) async fn host(settings: &Settings, tls: Option<&TlsConnector>, host: &Host) -> Result<Connection, String> {
    let name = host.name.trim_start_matches('[').trim_end_matches(']');
    let looked_up = timeout(settings.connect_timeout, lookup_host((name, host.port))).await;
    let addresses = match looked_up {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(format!("{}: {error}", host.name)),
        Err(_) => return Err(format!("{}: the name look-up timed out", host.name)),
    };
    let mut causes = Vec::new();
    for address in addresses {
        match attempt(settings, tls, name, address).await {
            Ok(connection) => return Ok(connection),
            Err(cause) => causes.push(format!("{address}: {cause}")),
        }
    }
    if causes.is_empty() { Err(format!("{} has no address", host.name)) } else { Err(causes.join("; ")) }
}

async fn attempt(
    settings: &Settings,
    tls: Option<&TlsConnector>,
    name: &str,
    address: SocketAddr,
) -> Result<Connection, String> {
    let client = SmtpClient::<TcpStream>::connect(address, settings.connect_timeout).await.map_err(cause)?;
    // The last part of a mail and its dot must not wait for an acknowledgement.
    client.stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let waits = Waits { command: settings.command_timeout, dot: settings.dot_timeout };
    let (stream, capabilities) = match (&settings.tls, tls) {
        (Tls::Off, _) => {
            let mut client = client;
            greeting(&mut client, settings.connect_timeout).await?;
            let capabilities = introduce(&mut client, settings).await?;
            (Stream::Plain(client.stream), capabilities)
        }
        (Tls::Implicit { .. }, Some(connector)) => {
            let mut client = client.into_tls(connector, name).await.map_err(cause)?;
            greeting(&mut client, settings.connect_timeout).await?;
            let capabilities = introduce(&mut client, settings).await?;
            (Stream::Tls(Box::new(client.stream)), capabilities)
        }
        (Tls::Verified { .. }, Some(connector)) => {
            let mut client = client;
            greeting(&mut client, settings.connect_timeout).await?;
            client.timeout = settings.command_timeout;
            let ehlo = client.ehlo(&settings.helo).await.map_err(cause)?;
            if !ehlo.has_capability(EXT_START_TLS) {
                return Err("STARTTLS is not offered, and mail does not go without it".to_owned());
            }
            let mut client = client.start_tls(connector, name).await.map_err(cause)?;
            let capabilities = introduce(&mut client, settings).await?;
            (Stream::Tls(Box::new(client.stream)), capabilities)
        }
        (_, None) => return Err("TLS is not set up".to_owned()),
    };
    Ok(Connection::new(stream, address, capabilities, waits))
}

/// `mail-send` reads the greeting without a time limit of its own.
async fn greeting<T: AsyncRead + AsyncWrite + Unpin>(client: &mut SmtpClient<T>, wait: Duration) -> Result<(), String> {
    let reply = timeout(wait, client.read()).await.map_err(|_| "no greeting in time".to_owned())?.map_err(cause)?;
    if reply.code / 100 == 2 { Ok(()) } else { Err(format!("greeting with {}", reply.code)) }
}

/// EHLO (HELO where the server knows none) and AUTH.
async fn introduce<T: AsyncRead + AsyncWrite + Unpin>(
    client: &mut SmtpClient<T>,
    settings: &Settings,
) -> Result<Capabilities, String> {
    client.timeout = settings.command_timeout;
    let ehlo = match client.ehlo(&settings.helo).await {
        Ok(ehlo) => Some(ehlo),
        Err(mail_send::Error::UnexpectedReply(reply)) if matches!(reply.code, 500..=504) => {
            let reply = client.cmd(format!("HELO {}\r\n", settings.helo)).await.map_err(cause)?;
            if reply.code / 100 != 2 {
                return Err(format!("HELO answered with {}", reply.code));
            }
            None
        }
        Err(error) => return Err(cause(error)),
    };
    if let Some(login) = &settings.login {
        let mut ehlo = ehlo.ok_or("AUTH is not offered")?;
        // `mail-send` would try others first and lose step over a challenge that it cannot answer.
        let plain = ehlo.auth_mechanisms & AUTH_PLAIN;
        ehlo.auth_mechanisms = if plain == 0 { ehlo.auth_mechanisms & AUTH_LOGIN } else { plain };
        let credentials = Credentials::Plain { username: login.user.as_str(), secret: login.password.expose_secret() };
        client.authenticate(&credentials, &ehlo).await.map_err(cause)?;
        return Ok(capabilities(&ehlo));
    }
    Ok(ehlo.as_ref().map(capabilities).unwrap_or_default())
}

fn capabilities(ehlo: &EhloResponse<String>) -> Capabilities {
    Capabilities {
        eightbit: ehlo.has_capability(EXT_8BIT_MIME),
        smtputf8: ehlo.has_capability(EXT_SMTP_UTF8),
        dsn: ehlo.has_capability(EXT_DSN),
        requiretls: ehlo.has_capability(EXT_REQUIRE_TLS),
        size: ehlo.has_capability(EXT_SIZE).then(|| u64::try_from(ehlo.size).unwrap_or(u64::MAX)),
    }
}

/// What went wrong, for the log: codes, never a server's words, which might repeat a credential.
fn cause(error: mail_send::Error) -> String {
    match error {
        mail_send::Error::UnexpectedReply(reply) => format!("answered with {}", reply.code),
        mail_send::Error::AuthenticationFailed(reply) => format!("AUTH refused with {}", reply.code),
        other => other.to_string(),
    }
}
