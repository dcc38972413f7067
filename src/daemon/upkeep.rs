//! Long work on the store, one piece at a time, in the background: check, repair, rebuild, compaction, backup; and the weekly check that
//! nobody has to ask for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::operate::{Answer, Office, refused};
use crate::base::{Clock, Timestamp};
use crate::store::check::{Report, Whom};
use crate::store::progress::Progress;
use crate::store::retention::Retention;
use crate::store::{Compacted, Store, StoreError, backup};

/// Bytes a second that the weekly check reads at most: a terabyte takes six days.
const SCRUB_PACE: u64 = 2 << 20;
/// Bytes a second of work that somebody waits for.
const PACE: u64 = 200 << 20;
/// From the end of one weekly check to the next.
const SCRUB_EVERY: Duration = Duration::from_hours(7 * 24);
/// How often it is asked whether it is time.
const SCRUB_ASK: Duration = Duration::from_hours(1);
/// Places that the log names.
const NAMED: usize = 20;

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Reads everything; mends what can be mended, if asked.
    Check {
        /// Asked.
        repair: bool,
        /// Whether an erasure ledger that lacks entries counts as it is from now on.
        accept_ledger: bool,
    },
    /// Makes the index anew.
    Rebuild,
    /// Gives back the room of what was removed.
    Compact,
    /// Makes or refreshes a backup.
    Backup {
        /// Its folder.
        folder: PathBuf,
        /// Whether all copies that are kept are read again.
        verify: bool,
    },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Outcome {
    /// A check or repair.
    Checked {
        /// What it found.
        report: Box<Report>,
    },
    /// The index was made anew.
    Rebuilt,
    /// Room was given back.
    Compacted {
        /// Segments of the journal that are gone.
        segments: u64,
        /// Bytes of them that still counted and were written anew.
        moved: u64,
        /// Bytes that came free beyond those.
        freed: u64,
    },
    /// A backup stands.
    BackedUp(BackupRow),
    /// It did not come to its end.
    Failed {
        /// Why.
        text: String,
    },
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRow {
    /// Where.
    pub folder: String,
    /// Sequence number of the last commit in it.
    pub sequence: u64,
    /// Files in it.
    pub files: u64,
    /// Files that were copied this time.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files of older backups that were removed.
    pub removed: u64,
    /// Copies of the run before that were not what they were, and are made anew.
    #[serde(default)]
    pub mended: Vec<String>,
    /// What of the store is damaged, lost or cannot be read.
    pub unreadable: Vec<String>,
    /// Those of them that the backup has whole, from an earlier run.
    #[serde(default)]
    pub kept: Vec<String>,
    /// Whose messages that are, as far as the index tells.
    #[serde(default)]
    pub messages: Vec<Whom>,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upkeep {
    store: Store,
    retention: Retention,
    state: Arc<Mutex<State>>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Arc<Progress>>,
    last: Option<Outcome>,
}

impl Upkeep {
    /// For one store, and the ledger of what was erased in it.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self { store: retention.store().clone(), retention, state: Arc::default(), tasks: TaskTracker::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins; `false` when other work is under way.
    #[must_use]
    pub fn begin(&self, work: Work) -> bool {
        let progress = Arc::new(Progress::paced(PACE));
        {
            let mut state = self.state();
            if state.running.is_some() || self.tasks.is_closed() {
                return false;
            }
            state.running = Some(Arc::clone(&progress));
            state.last = None;
        }
        let upkeep = self.clone();
        self.tasks.spawn(async move {
            let outcome = upkeep.carry_out(work, &progress).await;
            let mut state = upkeep.state();
            state.running = None;
            state.last = Some(outcome);
        });
        true
    }

    /// The progress line of what is under way, and how the last piece of work ended.
    #[must_use]
    pub fn look(&self) -> (Option<String>, Option<Outcome>) {
        let state = self.state();
        (state.running.as_ref().map(|progress| progress.line()), state.last.clone())
    }

    /// Ends what is under way at its next good moment, and waits for that.
    pub async fn end(&self) {
        self.tasks.close();
        if let Some(progress) = &self.state().running {
            progress.stop();
        }
        self.tasks.wait().await;
    }

    async fn carry_out(&self, work: Work, progress: &Arc<Progress>) -> Outcome {
        match work {
            Work::Check { repair, accept_ledger } => self.checked(repair, accept_ledger, progress).await,
            Work::Rebuild => self.store.rebuild().await.map_or_else(failed, |()| Outcome::Rebuilt),
            Work::Compact => self.store.compact().await.map_or_else(failed, compacted),
            Work::Backup { folder, verify } => {
                match self.store.backup(folder.clone(), verify, Arc::clone(progress)).await {
                    Ok(report) => Outcome::BackedUp(row(&folder, report)),
                    Err(cause) => {
                        error!(%cause, "no backup was made");
                        failed(cause)
                    }
                }
            }
        }
    }

    async fn checked(&self, repair: bool, accept_ledger: bool, progress: &Arc<Progress>) -> Outcome {
        let checked = async {
            let mut report = self.store.check(repair, Arc::clone(progress)).await?;
            self.retention.check_ledger(accept_ledger, &mut report).await?;
            Ok::<_, StoreError>(report)
        };
        match checked.await {
            Ok(report) => {
                log(&report);
                let kept = if report.complete { self.store.keep_report(&report).await } else { Ok(()) };
                if let Err(cause) = kept {
                    warn!(%cause, "the result of the check was not kept");
                }
                Outcome::Checked { report: Box::new(report) }
            }
            Err(cause) => failed(cause),
        }
    }

    /// Once a week reads everything, slowly. Until `stop`.
    pub async fn scrub(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut every = tokio::time::interval(SCRUB_ASK);
        // Not in the first hour: a start has other things to do.
        every.tick().await;
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            let last = self.store.last_check().await.ok().flatten();
            let is_time = is_time(last.map(|(at, _)| at), clock.now());
            let progress = Arc::new(Progress::paced(SCRUB_PACE));
            if !is_time || !self.claim(&progress) {
                continue;
            }
            let stopping = progress.clone();
            let work = self.checked(false, false, &progress);
            tokio::pin!(work);
            let outcome = tokio::select! {
                outcome = &mut work => outcome,
                () = stop.cancelled() => {
                    stopping.stop();
                    work.await
                }
            };
            let mut state = self.state();
            state.running = None;
            state.last = Some(outcome);
        }
    }

    fn claim(&self, progress: &Arc<Progress>) -> bool {
        let mut state = self.state();
        let free = state.running.is_none();
        if free {
            state.running = Some(Arc::clone(progress));
        }
        free
    }
}

/// Whether the weekly check is to run. One that is yet to come ended while the clock was ahead: it says nothing.
fn is_time(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| last > now || now.since(last) >= SCRUB_EVERY)
}

