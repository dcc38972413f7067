//! Facts and rules to a verdict per recipient, with its reason. Pure and total.
//!
//! What one trigger secures no later one undoes: any refusal refuses, else any trigger seals, else the mail is ordinary. Where a
//! header can be read in several ways, one reading that seals is enough; one that cannot be read is a refusal, never
//! "ordinary".

mod pattern;
mod triggers;
mod wish;

use std::fmt;
use std::time::Duration;

use crate::mail::header::HeaderFacts;
use crate::mail::{Address, DomainSet, Reply};

pub use pattern::Pattern;
pub use triggers::{Considered, Finding};

/// The organisation's own mailboxes: the only place where codes, receipts and answers go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// Its domains (and names below them are not included).
    pub domains: DomainSet,
    /// The mailbox for what has no sender of ours.
    pub fallback: Option<Address>,
}

impl Home {
    /// Whether an address is one of the organisation's own mailboxes.
    #[must_use]
    pub fn holds(&self, address: &Address) -> bool {
        self.domains.holds(address.domain())
    }
}

/// Who can open a sealed mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The server holds the keys and asks for link and code.
    #[default]
    Assisted,
    /// Link and code are the keys: without them the server opens nothing, and nobody can replace them.
    Strict,
}

/// The lowest kind of proof that will do for a recipient of whom nothing better is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A one-time code by mail, to the mailbox that the notice goes to: whoever reads that mailbox opens the message.
    Mail,
    /// Something that the mailbox alone does not give: an access code, or a code by SMS.
    #[default]
    Code,
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
    /// How what it seals is kept; `None`: as [`Settings::mode`] says. Of several rules that say it, the stricter counts.
    pub mode: Option<Mode>,
    /// The lowest proof for what it seals; `None`: it does not say. Of several rules that say it, the higher counts; where none does, it is
    /// [`Level::Code`].
    pub proof: Option<Level>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Seal it.
    Seal,
    /// Refuse it, with this text (550 5.7.1 is put before it).
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
    /// How sealed mail is kept unless a rule that seals it says otherwise.
    pub mode: Mode,
}

/// What is known at RCPT.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeFacts<'a> {
    /// The reverse path.
    pub mail_from: Option<&'a Address>,
    /// This recipient.
    pub recipient: &'a Address,
    /// For how many recipients a proof can be meant that names nobody. Counts after the header block only.
    pub audience: Audience,
}

/// Recipients that a proof can be meant for that does not say for whom it is: those outside of home, or all when every one is home.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audience {
    outside: usize,
    home: usize,
}

impl Audience {
    /// Of an envelope. One mailbox named twice is two.
    pub fn of<'a>(home: &Home, recipients: impl IntoIterator<Item = &'a Address>) -> Self {
        let mut audience = Self::default();
        for recipient in recipients {
            *(if home.holds(recipient) { &mut audience.home } else { &mut audience.outside }) += 1;
        }
        audience
    }

    const fn is_one(self) -> bool {
        self.outside == 1 || (self.outside == 0 && self.home == 1)
    }

    fn holds(self, home: &Home, recipient: &Address) -> bool {
        self.outside == 0 || !home.holds(recipient)
    }
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
    /// Who can open it.
    pub mode: Mode,
    /// The proof that the mail asks for, if it does; else what is known of the recipient decides.
    pub proof: Option<Proof>,
    /// The lowest proof that will do.
    pub level: Level,
}

/// A proof that a mail asks for. Debug shows no number.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// An access code that the sender passes on.
    Code,
    /// A code by SMS to this number, as the sender wrote it: not judged yet.
    Sms(String),
    /// A code by mail: no more than what a rule allows by name.
    Mail,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "Code",
            Self::Sms(_) => "Sms(…)",
            Self::Mail => "Mail",
        })
    }
}

