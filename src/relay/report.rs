//! A delivery report on its way in: from anybody, so only for addresses that we gave, and nothing of it is passed on.

use std::fmt;
use std::sync::Arc;

use tracing::Instrument;

use super::account::Account;
use super::budget::Share;
use super::{Peer, Relay, Shared};
use crate::intake::Reported;
use crate::mail::dot::Unstuffer;
use crate::mail::{Domain, MailFrom, RcptTo, Reply, report};

/// Octets of a report that are looked at. What it says stands before the mail that it brings back.
const MOST: usize = 128 * 1024;
/// What of it is in memory at the same time: as it came, and without dot-stuffing.
const COPIES: usize = 2;

/// One report, from MAIL to the reply to the dot. Dropped, it leaves nothing behind.
pub struct Report {
    shared: Arc<Shared>,
    domain: Domain,
    account: Account,
    about: Vec<Reported>,
    wire: Vec<u8>,
    share: Share,
    /// The memory for it could not be had.
    lacks: bool,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("id", &self.account.id()).finish_non_exhaustive()
    }
}

impl Relay {
    /// Answers MAIL where only reports about our own mails come in; their addresses lie in `domain`.
    ///
    /// # Errors
    /// The refusal: the store is closed, or the mail has a sender, as no report has (RFC 5321 §4.5.5).
    pub fn report(&self, peer: &Peer, from: &MailFrom, domain: &Domain) -> Result<Report, Reply> {
        let mut account = self.account(peer);
        account.is_report();
        let refusal = self.gate().or_else(|| from.path.is_some().then(not_a_report));
        if let Some(refusal) = refusal {
            account.ended(&refusal, None);
            return Err(refusal);
        }
        let (shared, share) = (Arc::clone(&self.shared), self.shared.budget.clone().share());
        let domain = domain.clone();
        Ok(Report { shared, domain, account, about: Vec::new(), wire: Vec::new(), share, lacks: false })
    }
}

impl Report {
    /// Answers RCPT.
    pub fn rcpt(&mut self, to: &RcptTo) -> Reply {
        let reply = match self.shared.intake.reported(&to.address, &self.domain) {
            Some(about) => {
                self.about.push(about);
                Reply::new(250, "2.1.5 Recipient accepted")
            }
            None => Reply::new(550, "5.7.1 Only reports about mails of this gateway are taken here"),
        };
        self.account.answered(&reply);
        reply
    }

    /// Body bytes in wire form, as for [`Transaction::body`](super::Transaction::body).
    pub async fn body(&mut self, wire: &[u8]) {
        self.account.received(wire.len());
        let wanted = wire.len().min(MOST - self.wire.len());
        let Some(part) = wire.get(..wanted).filter(|part| !part.is_empty() && !self.lacks) else { return };
        if self.share.hold(COPIES * (self.wire.len() + part.len())).await {
            self.wire.reserve_exact(part.len());
            self.wire.extend_from_slice(part);
        } else {
            self.lacks = true;
        }
    }

    /// The dot: 250 when everything that follows from the report is durable. It runs to its end also when the caller stops waiting.
    pub async fn end(self) -> Reply {
        let shared = Arc::clone(&self.shared);
        let task = shared.ends.spawn(self.finish().in_current_span());
        task.await.unwrap_or_else(|_| Reply::new(451, "4.3.0 Something went wrong here; try again later"))
    }

    async fn finish(mut self) -> Reply {
        self.account.complete();
        let reply = self.take().await;
        self.account.ended(&reply, None);
        reply
    }

    async fn take(&self) -> Reply {
        if self.lacks {
            return Reply::new(452, "4.3.1 Too many mails at the same time; try again later");
        }
        let mut mail = Vec::with_capacity(self.wire.len());
        Unstuffer::new().push(&self.wire, &mut mail);
        let Some(fate) = report::read(&mail) else { return not_a_report() };
        for about in &self.about {
            match self.shared.intake.take_report(*about, fate).await {
                Ok(told) => tracing::info!(mail = self.account.id(), ?about, ?fate, told, "delivery report"),
                Err(error) => {
                    tracing::warn!(mail = self.account.id(), %error, "a delivery report could not be stored");
                    return error.reply();
                }
            }
        }
        Reply::new(250, "2.0.0 Report taken")
    }
}

fn not_a_report() -> Reply {
    Reply::new(550, "5.7.1 Only delivery reports are taken here")
}
