//! Mail transactions: from MAIL to the reply to the dot.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Outcomes, Waits, waits_by};

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop took it.
    Passed,
    /// It is sealed here.
    Sealed,
    /// The next hop took it, and for some recipients it is sealed here.
    Mixed,
    /// A report about a mail of ours, taken in.
    Reported,
    /// 4xx: the client tries again.
    Deferred,
    /// 5xx.
    Refused,
    /// The client left, or said RSET, before the reply to the dot.
    Aborted,
}

impl Outcome {
    const ALL: [Self; 7] =
        [Self::Passed, Self::Sealed, Self::Mixed, Self::Deferred, Self::Refused, Self::Aborted, Self::Reported];

    /// As it stands in the log and as a label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Sealed => "sealed",
            Self::Mixed => "mixed",
            Self::Reported => "reported",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Passed => 0,
            Self::Sealed => 1,
            Self::Mixed => 2,
            Self::Deferred => 3,
            Self::Refused => 4,
            Self::Aborted => 5,
            Self::Reported => 6,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByVerdict {
    verdict: &'static str,
}

#[derive(Debug, Clone)]
struct Handles {
    mails: Counter,
    bytes: Counter,
    seconds: Histogram,
}

/// All transactions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mails {
    ended: Family<Outcomes, Counter>,
    bytes: Family<Outcomes, Counter>,
    seconds: Waits<Outcomes>,
    recipients: Family<ByVerdict, Counter>,
    by_outcome: [Handles; Outcome::ALL.len()],
    /// Passed, sealed, refused.
    by_verdict: [Counter; 3],
}

impl Default for Mails {
    fn default() -> Self {
        let (mails, bytes) = (Family::<Outcomes, Counter>::default(), Family::<Outcomes, Counter>::default());
        let (seconds, recipients) = (waits_by::<Outcomes>(), Family::<ByVerdict, Counter>::default());
        let by_outcome = Outcome::ALL.map(|outcome| {
            let by = Outcomes { outcome: outcome.word() };
            Handles {
                mails: mails.get_or_create_owned(&by),
                bytes: bytes.get_or_create_owned(&by),
                seconds: seconds.get_or_create_owned(&by),
            }
        });
        let by_verdict =
            ["pass", "seal", "refuse"].map(|verdict| recipients.get_or_create_owned(&ByVerdict { verdict }));
        Self { ended: mails, bytes, seconds, recipients, by_outcome, by_verdict }
    }
}

impl Mails {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("mails", "Mail transactions by what became of them", self.ended.clone());
        registry.register("mail_bytes", "Bytes of their mails as they came", self.bytes.clone());
        registry.register("mail_seconds", "From MAIL to the reply to the dot", self.seconds.clone());
        registry.register("recipients", "Recipients by verdict", self.recipients.clone());
    }

    /// A transaction is over.
    pub fn ended(&self, outcome: Outcome, bytes: u64, took: Duration) {
        if let Some(handles) = self.by_outcome.get(outcome.index()) {
            handles.mails.inc();
            handles.bytes.inc_by(bytes);
            handles.seconds.observe(took.as_secs_f64());
        }
    }

    /// So many recipients had these verdicts.
    pub fn judged(&self, passed: u64, sealed: u64, refused: u64) {
        for (counter, count) in self.by_verdict.iter().zip([passed, sealed, refused]) {
            counter.inc_by(count);
        }
    }
}