fn failed(cause: impl std::fmt::Display) -> Outcome {
    Outcome::Failed { text: cause.to_string() }
}

fn compacted(done: Compacted) -> Outcome {
    let Compacted { segments, moved, freed } = done;
    Outcome::Compacted { segments, moved, freed: freed.saturating_sub(moved) }
}

fn row(folder: &std::path::Path, report: backup::Report) -> BackupRow {
    let backup::Report { head, files, copied, copied_bytes, removed, mended, unreadable, kept, messages } = report;
    for path in mended.iter().take(NAMED) {
        warn!(path, "a copy in the backup was damaged and is made anew");
    }
    info!(sequence = head.sequence, files, copied, copied_bytes, removed, "a backup was made");
    for place in unreadable.iter().take(NAMED) {
        if kept.contains(place) {
            error!(place, "the store has damage; the backup has this whole, from an earlier run");
        } else {
            error!(place, "the store has damage, and so has the backup");
        }
    }
    let folder = folder.display().to_string();
    let sequence = head.sequence;
    BackupRow { folder, sequence, files, copied, copied_bytes, removed, mended, unreadable, kept, messages }
}

/// Places only: whom they concern stands in the report.
fn log(report: &Report) {
    if report.is_sound() {
        info!(
            records = report.records,
            bodies = report.bodies,
            mended = report.mended,
            "the store was checked: it is sound"
        );
        return;
    }
    if !report.complete {
        info!("the check of the store was stopped before its end");
    }
    for finding in report.findings.iter().filter(|finding| !finding.mended).take(NAMED) {
        error!(damage = ?finding.damage, place = finding.place, why = finding.why, "the store has damage");
    }
    if !report.counts.is_empty() {
        error!(counts = ?report.counts, mended = report.mended, "`zegel store check --last` tells whom it concerns");
    }
}

/// Work under way or done, as an answer.
///
/// # Errors
/// When the last check cannot be read.
pub async fn last_check(store: &Store) -> Result<Option<Outcome>, StoreError> {
    let last = store.last_check().await?;
    Ok(last.map(|(_, report)| Outcome::Checked { report: Box::new(report) }))
}

impl Office {
    pub(super) fn begin(&self, work: Work) -> Answer {
        if self.upkeep.begin(work) { self.work() } else { refused("other work on the store is under way") }
    }

    pub(super) fn work(&self) -> Answer {
        let (running, done) = self.upkeep.look();
        Answer::Work { running, done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_ended_in_the_future_does_not_put_off_the_next() {
        let now = Timestamp::from_secs(1_800_000_000);
        let week = SCRUB_EVERY.as_secs();
        for (last, due) in
            [(None, true), (Some(0), false), (Some(week - 1), false), (Some(week), true), (Some(2 * week), true)]
        {
            assert_eq!(is_time(last.map(|ago| Timestamp::from_secs(now.secs() - ago)), now), due, "{last:?}");
        }
        assert!(is_time(Some(Timestamp::from_secs(now.secs() + 1)), now), "the clock went back");
    }
}
