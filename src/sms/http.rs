//! A provider over HTTPS: one request, one answer, on a connection of its own.
//!
//! There is nothing to turn off: no redirect is followed, no proxy of the environment asked, no cookie kept, because nothing here
//! could. The server's certificate is verified against the roots that next hops are verified against. An answer is read up to
//! 64 KiB, and everything together may take as long as the provider's `timeout`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use super::outcome::Handover;
use super::reply::{Answers, Reply};
use super::template::{Escape, Place, Template};
use super::{Number, SetupError, Text};

/// Bytes that are read of an answer's body.
const MOST_BODY: usize = 64 * 1024;
/// Bytes of an answer's header.
const MOST_HEADER: usize = 32 * 1024;

/// How a provider is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address; places may stand behind its host.
    pub url: Template,
    /// `POST`, `PUT` or `GET`.
    pub method: Method,
    /// Header fields.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body; empty for none.
    pub body: Template,
    /// What the body is, and so how values are escaped in it.
    pub content: Content,
    /// What is the same in every request.
    pub constants: Constants,
    /// What answers mean.
    pub answers: Answers,
    /// Roots to trust instead of the system's (PEM).
    pub ca: Option<PathBuf>,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Content {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    /// How values are escaped in it.
    #[must_use]
    pub const fn escape(self) -> Escape {
        match self {
            Self::Json => Escape::Json,
            Self::Form => Escape::Percent,
        }
    }
}

/// What is the same in every request of a provider.
#[derive(Debug, Clone, Default)]
pub struct Constants {
    /// The sender that the telephone shows.
    pub from: String,
    /// The account.
    pub account: String,
    /// The key or password.
    pub secret: SecretString,
    /// Where delivery reports come; empty when nowhere.
    pub callback: SecretString,
}

/// One SMS as it fills places.
#[derive(Clone, Copy)]
pub struct Sms<'a> {
    /// To whom.
    pub number: &'a Number,
    /// What it says.
    pub text: &'a Text,
    /// What we call it.
    pub reference: &'a str,
}

impl Constants {
    fn value(&self, place: Place, sms: Sms<'_>) -> Zeroizing<String> {
        Zeroizing::new(match place {
            Place::Number => sms.number.expose().to_owned(),
            Place::Digits => sms.number.digits().to_owned(),
            Place::Zeros => format!("00{}", sms.number.digits()),
            Place::Text => sms.text.expose().to_owned(),
            Place::Reference => sms.reference.to_owned(),
            Place::From => self.from.clone(),
            Place::Account => self.account.clone(),
            Place::Secret => self.secret.expose_secret().to_owned(),
            Place::Callback => self.callback.expose_secret().to_owned(),
            Place::Basic => {
                let pair = Zeroizing::new(format!("{}:{}", self.account, self.secret.expose_secret()));
                data_encoding::BASE64.encode(pair.as_bytes())
            }
        })
    }
}

/// Where a request goes. `https`, or `http` to this machine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
}

impl Target {
    fn of(uri: &Uri) -> Option<Self> {
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) => false,
            _ => return None,
        };
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        plain.then_some(Self { port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls, host })
    }
}

impl Settings {
    /// Whether the requests that these settings make can be made at all: tried with a sample.
    ///
    /// # Errors
    /// The key that is wrong, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let number = Number::stored("+31612345678").ok_or(("url", String::new()))?;
        let text = Text::sample();
        let sample = Sms { number: &number, text: &text, reference: "a2" };
        let start: Option<(&str, &str)> = self.url.start().split_once("://");
        let host_is_fixed = start.is_some_and(|(_, rest)| rest.contains('/'));
        let target = self.uri(sample).ok().as_ref().and_then(Target::of);
        if !host_is_fixed || target.is_none() {
            return Err(("url", "an https:// address whose host is written out and followed by a path".to_owned()));
        }
        let body = self.body(sample).map_err(|error| ("body", error))?;
        if self.content == Content::Json
            && !body.is_empty()
            && serde_json::from_str::<serde_json::Value>(&body).is_err()
        {
            return Err(("body", "JSON, once its places are filled".to_owned()));
        }
        self.request(sample).map(drop).map_err(|error| ("headers", error))
    }

    /// Whether a place asks for the value of this key.
    #[must_use]
    pub fn needs(&self, key: &str) -> bool {
        let places: &[Place] = match key {
            "from" => &[Place::From],
            "account" => &[Place::Account, Place::Basic],
            "secret_file" => &[Place::Secret, Place::Basic],
            "report_secret_file" => &[Place::Callback],
            _ => &[],
        };
        let templates = [&self.url, &self.body].into_iter().chain(self.headers.iter().map(|(_, value)| value));
        templates.into_iter().any(|template| places.iter().any(|place| template.has(*place)))
    }

    fn uri(&self, sms: Sms<'_>) -> Result<Uri, String> {
        let url = self.url.fill(Escape::Percent, |place| self.constants.value(place, sms));
        let url = url.map_err(|error| error.to_string())?;
        url.parse().map_err(|_| "the address is none".to_owned())
    }

    fn body(&self, sms: Sms<'_>) -> Result<Zeroizing<String>, String> {
        let body = self.body.fill(self.content.escape(), |place| self.constants.value(place, sms));
        body.map_err(|error| error.to_string())
    }

    fn request(&self, sms: Sms<'_>) -> Result<(Target, Request<Full<Bytes>>), String> {
        let uri = self.uri(sms)?;
        let target = Target::of(&uri).ok_or("the address is not allowed")?;
        let body = self.body(sms)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("zegel/", env!("CARGO_PKG_VERSION")));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, self.content.name());
        }
        for (name, template) in &self.headers {
            let value = template.fill(Escape::Header, |place| self.constants.value(place, sms));
            let mut value = HeaderValue::from_str(&value.map_err(|error| error.to_string())?)
                .map_err(|_| "a header that cannot be".to_owned())?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        Ok((target, request.body(body).map_err(|_| "a request that cannot be".to_owned())?))
    }
}

