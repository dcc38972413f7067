//! The mail that a session has under way: one to pass on or to keep, or a report about one of ours.

use super::Kind;
use super::door::Door;
use crate::mail::{MailFrom, RcptTo, Reply};
use crate::relay::{Peer, Report, Transaction};

/// From MAIL to the reply to the dot. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(super) enum UnderWay {
    Mail(Box<Transaction>),
    Report(Box<Report>),
}

impl UnderWay {
    /// Answers MAIL as the kind of the listener says; the error is the refusal.
    pub(super) async fn begin(door: &Door, peer: &Peer, from: MailFrom) -> Result<Self, Reply> {
        let relay = &door.services.relay;
        match door.listener.kind {
            Kind::Relay | Kind::Submission => Ok(Self::Mail(Box::new(relay.mail(peer, from).await?))),
            Kind::Mx => Ok(Self::Report(Box::new(relay.report(peer, &from, &door.settings.bounce_domain)?))),
        }
    }

    pub(super) async fn rcpt(&mut self, to: RcptTo) -> Reply {
        match self {
            Self::Mail(mail) => mail.rcpt(to).await,
            Self::Report(report) => report.rcpt(&to),
        }
    }

    pub(super) async fn body(&mut self, wire: &[u8]) {
        match self {
            Self::Mail(mail) => mail.body(wire).await,
            Self::Report(report) => report.body(wire).await,
        }
    }

    pub(super) async fn end(self) -> Reply {
        match self {
            Self::Mail(mail) => mail.end().await,
            Self::Report(report) => report.end().await,
        }
    }

    pub(super) async fn abort(self) {
        match self {
            Self::Mail(mail) => mail.abort().await,
            Self::Report(report) => drop(report),
        }
    }
}
