//! The SMTP server: command parser, DATA byte machine, session (events in, actions out, no sockets, `now` passed in),
//! connection driver and listener.
//!
//! ```text
//! listener -- accepts, counts, checks the network --> driver -- bytes, time --> session -- line, command, data: pure
//!                                                       '------ mail, rcpt, body, end --> relay
//! ```

pub mod command;
pub mod data;
mod driver;
pub mod extension;
pub mod line;
mod listener;
pub mod session;

pub use listener::{Bound, bind};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::Domain;
use ipnet::IpNet;

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
    /// Whether STARTTLS must be used; it is offered whenever there is a certificate.
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

/// The certificate that STARTTLS shows; swapped when its files change. Empty: STARTTLS is not offered. It should send no TLS
/// 1.3 session tickets, on which Exchange Online hangs up.
pub type TlsConfig = Arc<arc_swap::ArcSwapOption<rustls::ServerConfig>>;
