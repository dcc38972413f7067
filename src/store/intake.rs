//! Taking custody: a message with all its records in one commit, or prepared first and committed when the next hop took the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{ContactId, ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::seal::token::LinkToken;

use super::codec::{ATTEMPTS, Draft, busy, stands};
use super::codes::KeptCode;
use super::conversation::Joined;
use super::engine::{Batch, CommitError};
use super::plan::{Plan, Taken, add_hidden, contact_place};
use super::records::{Contact, Conversation, JobKind, JobSecret, Message};
use super::root::Wrapping;
use super::strict::Locks;
use super::{BodyWriter, Inner, SealedBody, Store, StoreError, places, stopped};

/// A sealed mail with everything that must be durable before we answer 250.
#[derive(Debug)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The record (its `conversations` are filled from `deliveries`).
    pub message: Message,
    /// Encoded manifest.
    pub manifest: Vec<u8>,
    /// The body, durable already if it is a file.
    pub body: SealedBody,
    /// The key that the body was sealed with; stored only wrapped, once per conversation.
    pub content_key: ContentKey,
    /// One per recipient.
    pub deliveries: Vec<NewDelivery>,
}

/// One recipient of a new message: own conversation, key, link, proof.
#[derive(Debug)]
pub struct NewDelivery {
    /// The conversation's id: a new one, or that of the conversation which it joins.
    pub conversation_id: ConversationId,
    /// The conversation as it is written when it is new (names the contact).
    pub conversation: Conversation,
    /// A contact to make, with what is kept of its code, when the sender has none for this recipient yet.
    pub new_contact: Option<(Contact, KeptCode)>,
    /// How the conversation key is locked.
    pub locks: Locks,
    /// The grant's id.
    pub grant_id: GrantId,
    /// The link; stored hashed, and in clear only in the notice job's secret.
    pub token: LinkToken,
    /// The short reference in the notice.
    pub reference: String,
    /// Keyed hash of sender, Message-ID, recipient and body: a repeat within 5 days is taken once.
    pub repeat_key: Option<[u8; 32]>,
    /// Keyed hash of its place in the thread ([`super::conversation::Thread::hash`]): a later mail that refers to this one joins it.
    pub thread: Option<[u8; 32]>,
    /// The jobs: the notice, and the code mail for a new contact.
    pub jobs: Vec<NewJob>,
}

/// Work that becomes due when the message is committed.
#[derive(Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// What it needs in clear.
    pub secret: Option<JobSecret>,
    /// Not before.
    pub due: Timestamp,
}

/// A prepared message: durable, invisible, its jobs not leasable. Dropped at the next start unless committed.
#[derive(Debug)]
pub struct Prepared {
    /// Its id.
    pub id: MessageId,
}

impl Store {
    /// Starts a body for a new message.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk's watermark.
    pub fn new_body(&self, id: MessageId) -> Result<BodyWriter, StoreError> {
        self.inner.engine.new_body(id)
    }

    /// The contact that `sender` has for `recipient` (both as [`crate::mail::Address::key`]).
    ///
    /// # Errors
    /// When the store cannot be read, or the contact's record is damaged.
    pub async fn contact_of(&self, sender: &str, recipient: &str) -> Result<Option<(ContactId, Contact)>, StoreError> {
        let place = places::contact_index(&self.inner.keys, sender, recipient);
        let Some(found) = self.inner.read::<ContactId>(&place).await? else { return Ok(None) };
        let contact = self.inner.need(&places::contact(found.record)).await?;
        Ok(Some((found.record, contact.record)))
    }

