//! Writing an answer: begun, its text kept, files added and removed one by one, discarded. Each step is one durable commit.

use minicbor::bytes::ByteVec;

use crate::base::{ConversationId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::store::codec::{ATTEMPTS, Draft, Found, busy};
use crate::store::engine::CommitError;
use crate::store::proof::OpenSession;
use crate::store::records::Grant;
use crate::store::strict::SessionKey;
use crate::store::{BodyWriter, Inner, SealedBody, Store, StoreError, places};

use super::records::{Answer, FileName, Letter, Owner, Piece};
use super::{AnswerView, Limits, end};

/// What a visitor's draft turned out to be.
#[derive(Debug)]
pub enum Begun {
    /// It can be written in.
    Draft(Box<AnswerView>),
    /// It was sent already.
    Sent,
    /// The conversation has another draft.
    Other(Box<AnswerView>),
    /// The message is gone, or this session does not open the conversation.
    Gone,
}

/// How a change to a draft ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It stands.
    Done,
    /// It was sent already.
    Sent,
    /// More files than there may be.
    TooMany,
    /// More bytes than there may be.
    TooLarge,
    /// There is no such draft any more.
    Gone,
}

/// A file that was uploaded, its body durable.
#[derive(Debug)]
pub struct NewFile {
    /// Its name and type, made harmless.
    pub name: FileName,
    /// Its length, bytes.
    pub plain_len: u64,
    /// Its sealed body.
    pub body: SealedBody,
}

impl Store {
    /// The draft `id` of a session's conversation, begun if it is not there yet. A conversation has one draft at a time.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn draft(&self, open: &OpenSession, id: MessageId, limits: &Limits) -> Result<Begun, StoreError> {
        let inner = &self.inner;
        let conversation = open.view.grant.conversation;
        let _turn = inner.desk.turn(conversation).await;
        if let Some(found) = inner.read::<Answer>(&places::answer(conversation, id)).await? {
            if found.record.sent.is_some() {
                return Ok(Begun::Sent);
            }
            let opened = inner.opened(open, id, found).await?;
            return Ok(opened.map_or(Begun::Gone, |(view, _)| Begun::Draft(Box::new(view))));
        }
        if let Some(other) = self.answers(open).await?.draft {
            return Ok(Begun::Other(Box::new(other)));
        }
        let begun = self.begin_draft(open, id, limits).await?;
        Ok(begun.map_or(Begun::Gone, |view| Begun::Draft(Box::new(view))))
    }

    async fn begin_draft(
        &self,
        open: &OpenSession,
        id: MessageId,
        limits: &Limits,
    ) -> Result<Option<AnswerView>, StoreError> {
        let inner = &self.inner;
        let grant = &open.view.grant;
        let epoch = match &open.key {
            SessionKey::Strict(key) => Some(key.at.number),
            SessionKey::Assisted | SessionKey::Lost => None,
        };
        let Some(conversation_key) = inner.writing_key(open, epoch).await? else { return Ok(None) };
        // Whoever removes the message removes its grant: nothing is begun behind its back.
        let Some(present) = inner.read::<Grant>(&places::grant(open.view.id)).await? else { return Ok(None) };
        let now = inner.clock.now();
        let key = ContentKey::generate(&*inner.entropy);
        let letter = Letter::default();
        let answer = Answer {
            to: grant.message,
            grant: open.view.id,
            created: now,
            changed: now,
            sent: None,
            letter: inner.seal_letter(&key, id, &letter),
            pieces: Vec::new(),
            epoch,
            ends: Some(end(now, limits.draft)),
            delivered: None,
            failed: None,
            refused: None,
        };
        let (place, key_place) = (places::answer(grant.conversation, id), places::content_key(grant.conversation, id));
        let mut draft = inner.draft();
        draft.unchanged(places::grant(open.view.id), Some(&present));
        draft.unchanged::<Answer>(place.clone(), None);
        draft.unchanged::<ByteVec>(key_place.clone(), None);
        let wrapped = conversation_key.wrap(grant.conversation, id, &key, &*inner.entropy);
        draft.put(key_place, &ByteVec::from(wrapped))?;
        draft.put(place, &answer)?;
        draft.put(places::answer_end(end(now, limits.draft), grant.conversation, id), &())?;
        Ok(draft.commit().await?.then_some(AnswerView { id, answer, letter, key }))
    }

    /// Starts the body of a file. `None`: the drafts of all recipients together leave no room for it.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk's watermark.
    pub fn new_file(&self, limits: &Limits) -> Result<Option<(MessageId, BodyWriter)>, StoreError> {
        if self.draft_bytes().saturating_add(limits.file) > limits.room {
            return Ok(None);
        }
        let id = MessageId::random(&*self.inner.entropy);
        Ok(Some((id, self.inner.engine.new_body(id)?)))
    }

    /// Keeps the text of a draft.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn save_text(
        &self,
        open: &OpenSession,
        id: MessageId,
        text: &str,
        limits: &Limits,
    ) -> Result<Saved, StoreError> {
        for _ in 0..ATTEMPTS {
            let (mut view, found) = match self.inner.open_draft(open, id).await? {
                Ok(opened) => opened,
                Err(saved) => return Ok(saved),
            };
            if view.letter.text == text {
                return Ok(Saved::Done);
            }
            text.clone_into(&mut view.letter.text);
            let mut draft = self.inner.draft();
            self.inner.rewrite(&mut draft, open.view.grant.conversation, (view, found), limits)?;
            if draft.commit().await? {
                return Ok(Saved::Done);
            }
        }
        Err(busy())
    }

    /// Adds a file to a draft: from here on its body stays.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was added then, but for [`StoreError::Uncertain`].
    pub async fn add_file(
        &self,
        open: &OpenSession,
        id: MessageId,
        file: NewFile,
        limits: &Limits,
    ) -> Result<Saved, StoreError> {
        let inner = &self.inner;
        let conversation = open.view.grant.conversation;
        let NewFile { name, plain_len, mut body } = file;
        let inline = body.inline().map(<[u8]>::to_vec);
        let (sealed_len, checksum) = (body.len(), body.checksum());
        let piece = Piece { id: body.message(), plain_len, sealed_len, in_file: inline.is_none(), checksum };
        let owner = Owner { conversation, answer: id, sealed: inline.map(ByteVec::from) };
        for _ in 0..ATTEMPTS {
            let (mut view, found) = match inner.open_draft(open, id).await? {
                Ok(opened) => opened,
                Err(saved) => return Ok(saved),
            };
            if view.answer.pieces.len() >= limits.files {
                return Ok(Saved::TooMany);
            }
            if plain_len > limits.file || view.size().saturating_add(plain_len) > limits.total {
                return Ok(Saved::TooLarge);
            }
            view.answer.pieces.push(piece);
            view.letter.files.push(name.clone());
            let mut draft = inner.draft();
            inner.rewrite(&mut draft, conversation, (view, found), limits)?;
            draft.put(places::piece(piece.id), &owner)?;
            match inner.engine.commit_body(draft.into_batch(), body).await {
                Ok(_) => {
                    inner.desk.add(plain_len);
                    return Ok(Saved::Done);
                }
                Err(refused) => match (refused.error, refused.body) {
                    (CommitError::Conflict(_), Some(back)) => body = back,
                    (CommitError::Conflict(_), None) => return Err(busy()),
                    (CommitError::Store(error), _) => return Err(error),
                },
            }
        }
        Err(busy())
    }

    /// Removes a file from a draft. One that is not there is no error.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn remove_file(
        &self,
        open: &OpenSession,
        id: MessageId,
        piece: MessageId,
        limits: &Limits,
    ) -> Result<Saved, StoreError> {
        for _ in 0..ATTEMPTS {
            let (mut view, found) = match self.inner.open_draft(open, id).await? {
                Ok(opened) => opened,
                Err(saved) => return Ok(saved),
            };
            let Some(at) = view.answer.pieces.iter().position(|other| other.id == piece) else {
                return Ok(Saved::Done);
            };
            let gone = view.answer.pieces.remove(at);
            if at < view.letter.files.len() {
                view.letter.files.remove(at);
            }
            let mut draft = self.inner.draft();
            self.inner.rewrite(&mut draft, open.view.grant.conversation, (view, found), limits)?;
            draft.delete(places::piece(gone.id));
            if draft.commit().await? {
                self.inner.desk.take(gone.plain_len);
                self.inner.remove_pieces(&[gone]).await;
                return Ok(Saved::Done);
            }
        }
        Err(busy())
    }

    /// Throws a draft away, its key first.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn discard_draft(&self, open: &OpenSession, id: MessageId) -> Result<Saved, StoreError> {
        self.inner.drop_draft(open.view.grant.conversation, id, None).await
    }
}

