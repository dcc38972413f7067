//! A code by SMS: asked for, counted, sent, tried, used up.
//!
//! A challenge hangs on the link, not on a browser: a code that was asked for on a telephone opens the message on a laptop, and a code of
//! another link opens nothing. What is kept is an id, from which the code follows ([`crate::seal::sms`]), and counts. It is written in one
//! commit with the job that sends the SMS and with everything that the SMS is counted under; it is erased in the commit that opens the
//! session.

use minicbor::{Decode, Encode};

use crate::access::sms::{Asking, Code, Counts, Limits, Organisation, Sends, State};
use crate::access::{self, Admission, Network};
use crate::base::{ChallengeId, ContactId, GrantId, JobId, Timestamp};
use crate::seal::sms::SmsCode;
use crate::seal::token::SessionToken;

use super::codec::{ATTEMPTS, Draft, Found, busy, readable};
use super::engine::{Key, Space};
use super::intake::NewJob;
use super::places::last_id;
use super::plan::add_job;
use super::proof::{GrantView, changed};
use super::records::{Contact, Grant, JobKind, JobSecret, Phone, Proof, Wish};
use super::sms::SmsProgress;
use super::{Inner, Store, StoreError, places};

/// How often a recipient may ask the same of a sender.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_hours(24);

/// How long a challenge that nobody used is kept: until then the page can say that its code has ended.
const KEPT: std::time::Duration = std::time::Duration::from_hours(24);

/// The number of a contact as stored.
#[derive(Debug, Encode, Decode)]
pub(super) struct StoredPhone {
    #[n(0)]
    pub(super) phone: Phone,
    /// The contact's generation that began with it.
    #[n(1)]
    pub(super) generation: u32,
}

/// The code of a link as stored.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct StoredChallenge {
    #[n(0)]
    id: ChallengeId,
    #[n(1)]
    code: Code,
    /// Of the contact, when it was made: with a new number it opens nothing.
    #[n(2)]
    generation: u32,
}

/// What was asked of the sender through one link, and when.
#[derive(Debug, Default, Encode, Decode)]
pub(super) struct StoredWishes {
    #[n(0)]
    asked: Vec<AskedAt>,
    /// When the sender was last told that no SMS comes.
    #[n(1)]
    failed: Option<Timestamp>,
}

impl StoredWishes {
    /// Notes that the sender is told now that no SMS comes; `false`, and nothing is noted, when that was said within a day.
    pub(super) fn failed_now(&mut self, now: Timestamp) -> bool {
        let said = self.failed.is_some_and(|at| now.since(at) < ASK_AGAIN);
        if !said {
            self.failed = Some(now);
        }
        !said
    }
}

#[derive(Debug, Encode, Decode)]
struct AskedAt {
    #[n(0)]
    wish: Wish,
    #[n(1)]
    at: Timestamp,
}

/// How the code of a link stands: what its page shows.
#[derive(Debug, Clone)]
pub struct SmsView {
    /// Where SMS for it go.
    pub phone: Phone,
    /// The code that was sent last, if it was not used.
    pub code: Option<Code>,
    /// What a press on "send me the code" would bring.
    pub next: Asking,
    /// How far the SMS is that brings that code.
    pub progress: Option<SmsProgress>,
}

/// A code that may be compared with what was typed.
#[derive(Debug, Clone)]
pub struct Tried {
    id: ChallengeId,
    /// Tries that are left of it if this one is wrong.
    pub left: u32,
}

impl Tried {
    /// Whether this is the code.
    #[must_use]
    pub fn matches(&self, store: &Store, typed: &str) -> bool {
        SmsCode::of(store.keys(), self.id).matches(typed)
    }
}

/// What a typed code by SMS meets.
#[derive(Debug)]
pub enum SmsTry {
    /// Counted: compare it.
    Compare(Admission, Tried),
    /// This link or network takes no code now; nothing was counted.
    NotNow(Admission),
    /// There is no code that holds: none was asked for, or it was used, has ended, was tried too often, or went to another number. Nothing
    /// was counted.
    NoCode(Option<State>),
}

