//! What goes and when: messages at their end, messages that are taken back, and all that is kept about one address.
//!
//! Every removal has two steps. The first is one durable commit: keys (locks, content keys, secrets of jobs), whose bytes the
//! engine overwrites before it answers, and with them every record that leads to them. What is still to be done stands in the
//! same commit as a *purge*. From here on nothing can be read, even if the process ends at this very moment. The second step
//! sees the purge through: body file, sessions, ledger, and at last its own record. It may be done any number of times, by
//! whoever comes first: the operation itself, or a later round of the sweeper.
//!
//! | file | owns |
//! |---|---|
//! | records | stubs, purges, erasures as stored |
//! | removal | what belongs to a message, and the batch that removes it |
//! | finish | seeing a purge through |
//! | erasure | all that is kept about one address |
//! | again | whose message it was, so that its recipient can ask for it again |
//! | sweep | rounds: what is over, what was left unfinished, what nothing names |
//! | ledger | the file of what must stay gone when a backup is put back |

pub(super) mod again;
mod erasure;
mod finish;
pub mod ledger;
pub(super) mod records;
mod removal;
mod seen;
mod sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::entropy::random;
use crate::base::{ConversationId, GrantId, MessageId, Timestamp};
use crate::seal::token::LinkToken;

use super::codec::{ATTEMPTS, busy, readable};
use super::engine::{Batch, Key, Space, Write};
use super::jobs::Queued;
use super::proof::{GrantView, SessionLimits};
use super::{Store, StoreError, places};
use ledger::Ledger;
use records::Purge;
use removal::{Removal, Terms, Whom};

pub use again::Again;
pub use erasure::{Applied, Erased};
pub use records::{Ending, Stub};
pub use sweep::Round;

/// How long things stay that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a link still tells that its message expired or was taken back.
    pub ended_links: Duration,
    /// The erasure ledger.
    pub ledger: PathBuf,
    /// After which sessions are over.
    pub sessions: SessionLimits,
}

/// Removes what is to go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Retention {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    settings: Settings,
    ledger: Ledger,
    cursor: Mutex<sweep::Cursor>,
    unfinished: Notify,
    /// What the engine could not overwrite yet, by the purge that waits for it. A start overwrites it, or says that it cannot.
    owed: Mutex<BTreeMap<Key, Vec<Key>>>,
    /// Held while an erasure runs, so that the sweeper does not run beside it.
    erasing: tokio::sync::Mutex<()>,
    #[cfg(test)]
    fuse: std::sync::atomic::AtomicUsize,
}

/// What a recall did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// It can no longer be read.
    Done {
        /// By so many recipients.
        recipients: usize,
        /// Nobody else has it.
        whole: bool,
        /// Nothing is left to do; else the sweeper does it.
        complete: bool,
    },
    /// It was gone before.
    Before {
        /// Why and since when.
        stub: Stub,
        /// Nothing of it is left; else the sweeper does the rest.
        complete: bool,
    },
    /// This address is no recipient of it (any more).
    NoRecipient,
    /// There is no such message.
    NoMessage,
}

/// Where a link leads.
#[derive(Debug, Clone)]
pub enum Link {
    /// To a message that can be read.
    Open(Box<GrantView>),
    /// To one that could.
    Ended(Ending),
    /// Nowhere.
    Unknown,
}

/// A purge as it lies in the store.
type Pending = (Key, Purge);