impl Inner {
    pub(super) fn seal_letter(&self, key: &ContentKey, id: MessageId, letter: &Letter) -> Vec<u8> {
        let mut plain = zeroize::Zeroizing::new(Vec::new());
        // An encoder fails only when its writer does, and a vector takes all bytes.
        let _written = minicbor::encode(letter, &mut *plain);
        key.seal_manifest(id, &plain, &*self.entropy)
    }

    /// A draft as it stands, with the version to check; or why it cannot be written in.
    pub(super) async fn open_draft(
        &self,
        open: &OpenSession,
        id: MessageId,
    ) -> Result<Result<(AnswerView, u64), Saved>, StoreError> {
        let place = places::answer(open.view.grant.conversation, id);
        let Some(found) = self.read::<Answer>(&place).await? else { return Ok(Err(Saved::Gone)) };
        if found.record.sent.is_some() {
            return Ok(Err(Saved::Sent));
        }
        Ok(self.opened(open, id, found).await?.ok_or(Saved::Gone))
    }

    /// Adds to a batch what keeps a changed draft: its record, and when it goes.
    fn rewrite(
        &self,
        draft: &mut Draft<'_>,
        conversation: ConversationId,
        (view, version): (AnswerView, u64),
        limits: &Limits,
    ) -> Result<(), StoreError> {
        let AnswerView { id, mut answer, letter, key } = view;
        let now = self.clock.now();
        move_end(draft, conversation, (id, &mut answer), Some(end(now, limits.draft)))?;
        answer.changed = now;
        answer.letter = self.seal_letter(&key, id, &letter);
        let place = places::answer(conversation, id);
        draft.unchanged(place.clone(), Some(&Found { record: (), version }));
        draft.put(place, &answer)
    }
}

/// Another time at which it goes; `None`: with its message only.
pub(super) fn move_end(
    draft: &mut Draft<'_>,
    conversation: ConversationId,
    (id, answer): (MessageId, &mut Answer),
    to: Option<Timestamp>,
) -> Result<(), StoreError> {
    if let Some(before) = answer.ends {
        draft.delete(places::answer_end(before, conversation, id));
    }
    if let Some(to) = to {
        draft.put(places::answer_end(to, conversation, id), &())?;
    }
    answer.ends = to;
    Ok(())
}
