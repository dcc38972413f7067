//! Leases due jobs, lets notify make an attempt, and decides when the next one is: the schedule is pure.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::{Clock, Entropy};
use crate::notify::Notifier;
use crate::store::Store;

/// How work is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts at the same time.
    pub workers: usize,
    /// After this long a notice is given up.
    pub notice_give_up: Duration,
    /// After this long a mail to the sender is given up.
    pub sender_give_up: Duration,
}

/// Works the queue until `stop`, then finishes the attempts in flight and returns.
pub async fn run(
    settings: Settings,
    store: Store,
    notifier: Notifier,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    stop: CancellationToken,
) {
    todo!()
}
