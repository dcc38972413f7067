//! What an operator may ask of the store: the same commands over the control socket and on a folder that no daemon holds.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rotate::{self, KeyAnswer, KeyRequest};
use crate::base::{Clock, Entropy, JobId, MessageId, Timestamp};
use crate::mail::Address;
use crate::seal::code::Cost;
use crate::seal::contact::Generation;
use crate::seal::hashers::Hashers;
use crate::store::codes::NewCode;
use crate::store::intake::NewJob;
use crate::store::look::DeliveryView;
use crate::store::records::{JobKind, JobSecret, Proof};
use crate::store::retention::Retention;
use crate::store::{Store, StoreError};

use super::remove::gone;
use super::upkeep::{Outcome, Upkeep, Work, last_check};
pub use super::waiting::JobRow;

/// Rows in one answer at most.
pub(super) const ROWS: usize = 500;

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
    /// Sends nothing until it is let go.
    QueueHold,
    /// Lets a held queue go.
    QueueRelease,
    /// Begins to read everything in the store.
    StoreCheck {
        /// Mends what can be mended.
        repair: bool,
    },
    /// Begins to make the index anew.
    StoreRebuild,
    /// Begins to give back the room of what was removed.
    StoreCompact,
    /// Begins to make or refresh a backup.
    StoreBackup {
        /// Its folder: an absolute path.
        folder: PathBuf,
    },
    /// How far that is.
    StoreWork,
    /// What the last check found.
    StoreLastCheck,
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
    /// It cannot be done; the text says why.
    Refused {
        /// For the operator.
        text: String,
    },
}

impl Answer {
    /// Whether everything that was asked for is done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        !matches!(
            self,
            Self::Refused { .. }
                | Self::Recalled { complete: false, .. }
                | Self::Gone { complete: false, .. }
                | Self::Erased { complete: false, .. }
        )
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

/// Carries out requests.
#[derive(Debug, Clone)]
pub struct Office {
    /// On this store.
    pub store: Store,
    /// Removes from it.
    pub retention: Retention,
    /// For "days ago".
    pub clock: Arc<dyn Clock>,
    /// For new codes.
    pub entropy: Arc<dyn Entropy>,
    /// Cost of hashing a new code.
    pub cost: Cost,
    /// The same in strict mode.
    pub strict_cost: Cost,
    /// Where it waits for its turn.
    pub hashers: Hashers,
    /// Root keys.
    pub keys: rotate::Keys,
    /// Does long work on the store.
    pub upkeep: Upkeep,
}

