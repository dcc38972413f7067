//! What a new message writes, in two halves: what may lie in the store unseen, and what makes it count.
//!
//! Every way to a message (by link, by address, by due job, by contact) starts at a record of the second half, so a prepared
//! message, of which only the first half and its [`Plan`] are stored, can be found by nobody. The plan holds no secret: those
//! stand in their own erasable places from the start.

use std::collections::BTreeSet;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::base::{ContactId, ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::seal::code::Verifier;
use crate::seal::contact::Generation;
use crate::seal::lock::ConversationKey;
use crate::seal::strict::Epoch;

use super::codec::{Draft, Found};
use super::codes::put_code;
use super::conversation::Joined;
use super::intake::{NewDelivery, NewJob, NewMessage};
use super::records::{Contact, Conversation, Delivery, Grant, Job, JobKind, Message, Proof};
use super::retention::{Ending, Stub};
use super::root::Wrapping;
use super::strict::Locks;
use super::{Inner, StoreError, places};

/// A mail that comes again within this time is taken once.
const REPEAT: Duration = Duration::from_hours(5 * 24);

/// A message that is prepared: what it takes to make it count, or to remove it.
#[derive(Debug, Encode, Decode)]
pub(super) struct Plan {
    #[n(0)]
    pub(super) message: Message,
    #[n(1)]
    pub(super) deliveries: Vec<PlannedDelivery>,
}

/// One recipient of it.
#[derive(Debug, Encode, Decode)]
pub(super) struct PlannedDelivery {
    #[n(0)]
    pub(super) conversation_id: ConversationId,
    #[n(1)]
    pub(super) conversation: Conversation,
    #[n(2)]
    pub(super) new_contact: Option<Contact>,
    #[n(3)]
    pub(super) grant_id: GrantId,
    #[n(4)]
    pub(super) grant: Grant,
    /// Hash of the link token.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(super) link: [u8; 32],
    #[cbor(n(6), with = "minicbor::bytes")]
    pub(super) repeat: Option<[u8; 32]>,
    #[n(7)]
    pub(super) jobs: Vec<PlannedJob>,
    /// It joins a conversation that there was.
    #[n(8)]
    pub(super) joins: Option<bool>,
}

/// One job of it.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct PlannedJob {
    #[n(0)]
    pub(super) id: JobId,
    #[n(1)]
    pub(super) kind: JobKind,
    #[n(2)]
    pub(super) due: Timestamp,
}

/// When a mail was taken that may come again.
#[derive(Debug, Encode, Decode)]
pub(super) struct Taken {
    #[n(0)]
    at: Timestamp,
    #[n(1)]
    message: MessageId,
    /// The recipient's; absent in records of version 0.1.
    #[n(2)]
    conversation: Option<ConversationId>,
}

impl Taken {
    /// Whether a mail that comes now is that one again: taken lately, still there to be read, and its notice not given up. Else who
    /// sends it once more means it, and nobody would read the first. What was taken back counts too: a client that did not hear
    /// our 250 must not send it to its recipient after all.
    pub(super) async fn counts(&self, inner: &Inner, now: Timestamp) -> Result<bool, StoreError> {
        if self.is_old(now) {
            return Ok(false);
        }
        let Some(message) = inner.read::<Message>(&places::message(self.message)).await? else {
            let stub = inner.read::<Stub>(&places::stub(self.message.as_bytes())).await?;
            return Ok(stub.is_some_and(|stub| stub.record.why == Ending::Recalled));
        };
        if message.record.expires <= now {
            return Ok(false);
        }
        let Some(conversation) = self.conversation else { return Ok(true) };
        let delivery = inner.read::<Delivery>(&places::delivery(self.message, conversation)).await?;
        // The message is there and this recipient's side is not: it was taken back from them.
        Ok(delivery.is_none_or(|found| found.record.failed.is_none()))
    }

    /// Too long ago for a client to try again.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        now.since(self.at) >= REPEAT
    }
}

/// A code verifier as stored: which code it is, and the job that brings it.
#[derive(Debug, Encode, Decode)]
pub(super) struct StoredVerifier {
    #[n(0)]
    pub(super) verifier: Verifier,
    #[n(1)]
    pub(super) generation: u32,
    #[n(2)]
    pub(super) mail: Option<JobId>,
}

impl Plan {
    /// Completes the message's record and plans its writes.
    pub(super) fn of(inner: &Inner, new: &NewMessage) -> Self {
        let mut message = new.message.clone();
        message.conversations = new.deliveries.iter().map(|d| d.conversation_id).collect();
        message.sealed_len = new.body.len();
        message.in_file = new.body.inline().is_none();
        message.checksum = new.body.checksum();
        let planned = |delivery: &NewDelivery| PlannedDelivery {
            conversation_id: delivery.conversation_id,
            conversation: delivery.conversation.clone(),
            new_contact: delivery.new_contact.as_ref().map(|(contact, _)| contact.clone()),
            grant_id: delivery.grant_id,
            grant: Grant {
                message: new.id,
                conversation: delivery.conversation_id,
                contact: delivery.conversation.contact,
                created: message.received,
                expires: message.expires,
                reference: delivery.reference.clone(),
                link: Some(delivery.token.hash(&inner.keys)),
                repeat: delivery.repeat_key,
                strict: delivery.strict(),
                more: None,
                thread: delivery.thread,
            },
            link: delivery.token.hash(&inner.keys),
            repeat: delivery.repeat_key,
            jobs: delivery.jobs.iter().map(PlannedJob::of).collect(),
            joins: (!delivery.begins_conversation()).then_some(true),
        };
        let deliveries = new.deliveries.iter().map(planned).collect();
        Self { message, deliveries }
    }

