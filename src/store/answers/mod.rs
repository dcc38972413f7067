//! Answers that recipients write on the page: drafts, what was sent, and their files.
//!
//! An answer has a content key of its own, wrapped under its conversation's key (in strict mode that of the writer's epoch), so the same
//! removal that closes a conversation closes its answers. What a person wrote (text, names of files, and, once it is sent, whom it goes to)
//! is one sealed *letter* in the answer's record; each file is a sealed body of its own. To send is therefore one small commit, however
//! large the files: the record says *sent*, the job that delivers it is there, and the draft has become the answer.
//!
//! An answer belongs to the message that it answers and goes with it. One that waits for its delivery then can no longer be read on the page,
//! but its job, which holds the content key under the jobs key, still delivers it: what was acknowledged is not lost.
//!
//! | file | owns |
//! |---|---|
//! | records | what is stored |
//! | about | an answer without its key: between whom, and about which message |
//! | draft | writing: text, files, discarding |
//! | sending | from draft to answer, and the end of its delivery |
//! | removal | what goes with a message, drafts whose time is over |

mod about;
mod draft;
pub(super) mod records;
mod removal;
mod sending;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use minicbor::bytes::ByteVec;

use crate::base::{ConversationId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::seal::lock::ConversationKey;

use super::codec::{Found, damaged, readable};
use super::engine::Space;
use super::proof::OpenSession;
use super::strict::SessionKey;
use super::{BodyReader, Inner, Store, StoreError, places};

pub use about::About;
pub use draft::{Begun, NewFile, Saved};
pub use records::{Answer, FileName, Letter, Piece, Refused, Thread};
pub(super) use removal::Going;
pub use sending::{Letterbox, Sent};

/// What one recipient may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files of one answer.
    pub total: u64,
    /// Files of one answer.
    pub files: usize,
    /// Characters of the text.
    pub text: usize,
    /// Answers in one conversation within 24 hours.
    pub per_day: usize,
    /// How long a draft stays after the last change to it.
    pub draft: Duration,
    /// Bytes of the files of all drafts together: what people leave lying about must not fill the disk.
    pub room: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 25_000_000,
            total: 50_000_000,
            files: 20,
            text: 100_000,
            per_day: 20,
            draft: Duration::from_hours(30 * 24),
            room: 5 << 30,
        }
    }
}

/// An answer or a draft, opened.
#[derive(Debug, Clone)]
pub struct AnswerView {
    /// Its id.
    pub id: MessageId,
    /// Its record.
    pub answer: Answer,
    /// What was written.
    pub letter: Letter,
    /// What its files are sealed with.
    pub key: ContentKey,
}

impl AnswerView {
    /// Bytes of its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.answer.pieces.iter().map(|piece| piece.plain_len).sum()
    }
}

/// What was written in one conversation.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// What was sent, oldest first.
    pub sent: Vec<AnswerView>,
    /// What is being written.
    pub draft: Option<AnswerView>,
}

/// How many conversations can be written in at the same time without waiting, at best.
const TURNS: usize = 64;

/// In memory: bytes of the files of all drafts, and whose turn it is to write in a conversation.
#[derive(Debug)]
pub(super) struct Desk {
    drafts: AtomicU64,
    turns: Box<[tokio::sync::Mutex<()>]>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { drafts: AtomicU64::new(0), turns: std::iter::repeat_with(Default::default).take(TURNS).collect() }
    }
}

