//! The queue's loop: as many attempts at once as there are workers, each ended durably, nothing polled in between.
//!
//! It sleeps until a job is added, an attempt ends, or the next job is due; never longer than [`NAP`], so that a wall clock
//! that was set forward is noticed.
//!
//! An attempt that takes long gives its place to another: a next hop that hangs holds up its own mails and not those of the
//! other route.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{self, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::base::entropy::random;
use crate::base::{Clock, Entropy, JobId, Timestamp};
use crate::notify::{Notifier, Outcome};
use crate::store::dispatch::{DispatchEnd, Stage};
use crate::store::intake::NewJob;
use crate::store::jobs::{JobEnd, Lane};
use crate::store::records::{Job, JobKind, LeasedJob};
use crate::store::{Store, StoreError};

use super::Settings;
use super::schedule::{self, Life, Next};

/// The longest sleep.
const NAP: Duration = Duration::from_secs(30);

/// The longest wait before asking a store again that could not answer.
const STORE_PAUSE: Duration = Duration::from_secs(30);

/// An attempt that takes longer is broken off: past the ten minutes that a next hop may take for the final dot
/// (RFC 5321 §4.5.3.2.6).
const ATTEMPT_LIMIT: Duration = Duration::from_mins(15);

/// An attempt that takes longer gives its place to another.
const SLOW: Duration = Duration::from_secs(10);

/// Attempts in flight at most, slow ones included, for each place.
const SLOW_FACTOR: usize = 4;

/// A job whose attempt broke off before its end was stored waits this long: its mail may have left, and would leave again.
const LOST_PAUSE: Duration = Duration::from_mins(15);

/// The part of the store that the loop uses.
pub(super) trait Jobs: Clone + Send + Sync + 'static {
    fn lease_due(&self, now: Timestamp, max: usize) -> impl Future<Output = Result<Vec<LeasedJob>, StoreError>> + Send;
    fn finish_job(&self, id: JobId, end: JobEnd) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn give_back(&self, id: JobId);
    fn next_due(&self) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
    fn job_added(&self) -> impl Future<Output = ()> + Send;
}

/// The jobs of one lane.
#[derive(Debug, Clone)]
pub(super) struct InLane {
    pub store: Store,
    pub lane: Lane,
}

impl Jobs for InLane {
    async fn lease_due(&self, now: Timestamp, max: usize) -> Result<Vec<LeasedJob>, StoreError> {
        self.store.lease_due_of(self.lane, now, max).await
    }
    async fn finish_job(&self, id: JobId, end: JobEnd) -> Result<(), StoreError> {
        self.store.finish_job(id, end).await
    }
    fn give_back(&self, id: JobId) {
        self.store.give_back_job(id);
    }
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due_of(self.lane).await
    }
    async fn job_added(&self) {
        self.store.job_added_to(self.lane).await;
    }
}

/// Who makes an attempt.
pub(super) trait Attempts: Clone + Send + Sync + 'static {
    fn attempt(&self, job: &LeasedJob) -> impl Future<Output = Outcome> + Send;
}

impl Attempts for Notifier {
    async fn attempt(&self, job: &LeasedJob) -> Outcome {
        Self::attempt(self, job).await
    }
}

/// The loop and what it works with.
#[derive(Clone)]
pub(super) struct Worker<J, A> {
    pub settings: Settings,
    pub jobs: J,
    pub attempts: A,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub stop: CancellationToken,
}

/// The attempts in flight and the places they take.
struct Flight {
    tasks: JoinSet<()>,
    /// The job of each task.
    jobs: HashMap<task::Id, JobId>,
    /// Jobs whose task broke off: their leases stand.
    lost: Vec<JobId>,
    places: Arc<Semaphore>,
    most: usize,
}

impl Flight {
    fn new(places: usize) -> Self {
        let places = places.clamp(1, 1000);
        Self {
            tasks: JoinSet::new(),
            jobs: HashMap::new(),
            lost: Vec::new(),
            places: Arc::new(Semaphore::new(places)),
            most: places * SLOW_FACTOR,
        }
    }

