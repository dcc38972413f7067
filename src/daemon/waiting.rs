//! The queue as an operator sees it: what waits, and whether anything is sent at all.

use serde::{Deserialize, Serialize};

use super::operate::{Answer, Office, ROWS};
use crate::base::JobId;
use crate::store::StoreError;
use crate::store::records::Job;

/// A job of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// [`crate::store::records::JobKind::name`].
    pub kind: String,
    /// When it is due.
    pub due: String,
    /// Attempts so far.
    pub attempts: u32,
    /// The last answer.
    pub last: String,
}

impl Office {
    pub(super) async fn queue(&self) -> Result<Answer, StoreError> {
        let jobs = self.store.jobs(ROWS).await?;
        let row = |(id, job): &(JobId, Job)| JobRow {
            id: id.to_string(),
            kind: job.kind.name().to_owned(),
            due: job.due.to_string(),
            attempts: job.attempts,
            last: job.last.clone(),
        };
        let held = match self.store.held().await {
            Ok(held) => held.map(|held| format!("since {}: {}", held.since, held.why)),
            Err(StoreError::Damaged(_)) => Some("its record is damaged".to_owned()),
            Err(error) => return Err(error),
        };
        Ok(Answer::Queue { jobs: jobs.iter().map(row).collect(), held })
    }

    pub(super) async fn hold(&self) -> Result<Answer, StoreError> {
        let changed = !self.store.is_held();
        if changed {
            self.store.hold_queue("by an operator").await?;
        }
        Ok(Answer::QueueIs { held: true, changed })
    }

    pub(super) async fn release(&self) -> Result<Answer, StoreError> {
        let changed = self.store.release_queue().await?;
        Ok(Answer::QueueIs { held: false, changed })
    }
}