impl Office {
    /// Carries one out.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn carry_out(&self, request: Request) -> Result<Answer, StoreError> {
        match request {
            Request::MessageFind { address, days } => self.find(&address, days).await,
            Request::MessageShow { id } => self.show(&id).await,
            Request::MessageUnlock { id } => self.unlock(&id).await,
            Request::MessageRecall { id, recipient } => self.recall(&id, recipient.as_deref()).await,
            Request::ContactErase { address } => self.erase(&address).await,
            Request::ContactNewCode { recipient, sender } => self.new_code(&recipient, sender.as_deref()).await,
            Request::QueueList => self.queue().await,
            Request::Keys { request } => Ok(Answer::Keys { keys: self.keys.carry_out(request).await? }),
            Request::QueueHold => self.hold().await,
            Request::QueueRelease => self.release().await,
            Request::StoreCheck { repair } => Ok(self.begin(Work::Check { repair })),
            Request::StoreRebuild => Ok(self.begin(Work::Rebuild)),
            Request::StoreCompact => Ok(self.begin(Work::Compact)),
            Request::StoreBackup { folder } => Ok(self.begin(Work::Backup(folder))),
            Request::StoreWork => Ok(self.work()),
            Request::StoreLastCheck => Ok(Answer::Work { running: None, done: last_check(&self.store).await? }),
        }
    }

    async fn find(&self, address: &str, days: Option<u32>) -> Result<Answer, StoreError> {
        let Ok(address) = address.parse::<Address>() else { return Ok(no_address(address)) };
        let day = std::time::Duration::from_hours(24);
        let since = days.map(|days| self.clock.now() - day * days);
        let found = self.store.find(&address.key(), since, ROWS).await?;
        Ok(Answer::Messages { messages: found.iter().map(|(id, message)| row(*id, message)).collect() })
    }

    async fn show(&self, id: &str) -> Result<Answer, StoreError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(no_message(id)) };
        let Some(message) = self.store.message(id).await? else {
            return Ok(self
                .store
                .message_stub(id)
                .await?
                .map_or_else(|| no_message(&id.to_string()), |stub| gone(&stub, true)));
        };
        let recipients = self.store.deliveries(id).await?.iter().map(recipient).collect();
        Ok(Answer::Message { message: row(id, &message), recipients })
    }

    async fn unlock(&self, id: &str) -> Result<Answer, StoreError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(no_message(id)) };
        let links = self.store.unlock_message(id).await?;
        Ok(links.map_or_else(|| no_message(&id.to_string()), |links| Answer::Unlocked { links }))
    }

    async fn new_code(&self, recipient: &str, sender: Option<&str>) -> Result<Answer, StoreError> {
        let Ok(recipient) = recipient.parse::<Address>() else { return Ok(no_address(recipient)) };
        let sender = match sender.map(str::parse::<Address>) {
            None => None,
            Some(Ok(sender)) => Some(sender.key()),
            Some(Err(_)) => return Ok(no_address(sender.unwrap_or_default())),
        };
        let found = self.store.contacts(&recipient.key(), sender.as_deref()).await?;
        let (id, contact) = match found.as_slice() {
            [one] => one,
            [] => return Ok(refused("no sender has a contact with this address")),
            several => {
                let senders: Vec<&str> = several.iter().map(|(_, contact)| contact.sender.as_str()).collect();
                return Ok(refused(&format!("several senders have this contact; name one: {}", senders.join(", "))));
            }
        };
        let strict = contact.proof == Proof::StrictCode;
        let Some(new) = self.make_code(strict).await else { return Ok(refused("the code could not be made")) };
        let mail = NewJob {
            id: JobId::random(&*self.entropy),
            kind: JobKind::Code { contact: *id },
            secret: Some(JobSecret { token: None, code: Some(new.code.expose().to_owned()) }),
            due: self.clock.now(),
        };
        let mailbox = contact.mailbox.clone();
        let generation = Generation { contact: *id, number: contact.generation.saturating_add(1) };
        let replaced = self.store.replace_code(*id, new.keep(generation, &*self.entropy), mail).await?;
        Ok(if replaced { Answer::NewCode { mailbox, strict } } else { refused("the contact is gone") })
    }

    async fn make_code(&self, strict: bool) -> Option<NewCode> {
        let mut turn = self.hashers.turn().await.ok()?;
        let (entropy, pepper) = (self.entropy.clone(), self.store.keys().pepper.clone());
        let (cost, strict_cost) = (self.cost, self.strict_cost);
        let make = move || {
            if strict {
                NewCode::strict(&pepper, strict_cost, &*entropy, turn.memory())
            } else {
                NewCode::digits(&pepper, cost, &*entropy, turn.memory())
            }
        };
        tokio::task::spawn_blocking(make).await.ok()?.ok()
    }
}

pub(super) fn refused(text: &str) -> Answer {
    Answer::Refused { text: text.to_owned() }
}

pub(super) fn no_message(id: &str) -> Answer {
    refused(&format!("there is no message {id}"))
}

pub(super) fn no_address(text: &str) -> Answer {
    refused(&format!("\"{text}\" is not a mail address"))
}

fn row(id: MessageId, message: &crate::store::records::Message) -> MessageRow {
    MessageRow {
        id: id.to_string(),
        received: message.received.to_string(),
        expires: message.expires.to_string(),
        sender: message.sender.address.clone(),
        reason: message.reason.clone(),
        bytes: message.plain_len,
        recipients: message.conversations.len(),
    }
}

fn recipient(view: &DeliveryView) -> RecipientRow {
    let delivery = &view.delivery;
    let states = [("opened", delivery.opened), ("failed", delivery.failed), ("noticed", delivery.noticed)];
    let state = states.into_iter().find_map(|(name, at): (_, Option<Timestamp>)| at.map(|at| (name, at)));
    RecipientRow {
        address: view.conversation.recipient.clone(),
        status: state.map_or("waiting", |(name, _)| name).to_owned(),
        since: state.map(|(_, at)| at.to_string()),
        wrong: view.wrong,
        closed: view.closed,
        code_generation: view.contact.as_ref().map(|(_, contact)| contact.generation),
        mode: if view.strict.is_some() { "strict" } else { "assisted" }.to_owned(),
        needs_generation: view.strict.and_then(|strict| strict.generation),
    }
}
