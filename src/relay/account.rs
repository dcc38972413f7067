//! What log and metrics say of one transaction: one line when it is over, however it ends.
//!
//! Numbers, words of this program, ids and names of the config. No address, no header, nothing that a client could have chosen.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::MessageId;
use crate::mail::Reply;
use crate::metrics::{Mails, Outcome};

use super::Peer;

/// Kept while a transaction lives; its line is written by [`ended`](Self::ended), or when it is dropped before that.
#[derive(Debug)]
pub(super) struct Account {
    mails: Mails,
    id: String,
    listener: Arc<str>,
    network: &'static str,
    begun: Instant,
    body: Option<Instant>,
    dot: Option<Instant>,
    bytes: u64,
    /// RCPTs that were answered with 2xx, and the others.
    recipients: u64,
    refused: u64,
    passed: u64,
    sealed: u64,
    message: Option<MessageId>,
    report: bool,
    over: bool,
}

impl Account {
    /// MAIL came.
    pub(super) fn new(mails: Mails, peer: &Peer, id: String) -> Self {
        Self {
            mails,
            id,
            listener: Arc::clone(&peer.listener),
            network: network(peer.addr),
            begun: Instant::now(),
            body: None,
            dot: None,
            bytes: 0,
            recipients: 0,
            refused: 0,
            passed: 0,
            sealed: 0,
            message: None,
            report: false,
            over: false,
        }
    }

    /// The transaction's name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// It is a report about a mail of ours.
    pub(super) const fn is_report(&mut self) {
        self.report = true;
    }

    /// A RCPT was answered.
    pub(super) fn answered(&mut self, reply: &Reply) {
        let count = if reply.is_positive() { &mut self.recipients } else { &mut self.refused };
        *count += 1;
    }

    /// A rule refused a recipient at RCPT.
    pub(super) fn ruled_out(&self) {
        self.mails.judged(0, 0, 1);
    }

    /// Body bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.body.get_or_insert_with(Instant::now);
        self.bytes += bytes as u64;
    }

    /// Every recipient has its verdict: so many pass, so many are sealed, the others are refused.
    pub(super) fn judged(&mut self, passed: usize, sealed: usize) {
        (self.passed, self.sealed) = (passed as u64, sealed as u64);
        self.mails.judged(self.passed, self.sealed, self.recipients.saturating_sub(self.passed + self.sealed));
    }

    /// What is sealed becomes this message.
    pub(super) const fn becomes(&mut self, message: Option<MessageId>) {
        self.message = message;
    }

    /// The dot came.
    pub(super) fn complete(&mut self) {
        self.dot = Some(Instant::now());
    }

    /// The client hears this. `hop` was asked, if one was.
    pub(super) fn ended(&mut self, reply: &Reply, hop: Option<&str>) {
        let outcome = match (reply.class(), self.passed, self.sealed) {
            (2, 1.., 1..) => Outcome::Mixed,
            (2, _, 1..) => Outcome::Sealed,
            (2, ..) if self.report => Outcome::Reported,
            (2, ..) => Outcome::Passed,
            (4, ..) => Outcome::Deferred,
            _ => Outcome::Refused,
        };
        self.close(outcome, Some(reply.code()), hop);
    }

    fn close(&mut self, outcome: Outcome, code: Option<u16>, hop: Option<&str>) {
        self.over = true;
        let now = Instant::now();
        let (body, dot) = (self.body.or(self.dot).unwrap_or(now), self.dot.unwrap_or(now));
        let took = now.saturating_duration_since(self.begun);
        self.mails.ended(outcome, self.bytes, took);
        let message = if outcome == Outcome::Sealed || outcome == Outcome::Mixed { self.message } else { None };
        tracing::info!(
            mail = self.id,
            listener = &*self.listener,
            network = self.network,
            verdict = outcome.word(),
            code,
            recipients = self.recipients,
            refused = self.refused,
            passed = self.passed,
            sealed = self.sealed,
            sealed_as = message.map(tracing::field::display),
            bytes = self.bytes,
            hop,
            envelope_ms = millis(body.saturating_duration_since(self.begun)),
            body_ms = millis(dot.saturating_duration_since(body)),
            answer_ms = millis(now.saturating_duration_since(dot)),
            "mail"
        );
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.over {
            self.close(Outcome::Aborted, None, None);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The kind of network that a client comes from: an address would name a person's machine.
fn network(addr: IpAddr) -> &'static str {
    match addr.to_canonical() {
        addr if addr.is_loopback() => "loopback",
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => "private",
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => "private",
        _ => "public",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_three_kinds() {
        let cases = [
            ("127.0.0.9", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("10.1.2.3", "private"),
            ("192.168.0.1", "private"),
            ("fd00::1", "private"),
            ("fe80::1", "private"),
            ("198.51.100.1", "public"),
            ("2001:db8::1", "public"),
        ];
        for (addr, expected) in cases {
            assert_eq!(network(addr.parse().unwrap()), expected, "{addr}");
        }
    }
}