    /// The half that makes it count. The checks fail when a contact or repeat appeared since they were looked up.
    pub(super) async fn add_visible(
        &self,
        inner: &Inner,
        draft: &mut Draft<'_>,
        id: MessageId,
    ) -> Result<(), StoreError> {
        let message = &self.message;
        draft.put(places::message(id), message)?;
        draft.put(places::expiry(message.expires, id), &())?;
        let addresses = self.deliveries.iter().map(|d| d.conversation.recipient.as_str());
        let addresses: BTreeSet<String> =
            addresses.chain([message.sender.address.as_str()]).map(places::address_key).collect();
        for address in addresses {
            draft.put(places::by_address(&inner.keys, &address, message.received, id), &())?;
        }
        for delivery in &self.deliveries {
            delivery.add_visible(inner, draft, id, message.received).await?;
        }
        Ok(())
    }
}

impl PlannedJob {
    fn of(job: &NewJob) -> Self {
        Self { id: job.id, kind: job.kind.clone(), due: job.due }
    }
}

impl PlannedDelivery {
    async fn add_visible(
        &self,
        inner: &Inner,
        draft: &mut Draft<'_>,
        id: MessageId,
        received: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(contact) = &self.new_contact {
            let contact_id = self.conversation.contact;
            let index = contact_place(inner, contact);
            draft.unchanged::<ContactId>(index.clone(), None);
            draft.put(index, &contact_id)?;
            draft.put(places::contact(contact_id), contact)?;
        }
        if let Some(repeat) = &self.repeat {
            let place = places::repeat(repeat);
            let stale: Option<Found<Taken>> = inner.read(&place).await?;
            draft.unchanged(place.clone(), stale.as_ref());
            draft.put(place, &Taken { at: received, message: id, conversation: Some(self.conversation_id) })?;
        }
        draft.put(places::grant(self.grant_id), &self.grant)?;
        draft.put(places::grant_index(&self.link), &self.grant_id)?;
        draft.put(places::reference(&inner.keys, &self.grant.reference, self.grant_id), &())?;
        draft.put(places::by_contact(self.grant.contact, received, id), &self.conversation_id)?;
        if let Some(thread) = &self.grant.thread {
            draft.put(places::thread(thread), &self.conversation_id)?;
        }
        for job in &self.jobs {
            draft.put(places::job_due(&job.kind, job.due, job.id), &())?;
        }
        Ok(())
    }

    /// Removes what [`add_hidden`] wrote for this recipient.
    pub(super) async fn remove_hidden(
        &self,
        inner: &Inner,
        draft: &mut Draft<'_>,
        id: MessageId,
    ) -> Result<(), StoreError> {
        if let Some(at) = self.epoch() {
            draft.delete(places::strict_lock(at, &self.link));
        }
        if self.joins == Some(true) {
            // An epoch that follows others stays: a later one may follow it already. It holds keys to nothing.
            inner.leave(draft, self.conversation_id, id).await?;
        } else {
            if self.epoch().is_none() {
                draft.delete(places::assisted_lock(self.conversation_id));
                draft.delete(places::recovery_lock(self.conversation_id));
            }
            draft.delete(places::conversation(self.conversation_id));
            self.epoch().into_iter().for_each(|at| draft.delete(places::epoch(at)));
        }
        draft.delete(places::content_key(self.conversation_id, id));
        draft.delete(places::delivery(id, self.conversation_id));
        if let Some(contact_record) = &self.new_contact {
            let (contact, number) = (self.conversation.contact, contact_record.generation);
            match contact_record.proof {
                Proof::Sms => draft.delete(places::phone(contact)),
                Proof::Code | Proof::StrictCode => draft.delete(places::verifier(contact)),
                Proof::Mail => {}
            }
            draft.delete(places::contact_key(Generation { contact, number }));
        }
        self.jobs.iter().for_each(|job| remove_hidden_job(draft, job.id));
        Ok(())
    }

    /// In strict mode, the epoch that it makes.
    fn epoch(&self) -> Option<Epoch> {
        self.grant.strict.map(|strict| Epoch { conversation: self.conversation_id, number: strict.epoch })
    }

