//! The SMTP server: command parser, DATA byte machine, session (events in, actions out, no sockets, `now` passed in),
//! connection driver and listener.
//!
//! ```text
//! listener -- accepts, counts, checks the network --> driver -- bytes, time --> session -- line, command, data: pure
//!                                                       '------ mail, rcpt, body, end --> relay
//! ```

mod certificate;
pub mod command;
pub mod data;
mod door;
mod driver;
pub mod extension;
mod limits;
pub mod line;
mod listener;
mod mail;
mod places;
pub mod proxy;
mod secure;
pub mod session;

pub use certificate::Clients;
pub use limits::Limits;
pub use listener::{Bound, NotReplaced, Served, Services, bind};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::Domain;
use crate::relay::Stamp;
use ipnet::IpNet;

/// Who may send through a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The clients in its networks.
    Relay,
    /// Who logged in, or showed a certificate (RFC 6409).
    Submission,
    /// Anybody, but only delivery reports about mails of this gateway.
    Mx,
}

/// One listening address and who may use it.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name in config and log.
    pub name: Arc<str>,
    /// Who may send.
    pub kind: Kind,
    /// Where.
    pub address: SocketAddr,
    /// Networks that clients may come from.
    pub networks: Vec<IpNet>,
    /// Proxies in front: a connection from there begins with a PROXY header, which is believed.
    pub proxies: Vec<IpNet>,
    /// Clients that may say for whom they speak (XCLIENT).
    pub xclient: Vec<IpNet>,
    /// From domains allowed; empty: any.
    pub sender_domains: Arc<[Domain]>,
    /// `X-OriginatorOrg` required; empty: none.
    pub tenants: Arc<[String]>,
    /// The secret field required; none: none.
    pub stamp: Option<Stamp>,
    /// Certificates by which clients are known. With it also a `relay` listener takes no mail before one was shown.
    pub clients: Option<Clients>,
    /// No mail without TLS. STARTTLS is offered whenever there is a certificate.
    pub require_tls: bool,
    /// TLS from the first octet (RFC 8314 §3), in the place of STARTTLS.
    pub implicit_tls: bool,
}

/// The listeners and what holds for all of them.
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
    /// Wait for a command (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub command_timeout: Duration,
    /// Wait for a block of data.
    pub data_timeout: Duration,
    /// Where the addresses lie that reports about our own mails go to.
    pub bounce_domain: Domain,
    /// How much clients may ask for.
    pub limits: Limits,
}

/// The certificate that is shown; swapped when its files change. Empty: STARTTLS is not offered, and implicit TLS not spoken. It should send no TLS
/// 1.3 session tickets, on which Exchange Online hangs up.
pub type TlsConfig = Arc<arc_swap::ArcSwapOption<rustls::ServerConfig>>;
