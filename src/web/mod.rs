//! The page: routes, guards, sessions; GET, HEAD and scripts change nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::access::Limits;
use crate::base::{Clock, Entropy};
use crate::store::Store;
use crate::store::proof::SessionLimits;

/// How the page is served and what it says of the organisation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where.
    pub listen: Vec<SocketAddr>,
    /// Where plain HTTP is answered with a redirect to the page.
    pub redirect: Vec<SocketAddr>,
    /// The page's address, `https://veilig.voorbeeld.nl` (no final slash).
    pub origin: String,
    /// Proxies whose `X-Forwarded-For` is believed; others' is ignored.
    pub trusted_proxies: Vec<IpNet>,
    /// Served over plain HTTP on loopback with a plain cookie: only the demo's wiring sets this.
    pub demo: bool,
    /// The organisation's name.
    pub organisation: String,
    /// Its telephone number.
    pub phone: String,
    /// Link to its privacy statement, if any.
    pub privacy: Option<String>,
    /// Link to its accessibility statement, if any.
    pub accessibility: Option<String>,
    /// Time zone of dates.
    pub time_zone: jiff::tz::TimeZone,
    /// Limits on wrong codes.
    pub limits: Limits,
    /// Life of sessions.
    pub sessions: SessionLimits,
    /// How many codes are verified at the same time.
    pub hashers: usize,
    /// Requests at the same time.
    pub max_requests: usize,
}

/// The certificate of the page; `None` behind a proxy that ends TLS, or in the demo.
pub type TlsConfig = Arc<arc_swap::ArcSwapOption<rustls::ServerConfig>>;

/// The routes over a store, for the server and for tests in process.
///
/// # Errors
/// When this program's own texts do not load.
pub fn router(
    settings: Arc<Settings>,
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<axum::Router, crate::text::TextError> {
    todo!()
}

/// Bound sockets, not yet accepting.
#[derive(Debug)]
pub struct Bound {
    _private: (),
}

/// Binds every address, so that a port that is taken stops the start.
pub async fn bind(settings: &Settings) -> std::io::Result<Bound> {
    todo!()
}

impl Bound {
    /// The page's addresses bound, in order of the settings.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        todo!()
    }
    /// Serves until `stop`; then finishes the requests in flight (10 s at most) and returns.
    pub async fn serve(self, settings: Arc<Settings>, router: axum::Router, tls: TlsConfig, stop: CancellationToken) {
        todo!()
    }
}
