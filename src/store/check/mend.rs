//! Repair: what can be made good without guessing. Whatever is removed is in quarantine first.

use crate::store::codec::Found;
use crate::store::engine::Key;
use crate::store::{Store, StoreError};

use super::records::{Mend, shown};

impl Store {
    /// Makes one fault good; `false` when something changed meanwhile, and nothing was done.
    pub(super) async fn mend(&self, mend: &Mend) -> Result<bool, StoreError> {
        match mend {
            Mend::Drop(entry) => self.remove(entry, false).await,
            Mend::SetAside(key) => self.remove(key, true).await,
            Mend::SetBodyAside(id) => self.inner.engine.set_body_aside(*id).await.map(|()| true),
            Mend::GiveUp(loss) => self.inner.engine.give_up(*loss).await.map(|()| true),
            Mend::List { entry, of } => self.list(entry, of).await,
        }
    }

    async fn remove(&self, key: &Key, keep: bool) -> Result<bool, StoreError> {
        let found = match self.inner.engine.get(key).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(StoreError::Damaged(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        if keep {
            let name = format!("{}.record", shown(key).replace(' ', "-"));
            self.inner.engine.set_value_aside(name, found.value).await?;
        }
        let mut draft = self.inner.draft();
        draft.unchanged(key.clone(), Some(&Found { record: (), version: found.version }));
        draft.delete(key.clone());
        draft.commit().await
    }

    async fn list(&self, entry: &Key, of: &Key) -> Result<bool, StoreError> {
        let Some(found) = self.inner.engine.get(of).await? else { return Ok(false) };
        let mut draft = self.inner.draft();
        draft.unchanged(of.clone(), Some(&Found { record: (), version: found.version }));
        draft.put(entry.clone(), &())?;
        let done = draft.commit().await?;
        // It may be a job that is due.
        self.inner.leases.wake();
        Ok(done)
    }
}
