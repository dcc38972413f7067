//! All that is kept about one address: its messages, contacts, codes, links, sessions and jobs.
//!
//! What the address sent goes for everybody, what it received goes for this recipient. What was there when the erasure was asked
//! for goes; a mail that is taken while it runs stays, with the contact that it needs. Every record has the number of the
//! commit that wrote it, so that "was there" is exact also after a restart.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Notify;

use crate::base::entropy::random;
use crate::base::{ContactId, ConversationId, MessageId, Timestamp};
use crate::store::codec::readable;
use crate::store::engine::{Key, Space};
use crate::store::places::{self, address_key, last_id};
use crate::store::records::Contact;
use crate::store::{Store, StoreError};

use super::ledger::{Gone, Name};
use super::records::{Ending, Erasure, Purge};
use super::{Pending, Retention, Whom};

/// Messages removed between two looks at the queue.
const PAGE: usize = 64;

/// What an erasure removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Messages that nobody has any more.
    pub messages: usize,
    /// Recipients who can no longer read a message.
    pub deliveries: usize,
    /// Contacts that no new mail finds any more.
    pub contacts: usize,
    /// Contacts that stay until mail is gone that came meanwhile.
    pub waiting: usize,
}

/// What a ledger removed from a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Recipients who can no longer read a message.
    pub deliveries: usize,
    /// Contacts.
    pub contacts: usize,
}

impl Retention {
    /// Erases all that is kept about an address (as [`crate::mail::Address::key`]). A caller that goes away before the end
    /// leaves the rest to the sweeper.
    ///
    /// # Errors
    /// When the store cannot; what was removed until then stays removed, the sweeper does the rest.
    pub async fn erase(&self, address: &str) -> Result<Erased, StoreError> {
        let inner = &self.store().inner;
        let hash = places::by_address_prefix(&inner.keys, address);
        let (as_recipient, as_sender) = places::contact_index_parts(&inner.keys, address);
        let mut draft = inner.draft();
        draft.put(places::erasure(&hash), &Erasure { as_recipient, as_sender, at: inner.clock.now() })?;
        let turn = self.inner.erasing.lock().await;
        let rest = Rest(Some(&self.inner.unfinished));
        draft.commit().await?;
        let erased = self.go_on(&hash, usize::MAX).await?;
        drop(turn);
        rest.done();
        Ok(erased)
    }

    /// Removes the contact that a sender has for a recipient (both as [`crate::mail::Address::key`]; the organisation's own has no sender),
    /// unless a message needs it: `Some(false)`. `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot; the sweeper does the rest.
    pub async fn withdraw_contact(&self, sender: &str, recipient: &str) -> Result<Option<bool>, StoreError> {
        let inner = &self.store().inner;
        let index = places::contact_index(&inner.keys, sender, recipient);
        let address = places::by_address_prefix(&inner.keys, recipient);
        let Some(found) = inner.read::<ContactId>(&index).await? else { return Ok(None) };
        if self.store().is_needed(found.record, &address).await? {
            return Ok(Some(false));
        }
        let pending = self.release_contact(index, &address, inner.clock.now()).await?;
        self.finish(pending.into_iter().collect()).await?;
        Ok(Some(true))
    }

