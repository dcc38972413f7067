//! Who finds no place, for those who look after the gateway: counted, and a line in the log, one a second at most.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::base::Tally;
use crate::metrics::{Crowded, Page};

/// Tells of them.
#[derive(Debug)]
pub(super) struct TurnedAway {
    metrics: Page,
    tally: Mutex<Tally>,
}

impl TurnedAway {
    pub fn new(metrics: Page) -> Self {
        Self { metrics, tally: Mutex::default() }
    }

    /// One more. Whose network it is stands in no log.
    pub fn count(&self, reason: Crowded) {
        self.metrics.turned_away(reason);
        let line = self.tally.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        if let Some(more) = line {
            tracing::warn!(reason = reason.word(), more, "the page has no place for more");
        }
    }
}
