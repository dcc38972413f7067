//! The durable queue of mails that we wrote ourselves: lease, finish, list.

use crate::base::{JobId, Timestamp};

use super::intake::NewJob;
use super::records::{Job, LeasedJob};
use super::{Store, StoreError};

/// Which jobs this process is working on.
#[derive(Debug, Default)]
pub struct Leases {
    _private: (),
}

/// How an attempt ended.
#[derive(Debug)]
pub enum JobEnd {
    /// Delivered: the job and its secret are erased, the delivery is marked.
    Done,
    /// Try again at this moment; the text is for `queue list`.
    Retry(Timestamp, String),
    /// Never: job and secret are erased, the delivery is marked failed, and this job, if any, is made instead.
    GiveUp(String, Option<NewJob>),
}

impl Store {
    /// Leases up to `max` due jobs, oldest first. A lease lasts until [`finish_job`](Self::finish_job) or the process ends.
    pub async fn lease_due(&self, now: Timestamp, max: usize) -> Result<Vec<LeasedJob>, StoreError> {
        todo!()
    }
    /// Ends a leased job's attempt, durably.
    pub async fn finish_job(&self, id: JobId, end: JobEnd) -> Result<(), StoreError> {
        todo!()
    }
    /// When the next job that is not leased is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }
    /// Resolves when a job may have become due earlier than [`next_due`](Self::next_due) said.
    pub async fn job_added(&self) {
        todo!()
    }
    /// Jobs in order of due time.
    pub async fn jobs(&self, limit: usize) -> Result<Vec<(JobId, Job)>, StoreError> {
        todo!()
    }
}
