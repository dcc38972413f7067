//! What the queue keeps: jobs, what each does, and whom or what it is about.

use minicbor::{Decode, Encode};

use super::Wish;
use crate::base::{ChallengeId, ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::store::dispatch::Refusal;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum JobKind {
    /// The notice to the recipient, with the link.
    #[n(0)]
    Notice {
        /// Whose link.
        #[n(0)]
        grant: GrantId,
    },
    /// The access code to the sender, for one recipient.
    #[n(1)]
    Code {
        /// Whose code.
        #[n(0)]
        contact: ContactId,
    },
    /// Tells the sender that a link was closed after too many wrong codes.
    #[n(2)]
    Closed {
        /// Which link.
        #[n(0)]
        grant: GrantId,
    },
    /// Tells the sender (or fallback) that a notice could not be delivered.
    #[n(3)]
    Undeliverable {
        /// Which link's notice.
        #[n(0)]
        grant: GrantId,
        /// The next hop's last answer, cleaned; no address of others.
        #[n(1)]
        answer: String,
    },
    /// Tells the fallback mailbox that a sender's mailbox did not take a code.
    #[n(4)]
    CodeUndeliverable {
        /// Whose code.
        #[n(0)]
        contact: ContactId,
        /// See [`Undeliverable`](Self::Undeliverable).
        #[n(1)]
        answer: String,
    },
    /// A one-time code by SMS to the recipient. The number is its secret; the code follows from the challenge
    /// ([`crate::seal::one_time`]).
    #[n(5)]
    Sms {
        /// Through whose link it was asked for.
        #[n(0)]
        grant: GrantId,
        /// Which code.
        #[n(1)]
        challenge: ChallengeId,
        /// When the code ends: after that nothing is sent.
        #[n(2)]
        expires: Timestamp,
    },
    /// The same by mail, to the address that the notice went to.
    #[n(6)]
    OneTimeMail {
        /// See [`Sms`](Self::Sms).
        #[n(0)]
        grant: GrantId,
        /// See [`Sms`](Self::Sms).
        #[n(1)]
        challenge: ChallengeId,
        /// See [`Sms`](Self::Sms).
        #[n(2)]
        expires: Timestamp,
    },
    /// Tells the sender what the recipient asks for.
    #[n(10)]
    Asked {
        /// Through which link.
        #[n(0)]
        grant: GrantId,
        /// What.
        #[n(1)]
        wish: Wish,
    },
    /// Tells the sender that no one-time code comes.
    #[n(11)]
    OneTimeFailed {
        /// Through which link it was asked for.
        #[n(0)]
        grant: GrantId,
        /// Why.
        #[n(1)]
        why: Refusal,
    },
    /// An answer that the recipient wrote on the page, to the sender.
    #[n(20)]
    Answer {
        /// In which conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Which.
        #[n(1)]
        answer: MessageId,
        /// To the organisation's fallback mailbox, since the sender's did not take it.
        #[n(2)]
        fallback: bool,
    },
    /// Tells who wrote an answer that it did not arrive.
    #[n(21)]
    AnswerUndeliverable {
        /// In which conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Which.
        #[n(1)]
        answer: MessageId,
        /// No other mailbox took it either.
        #[n(2)]
        lost: bool,
    },
    /// Tells who wrote an answer that it goes nowhere, since there is malware in a file of it.
    #[n(22)]
    AnswerInfected {
        /// In which conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Which.
        #[n(1)]
        answer: MessageId,
        /// In which file, counted from 0.
        #[n(2)]
        file: u32,
    },
    /// Tells a sender outside the organisation's own domains that there is an answer, which the fallback mailbox got.
    #[n(23)]
    AnswerNotice {
        /// In which conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Which.
        #[n(1)]
        answer: MessageId,
        /// The sender's address.
        #[n(2)]
        to: String,
    },
}

/// The one-time code that a job brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTime {
    /// Through whose link it was asked for.
    pub grant: GrantId,
    /// Which code.
    pub challenge: ChallengeId,
    /// When it ends: after that nothing is sent.
    pub expires: Timestamp,
}

/// Whom or what a job is about: when that is gone, so is the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A link.
    Grant(GrantId),
    /// The stub of one.
    Stub(GrantId),
    /// A contact.
    Contact(ContactId),
    /// An answer.
    Answer(ConversationId, MessageId),
}

impl JobKind {
    /// Its name in logs and answers.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Notice { .. } => "notice",
            Self::Code { .. } => "code",
            Self::Closed { .. } => "closed",
            Self::Asked { .. } => "asked",
            Self::OneTimeFailed { .. } => "one-time-failed",
            Self::Undeliverable { .. } => "undeliverable",
            Self::CodeUndeliverable { .. } => "code-undeliverable",
            Self::Sms { .. } => "sms",
            Self::OneTimeMail { .. } => "one-time-mail",
            Self::Answer { .. } => "answer",
            Self::AnswerUndeliverable { .. } => "answer-undeliverable",
            Self::AnswerInfected { .. } => "answer-infected",
            Self::AnswerNotice { .. } => "answer-notice",
        }
    }

    /// The one-time code that it brings, for which somebody waits at the page.
    #[must_use]
    pub const fn one_time(&self) -> Option<OneTime> {
        match *self {
            Self::Sms { grant, challenge, expires } | Self::OneTimeMail { grant, challenge, expires } => {
                Some(OneTime { grant, challenge, expires })
            }
            _ => None,
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Asked { grant, wish: Wish::Again } => Subject::Stub(*grant),
            Self::Notice { grant }
            | Self::Closed { grant }
            | Self::Undeliverable { grant, .. }
            | Self::Sms { grant, .. }
            | Self::OneTimeMail { grant, .. }
            | Self::Asked { grant, .. }
            | Self::OneTimeFailed { grant, .. } => Subject::Grant(*grant),
            Self::Code { contact } | Self::CodeUndeliverable { contact, .. } => Subject::Contact(*contact),
            Self::Answer { conversation, answer, .. }
            | Self::AnswerUndeliverable { conversation, answer, .. }
            | Self::AnswerInfected { conversation, answer, .. }
            | Self::AnswerNotice { conversation, answer, .. } => Subject::Answer(*conversation, *answer),
        }
    }
}

/// One piece of outgoing work.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Job {
    /// What to do.
    #[n(0)]
    pub kind: JobKind,
    /// When it was made.
    #[n(1)]
    pub created: Timestamp,
    /// When it is due next.
    #[n(2)]
    pub due: Timestamp,
    /// Attempts made.
    #[n(3)]
    pub attempts: u32,
    /// The last answer or cause, cleaned; for `queue list`.
    #[n(4)]
    pub last: String,
}
