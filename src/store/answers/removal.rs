//! What goes with a message, and drafts whose time is over. Keys first: the batch that removes a record removes the key of what it named.

use std::time::Duration;

use crate::base::{ConversationId, MessageId, Timestamp};
use crate::store::codec::{ATTEMPTS, Draft, Found, busy, readable};
use crate::store::engine::Key;
use crate::store::jobs::Queued;
use crate::store::places;
use crate::store::records::Subject;
use crate::store::{Inner, Store, StoreError};

use super::draft::move_end;
use super::records::{Answer, Piece};
use super::{Saved, token};

/// What is left of an answer that still waits for its delivery when its message goes stays this long: twice as long as a job may, and more.
const LEFT: Duration = Duration::from_hours(40 * 24);

/// The answers and drafts of one conversation, of which those go that answer a message.
#[derive(Debug, Default)]
pub(in crate::store) struct Going {
    answers: Vec<(MessageId, Option<Found<Answer>>)>,
    message: Option<MessageId>,
    /// Whether the conversation goes, and its answer address with it.
    all: bool,
}

impl Going {
    /// With those that answer `message`.
    pub(in crate::store) async fn of(
        inner: &Inner,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Self, StoreError> {
        let mut answers = Vec::new();
        for place in inner.answers_of(conversation).await? {
            let Some((_, id)) = places::answer_of(&place.bytes) else { continue };
            answers.push((id, readable(inner.read::<Answer>(&place).await)?));
        }
        Ok(Self { answers, message: Some(message), all: false })
    }

    /// Those that go. What cannot be read goes with the conversation.
    fn going(&self) -> impl Iterator<Item = (MessageId, Option<&Found<Answer>>)> {
        let goes = |found: Option<&Found<Answer>>| found.is_some_and(|found| Some(found.record.to) == self.message);
        self.answers.iter().map(|(id, found)| (*id, found.as_ref())).filter(move |(_, found)| self.all || goes(*found))
    }

    /// Whether this is the id of one that goes.
    pub(in crate::store) fn has(&self, id: MessageId) -> bool {
        self.going().any(|(answer, _)| answer == id)
    }

    /// Whether the conversation goes.
    pub(in crate::store) fn with_all(&self) -> bool {
        self.all
    }

    /// The conversation goes.
    pub(in crate::store) fn with_conversation(&mut self) {
        self.all = true;
    }

    /// Bytes of the files of drafts among them.
    pub(in crate::store) fn draft_bytes(&self) -> u64 {
        let drafts = self.going().filter_map(|(_, found)| found).filter(|found| found.record.sent.is_none());
        drafts.flat_map(|found| &found.record.pieces).map(|piece| piece.plain_len).sum()
    }

    /// Adds to a batch what makes them unreadable on the page.
    pub(in crate::store) fn add_keys_to(&self, draft: &mut Draft<'_>, conversation: ConversationId) {
        self.going().for_each(|(id, _)| draft.delete(places::content_key(conversation, id)));
    }

    /// Adds to a batch what removes them; returns the bodies that go after it. What was sent and not yet delivered stays for its job, which
    /// has its key; but for `erase`, which takes the job as well.
    pub(in crate::store) async fn add_to(
        &self,
        store: &Store,
        draft: &mut Draft<'_>,
        conversation: ConversationId,
        (queued, erase): (&Queued, bool),
    ) -> Result<Vec<Piece>, StoreError> {
        let inner = &store.inner;
        self.add_keys_to(draft, conversation);
        if self.all {
            draft.delete(places::answer_address(&inner.keys, &token(inner, conversation)));
        }
        let mut gone = Vec::new();
        for (id, found) in self.going() {
            let place = places::answer(conversation, id);
            if let Some(found) = found {
                draft.unchanged(place.clone(), Some(found));
                let waits = found.record.sent.is_some() && found.record.delivered.is_none();
                if waits && !erase {
                    let mut answer = found.record.clone();
                    let ends = inner.clock.now() + LEFT;
                    move_end(draft, conversation, (id, &mut answer), Some(ends))?;
                    draft.put(place, &answer)?;
                    continue;
                }
                gone.extend(delete_answer(draft, conversation, id, &found.record));
            }
            draft.delete(place);
            let jobs = queued.get(&Subject::Answer(conversation, id)).map_or(&[][..], Vec::as_slice);
            for job in jobs {
                store.withdraw_job(draft, job.id).await?;
            }
        }
        Ok(gone)
    }
}

impl Inner {
    /// Removes body files that nothing names any more, as far as possible: what stays behind is found at the next start.
    pub(super) async fn remove_pieces(&self, pieces: &[Piece]) {
        for piece in pieces.iter().filter(|piece| piece.in_file) {
            if let Err(cause) = self.engine.remove_body(piece.id).await {
                tracing::warn!(%cause, "a file of an answer stays until the next start");
            }
        }
    }

    /// Removes a draft, or what is left of an answer; with `at` only if that is when it goes.
    pub(super) async fn drop_draft(
        &self,
        conversation: ConversationId,
        id: MessageId,
        at: Option<Timestamp>,
    ) -> Result<Saved, StoreError> {
        let place = places::answer(conversation, id);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.read::<Answer>(&place).await? else { return Ok(Saved::Gone) };
            let Some(ends) = found.record.ends else { return Ok(Saved::Sent) };
            if at.is_some_and(|at| at != ends) {
                return Ok(Saved::Gone);
            }
            let mut draft = self.draft();
            draft.unchanged(place.clone(), Some(&found));
            let gone = delete_answer(&mut draft, conversation, id, &found.record);
            if draft.commit().await? {
                if found.record.sent.is_none() {
                    self.desk.take(gone.iter().map(|piece| piece.plain_len).sum());
                }
                self.remove_pieces(&gone).await;
                return Ok(Saved::Done);
            }
        }
        Err(busy())
    }
}

impl Store {
    /// Removes drafts whose time is over, named by their places in `Space::AnswerEnd`; returns how many.
    pub(in crate::store) async fn end_drafts(&self, over: Vec<Key>) -> Result<usize, StoreError> {
        let mut ended = 0;
        for place in over {
            let Some((conversation, id)) = places::answer_of(&place.bytes) else { continue };
            let at = places::due_of(&place.bytes);
            if readable(self.inner.drop_draft(conversation, id, at).await.map(Some))? != Some(Saved::Done) {
                // Its record is gone, damaged, or goes at another time: the entry leads nowhere.
                let mut draft = self.inner.draft();
                draft.delete(place);
                draft.commit().await?;
            }
            ended += 1;
        }
        Ok(ended)
    }

    /// Removes the bodies of files of answers that a removal left.
    pub(in crate::store) async fn remove_bodies_of(&self, pieces: &[MessageId]) -> Result<(), StoreError> {
        for id in pieces {
            self.inner.engine.remove_body(*id).await?;
        }
        Ok(())
    }
}

/// Adds to a batch what removes one answer or draft; returns its files' bodies.
fn delete_answer(draft: &mut Draft<'_>, conversation: ConversationId, id: MessageId, answer: &Answer) -> Vec<Piece> {
    draft.delete(places::content_key(conversation, id));
    draft.delete(places::answer(conversation, id));
    if let Some(ends) = answer.ends {
        draft.delete(places::answer_end(ends, conversation, id));
    }
    answer.pieces.iter().for_each(|piece| draft.delete(places::piece(piece.id)));
    answer.pieces.clone()
}
