//! A mail of ours that a server took and then could not deliver.

use crate::base::{ContactId, GrantId};

use super::codec::{ATTEMPTS, busy};
use super::intake::NewJob;
use super::plan::add_job;
use super::records::{Contact, Delivery, Grant};
use super::{Store, StoreError, places};

impl Store {
    /// A notice was not delivered: its delivery counts as failed, and `tell` is made in the same commit. `false`, and nothing is written, when there is nothing to
    /// tell: the link is gone, its recipient opened it before, or it was told already.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn notice_failed(&self, grant: GrantId, tell: &NewJob) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.inner.read::<Grant>(&places::grant(grant)).await? else { return Ok(false) };
            let place = places::delivery(found.record.message, found.record.conversation);
            let Some(mut delivery) = self.inner.read::<Delivery>(&place).await? else { return Ok(false) };
            if delivery.record.opened.is_some() || delivery.record.failed.is_some() {
                return Ok(false);
            }
            let now = self.inner.clock.now();
            delivery.record.failed = Some(now);
            let mut draft = self.inner.draft();
            draft.unchanged(place.clone(), Some(&delivery));
            draft.unchanged(places::grant(grant), Some(&found));
            draft.put(place, &delivery.record)?;
            add_job(&mut draft, tell, now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// A code did not arrive in the sender's mailbox: `tell` is made. `false` when the contact is gone.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn code_failed(&self, contact: ContactId, tell: &NewJob) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let place = places::contact(contact);
            let Some(found) = self.inner.read::<Contact>(&place).await? else { return Ok(false) };
            let mut draft = self.inner.draft();
            draft.unchanged(place, Some(&found));
            add_job(&mut draft, tell, self.inner.clock.now())?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }
}
