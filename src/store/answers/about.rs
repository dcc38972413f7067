//! An answer without its key: what may be told of it when only its records are left.

use std::sync::atomic::Ordering;

use crate::base::{ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::store::codec::{ATTEMPTS, busy, readable};
use crate::store::engine::Space;
use crate::store::intake::NewJob;
use crate::store::plan::add_job;
use crate::store::records::{Contact, Conversation, Grant, JobKind, JobSecret};
use crate::store::{Store, StoreError, places};

use super::records::Answer;

/// Between whom an answer went, and about which message.
#[derive(Debug, Clone)]
pub struct About {
    /// The conversation's record.
    pub conversation: Conversation,
    /// The writer's.
    pub contact: Contact,
    /// The link through which it was begun.
    pub link: GrantId,
    /// That link's record.
    pub grant: Grant,
    /// When it was sent.
    pub sent: Timestamp,
}

/// Keys read at a time.
const PAGE: usize = 512;

impl Store {
    /// What may be told of an answer; `None` when it, or its message, is gone.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub async fn about_answer(
        &self,
        (conversation, id): (ConversationId, MessageId),
    ) -> Result<Option<About>, StoreError> {
        let inner = &self.inner;
        let Some(answer) = inner.read::<Answer>(&places::answer(conversation, id)).await? else { return Ok(None) };
        let Some(view) = self.grant_by_id(answer.record.grant).await? else { return Ok(None) };
        let sent = answer.record.sent.unwrap_or(answer.record.changed);
        let link = answer.record.grant;
        Ok(Some(About { conversation: view.conversation, contact: view.contact, link, grant: view.grant, sent }))
    }

    /// Where a sender outside the organisation's own domains hears that there is this answer; `None` for all others.
    pub(super) async fn away(
        &self,
        answered: (ConversationId, MessageId),
        secret: Option<&JobSecret>,
    ) -> Result<Option<String>, StoreError> {
        let Some(secret) = secret else { return Ok(None) };
        let view = readable(self.answer_by(answered, secret).await)?;
        Ok(view.and_then(|view| view.letter.thread?.away))
    }

    /// An answer that the sender's mail server took was not delivered after all: it goes to the fallback mailbox, and its writer is told
    /// what became of it. In strict mode, where nobody but its reader has its key by now, the writer is told that it is lost; likewise of a
    /// `copy`, the one that the fallback mailbox should have got. `false`, and nothing is written, when there is nothing to tell: it is gone, or
    /// that was told before.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn answer_bounced(&self, id: MessageId, copy: bool) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let Some(conversation) = self.conversation_of(id).await? else { return Ok(false) };
        let place = places::answer(conversation, id);
        for _ in 0..ATTEMPTS {
            let Some(mut found) = inner.read::<Answer>(&place).await? else { return Ok(false) };
            if found.record.delivered.is_none() || found.record.failed.is_some() != copy {
                return Ok(false);
            }
            let now = inner.clock.now();
            found.record.failed = Some(now);
            let key = match found.record.epoch {
                None if !copy => self.content_key(conversation, id).await?,
                _ => None,
            };
            let kind = if key.is_some() {
                JobKind::Answer { conversation, answer: id, fallback: true }
            } else {
                found.record.delivered = None;
                JobKind::AnswerUndeliverable { conversation, answer: id, lost: true }
            };
            let secret = key.map(|key| JobSecret::key(key.0.expose().to_vec()));
            let mut draft = inner.draft();
            draft.unchanged(place.clone(), Some(&found));
            draft.put(place.clone(), &found.record)?;
            add_job(&mut draft, &NewJob { id: JobId::random(&*inner.entropy), kind, secret, due: now }, now)?;
            let lost = found.record.delivered.is_none();
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                if lost {
                    self.note_lost(id);
                }
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// An answer came to its end without any mailbox.
    pub(in crate::store) fn note_lost(&self, answer: MessageId) {
        self.inner.lost_answers.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%answer, "an answer reached no mailbox; who wrote it is asked to call");
    }

    /// Answers that reached no mailbox since the store was opened.
    #[must_use]
    pub fn lost_answers(&self) -> u64 {
        self.inner.lost_answers.load(Ordering::Relaxed)
    }

    /// In which conversation an answer is. Reads the keys of all answers, which happens for one report about an answer a day.
    async fn conversation_of(&self, id: MessageId) -> Result<Option<ConversationId>, StoreError> {
        let mut from = Vec::new();
        loop {
            let keys = self.inner.engine.keys(Space::Answer, &from, None, PAGE).await?;
            let Some(last) = keys.last() else { return Ok(None) };
            from = [last.as_slice(), &[0]].concat();
            let found = keys.iter().filter_map(|key| places::answer_of(key)).find(|(_, answer)| *answer == id);
            if let Some((conversation, _)) = found {
                return Ok(Some(conversation));
            }
        }
    }
}
