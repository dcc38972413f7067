//! What became of an SMS: kept for each link beside its grant, until the grant goes. Never the number, never the code.
//!
//! | state | written by |
//! |---|---|
//! | being handed over | [`Store::begin_sms`], before a provider is asked: one that dies half way is not asked again |
//! | waiting | an attempt that surely sent nothing |
//! | taken, perhaps taken, failed | the end of the job |
//! | delivered, failed | the provider's report ([`Store::sms_reported`]) |

use minicbor::{Decode, Encode};

use crate::base::{ChallengeId, GrantId, JobId, Timestamp};

use super::challenge::StoredWishes;
use super::codec::{ATTEMPTS, Draft, Found, busy};
use super::intake::NewJob;
use super::plan::add_job;
use super::records::{Grant, Job, JobKind};
use super::{Store, StoreError, places};

/// Why no SMS comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// No SMS can be sent to this number: it does not exist, or is no mobile one.
    #[n(0)]
    Number,
    /// Not to this country, or not to this network.
    #[n(1)]
    Country,
    /// The owner of the number, or their network, wants no messages from us.
    #[n(2)]
    Blocked,
    /// The organisation's credit at the provider is used up.
    #[n(3)]
    Credit,
    /// The provider does not accept us: wrong key, wrong sender name, wrong request. For the administrator.
    #[n(4)]
    Account,
    /// No provider could be reached, or none took it, before the code ended.
    #[n(5)]
    Unreachable,
    /// A provider took it and could not deliver it.
    #[n(6)]
    Undelivered,
}

/// How far an SMS is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum SmsProgress {
    /// It will be tried again.
    #[n(0)]
    Waiting,
    /// A provider is being asked at this moment, or was when the gateway stopped.
    #[n(1)]
    Sending,
    /// A provider took it.
    #[n(2)]
    Taken,
    /// A provider may have taken it: its answer did not come, or could not be read.
    #[n(3)]
    Unsure,
    /// The provider says that the telephone has it.
    #[n(4)]
    Delivered,
    /// It does not come.
    #[n(5)]
    Failed(#[n(0)] Refusal),
}

/// What became of the last SMS for one link.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SmsState {
    /// The job that sends or sent it.
    #[n(0)]
    pub job: JobId,
    /// Which code it brings.
    #[n(1)]
    pub challenge: ChallengeId,
    /// How far it is.
    #[n(2)]
    pub progress: SmsProgress,
    /// Since when.
    #[n(3)]
    pub at: Timestamp,
    /// Who took it, by the name in the config; may be empty.
    #[n(4)]
    pub provider: String,
    /// The provider's own id of it, for questions to the provider; may be empty.
    #[n(5)]
    pub id: String,
}

/// How the job of an SMS ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsEnd {
    /// [`SmsProgress::Taken`], [`SmsProgress::Unsure`] or [`SmsProgress::Failed`].
    pub progress: SmsProgress,
    /// See [`SmsState::provider`].
    pub provider: String,
    /// See [`SmsState::id`].
    pub id: String,
}

impl SmsEnd {
    /// It does not come, for this reason.
    #[must_use]
    pub const fn failed(why: Refusal) -> Self {
        Self { progress: SmsProgress::Failed(why), provider: String::new(), id: String::new() }
    }

    /// It may or may not come.
    #[must_use]
    pub const fn unsure() -> Self {
        Self { progress: SmsProgress::Unsure, provider: String::new(), id: String::new() }
    }
}

/// What a provider reports later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsReport {
    /// The telephone has it.
    Delivered,
    /// It could not be delivered.
    Failed,
}

/// Whether an attempt may go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Yes: noted durably.
    Now,
    /// An earlier attempt was broken off while a provider was being asked: its SMS may have left.
    BrokenOff,
    /// The job or its link is gone.
    Gone,
}

/// A grant, and what became of the last SMS for its link.
type LinkAndSms = (Option<Found<Grant>>, Option<Found<SmsState>>);

/// Bytes of a reference: grant id, and the first of a keyed hash.
const REFERENCE: usize = 20;

