//! One mail transaction: RCPTs go eagerly to the next hop; after the header block policy decides per recipient; ordinary
//! mail passes byte for byte, confidential mail goes to intake, and a mixed one does both under the Prepared/Committed rule.
//!
//! Invariant: at next-hop DATA, the set of RCPTs accepted there since the last RSET equals the pass set.

use std::net::IpAddr;
use std::sync::Arc;

use crate::base::{Clock, Entropy};
use crate::intake::Intake;
use crate::mail::{Domain, MailFrom, RcptTo, Reply};
use crate::nexthop::{Capabilities, NextHop};
use crate::policy;

/// How mail is passed on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in Received (RFC 5321 §4.4).
    pub hostname: String,
    /// Header bytes at most; a longer header block is refused.
    pub max_header: usize,
    /// Body bytes collected before next-hop DATA.
    pub collect: usize,
    /// Received fields at most: then it is a loop.
    pub max_received: usize,
}

/// Which next hop takes which recipients.
#[derive(Debug, Clone)]
pub struct Routes {
    /// By recipient domain, first match.
    pub by_recipient: Vec<(Vec<Domain>, NextHop)>,
    /// All others.
    pub default: NextHop,
}

/// Who is at the other end, for policy, Received and log.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// What it said in EHLO or HELO.
    pub helo: String,
    /// It said EHLO.
    pub esmtp: bool,
    /// The connection is encrypted.
    pub tls: bool,
    /// The user it logged in as.
    pub user: Option<String>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// From domains allowed on that listener; empty: any.
    pub sender_domains: Arc<[Domain]>,
    /// `X-OriginatorOrg` that every mail must carry; empty: none.
    pub tenants: Arc<[String]>,
}

/// Starts transactions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Relay {
    _private: (),
}

impl Relay {
    /// Wires policy, routes and intake.
    #[must_use]
    pub fn new(
        settings: Settings,
        policy: Arc<policy::Settings>,
        routes: Routes,
        intake: Intake,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        todo!()
    }
    /// What every hop of this gateway offers: what EHLO may promise.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        todo!()
    }
    /// Whether intake can take mail now; else the reply to MAIL.
    #[must_use]
    pub fn gate(&self) -> Option<Reply> {
        todo!()
    }
    /// Answers MAIL and opens a transaction when the reply is 2xx.
    pub async fn mail(&self, peer: &Peer, from: MailFrom) -> Result<Transaction, Reply> {
        todo!()
    }
}

/// One transaction, from MAIL to the reply to the dot. Dropped, it leaves nothing behind anywhere.
#[derive(Debug)]
pub struct Transaction {
    _private: (),
}

impl Transaction {
    /// Answers RCPT.
    pub async fn rcpt(&mut self, to: RcptTo) -> Reply {
        todo!()
    }
    /// Whether a recipient was accepted (provisionally or not), so that DATA may be answered with 354.
    #[must_use]
    pub fn has_recipients(&self) -> bool {
        todo!()
    }
    /// Body bytes in wire form: whole or in parts, dot-stuffed, without the terminator, CRLF line ends only (the caller saw to that).
    /// Errors are remembered and answered at [`end`](Self::end); the caller goes on reading.
    pub async fn body(&mut self, wire: &[u8]) {
        todo!()
    }
    /// The dot: the reply to the client, when everything that it promises is true.
    pub async fn end(self) -> Reply {
        todo!()
    }
    /// RSET, a broken connection or a broken body: nothing is kept, the next hop sees no final dot.
    pub async fn abort(self) {
        todo!()
    }
}