    fn start(&mut self, job: JobId, work: impl Future<Output = ()> + Send + 'static) {
        self.jobs.insert(self.tasks.spawn(work).id(), job);
    }

    /// Attempts that may start now.
    fn free(&self) -> usize {
        self.places.available_permits().min(self.most.saturating_sub(self.tasks.len()))
    }

    /// Forgets the attempts that ended.
    fn sweep(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
    }

    /// A task ended; one that panicked outside of its attempt leaves a job whose end is not stored.
    fn note(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        match ended {
            Ok((id, ())) => drop(self.jobs.remove(&id)),
            Err(cause) => {
                let job = self.jobs.remove(&cause.id());
                tracing::error!(job = job.map(tracing::field::display), %cause, "an attempt broke off before its end was stored");
                self.lost.extend(job);
            }
        }
    }

    /// Resolves when an attempt ends or gives its place away. Never while nothing flies.
    async fn room(&mut self) {
        let crowded = self.tasks.len() >= self.most;
        let ended = tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => Some(ended),
            _ = self.places.acquire(), if !crowded => None,
            else => std::future::pending().await,
        };
        if let Some(ended) = ended {
            self.note(ended);
        }
    }
}

impl<J: Jobs, A: Attempts> Worker<J, A> {
    pub async fn run(self) {
        let mut flight = Flight::new(self.settings.workers);
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            match self.start_due(&mut flight).await {
                Ok(nap) => {
                    failures = 0;
                    self.rest(nap, &mut flight).await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, "the queue cannot read its jobs; it asks again");
                    self.rest_alone(store_pause(failures)).await;
                }
            }
        }
        while let Some(ended) = flight.tasks.join_next_with_id().await {
            flight.note(ended);
        }
    }

    /// Starts what is due while there are free places; says how long there is nothing to do.
    async fn start_due(&self, flight: &mut Flight) -> Result<Duration, StoreError> {
        flight.sweep();
        for job in std::mem::take(&mut flight.lost) {
            flight.start(job, self.clone().give_back_later(job));
        }
        let free = flight.free();
        if free == 0 {
            return Ok(NAP);
        }
        let leased = self.jobs.lease_due(self.clock.now(), free).await?;
        let filled = leased.len() >= free;
        for job in leased {
            let place = Arc::clone(&flight.places).try_acquire_owned().ok();
            flight.start(job.id, self.clone().work(job, place));
        }
        if filled {
            return Ok(NAP);
        }
        let due = self.jobs.next_due().await?;
        Ok(due.map_or(NAP, |due| until(due, self.clock.now())))
    }

    /// Frees a job whose attempt broke off, after a pause; a stop needs no pause.
    async fn give_back_later(self, job: JobId) {
        let _stopped = self.stop.run_until_cancelled(tokio::time::sleep(LOST_PAUSE)).await;
        self.jobs.give_back(job);
    }

    /// Waits for something to happen. Without a free place only one that becomes free counts.
    async fn rest(&self, nap: Duration, flight: &mut Flight) {
        if flight.free() == 0 {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = flight.room() => {}
            }
            return;
        }
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.jobs.job_added() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }

    /// Waits out a pause.
    async fn rest_alone(&self, pause: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// One attempt and its durable end.
    async fn work(self, job: LeasedJob, place: Option<OwnedSemaphorePermit>) {
        let outcome = self.attempt(&job, place).await;
        let (id, attempt) = (job.id, job.job.attempts.saturating_add(1));
        let result = match &outcome {
            Outcome::Sent => "sent",
            Outcome::Later(_) | Outcome::Soon(_) => "later",
            Outcome::Never(_) => "never",
            Outcome::Infected(_) => "infected",
            Outcome::Dispatched(end) => word(end.stage),
        };
        tracing::info!(job = %id, kind = job.job.kind.name(), attempt, result, "attempt");
        self.finish(id, job.job, outcome).await;
    }

    /// One attempt, whatever happens in it: bounded, and with its place only as long as it is not slow.
    async fn attempt(&self, job: &LeasedJob, place: Option<OwnedSemaphorePermit>) -> Outcome {
        let attempt = AssertUnwindSafe(self.attempts.attempt(job)).catch_unwind();
        let mut attempt = pin!(tokio::time::timeout(ATTEMPT_LIMIT, attempt));
        let ended = tokio::select! {
            ended = &mut attempt => ended,
            () = tokio::time::sleep(SLOW) => {
                drop(place);
                attempt.await
            }
        };
        match ended {
            Ok(Ok(outcome)) => outcome,
            // Whatever an SMS came to, it may have left.
            Ok(Err(_)) | Err(_) if matches!(job.job.kind, JobKind::Sms { .. }) => {
                tracing::error!(job = %job.id, "an attempt at an SMS broke off");
                Outcome::Dispatched(DispatchEnd::unsure())
            }
            Ok(Err(_)) => {
                tracing::error!(job = %job.id, "an attempt panicked");
                Outcome::Later("the gateway made a mistake in this attempt; it is in the log".to_owned())
            }
            Err(_) => Outcome::Later("the attempt took too long and was broken off".to_owned()),
        }
    }

    /// Ends the attempt in the store, however long the store needs: until then the lease stands and nobody else sends it.
    async fn finish(&self, id: JobId, job: Job, outcome: Outcome) {
        let mut failures = 0;
        loop {
            let end = self.end(&job, outcome.clone());
            let last = matches!(end, JobEnd::GiveUp(..));
            let Err(error) = self.jobs.finish_job(id, end).await else {
                if last {
                    tracing::error!(job = %id, kind = job.kind.name(), "a mail is given up");
                }
                return;
            };
            failures += 1;
            tracing::warn!(%error, job = %id, "the end of an attempt could not be stored; it is tried again");
            tokio::select! {
                () = self.stop.cancelled() => {
                    tracing::error!(job = %id, "stopped before the end of an attempt was stored; the mail may be sent twice");
                    return;
                }
                () = tokio::time::sleep(store_pause(failures)) => {}
            }
        }
    }

    /// What an outcome means for the job.
    fn end(&self, job: &Job, outcome: Outcome) -> JobEnd {
        let now = self.clock.now();
        let soon = matches!(outcome, Outcome::Soon(_));
        match outcome {
            Outcome::Sent => JobEnd::Done,
            Outcome::Dispatched(end) => JobEnd::Dispatched(end),
            Outcome::Never(answer) => self.give_up(job, answer, now),
            Outcome::Infected(file) => match job.kind {
                JobKind::Answer { conversation, answer, .. } => {
                    let kind = JobKind::AnswerInfected { conversation, answer, file };
                    let tell = NewJob { id: JobId::random(&*self.entropy), kind, secret: None, due: now };
                    JobEnd::GiveUp("malware".to_owned(), Some(tell))
                }
                _ => self.give_up(job, "malware".to_owned(), now),
            },
            Outcome::Later(answer) | Outcome::Soon(answer) => {
                let random = u32::from_be_bytes(random(&*self.entropy));
                let give_up = match job.kind {
                    // The last try of an answer is shorter: who wrote it waits to hear of it.
                    JobKind::Notice { .. } | JobKind::Answer { fallback: true, .. } => self.settings.notice_give_up,
                    _ => self.settings.sender_give_up,
                };
                let life = Life { created: job.created, attempts: job.attempts.saturating_add(1), give_up };
                let next = match job.kind.one_time() {
                    Some(code) => schedule::next_awaited(life.attempts, code.expires, now, random),
                    None if soon => schedule::next_soon(life, now, random),
                    None => schedule::next(life, now, random),
                };
                match next {
                    Next::At(at) => JobEnd::Retry(at, answer),
                    Next::GiveUp => self.give_up(job, answer, now),
                }
            }
        }
    }

    /// A notice that does not arrive is told to the sender, a code to the fallback mailbox; any other mail is for the log.
    fn give_up(&self, job: &Job, answer: String, now: Timestamp) -> JobEnd {
        let kind = match job.kind {
            JobKind::Notice { grant } => Some(JobKind::Undeliverable { grant, answer: answer.clone() }),
            JobKind::Code { contact } => Some(JobKind::CodeUndeliverable { contact, answer: answer.clone() }),
            JobKind::Answer { conversation, answer, fallback } => Some(if fallback {
                JobKind::AnswerUndeliverable { conversation, answer, lost: true }
            } else {
                JobKind::Answer { conversation, answer, fallback: true }
            }),
            JobKind::Closed { .. }
            | JobKind::Asked { .. }
            | JobKind::OneTimeFailed { .. }
            | JobKind::Undeliverable { .. }
            | JobKind::CodeUndeliverable { .. }
            | JobKind::AnswerUndeliverable { .. }
            | JobKind::AnswerInfected { .. }
            | JobKind::AnswerNotice { .. }
            | JobKind::Sms { .. }
            | JobKind::OneTimeMail { .. } => None,
        };
        let mail = kind.map(|kind| NewJob { id: JobId::random(&*self.entropy), kind, secret: None, due: now });
        JobEnd::GiveUp(answer, mail)
    }
}

