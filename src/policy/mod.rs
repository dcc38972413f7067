//! Facts and rules to a verdict per recipient, with its reason. Pure and total.
//!
//! What one trigger secures no later one undoes. A classification that cannot be made is a refusal, never "ordinary".

use std::time::Duration;

use crate::mail::header::HeaderFacts;
use crate::mail::{Address, Domain, Reply};

/// The organisation's own mailboxes: the only place where codes, receipts and answers go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// Its domains (and names below them are not included).
    pub domains: Vec<Domain>,
    /// The mailbox for what has no sender of ours.
    pub fallback: Option<Address>,
}

/// Something that a rule looks at. All conditions that are set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// For the log, receipts and `explain`.
    pub name: String,
    /// Sender address or domain patterns (`a@b`, `b`, `*.b`); empty: any.
    pub from: Vec<Pattern>,
    /// Recipient patterns; empty: any.
    pub to: Vec<Pattern>,
    /// What to do.
    pub action: Action,
}

/// An address or domain pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One address, compared by key.
    Address(String),
    /// A domain.
    Domain(Domain),
    /// All names below a domain.
    Below(Domain),
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Seal it.
    Seal,
    /// Refuse it, with this text.
    Refuse(String),
}

/// Rules and defaults of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Own mailboxes.
    pub home: Home,
    /// In order; sealing and refusing rules add up, none undoes an earlier one.
    pub rules: Vec<Rule>,
    /// Words in a subject tag that seal (`veilig`, `vertrouwelijk`, `secure`, `confidential`).
    pub tags: Vec<String>,
    /// Life of a sealed message unless the mail says otherwise.
    pub expires: Duration,
}

/// What is known at RCPT.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeFacts<'a> {
    /// The reverse path.
    pub mail_from: Option<&'a Address>,
    /// This recipient.
    pub recipient: &'a Address,
}

/// What to do with the mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ordinary.
    Pass,
    /// Confidential.
    Seal(Terms),
    /// Refused, with this answer.
    Refuse(Reply),
}

/// How a confidential mail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Which trigger or rule: for log, receipt and `explain`. No content of the mail.
    pub reason: String,
    /// How long it lives.
    pub expires: Duration,
}

/// Who sent a mail that is to be sealed, and where mails to that person go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The From address.
    pub address: Address,
    /// The display name, empty when there is none.
    pub name: String,
    /// A home mailbox: the From address itself, or the fallback.
    pub mailbox: Address,
}

impl Settings {
    /// The verdict that the envelope alone allows: only sealing and refusing rules; `None` means "forward the RCPT, decide later".
    #[must_use]
    pub fn early(&self, envelope: &EnvelopeFacts<'_>) -> Option<Verdict> {
        todo!()
    }
    /// The final verdict for one recipient, after the header block.
    #[must_use]
    pub fn decide(&self, envelope: &EnvelopeFacts<'_>, header: &HeaderFacts) -> Verdict {
        todo!()
    }
    /// Who the sender of a mail to be sealed is, or the refusal at the dot (550) when that is nobody of ours and no fallback is set.
    pub fn sender(&self, header: &HeaderFacts) -> Result<Identity, Reply> {
        todo!()
    }
}
