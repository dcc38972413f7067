//! Lines of the log that a flood repeats: one a second at most.

use std::time::Duration;

use tokio::time::Instant;

/// How often something happened since it was last logged.
#[derive(Debug, Default)]
pub struct Tally {
    last: Option<Instant>,
    unsaid: u64,
}

impl Tally {
    /// Once more, `now`: whether it is time for a line in the log, and for how many others it stands.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < Duration::from_secs(1)) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_stands_for_the_others() {
        let (mut tally, begun) = (Tally::default(), Instant::now());
        let lines = [0, 10, 999, 1000, 1001, 3000].map(|millis| tally.line(begun + Duration::from_millis(millis)));
        assert_eq!(lines, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