impl Store {
    /// What became of the last SMS for a link; `None` before the first attempt at the first one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sms_state(&self, grant: GrantId) -> Result<Option<SmsState>, StoreError> {
        Ok(self.inner.read::<SmsState>(&places::sms(grant)).await?.map(|found| found.record))
    }

    /// Notes durably, before a provider is asked, that this job's SMS is being handed over.
    ///
    /// # Errors
    /// When the store cannot be written: then nobody may be asked.
    pub async fn begin_sms(&self, id: JobId) -> Result<Begun, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(job) = self.inner.read::<Job>(&places::job(id)).await? else { return Ok(Begun::Gone) };
            let JobKind::Sms { grant, challenge, .. } = job.record.kind else { return Ok(Begun::Gone) };
            let Some(link) = self.inner.read::<Grant>(&places::grant(grant)).await? else { return Ok(Begun::Gone) };
            let before = self.inner.read::<SmsState>(&places::sms(grant)).await?;
            if before
                .as_ref()
                .is_some_and(|found| found.record.job == id && found.record.progress == SmsProgress::Sending)
            {
                return Ok(Begun::BrokenOff);
            }
            let mut draft = self.inner.draft();
            draft.unchanged(places::job(id), Some(&job));
            draft.unchanged(places::grant(grant), Some(&link));
            draft.unchanged(places::sms(grant), before.as_ref());
            let (at, progress) = (self.inner.clock.now(), SmsProgress::Sending);
            let state = SmsState { job: id, challenge, progress, at, provider: String::new(), id: String::new() };
            draft.put(places::sms(grant), &state)?;
            if draft.commit().await? {
                return Ok(Begun::Now);
            }
        }
        Err(busy())
    }

    /// Adds to the end of an SMS job's attempt what became of it. A later SMS for the same link is not overwritten.
    pub(super) async fn mark_sms(
        &self,
        draft: &mut Draft<'_>,
        (id, kind): (JobId, &JobKind),
        end: &SmsEnd,
    ) -> Result<(), StoreError> {
        let JobKind::Sms { grant, challenge, .. } = *kind else { return Ok(()) };
        let (link, before) = match self.link_and_sms(grant).await {
            Ok((Some(link), before)) => (link, before),
            // A link that is gone keeps no record of it.
            Ok((None, _)) => return Ok(()),
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "what became of an SMS cannot be noted");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if before.as_ref().is_some_and(|found| found.record.job != id) {
            return Ok(());
        }
        draft.unchanged(places::grant(grant), Some(&link));
        draft.unchanged(places::sms(grant), before.as_ref());
        // A report may have come before the provider's answer to the request.
        let reported = before.filter(|found| found.record.progress == SmsProgress::Delivered);
        let progress = reported.map_or(end.progress, |found| found.record.progress);
        let at = self.inner.clock.now();
        let (provider, own) = (end.provider.clone(), end.id.clone());
        draft.put(places::sms(grant), &SmsState { job: id, challenge, progress, at, provider, id: own })?;
        if let SmsProgress::Failed(why) = progress {
            self.tell_failed(draft, grant, why).await?;
        }
        Ok(())
    }

    /// Adds a mail to the sender to the draft: no SMS comes. Once a day for each link, whatever the reasons are.
    async fn tell_failed(&self, draft: &mut Draft<'_>, grant: GrantId, why: Refusal) -> Result<(), StoreError> {
        let inner = &self.inner;
        let (now, place) = (inner.clock.now(), places::asked(grant));
        let found = match inner.read::<StoredWishes>(&place).await {
            Ok(found) => found,
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "a sender is not told that an SMS failed");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        draft.unchanged(place.clone(), found.as_ref());
        let mut told = found.map(|found| found.record).unwrap_or_default();
        if !told.failed_now(now) {
            return Ok(());
        }
        draft.put(place, &told)?;
        let id = JobId::random(&*inner.entropy);
        add_job(draft, &NewJob { id, kind: JobKind::SmsFailed { grant, why }, secret: None, due: now }, now)
    }

    async fn link_and_sms(&self, grant: GrantId) -> Result<LinkAndSms, StoreError> {
        let link = self.inner.read::<Grant>(&places::grant(grant)).await?;
        Ok((link, self.inner.read::<SmsState>(&places::sms(grant)).await?))
    }

    /// What we call an SMS towards providers: 32 letters and digits that lead back to it, and tell an outsider nothing.
    #[must_use]
    pub fn sms_reference(&self, grant: GrantId, job: JobId) -> String {
        let bytes = [grant.as_bytes().as_slice(), &self.sms_mark(grant, job)].concat();
        data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }

    fn sms_mark(&self, grant: GrantId, job: JobId) -> [u8; 4] {
        let hash = self.inner.keys.blind("sms reference", &[*grant.as_bytes(), *job.as_bytes()].concat());
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// Notes what a provider reports about a reference. One that is unknown, or older than the last SMS for its link, changes nothing:
    /// `false`. What was delivered stays delivered, and only who took an SMS can say that it failed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn sms_reported(&self, reference: &str, provider: &str, report: SmsReport) -> Result<bool, StoreError> {
        let bytes = data_encoding::BASE32_NOPAD.decode(reference.to_ascii_uppercase().as_bytes()).unwrap_or_default();
        let Ok(bytes) = <[u8; REFERENCE]>::try_from(bytes) else { return Ok(false) };
        let Some((grant, mark)) = bytes.split_first_chunk::<16>() else { return Ok(false) };
        let grant = GrantId(*grant);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.inner.read::<SmsState>(&places::sms(grant)).await? else { return Ok(false) };
            let state = &found.record;
            if self.sms_mark(grant, state.job) != *mark {
                return Ok(false);
            }
            let progress = match (state.progress, report) {
                (SmsProgress::Delivered, _) => return Ok(false),
                (_, SmsReport::Delivered) => SmsProgress::Delivered,
                (SmsProgress::Taken, SmsReport::Failed) if state.provider == provider => {
                    SmsProgress::Failed(Refusal::Undelivered)
                }
                _ => return Ok(false),
            };
            let mut draft = self.inner.draft();
            draft.unchanged(places::sms(grant), Some(&found));
            let state = SmsState { progress, at: self.inner.clock.now(), ..found.record.clone() };
            draft.put(places::sms(grant), &state)?;
            if let SmsProgress::Failed(why) = progress {
                // A link that is gone has nobody to tell.
                if let Some(link) = self.inner.read::<Grant>(&places::grant(grant)).await? {
                    draft.unchanged(places::grant(grant), Some(&link));
                    self.tell_failed(&mut draft, grant, why).await?;
                }
            }
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
        }
        Err(busy())
    }
}
