//! Conversations: which one a new mail joins, what a session reads of its own, and what else the same contact opens.
//!
//! A mail joins the conversation of a mail that it refers to when sender, contact, way of keeping and subject are the same. All of that is
//! in the keyed hash under which the earlier mail is found ([`Thread::hash`]), so whatever differs starts a conversation of its own; in
//! strict mode the generation of the contact's code too, so that an earlier code opens nothing that came after it.
//!
//! Whoever joins counts itself in the conversation's record, and checks that its lock is still the same; whoever removes the conversation
//! checks that record. So no mail is ever sealed to a key that is going.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use crate::base::{ContactId, ConversationId, MessageId, Timestamp};
use crate::seal::epoch::EpochKeys;
use crate::seal::keyring::StoreKeys;
use crate::seal::lock::ConversationKey;
use crate::seal::strict::Epoch;

use super::codec::{Draft, Found, readable};
use super::engine::{Key, Space};
use super::intake::NewDelivery;
use super::proof::OpenSession;
use super::records::{Conversation, Delivery, Grant};
use super::strict::{Locks, SessionKey};
use super::{Inner, Store, StoreError, places};

/// Most mails that join one conversation; the next one starts another, so that a page of it stays small.
const MOST_JOINED: u32 = 99;
/// Most conversations that are named beside the one that is read.
const MOST_OTHERS: usize = 20;
/// Most messages of the contact that are looked at for that.
const MOST_LOOKED_AT: usize = 100;

/// What two mails of one conversation have in common.
#[derive(Debug, Clone, Copy)]
pub struct Thread<'a> {
    /// The sender's address as [`crate::mail::Address::key`].
    pub sender: &'a str,
    /// Whose proof opens it, and with that the recipient.
    pub contact: ContactId,
    /// In strict mode, the generation of the contact's code that it is sealed to.
    pub strict: Option<u32>,
    /// The base subject ([`crate::mail::subject::base`]).
    pub subject: &'a str,
}

impl Thread<'_> {
    /// Where a mail with this Message-ID (without brackets) stands for those that refer to it.
    #[must_use]
    pub fn hash(&self, keys: &StoreKeys, message_id: &str) -> [u8; 32] {
        let mode = self.strict.map_or([0; 5], |generation| {
            let [a, b, c, d] = generation.to_be_bytes();
            [1, a, b, c, d]
        });
        let mut value = Vec::new();
        for part in [self.sender.as_bytes(), self.contact.as_bytes(), &mode, self.subject.as_bytes()] {
            value.extend_from_slice(&(part.len() as u64).to_be_bytes());
            value.extend_from_slice(part);
        }
        value.extend_from_slice(message_id.as_bytes());
        keys.blind("thread", &value)
    }
}

/// The keys of conversations that new deliveries join, in assisted mode.
pub(super) type Joined = BTreeMap<ConversationId, ConversationKey>;

/// A message that a session reads.
#[derive(Debug, Clone)]
pub struct Read {
    /// The session, turned to that message.
    pub session: OpenSession,
    /// When it was first opened. Of a conversation that is named beside another: when the last of its messages was, `None` while one was not.
    pub opened: Option<Timestamp>,
}

impl Read {
    /// Nobody had opened it before this session began.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.opened.is_none_or(|opened| opened >= self.session.session.created)
    }

    fn age(&self) -> (Timestamp, MessageId) {
        (self.session.message.received, self.session.view.grant.message)
    }
}

impl Store {
    /// The conversation that a mail joins which refers to these mails (Message-IDs without brackets, oldest first); `None` for a new one.
    ///
    /// # Errors
    /// When the store cannot be read. What is damaged is joined by nothing.
    pub async fn joined_by(
        &self,
        thread: &Thread<'_>,
        references: &[String],
    ) -> Result<Option<ConversationId>, StoreError> {
        let inner = &self.inner;
        for message_id in references.iter().rev() {
            let place = places::thread(&thread.hash(&inner.keys, message_id));
            let Some(found) = readable(inner.read::<ConversationId>(&place).await)? else { continue };
            let place = places::conversation(found.record);
            let Some(conversation) = readable(inner.read::<Conversation>(&place).await)? else { continue };
            let lock = match thread.strict {
                None => inner.read::<ByteVec>(&places::assisted_lock(found.record)).await.map(|lock| lock.is_some()),
                Some(_) => self.epoch_head(found.record).await.map(|head| head.is_some()),
            };
            let locked = readable(lock.map(Some))?.unwrap_or_default();
            if locked && takes(&conversation.record, thread.contact) {
                return Ok(Some(found.record));
            }
        }
        Ok(None)
    }

