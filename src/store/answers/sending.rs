//! From draft to answer, and how its delivery ends.

use crate::base::{ConversationId, JobId, MessageId, SecretBytes, Timestamp};
use crate::seal::body::ContentKey;
use crate::store::codec::{ATTEMPTS, Draft, Found, busy, readable};
use crate::store::intake::NewJob;
use crate::store::jobs::JobEnd;
use crate::store::places;
use crate::store::plan::add_job;
use crate::store::proof::OpenSession;
use crate::store::records::{Job, JobKind, JobSecret, Sender};
use crate::store::{Store, StoreError};

use super::draft::move_end;
use super::records::{Answer, Letter, Refused, Thread};
use super::{AnswerView, Limits, open_letter, token};

/// Within this time answers are counted.
const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// How sending ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is durable and will be delivered.
    Now,
    /// It was so before: a second press on the button.
    Before,
    /// Neither text nor files.
    Empty,
    /// As many as one may send in a day.
    TooMany,
    /// There is no such draft any more.
    Gone,
}

/// What of the message an answer needs to be threaded with it.
#[derive(Debug, Clone, Default)]
pub struct Letterbox {
    /// Its subject.
    pub subject: String,
    /// Its Message-ID, without brackets.
    pub message_id: Option<String>,
    /// What it referred to, oldest first.
    pub references: Vec<String>,
    /// Its From address, where that is exactly one.
    pub from: Option<String>,
}

impl Store {
    /// Makes a draft an answer: in one commit it is sent, has its address, and is queued. However often that is asked, it happens once.
    ///
    /// # Errors
    /// When the store cannot be read or written: it is a draft still, but for [`StoreError::Uncertain`].
    pub async fn send_answer(
        &self,
        open: &OpenSession,
        id: MessageId,
        letterbox: &Letterbox,
        limits: &Limits,
    ) -> Result<Sent, StoreError> {
        let inner = &self.inner;
        let conversation = open.view.grant.conversation;
        let _turn = inner.desk.turn(conversation).await;
        for _ in 0..ATTEMPTS {
            let (view, version) = match inner.open_draft(open, id).await? {
                Ok(opened) => opened,
                Err(super::Saved::Sent) => return Ok(Sent::Before),
                Err(_) => return Ok(Sent::Gone),
            };
            if view.letter.text.trim().is_empty() && view.answer.pieces.is_empty() {
                return Ok(Sent::Empty);
            }
            let now = inner.clock.now();
            if self.sent_since(conversation, now).await? >= limits.per_day {
                return Ok(Sent::TooMany);
            }
            let size = view.size();
            let batch = self.sending(open, (view, version), letterbox, now)?;
            let follow = move |inner: &crate::store::Inner| {
                inner.desk.take(size);
                inner.leases.wake();
            };
            if self.commit_then(batch, follow).await? {
                return Ok(Sent::Now);
            }
        }
        Err(busy())
    }

    /// What sending writes.
    fn sending(
        &self,
        open: &OpenSession,
        (view, version): (AnswerView, u64),
        letterbox: &Letterbox,
        now: Timestamp,
    ) -> Result<crate::store::engine::Batch, StoreError> {
        let inner = &self.inner;
        let conversation = open.view.grant.conversation;
        let AnswerView { id, mut answer, mut letter, key } = view;
        let token = token(inner, conversation);
        letter.thread = Some(thread(open, letterbox, token));
        let mut draft = inner.draft();
        move_end(&mut draft, conversation, (id, &mut answer), None)?;
        answer.sent = Some(now);
        answer.changed = now;
        answer.letter = inner.seal_letter(&key, id, &letter);
        let place = places::answer(conversation, id);
        draft.unchanged(place.clone(), Some(&Found { record: (), version }));
        draft.put(place, &answer)?;
        draft.put(places::answer_address(&inner.keys, &token), &conversation)?;
        let job = NewJob {
            id: JobId::random(&*inner.entropy),
            kind: JobKind::Answer { conversation, answer: id, fallback: false },
            secret: Some(JobSecret::key(key.0.expose().to_vec())),
            due: now,
        };
        add_job(&mut draft, &job, now)?;
        Ok(draft.into_batch())
    }