    /// Goes on with an erasure, for so many messages at most.
    pub(super) async fn go_on(&self, address: &[u8; 32], most: usize) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        let place = places::erasure(address);
        let Some(asked) = self.store().inner.read::<Erasure>(&place).await? else { return Ok(erased) };
        let mut left = most;
        loop {
            let page = self.store().older(Space::ByAddress, address, asked.version, PAGE.min(left)).await?;
            if page.is_empty() {
                break;
            }
            left = left.saturating_sub(page.len());
            self.erase_messages(address, page, &mut erased).await?;
            if left == 0 {
                return Ok(erased);
            }
        }
        self.store().forget_origins(Some(address)).await?;
        let mut pending = Vec::new();
        for place in self.store().contact_places(&asked.record, asked.version).await? {
            pending.extend(self.release_contact(place, address, asked.record.at).await?);
        }
        erased.contacts = pending.len();
        erased.waiting = self.finish(pending).await?;
        self.step()?;
        let mut draft = self.store().inner.draft();
        // Asked for once more meanwhile: that one is another erasure.
        draft.unchanged(place.clone(), Some(&asked));
        draft.delete(place);
        draft.commit().await?;
        Ok(erased)
    }

    async fn erase_messages(&self, address: &[u8; 32], page: Vec<Key>, erased: &mut Erased) -> Result<(), StoreError> {
        let queued = self.store().queued().await?;
        let removals = self.remove_all(&page, Ending::Erased, Whom::Address(address), &queued).await;
        let mut pending = Vec::new();
        // Also when the message's own records are gone or say otherwise: nothing is found under this address any more.
        let mut draft = self.store().inner.draft();
        for (place, removed) in page.into_iter().zip(removals) {
            let removed = removed?;
            draft.delete(place);
            let Some(removed) = removed else { continue };
            erased.deliveries += removed.recipients;
            erased.messages += usize::from(removed.whole);
            pending.extend(removed.pending);
        }
        self.finish(pending).await?;
        self.step()?;
        draft.commit().await.map(drop)
    }

    /// Makes a contact unfindable for new mail, and notes that it is to go.
    async fn release_contact(
        &self,
        index: Key,
        address: &[u8; 32],
        at: Timestamp,
    ) -> Result<Option<Pending>, StoreError> {
        let inner = &self.store().inner;
        self.step()?;
        let contact = readable(inner.read::<ContactId>(&index).await)?;
        let place = places::purge(&random(&*inner.entropy));
        let mut draft = inner.draft();
        let purge = contact.map(|found| Purge::Contact { id: found.record, at, address: *address });
        draft.delete(index);
        if let Some(purge) = &purge {
            draft.put(place.clone(), purge)?;
        }
        draft.commit().await?;
        Ok(purge.map(|purge| (place, purge)))
    }

    /// Removes from the store, a backup that was put back, what a ledger says is gone.
    ///
    /// # Errors
    /// When the store cannot; applying the ledger again does the rest.
    pub async fn apply(&self, gone: &Gone) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        let keys = self.store().keys();
        let queued = self.store().queued().await?;
        let mut messages: BTreeMap<MessageId, BTreeSet<ConversationId>> = BTreeMap::new();
        for key in self.store().inner.engine.keys(Space::Delivery, &[], None, usize::MAX).await? {
            let (Some(id), Some(conversation)) = (key.first_chunk::<16>(), last_id(&key)) else { continue };
            let (id, conversation) = (MessageId(*id), ConversationId(conversation));
            if gone.entries.contains_key(&Name::Delivery(id, conversation).hash(keys)) {
                messages.entry(id).or_default().insert(conversation);
            }
        }
        for (id, conversations) in messages {
            let whom = Whom::Conversations(&conversations);
            let Some(removed) = self.remove(id, Ending::Recalled, whom, &queued).await? else { continue };
            applied.deliveries += removed.recipients;
            self.finish(removed.pending.into_iter().collect()).await?;
        }
        for key in self.store().inner.engine.keys(Space::Contact, &[], None, usize::MAX).await? {
            let Some(id) = last_id(&key).map(ContactId) else { continue };
            if gone.entries.contains_key(&Name::Contact(id).hash(keys)) {
                self.apply_contact(id).await?;
                applied.contacts += 1;
            }
        }
        // The ledger does not say whose address was erased.
        self.store().forget_origins(None).await?;
        Ok(applied)
    }

    async fn apply_contact(&self, id: ContactId) -> Result<(), StoreError> {
        let inner = &self.store().inner;
        let now = inner.clock.now();
        let found = readable(inner.read::<Contact>(&places::contact(id)).await)?;
        let Some(contact) = found.map(|found| found.record) else { return Ok(()) };
        let (sender, recipient) = (address_key(&contact.sender), address_key(&contact.address));
        let address = places::by_address_prefix(&inner.keys, &recipient);
        let index = places::contact_index(&inner.keys, &sender, &recipient);
        let pending = match readable(inner.read::<ContactId>(&index).await)? {
            Some(found) if found.record == id => self.release_contact(index, &address, now).await?,
            _ => {
                let place = places::purge(&random(&*inner.entropy));
                Some((place, Purge::Contact { id, at: now, address }))
            }
        };
        self.finish(pending.into_iter().collect()).await.map(drop)
    }
}

/// Calls the sweeper for what is left when an erasure fails or is left before its end.
struct Rest<'a>(Option<&'a Notify>);

impl Rest<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if let Some(unfinished) = self.0 {
            unfinished.notify_one();
        }
    }
}

impl Store {
    /// Up to `most` keys that begin with `prefix` and were written before commit `before`.
    async fn older(&self, space: Space, prefix: &[u8], before: u64, most: usize) -> Result<Vec<Key>, StoreError> {
        let mut found = Vec::new();
        for key in self.inner.keys_of(space, prefix, usize::MAX).await? {
            if found.len() == most {
                break;
            }
            if self.is_older(&key, before).await? {
                found.push(key);
            }
        }
        Ok(found)
    }

    async fn is_older(&self, key: &Key, before: u64) -> Result<bool, StoreError> {
        match self.inner.engine.get(key).await {
            Ok(found) => Ok(found.is_some_and(|found| found.version < before)),
            // Nobody can say; it leads nowhere either.
            Err(StoreError::Damaged(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Where the contacts are found that this address has or is.
    async fn contact_places(&self, asked: &Erasure, before: u64) -> Result<Vec<Key>, StoreError> {
        let mut places = self.older(Space::ContactIndex, &asked.as_recipient, before, usize::MAX).await?;
        let mut from = Vec::new();
        loop {
            let keys = self.inner.engine.keys(Space::ContactIndex, &from, None, 1024).await?;
            let Some(last) = keys.last() else { return Ok(places) };
            from = [last.as_slice(), &[0]].concat();
            for bytes in keys.into_iter().filter(|key| key.ends_with(&asked.as_sender)) {
                let key = Key { space: Space::ContactIndex, bytes };
                if self.is_older(&key, before).await? && !places.contains(&key) {
                    places.push(key);
                }
            }
        }
    }
}
