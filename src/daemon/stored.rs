//! What the daemon says and does about its store beside serving from it: what opening it found, keys that nobody uses any more, and the end
//! when it can do nothing more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::store::proof::SessionLimits;
use crate::store::{Health, Loss, OpenReport, Store};

/// Says what opening the store found.
pub(super) fn log_report(report: &OpenReport) {
    if let Some(cause) = &report.rebuilt {
        warn!(cause, replayed = report.replayed, "the index was rebuilt from the journal");
    }
    if report.cut > 0 {
        warn!(bytes = report.cut, "an unfinished end of the journal was cut; a copy is in quarantine");
    }
    for place in &report.quarantined {
        error!(place, "a damaged frame of the journal is in quarantine; everything else is served");
    }
    for loss in &report.lost {
        match loss {
            Loss::Segment(_) => {
                error!(segment = %loss, "a segment of the journal is missing; everything else is served");
            }
            Loss::Tail(..) => {
                error!(place = %loss, "what was acknowledged is gone from a segment's end; everything else is served");
            }
        }
    }
    for segment in &report.returned {
        warn!(segment = %Loss::Segment(*segment), "a segment of the journal that was missing is back; what it holds is served");
    }
    if report.unerased > 0 {
        error!(values = report.unerased, "the disk refuses to overwrite what was erased; it is still there");
    }
    if report.dropped > 0 {
        info!(messages = report.dropped, "prepared messages without their next hop's answer were dropped");
    }
}

/// Wipes the keys of strict sessions that ended because nobody came back.
pub(super) async fn forget_idle_keys(store: Store, limits: SessionLimits, stop: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_mins(1));
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        store.forget_idle_keys(&limits);
    }
}

/// Ends when the store can do nothing more, which stops the daemon: a new start recovers, or says what is wrong.
pub(super) async fn store_fails(store: Store, stop: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if store.health() == Health::Failed {
            error!("the store failed and cannot recover while it runs");
            return;
        }
    }
}
