//! Connections to one configured SMTP server or group of servers: fail-over, TLS, AUTH, pool with bounded leases.
//!
//! - Another host or address is tried only before MAIL was accepted; what happened on a connection is never hidden from the caller.
//! - Replies are bounded in size and time, cleaned, and never mixed up: a connection on which a question lacks its answer, or an
//!   answer its question, carries nothing more.
//! - TLS that is configured is verified and never left out.

mod capabilities;
mod command;
mod connect;
mod connection;
mod health;
mod hello;
mod pool;
pub mod reply;
mod routes;
mod settings;
mod stream;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::mail::{MailFrom, RcptTo, Reply, dot};
use crate::metrics::{Hop, Step};

use connection::Fault;
use pool::{Leased, Pool};

pub use capabilities::Capabilities;
pub use routes::{Route, Routes};
pub use settings::{Host, Identity, Login, NoPin, Pin, Settings, Tls, Trust, Waits};
pub use stream::{Source, StreamError};

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
#[derive(Clone)]
pub struct NextHop {
    pool: Arc<Pool>,
}

impl fmt::Debug for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextHop").field(&self.name()).finish()
    }
}

impl NextHop {
    /// A pool without connections yet.
    ///
    /// # Errors
    /// `Unreachable` when no host is configured, or a file of certificates or of the password cannot be used.
    pub fn new(settings: Settings) -> Result<Self, HopError> {
        Self::observed(settings, Hop::default())
    }
    /// The same, counted.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn observed(settings: Settings, metrics: Hop) -> Result<Self, HopError> {
        Ok(Self { pool: Arc::new(Pool::new(settings, metrics)?) })
    }
    /// Notes how many connections there are, for whoever asks now. Whether none of its hosts answered when it was tried last.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.pool.note_connections();
        self.pool.metrics.is_down()
    }
    /// Reads certificates, authorities and password again, for the connections from now on.
    ///
    /// # Errors
    /// `Unreachable` when a file cannot be used: then the old ones stay in service.
    pub fn reload(&self) -> Result<(), HopError> {
        self.pool.reload()
    }
    /// Its name in the config.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.pool.settings.name
    }
    /// Whether both share their connections.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pool, &other.pool)
    }
    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.pool.settings
    }
    /// Extensions as last seen; `None` while it was never reached.
    #[must_use]
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.pool.capabilities()
    }
    /// The extensions that it had before this process started; they stand until it is reached.
    pub fn assume(&self, capabilities: Capabilities) {
        self.pool.assume(capabilities);
    }
    /// Connects once to learn the extensions.
    ///
    /// # Errors
    /// `Unreachable` when no connection could be had.
    pub async fn probe(&self) -> Result<Capabilities, HopError> {
        let lease = self.lease_fresh().await?;
        let capabilities = lease.capabilities();
        lease.give_back();
        Ok(capabilities)
    }
    /// A connection, fresh or reused, ready for MAIL.
    ///
    /// # Errors
    /// `Unreachable` when no connection could be had.
    pub async fn lease(&self) -> Result<Lease, HopError> {
        Ok(self.leased(self.pool.lease(false).await?))
    }
    /// A connection that carried nothing yet, ready for MAIL.
    ///
    /// # Errors
    /// `Unreachable` when no connection could be had.
    pub async fn lease_fresh(&self) -> Result<Lease, HopError> {
        Ok(self.leased(self.pool.lease(true).await?))
    }
    fn leased(&self, leased: Leased) -> Lease {
        Lease { leased, pool: Arc::clone(&self.pool), begun: false, utf8: false, early: None }
    }
    /// Sends one mail that we wrote (dot-stuffing done here). The reply is the first refusal, or the one to the dot.
    ///
    /// Before the body began, a reused connection that turns out to be dead is replaced once, and a host that dies before it accepted
    /// MAIL gives way to the next.
    ///
    /// # Errors
    /// `Unreachable`, or `Broken`: after the body began, the mail may have been taken.
    pub async fn send(&self, from: &MailFrom, to: &RcptTo, mail: &[u8]) -> Result<Reply, HopError> {
        let mut lease = self.lease().await?;
        let reply = loop {
            let reply = lease.open(from, to).await;
            let dead = reply.as_ref().map_or(true, |reply| reply.code() == 421);
            if !dead || !(lease.reused() || lease.may_fail_over()) {
                break reply;
            }
            lease = self.lease_fresh().await?;
        };
        match reply? {
            reply if reply.code() == 354 => {}
            reply if reply.class() < 4 => return Err(lease.broken(format!("unexpected {}", reply.code()))),
            refusal => {
                lease.reset_and_give_back().await;
                return Ok(refusal);
            }
        }
        let wire = dot::stuff(mail);
        let body = wire.strip_suffix(b".\r\n").unwrap_or(&wire);
        if let Err(error) = lease.write(body).await {
            return lease.early().filter(|reply| reply.class() >= 4).ok_or(error);
        }
        let reply = lease.dot().await?;
        if reply.class() == 3 {
            return Err(lease.broken(format!("unexpected {} to the mail", reply.code())));
        }
        lease.give_back();
        Ok(reply)
    }
    /// Closes idle connections with QUIT; leased ones when they are given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A connection that is ours until it is given back. Dropped without that, it is closed.