/// The sleep until a job is due. One that is due although the store just leased all that were (its time came in between, or
/// the store holds it back) is asked for again in a second: never a busy loop.
fn until(due: Timestamp, now: Timestamp) -> Duration {
    let wait = due.since(now);
    if wait.is_zero() { Duration::from_secs(1) } else { wait.min(NAP) }
}

fn store_pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.clamp(1, 6).saturating_sub(1)).min(STORE_PAUSE)
}

/// How a one-time code ended, for the log.
const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting | Stage::Sending => "later",
        Stage::Taken => "taken",
        Stage::Unsure => "unsure",
        Stage::Delivered => "delivered",
        Stage::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::base::{ChallengeId, ContactId, GrantId, SeededEntropy};

    const SECOND: Duration = Duration::from_secs(1);

    /// The wall clock of a test: it follows tokio's paused time.
    #[derive(Debug)]
    struct PausedClock(tokio::time::Instant);

    impl Clock for PausedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(1_800_000_000) + self.0.elapsed()
        }
    }

    /// A queue in memory that keeps what was done to it.
    #[derive(Debug, Default)]
    struct Book {
        open: BTreeMap<JobId, Job>,
        leased: Vec<JobId>,
        ends: Vec<(JobId, String)>,
        leases_asked: usize,
        failing: usize,
        panics: usize,
    }

    #[derive(Debug, Clone, Default)]
    struct Queue {
        book: Arc<Mutex<Book>>,
        added: Arc<Notify>,
    }

    impl Queue {
        fn add(&self, number: u8, kind: JobKind, created: Timestamp) -> JobId {
            let id = JobId([number; 16]);
            let job = Job { kind, created, due: created, attempts: 0, last: String::new() };
            self.book.lock().unwrap().open.insert(id, job);
            self.added.notify_one();
            id
        }
        fn ends(&self) -> Vec<(JobId, String)> {
            self.book.lock().unwrap().ends.clone()
        }
        fn failing(&self) -> Result<(), StoreError> {
            let mut book = self.book.lock().unwrap();
            if book.failing == 0 {
                return Ok(());
            }
            book.failing -= 1;
            Err(StoreError::NotReady("test".to_owned()))
        }
    }

    impl Jobs for Queue {
        async fn lease_due(&self, now: Timestamp, max: usize) -> Result<Vec<LeasedJob>, StoreError> {
            self.failing()?;
            let mut book = self.book.lock().unwrap();
            book.leases_asked += 1;
            let due: Vec<LeasedJob> = book
                .open
                .iter()
                .filter(|(id, job)| job.due <= now && !book.leased.contains(id))
                .take(max)
                .map(|(id, job)| LeasedJob { id: *id, job: job.clone(), secret: None })
                .collect();
            book.leased.extend(due.iter().map(|job| job.id));
            Ok(due)
        }
        async fn finish_job(&self, id: JobId, end: JobEnd) -> Result<(), StoreError> {
            self.failing()?;
            let mut book = self.book.lock().unwrap();
            if let Some(left) = book.panics.checked_sub(1) {
                book.panics = left;
                drop(book);
                panic!("as the test wants");
            }
            book.leased.retain(|leased| *leased != id);
            let said = match end {
                JobEnd::Done => {
                    book.open.remove(&id);
                    "done".to_owned()
                }
                JobEnd::Retry(at, answer) => {
                    let job = book.open.get_mut(&id).unwrap();
                    job.attempts += 1;
                    job.due = at;
                    format!("retry: {answer}")
                }
                JobEnd::GiveUp(answer, mail) => {
                    book.open.remove(&id);
                    let mail = mail.map_or(String::new(), |mail| format!(" {:?}", mail.kind));
                    format!("give up: {answer}{mail}")
                }
                JobEnd::Dispatched(end) => {
                    book.open.remove(&id);
                    format!("dispatched: {:?}", end.stage)
                }
            };
            book.ends.push((id, said));
            Ok(())
        }
        fn give_back(&self, id: JobId) {
            self.book.lock().unwrap().leased.retain(|leased| *leased != id);
            self.added.notify_one();
        }
        async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
            self.failing()?;
            let book = self.book.lock().unwrap();
            Ok(book.open.iter().filter(|(id, _)| !book.leased.contains(id)).map(|(_, job)| job.due).min())
        }
        async fn job_added(&self) {
            self.added.notified().await;
        }
    }

    /// Answers each attempt as its job number says, after a time; counts how many run at once.
    #[derive(Debug, Clone)]
    struct Scripted {
        answer: fn(u8) -> Outcome,
        /// Jobs with a lower number than this never end.
        hanging: u8,
        takes: Duration,
        running: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
        made: Arc<AtomicUsize>,
    }

    impl Scripted {
        fn new(takes: Duration, answer: fn(u8) -> Outcome) -> Self {
            Self { answer, hanging: 0, takes, running: Arc::default(), most: Arc::default(), made: Arc::default() }
        }
    }

    impl Scripted {
        fn hanging(self, below: u8) -> Self {
            Self { hanging: below, ..self }
        }
    }

    impl Attempts for Scripted {
        async fn attempt(&self, job: &LeasedJob) -> Outcome {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            self.made.fetch_add(1, Ordering::SeqCst);
            if job.id.as_bytes()[0] < self.hanging {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.takes).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            (self.answer)(job.id.as_bytes()[0])
        }
    }

    struct Rig {
        queue: Queue,
        attempts: Scripted,
        clock: Arc<PausedClock>,
        stop: CancellationToken,
        task: Option<tokio::task::JoinHandle<()>>,
    }

    impl Rig {
        fn new(attempts: Scripted) -> Self {
            let clock = Arc::new(PausedClock(tokio::time::Instant::now()));
            Self { queue: Queue::default(), attempts, clock, stop: CancellationToken::new(), task: None }
        }
        fn start(&mut self) {
            let worker = Worker {
                settings: Settings { workers: 4, ..Settings::default() },
                jobs: self.queue.clone(),
                attempts: self.attempts.clone(),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
                entropy: Arc::new(SeededEntropy::new(1)),
                stop: self.stop.clone(),
            };
            self.task = Some(tokio::spawn(worker.run()));
        }
        fn sms(&self, number: u8) -> JobId {
            let expires = self.clock.now() + Duration::from_mins(10);
            let kind = JobKind::Sms { grant: GrantId([9; 16]), challenge: ChallengeId([7; 16]), expires };
            self.queue.add(number, kind, self.clock.now())
        }
        fn notice(&self, number: u8) -> JobId {
            self.queue.add(number, JobKind::Notice { grant: GrantId([9; 16]) }, self.clock.now())
        }
        fn code(&self, number: u8) -> JobId {
            self.queue.add(number, JobKind::Code { contact: ContactId([8; 16]) }, self.clock.now())
        }
        async fn finish(&mut self) {
            self.stop.cancel();
            self.task.take().unwrap().await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_outcome_ends_the_job_its_own_way() {
        let mut rig = Rig::new(Scripted::new(SECOND, |number| match number {
            1 => Outcome::Sent,
            2 => Outcome::Later("451 busy".to_owned()),
            3 | 4 => Outcome::Never("550 unknown".to_owned()),
            _ => panic!("as the test wants"),
        }));
        let ids = [rig.notice(1), rig.notice(2), rig.notice(3), rig.code(4)];
        rig.start();
        tokio::time::sleep(3 * SECOND).await;
        let mut ends = rig.queue.ends();
        ends.sort();
        let grant = GrantId([9; 16]);
        let told = format!("give up: 550 unknown Undeliverable {{ grant: {grant:?}, answer: \"550 unknown\" }}");
        let contact = ContactId([8; 16]);
        let told_of_code =
            format!("give up: 550 unknown CodeUndeliverable {{ contact: {contact:?}, answer: \"550 unknown\" }}");
        let expected = [
            (ids[0], "done".to_owned()),
            (ids[1], "retry: 451 busy".to_owned()),
            (ids[2], told),
            (ids[3], told_of_code),
        ];
        assert_eq!(ends, expected);
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_sms_is_tried_again_soon_until_its_code_ends() {
        let mut rig = Rig::new(Scripted::new(Duration::ZERO, |_| Outcome::Later("een: down".to_owned())));
        let id = rig.sms(1);
        rig.start();
        tokio::time::sleep(Duration::from_mins(20)).await;
        let ends = rig.queue.ends();
        let (last, retries) = ends.split_last().unwrap();
        assert_eq!(last, &(id, "give up: een: down".to_owned()));
        assert!((10..=14).contains(&retries.len()), "{}", retries.len());
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_sms_whose_attempt_broke_off_is_not_sent_again() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| panic!("as the test wants")).hanging(2));
        let (hanging, panicking) = (rig.sms(1), rig.sms(2));
        rig.start();
        tokio::time::sleep(ATTEMPT_LIMIT * 2).await;
        let unsure = |id| (id, "dispatched: Unsure".to_owned());
        assert_eq!(rig.queue.ends(), [unsure(panicking), unsure(hanging)]);
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_retry_and_stops_nothing() {
        let mut rig = Rig::new(Scripted::new(SECOND, |number| match number {
            1 => panic!("as the test wants"),
            _ => Outcome::Sent,
        }));
        let bad = rig.notice(1);
        rig.start();
        tokio::time::sleep(2 * SECOND).await;
        let good = rig.notice(2);
        tokio::time::sleep(2 * SECOND).await;
        let ends = rig.queue.ends();
        assert!(ends[0].0 == bad && ends[0].1.starts_with("retry: "), "{ends:?}");
        assert_eq!(ends[1], (good, "done".to_owned()));
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_end_could_not_be_stored_comes_back_after_a_pause() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Sent));
        rig.queue.book.lock().unwrap().panics = 1;
        let bad = rig.notice(1);
        rig.start();
        tokio::time::sleep(Duration::from_mins(14)).await;
        assert_eq!((rig.queue.ends(), rig.attempts.made.load(Ordering::SeqCst)), (Vec::new(), 1));
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert_eq!(rig.queue.ends(), [(bad, "done".to_owned())]);
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_at_once_are_bounded_and_all_jobs_are_done() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Sent));
        for number in 1..=30 {
            rig.notice(number);
        }
        rig.start();
        tokio::time::sleep(9 * SECOND).await;
        assert_eq!(rig.queue.ends().len(), 30);
        assert_eq!(rig.attempts.most.load(Ordering::SeqCst), 4);
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_hop_that_hangs_is_not_asked_in_a_loop_and_holds_up_nobody_else() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Sent).hanging(100));
        for number in 1..=30 {
            rig.notice(number);
        }
        let good = rig.notice(101);
        rig.start();
        tokio::time::sleep(9 * SECOND).await;
        assert_eq!(rig.attempts.made.load(Ordering::SeqCst), 4);
        tokio::time::sleep(Duration::from_mins(14)).await;
        assert_eq!(rig.attempts.made.load(Ordering::SeqCst), 16, "four times as many as places, no more");
        assert!(rig.queue.book.lock().unwrap().leases_asked < 10, "asks while nothing can be done");
        tokio::time::sleep(Duration::from_mins(2)).await;
        let ends = rig.queue.ends();
        assert!(ends.iter().any(|(_, end)| end.starts_with("retry: ")), "an attempt without end is broken off");
        tokio::time::sleep(Duration::from_mins(14)).await;
        assert!(rig.queue.ends().contains(&(good, "done".to_owned())));
        rig.task.take().unwrap().abort();
    }

    #[tokio::test(start_paused = true)]
    async fn slow_attempts_leave_room_for_others() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Sent).hanging(8));
        for number in 1..=7 {
            rig.notice(number);
        }
        let good = rig.notice(8);
        rig.start();
        tokio::time::sleep(13 * SECOND).await;
        assert_eq!(rig.queue.ends(), [(good, "done".to_owned())]);
        rig.task.take().unwrap().abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_job_is_tried_when_it_is_due_without_polling() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Later("451".to_owned())));
        rig.notice(1);
        rig.start();
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(rig.attempts.made.load(Ordering::SeqCst), 4, "at 0, 1, 3 and 8 minutes, give or take");
        let asked = rig.queue.book.lock().unwrap().leases_asked;
        assert!(asked < 40, "asked {asked} times in ten minutes");
        rig.finish().await;
    }

    /// Once what was not there is back, nothing waits for longer than a minute and its fifth; until then nobody asks more often than once in five seconds.
    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_service_of_ours_goes_on_within_a_minute_or_so() {
        static BACK: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        let mut rig = Rig::new(Scripted::new(Duration::ZERO, |_| {
            if BACK.load(Ordering::SeqCst) {
                Outcome::Sent
            } else {
                Outcome::Soon("clamd cannot be reached".to_owned())
            }
        }));
        let id = rig.notice(1);
        rig.start();
        tokio::time::sleep(Duration::from_hours(20)).await;
        let asked = rig.attempts.made.load(Ordering::SeqCst);
        assert!((1_000..=1_600).contains(&asked), "asked {asked} times in twenty hours");
        BACK.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(75)).await;
        assert_eq!(rig.queue.ends().last(), Some(&(id, "done".to_owned())));
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_notice_is_given_up_after_two_days_and_a_code_after_five() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Later("451 down".to_owned())));
        let (notice, code) = (rig.notice(1), rig.code(2));
        rig.start();
        let given_up =
            |rig: &Rig, id| rig.queue.ends().iter().any(|(job, end)| *job == id && end.starts_with("give up"));
        tokio::time::sleep(Duration::from_hours(47)).await;
        assert!(!given_up(&rig, notice));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert!(given_up(&rig, notice) && !given_up(&rig, code));
        tokio::time::sleep(Duration::from_hours(5 * 24)).await;
        assert!(given_up(&rig, code));
        rig.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn stop_finishes_what_is_in_flight_and_starts_nothing() {
        let mut rig = Rig::new(Scripted::new(60 * SECOND, |_| Outcome::Sent));
        for number in 1..=6 {
            rig.notice(number);
        }
        rig.start();
        tokio::time::sleep(SECOND).await;
        rig.finish().await;
        assert_eq!(rig.queue.ends().len(), 4);
        assert_eq!(rig.attempts.made.load(Ordering::SeqCst), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_cannot_answer_is_asked_again_and_no_end_is_lost() {
        let mut rig = Rig::new(Scripted::new(SECOND, |_| Outcome::Sent));
        rig.queue.book.lock().unwrap().failing = 3;
        rig.notice(1);
        rig.start();
        tokio::time::sleep(7 * SECOND + SECOND / 2).await;
        rig.queue.book.lock().unwrap().failing = 2;
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(rig.queue.ends().len(), 1);
        assert_eq!(rig.attempts.made.load(Ordering::SeqCst), 1, "finished late, sent once");
        rig.finish().await;
    }
}
