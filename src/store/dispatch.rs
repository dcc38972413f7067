//! What became of the SMS or mail that brings a one-time code: kept for each link beside its grant, until the grant goes. Never the number,
//! never the code.
//!
//! | state | written by |
//! |---|---|
//! | being handed over | [`Store::begin_dispatch`], before anybody is asked: a provider of SMS where that dies half way is not asked again |
//! | waiting | an attempt that surely sent nothing |
//! | taken, perhaps taken, failed | the end of the job |
//! | delivered, failed | the provider's report ([`Store::sms_reported`]), or the bounce of the mail ([`Store::one_time_bounced`]) |

use minicbor::{Decode, Encode};

use crate::base::{ChallengeId, GrantId, JobId, Timestamp};

use super::codec::{ATTEMPTS, Draft, Found, busy};
use super::intake::NewJob;
use super::plan::add_job;
use super::records::{Contact, Grant, Job, JobKind, OneTime, Proof};
use super::wishes::StoredWishes;
use super::{Store, StoreError, places};

/// Why no code comes.
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
    /// No provider or mail server could be reached, or none took it, before the code ended.
    #[n(5)]
    Unreachable,
    /// It was taken and could not be delivered.
    #[n(6)]
    Undelivered,
    /// The mail server refused it: there is no such mailbox, it is full, or it takes no such mail.
    #[n(7)]
    Mailbox,
}

/// How far an SMS or mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Stage {
    /// It will be tried again.
    #[n(0)]
    Waiting,
    /// Somebody is being asked to take it at this moment, or was when the gateway stopped.
    #[n(1)]
    Sending,
    /// A provider or mail server took it.
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

/// What became of the last SMS or mail with a code for one link.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Dispatch {
    /// The job that sends or sent it.
    #[n(0)]
    pub job: JobId,
    /// Which code it brings.
    #[n(1)]
    pub challenge: ChallengeId,
    /// How far it is.
    #[n(2)]
    pub stage: Stage,
    /// Since when.
    #[n(3)]
    pub at: Timestamp,
    /// Which provider of SMS took it, by the name in the config; empty for a mail, and where nobody did.
    #[n(4)]
    pub provider: String,
    /// The provider's own id of it, for questions to the provider; may be empty.
    #[n(5)]
    pub id: String,
}

/// How the job of a one-time code ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchEnd {
    /// [`Stage::Taken`], [`Stage::Unsure`] or [`Stage::Failed`].
    pub stage: Stage,
    /// See [`Dispatch::provider`].
    pub provider: String,
    /// See [`Dispatch::id`].
    pub id: String,
}

impl DispatchEnd {
    /// It does not come, for this reason.
    #[must_use]
    pub const fn failed(why: Refusal) -> Self {
        Self { stage: Stage::Failed(why), provider: String::new(), id: String::new() }
    }

    /// It may or may not come.
    #[must_use]
    pub const fn unsure() -> Self {
        Self { stage: Stage::Unsure, provider: String::new(), id: String::new() }
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
    /// An earlier attempt was broken off while somebody was being asked: what it sent may have left.
    BrokenOff,
    /// The job or its link is gone.
    Gone,
}

/// A grant, and what became of what was sent last for its link.
type LinkAndDispatch = (Option<Found<Grant>>, Option<Found<Dispatch>>);

/// Bytes of a reference: grant id, and the first of a keyed hash.
const REFERENCE: usize = 20;

impl Store {
    /// What became of what was sent last for a link; `None` before the first attempt at the first one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dispatch(&self, grant: GrantId) -> Result<Option<Dispatch>, StoreError> {
        Ok(self.inner.read::<Dispatch>(&places::dispatch(grant)).await?.map(|found| found.record))
    }

