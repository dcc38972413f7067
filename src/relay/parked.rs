//! Leased connections between two RCPTs. A client that leaves one waiting in an open transaction for long loses it: RSET, back to
//! the pool, and MAIL and RCPT are said again when it goes on. So slow clients do not use up the connections to a next hop.
//!
//! One task watches over all of them, and only while there are any: parking costs a mail no task and no timer of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use crate::nexthop::Lease;

/// Where leases wait.
#[derive(Clone, Default)]
pub(super) struct Parking {
    places: Arc<Mutex<Places>>,
}

#[derive(Default)]
struct Places {
    next: u64,
    leases: BTreeMap<u64, Waiting>,
    watched: bool,
}

struct Waiting {
    lease: Lease,
    until: Instant,
}

/// A lease with an open transaction that waits for its client. Dropped, it is reset and given back.
pub(super) struct Parked {
    parking: Parking,
    number: u64,
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parking({})", self.places().leases.len())
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parked({})", self.number)
    }
}

impl Parking {
    /// Waits with it, for `patience` at most.
    pub(super) fn park(&self, lease: Lease, patience: Duration) -> Parked {
        let mut places = self.places();
        let number = places.next;
        places.next += 1;
        places.leases.insert(number, Waiting { lease, until: Instant::now() + patience });
        if !std::mem::replace(&mut places.watched, true) {
            tokio::spawn(self.clone().watch());
        }
        Parked { parking: self.clone(), number }
    }

    /// Takes from slow clients, until nobody waits.
    async fn watch(self) {
        while let Some(first) = self.first() {
            sleep_until(first).await;
            let now = Instant::now();
            let overdue: Vec<Waiting> = self
                .places()
                .leases
                .extract_if(.., |_, waiting| waiting.until <= now)
                .map(|(_, waiting)| waiting)
                .collect();
            for waiting in overdue {
                tokio::spawn(waiting.lease.reset_and_give_back());
            }
        }
    }

    /// When the next one has waited for long enough; `None` ends the watch.
    fn first(&self) -> Option<Instant> {
        let mut places = self.places();
        let first = places.leases.values().map(|waiting| waiting.until).min();
        places.watched = first.is_some();
        first
    }

    fn take(&self, number: u64) -> Option<Lease> {
        self.places().leases.remove(&number).map(|waiting| waiting.lease)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    /// The lease as it was, its transaction still open; `None` when it was given back meanwhile.
    pub(super) fn resume(self) -> Option<Lease> {
        self.parking.take(self.number)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // At the end of the process nothing runs any more: then the connection is closed, which ends its transaction too.
        if let Some(lease) = self.parking.take(self.number)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(lease.reset_and_give_back());
        }
    }
}
