//! One message on its way out, for some or all of its recipients: what belongs to it, and the batch that removes it.
//!
//! Gathering bears damage: what cannot be read is found by its key, or left out with a line in the log. A damaged record must
//! never keep the keys of its message alive.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::seal::strict::Epoch;
use crate::store::answers::Going;
use crate::store::codec::{Draft, Found, readable};
use crate::store::engine::{Key, Space};
use crate::store::jobs::Queued;
use crate::store::places::{self, address_key, last_id};
use crate::store::plan::contact_place;
use crate::store::records::{Contact, Conversation, Delivery, Grant, LinkHash, Message, Subject};
use crate::store::{Store, StoreError};

use super::again::Origin;
use super::finish::OF_CONTACT;
use super::records::{Ending, Purge, Stub};

/// Spaces whose keys begin with a conversation's id: they go with its last message.
const OF_CONVERSATION: [Space; 3] = [Space::Conversation, Space::Lock, Space::Epoch];

/// How long the end of a message waits at most until its sender is told of a notice that never left.
const TOLD_WITHIN: Duration = Duration::from_hours(30 * 24);

/// How often that is looked at.
const LOOKED_AT_AGAIN: Duration = Duration::from_hours(1);

/// For whom a message goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whom<'a> {
    /// For all.
    Everybody,
    /// For this recipient (hash as [`places::by_address_prefix`]).
    Recipient(&'a [u8; 32]),
    /// For all when this address sent it, else for this recipient (the same hash).
    Address(&'a [u8; 32]),
    /// In these conversations.
    Conversations(&'a BTreeSet<ConversationId>),
}

/// One recipient's side of a message.
#[derive(Debug)]
struct Side {
    conversation: ConversationId,
    /// `None` when the record is damaged.
    recipient: Option<String>,
    /// As the delivery names it.
    grant: Option<GrantId>,
    record: Option<Found<Grant>>,
    /// The conversation's own record: a mail that joins it changes that.
    found: Option<Found<Conversation>>,
    /// Where the link is found.
    link: Option<[u8; 32]>,
    /// Everything of the conversation, when this is its only message; in strict mode the lock of its link.
    conversation_places: Vec<Key>,
    /// Its link's one-time code, and what was counted for it, where there is any.
    counted: Vec<Key>,
    /// Its entries on the lists of its thread and of its contact.
    lists: Vec<Key>,
    /// Answers to it, and drafts of them.
    answers: Going,
}

/// A message with what of it goes.
#[derive(Debug)]
pub(super) struct Removal {
    id: MessageId,
    why: Ending,
    /// `None` when the record is damaged.
    message: Option<Found<Message>>,
    going: Vec<Side>,
    /// The recipients that stay.
    staying: Vec<Option<String>>,
}

impl Removal {
    /// Gathers it; `None` when there is no such message (one that is only prepared is none yet).
    pub(super) async fn of(
        store: &Store,
        id: MessageId,
        why: Ending,
        whom: Whom<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let inner = &store.inner;
        let message = readable(inner.read::<Message>(&places::message(id)).await)?;
        let deliveries = inner.keys_of(Space::Delivery, id.as_bytes(), usize::MAX).await?;
        let mut conversations: BTreeSet<_> =
            deliveries.iter().filter_map(|key| last_id(&key.bytes)).map(ConversationId).collect();
        conversations.extend(message.iter().flat_map(|found| found.record.conversations.iter().copied()));
        if conversations.is_empty() && message.is_none() {
            return Ok(None);
        }
        if message.is_none() && inner.engine.get(&places::prepared(id)).await?.is_some() {
            return Ok(None);
        }
        let mut sides = Vec::with_capacity(conversations.len());
        for conversation in conversations {
            sides.push(Side::read(store, id, conversation).await?);
        }
        let chosen = choose(store, message.as_ref(), &sides, whom);
        let (going, staying): (Vec<_>, Vec<_>) =
            sides.into_iter().partition(|side| chosen.contains(&side.conversation));
        let mut removal =
            Self { id, why, message, going, staying: staying.into_iter().map(|side| side.recipient).collect() };
        let received = removal.message.as_ref().map(|found| found.record.received);
        for side in &mut removal.going {
            side.gather(store, (id, received)).await?;
        }
        Ok(Some(removal))
    }

    /// How many recipients it goes for.
    pub(super) fn recipients(&self) -> usize {
        self.going.len()
    }

    /// Whether nobody keeps it.
    pub(super) fn whole(&self) -> bool {
        self.staying.is_empty()
    }

    /// Bytes of the files of drafts that go with it.
    pub(super) fn draft_bytes(&self) -> u64 {
        self.going.iter().map(|side| side.answers.draft_bytes()).sum()
    }

    /// Whether its end must wait: a notice that did not leave yet will be given up, and its sender told, which takes its records.
    /// No longer than [`TOLD_WITHIN`]. Nobody waits for what was taken back.
    pub(super) fn must_be_told(&self, queued: &Queued, now: Timestamp) -> bool {
        let expires = self.message.as_ref().map(|found| found.record.expires);
        let jobs = self.going.iter().filter_map(|side| queued.get(&Subject::Grant(side.grant?))).flatten();
        self.why == Ending::Expired
            && expires.is_some_and(|expires| now < expires + TOLD_WITHIN)
            && jobs.into_iter().any(|job| job.tells)
    }

    /// Adds to a draft what makes it unreadable now, and the place where its end is looked at again.
    pub(super) fn add_keys_to(&self, draft: &mut Draft<'_>, now: Timestamp) -> Result<(), StoreError> {
        for side in &self.going {
            side.goes_alone(draft);
            draft.delete(places::content_key(side.conversation, self.id));
            side.answers.add_keys_to(draft, side.conversation);
            let locks = side.conversation_places.iter().filter(|place| place.space.erasable());
            locks.for_each(|place| draft.delete(place.clone()));
            let codes = side.counted.iter().filter(|place| place.space.erasable());
            codes.for_each(|place| draft.delete(place.clone()));
        }
        draft.delete(places::manifest(self.id));
        draft.delete(places::body(self.id));
        draft.put(places::expiry(now + LOOKED_AT_AGAIN, self.id), &())
    }

    /// Adds to a draft everything that removes it, and the purge that is to be seen through; returns that purge.
    pub(super) async fn add_to(
        &self,
        store: &Store,
        draft: &mut Draft<'_>,
        queued: &Queued,
        terms: Terms,
    ) -> Result<Purge, StoreError> {
        if let Some(message) = &self.message {
            draft.unchanged(places::message(self.id), Some(message));
        }
        let mut pieces = Vec::new();
        for side in &self.going {
            self.remove_side(store, draft, side, terms)?;
            let jobs = side.grant.and_then(|grant| queued.get(&Subject::Grant(grant)));
            for job in jobs.map_or(&[][..], Vec::as_slice) {
                store.withdraw_job(draft, job.id).await?;
            }
            let erase = self.why == Ending::Erased;
            let gone = side.answers.add_to(store, draft, side.conversation, (queued, erase)).await?;
            pieces.extend(gone.into_iter().filter(|piece| piece.in_file).map(|piece| piece.id));
        }
        if self.whole() {
            self.remove_message(store, draft, terms)?;
        } else if let Some(message) = &self.message {
            let mut record = message.record.clone();
            record.conversations.retain(|id| self.going.iter().all(|side| side.conversation != *id));
            draft.put(places::message(self.id), &record)?;
        }
        let expires = self.message.as_ref().map(|found| found.record.expires);
        Ok(Purge::Message {
            id: self.id,
            why: self.why,
            at: terms.now,
            // Where the record is damaged: the longest that a message may live.
            until: expires.unwrap_or(terms.now + Duration::from_hours(365 * 24)),
            whole: self.whole(),
            conversations: self.going.iter().map(|side| side.conversation).collect(),
            grants: self.going.iter().filter_map(|side| side.grant).collect(),
            pieces: (!pieces.is_empty()).then_some(pieces),
        })
    }

    fn remove_side(&self, store: &Store, draft: &mut Draft<'_>, side: &Side, terms: Terms) -> Result<(), StoreError> {
        side.goes_alone(draft);
        // First, in the frame too, what makes it readable.
        draft.delete(places::content_key(side.conversation, self.id));
        side.conversation_places.iter().for_each(|place| draft.delete(place.clone()));
        draft.delete(places::delivery(self.id, side.conversation));
        if let (Some(message), Some(recipient)) = (&self.message, &side.recipient) {
            let message = &message.record;
            let kept = !self.whole()
                && (address_key(&message.sender.address) == *recipient
                    || self.staying.iter().flatten().any(|other| other == recipient));
            if !kept {
                draft.delete(places::by_address(&store.inner.keys, recipient, message.received, self.id));
            }
        }
        let Some(grant) = side.grant else { return Ok(()) };
        draft.delete(places::grant(grant));
        draft.delete(places::grant_tries(grant));
        draft.delete(places::dispatch(grant));
        side.counted.iter().chain(&side.lists).for_each(|place| draft.delete(place.clone()));
        if let Some(record) = &side.record {
            draft.unchanged(places::grant(grant), Some(record));
            draft.delete(places::reference(&store.inner.keys, &record.record.reference, grant));
            if let (Ending::Erased, Some(repeat)) = (self.why, &record.record.repeat) {
                draft.delete(places::repeat(repeat));
            }
        }
        let more = side.record.as_ref().and_then(|found| found.record.more.clone());
        let links: Vec<_> = side.link.into_iter().chain(more.iter().flatten().map(|hash| **hash)).collect();
        let origin = side.found.as_ref().zip(side.record.as_ref());
        let origin = origin.map(|(conversation, grant)| Box::new(Origin::of(&conversation.record, &grant.record)));
        if links.is_empty() || self.leave_stub(draft, grant.as_bytes(), (side.link, more), origin, terms)? {
            return Ok(());
        }
        for link in links {
            draft.delete(places::grant_index(&link));
        }
        Ok(())
    }

    fn remove_message(&self, store: &Store, draft: &mut Draft<'_>, terms: Terms) -> Result<(), StoreError> {
        draft.delete(places::message(self.id));
        draft.delete(places::manifest(self.id));
        draft.delete(places::body(self.id));
        if let Some(Found { record, .. }) = &self.message {
            let sender = address_key(&record.sender.address);
            draft.delete(places::by_address(&store.inner.keys, &sender, record.received, self.id));
            draft.delete(places::expiry(record.expires, self.id));
        }
        self.leave_stub(draft, self.id.as_bytes(), (None, None), None, terms).map(drop)
    }

    /// An erasure leaves none, and nothing is left for a time that is over.
    fn leave_stub(
        &self,
        draft: &mut Draft<'_>,
        id: &[u8; 16],
        (link, more): (Option<[u8; 32]>, Option<Vec<LinkHash>>),
        origin: Option<Box<Origin>>,
        terms: Terms,
    ) -> Result<bool, StoreError> {
        let expires = self.message.as_ref().map(|found| found.record.expires);
        let at = match self.why {
            Ending::Expired => expires.unwrap_or(terms.now),
            Ending::Recalled => terms.now,
            Ending::Erased => return Ok(false),
        };
        let until = at + terms.ended_links;
        if until <= terms.now {
            return Ok(false);
        }
        draft.put(places::stub(id), &Stub { why: self.why, at, until, link, more, origin })?;
        draft.put(places::stub_end(until, id), &())?;
        Ok(true)
    }
}

/// What a removal needs to know from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) now: Timestamp,
    /// How long a link still tells why its message is gone.
    pub(super) ended_links: Duration,
}

impl Side {
    /// What says whose side it is.
    async fn read(store: &Store, id: MessageId, conversation: ConversationId) -> Result<Self, StoreError> {
        let inner = &store.inner;
        let record = readable(inner.read::<Conversation>(&places::conversation(conversation)).await)?;
        let delivery = readable(inner.read::<Delivery>(&places::delivery(id, conversation)).await)?;
        Ok(Self {
            conversation,
            recipient: record.as_ref().map(|found| address_key(&found.record.recipient)),
            found: record,
            lists: Vec::new(),
            grant: delivery.map(|found| found.record.grant),
            record: None,
            link: None,
            conversation_places: Vec::new(),
            counted: Vec::new(),
            answers: Going::default(),
        })
    }

    /// Adds the check that nothing joined the conversation meanwhile, if that goes too.
    fn goes_alone(&self, draft: &mut Draft<'_>) {
        // Nothing joins one whose record is damaged.
        if let Some(found) = self.found.as_ref().filter(|_| self.answers.with_all()) {
            draft.unchanged(places::conversation(self.conversation), Some(found));
        }
    }

    /// In strict mode the lock of its link, also when the conversation goes on; and the contact that nobody else finds (another one was made
    /// first while this mail was prepared).
    async fn gather_own(&mut self, store: &Store) -> Result<(), StoreError> {
        let inner = &store.inner;
        let Some(grant) = self.record.as_ref().map(|found| &found.record) else { return Ok(()) };
        if let (Some(strict), Some(link)) = (grant.strict, &self.link) {
            let at = Epoch { conversation: self.conversation, number: strict.epoch };
            self.conversation_places.push(places::strict_lock(at, link));
        }
        let Some(contact) = readable(inner.read::<Contact>(&places::contact(grant.contact)).await)? else {
            return Ok(());
        };
        let listed = readable(inner.read::<ContactId>(&contact_place(inner, &contact.record)).await)?;
        if listed.is_some_and(|listed| listed.record != grant.contact) {
            for space in OF_CONTACT {
                let places = inner.keys_of(space, grant.contact.as_bytes(), usize::MAX).await?;
                self.conversation_places.extend(places);
            }
        }
        Ok(())
    }

    /// Everything else that goes with it.
    async fn gather(
        &mut self,
        store: &Store,
        (id, received): (MessageId, Option<Timestamp>),
    ) -> Result<(), StoreError> {
        let inner = &store.inner;
        self.answers = Going::of(inner, self.conversation, id).await?;
        let keys = inner.keys_of(Space::ContentKey, self.conversation.as_bytes(), usize::MAX).await?;
        let goes =
            |key: &Key| last_id(&key.bytes).is_some_and(|key| MessageId(key) == id || self.answers.has(MessageId(key)));
        if keys.iter().all(goes) {
            self.answers.with_conversation();
            // Also those that a change of root keys may be writing at this moment.
            self.conversation_places.push(places::assisted_lock(self.conversation));
            self.conversation_places.push(places::recovery_lock(self.conversation));
            for space in OF_CONVERSATION {
                self.conversation_places.extend(inner.keys_of(space, self.conversation.as_bytes(), usize::MAX).await?);
            }
        }
        let Some(grant) = self.grant else { return Ok(()) };
        for place in [places::challenge(grant), places::sent_for(grant), places::asked(grant)] {
            self.counted.extend(inner.keys_of(place.space, &place.bytes, 1).await?);
        }
        self.record = readable(inner.read::<Grant>(&places::grant(grant)).await)?;
        self.link = match self.record.as_ref().and_then(|found| found.record.link) {
            Some(link) => Some(link),
            None => store.link_of(grant).await?,
        };
        let (grant, found) = (self.record.as_ref(), self.found.as_ref());
        let of = (grant.map(|found| &found.record), found.map(|found| &found.record));
        self.lists = inner.lists_of(self.conversation, of, (id, received)).await?;
        self.gather_own(store).await?;
        Ok(())
    }
}

/// The conversations that go.
fn choose(store: &Store, message: Option<&Found<Message>>, sides: &[Side], whom: Whom<'_>) -> BTreeSet<ConversationId> {
    let hash = |address: &str| places::by_address_prefix(&store.inner.keys, address);
    let chosen = |fits: &dyn Fn(&Side) -> bool| {
        sides.iter().filter(|side| fits(side)).map(|side| side.conversation).collect::<BTreeSet<_>>()
    };
    let is = |side: &Side, wanted: &[u8; 32]| side.recipient.as_ref().is_some_and(|r| hash(r) == *wanted);
    match whom {
        Whom::Everybody => chosen(&|_| true),
        Whom::Conversations(wanted) => chosen(&|side| wanted.contains(&side.conversation)),
        Whom::Recipient(wanted) => chosen(&|side| is(side, wanted)),
        Whom::Address(wanted) => {
            let sender = message.map(|found| hash(&address_key(&found.record.sender.address)));
            let theirs = chosen(&|side| is(side, wanted));
            match sender {
                Some(sender) if sender == *wanted => chosen(&|_| true),
                // The index says that it is theirs, and no readable record says how: it is what cannot be read.
                None if theirs.is_empty() => chosen(&|_| true),
                Some(_) if theirs.is_empty() => chosen(&|side| side.recipient.is_none()),
                _ => theirs,
            }
        }
    }
}
