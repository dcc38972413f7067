//! The first start of a folder that was put back from a backup: what was erased since the backup is erased again, before anything
//! is served.

use std::path::Path;

use tracing::{error, info, warn};

use super::StartError;
use crate::store::retention::Retention;
use crate::store::retention::ledger::Ledger;
use crate::store::{OpenReport, Store};

/// Does what must follow a restore, and says what an operator must know.
pub(super) async fn settle(
    store: &Store,
    retention: &Retention,
    ledger: &Path,
    report: &mut OpenReport,
) -> Result<(), StartError> {
    let (path, keys) = (ledger.to_owned(), store.keys().clone());
    let unreadable = tokio::task::spawn_blocking(move || Ledger::unreadable(&path, &keys)).await;
    let entries = unreadable.unwrap_or(Ok(0))?;
    if entries > 0 {
        error!(entries, ledger = %ledger.display(), "entries of the erasure ledger are damaged: a backup that is put back would bring back what they name");
    }
    let lacks = retention.ledger_lacks().await.map_err(crate::store::OpenError::Store)?;
    if lacks > 0 {
        error!(entries = lacks, ledger = %ledger.display(), "the erasure ledger is shorter than it was: a backup that is put back would bring back what those entries name; stop, put the ledger back from a copy, start");
    }
    report.ledger_damaged = entries as u64;
    if report.restored.is_some() {
        let gone = Ledger::read(ledger, store.keys())?;
        if gone.is_empty() {
            warn!(ledger = %ledger.display(), "the erasure ledger is empty: what was taken back or erased since the backup is here again, and can be read. To erase it: stop, put a copy of the ledger there, put the backup back once more into an empty folder, start");
        }
        let applied = retention.apply(&gone).await.map_err(crate::store::OpenError::Store)?;
        info!(
            deliveries = applied.deliveries,
            contacts = applied.contacts,
            "erased again what was erased since the backup"
        );
        store.restore_is_done().map_err(crate::store::OpenError::Store)?;
    }
    if store.is_held() {
        warn!("the queue is held: nothing is sent until `zegel queue release`");
    }
    Ok(())
}
