//! Rounds of the sweeper: what is over goes, what was left unfinished is seen through, what nothing names any more is collected.
//!
//! A round does a bounded piece of each and says when the next one is due, so that neither a million messages that end on one day
//! nor a disk that fails keeps anything else waiting.

use std::sync::PoisonError;
use std::time::Duration;

use crate::base::{ContactId, GrantId, MessageId, Timestamp};
use crate::store::codec::readable;
use crate::store::engine::{Key, Space};
use crate::store::intake::Prepared;
use crate::store::places::{self, due_of, last_id};
use crate::store::plan::{Plan, Taken};
use crate::store::{Store, StoreError};

use super::records::{Ending, Purge, Stub};
use super::{Retention, Whom};

/// Messages and stubs of one round, each.
const MOST: usize = 64;

/// Unfinished removals that one round looks at: few, but those that wait for other mail must not hide the rest.
const MOST_LEFT: usize = 1024;

/// Records that are looked at in one round for whether anything still names them.
const LOOKED_AT: usize = 256;

/// What is collected, in turn.
const COLLECTED: [Space; 7] = [
    Space::Session,
    Space::Repeat,
    Space::GrantTries,
    Space::ContactTries,
    Space::Prepared,
    Space::Challenge,
    Space::Sent,
];

/// From the end of one collection to the next.
const COLLECT_EVERY: Duration = Duration::from_hours(1);

/// A prepared message older than this has no transaction any more that could commit it.
const PREPARED_STAYS: Duration = Duration::from_hours(24);

/// How long something unfinished waits for its next turn.
const AGAIN: Duration = Duration::from_mins(1);

/// How far the collection is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    space: usize,
    from: Vec<u8>,
    next: Timestamp,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Messages whose time was over.
    pub expired: usize,
    /// Removals that had been left unfinished, and erasures that went on.
    pub finished: usize,
    /// Stubs whose time was over.
    pub stubs: usize,
    /// Sessions, counts, repeats, prepared messages and drafts that nothing needs any more.
    pub collected: usize,
    /// When the next round is due; `None` when nothing lies ahead.
    pub next: Option<Timestamp>,
}

impl Retention {
    /// One round. A part that fails keeps no other part from its turn, and is tried again in the next round.
    ///
    /// # Errors
    /// The first failure, after everything else was done.
    pub async fn round(&self) -> Result<Round, StoreError> {
        let now = self.store().inner.clock.now();
        let mut failed = None;
        let mut part = |result: Result<usize, StoreError>| {
            result.unwrap_or_else(|cause| {
                failed.get_or_insert(cause);
                0
            })
        };
        let expired = part(self.expire(now).await);
        let finished = part(self.finish_left().await) + part(self.go_on_erasing().await);
        let stubs = part(self.drop_stubs(now).await);
        let collected = part(self.collect(now).await) + part(self.end_drafts(now).await);
        match failed {
            Some(cause) => Err(cause),
            None => Ok(Round { expired, finished, stubs, collected, next: self.next(now).await? }),
        }
    }

    /// Messages whose time is over.
    async fn expire(&self, now: Timestamp) -> Result<usize, StoreError> {
        let over = self.store().due(Space::Expiry, now).await?;
        if over.is_empty() {
            return Ok(0);
        }
        let queued = self.store().queued().await?;
        let removals = self.remove_all(&over, Ending::Expired, Whom::Everybody, &queued).await;
        let (mut pending, mut failed, mut expired) = (Vec::new(), None, 0);
        let mut draft = self.store().inner.draft();
        for (place, removed) in over.into_iter().zip(removals) {
            match removed {
                Ok(removed) => {
                    // Its own record may be damaged or gone: the place that was due is done with.
                    draft.delete(place);
                    expired += 1;
                    pending.extend(removed.and_then(|removed| removed.pending));
                }
                Err(cause) => failed = Some(cause),
            }
        }
        self.finish(pending).await?;
        draft.commit().await?;
        failed.map_or(Ok(expired), Err)
    }

    /// Purges that an operation, or the process before, did not see through.
    async fn finish_left(&self) -> Result<usize, StoreError> {
        let mut finished = 0;
        let mut failed = None;
        for place in self.store().inner.keys_of(Space::Purge, &[], MOST_LEFT).await? {
            let Some(purge) = readable(self.store().inner.read::<Purge>(&place).await)? else { continue };
            match self.finish(vec![(place, purge.record)]).await {
                Ok(waiting) => finished += 1 - waiting.min(1),
                Err(cause) => failed = Some(cause),
            }
        }
        failed.map_or(Ok(finished), Err)
    }

    async fn go_on_erasing(&self) -> Result<usize, StoreError> {
        // One that an operator asked for runs right now: it does what there is to do.
        let Ok(_turn) = self.inner.erasing.try_lock() else { return Ok(0) };
        let mut gone = 0;
        for place in self.store().inner.keys_of(Space::Erasure, &[], MOST).await? {
            let Ok(address) = <[u8; 32]>::try_from(place.bytes) else { continue };
            let erased = self.go_on(&address, MOST).await?;
            gone += erased.deliveries + erased.contacts;
        }
        Ok(gone)
    }