    /// Another mail of this sender made the contact first: uses that one. The code that was made here goes to nobody.
    ///
    /// In strict mode the key is sealed to the code that was made here and to no other; an SMS goes to the number that this mail named and to
    /// no other; and what asks for an access code is not opened with a code by mail. Such a message keeps a contact of its own, which later
    /// mails do not find.
    pub(super) fn use_contact(
        &mut self,
        draft: &mut Draft<'_>,
        (contact, proof): (ContactId, Proof),
    ) -> Result<(), StoreError> {
        let own = self.new_contact.as_ref().map(|own| own.proof);
        let weaker = proof == Proof::Mail && own != Some(Proof::Mail);
        if self.grant.strict.is_some() || own == Some(Proof::Sms) || weaker {
            let own = self.new_contact.take();
            return own.map_or(Ok(()), |own| draft.put(places::contact(self.conversation.contact), &own));
        }
        if own == Some(Proof::Code) {
            draft.delete(places::verifier(self.conversation.contact));
        }
        self.new_contact = None;
        self.conversation.contact = contact;
        self.grant.contact = contact;
        draft.put(places::conversation(self.conversation_id), &self.conversation)?;
        for job in self.jobs.extract_if(.., |job| matches!(job.kind, JobKind::Code { .. })) {
            remove_hidden_job(draft, job.id);
        }
        Ok(())
    }
}

/// Where a new contact is found by sender and recipient.
pub(super) fn contact_place(inner: &Inner, contact: &Contact) -> super::engine::Key {
    let (sender, recipient) = (places::address_key(&contact.sender), places::address_key(&contact.address));
    places::contact_index(&inner.keys, &sender, &recipient)
}

fn remove_hidden_job(draft: &mut Draft<'_>, id: JobId) {
    draft.delete(places::job(id));
    draft.delete(places::job_secret(id));
}

/// The half that nobody can find: content, keys, and jobs that are not due.
pub(super) fn add_hidden(
    inner: &Inner,
    (wrapping, joined): (&Wrapping, &Joined),
    draft: &mut Draft<'_>,
    new: &NewMessage,
) -> Result<(), StoreError> {
    draft.put(places::manifest(new.id), &minicbor::bytes::ByteVec::from(new.manifest.clone()))?;
    if let Some(sealed) = new.body.inline() {
        draft.put_sealed(places::body(new.id), sealed.to_vec());
    }
    for delivery in &new.deliveries {
        let conversation = delivery.conversation_id;
        let key = match joined.get(&conversation) {
            Some(key) => key.clone(),
            None => add_locks(inner, wrapping, draft, delivery)?,
        };
        let wrapped = key.wrap(conversation, new.id, &new.content_key, &*inner.entropy);
        draft.put(places::content_key(conversation, new.id), &minicbor::bytes::ByteVec::from(wrapped))?;
        let epoch = delivery.epoch().map(|at| at.number);
        if delivery.begins_conversation() {
            draft.put(places::conversation(conversation), &delivery.conversation)?;
        }
        let state = Delivery { grant: delivery.grant_id, noticed: None, opened: None, failed: None, epoch };
        draft.put(places::delivery(new.id, conversation), &state)?;
        if let Some((contact, code)) = &delivery.new_contact {
            let mail = delivery.jobs.iter().find(|job| matches!(job.kind, JobKind::Code { .. })).map(|job| job.id);
            put_code(draft, delivery.conversation.contact, contact.generation, (code, mail))?;
        }
        for job in &delivery.jobs {
            add_hidden_job(draft, job, new.message.received)?;
        }
    }
    Ok(())
}

/// A new conversation key, locked as the delivery asks for.
fn add_locks(
    inner: &Inner,
    wrapping: &Wrapping,
    draft: &mut Draft<'_>,
    delivery: &NewDelivery,
) -> Result<ConversationKey, StoreError> {
    let conversation = delivery.conversation_id;
    match &delivery.locks {
        Locks::Assisted | Locks::Joined => {
            let key = ConversationKey::generate(&*inner.entropy);
            let lock = key.lock_assisted(&wrapping.ring, conversation, &*inner.entropy);
            draft.put(places::assisted_lock(conversation), &minicbor::bytes::ByteVec::from(lock))?;
            if let Some(recovery) = &wrapping.recovery {
                let lock = recovery.lock(&key, conversation, &*inner.entropy);
                draft.put(places::recovery_lock(conversation), &minicbor::bytes::ByteVec::from(lock))?;
            }
            Ok(key)
        }
        Locks::Strict(locks) => inner.put_strict_locks(draft, delivery, locks),
    }
}

/// A job and its secret, without the record that makes it due.
pub(super) fn add_hidden_job(draft: &mut Draft<'_>, new: &NewJob, created: Timestamp) -> Result<(), StoreError> {
    let job = Job { kind: new.kind.clone(), created, due: new.due, attempts: 0, last: String::new() };
    draft.put(places::job(new.id), &job)?;
    if let Some(secret) = &new.secret {
        draft.put(places::job_secret(new.id), secret)?;
    }
    Ok(())
}

/// A job that is due at its time.
pub(super) fn add_job(draft: &mut Draft<'_>, new: &NewJob, created: Timestamp) -> Result<(), StoreError> {
    add_hidden_job(draft, new, created)?;
    draft.put(places::job_due(&new.kind, new.due, new.id), &())
}
