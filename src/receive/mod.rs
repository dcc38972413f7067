//! The SMTP server: command parser, DATA byte machine, session (events in, actions out, no sockets, `now` passed in),
//! connection driver and listener.
//!
//! ```text
//! listener -- accepts, counts, checks the network --> driver -- bytes, time --> session -- line, command, data: pure
//!                                                       '------ mail, rcpt, body, end --> relay
//! ```

pub mod command;
pub mod data;
pub mod extension;
pub mod line;
pub mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::base::Clock;
use crate::mail::Domain;
use crate::relay::Relay;

/// One listening address and who may use it.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name in config and log.
    pub name: Arc<str>,
    /// Where.
    pub address: SocketAddr,
    /// Clients allowed to relay.
    pub networks: Vec<IpNet>,
    /// From domains allowed; empty: any.
    pub sender_domains: Arc<[Domain]>,
    /// `X-OriginatorOrg` required; empty: none.
    pub tenants: Arc<[String]>,
    /// Whether STARTTLS is offered (certificate present), and must be used.
    pub require_tls: bool,
}

/// Limits of all listeners.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in the greeting and EHLO.
    pub hostname: String,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// Largest mail, bytes (SIZE).
    pub max_size: u64,
    /// Recipients a mail at most.
    pub max_recipients: usize,
    /// Sessions in all.
    pub max_sessions: usize,
    /// Wait for a command (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub command_timeout: Duration,
    /// Wait for a block of data.
    pub data_timeout: Duration,
}

/// The certificate that STARTTLS shows; swapped when its files change.
pub type TlsConfig = Arc<arc_swap::ArcSwapOption<rustls::ServerConfig>>;

/// Bound sockets, not yet accepting.
#[derive(Debug)]
pub struct Bound {
    _private: (),
}

/// Binds every listener, so that a port that is taken stops the start.
pub async fn bind(settings: &Settings) -> std::io::Result<Bound> {
    todo!()
}

impl Bound {
    /// The addresses bound, in order of the settings (port 0 resolved).
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        todo!()
    }
    /// Serves until `stop`; then accepts no more, answers 421 to idle sessions, finishes mails in flight and returns.
    pub async fn serve(
        self,
        settings: Settings,
        relay: Relay,
        tls: TlsConfig,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        todo!()
    }
}
