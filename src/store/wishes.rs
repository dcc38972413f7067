//! What a recipient asks of the sender on the page: each wish once a day for each link. It changes nothing; a job tells the sender.

use minicbor::{Decode, Encode};

use crate::base::{GrantId, JobId, Timestamp};

use super::codec::{ATTEMPTS, busy};
use super::intake::NewJob;
use super::plan::add_job;
use super::proof::changed;
use super::records::{Grant, JobKind, Wish};
use super::{Store, StoreError, places};

/// How often a recipient may ask the same of a sender.
pub(super) const ASK_AGAIN: std::time::Duration = std::time::Duration::from_hours(24);

/// What was asked of the sender through one link, and when.
#[derive(Debug, Default, Encode, Decode)]
pub(super) struct StoredWishes {
    #[n(0)]
    asked: Vec<AskedAt>,
    /// When the sender was last told that no code comes.
    #[n(1)]
    failed: Option<Timestamp>,
}

impl StoredWishes {
    /// Notes that the sender is told now that no code comes; `false`, and nothing is noted, when that was said within a day.
    pub(super) fn failed_now(&mut self, now: Timestamp) -> bool {
        let said = self.failed.is_some_and(|at| now.since(at) < ASK_AGAIN);
        if !said {
            self.failed = Some(now);
        }
        !said
    }
}

#[derive(Debug, Encode, Decode)]
struct AskedAt {
    #[n(0)]
    wish: Wish,
    #[n(1)]
    at: Timestamp,
}

impl Store {
    /// Tells the sender by mail what the recipient asks for, once a day for each link and wish. `false` when that was asked within a day.
    ///
    /// # Errors
    /// When nothing could be written; [`StoreError::NotReady`] also when the link ended.
    pub async fn ask_sender(&self, grant: GrantId, wish: Wish) -> Result<bool, StoreError> {
        let inner = &self.inner;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(link) = inner.read::<Grant>(&places::grant(grant)).await? else { return Err(changed()) };
            let place = places::asked(grant);
            let found = inner.read::<StoredWishes>(&place).await?;
            let mut draft = inner.draft();
            draft.unchanged(places::grant(grant), Some(&link));
            draft.unchanged(place.clone(), found.as_ref());
            let mut wishes = found.map(|found| found.record).unwrap_or_default();
            wishes.asked.retain(|asked| now.since(asked.at) < ASK_AGAIN);
            if wishes.asked.iter().any(|asked| asked.wish == wish) {
                return Ok(false);
            }
            wishes.asked.push(AskedAt { wish, at: now });
            draft.put(place, &wishes)?;
            let id = JobId::random(&*inner.entropy);
            add_job(&mut draft, &NewJob { id, kind: JobKind::Asked { grant, wish }, secret: None, due: now }, now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }
}

#[cfg(test)]
impl StoredWishes {
    /// As above.
    pub(super) fn sample() -> Self {
        Self { asked: vec![AskedAt { wish: Wish::OtherProof, at: Timestamp(1) }], failed: None }
    }
}
