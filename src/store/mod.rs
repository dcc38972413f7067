//! Everything that is kept: sealed messages, answers, conversations, contacts, grants, sessions and jobs.
//!
//! The store offers the gateway's operations, written once over a small private engine: ordered key-value spaces with `get`,
//! `scan` and one atomic, durable `commit` with preconditions. Engines: `local` (journal on disk, and an index made from it) and
//! `memory` (the model that the contract tests compare with). Every record is encrypted before an engine sees it, and looked
//! up by keyed hashes or random ids: the data folder alone shows no address, subject, name or number.
//!
//! An operation that returns `Ok` is past fdatasync, and what it replaced or removed in an erasable space is overwritten. One
//! that returns an error has changed nothing, or, for [`StoreError::Uncertain`], may have: callers answer 4xx. After
//! [`StoreError::NotErased`] it has, and only the erasing is still to come.

pub mod answers;
pub mod archive;
pub mod backup;
mod bounces;
pub mod challenge;
pub mod check;
mod codec;
pub mod codes;
pub mod contacts;
pub mod conversation;
pub mod dispatch;
#[doc(hidden)] // public for benchmarks only
pub mod engine;
mod fresh;
mod held;
pub mod intake;
pub mod jobs;
mod leases;
pub mod look;
mod migrate;
pub mod open;
mod phone;
mod places;
mod plan;
pub mod progress;
pub mod proof;
pub mod records;
pub mod retention;
pub mod rewrap;
pub mod root;
mod sessions;
pub mod strict;
pub mod verp;
mod wishes;

use std::sync::Arc;

use crate::base::{Clock, Entropy};
use crate::metrics::Commits;
use crate::seal::keyring::{RootKeyring, StoreKeys, StoreSecret};

pub use engine::Loss;
pub use engine::body::{BodyReader, BodyWriter, SealedBody};
pub use held::Held;
pub(crate) use open::write_durably;
pub use open::{OpenError, OpenReport, Settings};

/// Why an operation did not happen. The text is for the log; it names no person and no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is past its watermark, or full.
    #[error("the data folder has no room: {0}")]
    Full(String),
    /// More in one commit than the journal ever takes: refused for good, and nothing was written.
    #[error("too large for the store: {0}")]
    TooLarge(String),
    /// The engine does not take work now (rebuilding, poisoned segment, shutting down).
    #[error("the store is not ready: {0}")]
    NotReady(String),
    /// Reading failed, or a record does not decrypt: that record is damaged, others are not.
    #[error("a record is damaged: {0}")]
    Damaged(String),
    /// The disk refused; it is not known whether the commit will survive.
    #[error("the disk failed: {0}")]
    Uncertain(String),
    /// The commit stands, but a value that it replaced or removed could not be overwritten and is still on disk until
    /// its segment is compacted away, or the next start succeeds. To write the same key again answers the same until then.
    #[error("changed, but the old value is not yet erased: {0}")]
    NotErased(String),
}

/// How the store is doing: what the gates at MAIL and at the page ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Ready,
    /// Reads work, new mail is not taken (disk past its watermark, a poisoned segment being replaced).
    NoIntake,
    /// Not even reads (index being rebuilt, or closed).
    Closed,
    /// The disk cannot be trusted and recovery failed: only a new start may help.
    Failed,
}

/// The worst of what is wrong with a store, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The disk cannot be trusted and recovery failed.
    Failed,
    /// It was closed, for a stop.
    Closed,
    /// Its index is being made again.
    Rebuilding,
    /// A segment of the journal failed and is being replaced.
    Segment,
    /// A folder of bodies failed to sync: no new mail until the next start.
    Bodies,
    /// The disk is past its watermark.
    Full,
}

impl Trouble {
    /// What the gates make of it.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::Failed => Health::Failed,
            Self::Closed | Self::Rebuilding => Health::Closed,
            Self::Segment | Self::Bodies | Self::Full => Health::NoIntake,
        }
    }
}

/// Room of a data folder, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Free on its disk.
    pub free: u64,
    /// Below this no new mail is taken.
    pub min_free: u64,
    /// Taken by the journal.
    pub journal: u64,
}