    /// Which of these repeat keys belong to mail taken in the last 5 days that can still be read and whose notice was not given up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn taken_before(&self, keys: &[[u8; 32]]) -> Result<Vec<bool>, StoreError> {
        let now = self.inner.clock.now();
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self.inner.read::<Taken>(&places::repeat(key)).await?;
            taken.push(match found {
                Some(found) => found.record.counts(&self.inner, now).await?,
                None => false,
            });
        }
        Ok(taken)
    }

    /// Everything in one durable commit. The message comes back, and nothing is stored, when a contact or
    /// repeat key appeared meanwhile (another mail of the same sender), or when a conversation that it joins changed: look again and build
    /// it again.
    ///
    /// A recipient who stands in the envelope twice gets one delivery, the first. Without deliveries nothing is stored. Once
    /// begun it comes to its end even when the caller goes away.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk's watermark; [`StoreError::Uncertain`] when the disk failed: the message may have
    /// been taken.
    pub async fn take(&self, new: NewMessage) -> Result<Result<(), Box<NewMessage>>, StoreError> {
        self.store(new, Visible::Now).await
    }

    /// The same, but invisible until [`commit_prepared`](Self::commit_prepared).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn prepare(&self, new: NewMessage) -> Result<Result<Prepared, Box<NewMessage>>, StoreError> {
        let prepared = Prepared { id: new.id };
        Ok(self.store(new, Visible::WhenCommitted).await?.map(|()| prepared))
    }

    async fn store(&self, mut new: NewMessage, visible: Visible) -> Result<Result<(), Box<NewMessage>>, StoreError> {
        keep_first_of_each_recipient(&mut new.deliveries);
        if new.deliveries.is_empty() {
            return Ok(Ok(()));
        }
        let inner = &self.inner;
        let repeats: Vec<_> = new.deliveries.iter().filter_map(|d| d.repeat_key).collect();
        if self.taken_before(&repeats).await?.contains(&true) {
            return Ok(Err(Box::new(new)));
        }
        let plan = Plan::of(inner, &new);
        let wrapping = inner.keyring.wrapping().await;
        let mut draft = inner.draft();
        for delivery in new.deliveries.iter().filter(|delivery| delivery.new_contact.is_none()) {
            // A contact that is being erased serves no new mail: without this check it could go just before the commit.
            if !inner.still_serves(&mut draft, delivery.conversation.contact).await? {
                return Ok(Err(Box::new(new)));
            }
        }
        for delivery in &new.deliveries {
            if !inner.seals_to_present_code(&mut draft, delivery).await? {
                return Ok(Err(Box::new(new)));
            }
        }
        let mut joined = Joined::new();
        for delivery in new.deliveries.iter().filter(|delivery| !delivery.begins_conversation()) {
            if !inner.joins(&mut draft, delivery, &mut joined).await? {
                return Ok(Err(Box::new(new)));
            }
        }
        add_hidden(inner, (&wrapping, &joined), &mut draft, &new)?;
        match visible {
            Visible::Now => plan.add_visible(inner, &mut draft, new.id).await?,
            Visible::WhenCommitted => {
                for contact in plan.deliveries.iter().filter_map(|d| d.new_contact.as_ref()) {
                    draft.unchanged::<ContactId>(contact_place(inner, contact), None);
                }
                draft.put(places::prepared(new.id), &plan)?;
            }
        }
        self.commit_new(draft.into_batch(), new, wrapping).await
    }

    /// The commit owns the body: if the caller goes away, body and records still stay or go together.
    async fn commit_new(
        &self,
        batch: Batch,
        new: NewMessage,
        wrapping: Wrapping,
    ) -> Result<Result<(), Box<NewMessage>>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let NewMessage { id, message, manifest, body, content_key, deliveries } = new;
            let committed = inner.engine.commit_body(batch, body).await;
            drop(wrapping);
            let Err(refused) = committed else {
                inner.leases.wake();
                return Ok(Ok(()));
            };
            match (refused.error, refused.body) {
                (CommitError::Conflict(_), Some(body)) => {
                    Ok(Err(Box::new(NewMessage { id, message, manifest, body, content_key, deliveries })))
                }
                (CommitError::Conflict(_), None) => Err(busy()),
                (CommitError::Store(error), _) => Err(error),
            }
        });
        task.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The next hop took the rest: the message counts, its jobs become due.
    ///
    /// What another mail of the sender changed since cannot stop it: a contact that was made meanwhile is used instead of the
    /// new one, and a recipient who got this very mail meanwhile does not get it twice. To commit once more is no error.
    ///
    /// # Errors
    /// [`StoreError::Uncertain`] when the disk failed; [`StoreError::NotReady`] when the prepared message is not there.
    pub async fn commit_prepared(&self, prepared: Prepared) -> Result<(), StoreError> {
        let inner = &self.inner;
        let id = prepared.id;
        let place = places::prepared(id);
        for _ in 0..ATTEMPTS {
            let Some(found) = inner.read::<Plan>(&place).await? else {
                let counted = inner.engine.get(&places::message(id)).await?.is_some();
                let gone = || StoreError::NotReady("the prepared message is gone".to_owned());
                return if counted { Ok(()) } else { Err(gone()) };
            };
            let mut draft = inner.draft();
            draft.unchanged(place.clone(), Some(&found));
            let mut plan = found.record;
            self.settle(&mut draft, &mut plan, id).await?;
            if plan.deliveries.is_empty() {
                return self.drop_prepared(prepared).await;
            }
            draft.delete(place.clone());
            plan.add_visible(inner, &mut draft, id).await?;
            match self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // The message is taken: to refuse it now would only bring it again.
                Err(StoreError::NotErased(cause)) => {
                    tracing::error!(%cause, message = %id, "taken, but what another mail made needless is still on disk");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// Fits a plan to what happened since it was made.
    async fn settle(&self, draft: &mut Draft<'_>, plan: &mut Plan, id: MessageId) -> Result<(), StoreError> {
        let mut kept = Vec::with_capacity(plan.deliveries.len());
        for mut delivery in std::mem::take(&mut plan.deliveries) {
            if let Some(repeat) = delivery.repeat
                && self.taken_before(&[repeat]).await?.contains(&true)
            {
                delivery.remove_hidden(&self.inner, draft, id).await?;
                continue;
            }
            if let Some(contact) = &delivery.new_contact
                && let Some(first) = self.inner.read::<ContactId>(&contact_place(&self.inner, contact)).await?
            {
                let place = places::contact(first.record);
                let present = self.inner.need::<Contact>(&place).await?;
                draft.unchanged(place, Some(&present));
                delivery.use_contact(draft, (first.record, present.record.proof))?;
            }
            kept.push(delivery);
        }
        plan.message.conversations = kept.iter().map(|delivery| delivery.conversation_id).collect();
        plan.deliveries = kept;
        Ok(())
    }

    /// The next hop refused: nothing of it stays.
    ///
    /// # Errors
    /// When the store cannot be written; the next start drops it then.
    pub async fn drop_prepared(&self, prepared: Prepared) -> Result<(), StoreError> {
        let inner = &self.inner;
        let id = prepared.id;
        let place = places::prepared(id);
        let Some(found) = inner.read::<Plan>(&place).await? else { return Ok(()) };
        let mut draft = inner.draft();
        draft.unchanged(place.clone(), Some(&found));
        draft.delete(place);
        draft.delete(places::manifest(id));
        draft.delete(places::body(id));
        for delivery in &found.record.deliveries {
            delivery.remove_hidden(inner, &mut draft, id).await?;
        }
        let dropped = draft.commit().await;
        if stands(&dropped) && found.record.message.in_file {
            inner.engine.remove_body(id).await?;
        }
        dropped.map(|_| ())
    }
}

impl Inner {
    /// Whether new mail still finds a contact, its sender's or the organisation's; a draft is checked for that.
    async fn still_serves(&self, draft: &mut Draft<'_>, id: ContactId) -> Result<bool, StoreError> {
        let Some(contact) = self.read::<Contact>(&places::contact(id)).await? else { return Ok(false) };
        let place = contact_place(self, &contact.record);
        let found = self.read::<ContactId>(&place).await?.filter(|found| found.record == id);
        draft.unchanged(place, found.as_ref());
        Ok(found.is_some())
    }
}

/// When a new message counts.
enum Visible {
    Now,
    WhenCommitted,
}

/// An envelope may name one mailbox twice, in two spellings.
fn keep_first_of_each_recipient(deliveries: &mut Vec<NewDelivery>) {
    let mut seen = BTreeSet::new();
    deliveries.retain(|delivery| seen.insert(places::address_key(&delivery.conversation.recipient)));
}
