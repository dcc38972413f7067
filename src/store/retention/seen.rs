//! How long the erasure ledger was, kept in the store: one that vanished, was emptied or was cut is noticed at the next start. (An
//! unmounted disk does that.)

use crate::store::{Store, StoreError, places};

use super::Retention;
use super::records::Seen;

impl Retention {
    fn entries_now(&self) -> Result<u64, StoreError> {
        self.inner.ledger.entries().map_err(|error| StoreError::Uncertain(error.to_string()))
    }

    /// What to note once so many entries more are appended; nothing to note for none. What a ledger lacks it lacks from then on too.
    pub(super) async fn seen_with(&self, more: u64) -> Result<Option<Seen>, StoreError> {
        if more == 0 {
            return Ok(None);
        }
        let noted = self.store().noted().await?.unwrap_or(0);
        Ok(Some(Seen { entries: noted.max(self.entries_now()?).saturating_add(more) }))
    }

    /// How many entries the ledger lacks of those that were written. Notes those that it has, if it lacks none.
    ///
    /// # Errors
    /// When the store or the ledger cannot be read.
    pub async fn ledger_lacks(&self) -> Result<u64, StoreError> {
        let (noted, entries) = (self.store().noted().await?, self.entries_now()?);
        if noted.is_none_or(|noted| noted < entries) {
            let mut draft = self.store().inner.draft();
            draft.put(places::ledger(), &Seen { entries })?;
            draft.commit().await?;
        }
        Ok(noted.unwrap_or(0).saturating_sub(entries))
    }
}

impl Store {
    async fn noted(&self) -> Result<Option<u64>, StoreError> {
        match self.inner.read::<Seen>(&places::ledger()).await {
            Err(StoreError::Damaged(_)) => Ok(None),
            found => Ok(found?.map(|found| found.record.entries)),
        }
    }

    /// From now on the ledger counts as it is, whatever it lacks.
    pub(in crate::store) async fn accept_ledger(&self) -> Result<(), StoreError> {
        if self.noted().await?.is_none() {
            return Ok(());
        }
        let mut draft = self.inner.draft();
        draft.delete(places::ledger());
        draft.commit().await.map(drop)
    }
}
