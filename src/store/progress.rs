//! How far a long piece of work on the store has come, how fast it may go, and the way to end it early.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shared by the work and whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    step: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
    /// Bytes a second; 0: as fast as it goes.
    pace: u64,
}

impl Progress {
    /// Work that reads at most so many bytes a second (0: as fast as it goes), so that mail and pages hardly notice it.
    #[must_use]
    pub fn paced(pace: u64) -> Self {
        Self { pace, ..Self::default() }
    }

    /// A new step, of `total` parts if that is known, else 0.
    pub(super) fn begin(&self, step: &'static str, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// One more part is done.
    pub(super) fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// `messages 12 of 400`, for a progress line.
    #[must_use]
    pub fn line(&self) -> String {
        let step = *self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        if total == 0 { format!("{step} {done}") } else { format!("{step} {} of {total}", done.min(total)) }
    }

    /// Asks the work to end at the next good moment.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// How long to wait after so many bytes.
    pub(super) fn rest(&self, bytes: u64) -> Duration {
        bytes.saturating_mul(1_000_000).checked_div(self.pace).map_or(Duration::ZERO, Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_the_step_and_a_pace_the_rest() {
        let progress = Progress::paced(1_000_000);
        progress.begin("messages", 2);
        progress.advance();
        assert_eq!(progress.line(), "messages 1 of 2");
        progress.begin("files", 0);
        assert_eq!(progress.line(), "files 0");
        assert_eq!(progress.rest(500_000), Duration::from_millis(500));
        assert_eq!(Progress::default().rest(u64::MAX), Duration::ZERO);
    }
}