/// Everything that an SMS for one link is counted under, as found.
struct Counted {
    link: Option<Found<Sends>>,
    number: Option<Found<Sends>>,
    all: Option<Found<Organisation>>,
}

impl Counted {
    async fn read(inner: &Inner, grant: GrantId, phone: &Phone) -> Result<Self, StoreError> {
        Ok(Self {
            link: inner.read(&places::sent_for(grant)).await?,
            number: inner.read(&places::sent_to(&inner.keys, phone.expose())).await?,
            all: inner.read(&places::sent_in_all()).await?,
        })
    }

    fn counts(&self) -> Counts {
        let sends = |found: &Option<Found<Sends>>| found.as_ref().map(|found| found.record.clone()).unwrap_or_default();
        let organisation = self.all.as_ref().map(|found| found.record).unwrap_or_default();
        Counts { link: sends(&self.link), number: sends(&self.number), organisation }
    }

    /// Writes what was counted, if nothing was counted meanwhile.
    fn put(&self, draft: &mut Draft<'_>, (grant, phone): (GrantId, Key), counts: &Counts) -> Result<(), StoreError> {
        draft.unchanged(places::sent_for(grant), self.link.as_ref());
        draft.unchanged(phone.clone(), self.number.as_ref());
        draft.unchanged(places::sent_in_all(), self.all.as_ref());
        draft.put(places::sent_for(grant), &counts.link)?;
        draft.put(phone, &counts.number)?;
        draft.put(places::sent_in_all(), &counts.organisation)
    }
}

