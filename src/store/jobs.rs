//! The durable queue of mails that we wrote ourselves: lease, finish, list.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;

use crate::base::{GrantId, JobId, Timestamp};

use super::codec::{ATTEMPTS, Draft, Found, busy, readable};
use super::dispatch::{DispatchEnd, Refusal, Stage};
use super::engine::{Batch, Key, Space};
use super::intake::NewJob;
pub use super::leases::Lane;
use super::leases::LeaseGuard;
use super::places::{due_of, last_id};
use super::plan::add_job;
use super::records::{Delivery, Grant, Job, JobKind, JobSecret, LeasedJob, Subject};
use super::{Store, StoreError, places};

/// The jobs of the queue by what they are about.
pub(super) type Queued = BTreeMap<Subject, Vec<QueuedJob>>;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueuedJob {
    pub(super) id: JobId,
    /// A notice that may yet be given up, or the mail that tells its sender so.
    pub(super) tells: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum JobEnd {
    /// Delivered: the job and its secret are erased, the delivery is marked.
    Done,
    /// A one-time code was handed over, or never will be: the job and its secret are erased, what became of it is kept.
    Dispatched(DispatchEnd),
    /// Try again at this moment; the text is for `queue list`.
    Retry(Timestamp, String),
    /// Never: job and secret are erased, the delivery is marked failed, and this job, if any, is made instead.
    GiveUp(String, Option<NewJob>),
}

/// Longest text kept of an answer, in bytes.
const LAST: usize = 500;

/// No job is due later than that. One that is was made or put off while the clock was ahead, and is due at once: its mail would wait for
/// years.
const FARTHEST: Duration = Duration::from_hours(24);

/// Keys read at a time.
const PAGE: usize = 64;

/// Records read at a time.
const SCAN: usize = 512;

impl Store {
    /// Leases up to `max` due jobs, oldest first. A lease lasts until [`finish_job`](Self::finish_job) or the process ends.
    ///
    /// None while the queue is held. A job whose link or contact is gone is dropped. One whose record is damaged is reported to the log and left alone
    /// until the next start. A notice is leased also when its link has expired meanwhile: the worker decides.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lease_due(&self, now: Timestamp, max: usize) -> Result<Vec<LeasedJob>, StoreError> {
        let mut leased = Vec::new();
        for lane in Lane::ALL {
            match self.lease_due_of(lane, now, max.saturating_sub(leased.len())).await {
                Ok(more) => leased.extend(more),
                Err(error) => {
                    for job in &leased {
                        self.give_back_job(job.id);
                    }
                    return Err(error);
                }
            }
        }
        Ok(leased)
    }

    /// The same of one lane only.
    ///
    /// # Errors
    /// As [`lease_due`](Self::lease_due).
    pub async fn lease_due_of(&self, lane: Lane, now: Timestamp, max: usize) -> Result<Vec<LeasedJob>, StoreError> {
        if self.is_held() {
            return Ok(Vec::new());
        }
        // The guards give every lease back when this future is dropped, or fails, half way.
        let mut leased = Vec::new();
        // The last moment that there is stands for never.
        let ahead = ((now + FARTHEST).millis().to_be_bytes().to_vec(), Timestamp(u64::MAX - 1));
        for (mut from, to) in [(Vec::new(), now), ahead] {
            'pages: while leased.len() < max {
                // The oldest are mostly those that are being worked on.
                let page = PAGE.min(max - leased.len() + self.inner.leases.held().len());
                let due = self.inner.engine.keys(lane.space(), &from, None, page).await?;
                let Some(last) = due.last() else { break };
                from = [last.as_slice(), &[0]].concat();
                for key in due {
                    if due_of(&key).is_none_or(|due| due > to) || leased.len() == max {
                        break 'pages;
                    }
                    leased.extend(self.lease(Key { space: lane.space(), bytes: key }).await?);
                }
            }
        }
        Ok(leased.into_iter().map(|(lease, job)| lease.keep(job)).collect())
    }

    /// Leases the job of one entry of its lane, unless it is leased already or no longer there.
    async fn lease(&self, entry: Key) -> Result<Option<(LeaseGuard<'_>, LeasedJob)>, StoreError> {
        let (Some(id), Some(due)) = (last_id(&entry.bytes).map(JobId), due_of(&entry.bytes)) else { return Ok(None) };
        if !self.inner.leases.held().insert(id) {
            return Ok(None);
        }
        // Read only now: whoever held the lease before may have finished the job since the key was listed.
        let lease = LeaseGuard::new(&self.inner.leases, id);
        match self.load(id, due, &entry).await {
            Ok(Loaded::Job(job)) => Ok(Some((lease, *job))),
            Ok(Loaded::Moved) => Ok(None),
            Ok(Loaded::Pointless) => {
                tracing::error!(job = %id, "what a job was about is gone; the job is dropped");
                self.drop_job(id, entry).await?;
                Ok(None)
            }
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(job = %id, %cause, "a job cannot be read; it is left alone until the next start");
                Ok(lease.keep(None))
            }
            Err(error) => Err(error),
        }
    }

    async fn load(&self, id: JobId, due: Timestamp, entry: &Key) -> Result<Loaded, StoreError> {
        let Some(found) = self.inner.read::<Job>(&places::job(id)).await? else {
            let listed = self.inner.engine.get(entry).await?.is_some();
            return Ok(if listed { Loaded::Pointless } else { Loaded::Moved });
        };
        let job = found.record;
        if job.due != due {
            return Ok(Loaded::Moved);
        }
        let subject = match job.kind.subject() {
            Subject::Grant(grant) => places::grant(grant),
            Subject::Stub(grant) => places::stub(grant.as_bytes()),
            Subject::Contact(contact) => places::contact(contact),
            Subject::Answer(conversation, answer) => places::answer(conversation, answer),
        };
        if self.inner.engine.get(&subject).await?.is_none() {
            return Ok(Loaded::Pointless);
        }
        let secret = self.inner.read::<JobSecret>(&places::job_secret(id)).await?.map(|found| found.record);
        Ok(Loaded::Job(Box::new(LeasedJob { id, job, secret })))
    }

    /// Removes a job whose subject is gone.
    async fn drop_job(&self, id: JobId, entry: Key) -> Result<(), StoreError> {
        let mut draft = self.inner.draft();
        draft.delete(entry);
        draft.delete(places::job(id));
        draft.delete(places::job_secret(id));
        draft.commit().await.map(|_| ())
    }

    /// Ends a leased job's attempt, durably. A job that was withdrawn meanwhile stays withdrawn.
    ///
    /// # Errors
    /// When the store cannot be written. The lease stays then, so that a mail that left is not sent again: end it once more.
    pub async fn finish_job(&self, id: JobId, mut end: JobEnd) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.inner.read::<Job>(&places::job(id)).await? else {
                self.inner.leases.release(id);
                return Ok(());
            };
            let batch = self.end(id, &found, &mut end).await?;
            if self.commit_then(batch, move |inner| inner.leases.release(id)).await? {
                if let JobEnd::GiveUp(_, Some(NewJob { kind, .. })) = &end
                    && let JobKind::AnswerUndeliverable { answer, lost: true, .. } = kind
                {
                    self.note_lost(*answer);
                }
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// Gives up a lease without an end: the job is as due as it was.
    pub fn give_back_job(&self, id: JobId) {
        self.inner.leases.release(id);
    }

    /// What the end of an attempt writes.
    async fn end(&self, id: JobId, found: &Found<Job>, end: &mut JobEnd) -> Result<Batch, StoreError> {
        let mut draft = self.inner.draft();
        let job = &found.record;
        draft.unchanged(places::job(id), Some(found));
        draft.delete(places::job_due(&job.kind, job.due, id));
        if let JobEnd::Retry(due, answer) = end {
            let mut last = answer.clone();
            last.truncate(last.floor_char_boundary(LAST));
            draft.put(
                places::job(id),
                &Job { due: *due, attempts: job.attempts.saturating_add(1), last, ..job.clone() },
            )?;
            draft.put(places::job_due(&job.kind, *due, id), &())?;
            let waiting = DispatchEnd { stage: Stage::Waiting, provider: String::new(), id: String::new() };
            self.mark_dispatch(&mut draft, (id, &job.kind), &waiting).await?;
            return Ok(draft.into_batch());
        }
        draft.delete(places::job(id));
        draft.delete(places::job_secret(id));
        let now = self.inner.clock.now();
        self.end_answer(&mut draft, (id, job), end, now).await?;
        if let JobKind::Notice { grant } = &job.kind {
            self.mark_notice(&mut draft, *grant, end, now).await?;
        }
        if let JobEnd::Dispatched(end) = end {
            self.mark_dispatch(&mut draft, (id, &job.kind), end).await?;
        } else if matches!(end, JobEnd::GiveUp(..)) {
            self.mark_dispatch(&mut draft, (id, &job.kind), &DispatchEnd::failed(Refusal::Unreachable)).await?;
        }
        if let JobEnd::GiveUp(_, Some(instead)) = end {
            add_job(&mut draft, instead, now)?;
        }
        Ok(draft.into_batch())
    }

    /// Writes on the delivery what became of its notice. A damaged delivery does not keep the job from ending.
    async fn mark_notice(
        &self,
        draft: &mut Draft<'_>,
        grant: GrantId,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let marked = async {
            let Some(grant) = self.inner.read::<Grant>(&places::grant(grant)).await? else { return Ok(None) };
            let place = places::delivery(grant.record.message, grant.record.conversation);
            let delivery = self.inner.read::<Delivery>(&place).await?;
            Ok(delivery.map(|delivery| (place, delivery)))
        };
        let (place, mut found) = match marked.await {
            Ok(Some(marked)) => marked,
            Ok(None) => return Ok(()),
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "a delivery cannot be marked");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match end {
            JobEnd::GiveUp(..) => found.record.failed = Some(now),
            JobEnd::Done | JobEnd::Dispatched(_) | JobEnd::Retry(..) => found.record.noticed = Some(now),
        }
        draft.unchanged(place.clone(), Some(&found));
        draft.put(place, &found.record)
    }

    /// When the next job that is not leased is due; none is while the queue is held.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        for lane in Lane::ALL {
            let due = self.next_due_of(lane).await?;
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// The same of one lane only.
    ///
    /// # Errors
    /// As [`next_due`](Self::next_due).
    pub async fn next_due_of(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
        if self.is_held() {
            return Ok(None);
        }
        let mut from = Vec::new();
        loop {
            let due = self.inner.engine.keys(lane.space(), &from, None, PAGE).await?;
            let Some(last) = due.last() else { return Ok(None) };
            from = [last.as_slice(), &[0]].concat();
            let held = self.inner.leases.held();
            let free = due.iter().find(|key| last_id(key).is_some_and(|id| !held.contains(&JobId(id))));
            if let Some(key) = free {
                return Ok(due_of(key));
            }
        }
    }

    /// Resolves when a job may have become due earlier than [`next_due`](Self::next_due) said: also when it did so between
    /// that call and this one. For one worker loop; a waiter that gives up takes no call from another.
    pub async fn job_added(&self) {
        tokio::select! {
            () = self.job_added_to(Lane::Awaited) => {}
            () = self.job_added_to(Lane::Mail) => {}
        }
        // Each job rings in both.
        for lane in Lane::ALL {
            let _rung = self.job_added_to(lane).now_or_never();
        }
    }

    /// The same of one lane only: for that lane's worker.
    pub async fn job_added_to(&self, lane: Lane) {
        self.inner.leases.added(lane).await;
    }

    /// Jobs in order of due time. One that is damaged is left out and reported to the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn jobs(&self, limit: usize) -> Result<Vec<(JobId, Job)>, StoreError> {
        let mut jobs = Vec::new();
        for lane in Lane::ALL {
            for key in self.inner.engine.keys(lane.space(), &[], None, limit).await? {
                let Some(id) = last_id(&key).map(JobId) else { continue };
                let found = readable(self.inner.read::<Job>(&places::job(id)).await)?;
                jobs.extend(found.map(|found| (id, found.record)));
            }
        }
        jobs.sort_by_key(|(_, job)| job.due);
        jobs.truncate(limit);
        Ok(jobs)
    }

    /// How many jobs there are of each kind, as `name` calls it, and when the oldest of them was made. Looks at `most` jobs at most;
    /// one that is damaged is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn queue_by_kind(
        &self,
        name: impl Fn(&JobKind) -> &'static str,
        most: usize,
    ) -> Result<BTreeMap<&'static str, (u64, Timestamp)>, StoreError> {
        let (mut kinds, mut from, mut seen) = (BTreeMap::new(), Vec::new(), 0);
        while seen < most {
            let jobs = self.inner.engine.scan(Space::Job, &from, None, SCAN).await?;
            let Some((last, _)) = jobs.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            seen += jobs.len();
            for (key, found) in jobs {
                let Ok(job) = self.inner.open::<Job>(Space::Job, key, &found) else { continue };
                let (count, oldest) = kinds.entry(name(&job.kind)).or_insert((0, job.created));
                *count += 1;
                *oldest = job.created.min(*oldest);
            }
        }
        Ok(kinds)
    }

    /// Adds to a draft what removes a job, if it is still there. A job that is being worked on ends quietly.
    pub(super) async fn withdraw_job(&self, draft: &mut Draft<'_>, id: JobId) -> Result<(), StoreError> {
        let Some(found) = readable(self.inner.read::<Job>(&places::job(id)).await)? else { return Ok(()) };
        draft.unchanged(places::job(id), Some(&found));
        draft.delete(places::job_due(&found.record.kind, found.record.due, id));
        draft.delete(places::job(id));
        draft.delete(places::job_secret(id));
        Ok(())
    }

    /// Every job of the queue by what it is about. One that is damaged is left out and reported to the log.
    pub(super) async fn queued(&self) -> Result<Queued, StoreError> {
        let mut queued = Queued::new();
        for lane in Lane::ALL {
            self.queued_in(lane, &mut queued).await?;
        }
        Ok(queued)
    }

    async fn queued_in(&self, lane: Lane, queued: &mut Queued) -> Result<(), StoreError> {
        let mut from = Vec::new();
        loop {
            let due = self.inner.engine.keys(lane.space(), &from, None, PAGE).await?;
            let Some(last) = due.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
            for id in due.iter().filter_map(|key| last_id(key)).map(JobId) {
                let Some(job) = readable(self.inner.read::<Job>(&places::job(id)).await)? else { continue };
                let tells = matches!(job.record.kind, JobKind::Notice { .. } | JobKind::Undeliverable { .. });
                queued.entry(job.record.kind.subject()).or_default().push(QueuedJob { id, tells });
            }
        }
    }
}

/// What is behind an entry of a lane.
enum Loaded {
    Job(Box<LeasedJob>),
    /// Finished or put off since it was listed.
    Moved,
    /// What it is about is gone.
    Pointless,
}