    async fn sent_since(&self, conversation: ConversationId, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for place in self.inner.answers_of(conversation).await? {
            let found = readable(self.inner.read::<Answer>(&place).await)?;
            let sent = found.and_then(|found| found.record.sent);
            count += usize::from(sent.is_some_and(|sent| now.since(sent) < DAY));
        }
        Ok(count)
    }

    /// An answer for the job that brings it, which has its key; `None` when it is gone.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn answer_by(
        &self,
        (conversation, id): (ConversationId, MessageId),
        secret: &JobSecret,
    ) -> Result<Option<AnswerView>, StoreError> {
        let place = places::answer(conversation, id);
        let Some(found) = self.inner.read::<Answer>(&place).await? else { return Ok(None) };
        let key = secret.key.as_deref().and_then(|key| <[u8; 32]>::try_from(key).ok());
        let Some(key) = key.map(|key| ContentKey(SecretBytes::new(key))) else { return Ok(None) };
        let letter: Letter =
            open_letter(&key, id, &found.record.letter).map_err(|cause| crate::store::codec::damaged(&place, cause))?;
        Ok(Some(AnswerView { id, answer: found.record, letter, key }))
    }

    /// Adds to the end of a job that brings an answer what follows from it: the answer is marked; the mail that comes instead gets its key;
    /// and when another mailbox took it, who wrote it is told.
    pub(in crate::store) async fn end_answer(
        &self,
        draft: &mut Draft<'_>,
        (id, job): (JobId, &Job),
        end: &mut JobEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let JobKind::Answer { conversation, answer, fallback } = job.kind else { return Ok(()) };
        let secret = readable(self.inner.read::<JobSecret>(&places::job_secret(id)).await)?.map(|found| found.record);
        if matches!(end, JobEnd::Done)
            && !fallback
            && let Some(to) = self.away((conversation, answer), secret.as_ref()).await?
        {
            let kind = JobKind::AnswerNotice { conversation, answer, to };
            add_job(draft, &NewJob { id: JobId::random(&*self.inner.entropy), kind, secret: None, due: now }, now)?;
        }
        match end {
            JobEnd::GiveUp(_, Some(instead)) => instead.secret = secret,
            JobEnd::Done if fallback => {
                let kind = JobKind::AnswerUndeliverable { conversation, answer, lost: false };
                add_job(draft, &NewJob { id: JobId::random(&*self.inner.entropy), kind, secret, due: now }, now)?;
            }
            JobEnd::GiveUp(..) | JobEnd::Done | JobEnd::Retry(..) | JobEnd::Dispatched(_) => {}
        }
        let place = places::answer(conversation, answer);
        let Some(mut found) = readable(self.inner.read::<Answer>(&place).await)? else { return Ok(()) };
        match end {
            JobEnd::Done => found.record.delivered = Some(now),
            JobEnd::GiveUp(_, Some(NewJob { kind: JobKind::AnswerInfected { file, .. }, .. })) => {
                found.record.refused = Some(Refused { at: now, file: *file });
            }
            // It may have been delivered before, and come back.
            JobEnd::GiveUp(..) => (found.record.delivered, found.record.failed) = (None, Some(now)),
            JobEnd::Retry(..) | JobEnd::Dispatched(_) => return Ok(()),
        }
        draft.unchanged(place.clone(), Some(&found));
        draft.put(place, &found.record)
    }
}

/// Whom an answer goes to, and in which thread.
fn thread(open: &OpenSession, letterbox: &Letterbox, token: [u8; 20]) -> Thread {
    let view = &open.view;
    let key = places::address_key;
    let own = [&view.conversation.sender.address, &view.conversation.sender.mailbox].map(|own| key(own));
    Thread {
        away: letterbox.from.clone().filter(|from| !own.contains(&key(from))),
        sender: Sender { ..view.conversation.sender.clone() },
        writer: view.conversation.recipient.clone(),
        writer_name: view.contact.name.clone(),
        language: view.contact.language.clone(),
        subject: letterbox.subject.clone(),
        message_id: letterbox.message_id.clone(),
        references: letterbox.references.clone(),
        token,
        reference: view.grant.reference.clone(),
        received: open.message.received,
    }
}