pub struct Lease {
    leased: Leased,
    pool: Arc<Pool>,
    /// MAIL was accepted on it.
    begun: bool,
    /// MAIL said SMTPUTF8.
    utf8: bool,
    early: Option<Reply>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("hop", &self.pool.settings.name)
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

impl Lease {
    /// What this connection's EHLO offered.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.leased.connection.capabilities
    }
    /// Whether it lay idle before (a 421 or end of file on it may be retried once on a fresh one).
    #[must_use]
    pub fn reused(&self) -> bool {
        self.leased.reused
    }
    /// Whether a mail that failed on it may go to another host of the hop: MAIL was not accepted here, and another one is well.
    #[must_use]
    pub fn may_fail_over(&self) -> bool {
        !self.begun && self.pool.has_better(&self.leased)
    }
    /// The address of the other side, for the log.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.leased.connection.peer
    }
    /// MAIL, with parameters as given; what this connection does not offer is answered by us with a refusal.
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn mail(&mut self, from: &MailFrom) -> Result<Reply, HopError> {
        self.utf8 = from.param("SMTPUTF8").is_some();
        match command::mail(from, self.capabilities(), self.leased.connection.authenticated) {
            Ok(line) => {
                let reply = self.command(&line).await?;
                self.begun |= reply.is_positive();
                Ok(reply)
            }
            Err(refusal) => Ok(refusal),
        }
    }
    /// MAIL and the first RCPT: together, where the hop takes commands in groups (RFC 2920), and then the second reply is that to RCPT;
    /// else MAIL alone. Whatever became of RCPT, nothing is open when MAIL was refused.
    pub async fn begin(
        &mut self,
        from: &MailFrom,
        to: &RcptTo,
    ) -> (Result<Reply, HopError>, Option<Result<Reply, HopError>>) {
        let utf8 = from.param("SMTPUTF8").is_some();
        let offers = self.capabilities();
        let lines = command::mail(from, offers, self.leased.connection.authenticated)
            .and_then(|mail| Ok((mail, command::rcpt(to, utf8, offers)?)));
        let Some((mail, rcpt)) = lines.ok().filter(|_| self.leased.connection.pipelining) else {
            return (self.mail(from).await, None);
        };
        self.utf8 = utf8;
        let begun = Instant::now();
        match self.leased.connection.commands([&mail, &rcpt]).await {
            Ok((first, second)) => {
                let first = self.heard(Step::Command, begun, Ok(first));
                self.begun |= first.as_ref().is_ok_and(Reply::is_positive);
                (first, second.map(|second| self.heard(Step::Command, begun, second)))
            }
            Err(fault) => (self.heard(Step::Command, begun, Err(fault)), None),
        }
    }
    /// RCPT, with parameters as given; see [`mail`](Self::mail).
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn rcpt(&mut self, to: &RcptTo) -> Result<Reply, HopError> {
        match command::rcpt(to, self.utf8, self.capabilities()) {
            Ok(line) => self.command(&line).await,
            Err(refusal) => Ok(refusal),
        }
    }
    /// RSET.
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn rset(&mut self) -> Result<Reply, HopError> {
        self.leased.connection.wear.resets += 1;
        self.command("RSET\r\n").await
    }
    /// DATA; 354 or a refusal.
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn data(&mut self) -> Result<Reply, HopError> {
        let begun = Instant::now();
        let result = self.leased.connection.data().await;
        self.heard(Step::Command, begun, result)
    }
    /// Bytes of the body in wire form (dot-stuffed, no terminator). Sees a reply that comes before the dot: then `Broken`, and
    /// [`early`](Self::early) has it.
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn write(&mut self, wire: &[u8]) -> Result<(), HopError> {
        let result = self.leased.connection.write(wire).await;
        self.pool.metrics.sent(wire.len());
        self.told(result)
    }
    /// The reply that came while the body was written.
    pub fn early(&mut self) -> Option<Reply> {
        self.early.take()
    }
    /// The final dot (the body written so far ends in CRLF or is empty) and its reply.
    ///
    /// # Errors
    /// `Broken` when the connection ended, timed out, or spoke out of step.
    pub async fn dot(&mut self) -> Result<Reply, HopError> {
        let begun = Instant::now();
        let result = self.leased.connection.dot().await;
        self.heard(Step::Dot, begun, result)
    }
    /// Back to the pool: no transaction is open. Retired after several RSETs without mail.
    pub fn give_back(self) {
        self.pool.give_back(self.leased);
    }
    /// Ends an open transaction without DATA and gives the connection back; closes it when RSET does not work.
    pub async fn reset_and_give_back(mut self) {
        if matches!(self.rset().await, Ok(reply) if reply.is_positive()) {
            self.give_back();
        }
    }

    /// MAIL, RCPT and DATA: the reply to DATA, or the first refusal.
    async fn open(&mut self, from: &MailFrom, to: &RcptTo) -> Result<Reply, HopError> {
        let (reply, asked) = self.begin(from, to).await;
        let reply = reply?;
        if !reply.is_positive() {
            return Ok(reply);
        }
        let reply = if let Some(reply) = asked { reply? } else { self.rcpt(to).await? };
        if !reply.is_positive() {
            return Ok(reply);
        }
        self.data().await
    }

    async fn command(&mut self, line: &str) -> Result<Reply, HopError> {
        let begun = Instant::now();
        let result = self.leased.connection.command(line).await;
        self.heard(Step::Command, begun, result)
    }

    /// 421 says that the server closes (RFC 5321 §3.8), in answer to whatever.
    fn heard(&mut self, step: Step, begun: Instant, result: Result<Reply, Fault>) -> Result<Reply, HopError> {
        self.pool.metrics.replied(step, result.as_ref().ok().map(Reply::class), begun.elapsed());
        if matches!(&result, Ok(reply) if reply.code() == 421) {
            self.pool.blame(&self.leased, "421");
        }
        self.told(result)
    }

    fn told<T>(&mut self, result: Result<T, Fault>) -> Result<T, HopError> {
        result.map_err(|fault| match fault {
            Fault::Gone(cause) => {
                self.pool.blame(&self.leased, &cause);
                self.broken(cause)
            }
            Fault::Early(reply) => {
                let error = self.broken(format!("{} before the mail was out", reply.code()));
                self.early = Some(reply);
                error
            }
        })
    }

    fn broken(&self, cause: String) -> HopError {
        HopError::Broken { hop: self.pool.settings.name.clone(), cause }
    }
}
