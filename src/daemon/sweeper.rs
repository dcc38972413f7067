//! The sweeper's loop: one round at start, then whenever something is over or was left unfinished; nothing polled in between.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::base::{Clock, Timestamp};
use crate::store::retention::{Retention, Round};

/// The longest sleep, so that a wall clock that was set forward is noticed.
const NAP: Duration = Duration::from_mins(10);

/// Between two rounds at least: other work gets its turn while much is over at once.
const BREATH: Duration = Duration::from_millis(100);

/// After a round that failed: a disk or a ledger that works again gives no event.
const PAUSE: Duration = Duration::from_mins(1);

/// Sweeps until `stop`.
pub async fn run(retention: Retention, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let nap = match retention.round().await {
            Ok(round) => {
                tell(&round);
                until(round.next, clock.now())
            }
            Err(cause) => {
                warn!(%cause, "a round of the sweeper failed; what is over is removed later");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            // Left unfinished a moment ago: not at once again.
            () = retention.unfinished() => tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BREATH) => {}
            },
        }
    }
}

fn tell(round: &Round) {
    let Round { expired, finished, stubs, collected, .. } = *round;
    if expired + finished + stubs > 0 {
        info!(expired, finished, stubs, collected, "swept");
    }
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    next.map_or(NAP, |next| next.since(now).clamp(BREATH, NAP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ManualClock, SeededEntropy};
    use crate::seal::keyring::RootKeyring;
    use crate::store::Store;
    use crate::store::proof::SessionLimits;
    use crate::store::retention::Settings;
    use crate::store::retention::ledger::Ledger;

    #[test]
    fn it_sleeps_until_the_next_end_and_never_spins() {
        let now = Timestamp::from_secs(1000);
        let cases = [
            (None, NAP),
            (Some(Timestamp::from_secs(900)), BREATH),
            (Some(now), BREATH),
            (Some(Timestamp::from_secs(1030)), Duration::from_secs(30)),
            (Some(Timestamp::from_secs(9000)), NAP),
        ];
        for (next, nap) in cases {
            assert_eq!(until(next, now), nap, "{next:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_told_to_and_goes_on_when_the_store_does_not_answer() {
        let entropy = Arc::new(SeededEntropy::new(1));
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
        let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy);
        let sessions = SessionLimits { idle: NAP, longest: NAP };
        let settings = Settings { ended_links: NAP, ledger: std::path::PathBuf::new(), sessions };
        let retention = Retention::new(store.clone(), settings, Ledger::in_memory());
        store.close().await;
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(retention, clock, stop.clone()));
        tokio::time::sleep(3 * PAUSE).await;
        assert!(!task.is_finished(), "a store that answers nothing now may answer later");
        stop.cancel();
        task.await.unwrap();
    }
}
