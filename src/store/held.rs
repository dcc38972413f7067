//! The queue held: nothing of ours is sent until an operator lets it go. So it is after a restore, since what the backup still
//! lists as waiting may have been sent long ago.

use std::fs;
use std::io;
use std::sync::atomic::Ordering;

use minicbor::{Decode, Encode};

use crate::base::Timestamp;

use super::backup::NOTE;
use super::engine::{Engine, Space};
use super::open::OpenReport;
use super::{Store, StoreError, places};

/// Records that one commit drops.
const PAGE: usize = 256;

/// Why and since when nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Held {
    /// Since when.
    #[n(0)]
    pub since: Timestamp,
    /// For the operator.
    #[n(1)]
    pub why: String,
}

impl Store {
    /// A folder that was restored: no session or one-time code of the time of the backup goes on, and the queue waits. May be done again.
    pub(super) async fn begin_held(&self, report: &mut OpenReport) -> Result<(), StoreError> {
        if let Some(note) = self.restored()? {
            self.drop_all(Space::Session).await?;
            self.drop_all(Space::Challenge).await?;
            let held = Held { since: self.inner.clock.now(), why: format!("restored from the {}", note.trim()) };
            let mut draft = self.inner.draft();
            draft.put(places::held(), &held)?;
            draft.commit().await?;
            report.restored = Some(note);
        }
        let held = self.inner.engine.get(&places::held()).await;
        // A record that is damaged was written all the same.
        let held = matches!(held, Ok(Some(_)) | Err(StoreError::Damaged(_)));
        self.inner.held.store(held, Ordering::SeqCst);
        Ok(())
    }

    /// The note that a restore left, until [`restore_is_done`](Self::restore_is_done).
    fn restored(&self) -> Result<Option<String>, StoreError> {
        let Engine::Local(_) = self.inner.engine else { return Ok(None) };
        match fs::read_to_string(self.inner.engine.root()?.join(NOTE)) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Damaged(format!("the note of a restore: {error}"))),
        }
    }

    /// All that must follow a restore has happened: sessions ended, what was erased since the backup erased again.
    ///
    /// # Errors
    /// When the note cannot be removed: the next start does it all once more.
    pub fn restore_is_done(&self) -> Result<(), StoreError> {
        let path = self.inner.engine.root()?.join(NOTE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Uncertain(format!("{}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    async fn drop_all(&self, space: Space) -> Result<(), StoreError> {
        loop {
            let records = self.inner.keys_of(space, &[], PAGE).await?;
            if records.is_empty() {
                return Ok(());
            }
            let mut draft = self.inner.draft();
            for place in records {
                draft.delete(place);
            }
            draft.commit().await?;
        }
    }

    /// Whether nothing is sent.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.inner.held.load(Ordering::SeqCst)
    }

    /// Since when and why nothing is sent.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn held(&self) -> Result<Option<Held>, StoreError> {
        Ok(self.inner.read(&places::held()).await?.map(|found| found.record))
    }

    /// Sends nothing from now on; attempts under way end as they end.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn hold_queue(&self, why: &str) -> Result<(), StoreError> {
        let mut draft = self.inner.draft();
        draft.put(places::held(), &Held { since: self.inner.clock.now(), why: why.to_owned() })?;
        self.inner.held.store(true, Ordering::SeqCst);
        draft.commit().await.map(|_| ())
    }

    /// Lets the queue go. `false` when it was not held.
    ///
    /// # Errors
    /// When the store cannot be written: it stays held.
    pub async fn release_queue(&self) -> Result<bool, StoreError> {
        let was = self.is_held();
        let mut draft = self.inner.draft();
        draft.delete(places::held());
        draft.commit().await?;
        self.inner.held.store(false, Ordering::SeqCst);
        self.inner.leases.wake();
        Ok(was)
    }
}
