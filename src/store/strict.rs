//! Strict mode in the store: locks under links and codes, epochs, and the keys of open sessions, which are in memory alone.
//!
//! Nothing here opens a conversation by itself. A key comes in with a new mail, to be locked and forgotten, or from a visitor's link and code, to
//! be kept for as long as the session lasts and never written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use minicbor::bytes::ByteVec;

use crate::base::{ConversationId, MessageId, Timestamp};
use crate::seal::body::ContentKey;
use crate::seal::contact::ContactPublic;
use crate::seal::epoch::EpochKeys;
use crate::seal::hybrid::PublicKey;
use crate::seal::lock::ConversationKey;
use crate::seal::strict::{Epoch, LinkKey};
use crate::seal::token::LinkToken;

use super::codec::{Draft, Found, damaged};
use super::engine::Space;
use super::intake::NewDelivery;
use super::proof::{GrantView, SessionLimits};
use super::records::{Delivery, StrictGrant};
use super::{Inner, Store, StoreError, places};

/// How the conversation key of a new delivery is locked.
#[derive(Debug, Clone)]
pub enum Locks {
    /// Under the root keyring: the server opens it when link and code were right.
    Assisted,
    /// As [`Assisted`](Self::Assisted), under the key that the conversation has already: the mail joins it.
    Joined,
    /// Under the link, and the code where the contact has one: the server cannot.
    Strict(Box<StrictLocks>),
}

impl NewDelivery {
    /// In strict mode, the epoch that it makes.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        let Locks::Strict(locks) = &self.locks else { return None };
        Some(Epoch { conversation: self.conversation_id, number: locks.next() })
    }

    /// Whether its conversation is new with it.
    pub(super) fn begins_conversation(&self) -> bool {
        match &self.locks {
            Locks::Assisted => true,
            Locks::Joined => false,
            Locks::Strict(locks) => locks.before.is_none(),
        }
    }

    /// What its grant remembers of the locks.
    pub(super) fn strict(&self) -> Option<StrictGrant> {
        let Locks::Strict(locks) = &self.locks else { return None };
        let generation = locks.contact.as_ref().map(|contact| contact.generation.number);
        self.epoch().map(|at| StrictGrant { epoch: at.number, generation })
    }
}

/// The locks of a delivery in strict mode.
#[derive(Debug, Clone)]
pub struct StrictLocks {
    /// To whose code the key is sealed beside the link; `None`: the link alone opens it.
    pub contact: Option<ContactPublic>,
    /// What the conversation's last epoch is; `None` for a new conversation.
    pub before: Option<EpochHead>,
    /// Other links that open the same by themselves.
    pub also: Vec<LinkToken>,
}

impl StrictLocks {
    /// The number of the epoch that they make.
    fn next(&self) -> u32 {
        self.before.as_ref().map_or(0, |before| before.number).saturating_add(1)
    }
}

/// The newest epoch of a conversation: what a mail that joins it needs, and no secret.
#[derive(Debug, Clone)]
pub struct EpochHead {
    /// Its number, from 1.
    pub number: u32,
    /// To whom the next epoch's key is sealed.
    pub public: PublicKey,
}

/// A conversation key that a visitor's link and code gave, and the epoch from which on it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrictKey {
    pub(super) at: Epoch,
    pub(super) key: ConversationKey,
}

/// What an open session reads with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionKey {
    /// The root keyring.
    Assisted,
    /// The key that its link and code gave.
    Strict(Box<StrictKey>),
    /// Nothing: strict, and the key went with a restart.
    Lost,
}

impl SessionKey {
    /// Whether the message is kept in strict mode.
    #[must_use]
    pub const fn is_strict(&self) -> bool {
        !matches!(self, Self::Assisted)
    }
}

/// The keys of open strict sessions by the hash of their cookie. They are wiped when their session ends, however it does.
#[derive(Debug, Default)]
pub(super) struct OpenKeys(Mutex<HashMap<[u8; 32], OpenKey>>);

#[derive(Debug)]
struct OpenKey {
    key: StrictKey,
    created: Timestamp,
    seen: Timestamp,
}