/// Who sent a mail that is to be sealed, and where mails to that person go. Its `Debug` shows no name and addresses masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The From address when it is one of home; else the fallback mailbox, so that nothing is ever sent in the name of an address
    /// that nobody vouches for.
    pub address: Address,
    /// The display name, empty when there is none or when it would show another address than `address`.
    pub name: String,
    /// A home mailbox: the From address itself, or the fallback.
    pub mailbox: Address,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("address", &self.address)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The verdict that the envelope alone allows: only sealing and refusing rules; `None` means "forward the RCPT, decide later".
    /// The terms of a seal are those of [`decide`](Self::decide), which never undoes it.
    #[must_use]
    pub fn early(&self, envelope: &EnvelopeFacts<'_>) -> Option<Verdict> {
        self.explain_early(envelope).1
    }

    /// Every rule that [`early`](Self::early) looks at, with what it finds, and the verdict.
    #[must_use]
    pub fn explain_early(&self, envelope: &EnvelopeFacts<'_>) -> (Vec<Considered>, Option<Verdict>) {
        let considered = triggers::early(self, envelope);
        let verdict = self.sum(&considered, self.expires, None);
        (considered, Some(verdict).filter(|verdict| *verdict != Verdict::Pass))
    }

    /// The final verdict for one recipient, after the header block.
    #[must_use]
    pub fn decide(&self, envelope: &EnvelopeFacts<'_>, header: &HeaderFacts) -> Verdict {
        self.explain(envelope, header).1
    }

    /// Every trigger that [`decide`](Self::decide) looks at, in order, with what it finds, and the verdict.
    #[must_use]
    pub fn explain(&self, envelope: &EnvelopeFacts<'_>, header: &HeaderFacts) -> (Vec<Considered>, Verdict) {
        let considered = triggers::all(self, envelope, header);
        let expires = triggers::lives(header).ok().flatten().unwrap_or(self.expires);
        let proof = triggers::proof(self, envelope, header).ok().flatten();
        let verdict = match self.sum(&considered, expires, proof.as_ref()) {
            Verdict::Pass if header.ambiguous => Verdict::Refuse(unclear()),
            verdict => verdict,
        };
        (considered, verdict)
    }

    /// Who the sender of a mail to be sealed is, or the refusal at the dot (550) when that is nobody of ours and no fallback is set.
    ///
    /// # Errors
    ///
    /// 550 5.7.1 with what is wrong with From, and what would do.
    pub fn sender(&self, header: &HeaderFacts) -> Result<Identity, Reply> {
        let problem = match header.from.as_slice() {
            [(name, address)] if !header.from_doubtful && self.home.holds(address) => {
                return Ok(Identity { address: address.clone(), name: shown_name(name), mailbox: address.clone() });
            }
            [_] if !header.from_doubtful => "its From is not one of the organisation's own addresses",
            _ if header.from_unreadable => "its From cannot be read beyond doubt",
            [] => "it has no From",
            _ => "it has several From addresses",
        };
        let fallback = self.home.fallback.as_ref().filter(|fallback| self.home.holds(fallback));
        let fallback = fallback.ok_or_else(|| {
            Reply::lines(
                550,
                [
                    "5.7.1 Zegel: this confidential mail was not sent on:",
                    &format!("5.7.1 {problem};"),
                    "5.7.1 one From address in a domain of the organisation is needed",
                ],
            )
        })?;
        Ok(Identity { address: fallback.clone(), name: String::new(), mailbox: fallback.clone() })
    }

    fn sum(&self, considered: &[Considered], expires: Duration, proof: Option<&Proof>) -> Verdict {
        let refusal =
            considered.iter().find_map(|c| if let Finding::Refuse(reply) = &c.finding { Some(reply) } else { None });
        if let Some(reply) = refusal {
            return Verdict::Refuse(reply.clone());
        }
        let seals = || considered.iter().filter(|c| c.finding == Finding::Seal);
        let Some(first) = seals().next() else { return Verdict::Pass };
        let mode = seals().filter_map(|c| c.mode).max().unwrap_or(self.mode);
        let level = seals().filter_map(|c| c.proof).max().filter(|_| mode != Mode::Strict).unwrap_or_default();
        if proof == Some(&Proof::Mail) && level != Level::Mail {
            return Verdict::Refuse(wish::no_mail_code(mode));
        }
        Verdict::Seal(Terms { reason: first.trigger.clone(), expires, mode, proof: proof.cloned(), level })
    }
}

/// The refusal of a mail that readers could take for different things.
fn unclear() -> Reply {
    Reply::new(550, "5.6.0 Zegel: the header of this mail can be read in more than one way, so it was not sent on")
}

/// The display name for notices. One that shows an address would name another sender, or says nothing new.
fn shown_name(name: &str) -> String {
    if name.contains('@') { String::new() } else { name.chars().take(100).collect() }
}

#[cfg(test)]
mod tests;
