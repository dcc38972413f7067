//! Looking: bodies for the page, lists for the operator.

use minicbor::bytes::ByteVec;

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::seal::lock::ConversationKey;

use super::codec::{damaged, readable};
use super::engine::{Key, Space};
use super::places::{self, last_id};
use super::records::{Contact, Conversation, Delivery, Grant, Message, StrictGrant};
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
    /// How it is locked in strict mode; `None`: assisted.
    pub strict: Option<StrictGrant>,
}

/// Most contacts that are listed for one address.
const MOST_CONTACTS: usize = 1000;

impl Store {
    /// A message's record.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.inner.read(&places::message(id)).await?.map(|found| found.record))
    }

    /// Its encoded manifest.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub async fn manifest(&self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.inner.read::<ByteVec>(&places::manifest(id)).await?;
        Ok(found.map(|found| found.record.into()))
    }

    /// Its content key, through the assisted lock of one of its conversations.
    ///
    /// # Errors
    /// When the store cannot be read, or a lock does not open.
    pub async fn content_key(
        &self,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<ContentKey>, StoreError> {
        let (lock_place, key_place) = (places::assisted_lock(conversation), places::content_key(conversation, id));
        let Some(lock) = self.inner.read::<ByteVec>(&lock_place).await? else { return Ok(None) };
        let Some(wrapped) = self.inner.read::<ByteVec>(&key_place).await? else { return Ok(None) };
        let key = ConversationKey::open_assisted(&self.inner.keyring.ring(), conversation, &lock.record)
            .map_err(|cause| damaged(&lock_place, cause))?;
        key.unwrap(conversation, id, &wrapped.record).map(Some).map_err(|cause| damaged(&key_place, cause))
    }

    /// Its sealed body.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn body(&self, id: MessageId) -> Result<Option<BodyReader>, StoreError> {
        match self.message(id).await? {
            None => Ok(None),
            Some(message) if message.in_file => self.inner.engine.open_body(id).await,
            Some(_) => Ok(self.inner.engine.get(&places::body(id)).await?.map(|found| BodyReader::inline(found.value))),
        }
    }

    /// Messages to or from an address (as [`crate::mail::Address::key`]), newest first. A damaged one is left out and
    /// reported to the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(
        &self,
        address: &str,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(MessageId, Message)>, StoreError> {
        let prefix = places::by_address_prefix(&self.inner.keys, address);
        let mut messages = Vec::new();
        for key in self.inner.keys_of(Space::ByAddress, &prefix, limit).await? {
            let Some(id) = last_id(&key.bytes).map(MessageId) else { continue };
            let Some(message) = readable(self.message(id).await)? else { continue };
            if since.is_some_and(|since| message.received < since) {
                break;
            }
            messages.push((id, message));
        }
        Ok(messages)
    }

    /// All recipients of a message. One whose records are damaged is left out and reported to the log.
    ///
    /// # Errors
    /// When the store cannot be read, or the message's own record is damaged.
    pub async fn deliveries(&self, id: MessageId) -> Result<Vec<DeliveryView>, StoreError> {
        let Some(message) = self.message(id).await? else { return Ok(Vec::new()) };
        let mut views = Vec::with_capacity(message.conversations.len());
        for conversation in message.conversations {
            views.extend(readable(self.delivery_view(id, conversation).await)?);
        }
        Ok(views)
    }

    async fn delivery_view(
        &self,
        id: MessageId,
        conversation_id: ConversationId,
    ) -> Result<Option<DeliveryView>, StoreError> {
        let inner = &self.inner;
        let Some(delivery) = inner.read::<Delivery>(&places::delivery(id, conversation_id)).await? else {
            return Ok(None);
        };
        let delivery = delivery.record;
        let grant = inner.need::<Grant>(&places::grant(delivery.grant)).await?.record;
        let conversation = inner.need::<Conversation>(&places::conversation(conversation_id)).await?.record;
        let contact = readable(self.contact(grant.contact).await)?;
        let generation = contact.as_ref().map_or(0, |contact| contact.generation);
        let (wrong, closed) = self.wrong_codes(delivery.grant, (grant.contact, generation)).await?;
        let contact = contact.map(|contact| (grant.contact, contact));
        let strict = grant.strict;
        let grant = delivery.grant;
        Ok(Some(DeliveryView { conversation_id, conversation, contact, delivery, wrong, closed, grant, strict }))
    }

    /// Contacts for a recipient address, of all senders (1000 at most), or of the one given (both as
    /// [`crate::mail::Address::key`]). A damaged one is left out and reported to the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn contacts(
        &self,
        recipient: &str,
        sender: Option<&str>,
    ) -> Result<Vec<(ContactId, Contact)>, StoreError> {
        let keys = &self.inner.keys;
        let prefix = match sender {
            Some(sender) => places::contact_index(keys, sender, recipient).bytes,
            None => places::contact_index_prefix(keys, recipient).to_vec(),
        };
        let mut contacts = Vec::new();
        for place in self.inner.keys_of(Space::ContactIndex, &prefix, MOST_CONTACTS).await? {
            contacts.extend(readable(self.contact_at(&place).await)?);
        }
        Ok(contacts)
    }

    /// Up to so many contacts, of all senders or of one (as [`crate::mail::Address::key`]). A damaged one is left out and reported to the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all_contacts(
        &self,
        sender: Option<&str>,
        most: usize,
    ) -> Result<Vec<(ContactId, Contact)>, StoreError> {
        const PAGE: usize = 256;
        let ends = sender.map(|sender| places::contact_index_parts(&self.inner.keys, sender).1);
        let (mut contacts, mut from) = (Vec::new(), Vec::new());
        loop {
            let keys = self.inner.engine.keys(Space::ContactIndex, &from, None, PAGE).await?;
            let Some(last) = keys.last() else { return Ok(contacts) };
            from = [last.as_slice(), &[0]].concat();
            for bytes in keys.into_iter().filter(|key| ends.is_none_or(|end| key.ends_with(&end))) {
                contacts.extend(readable(self.contact_at(&Key { space: Space::ContactIndex, bytes }).await)?);
                if contacts.len() >= most {
                    return Ok(contacts);
                }
            }
        }
    }

    async fn contact_at(&self, index: &Key) -> Result<Option<(ContactId, Contact)>, StoreError> {
        let Some(id) = self.inner.read::<ContactId>(index).await? else { return Ok(None) };
        let contact = self.inner.need(&places::contact(id.record)).await?;
        Ok(Some((id.record, contact.record)))
    }
}
