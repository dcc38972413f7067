//! Which jobs this process is working on, in lanes that do not wait for each other.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::base::JobId;

use super::engine::Space;
use super::records::JobKind;

/// Which jobs this process is working on, and the bell that tells the worker of new ones.
///
/// A job whose record is damaged stays in here until the process ends, so that it neither blocks the others nor is asked for
/// again and again.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<BTreeSet<JobId>>,
    mail_added: Notify,
    awaited_added: Notify,
}

/// Jobs that wait for each other: a one-time code, for which somebody waits at the page, stands behind no other mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// One-time codes, by SMS and by mail.
    Awaited,
    /// All other mails.
    Mail,
}

impl Lane {
    /// All of them, the one that goes first first.
    pub const ALL: [Self; 2] = [Self::Awaited, Self::Mail];

    pub(super) const fn of(kind: &JobKind) -> Self {
        if kind.one_time().is_some() { Self::Awaited } else { Self::Mail }
    }

    pub(super) const fn space(self) -> Space {
        match self {
            Self::Awaited => Space::AwaitedDue,
            Self::Mail => Space::JobDue,
        }
    }
}

impl Leases {
    /// Resolves when a job of this lane may have become due.
    pub(super) async fn added(&self, lane: Lane) {
        match lane {
            Lane::Awaited => self.awaited_added.notified().await,
            Lane::Mail => self.mail_added.notified().await,
        }
    }

    /// A job may have become due. Remembered when nobody waits at this moment.
    pub(super) fn wake(&self) {
        self.mail_added.notify_one();
        self.awaited_added.notify_one();
    }

    pub(super) fn held(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn release(&self, id: JobId) {
        self.held().remove(&id);
        self.wake();
    }
}

/// A lease that is given back unless it is kept, also when the caller goes away while the job is read.
pub(super) struct LeaseGuard<'a> {
    leases: &'a Leases,
    id: JobId,
    release: bool,
}

impl<'a> LeaseGuard<'a> {
    pub(super) fn new(leases: &'a Leases, id: JobId) -> Self {
        Self { leases, id, release: true }
    }

    /// The lease is given away with what it is for.
    pub(super) fn keep<T>(mut self, with: T) -> T {
        self.release = false;
        with
    }
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        if self.release {
            self.leases.held().remove(&self.id);
        }
    }
}
