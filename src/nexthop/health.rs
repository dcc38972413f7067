//! Which hosts of a hop are well. A host that failed is asked after the others, and by no mail of its own accord as long as another
//! one is well: when its pause is over, somebody asks it aside from all mail. Pure: `now` comes in.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a first failure; it doubles with every further one.
const FIRST: Duration = Duration::from_secs(15);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(4);

/// A host that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trouble {
    /// The end of the pause.
    until: Instant,
    /// How long the pause is.
    pause: Duration,
}

/// The hosts of one hop, by their index in the settings.
#[derive(Debug, Default)]
pub(super) struct Health {
    hosts: Vec<Option<Trouble>>,
    failures: u64,
}

impl Health {
    /// All well.
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: vec![None; hosts], failures: 0 }
    }

    /// The order in which a mail asks them: those that are well as the settings have them, then the others.
    pub(super) fn order(&self) -> Vec<usize> {
        let (well, troubled): (Vec<usize>, Vec<usize>) = (0..self.hosts.len()).partition(|host| self.is_well(*host));
        [well, troubled].concat()
    }

    /// Whether any is well.
    pub(super) fn any_well(&self) -> bool {
        self.hosts.iter().any(Option::is_none)
    }

    /// Failures so far, of any host: two looks with the same number saw no failure between them.
    pub(super) const fn failures(&self) -> u64 {
        self.failures
    }

    /// It failed. Several mails that fail at the same time count once. The pause, when it is a new one.
    pub(super) fn failed(&mut self, host: usize, now: Instant) -> Option<Duration> {
        self.failures += 1;
        let known = self.hosts.get_mut(host)?;
        let pause = match known {
            Some(trouble) if now < trouble.until => return None,
            Some(trouble) => (trouble.pause * 2).min(LONGEST),
            None => FIRST,
        };
        *known = Some(Trouble { until: now + pause, pause });
        Some(pause)
    }

    /// It answered. Whether that is news.
    pub(super) fn answered(&mut self, host: usize) -> bool {
        self.hosts.get_mut(host).and_then(Option::take).is_some()
    }

    /// A host that should be asked aside, since mail would rather go there and its pause is over. It is named once in each pause.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        let best = self.hosts.iter().position(Option::is_none)?;
        let before = self.hosts.iter_mut().take(best).enumerate();
        let (host, trouble) = before
            .filter_map(|(host, trouble)| Some((host, trouble.as_mut()?)))
            .find(|(_, trouble)| now >= trouble.until)?;
        // One that does not come back from its question leaves the pause as long as it was.
        trouble.until = now + trouble.pause;
        Some(host)
    }

    /// The question that [`due`](Self::due) asked for found the host as it was.
    pub(super) fn still_failing(&mut self, host: usize, now: Instant) {
        self.failures += 1;
        if let Some(Some(trouble)) = self.hosts.get_mut(host) {
            let pause = (trouble.pause * 2).min(LONGEST);
            *trouble = Trouble { until: now + pause, pause };
        }
    }

    fn is_well(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_failed_is_asked_last_and_again_after_its_pause() {
        let start = Instant::now();
        let mut health = Health::new(3);
        assert_eq!((health.order(), health.due(start)), (vec![0, 1, 2], None));
        assert_eq!(health.failed(0, start), Some(FIRST));
        assert_eq!(health.failed(0, start), None, "another mail at the same time");
        assert_eq!((health.order(), health.failures()), (vec![1, 2, 0], 2));
        assert_eq!(health.due(start + FIRST / 2), None);
        assert_eq!(health.due(start + FIRST), Some(0));
        assert_eq!(health.due(start + FIRST), None, "one question at a time");
        health.still_failing(0, start + FIRST);
        assert_eq!(health.due(start + FIRST * 2), None, "the pause has doubled");
        assert_eq!(health.due(start + FIRST * 3), Some(0));
        assert!(health.answered(0));
        assert!(!health.answered(0));
        assert_eq!(health.order(), [0, 1, 2]);
        assert_eq!(health.failed(0, start), Some(FIRST), "what was long ago is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_a_host_that_mail_would_not_go_to() {
        let start = Instant::now();
        let mut health = Health::new(2);
        health.failed(1, start);
        assert_eq!((health.order(), health.due(start + LONGEST)), (vec![0, 1], None), "the first is well");
        health.failed(0, start);
        assert!(!health.any_well());
        assert_eq!((health.order(), health.due(start + LONGEST)), (vec![0, 1], None), "mail asks for itself");
        health.answered(1);
        assert_eq!((health.order(), health.due(start + LONGEST)), (vec![1, 0], Some(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_limit() {
        let mut now = Instant::now();
        let mut health = Health::new(1);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let pause = health.failed(0, now).unwrap();
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 240, 240]);
    }
}
