//! A leased connection between two RCPTs. A client that leaves it waiting in an open transaction for long loses it: RSET, back to
//! the pool, and MAIL and RCPT are said again when it goes on. So slow clients do not use up the connections to a next hop.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::nexthop::Lease;

/// A lease with an open transaction that waits for its client. Dropped, it is reset and given back.
#[derive(Debug)]
pub(super) struct Parked {
    wanted: oneshot::Sender<()>,
    waiting: JoinHandle<Option<Lease>>,
}

impl Parked {
    /// Waits with it, for `patience` at most.
    pub(super) fn new(lease: Lease, patience: Duration) -> Self {
        let (wanted, want) = oneshot::channel();
        let waiting = tokio::spawn(async move {
            tokio::select! {
                biased;
                wish = want => if wish.is_ok() { return Some(lease) },
                () = sleep(patience) => {}
            }
            lease.reset_and_give_back().await;
            None
        });
        Self { wanted, waiting }
    }

    /// The lease as it was, its transaction still open; `None` when it was given back meanwhile.
    pub(super) async fn resume(self) -> Option<Lease> {
        // A failed send means that the wait is over: the answer is in the task's result.
        let _gone = self.wanted.send(());
        self.waiting.await.ok().flatten()
    }
}
