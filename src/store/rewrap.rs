//! After a change of keys: every lock under the active root key, and one for the recovery key in use, step by step.
//!
//! Each step is one commit that holds the new locks and how far it came, so a step happens wholly or not at all and the next
//! start goes on where this one ended. A lock is replaced only if it is still the one that was read: what is erased meanwhile
//! stays erased. Bodies and content keys are not touched. Strict locks hang on no root key and get no recovery lock.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::base::ConversationId;
use crate::seal::lock::{ConversationKey, locked_under};
use crate::seal::recovery::{RecoveryId, locked_for};

use super::codec::{ATTEMPTS, Draft, Found, busy, damaged};
use super::engine::{Key, Space};
use super::plan::Plan;
use super::root::Wrapping;
use super::{Inner, Store, StoreError, places};

/// Locks in one step at most.
const STEP: usize = 64;
/// Bytes of the key of an assisted or recovery lock: conversation and number. Keys of other kinds are longer.
const OURS: usize = 16 + 4;

/// How far keys were wrapped anew, for which keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rewrap {
    /// The root key that everything shall stand under.
    #[n(0)]
    pub root: u32,
    /// The recovery key that everything shall have a lock for.
    #[cbor(n(1), with = "minicbor::bytes")]
    recovery: Option<[u8; 8]>,
    /// The last lock that was looked at.
    #[cbor(n(2), with = "minicbor::bytes")]
    after: Option<Vec<u8>>,
    /// Nothing is left to do.
    #[n(3)]
    pub done: bool,
    /// Locks looked at.
    #[n(4)]
    pub seen: u64,
    /// Locks made anew, added or removed.
    #[n(5)]
    pub changed: u64,
    /// Locks that do not open; they were left as they are.
    #[n(6)]
    pub failed: u64,
}

impl Rewrap {
    const fn start(root: u32, recovery: Option<[u8; 8]>) -> Self {
        Self { root, recovery, after: None, done: false, seen: 0, changed: 0, failed: 0 }
    }
}

/// What hangs on which key, over some of the locks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// Assisted locks by root key, those of prepared messages among them.
    pub locks: BTreeMap<u32, u64>,
    /// Locks of prepared messages by root key; counted with the first page.
    pub prepared: BTreeMap<u32, u64>,
    /// Recovery locks.
    pub recovery: u64,
    /// Locks of other kinds.
    pub other: u64,
    /// Locks that cannot be read.
    pub damaged: u64,
    /// From where to count on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl Store {
    /// How far it came for the keys in use; `None` when nothing was done for them yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rewrap_state(&self) -> Result<Option<Rewrap>, StoreError> {
        Ok(self.inner.rewrap_found().await?.and_then(|(_, work)| work))
    }

    /// Looks at every lock once more from the beginning, unless that is under way.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn restart_rewrap(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        let Some(found) = inner.read::<Rewrap>(&places::rewrap()).await?.filter(|found| found.record.done) else {
            return Ok(());
        };
        let mut draft = inner.draft();
        draft.unchanged(places::rewrap(), Some(&found));
        draft.delete(places::rewrap());
        // Not applied: another one restarted it.
        draft.commit().await?;
        Ok(())
    }

    /// Does some of it. To be called until it is [`done`](Rewrap::done); then it costs one read.
    ///
    /// # Errors
    /// When the store cannot be read or written: to be called again later.
    pub async fn rewrap_step(&self) -> Result<Rewrap, StoreError> {
        for _ in 0..ATTEMPTS {
            // A change of keys waits for this step, so that no step works for keys that are no longer in use.
            let keys = self.inner.keyring.wrapping().await;
            if let Some(work) = self.try_step(&keys).await? {
                return Ok(work);
            }
        }
        Err(busy())
    }

    /// `None` when a lock changed meanwhile.
    async fn try_step(&self, keys: &Wrapping) -> Result<Option<Rewrap>, StoreError> {
        let inner = &self.inner;
        let (found, work) = inner.rewrap_found().await?.unzip();
        let mut work = match work.flatten() {
            Some(work) if work.done => return Ok(Some(work)),
            Some(work) => work,
            None => {
                self.rewrap_secret().await?;
                Rewrap::start(keys.ring.active(), keys.recovery.as_ref().map(|key| key.id().0))
            }
        };
        let from = work.after.as_ref().map_or_else(Vec::new, |last| [last.as_slice(), &[0]].concat());
        let locks = inner.engine.keys(Space::Lock, &from, None, STEP).await?;
        let mut draft = inner.draft();
        draft.unchanged(places::rewrap(), found.as_ref());
        for bytes in &locks {
            inner.rewrap_lock(&Key { space: Space::Lock, bytes: bytes.clone() }, keys, &mut draft, &mut work).await?;
        }
        if let Some(last) = locks.last() {
            work.after = Some(last.clone());
        } else {
            work.done = true;
            inner.remove_other_recovery(work.recovery.map(RecoveryId), &mut draft).await?;
        }
        draft.put(places::rewrap(), &work)?;
        Ok(draft.commit().await?.then_some(work))
    }

    /// Counts up to `limit` locks, from `after` of an earlier call on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn key_use(&self, after: Option<&[u8]>, limit: usize) -> Result<KeyUse, StoreError> {
        let inner = &self.inner;
        let mut counted = KeyUse::default();
        let from = after.map_or_else(Vec::new, |last| [last, &[0]].concat());
        let keys = inner.engine.keys(Space::Lock, &from, None, limit).await?;
        counted.next = keys.last().filter(|_| keys.len() == limit).cloned();
        for bytes in keys {
            if bytes.len() != OURS {
                counted.other += 1;
                continue;
            }
            counted.add(inner.read::<ByteVec>(&Key { space: Space::Lock, bytes }).await)?;
        }
        if after.is_none() {
            counted.prepared = inner.prepared_locks().await?;
        }
        Ok(counted)
    }
}

