//! Connections to one configured SMTP server: TLS, AUTH, pool with bounded leases; on `mail-send`, whose own DATA is not used
//! because it changes bytes (we write through its public stream).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::mail::{MailFrom, RcptTo, Reply};

/// How the connection to a next hop is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS required, certificate verified against the system's roots or `ca`, for `name`.
    Verified {
        /// PEM file of the roots to trust instead of the system's.
        ca: Option<PathBuf>,
    },
    /// TLS from the first byte, verified.
    Implicit {
        /// See `Verified`.
        ca: Option<PathBuf>,
    },
    /// None; only for a next hop on this machine or a network that is trusted like it.
    Off,
}

/// One host of a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name (for DNS and certificate) or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// User name and password file for AUTH.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub user: String,
    /// The password, read from its file at load.
    pub password: secrecy::SecretString,
}

/// A next hop as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the config.
    pub name: String,
    /// In order of preference; fail-over only before MAIL.
    pub hosts: Vec<Host>,
    /// Protection.
    pub tls: Tls,
    /// AUTH, if it wants it.
    pub login: Option<Login>,
    /// The name that we give in EHLO.
    pub helo: String,
    /// Connections at most.
    pub max_connections: usize,
    /// Longest wait for a connection; then the hop counts as unreachable.
    pub lease_wait: Duration,
    /// TCP connect and greeting.
    pub connect_timeout: Duration,
    /// Reply to a command.
    pub command_timeout: Duration,
    /// Reply to the final dot (RFC 5321 §4.5.3.2.6: 10 minutes).
    pub dot_timeout: Duration,
}

/// What a hop offers that it must honour itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// 8BITMIME (RFC 6152).
    pub eightbit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): its limit, 0 for none told; `None` when not offered.
    pub size: Option<u64>,
}

/// A connection failed.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    /// No connection within the wait, or none of the hosts answers.
    #[error("next hop {hop} cannot be reached: {cause}")]
    Unreachable {
        /// Its name.
        hop: String,
        /// For the log.
        cause: String,
    },
    /// The connection broke or timed out in the middle.
    #[error("connection to next hop {hop} failed: {cause}")]
    Broken {
        /// Its name.
        hop: String,
        /// For the log.
        cause: String,
    },
}

/// One next hop with its pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NextHop {
    _private: (),
}

impl NextHop {
    /// A pool without connections yet.
    pub fn new(settings: Settings) -> Result<Self, HopError> {
        todo!()
    }
    /// Its name in the config.
    #[must_use]
    pub fn name(&self) -> &str {
        todo!()
    }
    /// Extensions as last seen; `None` while it was never reached.
    #[must_use]
    pub fn capabilities(&self) -> Option<Capabilities> {
        todo!()
    }
    /// Connects once to learn the extensions.
    pub async fn probe(&self) -> Result<Capabilities, HopError> {
        todo!()
    }
    /// A connection, fresh or reused, ready for MAIL.
    pub async fn lease(&self) -> Result<Lease, HopError> {
        todo!()
    }
    /// Sends one mail that we wrote (dot-stuffing done here). The reply is the first refusal, or the one to the dot.
    pub async fn send(&self, from: &MailFrom, to: &RcptTo, mail: &[u8]) -> Result<Reply, HopError> {
        todo!()
    }
    /// Closes idle connections with QUIT.
    pub async fn close(&self) {
        todo!()
    }
}

/// A connection that is ours until it is given back. Dropped without that, it is closed.
#[derive(Debug)]
pub struct Lease {
    _private: (),
}

impl Lease {
    /// What this connection's EHLO offered.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        todo!()
    }
    /// Whether it carried a mail before (a 421 or end of file on it may be retried once on a fresh one).
    #[must_use]
    pub fn reused(&self) -> bool {
        todo!()
    }
    /// The address of the other side, for the log.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        todo!()
    }
    /// MAIL, with parameters as given.
    pub async fn mail(&mut self, from: &MailFrom) -> Result<Reply, HopError> {
        todo!()
    }
    /// RCPT, with parameters as given.
    pub async fn rcpt(&mut self, to: &RcptTo) -> Result<Reply, HopError> {
        todo!()
    }
    /// RSET.
    pub async fn rset(&mut self) -> Result<Reply, HopError> {
        todo!()
    }
    /// DATA; 354 or a refusal.
    pub async fn data(&mut self) -> Result<Reply, HopError> {
        todo!()
    }
    /// Bytes of the body in wire form (dot-stuffed, no terminator). Sees a reply that comes before the dot: then `Broken`.
    pub async fn write(&mut self, wire: &[u8]) -> Result<(), HopError> {
        todo!()
    }
    /// The final dot (the body written so far ends in CRLF or is empty) and its reply.
    pub async fn dot(&mut self) -> Result<Reply, HopError> {
        todo!()
    }
    /// Back to the pool: no transaction is open. Retired after several RSETs without mail.
    pub fn give_back(self) {
        todo!()
    }
}
