//! Which providers failed lately: they are asked last until they have had time to recover, and not at all while they asked us to
//! wait. In memory only.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Refusal;
use super::outcome::Handover;
use crate::base::Timestamp;

/// How long a provider counts as ill after its first failure; twice as long after each further one.
const ILL: Duration = Duration::from_secs(30);
/// The longest that one counts as ill, and that one can make us wait: an answer must not keep us away for a day.
const LONGEST: Duration = Duration::from_mins(10);

/// What is remembered of one provider.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    ill_until: Timestamp,
    wait_until: Timestamp,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether others are to be asked first.
    pub fn is_ill(&self, now: Timestamp) -> bool {
        now < self.state().ill_until
    }

    /// How long it asked us to stay away.
    pub fn must_wait(&self, now: Timestamp) -> Option<Duration> {
        let until = self.state().wait_until;
        (now < until).then(|| until.since(now))
    }

    /// Takes in how an SMS was handed over. A number that gets no SMS says nothing of the provider.
    pub fn note(&self, handover: &Handover, now: Timestamp) {
        let mut state = self.state();
        match handover {
            Handover::Refused { why: Refusal::Number | Refusal::Country | Refusal::Blocked, .. } => {}
            Handover::Accepted { .. } => *state = State::default(),
            Handover::Refused { .. } | Handover::Failed { .. } | Handover::Unsure { .. } => {
                let pause = ILL.saturating_mul(1 << state.failures.min(8)).min(LONGEST);
                state.failures = state.failures.saturating_add(1);
                state.ill_until = now + pause;
                if let Handover::Failed { after: Some(after), .. } = handover {
                    state.wait_until = now + (*after).min(LONGEST);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_failure_makes_it_ill_for_longer_and_a_success_well() {
        let health = Health::default();
        let mut now = NOW;
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            health.note(&Handover::failed(String::new()), now);
            assert!(health.is_ill(now + SECOND * (seconds - 1)) && !health.is_ill(now + SECOND * seconds), "{seconds}");
            assert_eq!(health.must_wait(now), None);
            now = now + SECOND * seconds;
        }
        health.note(&Handover::Accepted { id: String::new() }, now);
        assert!(!health.is_ill(now));
        health.note(&Handover::Unsure { cause: String::new() }, now);
        assert!(health.is_ill(now + SECOND * 29) && !health.is_ill(now + SECOND * 30));
    }

    #[test]
    fn it_may_ask_us_to_wait_but_not_for_ever() {
        for (after, waits) in [(5, 5), (86_400, 600), (u64::MAX, 600)] {
            let health = Health::default();
            let after = Some(Duration::from_secs(after));
            health.note(&Handover::Failed { cause: String::new(), after }, NOW);
            assert_eq!(health.must_wait(NOW), Some(SECOND * waits));
            assert_eq!(health.must_wait(NOW + SECOND * waits), None);
        }
    }

    #[test]
    fn a_wrong_number_makes_nobody_ill() {
        let health = Health::default();
        health.note(&Handover::refused(Refusal::Number, String::new()), NOW);
        assert!(!health.is_ill(NOW));
        health.note(&Handover::refused(Refusal::Credit, String::new()), NOW);
        assert!(health.is_ill(NOW));
    }
}