impl KeyUse {
    fn add(&mut self, read: Result<Option<Found<ByteVec>>, StoreError>) -> Result<(), StoreError> {
        let lock = match read {
            // Removed since it was listed.
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found.record,
            Err(StoreError::Damaged(_)) => {
                self.damaged += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match (locked_under(&lock), locked_for(&lock)) {
            (Ok(Some(root)), _) => *self.locks.entry(root).or_default() += 1,
            (Err(_), _) | (_, Err(_)) => self.damaged += 1,
            (_, Ok(Some(_))) => self.recovery += 1,
            (Ok(None), Ok(None)) => self.other += 1,
        }
        Ok(())
    }

    /// Adds a later page.
    pub fn extend(&mut self, later: Self) {
        for (root, count) in later.locks {
            *self.locks.entry(root).or_default() += count;
        }
        self.recovery += later.recovery;
        self.other += later.other;
        self.damaged += later.damaged;
        self.next = later.next;
    }
}

impl Inner {
    /// The note of how far it came, with the same again when it is about the keys in use.
    async fn rewrap_found(&self) -> Result<Option<(Found<Rewrap>, Option<Rewrap>)>, StoreError> {
        let Some(found) = self.read::<Rewrap>(&places::rewrap()).await? else { return Ok(None) };
        let root = self.keyring.ring().active();
        let recovery = self.keyring.recovery().map(|key| key.id().0);
        let current = (found.record.root, found.record.recovery) == (root, recovery);
        let work = current.then(|| found.record.clone());
        Ok(Some((found, work)))
    }

    /// Brings one lock to the keys in use.
    async fn rewrap_lock(
        &self,
        place: &Key,
        keys: &Wrapping,
        draft: &mut Draft<'_>,
        work: &mut Rewrap,
    ) -> Result<(), StoreError> {
        if place.bytes.len() != OURS {
            return Ok(());
        }
        work.seen += 1;
        let done = match self.read::<ByteVec>(place).await {
            Ok(None) => Ok(0),
            Ok(Some(found)) => self.renew(place, &found, keys, draft).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(changed) => work.changed += changed,
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "a lock cannot be wrapped anew; it is left as it is");
                work.failed += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns how many locks it changed.
    pub(super) async fn renew(
        &self,
        place: &Key,
        found: &Found<ByteVec>,
        keys: &Wrapping,
        draft: &mut Draft<'_>,
    ) -> Result<u64, StoreError> {
        let broken = |cause| damaged(place, cause);
        let wanted = keys.recovery.as_ref().map(|key| key.id());
        if locked_for(&found.record).map_err(broken)?.is_some() {
            // One for another recovery key is replaced with its assisted lock, which comes before it.
            let stale = wanted.is_none();
            if stale {
                draft.unchanged(place.clone(), Some(found));
                draft.delete(place.clone());
            }
            return Ok(u64::from(stale));
        }
        let (Some(root), Some(id)) = (locked_under(&found.record).map_err(broken)?, place.bytes.first_chunk::<16>())
        else {
            return Ok(0);
        };
        let conversation = ConversationId(*id);
        let recovery_place = places::recovery_lock(conversation);
        let recovery = self.read::<ByteVec>(&recovery_place).await?;
        let has = recovery.as_ref().and_then(|found| locked_for(&found.record).ok().flatten());
        let rewrap = root != keys.ring.active();
        let add = wanted.is_some() && has != wanted;
        if !rewrap && !add {
            return Ok(0);
        }
        let key = ConversationKey::open_assisted(&keys.ring, conversation, &found.record).map_err(broken)?;
        draft.unchanged(place.clone(), Some(found));
        if rewrap {
            let lock = key.lock_assisted(&keys.ring, conversation, &*self.entropy);
            draft.put(place.clone(), &ByteVec::from(lock))?;
        }
        if let (Some(public), true) = (&keys.recovery, add) {
            draft.unchanged(recovery_place.clone(), recovery.as_ref());
            let lock = public.lock(&key, conversation, &*self.entropy);
            draft.put(recovery_place, &ByteVec::from(lock))?;
        }
        Ok(u64::from(rewrap) + u64::from(add))
    }

    /// What was sealed to recovery keys that are no longer in use.
    async fn remove_other_recovery(&self, kept: Option<RecoveryId>, draft: &mut Draft<'_>) -> Result<(), StoreError> {
        let kept = kept.map(places::recovery);
        for place in self.keys_of(Space::Recovery, &[], usize::MAX).await? {
            if Some(&place) != kept.as_ref() {
                draft.delete(place);
            }
        }
        Ok(())
    }

    /// Locks of prepared messages by root key.
    async fn prepared_locks(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut counted = KeyUse::default();
        for place in self.keys_of(Space::Prepared, &[], usize::MAX).await? {
            let plan = super::codec::readable(self.read::<Plan>(&place).await)?;
            for delivery in plan.iter().flat_map(|found| &found.record.deliveries) {
                counted.add(self.read(&places::assisted_lock(delivery.conversation_id)).await)?;
            }
        }
        Ok(counted.locks)
    }
}
