//! Whether loops still go round: whoever watches asks, and each loop answers when it comes by.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How often it is looked whether all have answered.
const LOOK: Duration = Duration::from_millis(20);

/// Who asks. Clones share the loops.
#[derive(Debug, Clone)]
pub struct Pulse {
    asks: Arc<watch::Sender<u64>>,
    answers: Arc<Mutex<Vec<Weak<AtomicU64>>>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { asks: Arc::new(watch::Sender::new(0)), answers: Arc::default() }
    }
}

/// A loop that answers for as long as it has this.
#[derive(Debug)]
pub struct Beat {
    asked: watch::Receiver<u64>,
    answered: Arc<AtomicU64>,
}

impl Pulse {
    /// One more loop that must answer, until it drops what it gets here.
    #[must_use]
    pub fn beat(&self) -> Beat {
        let asked = self.asks.subscribe();
        let answered = Arc::new(AtomicU64::new(*asked.borrow()));
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&answered));
        Beat { asked, answered }
    }

    /// Asks all loops that there are; whether each answers in time. One that ends meanwhile has.
    pub async fn is_felt(&self, within: Duration) -> bool {
        self.asks.send_modify(|number| *number += 1);
        let (number, end) = (*self.asks.borrow(), Instant::now() + within);
        while !self.have_answered(number) {
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    fn have_answered(&self, number: u64) -> bool {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|answered| answered.strong_count() > 0);
        answers.iter().filter_map(Weak::upgrade).all(|answered| answered.load(Ordering::Relaxed) >= number)
    }
}

impl Beat {
    /// Answers when somebody asks: a branch of the loop's `select!`. It may be dropped and called again.
    pub async fn answer(&mut self) {
        if self.asked.changed().await.is_err() {
            return pending().await;
        }
        self.answered.store(*self.asked.borrow_and_update(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_loop_must_answer_until_it_ends() {
        let pulse = Pulse::default();
        let within = Duration::from_secs(1);
        assert!(pulse.is_felt(within).await, "there is none yet");
        let mut beat = pulse.beat();
        let turning = tokio::spawn(async move {
            loop {
                beat.answer().await;
            }
        });
        assert!(pulse.is_felt(within).await && pulse.is_felt(within).await);
        let stuck = pulse.beat();
        assert!(!pulse.is_felt(within).await, "one does not answer");
        drop(stuck);
        assert!(pulse.is_felt(within).await);
        turning.abort();
        assert!(pulse.is_felt(within).await, "one that ended is not waited for");
    }
}
