//! Taking custody: a message with all its records in one commit, or prepared first and committed when the next hop took the rest.

use crate::base::{ContactId, ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::seal::code::Verifier;
use crate::seal::token::LinkToken;

use super::records::{Contact, Conversation, JobKind, JobSecret, Message};
use super::{BodyWriter, SealedBody, Store, StoreError};

/// A sealed mail with everything that must be durable before we answer 250.
#[derive(Debug)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The record (its `conversations` are filled from `deliveries`).
    pub message: Message,
    /// Encoded manifest.
    pub manifest: Vec<u8>,
    /// The body, durable already if it is a file.
    pub body: SealedBody,
    /// The key that the body was sealed with; stored only wrapped, once per conversation.
    pub content_key: ContentKey,
    /// One per recipient.
    pub deliveries: Vec<NewDelivery>,
}

/// One recipient of a new message: own conversation, key, link, proof.
#[derive(Debug)]
pub struct NewDelivery {
    /// The new conversation's id.
    pub conversation_id: ConversationId,
    /// The new conversation (names the contact).
    pub conversation: Conversation,
    /// A contact to make, with its verifier, when the sender has none for this recipient yet.
    pub new_contact: Option<(Contact, Verifier)>,
    /// The grant's id.
    pub grant_id: GrantId,
    /// The link; stored hashed, and in clear only in the notice job's secret.
    pub token: LinkToken,
    /// The short reference in the notice.
    pub reference: String,
    /// Keyed hash of sender, Message-ID, recipient and body: a repeat within 5 days is taken once.
    pub repeat_key: Option<[u8; 32]>,
    /// The jobs: the notice, and the code mail for a new contact.
    pub jobs: Vec<NewJob>,
}

/// Work that becomes due when the message is committed.
#[derive(Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// What it needs in clear.
    pub secret: Option<JobSecret>,
    /// Not before.
    pub due: Timestamp,
}

/// A prepared message: durable, invisible, its jobs not leasable. Dropped at the next start unless committed.
#[derive(Debug)]
pub struct Prepared {
    /// Its id.
    pub id: MessageId,
}

impl Store {
    /// Starts a body for a new message.
    pub fn new_body(&self, id: MessageId) -> Result<BodyWriter, StoreError> {
        todo!()
    }
    /// The contact that `sender` has for `recipient` (both as [`crate::mail::Address::key`]).
    pub async fn contact_of(&self, sender: &str, recipient: &str) -> Result<Option<(ContactId, Contact)>, StoreError> {
        todo!()
    }
    /// Which of these repeat keys belong to mail taken in the last 5 days.
    pub async fn taken_before(&self, keys: &[[u8; 32]]) -> Result<Vec<bool>, StoreError> {
        todo!()
    }
    /// Everything in one durable commit. The message comes back, and nothing is stored, when a contact or
    /// repeat key appeared meanwhile (another mail of the same sender): look again and build it again.
    pub async fn take(&self, new: NewMessage) -> Result<Result<(), Box<NewMessage>>, StoreError> {
        todo!()
    }
    /// The same, but invisible until [`commit_prepared`](Self::commit_prepared).
    pub async fn prepare(&self, new: NewMessage) -> Result<Result<Prepared, Box<NewMessage>>, StoreError> {
        todo!()
    }
    /// The next hop took the rest: the message counts, its jobs become due.
    pub async fn commit_prepared(&self, prepared: Prepared) -> Result<(), StoreError> {
        todo!()
    }
    /// The next hop refused: nothing of it stays.
    pub async fn drop_prepared(&self, prepared: Prepared) -> Result<(), StoreError> {
        todo!()
    }
}
