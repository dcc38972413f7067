//! A timer for waits that nearly never run out: for each wait it is given a time, and only where that is earlier than the one before is the runtime's timer
//! touched. One that goes off too early is set anew.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// See the module. Cheap to ask, once it is there.
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarm(set: {})", self.sleep.is_some())
    }
}

impl Alarm {
    /// One that nobody waits for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { sleep: None }
    }

    /// Ready once `deadline` has come; until then the task is woken at that time at the latest.
    pub fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_wait_ends_at_its_own_time() {
        let (mut alarm, start) = (Alarm::new(), Instant::now());
        let second = Duration::from_secs(1);
        // Later, earlier and equal ones, after waits that ran out and after waits that were given up.
        for (given_up, waited) in [(5, 2), (1, 9), (1, 1), (30, 3), (3, 30)] {
            let now = Instant::now();
            let pending = poll_fn(|cx| Poll::Ready(alarm.poll(now + given_up * second, cx))).await;
            assert!(pending.is_pending());
            poll_fn(|cx| alarm.poll(now + waited * second, cx)).await;
            assert_eq!(now.elapsed(), waited * second, "after one of {given_up}");
        }
        poll_fn(|cx| alarm.poll(start, cx)).await;
    }
}
