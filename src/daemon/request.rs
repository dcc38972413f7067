//! What an operator's request and its answer say: the words that travel over the control socket, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::contacts::{ContactRequest, ContactRow};
use super::health::Health;
use super::rotate::{KeyAnswer, KeyRequest};
use super::upkeep::Outcome;
use super::waiting::JobRow;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Messages to or from an address.
    MessageFind {
        /// The address.
        address: String,
        /// Not older than this many days.
        days: Option<u32>,
    },
    /// One message with its recipients.
    MessageShow {
        /// Its id.
        id: String,
    },
    /// Opens the links of a message again after too many wrong codes.
    MessageUnlock {
        /// Its id.
        id: String,
    },
    /// Takes a message back.
    MessageRecall {
        /// Its id.
        id: String,
        /// From this recipient only.
        recipient: Option<String>,
    },
    /// About contacts.
    Contact {
        /// What about them.
        request: ContactRequest,
    },
    /// Erases all that is kept about an address.
    ContactErase {
        /// The address.
        address: String,
    },
    /// Makes a new code for a recipient and mails it to the sender.
    ContactNewCode {
        /// The recipient's address.
        recipient: String,
        /// The sender's address; needed when several senders have this recipient.
        sender: Option<String>,
    },
    /// What the queue still has to send.
    QueueList,
    /// About root keys.
    Keys {
        /// What about them.
        request: KeyRequest,
    },
    /// Sends a trial SMS.
    SmsTest {
        /// To this number, as people write it.
        number: String,
        /// Through this provider only.
        provider: Option<String>,
    },
    /// Sends nothing until it is let go.
    QueueHold,
    /// Lets a held queue go.
    QueueRelease,
    /// Begins to read everything in the store.
    StoreCheck {
        /// Mends what can be mended.
        repair: bool,
        /// An erasure ledger that lacks entries counts as it is from now on.
        #[serde(default)]
        accept_ledger: bool,
    },
    /// Begins to make the index anew.
    StoreRebuild,
    /// Begins to give back the room of what was removed.
    StoreCompact,
    /// Begins to make or refresh a backup.
    StoreBackup {
        /// Its folder: an absolute path.
        folder: PathBuf,
        /// Whether all copies that are kept are read again.
        #[serde(default)]
        verify: bool,
    },
    /// How far that is.
    StoreWork,
    /// What the last check found.
    StoreLastCheck,
    /// How the daemon is.
    Health,
    /// All metrics.
    Metrics,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Messages, newest first.
    Messages {
        /// One row each.
        messages: Vec<MessageRow>,
    },
    /// One message.
    Message {
        /// The message itself.
        message: MessageRow,
        /// Its recipients.
        recipients: Vec<RecipientRow>,
    },
    /// Links that were opened again.
    Unlocked {
        /// How many.
        links: usize,
    },
    /// A message was taken back.
    Recalled {
        /// From so many recipients.
        recipients: usize,
        /// Nobody else has it.
        whole: bool,
        /// Nothing of it is left; else the rest is removed by itself.
        complete: bool,
    },
    /// A message was gone before.
    Gone {
        /// `expired` or `recalled`.
        why: String,
        /// Since when.
        since: String,
        /// Nothing of it is left; else the rest is removed by itself.
        complete: bool,
    },
    /// What was kept about an address was erased.
    Erased {
        /// Messages that nobody has any more.
        messages: usize,
        /// Recipients who can no longer read a message.
        recipients: usize,
        /// Contacts.
        contacts: usize,
        /// Nothing is left; else the rest is removed by itself.
        complete: bool,
    },
    /// A code was made; it travels only in the mail.
    NewCode {
        /// The mailbox that gets it.
        mailbox: String,
        /// It is a strict one: what was sent in strict mode before still opens with the code before, and with nothing else.
        strict: bool,
    },
    /// Contacts by address.
    Contacts {
        /// One row each.
        contacts: Vec<ContactRow>,
        /// What else happened.
        note: Option<String>,
    },
    /// The queue in order of due time.
    Queue {
        /// One row each.
        jobs: Vec<JobRow>,
        /// Why nothing is sent, if so.
        #[serde(default)]
        held: Option<String>,
    },
    /// The queue was held, or let go.
    QueueIs {
        /// Now.
        held: bool,
        /// It was otherwise before.
        changed: bool,
    },
    /// Long work on the store.
    Work {
        /// How far it is; nothing when none is under way.
        running: Option<String>,
        /// How the last piece of it ended.
        done: Option<Outcome>,
    },
    /// About root keys.
    Keys {
        /// What about them.
        keys: KeyAnswer,
    },
    /// How the daemon is.
    Health {
        /// Status and reasons.
        health: Health,
    },
    /// All metrics, as `OpenMetrics` text.
    Metrics {
        /// The text.
        text: String,
    },
    /// A trial SMS was handed over, or not.
    SmsTested {
        /// Whom it was for: the last three digits.
        number: String,
        /// `taken`, `refused`, `failed` or `unsure`.
        result: String,
        /// By whom; empty when nobody took it.
        provider: String,
        /// The provider's id of it, or why not.
        detail: String,
    },
    /// It cannot be done; the text says why.
    Refused {
        /// For the operator.
        text: String,
    },
}

impl Answer {
    /// Whether everything that was asked for is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Recalled { complete: false, .. }
            | Self::Gone { complete: false, .. }
            | Self::Erased { complete: false, .. } => false,
            Self::SmsTested { result, .. } => result == "taken",
            _ => true,
        }
    }
}

/// A message in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its id.
    pub id: String,
    /// When we took it.
    pub received: String,
    /// Until when it can be read.
    pub expires: String,
    /// The sender's address.
    pub sender: String,
    /// Why it was sealed.
    pub reason: String,
    /// Plain size, bytes.
    pub bytes: u64,
    /// Number of recipients.
    pub recipients: usize,
}

/// A recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientRow {
    /// The address.
    pub address: String,
    /// `waiting`, `noticed`, `failed` or `opened`.
    pub status: String,
    /// When that was.
    pub since: Option<String>,
    /// Wrong codes on this link.
    pub wrong: u32,
    /// Closed after wrong codes.
    pub closed: bool,
    /// Which code of the contact counts now, from 1.
    pub code_generation: Option<u32>,
    /// `assisted` or `strict`.
    pub mode: String,
    /// In strict mode: which code of the contact opens it, from 1.
    pub needs_generation: Option<u32>,
}
