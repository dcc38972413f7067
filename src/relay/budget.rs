//! Bytes in memory for mails under way, as one budget of all transactions: recipients, the collected begin of a mail, and the working
//! set of a mail that is being sealed.
//!
//! Whoever gets no share within a time that is bounded refuses its mail for now (452); nobody takes memory without one. A holder may wait
//! for more, so two could wait for each other: the bound on the wait ends that. It is rare, since what only saves work, collecting more
//! than the header block, is asked for without waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Budget {
    /// So many bytes; who asks for some waits `patience` at most.
    pub(super) fn new(bytes: u64, patience: Duration) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(bytes)), patience }
    }

    /// A share of nothing yet.
    pub(super) const fn share(self) -> Share {
        Share { budget: self, held: 0, permit: None }
    }
}

/// What one transaction holds. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    held: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Bytes held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Holds `bytes` in all, or more, without waiting; `false`: as before.
    pub(super) fn try_hold(&mut self, bytes: usize) -> bool {
        let Some(more) = self.lacks(bytes) else { return true };
        let got = Arc::clone(&self.budget.free).try_acquire_many_owned(more);
        got.is_ok_and(|permit| self.add(permit))
    }

    /// The same, after a wait where it must be; `false`: it took too long.
    pub(super) async fn hold(&mut self, bytes: usize) -> bool {
        let Some(more) = self.lacks(bytes) else { return true };
        let free = Arc::clone(&self.budget.free);
        let got = timeout(self.budget.patience, free.acquire_many_owned(more)).await;
        match got {
            Ok(Ok(permit)) => self.add(permit),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Gives back what is above `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let Some(spare) = self.held.checked_sub(bytes) else { return };
        if let Some(permit) = &mut self.permit {
            drop(permit.split(spare));
            self.held -= spare;
        }
    }

    /// What is missing; a share of more than `u32` counts as one that nobody has.
    fn lacks(&self, bytes: usize) -> Option<u32> {
        let missing = bytes.checked_sub(self.held).filter(|missing| *missing > 0)?;
        Some(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) -> bool {
        self.held += permit.num_permits();
        match &mut self.permit {
            Some(all) => all.merge(permit),
            none @ None => *none = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_one_holds_another_waits_for_and_gets_or_not() {
        let budget = Budget::new(1000, Duration::from_secs(5));
        let mut first = budget.clone().share();
        let mut second = budget.clone().share();
        assert!(first.hold(600).await && first.hold(600).await && first.held() == 600);
        assert!(!second.try_hold(401) && second.held() == 0);
        let before = tokio::time::Instant::now();
        assert!(!second.hold(401).await, "nothing was given back");
        assert_eq!(before.elapsed(), Duration::from_secs(5));
        let waiting = tokio::spawn(async move { (second.hold(700).await, second) });
        tokio::task::yield_now().await;
        first.shrink_to(300);
        let (got, second) = waiting.await.unwrap();
        assert!(got && second.held() == 700 && first.held() == 300);
        drop((first, second));
        assert_eq!(budget.free.available_permits(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_whole_budget_is_refused() {
        let mut share = Budget::new(1000, Duration::from_secs(5)).share();
        assert!(!share.hold(1001).await && !share.try_hold(usize::MAX) && share.held() == 0);
    }
}
