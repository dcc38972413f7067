//! The turn at making a mail's HTML harmless: a few at a time, each for a few seconds at most, so that crafted mails cost the page nothing
//! but a plain look. What is too costly is shown as its text.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::web::answer::Problem;

/// Made harmless at the same time.
const AT_A_TIME: usize = 2;
/// The longest wait for a turn.
const TURN: Duration = Duration::from_secs(10);
/// The longest wait for the work. The thread goes on behind it, and keeps its turn: no more than two are ever busy.
const WORK: Duration = Duration::from_secs(5);

/// Gives turns.
#[derive(Debug, Clone)]
pub(in crate::web) struct Cleaners(Arc<Semaphore>);

impl Default for Cleaners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Cleaners {
    /// Does `work` on a blocking thread when it is its turn; `None` when that takes too long.
    ///
    /// # Errors
    /// [`Problem::Busy`] when no turn comes, [`Problem::Broken`] when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Problem> {
        let turn = timeout(TURN, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Problem::Busy) };
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match timeout(WORK, task).await {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(_)) => {
                tracing::error!("a mail's HTML could not be made harmless");
                Err(Problem::Broken)
            }
            Err(_) => {
                tracing::warn!("a mail's HTML takes too long to be made harmless; its text is shown");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_at_a_time_and_none_for_long() {
        let cleaners = Cleaners::default();
        assert_eq!(cleaners.run(|| 1).await, Ok(Some(1)));
        assert_eq!(cleaners.run(|| -> u8 { panic!("as crafted mail may do") }).await, Err(Problem::Broken));
        let (mut ends, mut slow) = (Vec::<mpsc::Sender<()>>::new(), Vec::new());
        for _ in 0..AT_A_TIME {
            let (end, ended) = mpsc::channel();
            ends.push(end);
            let cleaners = cleaners.clone();
            slow.push(tokio::spawn(async move { cleaners.run(move || ended.recv().is_ok()).await }));
        }
        tokio::task::yield_now().await;
        let waits = tokio::spawn({
            let cleaners = cleaners.clone();
            async move { cleaners.run(|| 2).await }
        });
        tokio::task::yield_now().await;
        // While blocking threads work, the paused clock moves only by hand.
        tokio::time::advance(WORK).await;
        for slow in slow {
            assert_eq!(slow.await.unwrap(), Ok(None), "answered without waiting for the end");
        }
        assert_eq!(cleaners.0.available_permits(), 0, "a thread that works keeps its turn");
        tokio::time::advance(TURN.saturating_sub(WORK)).await;
        assert_eq!(waits.await.unwrap(), Err(Problem::Busy));
        drop(ends);
        assert_eq!(cleaners.run(|| 3).await, Ok(Some(3)));
    }
}