/// A provider that is asked over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    settings: Settings,
    tls: Arc<ClientConfig>,
}

impl Http {
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let tls = client(settings.ca.as_ref()).map_err(SetupError)?;
        Ok(Self { settings, tls })
    }

    /// One SMS.
    pub async fn send(&self, limit: Duration, sms: Sms<'_>) -> Handover {
        let (target, request) = match self.settings.request(sms) {
            Ok(made) => made,
            Err(cause) => return Handover::failed(cause),
        };
        let until = Instant::now() + limit;
        // Until a request is on its way, nothing was sent; from then on, nobody knows.
        let reply = match timeout_at(until, connect(&target)).await {
            Err(_) => return Handover::failed("no connection in time".to_owned()),
            Ok(Err(cause)) => return Handover::failed(cause),
            Ok(Ok(stream)) if target.tls => match timeout_at(until, self.secure(&target, stream)).await {
                Err(_) => return Handover::failed("no TLS in time".to_owned()),
                Ok(Err(cause)) => return Handover::failed(cause),
                Ok(Ok(stream)) => timeout_at(until, exchange(stream, request)).await,
            },
            Ok(Ok(stream)) => timeout_at(until, exchange(stream, request)).await,
        };
        match reply {
            Ok(Ok(reply)) => self.settings.answers.judge(&reply),
            Ok(Err(cause)) => Handover::Unsure { cause },
            Err(_) => Handover::Unsure { cause: "no answer in time".to_owned() },
        }
    }

    async fn secure(&self, target: &Target, stream: TcpStream) -> Result<impl AsyncRead + AsyncWrite + use<>, String> {
        let name = ServerName::try_from(target.host.clone()).map_err(|_| "the host has no name".to_owned())?;
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(|error| format!("TLS: {error}"))
    }
}

fn client(ca: Option<&PathBuf>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca {
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier().map_err(|error| format!("the system's trusted roots: {error}"))?,
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// The first of the host's addresses that answers.
async fn connect(target: &Target) -> Result<TcpStream, String> {
    let found = lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| format!("{}: {}", target.host, error.kind()))?.collect();
    let mut last = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.kind().to_string(),
        }
    }
    Err(format!("{}: {last}", target.host))
}

/// Request and answer on a connection that ends with them.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Reply, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |_| "the connection broke before the answer".to_owned();
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MOST_HEADER).max_headers(64);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
        // How it ends, the request hears.
        let _ended = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(lost)?;
    let (status, after) = (response.status().as_u16(), retry_after(&response));
    let body = Limited::new(response.into_body(), MOST_BODY).collect().await;
    Ok(Reply { status, after, body: body.ok().map(|body| body.to_bytes().to_vec()) })
}

/// Seconds of `Retry-After` (RFC 9110 §10.2.3); a date is not read.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for (uri, allowed) in [
            ("https://api.example/x", true),
            ("https://api.example:8443/x", true),
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:8080/x", true),
            ("http://localhost:8080/x", false),
            ("http://api.example/x", false),
            ("http://127.0.0.1.example/x", false),
            ("https://user:pass@api.example/x", false),
            ("ftp://api.example/x", false),
            ("/x", false),
        ] {
            assert_eq!(Target::of(&uri.parse().unwrap()).is_some(), allowed, "{uri}");
        }
    }
}
