//! From a link to an open session: grants, tries, verifiers. A try is counted durably before a code is compared.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::access::{Admission, ContactTries, GrantTries, Limits, Network, one_time};
use crate::base::{ContactId, GrantId, JobId, MessageId};
use crate::seal::code::Verifier;
use crate::seal::token::LinkToken;

use super::challenge::Tried;
use super::codec::{ATTEMPTS, Draft, Found, busy, readable};
use super::engine::Space;
use super::intake::NewJob;
use super::plan::{StoredVerifier, add_job};
use super::records::{Contact, Conversation, Delivery, Grant, JobKind, Message, Session};
use super::strict::StrictKey;
use super::{Inner, Store, StoreError, places};

pub use super::sessions::{Cookies, OpenSession, SessionLimits};

/// A link and what page 1 shows of it.
#[derive(Debug, Clone)]
pub struct GrantView {
    /// The grant's id.
    pub id: GrantId,
    /// The grant.
    pub grant: Grant,
    /// Its conversation: sender and recipient.
    pub conversation: Conversation,
    /// Its contact: language, hint, generation.
    pub contact: Contact,
}

/// Operations on one contact's counts take turns, first come first served: deciding on a record that is about to change would
/// only end in a conflict. Correctness rests on the commit's checks, not on this.
#[derive(Debug)]
pub(super) struct Turns([tokio::sync::Mutex<()>; 256]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| tokio::sync::Mutex::new(())))
    }
}

impl Turns {
    #[expect(clippy::indexing_slicing, reason = "there is one for every byte")]
    pub(super) async fn of(&self, contact: ContactId) -> tokio::sync::MutexGuard<'_, ()> {
        let [first, ..] = *contact.as_bytes();
        self.0[usize::from(first)].lock().await
    }
}

/// Wrong tries of a grant as stored.
#[derive(Debug, Default, Encode, Decode)]
struct StoredTries {
    #[n(0)]
    tries: GrantTries,
    /// The contact's code that was tried: with a new one, counting starts anew.
    #[n(1)]
    generation: u32,
    /// The mail that tells the sender that the grant was closed.
    #[n(2)]
    closed_by: Option<JobId>,
}

/// Wrong tries of a contact as stored.
#[derive(Debug, Default, Encode, Decode)]
struct StoredContactTries {
    #[n(0)]
    tries: ContactTries,
    /// The mail that tells the sender that the contact was closed.
    #[n(1)]
    closed_by: Option<JobId>,
}

/// The counts of one grant and its contact, as found.
struct Counted {
    grant: Option<Found<StoredTries>>,
    contact: Option<Found<StoredContactTries>>,
}

impl Counted {
    async fn read(inner: &Inner, grant: GrantId, contact: ContactId) -> Result<Self, StoreError> {
        let grant = inner.read(&places::grant_tries(grant)).await?;
        let contact = inner.read(&places::contact_tries(contact)).await?;
        Ok(Self { grant, contact })
    }

    /// The counts that hold for the contact's present code, and the checks that they are still those when written.
    fn take(self, draft: &mut Draft<'_>, view: &GrantView, generation: u32) -> (StoredTries, StoredContactTries) {
        draft.unchanged(places::grant_tries(view.id), self.grant.as_ref());
        draft.unchanged(places::contact_tries(view.grant.contact), self.contact.as_ref());
        self.present(generation)
    }

    fn present(self, generation: u32) -> (StoredTries, StoredContactTries) {
        let grant = self.grant.map(|found| found.record).filter(|tries| tries.generation == generation);
        let contact = self.contact.map(|found| found.record);
        (grant.unwrap_or(StoredTries { generation, ..StoredTries::default() }), contact.unwrap_or_default())
    }
}

/// How long the mail about a closed link waits: the try that closes it may yet turn out right, and takes the mail back.
const CLOSED_MAIL_WAITS: Duration = Duration::from_mins(1);

