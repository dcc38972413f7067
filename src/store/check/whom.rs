//! Whose message is damaged: from whatever of its records can still be read. Never its subject or content.

use crate::base::MessageId;
use crate::store::engine::Space;
use crate::store::places::{self, last_id};
use crate::store::records::{Conversation, Delivery, Grant, Message};
use crate::store::{Store, StoreError};

use super::{Whom, shown};

/// Most recipients that are named.
const MOST: usize = 20;

impl Store {
    pub(super) async fn whom(&self, id: MessageId) -> Result<Whom, StoreError> {
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
