//! Whose message is damaged: from whatever of its records can still be read. Never its subject or content.

use std::collections::BTreeSet;

use crate::base::MessageId;
use crate::store::engine::{Key, Space};
use crate::store::places::{self, last_id};
use crate::store::records::{Conversation, Delivery, Grant, Message};
use crate::store::{Store, StoreError};

use super::{SPACES, Whom, shown};

/// Most recipients that are named.
const MOST: usize = 20;

impl Store {
    /// The messages that keys belong to (each behind the number of its space), as far as keys alone tell.
    pub(in crate::store) async fn messages_of(&self, keys: &[Vec<u8>]) -> Result<BTreeSet<MessageId>, StoreError> {
        let mut found = BTreeSet::new();
        for (number, bytes) in keys.iter().filter_map(|key| key.split_first()) {
            let Some(space) = SPACES.into_iter().find(|space| *space as u8 == *number) else { continue };
            let (first, last) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>());
            match space {
                Space::Message | Space::Manifest | Space::Body | Space::Delivery => {
                    found.extend(first.map(|id| MessageId(*id)));
                }
                Space::ContentKey => found.extend(last.map(|id| MessageId(*id))),
                Space::Conversation | Space::Lock | Space::Epoch => {
                    let of = first.map(<[u8; 16]>::as_slice).unwrap_or_default();
                    let keys = self.inner.keys_of(Space::ContentKey, of, MOST).await?;
                    found.extend(keys.iter().filter_map(|key| last_id(&key.bytes).map(MessageId)));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    pub(in crate::store) async fn whom(&self, id: MessageId) -> Result<Whom, StoreError> {
        let mut whom = Whom {
            message: id.to_string(),
            sender: None,
            recipients: Vec::new(),
            received: None,
            references: Vec::new(),
        };
        if let Ok(Some(message)) = self.inner.read::<Message>(&places::message(id)).await {
            whom.sender = Some(message.record.sender.address);
            whom.received = Some(shown(message.record.received));
        }
        for place in self.inner.keys_of(Space::Delivery, id.as_bytes(), MOST).await? {
            let Some(conversation) = last_id(&place.bytes) else { continue };
            let conversation = places::conversation(crate::base::ConversationId(conversation));
            if let Ok(Some(found)) = self.inner.read::<Conversation>(&conversation).await {
                whom.sender.get_or_insert(found.record.sender.address);
                whom.recipients.push(found.record.recipient);
            }
            let Ok(Some(delivery)) = self.inner.read::<Delivery>(&place).await else { continue };
            if let Ok(Some(grant)) = self.inner.read::<Grant>(&places::grant(delivery.record.grant)).await {
                whom.received.get_or_insert(shown(grant.record.created));
                whom.references.push(grant.record.reference);
            }
        }
        Ok(whom)
    }
}

/// In this order: a message that is committed meanwhile is found by the second look.
pub(super) fn message_or_prepared(id: MessageId) -> Vec<Key> {
    vec![places::message(id), places::prepared(id)]
}