    /// Stubs whose time is over, with their links.
    async fn drop_stubs(&self, now: Timestamp) -> Result<usize, StoreError> {
        let over = self.store().due(Space::StubEnd, now).await?;
        let mut draft = self.store().inner.draft();
        let mut dropped = 0;
        for place in over {
            if let Some(id) = last_id(&place.bytes) {
                let stub = readable(self.store().inner.read::<Stub>(&places::stub(&id)).await)?;
                for link in stub.iter().flat_map(|stub| stub.record.links()) {
                    draft.delete(places::grant_index(&link));
                }
                draft.delete(places::stub(&id));
            }
            draft.delete(place);
            dropped += 1;
        }
        if dropped > 0 {
            draft.commit().await?;
        }
        Ok(dropped)
    }

    /// Drafts whose time is over.
    async fn end_drafts(&self, now: Timestamp) -> Result<usize, StoreError> {
        let over = self.store().due(Space::AnswerEnd, now).await?;
        self.store().end_drafts(over).await
    }

    /// The next stretch of the collection, if it is due.
    async fn collect(&self, now: Timestamp) -> Result<usize, StoreError> {
        let (space, from) = {
            let cursor = self.inner.cursor.lock().unwrap_or_else(PoisonError::into_inner);
            if now < cursor.next {
                return Ok(0);
            }
            (COLLECTED.get(cursor.space).copied().unwrap_or(Space::Session), cursor.from.clone())
        };
        let keys = self.store().inner.engine.keys(space, &from, None, LOOKED_AT).await?;
        let last = keys.last().cloned();
        let mut collected = 0;
        for bytes in keys {
            collected += usize::from(self.collect_one(Key { space, bytes }, now).await?);
        }
        let mut cursor = self.inner.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.from = last.map(|last| [last.as_slice(), &[0]].concat()).unwrap_or_default();
        if cursor.from.is_empty() {
            cursor.space += 1;
            if cursor.space == COLLECTED.len() {
                *cursor = Cursor { next: now + COLLECT_EVERY, ..Cursor::default() };
            }
        }
        Ok(collected)
    }

    /// Removes one record if nothing needs it.
    async fn collect_one(&self, place: Key, now: Timestamp) -> Result<bool, StoreError> {
        let store = self.store();
        let inner = &store.inner;
        let stale = match place.space {
            Space::Session => {
                let Ok(cookie) = <[u8; 32]>::try_from(place.bytes.as_slice()) else { return Ok(false) };
                return store.end_if_over(&cookie, &self.inner.settings.sessions, now).await;
            }
            Space::Repeat => readable(inner.read::<Taken>(&place).await)?.is_some_and(|found| found.record.is_old(now)),
            Space::GrantTries => match last_id(&place.bytes) {
                Some(id) => inner.engine.get(&places::grant(GrantId(id))).await?.is_none(),
                None => false,
            },
            Space::ContactTries => match last_id(&place.bytes) {
                Some(id) => inner.engine.get(&places::contact(ContactId(id))).await?.is_none(),
                None => false,
            },
            Space::Challenge | Space::Sent => store.is_over(&place, now).await?,
            _ => return store.drop_if_left(&place, now).await,
        };
        if !stale {
            return Ok(false);
        }
        let Some(found) = inner.engine.get(&place).await? else { return Ok(false) };
        let mut draft = inner.draft();
        draft.unchanged(place.clone(), Some(&crate::store::codec::Found { record: (), version: found.version }));
        draft.delete(place);
        draft.commit().await
    }

    /// When something is due next.
    async fn next(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let inner = &self.store().inner;
        let mut next = None;
        let mut at = |moment: Option<Timestamp>| {
            next = [next, moment].into_iter().flatten().min();
        };
        for space in [Space::Expiry, Space::StubEnd, Space::AnswerEnd] {
            at(inner.engine.keys(space, &[], None, 1).await?.first().and_then(|key| due_of(key)));
        }
        for space in [Space::Purge, Space::Erasure] {
            at(inner.engine.keys(space, &[], None, 1).await?.first().map(|_| now + AGAIN));
        }
        at(Some(self.inner.cursor.lock().unwrap_or_else(PoisonError::into_inner).next));
        Ok(next)
    }
}

impl Store {
    /// The first keys of a space whose time has come.
    async fn due(&self, space: Space, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        let to = (now + Duration::from_millis(1)).millis().to_be_bytes();
        let keys = self.inner.engine.keys(space, &[], Some(&to), MOST).await?;
        Ok(keys.into_iter().map(|bytes| Key { space, bytes }).collect())
    }

    /// Drops a prepared message that was left behind.
    async fn drop_if_left(&self, place: &Key, now: Timestamp) -> Result<bool, StoreError> {
        let Some(plan) = readable(self.inner.read::<Plan>(place).await)? else { return Ok(false) };
        let Some(id) = last_id(&place.bytes).map(MessageId) else { return Ok(false) };
        if now.since(plan.record.message.received) < PREPARED_STAYS {
            return Ok(false);
        }
        self.drop_prepared(Prepared { id }).await?;
        Ok(true)
    }
}
