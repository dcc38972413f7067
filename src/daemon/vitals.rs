//! Looks at everything when somebody asks how the gateway is: for `/metrics`, `/healthz` and the control socket.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::certificates::Certificates;
use super::health::{Health, Reason};
use super::hops::{Hops, InUse};
use crate::base::{Clock, Timestamp};
use crate::metrics::{Amount, Commits, Exposition, Form, Metrics, QueueKind};
use crate::seal::hashers::Hashers;
use crate::store::check::Damage;
use crate::store::records::JobKind;
use crate::store::retention::Retention;
use crate::store::{OpenReport, Store};
use crate::users::Users;

/// The queue is counted this often at most.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Jobs that are counted at most.
const COUNTED: usize = 20_000;
/// Commits without any answer for this long: the disk hangs.
const STALLED: Duration = Duration::from_secs(15);
/// A store that does not answer in this time is not waited for: a disk that hangs must not silence who tells of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// A certificate that ends sooner is told of.
const ENDS_SOON: i64 = 7 * 24 * 3600;

/// What is looked at.
#[derive(Debug)]
pub struct Sources {
    /// What is counted as it happens.
    pub metrics: Metrics,
    /// The store.
    pub store: Store,
    /// What its recovery found.
    pub report: OpenReport,
    /// Who knows how the erasure ledger is.
    pub retention: Retention,
    /// Next hops.
    pub hops: Hops,
    /// Certificates.
    pub certificates: Arc<Certificates>,
    /// Who may log in.
    pub users: Option<Users>,
    /// Where codes wait: what for, and the turns.
    pub hashers: Vec<(&'static str, Hashers)>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Answers how the gateway is. Cheap to clone.
#[derive(Clone)]
pub struct Vitals {
    inner: Arc<Inner>,
}

struct Inner {
    sources: Sources,
    commits: Commits,
    exposition: Exposition,
    started: Timestamp,
    /// One look at a time.
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    counted: Option<Instant>,
    kinds: BTreeMap<&'static str, (u64, Timestamp)>,
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vitals")
    }
}

impl Vitals {
    /// Over everything that runs.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let commits = sources.store.commits();
        let exposition = sources.metrics.exposition(&commits);
        let started = sources.clock.now();
        Self { inner: Arc::new(Inner { sources, commits, exposition, started, queue: Mutex::default() }) }
    }

    /// How it is now.
    pub async fn health(&self) -> Health {
        let Sources { metrics, store, report, hops, certificates, clock, .. } = &self.inner.sources;
        let InUse { all: hops, home } = &*hops.current();
        let mut reasons: Vec<Reason> = store.trouble().map(Reason::from).into_iter().collect();
        let mut note = |is: bool, reason| reasons.extend(is.then_some(reason));
        note(self.inner.commits.stalled(STALLED), Reason::StoreStalled);
        note(!metrics.smtp.accepts(), Reason::NotAccepting);
        for hop in hops.iter().filter(|hop| hop.is_down()) {
            note(true, if hop.name() == home { Reason::HomeUnreachable } else { Reason::NextHopUnreachable });
        }
        note(store.is_held(), Reason::QueueHeld);
        let damaged = report.unerased > 0 || !report.quarantined.is_empty() || !store.losses().is_empty();
        note(damaged, Reason::JournalDamaged);
        note(report.ledger_damaged > 0 || self.is_ledger_short().await, Reason::LedgerDamaged);
        note(self.damage().await.is_some_and(|(_, damage)| damage > 0), Reason::StoreDamaged);
        let soon = i64::try_from(clock.now().secs()).unwrap_or(i64::MAX).saturating_add(ENDS_SOON);
        note(certificates.ends().any(|(_, end)| end < soon), Reason::CertificateEnds);
        let health = Health::of(reasons);
        metrics.standing.set(Amount::Ready, u64::from(health.is_ready()));
        for reason in Reason::ALL {
            metrics.standing.trouble(reason.word(), health.reasons.contains(&reason));
        }
        health
    }

    /// All metrics as text. What the store cannot tell now stays as it was.
    ///
    /// # Errors
    /// None while there is memory.
    pub async fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut queue = self.inner.queue.lock().await;
        let _in_the_gauges = self.health().await;
        self.look().await;
        self.count(&mut queue).await;
        self.inner.exposition.text(form)
    }

    async fn look(&self) {
        let Sources { metrics, store, report, certificates, users, hashers, .. } = &self.inner.sources;
        let standing = &metrics.standing;
        if let Some(room) = store.room() {
            standing.set(Amount::Free, room.free);
            standing.set(Amount::MinFree, room.min_free);
            standing.set(Amount::Journal, room.journal);
        }
        let counts = store.counts();
        standing.store(counts.commits, counts.syncs, counts.erased, store.lost_answers());
        standing.set(Amount::Quarantined, (report.quarantined.len() + store.losses().len()) as u64);
        standing.set(Amount::Unerased, report.unerased as u64);
        standing.set(Amount::Held, u64::from(store.is_held()));
        standing.set(Amount::Started, self.inner.started.secs());
        if let Some((at, damage)) = self.damage().await {
            standing.set(Amount::Checked, at.secs());
            standing.set(Amount::Damage, damage);
        }
        for (r#use, end) in certificates.ends() {
            standing.certificate(r#use, end);
        }
        for (r#use, hashers) in hashers {
            standing.waiting(r#use, hashers.waiting());
        }
        standing.waiting("password", users.as_ref().map_or(0, Users::waiting));
    }

    /// When the last whole check ended, and the damage to the store that it left. How the ledger is, is looked up now.
    async fn damage(&self) -> Option<(Timestamp, u64)> {
        let last = tokio::time::timeout(PATIENCE, self.inner.sources.store.last_check()).await;
        let (at, report) = last.ok()?.ok().flatten()?;
        let left = report.findings.iter().filter(|finding| !finding.mended && finding.damage != Damage::Ledger);
        Some((at, left.count() as u64))
    }

    async fn is_ledger_short(&self) -> bool {
        let short = tokio::time::timeout(PATIENCE, self.inner.sources.retention.is_ledger_short()).await;
        matches!(short, Ok(Some(true)))
    }

    async fn count(&self, queue: &mut Queue) {
        let Sources { metrics, store, clock, .. } = &self.inner.sources;
        if queue.counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY)
            && let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, store.queue_by_kind(JobKind::name, COUNTED)).await
        {
            queue.counted = Some(Instant::now());
            // A kind that was there once stays, with nothing in it.
            queue.kinds.values_mut().for_each(|kind| kind.0 = 0);
            queue.kinds.extend(found);
        }
        let now = clock.now();
        for (kind, (jobs, oldest)) in &queue.kinds {
            let oldest = if *jobs == 0 { 0 } else { now.since(*oldest).as_secs() };
            metrics.standing.queue(kind, QueueKind { jobs: *jobs, oldest });
        }
    }
}
