//! Seeing a purge through: body file, sessions, contacts that nothing needs, ledger; its own record last.

use std::collections::BTreeSet;

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::store::codec::{ATTEMPTS, applied, busy, readable};
use crate::store::engine::{Key, Space};
use crate::store::jobs::Queued;
use crate::store::places::{self, last_id};
use crate::store::plan::Plan;
use crate::store::records::{Conversation, Subject};
use crate::store::{Store, StoreError};

use super::ledger::{Entry, Name};
use super::records::{Ending, Purge};
use super::{Pending, Retention, erasable};

/// Spaces whose keys begin with a contact's id: they go with it.
pub(super) const OF_CONTACT: [Space; 5] =
    [Space::Verifier, Space::ContactKey, Space::Phone, Space::Contact, Space::ContactTries];

/// Keys read at a time.
const PAGE: usize = 256;

impl Retention {
    /// Sees purges through; returns how many still wait for mail that needs what is to go.
    pub(super) async fn finish(&self, pending: Vec<Pending>) -> Result<usize, StoreError> {
        if pending.is_empty() {
            return Ok(0);
        }
        let mut grants = BTreeSet::new();
        for (_, purge) in &pending {
            let Purge::Message { id, whole, grants: ended, pieces, .. } = purge else { continue };
            grants.extend(ended.iter().copied());
            if *whole {
                self.step()?;
                self.store().inner.engine.remove_body(*id).await?;
            }
            if let Some(pieces) = pieces {
                self.store().remove_bodies_of(pieces).await?;
            }
        }
        self.step()?;
        self.store().end_sessions_of(&grants).await?;
        let contacts = pending.iter().any(|(_, purge)| matches!(purge, Purge::Contact { .. }));
        let queued = if contacts { self.store().queued().await? } else { Queued::new() };
        let (mut done, mut waiting) = (Vec::new(), 0);
        for (place, purge) in pending {
            if let Purge::Contact { id, address, .. } = &purge
                && !self.remove_contact(&place, *id, address, &queued).await?
            {
                waiting += 1;
                continue;
            }
            if !self.is_erased(&place).await? {
                waiting += 1;
                continue;
            }
            done.push((place, purge));
        }
        self.step()?;
        let entries: Vec<Entry> = done.iter().flat_map(|(_, purge)| self.entries(purge)).collect();
        let seen = self.seen_with(entries.len() as u64).await?;
        self.inner.ledger.append(entries).await?;
        self.step()?;
        let mut draft = self.store().inner.draft();
        if let Some(seen) = seen {
            draft.put(places::ledger(), &seen)?;
        }
        for (place, _) in done {
            draft.delete(place);
        }
        draft.commit().await?;
        Ok(waiting)
    }

    /// What the ledger says of a purge. What expired says so itself.
    fn entries(&self, purge: &Purge) -> Vec<Entry> {
        let entry = |name: Name, at: &Timestamp, until: Timestamp| Entry {
            at: *at,
            until,
            hash: name.hash(self.store().keys()),
        };
        match purge {
            Purge::Message { why: Ending::Expired, .. } => Vec::new(),
            Purge::Message { id, at, until, conversations, .. } => {
                conversations.iter().map(|one| entry(Name::Delivery(*id, *one), at, *until)).collect()
            }
            Purge::Contact { id, at, .. } => vec![entry(Name::Contact(*id), at, Timestamp(u64::MAX))],
        }
    }

    /// Removes a contact that no new mail finds any more; `false` while a message needs it.
    async fn remove_contact(
        &self,
        purge: &Key,
        id: ContactId,
        address: &[u8; 32],
        queued: &Queued,
    ) -> Result<bool, StoreError> {
        if self.store().is_needed(id, address).await? {
            return Ok(false);
        }
        for _ in 0..ATTEMPTS {
            self.step()?;
            let mut draft = self.store().inner.draft();
            for space in OF_CONTACT {
                let keys = self.store().inner.keys_of(space, id.as_bytes(), usize::MAX).await?;
                for place in keys {
                    draft.delete(place);
                }
            }
            for job in queued.get(&Subject::Contact(id)).into_iter().flatten() {
                self.store().withdraw_job(&mut draft, job.id).await?;
            }
            let batch = draft.into_batch();
            let erasable = erasable(&batch);
            match applied(self.store().inner.engine.commit(batch).await) {
                Ok(true) => return Ok(true),
                Ok(false) => tokio::task::yield_now().await,
                Err(StoreError::NotErased(cause)) => {
                    self.owe(purge, erasable, &cause);
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }
}

impl Store {
    /// Ends and removes every session that came through one of these links.
    pub(super) async fn end_sessions_of(&self, grants: &BTreeSet<GrantId>) -> Result<(), StoreError> {
        if grants.is_empty() {
            return Ok(());
        }
        let mut from = Vec::new();
        loop {
            let cookies = self.inner.engine.keys(Space::Session, &from, None, PAGE).await?;
            let Some(last) = cookies.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
            for cookie in cookies.into_iter().filter_map(|key| <[u8; 32]>::try_from(key).ok()) {
                if self.session_grant(&cookie).await?.is_some_and(|grant| grants.contains(&grant)) {
                    self.end_session(&cookie).await?;
                }
            }
        }
    }

    /// Whether a message found under `address`, or one that is prepared, needs a contact.
    pub(super) async fn is_needed(&self, contact: ContactId, address: &[u8; 32]) -> Result<bool, StoreError> {
        let inner = &self.inner;
        for key in inner.keys_of(Space::ByAddress, address, usize::MAX).await? {
            let Some(message) = last_id(&key.bytes).map(MessageId) else { continue };
            for delivery in inner.keys_of(Space::Delivery, message.as_bytes(), usize::MAX).await? {
                let Some(conversation) = last_id(&delivery.bytes).map(ConversationId) else { continue };
                let place = places::conversation(conversation);
                let found = readable(inner.read::<Conversation>(&place).await)?;
                if found.is_some_and(|found| found.record.contact == contact) {
                    return Ok(true);
                }
            }
        }
        for bytes in inner.engine.keys(Space::Prepared, &[], None, usize::MAX).await? {
            let plan = readable(inner.read::<Plan>(&Key { space: Space::Prepared, bytes }).await)?;
            let mut planned = plan.iter().flat_map(|plan| &plan.record.deliveries);
            if planned.any(|delivery| delivery.conversation.contact == contact) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Store {
    /// Where a link of release 0.1.0 is found, whose grant does not tell it.
    pub(super) async fn link_of(&self, grant: GrantId) -> Result<Option<[u8; 32]>, StoreError> {
        let mut from = Vec::new();
        loop {
            let keys = self.inner.engine.keys(Space::GrantIndex, &from, None, PAGE).await?;
            let Some(last) = keys.last() else { return Ok(None) };
            from = [last.as_slice(), &[0]].concat();
            for bytes in keys {
                let place = Key { space: Space::GrantIndex, bytes };
                let named = readable(self.inner.read::<GrantId>(&place).await)?;
                if named.is_some_and(|named| named.record == grant) {
                    return Ok(place.bytes.try_into().ok());
                }
            }
        }
    }
}
