//! A one-time code, by SMS or by mail: asked for, counted, sent, tried, used up.
//!
//! A challenge hangs on the link, not on a browser: a code that was asked for on a telephone opens the message on a laptop, and a code of
//! another link opens nothing. What is kept is an id, from which the code follows ([`crate::seal::one_time`]), and counts. It is written in one
//! commit with the job that sends it and with everything that the sending is counted under; it is erased in the commit that opens the
//! session.

use minicbor::{Decode, Encode};

use crate::access::one_time::{Asking, Code, Counts, Limits, Organisation, Sends, State, Way};
use crate::access::{self, Admission, Network};
use crate::base::{ChallengeId, ContactId, GrantId, JobId, Timestamp};
use crate::seal::one_time::OneTimeCode;

use super::codec::{ATTEMPTS, Draft, Found, busy, readable};
use super::dispatch::Stage;
use super::engine::{Key, Space};
use super::intake::NewJob;
use super::places::last_id;
use super::plan::add_job;
use super::proof::{Cookies, GrantView, changed};
use super::records::{Contact, Grant, JobKind, JobSecret, Phone, Proof};
use super::{Inner, Store, StoreError, places};

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

/// Where the codes of a link go. Debug shows neither number nor address.
#[derive(Clone, PartialEq, Eq)]
pub enum Destination {
    /// By SMS to this number.
    Phone(Phone),
    /// By mail to this address: the one that the notice went to.
    Mailbox(String),
}

impl Destination {
    /// How they go there.
    #[must_use]
    pub const fn way(&self) -> Way {
        match self {
            Self::Phone(_) => Way::Sms,
            Self::Mailbox(_) => Way::Mail,
        }
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({}, …)", self.way().name())
    }
}

/// How the code of a link stands: what its page shows.
#[derive(Debug, Clone)]
pub struct OneTimeView {
    /// Where it goes.
    pub to: Destination,
    /// The code that was sent last, if it was not used.
    pub code: Option<Code>,
    /// What a press on "send me the code" would bring.
    pub next: Asking,
    /// How far the SMS or mail is that brings that code.
    pub stage: Option<Stage>,
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
        OneTimeCode::of(store.keys(), self.id).matches(typed)
    }
}

/// What a typed one-time code meets.
#[derive(Debug)]
pub enum OneTimeTry {
    /// Counted: compare it.
    Compare(Admission, Tried),
    /// This link or network takes no code now; nothing was counted.
    NotNow(Admission),
    /// There is no code that holds: none was asked for, or it was used, has ended, was tried too often, or went elsewhere. Nothing was
    /// counted.
    NoCode(Option<State>),
}

/// Everything that a sending for one link is counted under, as found.
struct Counted {
    link: Option<Found<Sends>>,
    destination: Option<Found<Sends>>,
    all: Option<Found<Organisation>>,
}

impl Counted {
    async fn read(inner: &Inner, grant: GrantId, to: &Destination) -> Result<Self, StoreError> {
        Ok(Self {
            link: inner.read(&places::sent_for(grant)).await?,
            destination: inner.read(&places::sent_to(&inner.keys, to)).await?,
            all: inner.read(&places::sent_in_all(to.way())).await?,
        })
    }

    fn counts(&self) -> Counts {
        let sends = |found: &Option<Found<Sends>>| found.as_ref().map(|found| found.record.clone()).unwrap_or_default();
        let organisation = self.all.as_ref().map(|found| found.record).unwrap_or_default();
        Counts { link: sends(&self.link), destination: sends(&self.destination), organisation }
    }

    /// Writes what was counted, if nothing was counted meanwhile.
    fn put(
        &self,
        draft: &mut Draft<'_>,
        (grant, destination, way): (GrantId, Key, Way),
        counts: &Counts,
    ) -> Result<(), StoreError> {
        draft.unchanged(places::sent_for(grant), self.link.as_ref());
        draft.unchanged(destination.clone(), self.destination.as_ref());
        draft.unchanged(places::sent_in_all(way), self.all.as_ref());
        draft.put(places::sent_for(grant), &counts.link)?;
        draft.put(destination, &counts.destination)?;
        draft.put(places::sent_in_all(way), &counts.organisation)
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

    /// Where the codes of a link go; `None` for a contact who has an access code, or no number.
    async fn destination(&self, view: &GrantView, proof: Proof) -> Result<Option<Destination>, StoreError> {
        Ok(match proof {
            Proof::Sms => self.phone(view.grant.contact).await?.map(Destination::Phone),
            Proof::Mail => Some(Destination::Mailbox(view.conversation.recipient.clone())),
            Proof::Code | Proof::StrictCode => None,
        })
    }

    /// How the code of a link stands. Changes nothing. `None` when none goes anywhere.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub async fn one_time_view(&self, view: &GrantView, limits: &Limits) -> Result<Option<OneTimeView>, StoreError> {
        let Some(to) = self.destination(view, view.contact.proof).await? else { return Ok(None) };
        let found = self.inner.challenge(view.id, view.contact.generation).await?.1;
        let state = self.dispatch(view.id).await?;
        let state = state.filter(|state| found.as_ref().is_some_and(|challenge| challenge.id == state.challenge));
        let code = found.map(|challenge| challenge.code);
        let counts = Counted::read(&self.inner, view.id, &to).await?.counts();
        let next = counts.peek(code.as_ref(), limits, self.inner.clock.now());
        Ok(Some(OneTimeView { to, code, next, stage: state.map(|state| state.stage) }))
    }

