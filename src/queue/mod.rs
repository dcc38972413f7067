//! Leases due jobs, lets notify make an attempt, and decides when the next one is: the schedule is pure.
//!
//! A job leaves the queue only when the next hop took its mail or when it is given up, and a notice that is given up leaves a
//! mail to the sender behind, in the same commit. An attempt that panics counts as one that failed for now.

pub mod schedule;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::{Clock, Entropy};
use crate::notify::Notifier;
use crate::store::Store;
use crate::store::jobs::Lane;

/// How work is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts at the same time. One that takes longer than ten seconds makes room for another, up to four times as many.
    pub workers: usize,
    /// After this long a notice is given up.
    pub notice_give_up: Duration,
    /// After this long a mail to the sender is given up.
    pub sender_give_up: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workers: 8, notice_give_up: Duration::from_hours(48), sender_give_up: Duration::from_hours(5 * 24) }
    }
}

/// Works the queue until `stop`, one-time codes beside all other mails: a next hop that hangs keeps nobody waiting for a code. Then it finishes the
/// attempts in flight and returns.
pub async fn run(
    settings: Settings,
    store: Store,
    notifier: Notifier,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    stop: CancellationToken,
) {
    let lane = |lane| worker::Worker {
        settings: settings.clone(),
        jobs: worker::InLane { store: store.clone(), lane },
        attempts: notifier.clone(),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        stop: stop.clone(),
    };
    tokio::join!(lane(Lane::Awaited).run(), lane(Lane::Mail).run());
}