    /// Notes durably, before anybody is asked, that what this job sends is being handed over.
    ///
    /// # Errors
    /// When the store cannot be written: then nobody may be asked.
    pub async fn begin_dispatch(&self, id: JobId) -> Result<Begun, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(job) = self.inner.read::<Job>(&places::job(id)).await? else { return Ok(Begun::Gone) };
            let Some(OneTime { grant, challenge, .. }) = job.record.kind.one_time() else { return Ok(Begun::Gone) };
            let Some(link) = self.inner.read::<Grant>(&places::grant(grant)).await? else { return Ok(Begun::Gone) };
            let before = self.inner.read::<Dispatch>(&places::dispatch(grant)).await?;
            if before.as_ref().is_some_and(|found| found.record.job == id && found.record.stage == Stage::Sending) {
                return Ok(Begun::BrokenOff);
            }
            let mut draft = self.inner.draft();
            draft.unchanged(places::job(id), Some(&job));
            draft.unchanged(places::grant(grant), Some(&link));
            draft.unchanged(places::dispatch(grant), before.as_ref());
            let (at, stage) = (self.inner.clock.now(), Stage::Sending);
            let begun = Dispatch { job: id, challenge, stage, at, provider: String::new(), id: String::new() };
            draft.put(places::dispatch(grant), &begun)?;
            if draft.commit().await? {
                return Ok(Begun::Now);
            }
        }
        Err(busy())
    }

    /// Adds to the end of an attempt at a one-time code what became of it. A later one for the same link is not overwritten.
    pub(super) async fn mark_dispatch(
        &self,
        draft: &mut Draft<'_>,
        (id, kind): (JobId, &JobKind),
        end: &DispatchEnd,
    ) -> Result<(), StoreError> {
        let Some(OneTime { grant, challenge, .. }) = kind.one_time() else { return Ok(()) };
        let (link, before) = match self.link_and_dispatch(grant).await {
            Ok((Some(link), before)) => (link, before),
            // A link that is gone keeps no record of it.
            Ok((None, _)) => return Ok(()),
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "what became of a one-time code cannot be noted");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if before.as_ref().is_some_and(|found| found.record.job != id) {
            return Ok(());
        }
        draft.unchanged(places::grant(grant), Some(&link));
        draft.unchanged(places::dispatch(grant), before.as_ref());
        // A report may have come before the provider's answer to the request.
        let reported = before.filter(|found| found.record.stage == Stage::Delivered);
        let stage = reported.map_or(end.stage, |found| found.record.stage);
        let at = self.inner.clock.now();
        let (provider, own) = (end.provider.clone(), end.id.clone());
        draft.put(places::dispatch(grant), &Dispatch { job: id, challenge, stage, at, provider, id: own })?;
        if let Stage::Failed(why) = stage {
            self.tell_failed(draft, grant, why).await?;
        }
        Ok(())
    }

    /// Adds a mail to the sender to the draft: no code comes. Once a day for each link, whatever the reasons are.
    async fn tell_failed(&self, draft: &mut Draft<'_>, grant: GrantId, why: Refusal) -> Result<(), StoreError> {
        let inner = &self.inner;
        let (now, place) = (inner.clock.now(), places::asked(grant));
        let found = match inner.read::<StoredWishes>(&place).await {
            Ok(found) => found,
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "a sender is not told that a one-time code failed");
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
        add_job(draft, &NewJob { id, kind: JobKind::OneTimeFailed { grant, why }, secret: None, due: now }, now)
    }

    async fn link_and_dispatch(&self, grant: GrantId) -> Result<LinkAndDispatch, StoreError> {
        let link = self.inner.read::<Grant>(&places::grant(grant)).await?;
        Ok((link, self.inner.read::<Dispatch>(&places::dispatch(grant)).await?))
    }

    /// The mail with a code that was taken for this link came back. `false`, and nothing changes, when none is on its way.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn one_time_bounced(&self, grant: GrantId) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let (Some(link), Some(found)) = self.link_and_dispatch(grant).await? else { return Ok(false) };
            let contact = self.inner.need::<Contact>(&places::contact(link.record.contact)).await?;
            if contact.record.proof != Proof::Mail || found.record.stage != Stage::Taken {
                return Ok(false);
            }
            let mut draft = self.inner.draft();
            draft.unchanged(places::grant(grant), Some(&link));
            draft.unchanged(places::contact(link.record.contact), Some(&contact));
            draft.unchanged(places::dispatch(grant), Some(&found));
            let (at, stage) = (self.inner.clock.now(), Stage::Failed(Refusal::Undelivered));
            draft.put(places::dispatch(grant), &Dispatch { stage, at, ..found.record })?;
            self.tell_failed(&mut draft, grant, Refusal::Undelivered).await?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
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
            let Some(found) = self.inner.read::<Dispatch>(&places::dispatch(grant)).await? else { return Ok(false) };
            let before = &found.record;
            if self.sms_mark(grant, before.job) != *mark {
                return Ok(false);
            }
            let stage = match (before.stage, report) {
                (Stage::Delivered, _) => return Ok(false),
                (_, SmsReport::Delivered) => Stage::Delivered,
                (Stage::Taken, SmsReport::Failed) if before.provider == provider => Stage::Failed(Refusal::Undelivered),
                _ => return Ok(false),
            };
            let mut draft = self.inner.draft();
            draft.unchanged(places::dispatch(grant), Some(&found));
            let now = Dispatch { stage, at: self.inner.clock.now(), ..found.record.clone() };
            draft.put(places::dispatch(grant), &now)?;
            if let Stage::Failed(why) = stage {
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