/// What the commits cost so far, for tests, benchmarks and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches committed.
    pub commits: u64,
    /// fdatasync calls on the journal for commits.
    pub syncs: u64,
    /// Superseded values that were overwritten.
    pub erased: u64,
    /// fdatasync calls for that.
    pub erase_syncs: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments of the journal that are gone.
    pub segments: u64,
    /// Bytes of them that still counted and were written anew.
    pub moved: u64,
    /// Bytes of their files.
    pub freed: u64,
}

/// The store of one organisation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: engine::Engine,
    keys: StoreKeys,
    keyring: root::RootKeys,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    leases: leases::Leases,
    /// Nothing is sent.
    held: std::sync::atomic::AtomicBool,
    turns: proof::Turns,
    seen: sessions::Seen,
    purges: std::sync::atomic::AtomicU64,
    lost_answers: std::sync::atomic::AtomicU64,
    open_keys: strict::OpenKeys,
    desk: answers::Desk,
}

impl Store {
    /// A store that forgets everything when it goes: for tests of other modules.
    #[must_use]
    pub fn in_memory(keyring: RootKeyring, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let keys = StoreSecret::generate(&*entropy).keys();
        Self::over(
            engine::Engine::Memory(engine::memory::Memory::default()),
            keys,
            root::RootKeys::new(keyring, None),
            clock,
            entropy,
        )
    }

    /// The operations over an engine.
    fn over(
        engine: engine::Engine,
        keys: StoreKeys,
        keyring: root::RootKeys,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let (leases, held) = (leases::Leases::default(), std::sync::atomic::AtomicBool::new(false));
        let (turns, seen) = (proof::Turns::default(), sessions::Seen::default());
        let (purges, lost_answers) = (std::sync::atomic::AtomicU64::new(0), std::sync::atomic::AtomicU64::new(0));
        let open_keys = strict::OpenKeys::default();
        let desk = answers::Desk::default();
        let inner = Inner {
            engine,
            keys,
            keyring,
            clock,
            entropy,
            leases,
            held,
            turns,
            seen,
            purges,
            lost_answers,
            open_keys,
            desk,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The keys for hashing and peppering that belong to this data folder.
    #[must_use]
    pub fn keys(&self) -> &StoreKeys {
        &self.inner.keys
    }

    /// Whether intake and reads are open.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.engine.health()
    }

    /// Whether reads are open, at the least. It is asked for every mail, and asks no disk.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.inner.engine.is_open()
    }

    /// The worst of what is wrong; nothing when it takes everything.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.inner.engine.trouble()
    }

    /// Room on the disk, where there is one.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        self.inner.engine.room()
    }

    /// Parts of the journal that are known to be gone, and neither put back nor given up.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        self.inner.engine.losses()
    }

    /// How long commits take.
    #[must_use]
    pub fn commits(&self) -> Commits {
        self.inner.engine.commits()
    }

    /// What commits cost so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.engine.counts()
    }

    /// Gives back the room of removed messages now. It happens by itself too, once it is worth while.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when it cannot be done now.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        self.inner.engine.compact().await
    }

    /// Finishes what is committed, writes the proof frame and closes. Operations after it answer `NotReady`.
    pub async fn close(&self) {
        self.inner.engine.close().await;
    }

    /// Commits in a task of its own, then does what must follow in memory: a caller that goes away in between (a browser that
    /// hangs up) cannot part the two. `false` when something the batch relied on has changed.
    async fn commit_then(
        &self,
        batch: engine::Batch,
        follow: impl FnOnce(&Inner) + Send + 'static,
    ) -> Result<bool, StoreError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let applied = codec::applied(inner.engine.commit(batch).await);
            if codec::stands(&applied) {
                follow(&inner);
            }
            applied
        });
        task.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The task of a commit was torn down with the runtime: nobody knows how far it came.
fn stopped() -> StoreError {
    StoreError::Uncertain("the commit was interrupted".to_owned())
}

#[cfg(test)]
mod tests;
