//! Commits of the store: how long callers wait, how long the disk takes, and how many share one write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::waits;

/// Batches that share one write.
const GROUPS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Commits of one store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commits {
    seconds: Histogram,
    append: Histogram,
    group: Histogram,
    waiting: Arc<Waiting>,
}

/// Who waits, and when something came to its end last.
#[derive(Debug)]
struct Waiting {
    count: AtomicUsize,
    since: Instant,
    /// Milliseconds from `since`.
    moved: AtomicU64,
}

impl Waiting {
    fn moves(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Ordering::Relaxed);
    }
}

impl Default for Commits {
    fn default() -> Self {
        let waiting = Arc::new(Waiting { count: AtomicUsize::new(0), since: Instant::now(), moved: AtomicU64::new(0) });
        Self { seconds: waits(), append: waits(), group: Histogram::new(GROUPS), waiting }
    }
}

impl Commits {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("store_commit_seconds", "Wait of one commit, queueing included", self.seconds.clone());
        registry.register("store_append_seconds", "Write and fdatasync of one group", self.append.clone());
        registry.register("store_group_commits", "Commits that share one write", self.group.clone());
    }

    /// A caller begins to wait, until the answer is dropped.
    #[must_use]
    pub fn begin(&self) -> Commit<'_> {
        if self.waiting.count.fetch_add(1, Ordering::Relaxed) == 0 {
            self.waiting.moves();
        }
        Commit { of: self, begun: Instant::now() }
    }

    /// Whether somebody waits and nothing has come to its end for this long: a disk that neither answers nor fails.
    #[must_use]
    pub fn stalled(&self, limit: Duration) -> bool {
        let moved = Duration::from_millis(self.waiting.moved.load(Ordering::Relaxed));
        self.waiting.count.load(Ordering::Relaxed) > 0 && self.waiting.since.elapsed() >= moved + limit
    }

    /// A group of so many commits was written and synced.
    pub fn written(&self, commits: u32, took: Duration) {
        self.group.observe(f64::from(commits));
        self.append.observe(took.as_secs_f64());
    }
}

/// A commit that somebody waits for.
#[derive(Debug)]
pub struct Commit<'a> {
    of: &'a Commits,
    begun: Instant,
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        self.of.seconds.observe(self.begun.elapsed().as_secs_f64());
        self.of.waiting.moves();
        self.of.waiting.count.fetch_sub(1, Ordering::Relaxed);
    }
}