/// What the visitor looked at is no longer so.
pub(super) fn changed() -> StoreError {
    StoreError::NotReady("the link or its code changed meanwhile".to_owned())
}

impl GrantView {
    /// Whether it opens with a code that the contact had before, and not with the one that it has now.
    #[must_use]
    pub fn needs_earlier_code(&self) -> bool {
        let needed = self.grant.strict.and_then(|strict| strict.generation);
        needed.is_some_and(|generation| generation != self.contact.generation)
    }
}

impl Store {
    /// The grant behind a link; `None` when there is none or it has ended. Changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or a record behind the link is damaged.
    pub async fn grant(&self, token: &LinkToken) -> Result<Option<GrantView>, StoreError> {
        let link = token.hash(&self.inner.keys);
        let Some(found) = self.inner.read::<GrantId>(&places::grant_index(&link)).await? else { return Ok(None) };
        let view = self.grant_by_id(found.record).await?;
        Ok(view.filter(|view| view.grant.expires > self.inner.clock.now()))
    }

    /// The grant whose notice carries this reference ([`crate::seal::token::read_reference`]); `None` when there is none, or it has ended.
    /// Changes nothing.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    pub async fn grant_by_reference(&self, reference: &str) -> Result<Option<GrantView>, StoreError> {
        let prefix = places::reference_prefix(&self.inner.keys, reference);
        // Two notices have one reference once in a million million.
        let Some(place) = self.inner.keys_of(Space::Reference, &prefix, 1).await?.pop() else { return Ok(None) };
        let Some(id) = places::last_id(&place.bytes).map(GrantId) else { return Ok(None) };
        let view = self.grant_by_id(id).await?;
        Ok(view.filter(|view| view.grant.expires > self.inner.clock.now()))
    }

    /// The same by id, for jobs and commands: also when it has expired.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    pub async fn grant_by_id(&self, id: GrantId) -> Result<Option<GrantView>, StoreError> {
        let inner = &self.inner;
        let Some(grant) = inner.read::<Grant>(&places::grant(id)).await? else { return Ok(None) };
        let grant = grant.record;
        let behind = async {
            let conversation = inner.need(&places::conversation(grant.conversation)).await?.record;
            let contact = inner.need(&places::contact(grant.contact)).await?.record;
            Ok((conversation, contact))
        };
        match behind.await {
            Ok((conversation, contact)) => Ok(Some(GrantView { id, grant, conversation, contact })),
            // Taken back between the two reads: no damage.
            Err(StoreError::Damaged(_)) if inner.engine.get(&places::grant(id)).await?.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a try would be admitted. Changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or a count is damaged.
    pub async fn may_try(&self, view: &GrantView, network: Network, limits: &Limits) -> Result<Admission, StoreError> {
        let counted = Counted::read(&self.inner, view.id, view.grant.contact).await?;
        let (grant, contact) = counted.present(view.contact.generation);
        Ok(grant.tries.peek(&contact.tries, network, limits, self.inner.clock.now()))
    }

    /// Counts a try, durably, exactly also under parallel tries: compare the code only after [`Admission::Try`]. When it
    /// closes the grant or contact, the mail to the sender is queued in the same commit; it waits a minute, and
    /// [`open_session`](Self::open_session) withdraws it if that very try turns out right.
    ///
    /// # Errors
    /// When nothing could be counted; no code may be compared then.
    pub async fn count_try(
        &self,
        view: &GrantView,
        network: Network,
        limits: &Limits,
    ) -> Result<Admission, StoreError> {
        // There is always something to compare with: no one-time code was asked for.
        Ok(self.count(view, network, (limits, None)).await?.0)
    }

    /// Counts a try; with limits on one-time codes also on the link's one, which is named when it may be compared. Where that holds no longer,
    /// nothing is counted.
    pub(super) async fn count(
        &self,
        view: &GrantView,
        network: Network,
        (limits, one_time): (&Limits, Option<&one_time::Limits>),
    ) -> Result<(Admission, Option<Tried>), StoreError> {
        let inner = &self.inner;
        let _turn = inner.turns.of(view.grant.contact).await;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(grant) = inner.read::<Grant>(&places::grant(view.id)).await? else { return Err(changed()) };
            let contact = inner.need::<Contact>(&places::contact(view.grant.contact)).await?;
            let counted = Counted::read(inner, view.id, view.grant.contact).await?;
            let mut draft = inner.draft();
            draft.unchanged(places::grant(view.id), Some(&grant));
            draft.unchanged(places::contact(view.grant.contact), Some(&contact));
            let (mut of_grant, mut of_contact) = counted.take(&mut draft, view, contact.record.generation);
            let admission = of_grant.tries.admit(&mut of_contact.tries, network, limits, now);
            let Admission::Try { closes, .. } = admission else { return Ok((admission, None)) };
            let tried = match one_time {
                Some(limits) => match inner.try_challenge(&mut draft, view.id, &contact.record, (limits, now)).await? {
                    Some(tried) => Some(tried),
                    None => return Ok((admission, None)),
                },
                None => None,
            };
            if closes {
                let id = JobId::random(&*inner.entropy);
                let kind = JobKind::Closed { grant: view.id };
                add_job(&mut draft, &NewJob { id, kind, secret: None, due: now + CLOSED_MAIL_WAITS }, now)?;
                let by_grant = of_grant.tries.wrong() >= limits.per_grant;
                *(if by_grant { &mut of_grant.closed_by } else { &mut of_contact.closed_by }) = Some(id);
            }
            draft.put(places::grant_tries(view.id), &of_grant)?;
            draft.put(places::contact_tries(view.grant.contact), &of_contact)?;
            let follow = move |inner: &Inner| {
                if closes {
                    inner.leases.wake();
                }
            };
            if self.commit_then(draft.into_batch(), follow).await? {
                return Ok((admission, tried));
            }
        }
        Err(busy())
    }

    /// The verifier of a contact with an eight-digit code, and the generation it belongs to.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn verifier(&self, contact: ContactId) -> Result<Option<(Verifier, u32)>, StoreError> {
        let found = self.inner.read::<StoredVerifier>(&places::verifier(contact)).await?;
        Ok(found.map(|found| (found.record.verifier, found.record.generation)))
    }

    /// The code was right: gives the try back, opens a session, ends the earlier one of that browser, marks the delivery opened; one
    /// commit.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] also when the link ended or the contact got a new code while the old one was compared: no
    /// session is open then.
    pub async fn open_session(
        &self,
        view: &GrantView,
        network: Network,
        cookies: impl Into<Cookies<'_>>,
    ) -> Result<(), StoreError> {
        self.begin_session(view, network, (cookies.into(), None)).await.map(drop)
    }

    /// The same; a one-time code is used up in that commit. `false`: it was used up before, and nothing is open.
    pub(super) async fn begin_session(
        &self,
        view: &GrantView,
        network: Network,
        (cookies, tried): (Cookies<'_>, Option<&Tried>),
    ) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let new = cookies.new.hash(&inner.keys);
        let earlier = cookies.earlier.map(|token| token.hash(&inner.keys));
        let _turn = inner.turns.of(view.grant.contact).await;
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let grant = inner.read::<Grant>(&places::grant(view.id)).await?;
            let contact = inner.read::<Contact>(&places::contact(view.grant.contact)).await?;
            let generation = view.contact.generation;
            let (Some(grant), Some(contact)) = (
                grant.filter(|found| found.record.expires > now),
                contact.filter(|found| found.record.generation == generation),
            ) else {
                return Err(changed());
            };
            let mut draft = inner.draft();
            draft.unchanged(places::grant(view.id), Some(&grant));
            draft.unchanged(places::contact(view.grant.contact), Some(&contact));
            let session = Session { grant: view.id, created: now, seen: now, generation };
            draft.put(places::session(&new), &session)?;
            if let Some(earlier) = &earlier {
                match inner.engine.get(&places::session(earlier)).await {
                    Ok(None) => {}
                    // A damaged one opens nothing, and keeps nobody from opening another.
                    Ok(Some(_)) | Err(StoreError::Damaged(_)) => draft.delete(places::session(earlier)),
                    Err(error) => return Err(error),
                }
            }
            if let Some(tried) = tried
                && !inner.use_challenge(&mut draft, view.id, tried).await?
            {
                return Ok(false);
            }
            self.give_back(&mut draft, view, network).await?;
            inner.mark_opened(&mut draft, &grant.record, now).await?;
            if draft.commit().await? {
                if let Some(earlier) = &earlier {
                    inner.forget_session(earlier);
                }
                return Ok(true);
            }
        }
        Err(busy())
    }

    /// The same in strict mode: `key`, which link and code gave, stays in memory until the session ends.
    ///
    /// # Errors
    /// As [`open_session`](Self::open_session).
    pub async fn open_strict_session(
        &self,
        view: &GrantView,
        network: Network,
        cookies: impl Into<Cookies<'_>>,
        key: StrictKey,
    ) -> Result<(), StoreError> {
        let cookies = cookies.into();
        self.open_session(view, network, cookies).await?;
        self.inner.open_keys.put(cookies.new.hash(&self.inner.keys), key, self.inner.clock.now());
        Ok(())
    }

    /// Takes the last counted try back, and the mail about what it had closed.
    async fn give_back(&self, draft: &mut Draft<'_>, view: &GrantView, network: Network) -> Result<(), StoreError> {
        let counted = Counted::read(&self.inner, view.id, view.grant.contact).await?;
        let (mut of_grant, mut of_contact) = counted.take(draft, view, view.contact.generation);
        of_grant.tries.succeeded(&mut of_contact.tries, network);
        for id in [of_grant.closed_by.take(), of_contact.closed_by.take()].into_iter().flatten() {
            self.withdraw_job(draft, id).await?;
        }
        draft.put(places::grant_tries(view.id), &of_grant)?;
        draft.put(places::contact_tries(view.grant.contact), &of_contact)
    }

    /// The sender unlocks every link of a message and its contacts. Returns the number of links, `None` for no such message.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn unlock_message(&self, id: MessageId) -> Result<Option<usize>, StoreError> {
        let inner = &self.inner;
        let Some(message) = inner.read::<Message>(&places::message(id)).await? else { return Ok(None) };
        let mut draft = inner.draft();
        let mut links = 0;
        for conversation in &message.record.conversations {
            let delivery = readable(inner.read::<Delivery>(&places::delivery(id, *conversation)).await)?;
            let Some(grant) = delivery.map(|found| found.record.grant) else { continue };
            let Some(found) = readable(inner.read::<Grant>(&places::grant(grant)).await)? else { continue };
            // A count in progress checks what it read, finds it gone, and counts anew.
            draft.delete(places::grant_tries(grant));
            draft.delete(places::contact_tries(found.record.contact));
            if inner.engine.get(&places::sent_for(grant)).await?.is_some() {
                draft.delete(places::sent_for(grant));
            }
            links += 1;
        }
        draft.commit().await?;
        Ok(Some(links))
    }

    /// Wrong codes on a link so far, and whether a try closed it or its contact.
    pub(super) async fn wrong_codes(
        &self,
        grant: GrantId,
        (contact, generation): (ContactId, u32),
    ) -> Result<(u32, bool), StoreError> {
        let (of_grant, of_contact) = Counted::read(&self.inner, grant, contact).await?.present(generation);
        Ok((of_grant.tries.wrong(), of_grant.closed_by.is_some() || of_contact.closed_by.is_some()))
    }
}
