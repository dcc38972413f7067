//! Looking: bodies for the page, lists for the operator.

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::seal::body::ContentKey;

use super::records::{Contact, Conversation, Delivery, Message};
use super::{BodyReader, Store, StoreError};

/// One recipient's side of a message, for the operator: no content.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Sender and recipient.
    pub conversation: Conversation,
    /// The contact.
    pub contact: Option<(ContactId, Contact)>,
    /// What became of it.
    pub delivery: Delivery,
    /// Wrong codes so far on this link.
    pub wrong: u32,
    /// Whether the link is closed after wrong codes.
    pub closed: bool,
    /// The link's record.
    pub grant: GrantId,
}

impl Store {
    /// A message's record.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        todo!()
    }
    /// Its encoded manifest.
    pub async fn manifest(&self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }
    /// Its content key, through the assisted lock of one of its conversations.
    pub async fn content_key(
        &self,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<ContentKey>, StoreError> {
        todo!()
    }
    /// Its sealed body.
    pub async fn body(&self, id: MessageId) -> Result<Option<BodyReader>, StoreError> {
        todo!()
    }
    /// Messages to or from an address (as [`crate::mail::Address::key`]), newest first.
    pub async fn find(
        &self,
        address: &str,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(MessageId, Message)>, StoreError> {
        todo!()
    }
    /// All recipients of a message.
    pub async fn deliveries(&self, id: MessageId) -> Result<Vec<DeliveryView>, StoreError> {
        todo!()
    }
    /// Contacts for a recipient address, of all senders, or of the one given.
    pub async fn contacts(
        &self,
        recipient: &str,
        sender: Option<&str>,
    ) -> Result<Vec<(ContactId, Contact)>, StoreError> {
        todo!()
    }
}