impl Desk {
    /// Changes to one conversation's drafts take turns, so that there is one draft.
    #[expect(clippy::indexing_slicing, reason = "the remainder is less than their number")]
    async fn turn(&self, conversation: ConversationId) -> tokio::sync::MutexGuard<'_, ()> {
        let [first, ..] = *conversation.as_bytes();
        self.turns[usize::from(first) % self.turns.len()].lock().await
    }

    fn add(&self, bytes: u64) {
        self.drafts.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn take(&self, bytes: u64) {
        let less = |now: u64| Some(now.saturating_sub(bytes));
        // It cannot fail: the closure always gives a value.
        let _before = self.drafts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Store {
    /// Everything that was written in a session's conversation and that the session can open. In strict mode that is what its own epoch
    /// and later ones hold.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged answer is left out and reported to the log.
    pub async fn answers(&self, open: &OpenSession) -> Result<Answers, StoreError> {
        let mut answers = Answers::default();
        for place in self.inner.answers_of(open.view.grant.conversation).await? {
            let Some((_, id)) = places::answer_of(&place.bytes) else { continue };
            let Some(view) = readable(self.answer(open, id).await)? else { continue };
            match (view.answer.sent, &answers.draft) {
                (Some(_), _) => answers.sent.push(view),
                (None, Some(other)) if other.answer.changed > view.answer.changed => {}
                (None, _) => answers.draft = Some(view),
            }
        }
        answers.sent.sort_by_key(|view| view.answer.sent);
        Ok(answers)
    }

    /// One answer or draft of a session's conversation; `None` when there is none that it can open.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn answer(&self, open: &OpenSession, id: MessageId) -> Result<Option<AnswerView>, StoreError> {
        let place = places::answer(open.view.grant.conversation, id);
        let Some(found) = self.inner.read::<Answer>(&place).await? else { return Ok(None) };
        Ok(self.inner.opened(open, id, found).await?.map(|(view, _)| view))
    }

    /// The sealed body of one file of an answer; `None` when it is gone.
    ///
    /// # Errors
    /// When the store cannot be read, the record is damaged, or the body has not the length that its answer says: then no byte of
    /// it is served.
    pub async fn piece(&self, piece: &Piece) -> Result<Option<BodyReader>, StoreError> {
        let body = if piece.in_file {
            self.inner.engine.open_body(piece.id).await?
        } else {
            let found = self.inner.read::<records::Owner>(&places::piece(piece.id)).await?;
            found.and_then(|found| found.record.sealed).map(|sealed| BodyReader::inline(sealed.into()))
        };
        match body {
            Some(body) if body.len() != piece.sealed_len => {
                Err(StoreError::Damaged("a file of an answer has another length than its record says".to_owned()))
            }
            body => Ok(body),
        }
    }

    /// What the answer that a stored file belongs to says of it, and the message that it answers; `None` when no answer names it.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub(super) async fn piece_of(&self, id: MessageId) -> Result<Option<(MessageId, Piece)>, StoreError> {
        let Some(owner) = self.inner.read::<records::Owner>(&places::piece(id)).await? else { return Ok(None) };
        let place = places::answer(owner.record.conversation, owner.record.answer);
        let Some(Found { record: answer, .. }) = self.inner.read::<Answer>(&place).await? else { return Ok(None) };
        Ok(answer.pieces.into_iter().find(|piece| piece.id == id).map(|piece| (answer.to, piece)))
    }

    /// The conversation of an answer address; `None` when there is no such address.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn conversation_at(&self, token: &[u8]) -> Result<Option<ConversationId>, StoreError> {
        let place = places::answer_address(&self.inner.keys, token);
        Ok(self.inner.read::<ConversationId>(&place).await?.map(|found| found.record))
    }

    /// Bytes of the files of all drafts.
    #[must_use]
    pub fn draft_bytes(&self) -> u64 {
        self.inner.desk.drafts.load(Ordering::Relaxed)
    }

    /// Counts the drafts that there are, at start.
    pub(super) async fn count_drafts(&self) -> Result<(), StoreError> {
        for key in self.inner.engine.keys(Space::AnswerEnd, &[], None, usize::MAX).await? {
            let Some((conversation, id)) = places::answer_of(&key) else { continue };
            let place = places::answer(conversation, id);
            if let Some(found) = readable(self.inner.read::<Answer>(&place).await)? {
                self.inner.desk.add(found.record.pieces.iter().map(|piece| piece.plain_len).sum());
            }
        }
        Ok(())
    }
}

/// The token in the address that answers of a conversation come from: what the sender writes back to. It routes and opens nothing.
fn token(inner: &Inner, conversation: ConversationId) -> [u8; 20] {
    let hash = inner.keys.blind("answer token", conversation.as_bytes());
    hash.first_chunk().copied().unwrap_or_default()
}

impl Inner {
    /// The places of a conversation's answers and drafts.
    async fn answers_of(&self, conversation: ConversationId) -> Result<Vec<super::engine::Key>, StoreError> {
        self.keys_of(Space::Answer, conversation.as_bytes(), usize::MAX).await
    }

    /// Opens a record that was read; `None` when the session cannot, or its key is gone.
    async fn opened(
        &self,
        open: &OpenSession,
        id: MessageId,
        found: Found<Answer>,
    ) -> Result<Option<(AnswerView, u64)>, StoreError> {
        let conversation = open.view.grant.conversation;
        let place = places::content_key(conversation, id);
        let Some(wrapped) = self.read::<ByteVec>(&place).await? else { return Ok(None) };
        let Some(key) = self.writing_key(open, found.record.epoch).await? else { return Ok(None) };
        let key = key.unwrap(conversation, id, &wrapped.record).map_err(|cause| damaged(&place, cause))?;
        let letter = open_letter(&key, id, &found.record.letter)
            .map_err(|cause| damaged(&places::answer(conversation, id), cause))?;
        Ok(Some((AnswerView { id, answer: found.record, letter, key }, found.version)))
    }

    /// The conversation's key, of an epoch in strict mode; `None` when the session does not reach it, or it is gone.
    async fn writing_key(&self, open: &OpenSession, epoch: Option<u32>) -> Result<Option<ConversationKey>, StoreError> {
        let conversation = open.view.grant.conversation;
        match (&open.key, epoch) {
            (SessionKey::Assisted, None) => {
                let place = places::assisted_lock(conversation);
                let Some(lock) = self.read::<ByteVec>(&place).await? else { return Ok(None) };
                let key = ConversationKey::open_assisted(&self.keyring.ring(), conversation, &lock.record);
                key.map(Some).map_err(|cause| damaged(&place, cause))
            }
            (SessionKey::Strict(key), Some(epoch)) if key.at.conversation == conversation => {
                self.reach(key, epoch).await
            }
            _ => Ok(None),
        }
    }
}

/// Why a letter does not open.
#[derive(Debug, thiserror::Error)]
enum BadLetter {
    #[error(transparent)]
    Sealed(#[from] crate::seal::OpenError),
    #[error("it is no letter")]
    Format,
}

fn open_letter(key: &ContentKey, id: MessageId, sealed: &[u8]) -> Result<Letter, BadLetter> {
    let plain = key.open_manifest(id, sealed)?;
    minicbor::decode(&plain).map_err(|_| BadLetter::Format)
}

/// When something written at `now` goes, unless it is changed again.
fn end(now: Timestamp, life: Duration) -> Timestamp {
    now + life
}
