//! What is not counted as it happens but looked at when somebody asks: room, queue, certificates, flags.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Reason;

/// A number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// 1 when `/healthz` answers 200.
    Ready,
    /// Bytes free on the disk of the data folder.
    Free,
    /// Bytes below which no confidential mail is taken.
    MinFree,
    /// Bytes of the journal.
    Journal,
    /// Damaged places of the journal in quarantine since the start, with missing segments.
    Quarantined,
    /// Erased values that the disk refused to overwrite at the start.
    Unerased,
    /// When the last whole check of the store ended, seconds since 1970; 0 for never.
    Checked,
    /// Damage that it found and could not mend.
    Damage,
    /// 1 while nothing of ours is sent.
    Held,
    /// When the process began to serve, seconds since 1970.
    Started,
}

impl Amount {
    const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Ready, "ready", "1 when /healthz answers 200"),
        (Self::Free, "store_free_bytes", "Free on the disk of the data folder"),
        (Self::MinFree, "store_min_free_bytes", "Below this no confidential mail is taken"),
        (Self::Journal, "store_journal_bytes", "Size of the journal"),
        (Self::Quarantined, "store_quarantined_places", "Damaged or missing places of the journal found at the start"),
        (Self::Unerased, "store_unerased_values", "Erased values that the disk refused to overwrite at the start"),
        (Self::Checked, "store_last_check_timestamp_seconds", "When the last whole check of the store ended"),
        (Self::Damage, "store_last_check_damage", "Damage that the last whole check left unmended"),
        (Self::Held, "queue_held", "1 while nothing of ours is sent"),
        (Self::Started, "start_time_seconds", "When the process began to serve"),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByUse {
    r#use: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// Jobs of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueKind {
    /// So many.
    pub jobs: u64,
    /// Age of the oldest, seconds.
    pub oldest: u64,
}

/// Gauges that are set before a text is made. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Standing {
    amounts: [Gauge; Amount::ALL.len()],
    trouble: Family<Reason, Gauge>,
    jobs: Family<ByKind, Gauge>,
    oldest: Family<ByKind, Gauge>,
    waiting: Family<ByUse, Gauge>,
    certificates: Family<ByUse, Gauge>,
    build: Family<Build, Gauge>,
    commits: Counter,
    syncs: Counter,
    erased: Counter,
    lost_answers: Counter,
}

impl Default for Standing {
    fn default() -> Self {
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        Self {
            amounts: Amount::ALL.map(|_| Gauge::default()),
            trouble: Family::default(),
            jobs: Family::default(),
            oldest: Family::default(),
            waiting: Family::default(),
            certificates: Family::default(),
            build,
            commits: Counter::default(),
            syncs: Counter::default(),
            erased: Counter::default(),
            lost_answers: Counter::default(),
        }
    }
}

impl Standing {
    pub(super) fn register(&self, registry: &mut Registry) {
        for ((_, name, help), gauge) in Amount::ALL.iter().zip(&self.amounts) {
            registry.register(*name, *help, gauge.clone());
        }
        registry.register("trouble", "1 while /healthz gives this reason", self.trouble.clone());
        registry.register("queue_jobs", "Mails of our own that are still to be sent", self.jobs.clone());
        registry.register("queue_oldest_seconds", "Age of the oldest of them", self.oldest.clone());
        registry.register("argon2_waiting", "Codes and passwords that wait to be hashed", self.waiting.clone());
        registry.register(
            "certificate_end_timestamp_seconds",
            "When a certificate in service ends",
            self.certificates.clone(),
        );
        registry.register("build_info", "Always 1; the version is in the label", self.build.clone());
        registry.register("store_commits", "Commits", self.commits.clone());
        registry.register("store_syncs", "Times that the journal was synced for them", self.syncs.clone());
        registry.register("store_erased", "Superseded values that were overwritten", self.erased.clone());
        registry.register("answers_lost", "Answers that reached no mailbox", self.lost_answers.clone());
    }

    /// Sets a number.
    pub fn set(&self, amount: Amount, value: u64) {
        let index = Amount::ALL.iter().position(|(other, ..)| *other == amount);
        if let Some(gauge) = index.and_then(|index| self.amounts.get(index)) {
            gauge.set(whole(value));
        }
    }

    /// Whether `/healthz` gives this reason.
    pub fn trouble(&self, reason: &'static str, is: bool) {
        self.trouble.get_or_create(&Reason { reason }).set(i64::from(is));
    }

    /// The jobs of one kind.
    pub fn queue(&self, kind: &'static str, jobs: QueueKind) {
        self.jobs.get_or_create(&ByKind { kind }).set(whole(jobs.jobs));
        self.oldest.get_or_create(&ByKind { kind }).set(whole(jobs.oldest));
    }

    /// How many wait for their turn at Argon2id, and for what.
    pub fn waiting(&self, r#use: &'static str, count: usize) {
        self.waiting.get_or_create(&ByUse { r#use }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// When the certificate for this ends, seconds since 1970.
    pub fn certificate(&self, r#use: &'static str, end: i64) {
        self.certificates.get_or_create(&ByUse { r#use }).set(end);
    }

    /// What the store counted since it was opened.
    pub fn store(&self, commits: u64, syncs: u64, erased: u64, lost_answers: u64) {
        let counted = [
            (&self.commits, commits),
            (&self.syncs, syncs),
            (&self.erased, erased),
            (&self.lost_answers, lost_answers),
        ];
        for (counter, value) in counted {
            let inner: &AtomicU64 = counter.inner();
            inner.store(value, Ordering::Relaxed);
        }
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