    /// "Send me the code": counts the sending, and makes the challenge and the job that sends it, in one durable commit. While a code lives
    /// it is that one.
    ///
    /// # Errors
    /// When nothing could be written: nothing is sent then. [`StoreError::NotReady`] also when the link ended, or its contact no longer
    /// proves themselves by one-time codes.
    pub async fn ask_one_time(&self, view: &GrantView, limits: &Limits) -> Result<Asking, StoreError> {
        let inner = &self.inner;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(grant) = inner.read::<Grant>(&places::grant(view.id)).await? else { return Err(changed()) };
            let contact = inner.need::<Contact>(&places::contact(view.grant.contact)).await?;
            let Some(to) = self.destination(view, contact.record.proof).await? else { return Err(changed()) };
            let (found, present) = inner.challenge(view.id, contact.record.generation).await?;
            let counted = Counted::read(inner, view.id, &to).await?;
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
            let destination = places::sent_to(&inner.keys, &to);
            counted.put(&mut draft, (view.id, destination, to.way()), &counts)?;
            add_job(&mut draft, &self.one_time_job(view.id, &challenge, &to, (limits, now)), now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(asking);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    fn one_time_job(
        &self,
        grant: GrantId,
        challenge: &StoredChallenge,
        to: &Destination,
        (limits, now): (&Limits, Timestamp),
    ) -> NewJob {
        let (challenge, expires) = (challenge.id, challenge.code.until(limits));
        let (kind, secret) = match to {
            Destination::Phone(phone) => {
                let secret = JobSecret::number(phone.expose().to_owned());
                (JobKind::Sms { grant, challenge, expires }, Some(secret))
            }
            Destination::Mailbox(_) => (JobKind::OneTimeMail { grant, challenge, expires }, None),
        };
        NewJob { id: JobId::random(&*self.inner.entropy), kind, secret, due: now }
    }

    /// Counts a try of a one-time code, durably, exactly also under parallel tries: against the code itself, and as every wrong code against
    /// link, network and contact.
    ///
    /// # Errors
    /// When nothing could be counted; no code may be compared then.
    pub async fn count_one_time_try(
        &self,
        view: &GrantView,
        network: Network,
        (limits, one_time): (&access::Limits, &Limits),
    ) -> Result<OneTimeTry, StoreError> {
        match self.count(view, network, (limits, Some(one_time))).await? {
            (admission, Some(tried)) => Ok(OneTimeTry::Compare(admission, tried)),
            (Admission::Try { .. }, None) => {
                let found = self.inner.challenge(view.id, view.contact.generation).await?.1;
                let now = self.inner.clock.now();
                Ok(OneTimeTry::NoCode(found.map(|challenge| challenge.code.state(one_time, now))))
            }
            (admission, None) => Ok(OneTimeTry::NotNow(admission)),
        }
    }

    /// The code was right: uses it up, gives the try back, opens a session, ends the earlier one of that browser, marks the delivery
    /// opened; one commit. `false`, and nothing is open, when it was used before.
    ///
    /// # Errors
    /// As [`open_session`](Self::open_session).
    pub async fn open_one_time_session(
        &self,
        view: &GrantView,
        network: Network,
        (cookies, tried): (impl Into<Cookies<'_>>, &Tried),
    ) -> Result<bool, StoreError> {
        self.begin_session(view, network, (cookies.into(), Some(tried))).await
    }

    /// Codes of the organisation by this way in the 24 hours that run now: for who watches the ceiling.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn codes_of_the_day(&self, way: Way) -> Result<u32, StoreError> {
        let found = self.inner.read::<Organisation>(&places::sent_in_all(way)).await?;
        Ok(found.map_or(0, |found| found.record.count(self.inner.clock.now())))
    }

    /// Whether nothing needs a record of sendings or requests any more.
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
        let Some(mut challenge) = present.filter(|_| contact.proof.is_one_time()) else { return Ok(None) };
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