impl OpenKeys {
    fn keys(&self) -> MutexGuard<'_, HashMap<[u8; 32], OpenKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, cookie: [u8; 32], key: StrictKey, now: Timestamp) {
        self.keys().insert(cookie, OpenKey { key, created: now, seen: now });
    }

    /// The key of a session that is used now.
    fn of(&self, cookie: &[u8; 32], now: Timestamp) -> Option<StrictKey> {
        let mut keys = self.keys();
        let open = keys.get_mut(cookie)?;
        open.seen = now;
        Some(open.key.clone())
    }

    pub(super) fn forget(&self, cookie: &[u8; 32]) {
        self.keys().remove(cookie);
    }

    fn forget_idle(&self, limits: &SessionLimits, now: Timestamp) {
        let lives = |open: &OpenKey| now.since(open.seen) < limits.idle && now.since(open.created) < limits.longest;
        self.keys().retain(|_, open| lives(open));
    }
}

impl Inner {
    /// What a session of this grant reads with.
    pub(super) fn session_key(&self, view: &GrantView, cookie: &[u8; 32], now: Timestamp) -> SessionKey {
        if view.grant.strict.is_none() {
            return SessionKey::Assisted;
        }
        self.open_keys.of(cookie, now).map_or(SessionKey::Lost, |key| SessionKey::Strict(Box::new(key)))
    }
}

impl Store {
    /// Wipes the keys of strict sessions that are over, also when nobody asks for them again.
    pub fn forget_idle_keys(&self, limits: &SessionLimits) {
        self.inner.open_keys.forget_idle(limits, self.inner.clock.now());
    }

    /// Number of strict sessions whose keys are in memory.
    #[must_use]
    pub fn open_keys(&self) -> usize {
        self.inner.open_keys.keys().len()
    }

    /// The newest epoch of a conversation; `None` when it has none.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn epoch_head(&self, conversation: ConversationId) -> Result<Option<EpochHead>, StoreError> {
        let places = self.inner.keys_of(Space::Epoch, conversation.as_bytes(), usize::MAX).await?;
        let Some((place, number)) = places.last().and_then(|place| Some((place, places::epoch_of(place)?))) else {
            return Ok(None);
        };
        let keys = self.inner.need::<EpochKeys>(place).await?.record;
        let public = keys.public().map_err(|cause| damaged(place, cause))?;
        Ok(Some(EpochHead { number, public }))
    }

    /// A message's content key by what a session reads with. `None` when the message or its keys are gone, and when it stands in an epoch
    /// before the session's.
    ///
    /// # Errors
    /// When the store cannot be read, or a lock does not open.
    pub async fn content_key_by(
        &self,
        key: &SessionKey,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<ContentKey>, StoreError> {
        let key = match key {
            SessionKey::Assisted => return self.content_key(conversation, id).await,
            SessionKey::Strict(key) if key.at.conversation == conversation => key,
            SessionKey::Strict(_) | SessionKey::Lost => return Ok(None),
        };
        let inner = &self.inner;
        let Some(delivery) = inner.read::<Delivery>(&places::delivery(id, conversation)).await? else {
            return Ok(None);
        };
        let Some(epoch) = delivery.record.epoch else { return Ok(None) };
        let place = places::content_key(conversation, id);
        let Some(wrapped) = inner.read::<ByteVec>(&place).await? else { return Ok(None) };
        let Some(key) = inner.reach(key, epoch).await? else { return Ok(None) };
        key.unwrap(conversation, id, &wrapped.record).map(Some).map_err(|cause| damaged(&place, cause))
    }

    /// Lets another link open what `key` opens: by itself, or with a contact's code. `false` when the epoch is gone meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn add_link(
        &self,
        key: &StrictKey,
        link: &LinkToken,
        contact: Option<&ContactPublic>,
    ) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let place = places::epoch(key.at);
        let Some(epoch) = inner.read::<EpochKeys>(&place).await? else { return Ok(false) };
        let mut draft = inner.draft();
        draft.unchanged(place, Some(&epoch));
        inner.put_lock(&mut draft, key, link, contact)?;
        draft.commit().await
    }

    /// What a link that needs no code opens, given its conversation and epoch. `None` when there is no such link.
    ///
    /// # Errors
    /// When the store cannot be read, or the lock does not open by the link alone.
    pub async fn open_link(&self, at: Epoch, link: &LinkToken) -> Result<Option<StrictKey>, StoreError> {
        let inner = &self.inner;
        let place = places::strict_lock(at, &link.hash(&inner.keys));
        let Some(lock) = inner.read::<ByteVec>(&place).await? else { return Ok(None) };
        let key = ConversationKey::open_by_link(at, &LinkKey::of(link, &inner.keys.pepper), &lock.record);
        Ok(Some(StrictKey { at, key: key.map_err(|cause| damaged(&place, cause))? }))
    }
}