    /// Turns a session to another message that it may read: of its own conversation, or, in assisted mode, of another one with the very same
    /// contact, whose code of now the session was opened with. `None` for everything else, as for what is not there.
    ///
    /// # Errors
    /// When the store cannot be read, or a record behind the message is damaged.
    pub async fn turn_to(&self, open: &OpenSession, id: MessageId) -> Result<Option<Read>, StoreError> {
        if let Some(read) = self.read_in(open, open.view.grant.conversation, id).await? {
            return Ok(Some(read));
        }
        if open.key != SessionKey::Assisted {
            return Ok(None);
        }
        let Some(message) = self.message(id).await? else { return Ok(None) };
        let place = places::by_contact(open.view.grant.contact, message.received, id);
        let Some(found) = self.inner.read::<ConversationId>(&place).await? else { return Ok(None) };
        self.read_in(open, found.record, id).await
    }

    /// The messages of the session's conversation that it opens, newest first. In strict mode those of its own epoch and later ones.
    ///
    /// # Errors
    /// When the store cannot be read. What is damaged is left out and reported to the log.
    pub async fn conversation(&self, open: &OpenSession) -> Result<Vec<Read>, StoreError> {
        let conversation = open.view.grant.conversation;
        let mut messages = Vec::new();
        for place in self.inner.keys_of(Space::ContentKey, conversation.as_bytes(), usize::MAX).await? {
            let Some(id) = places::last_id(&place.bytes).map(MessageId) else { continue };
            messages.extend(readable(self.read_in(open, conversation, id).await)?);
        }
        messages.sort_by_key(|read| std::cmp::Reverse(read.age()));
        Ok(messages)
    }

    /// What else the session may read, newest first: the newest message of each other conversation with the very same contact. None in strict
    /// mode.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn other_messages(&self, open: &OpenSession) -> Result<Vec<Read>, StoreError> {
        let mut others: Vec<Read> = Vec::new();
        if open.key != SessionKey::Assisted {
            return Ok(others);
        }
        let of = open.view.grant.contact;
        for place in self.inner.keys_of(Space::ByContact, of.as_bytes(), MOST_LOOKED_AT).await? {
            let Some(id) = places::last_id(&place.bytes).map(MessageId) else { continue };
            let Some(found) = readable(self.inner.read::<ConversationId>(&place).await)? else { continue };
            if found.record == open.view.grant.conversation {
                continue;
            }
            let Some(read) = readable(self.read_in(open, found.record, id).await)? else { continue };
            let known = others.iter_mut().find(|other| other.session.view.grant.conversation == found.record);
            if let Some(newer) = known {
                newer.opened = newer.opened.zip(read.opened).map(|(a, b)| a.max(b));
            } else if others.len() < MOST_OTHERS {
                others.push(read);
            }
        }
        Ok(others)
    }

    /// Notes that a session has opened its conversation.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn opens(&self, open: &OpenSession) -> Result<(), StoreError> {
        let mut draft = self.inner.draft();
        self.inner.mark_opened(&mut draft, &open.view.grant, self.inner.clock.now()).await?;
        // Somebody else who noted the same at this moment, or a notice that just left: the next time will do.
        draft.commit().await.map(|_| ())
    }

    /// A message of a conversation, if this session opens it.
    async fn read_in(
        &self,
        open: &OpenSession,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<Read>, StoreError> {
        let Some(delivery) = self.inner.read::<Delivery>(&places::delivery(id, conversation)).await? else {
            return Ok(None);
        };
        let Delivery { grant, opened, epoch, .. } = delivery.record;
        let reaches = match &open.key {
            SessionKey::Assisted => epoch.is_none(),
            SessionKey::Strict(key) => {
                key.at.conversation == conversation && epoch.is_some_and(|epoch| epoch >= key.at.number)
            }
            SessionKey::Lost => false,
        };
        let Some(view) = self.grant_by_id(grant).await?.filter(|_| reaches) else { return Ok(None) };
        let contact = open.view.grant.contact;
        let same = view.grant.contact == contact
            && view.conversation.contact == contact
            && view.contact.generation == open.session.generation
            && (view.grant.conversation, view.grant.message) == (conversation, id)
            && view.grant.strict.is_some() == open.key.is_strict();
        if !same || view.grant.expires <= self.inner.clock.now() || !self.is_kept(conversation, id).await? {
            return Ok(None);
        }
        let Some(message) = self.message(id).await? else { return Ok(None) };
        Ok(Some(Read { session: OpenSession { view, message, ..open.clone() }, opened }))
    }
}

/// Whether a conversation takes one more mail for this contact.
fn takes(conversation: &Conversation, contact: ContactId) -> bool {
    conversation.contact == contact && conversation.joined.unwrap_or_default() < MOST_JOINED
}