impl Retention {
    /// Over a store, with its ledger.
    #[must_use]
    pub fn new(store: Store, settings: Settings, ledger: Ledger) -> Self {
        let inner = Inner {
            store,
            settings,
            ledger,
            cursor: Mutex::default(),
            unfinished: Notify::new(),
            owed: Mutex::default(),
            erasing: tokio::sync::Mutex::default(),
            #[cfg(test)]
            fuse: std::sync::atomic::AtomicUsize::new(usize::MAX),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Takes a message back: from one recipient (as [`crate::mail::Address::key`]), or from all. A notice that still waits
    /// never leaves; one that is on its way at this moment may arrive, and its link says that the message was taken back.
    ///
    /// # Errors
    /// When the store cannot: the message can still be read then, unless the error is [`StoreError::Uncertain`].
    pub async fn recall(&self, id: MessageId, recipient: Option<&str>) -> Result<Recall, StoreError> {
        let hash = recipient.map(|address| places::by_address_prefix(self.store().keys(), address));
        let whom = hash.as_ref().map_or(Whom::Everybody, Whom::Recipient);
        let queued = self.store().queued().await?;
        let Some(removed) = self.remove(id, Ending::Recalled, whom, &queued).await? else {
            let Some(stub) = self.store().message_stub(id).await? else { return Ok(Recall::NoMessage) };
            return Ok(Recall::Before { stub, complete: !self.is_pending(id).await? });
        };
        let Some(pending) = removed.pending else { return Ok(Recall::NoRecipient) };
        let complete = self.complete(vec![pending]).await;
        Ok(Recall::Done { recipients: removed.recipients, whole: removed.whole, complete })
    }

    /// The first step for one message; `None` when there is none.
    async fn remove(
        &self,
        id: MessageId,
        why: Ending,
        whom: Whom<'_>,
        queued: &Queued,
    ) -> Result<Option<Removed>, StoreError> {
        let inner = &self.store().inner;
        for _ in 0..ATTEMPTS {
            let Some(removal) = Removal::of(self.store(), id, why, whom).await? else { return Ok(None) };
            let (recipients, whole) = (removal.recipients(), removal.whole());
            if recipients == 0 && !whole {
                return Ok(Some(Removed { recipients, whole, pending: None }));
            }
            self.step()?;
            let terms = Terms { now: inner.clock.now(), ended_links: self.inner.settings.ended_links };
            if removal.must_be_told(queued, terms.now) {
                self.remove_keys(&removal, terms.now).await?;
                return Ok(Some(Removed { recipients, whole, pending: None }));
            }
            let mut draft = inner.draft();
            let purge = removal.add_to(self.store(), &mut draft, queued, terms).await?;
            let place = places::purge(&random(&*inner.entropy));
            draft.put(place.clone(), &purge)?;
            let drafts = removal.draft_bytes();
            let noticed = move |inner: &super::Inner| {
                inner.purges.fetch_add(1, Ordering::SeqCst);
                inner.desk.take(drafts);
            };
            let batch = draft.into_batch();
            let erasable = erasable(&batch);
            match self.store().commit_then(batch, noticed).await {
                Ok(true) => {}
                Ok(false) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(StoreError::NotErased(cause)) => self.owe(&place, erasable, &cause),
                Err(error) => return Err(error),
            }
            return Ok(Some(Removed { recipients, whole, pending: Some((place, purge)) }));
        }
        Err(busy())
    }

    /// Notes what could not be overwritten: the purge waits for it.
    fn owe(&self, purge: &Key, keys: Vec<Key>, cause: &str) {
        tracing::error!(%cause, "removed, but the keys are still on disk until their segment is gone; it is tried again");
        self.inner.owed.lock().unwrap_or_else(PoisonError::into_inner).insert(purge.clone(), keys);
        self.inner.unfinished.notify_one();
    }

    /// Whether everything of a purge is overwritten: asked by deleting it once more.
    async fn is_erased(&self, purge: &Key) -> Result<bool, StoreError> {
        let owed = self.inner.owed.lock().unwrap_or_else(PoisonError::into_inner).get(purge).cloned();
        let Some(owed) = owed else { return Ok(true) };
        let mut draft = self.store().inner.draft();
        for key in owed {
            draft.delete(key);
        }
        match draft.commit().await {
            Ok(_) => {
                self.inner.owed.lock().unwrap_or_else(PoisonError::into_inner).remove(purge);
                Ok(true)
            }
            Err(StoreError::NotErased(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a message unreadable whose records are still needed for a while.
    async fn remove_keys(&self, removal: &Removal, now: Timestamp) -> Result<(), StoreError> {
        let mut draft = self.store().inner.draft();
        removal.add_keys_to(&mut draft, now)?;
        let noticed = |inner: &super::Inner| {
            inner.purges.fetch_add(1, Ordering::SeqCst);
        };
        match self.store().commit_then(draft.into_batch(), noticed).await {
            // The keys are deleted again with the rest, and that waits until they are overwritten.
            Ok(_) | Err(StoreError::NotErased(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same for the messages that these places of the index by address or by expiry name. All together: their commits share
    /// one sync.
    async fn remove_all(
        &self,
        places: &[Key],
        why: Ending,
        whom: Whom<'_>,
        queued: &Queued,
    ) -> Vec<Result<Option<Removed>, StoreError>> {
        let mut removals = Vec::with_capacity(places.len());
        for place in places {
            let id = places::last_id(&place.bytes).map(MessageId);
            removals.push(async move {
                match id {
                    Some(id) => self.remove(id, why, whom, queued).await,
                    None => Ok(None),
                }
            });
        }
        futures_util::future::join_all(removals).await
    }

    /// The second step, now; `false` when it is left to the sweeper.
    async fn complete(&self, pending: Vec<Pending>) -> bool {
        match self.finish(pending).await {
            Ok(0) => true,
            Ok(_) => false,
            Err(cause) => {
                tracing::warn!(%cause, "a removal is not complete yet; it is seen through later");
                self.inner.unfinished.notify_one();
                false
            }
        }
    }

    /// Whether something of a message that is gone is still to be seen through.
    async fn is_pending(&self, message: MessageId) -> Result<bool, StoreError> {
        for place in self.store().inner.keys_of(Space::Purge, &[], usize::MAX).await? {
            let purge = readable(self.store().inner.read::<Purge>(&place).await)?;
            if purge.is_some_and(|found| matches!(found.record, Purge::Message { id, .. } if id == message)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Resolves when a removal was left unfinished. For one waiter.
    pub async fn unfinished(&self) {
        self.inner.unfinished.notified().await;
    }

    /// Between two steps: here tests end the process.
    #[cfg_attr(not(test), expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests end here"))]
    fn step(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        {
            let burn = |left: usize| Some(left.saturating_sub(1));
            if self.inner.fuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, burn) == Ok(0) {
                return Err(StoreError::NotReady("the test ends here".to_owned()));
            }
        }
        Ok(())
    }

    /// So many steps from now on; then every further one fails.
    #[cfg(test)]
    pub(super) fn ends_after(&self, steps: usize) {
        self.inner.fuse.store(steps, Ordering::SeqCst);
    }

    /// Its ledger.
    #[cfg(test)]
    pub(super) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }
}

/// Removes a message after something else came in between; whether that counted.
#[cfg(test)]
pub(super) async fn overtaken(retention: &Retention, id: MessageId, meanwhile: impl Future<Output = ()>) -> bool {
    let store = retention.store();
    let removal = Removal::of(store, id, Ending::Recalled, Whom::Everybody).await.unwrap().unwrap();
    meanwhile.await;
    let terms = Terms { now: store.inner.clock.now(), ended_links: retention.inner.settings.ended_links };
    let mut draft = store.inner.draft();
    removal.add_to(store, &mut draft, &Queued::default(), terms).await.unwrap();
    let by_keys = {
        let mut draft = store.inner.draft();
        removal.add_keys_to(&mut draft, terms.now).unwrap();
        draft.commit().await.unwrap()
    };
    draft.commit().await.unwrap() || by_keys
}

/// What a batch deletes that the engine is to overwrite.
fn erasable(batch: &Batch) -> Vec<Key> {
    let deleted = batch.writes.iter().filter_map(|write| match write {
        Write::Delete(key) if key.space.erasable() => Some(key.clone()),
        _ => None,
    });
    deleted.collect()
}

/// What the first step removed.
struct Removed {
    recipients: usize,
    whole: bool,
    pending: Option<Pending>,
}

impl Store {
    /// Where a link leads now. Changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or a record behind the link is damaged.
    pub async fn link(&self, token: &LinkToken) -> Result<Link, StoreError> {
        let inner = &self.inner;
        let index = places::grant_index(&token.hash(&inner.keys));
        let Some(found) = inner.read::<GrantId>(&index).await? else { return Ok(Link::Unknown) };
        // The grant first: who takes the message back puts the stub in its place at the same moment.
        if let Some(view) = self.grant_by_id(found.record).await? {
            let open = view.grant.expires > inner.clock.now();
            return Ok(if open { Link::Open(Box::new(view)) } else { Link::Ended(Ending::Expired) });
        }
        let stub = inner.read::<Stub>(&places::stub(found.record.as_bytes())).await?;
        let stub = stub.filter(|stub| stub.record.until > inner.clock.now());
        Ok(stub.map_or(Link::Unknown, |stub| Link::Ended(stub.record.why)))
    }

    /// What became of a message that is gone, as long as that is known.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn message_stub(&self, id: MessageId) -> Result<Option<Stub>, StoreError> {
        let stub = self.inner.read::<Stub>(&places::stub(id.as_bytes())).await?;
        Ok(stub.map(|stub| stub.record).filter(|stub| stub.until > self.inner.clock.now()))
    }

    /// A number that changes with every removal: who read a message before it changed asks [`is_kept`](Self::is_kept) again.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.inner.purges.load(Ordering::SeqCst)
    }

    /// Whether a message is still there for a conversation.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_kept(&self, conversation: ConversationId, id: MessageId) -> Result<bool, StoreError> {
        Ok(self.inner.engine.get(&places::content_key(conversation, id)).await?.is_some())
    }
}