impl Inner {
    /// Along the chain, from a key to that of its own epoch or a later one. `None` for one before.
    pub(super) async fn reach(&self, from: &StrictKey, epoch: u32) -> Result<Option<ConversationKey>, StoreError> {
        if epoch < from.at.number {
            return Ok(None);
        }
        let StrictKey { mut at, mut key } = from.clone();
        if at.number == epoch {
            return Ok(Some(key));
        }
        let mut this = self.need::<EpochKeys>(&places::epoch(at)).await?.record;
        while at.number < epoch {
            let next_at = Epoch { number: at.number.saturating_add(1), ..at };
            let place = places::epoch(next_at);
            let next = self.need::<EpochKeys>(&place).await?.record;
            key = this.step(at, &key, &next).map_err(|cause| damaged(&place, cause))?;
            (this, at) = (next, next_at);
        }
        Ok(Some(key))
    }

    fn put_lock(
        &self,
        draft: &mut Draft<'_>,
        key: &StrictKey,
        link: &LinkToken,
        contact: Option<&ContactPublic>,
    ) -> Result<(), StoreError> {
        let (at, by) = (key.at, LinkKey::of(link, &self.keys.pepper));
        let lock = match contact {
            Some(contact) => key.key.lock_by_link_and_code(at, &by, contact, &*self.entropy),
            None => key.key.lock_by_link(at, &by, &*self.entropy),
        };
        draft.put(places::strict_lock(at, &link.hash(&self.keys)), &ByteVec::from(lock))
    }

    /// Writes the locks of a new delivery in strict mode, and its epoch.
    pub(super) fn put_strict_locks(
        &self,
        draft: &mut Draft<'_>,
        delivery: &NewDelivery,
        locks: &StrictLocks,
    ) -> Result<ConversationKey, StoreError> {
        let at = Epoch { conversation: delivery.conversation_id, number: locks.next() };
        let key = StrictKey { at, key: ConversationKey::generate(&*self.entropy) };
        let epoch = match &locks.before {
            None => EpochKeys::first(at, &key.key, &*self.entropy),
            Some(before) => EpochKeys::after(&before.public, at, &key.key, &*self.entropy),
        };
        // Another mail may have made this epoch meanwhile.
        draft.unchanged::<EpochKeys>(places::epoch(at), None);
        draft.put(places::epoch(at), &epoch)?;
        self.put_lock(draft, &key, &delivery.token, locks.contact.as_ref())?;
        for link in &locks.also {
            self.put_lock(draft, &key, link, None)?;
        }
        Ok(key.key)
    }

    /// Whether a delivery in strict mode is sealed to the code that its contact has now; adds the check that it still has when that is
    /// written.
    pub(super) async fn seals_to_present_code(
        &self,
        draft: &mut Draft<'_>,
        delivery: &NewDelivery,
    ) -> Result<bool, StoreError> {
        let Locks::Strict(locks) = &delivery.locks else { return Ok(true) };
        let Some(to) = &locks.contact else { return Ok(true) };
        if delivery.new_contact.is_some() {
            return Ok(true);
        }
        let place = places::contact(to.generation.contact);
        let found: Option<Found<super::records::Contact>> = self.read(&place).await?;
        let present = found.as_ref().is_some_and(|found| found.record.generation == to.generation.number);
        draft.unchanged(place, found.as_ref());
        Ok(present)
    }
}