impl Inner {
    /// Adds to a batch that a delivery joins its conversation; `false` when that takes it no longer. In assisted mode the conversation's key
    /// goes into `joined`.
    pub(super) async fn joins(
        &self,
        draft: &mut Draft<'_>,
        delivery: &NewDelivery,
        joined: &mut Joined,
    ) -> Result<bool, StoreError> {
        let id = delivery.conversation_id;
        let place = places::conversation(id);
        let Some(mut found) = readable(self.read::<Conversation>(&place).await)? else { return Ok(false) };
        if !takes(&found.record, delivery.conversation.contact) {
            return Ok(false);
        }
        match &delivery.locks {
            Locks::Assisted => return Ok(false),
            Locks::Joined => {
                let place = places::assisted_lock(id);
                let Some(lock) = readable(self.read::<ByteVec>(&place).await)? else { return Ok(false) };
                draft.unchanged(place.clone(), Some(&lock));
                let key = ConversationKey::open_assisted(&self.keyring.ring(), id, &lock.record);
                joined.insert(id, key.map_err(|cause| super::codec::damaged(&place, cause))?);
            }
            Locks::Strict(locks) => {
                let Some(before) = &locks.before else { return Ok(false) };
                let place = places::epoch(Epoch { conversation: id, number: before.number });
                let Some(epoch) = readable(self.read::<EpochKeys>(&place).await)? else { return Ok(false) };
                draft.unchanged(place, Some(&epoch));
            }
        }
        draft.unchanged(place.clone(), Some(&found));
        found.record.joined = Some(found.record.joined.unwrap_or_default().saturating_add(1));
        draft.put(place, &found.record)?;
        Ok(true)
    }

    /// A message that had joined goes before it counted: if it was the last that held its conversation, that goes too.
    pub(super) async fn leave(
        &self,
        draft: &mut Draft<'_>,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<(), StoreError> {
        let place = places::conversation(conversation);
        let found: Option<Found<Conversation>> = readable(self.read(&place).await)?;
        let held = self.keys_of(Space::ContentKey, conversation.as_bytes(), 2).await?;
        if held.iter().any(|key| places::last_id(&key.bytes) != Some(id.0)) {
            return Ok(());
        }
        draft.unchanged(place, found.as_ref());
        for space in [Space::Conversation, Space::Lock, Space::Epoch] {
            let places = self.keys_of(space, conversation.as_bytes(), usize::MAX).await?;
            for place in places {
                draft.delete(place);
            }
        }
        Ok(())
    }

    /// Adds to a batch that the messages of a conversation, as far as a link opens them, are opened.
    pub(super) async fn mark_opened(
        &self,
        draft: &mut Draft<'_>,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let from = grant.strict.map(|strict| strict.epoch);
        let keys = self.keys_of(Space::ContentKey, grant.conversation.as_bytes(), usize::MAX).await?;
        let mut messages: BTreeSet<_> =
            keys.iter().filter_map(|key| places::last_id(&key.bytes)).map(MessageId).collect();
        messages.insert(grant.message);
        for id in messages {
            let place = places::delivery(id, grant.conversation);
            let Some(mut found) = readable(self.read::<Delivery>(&place).await)? else { continue };
            if found.record.opened.is_none() && found.record.epoch >= from {
                found.record.opened = Some(now);
                draft.unchanged(place.clone(), Some(&found));
                draft.put(place, &found.record)?;
            }
        }
        Ok(())
    }

    /// Where a message stands on the lists of its contact and its thread, as far as its records tell.
    pub(super) async fn lists_of(
        &self,
        conversation: ConversationId,
        (grant, record): (Option<&Grant>, Option<&Conversation>),
        (id, received): (MessageId, Option<Timestamp>),
    ) -> Result<Vec<Key>, StoreError> {
        let mut lists = Vec::new();
        let contact = grant.map(|grant| grant.contact).or(record.map(|record| record.contact));
        match (contact, received) {
            (Some(contact), Some(received)) => lists.push(places::by_contact(contact, received, id)),
            (Some(contact), None) => {
                lists = self.keys_of(Space::ByContact, contact.as_bytes(), usize::MAX).await?;
                lists.retain(|place| places::last_id(&place.bytes) == Some(id.0));
            }
            (None, _) => {}
        }
        if let Some(place) = grant.and_then(|grant| grant.thread).map(|thread| places::thread(&thread)) {
            let leads = readable(self.read::<ConversationId>(&place).await)?;
            // A mail with the same Message-ID may have come since.
            if leads.is_some_and(|leads| leads.record == conversation) {
                lists.push(place);
            }
        }
        Ok(lists)
    }
}
