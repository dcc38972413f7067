//! How long the erasure ledger was, kept in the store: one that vanished, was emptied or was cut is noticed at the next start. (An
//! unmounted disk does that.)

use crate::store::check::{Damage, Finding, Report};
use crate::store::{Store, StoreError, places};

use super::Retention;
use super::records::Seen;

/// What to do about entries that are gone.
const GONE: &str = "put it back from a copy with the daemon stopped; or, once no backup of before is left that would bring back what they named, `zegel store repair --accept-ledger`";

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

    /// Whether the ledger lacks entries now, or cannot be read; `None`: the store cannot tell. Notes nothing.
    pub async fn is_ledger_short(&self) -> Option<bool> {
        let noted = self.store().noted().await.ok()?.unwrap_or(0);
        let ledger = self.inner.ledger.clone();
        let entries = tokio::task::spawn_blocking(move || ledger.entries()).await.ok()?;
        Some(!entries.is_ok_and(|entries| entries >= noted))
    }

    /// Adds to the report of a check what the ledger lacks. With `accept` it counts as it is from now on: what is gone of it comes back
    /// with an older backup, so nobody does that by the way.
    ///
    /// # Errors
    /// When the store cannot be read or written. A ledger that cannot be read is in the report.
    pub async fn check_ledger(&self, accept: bool, report: &mut Report) -> Result<(), StoreError> {
        let (why, mended) = match self.inner.ledger.entries() {
            Err(error) => (error.to_string(), false),
            Ok(_) => match self.ledger_lacks().await? {
                0 => return Ok(()),
                lacks if accept => {
                    self.store().accept_ledger().await?;
                    (format!("{lacks} of its entries are gone; it counts as it is from now on"), true)
                }
                lacks => (format!("{lacks} of its entries are gone: {GONE}"), false),
            },
        };
        let place = "erasure ledger".to_owned();
        report.add(Finding { damage: Damage::Ledger, place, why, whom: None, mended });
        Ok(())
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