impl Store {
    /// The telephone number of a contact who proves themselves by SMS.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn phone(&self, contact: ContactId) -> Result<Option<Phone>, StoreError> {
        let found = self.inner.read::<StoredPhone>(&places::phone(contact)).await?;
        Ok(found.map(|found| found.record.phone))
    }

    /// How the code of a link stands. Changes nothing. `None` when its contact has no number.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub async fn sms_view(&self, view: &GrantView, limits: &Limits) -> Result<Option<SmsView>, StoreError> {
        let Some(phone) = self.phone(view.grant.contact).await? else { return Ok(None) };
        let found = self.inner.challenge(view.id, view.contact.generation).await?.1;
        let state = self.sms_state(view.id).await?;
        let state = state.filter(|state| found.as_ref().is_some_and(|challenge| challenge.id == state.challenge));
        let code = found.map(|challenge| challenge.code);
        let counts = Counted::read(&self.inner, view.id, &phone).await?.counts();
        let next = counts.peek(code.as_ref(), limits, self.inner.clock.now());
        Ok(Some(SmsView { phone, code, next, progress: state.map(|state| state.progress) }))
    }

    /// "Send me the code": counts an SMS, and makes the challenge and the job that sends it, in one durable commit. While a code lives the
    /// SMS brings that one.
    ///
    /// # Errors
    /// When nothing could be written: nothing is sent then. [`StoreError::NotReady`] also when the link ended, or its contact no longer
    /// proves themselves by SMS.
    pub async fn ask_sms(&self, view: &GrantView, limits: &Limits) -> Result<Asking, StoreError> {
        let inner = &self.inner;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(grant) = inner.read::<Grant>(&places::grant(view.id)).await? else { return Err(changed()) };
            let contact = inner.need::<Contact>(&places::contact(view.grant.contact)).await?;
            let Some(phone) = self.phone(view.grant.contact).await? else { return Err(changed()) };
            let (found, present) = inner.challenge(view.id, contact.record.generation).await?;
            let counted = Counted::read(inner, view.id, &phone).await?;
            let mut counts = counted.counts();
            let asking = counts.ask(present.as_ref().map(|challenge| &challenge.code), limits, now);
            let Asking::Send { anew, .. } = asking else { return Ok(asking) };
            let mut draft = inner.draft();
            draft.unchanged(places::grant(view.id), Some(&grant));
            draft.unchanged(places::contact(view.grant.contact), Some(&contact));
            draft.unchanged(places::challenge(view.id), found.as_ref());
            let challenge = match present.filter(|_| !anew) {
                Some(mut challenge) => {
                    challenge.code.send_again(now);
                    challenge
                }
                None => StoredChallenge {
                    id: ChallengeId::random(&*inner.entropy),
                    code: Code::new(now),
                    generation: contact.record.generation,
                },
            };
            draft.put(places::challenge(view.id), &challenge)?;
            let number = places::sent_to(&inner.keys, phone.expose());
            counted.put(&mut draft, (view.id, number), &counts)?;
            add_job(&mut draft, &self.sms_job(view.id, &challenge, &phone, (limits, now)), now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(asking);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    fn sms_job(
        &self,
        grant: GrantId,
        challenge: &StoredChallenge,
        phone: &Phone,
        (limits, now): (&Limits, Timestamp),
    ) -> NewJob {
        let expires = challenge.code.until(limits);
        NewJob {
            id: JobId::random(&*self.inner.entropy),
            kind: JobKind::Sms { grant, challenge: challenge.id, expires },
            secret: Some(JobSecret::number(phone.expose().to_owned())),
            due: now,
        }
    }

    /// Counts a try of a code by SMS, durably, exactly also under parallel tries: against the code itself, and as every wrong code against
    /// link, network and contact.
    ///
    /// # Errors
    /// When nothing could be counted; no code may be compared then.
    pub async fn count_sms_try(
        &self,
        view: &GrantView,
        network: Network,
        (limits, sms): (&access::Limits, &Limits),
    ) -> Result<SmsTry, StoreError> {
        match self.count(view, network, (limits, Some(sms))).await? {
            (admission, Some(tried)) => Ok(SmsTry::Compare(admission, tried)),
            (Admission::Try { .. }, None) => {
                let found = self.inner.challenge(view.id, view.contact.generation).await?.1;
                let now = self.inner.clock.now();
                Ok(SmsTry::NoCode(found.map(|challenge| challenge.code.state(sms, now))))
            }
            (admission, None) => Ok(SmsTry::NotNow(admission)),
        }
    }

    /// The code was right: uses it up, gives the try back, opens a session, marks the delivery opened; one commit. `false`, and nothing is
    /// open, when it was used before.
    ///
    /// # Errors
    /// As [`open_session`](Self::open_session).
    pub async fn open_sms_session(
        &self,
        view: &GrantView,
        network: Network,
        (token, tried): (&SessionToken, &Tried),
    ) -> Result<bool, StoreError> {
        self.begin_session(view, network, (token, Some(tried))).await
    }

    /// Tells the sender by mail what the recipient asks for, once a day for each link and wish. `false` when that was asked within a day.
    ///
    /// # Errors
    /// When nothing could be written; [`StoreError::NotReady`] also when the link ended.
    pub async fn ask_sender(&self, grant: GrantId, wish: Wish) -> Result<bool, StoreError> {
        let inner = &self.inner;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(link) = inner.read::<Grant>(&places::grant(grant)).await? else { return Err(changed()) };
            let place = places::asked(grant);
            let found = inner.read::<StoredWishes>(&place).await?;
            let mut draft = inner.draft();
            draft.unchanged(places::grant(grant), Some(&link));
            draft.unchanged(place.clone(), found.as_ref());
            let mut wishes = found.map(|found| found.record).unwrap_or_default();
            wishes.asked.retain(|asked| now.since(asked.at) < ASK_AGAIN);
            if wishes.asked.iter().any(|asked| asked.wish == wish) {
                return Ok(false);
            }
            wishes.asked.push(AskedAt { wish, at: now });
            draft.put(place, &wishes)?;
            let id = JobId::random(&*inner.entropy);
            add_job(&mut draft, &NewJob { id, kind: JobKind::Asked { grant, wish }, secret: None, due: now }, now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// SMS of the organisation in the 24 hours that run now: for who watches the ceiling.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn sms_of_the_day(&self) -> Result<u32, StoreError> {
        let found = self.inner.read::<Organisation>(&places::sent_in_all()).await?;
        Ok(found.map_or(0, |found| found.record.count(self.inner.clock.now())))
    }

    /// Whether nothing needs a record of SMS or requests any more.
    pub(super) async fn is_over(&self, place: &Key, now: Timestamp) -> Result<bool, StoreError> {
        let inner = &self.inner;
        if place.space == Space::Sent && place.bytes.first() == Some(&places::SENT_TO) {
            return Ok(readable(inner.read::<Sends>(place).await)?.is_some_and(|found| found.record.is_old(now)));
        }
        let of_link =
            place.space == Space::Challenge || matches!(place.bytes.first(), Some(&(places::SENT_FOR | places::ASKED)));
        let Some(grant) = last_id(&place.bytes).map(GrantId).filter(|_| of_link) else { return Ok(false) };
        if inner.engine.get(&places::grant(grant)).await?.is_none() {
            return Ok(true);
        }
        if place.space != Space::Challenge {
            return Ok(false);
        }
        let found = readable(inner.read::<StoredChallenge>(place).await)?;
        Ok(found.is_some_and(|found| now.since(found.record.code.sent()) >= KEPT))
    }
}

impl Inner {
    /// The challenge of a link as found, and the same if it is of this generation of its contact.
    async fn challenge(
        &self,
        grant: GrantId,
        generation: u32,
    ) -> Result<(Option<Found<StoredChallenge>>, Option<StoredChallenge>), StoreError> {
        let found = self.read::<StoredChallenge>(&places::challenge(grant)).await?;
        let present = found.as_ref().map(|found| found.record.clone()).filter(|found| found.generation == generation);
        Ok((found, present))
    }

    /// Adds to a draft that a code was tried; `None`, and nothing is added, when there is none that holds.
    pub(super) async fn try_challenge(
        &self,
        draft: &mut Draft<'_>,
        grant: GrantId,
        contact: &Contact,
        (limits, now): (&Limits, Timestamp),
    ) -> Result<Option<Tried>, StoreError> {
        let (found, present) = self.challenge(grant, contact.generation).await?;
        let Some(mut challenge) = present.filter(|_| contact.proof == Proof::Sms) else { return Ok(None) };
        let Some(left) = challenge.code.admit(limits, now) else { return Ok(None) };
        draft.unchanged(places::challenge(grant), found.as_ref());
        draft.put(places::challenge(grant), &challenge)?;
        Ok(Some(Tried { id: challenge.id, left }))
    }

    /// Adds to a draft that a code was used; `false` when it was used before.
    pub(super) async fn use_challenge(
        &self,
        draft: &mut Draft<'_>,
        grant: GrantId,
        tried: &Tried,
    ) -> Result<bool, StoreError> {
        let found = self.read::<StoredChallenge>(&places::challenge(grant)).await?;
        let Some(found) = found.filter(|found| found.record.id == tried.id) else { return Ok(false) };
        draft.unchanged(places::challenge(grant), Some(&found));
        draft.delete(places::challenge(grant));
        Ok(true)
    }
}

#[cfg(test)]
impl StoredChallenge {
    /// One that never changes, for the form of its record.
    pub(super) const fn sample() -> Self {
        Self { id: ChallengeId([0x12; 16]), code: Code::new(Timestamp(1)), generation: 3 }
    }
}

#[cfg(test)]
impl StoredWishes {
    /// As above.
    pub(super) fn sample() -> Self {
        Self { asked: vec![AskedAt { wish: Wish::OtherProof, at: Timestamp(1) }], failed: None }
    }
}
