//! What must hold for answers and their files.

use crate::base::MessageId;
use crate::store::answers::records::{Answer, Owner};
use crate::store::engine::Key;
use crate::store::places::{self, last_id};
use crate::store::{Store, StoreError};

use super::Damage;
use super::records::Faults;

impl Store {
    /// An answer or draft: what its message's end left of it waits for its delivery without a key of the conversation.
    pub(super) async fn answer_faults(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(answer) = self.opened::<Answer>(key, faults).await? else { return Ok(()) };
        let Some((conversation, id)) = places::answer_of(&key.bytes) else { return Ok(()) };
        faults.message = Some(answer.to);
        if answer.sent.is_none() || answer.ends.is_none() {
            self.needs(&places::content_key(conversation, id), faults).await?;
        }
        for piece in &answer.pieces {
            self.needs(&places::piece(piece.id), faults).await?;
        }
        let Some(ends) = answer.ends else { return Ok(()) };
        self.listed(places::answer_end(ends, conversation, id), key, faults).await
    }

    /// A file of an answer: its body is there, and so is the answer.
    pub(super) async fn piece_faults(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(owner) = self.opened::<Owner>(key, faults).await? else { return Ok(()) };
        if owner.sealed.is_none()
            && let Some(id) = last_id(&key.bytes).map(MessageId)
            && self.inner.engine.open_body(id).await?.is_none()
            && self.is_there(key).await?
        {
            faults.add(Damage::Body, key, "the body of a file of an answer is missing", None);
        }
        if !self.is_there(&places::answer(owner.conversation, owner.answer)).await? && self.is_there(key).await? {
            faults.orphan(key, "what it belongs to is not there");
        }
        Ok(())
    }
}
