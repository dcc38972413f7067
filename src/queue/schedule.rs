//! When the next attempt at a job is, and when there is none: pure, in whole milliseconds.
//!
//! Pauses grow from a minute to two hours, each lengthened or shortened by up to a fifth so that jobs that failed together do
//! not come back together. A job is given up when its time is over *and* it had a fair number of attempts: after days without
//! power the first attempt must not be the last.

use std::time::Duration;

use crate::base::Timestamp;

/// Pauses after the first, second, … failed attempt, in minutes.
const PAUSES: [u64; 7] = [1, 2, 5, 10, 15, 30, 60];

/// The pause after all further ones, in minutes.
const LONGEST: u64 = 120;

/// Attempts that a job gets however late it is.
pub const FAIR_ATTEMPTS: u32 = 8;

/// What happens to a job whose attempt did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt at this moment.
    At(Timestamp),
    /// No more attempts.
    GiveUp,
}

/// A job's life so far, as the schedule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When the job was made.
    pub created: Timestamp,
    /// Attempts made, the one that just failed included.
    pub attempts: u32,
    /// How long after `created` it is given up.
    pub give_up: Duration,
}

/// The pause after `attempts` failed attempts (1 or more). `random` is 32 random bits: 0 shortens by a fifth, the highest
/// value lengthens by a fifth.
#[must_use]
pub fn pause(attempts: u32, random: u32) -> Duration {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    spread(PAUSES.get(index).copied().unwrap_or(LONGEST) * 60_000, random)
}

/// From a fifth shorter to a fifth longer.
fn spread(millis: u64, random: u32) -> Duration {
    let shortest = millis / 5 * 4;
    let spread = millis / 5 * 2;
    Duration::from_millis(shortest + ((spread * u64::from(random)) >> 32))
}

/// Pauses after the first, second, … failed attempt where somebody waits, or nothing but asking shows that there is a change, in seconds; the
/// last one stands for all further ones.
const SHORT_PAUSES: [u64; 4] = [5, 15, 30, 60];

fn short_pause(attempts: u32, random: u32) -> Duration {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    spread(SHORT_PAUSES.get(index).copied().unwrap_or(60) * 1_000, random)
}

/// Decides after an attempt at a one-time code that surely sent nothing: again soon, but never so late that its code has ended.
#[must_use]
pub fn next_awaited(attempts: u32, expires: Timestamp, now: Timestamp, random: u32) -> Next {
    let at = now + short_pause(attempts, random);
    if at < expires { Next::At(at) } else { Next::GiveUp }
}

/// Decides after a failed attempt. The last attempt falls on the end of the job's time, never after it.
#[must_use]
pub fn next(life: Life, now: Timestamp, random: u32) -> Next {
    after(pause(life.attempts, random), life, now)
}

/// The same where a service of our own side was not there, and asking costs next to nothing: the job goes on within a minute or so of its
/// return.
#[must_use]
pub fn next_soon(life: Life, now: Timestamp, random: u32) -> Next {
    after(short_pause(life.attempts, random), life, now)
}

fn after(pause: Duration, life: Life, now: Timestamp) -> Next {
    let end = life.created + life.give_up;
    let at = now + pause;
    if now < end {
        return Next::At(at.min(end));
    }
    if life.attempts < FAIR_ATTEMPTS { Next::At(at) } else { Next::GiveUp }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn life(attempts: u32) -> Life {
        Life { created: START, attempts, give_up: 48 * HOUR }
    }

    #[test]
    fn pauses_are_those_of_the_design_within_a_fifth() {
        for (attempts, minutes) in
            [(1, 1), (2, 2), (3, 5), (4, 10), (5, 15), (6, 30), (7, 60), (8, 120), (9, 120), (u32::MAX, 120)]
        {
            let minute = Duration::from_secs(60 * minutes);
            assert_eq!(pause(attempts, 0), minute * 4 / 5, "{attempts} shortest");
            assert_eq!(pause(attempts, 1 << 31), minute, "{attempts} middle");
            let longest = pause(attempts, u32::MAX);
            assert!(longest > minute * 119 / 100 && longest <= minute * 6 / 5, "{attempts} longest: {longest:?}");
        }
    }

    #[test]
    fn the_last_attempt_falls_on_the_end() {
        let late = START + 47 * HOUR;
        assert_eq!(next(life(30), late, u32::MAX), Next::At(START + 48 * HOUR));
        assert_eq!(next(life(31), START + 48 * HOUR, 0), Next::GiveUp);
    }

    #[test]
    fn a_job_that_slept_gets_its_fair_attempts_first() {
        let mut now = START + 200 * HOUR;
        for attempts in 1..FAIR_ATTEMPTS {
            let Next::At(at) = next(life(attempts), now, 0) else { panic!("given up after {attempts}") };
            assert!(at > now);
            now = at;
        }
        assert_eq!(next(life(FAIR_ATTEMPTS), now, 0), Next::GiveUp);
    }

    #[test]
    fn a_notice_has_about_thirty_attempts_in_two_days() {
        let (mut now, mut attempts) = (START, 0);
        loop {
            attempts += 1;
            match next(life(attempts), now, 1 << 31) {
                Next::At(at) => now = at,
                Next::GiveUp => break,
            }
        }
        assert_eq!(now, START + 48 * HOUR);
        assert_eq!(attempts, 31);
    }

    #[test]
    fn an_sms_is_tried_again_soon_and_not_past_its_code() {
        let expires = START + Duration::from_mins(10);
        let (mut now, mut pauses) = (START, Vec::new());
        for attempts in 1.. {
            let Next::At(at) = next_awaited(attempts, expires, now, 1 << 31) else { break };
            pauses.push(at.since(now).as_secs());
            now = at;
        }
        assert_eq!(pauses, [5, 15, 30, 60, 60, 60, 60, 60, 60, 60, 60, 60]);
        assert_eq!(now, START + Duration::from_secs(590));
        assert_eq!(next_awaited(1, expires, expires, 0), Next::GiveUp);
        assert_eq!(next_awaited(1, expires, expires + HOUR, 0), Next::GiveUp);
        assert_eq!(next_awaited(u32::MAX, expires, START, 0), Next::At(START + Duration::from_secs(48)));
    }

    proptest! {
        #[test]
        fn never_in_the_past_and_never_for_ever(
            attempts in 1u32..1000, late in 0u64..4_000_000_000, give_up in 1u64..1_000_000_000, random: u32
        ) {
            let now = START + Duration::from_millis(late);
            let life = Life { created: START, attempts, give_up: Duration::from_millis(give_up) };
            match next(life, now, random) {
                Next::At(at) => prop_assert!(at > now && at <= now + Duration::from_mins(144)),
                Next::GiveUp => prop_assert!(late >= give_up && attempts >= FAIR_ATTEMPTS),
            }
        }
    }
}
