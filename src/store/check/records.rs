//! What must hold for each kind of record: it opens, and what it names is there.

use minicbor::Decode;
use minicbor::bytes::ByteVec;

use crate::base::{ContactId, ConversationId, GrantId, JobId, MessageId};
use crate::seal::contact::{ContactKey, Generation};
use crate::seal::epoch::EpochKeys;
use crate::seal::strict::Epoch;
use crate::store::challenge::{StoredChallenge, StoredPhone};
use crate::store::codec::is_whole;
use crate::store::dispatch::Dispatch;
use crate::store::engine::{Key, Loss, Space};
use crate::store::places::{self, due_of, last_id};
use crate::store::plan::{Plan, Taken};
use crate::store::records::{Contact, Conversation, Delivery, Grant, Job, JobKind, JobSecret, Message, Proof, Session};
use crate::store::retention::records::{Erasure, Purge, Stub};
use crate::store::{Store, StoreError};

use super::whom::message_or_prepared;
use super::{Damage, Fault};

/// What repair would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mend {
    /// Removes an entry of a list.
    Drop(Key),
    /// Keeps a copy in quarantine, then removes it.
    SetAside(Key),
    /// The same for a body file.
    SetBodyAside(MessageId),
    /// Takes a loss as it is.
    GiveUp(Loss),
    /// Adds an entry to a list, if what it is about is still there.
    List { entry: Key, of: Key },
}

/// What a progress line calls a space.
pub(super) const fn name(space: Space) -> &'static str {
    match space {
        Space::Message => "messages",
        Space::Conversation => "conversations",
        Space::Contact => "contacts",
        Space::Grant => "links",
        Space::Job => "jobs",
        Space::Delivery => "deliveries",
        _ => "other records",
    }
}

/// Where a record lies, as a finding says it.
pub(super) fn shown(key: &Key) -> String {
    format!("{:?} {}", key.space, data_encoding::HEXLOWER.encode(&key.bytes))
}

/// How a read ended: what is damaged is a finding, the rest an error.
enum Seen<T> {
    There(T),
    Damaged(String),
    Gone,
}

/// Collects the faults of one record.
pub(super) struct Faults {
    found: Vec<Fault>,
    pub(super) message: Option<MessageId>,
}

impl Faults {
    pub(super) fn add(&mut self, damage: Damage, key: &Key, why: &str, mend: Option<Mend>) {
        let (place, why) = (shown(key), why.to_owned());
        self.found.push(Fault { damage, place, why, message: self.message, mend });
    }

    pub(super) fn orphan(&mut self, key: &Key, why: &str) {
        self.add(Damage::Orphan, key, why, Some(Mend::SetAside(key.clone())));
    }

    fn dangling(&mut self, key: &Key, why: &str) {
        self.add(Damage::Dangling, key, why, Some(Mend::Drop(key.clone())));
    }
}

impl Store {
    async fn seen<T: for<'b> Decode<'b, ()>>(&self, key: &Key) -> Result<Seen<T>, StoreError> {
        match self.inner.read::<T>(key).await {
            Ok(Some(found)) => Ok(Seen::There(found.record)),
            Ok(None) => Ok(Seen::Gone),
            Err(StoreError::Damaged(why)) => Ok(Seen::Damaged(why)),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a record at all, also a damaged one.
    pub(super) async fn is_there(&self, key: &Key) -> Result<bool, StoreError> {
        match self.inner.engine.get(key).await {
            Ok(found) => Ok(found.is_some()),
            Err(StoreError::Damaged(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What is wrong with one record and what it names. Nothing is, when it is gone.
    pub(super) async fn faults(&self, key: &Key) -> Result<Vec<Fault>, StoreError> {
        let id = last_id(&key.bytes).unwrap_or_default();
        let message = match key.space {
            Space::Message | Space::Manifest | Space::Body | Space::ContentKey | Space::ByAddress | Space::Expiry => {
                Some(MessageId(id))
            }
            Space::Delivery => key.bytes.first_chunk::<16>().map(|id| MessageId(*id)),
            _ => None,
        };
        let mut faults = Faults { found: Vec::new(), message };
        match key.space {
            Space::Message => self.message_faults(MessageId(id), key, &mut faults).await?,
            Space::Conversation => {
                if let Some(conversation) = self.opened::<Conversation>(key, &mut faults).await?
                    && self.nothing_is_prepared().await?
                {
                    self.needs(&places::contact(conversation.contact), &mut faults).await?;
                }
            }
            Space::Contact => self.contact_faults(ContactId(id), key, &mut faults).await?,
            Space::Grant => self.grant_faults(key, &mut faults).await?,
            Space::Job => self.job_faults(JobId(id), key, &mut faults).await?,
            Space::Delivery => {
                if let Some(delivery) = self.opened::<Delivery>(key, &mut faults).await?
                    && self.belongs(key, &mut faults).await?
                    && self.nothing_is_prepared().await?
                {
                    self.needs(&places::grant(delivery.grant), &mut faults).await?;
                }
            }
            Space::GrantIndex
            | Space::ContactIndex
            | Space::JobDue
            | Space::AwaitedDue
            | Space::ByAddress
            | Space::Expiry
            | Space::Reference
            | Space::StubEnd
            | Space::AnswerEnd
            | Space::AnswerAddress
            | Space::Thread
            | Space::ByContact => {
                self.entry_faults(key, &mut faults).await?;
            }
            Space::Answer => self.answer_faults(key, &mut faults).await?,
            Space::Piece => self.piece_faults(key, &mut faults).await?,
            _ => self.other_faults(key, &mut faults).await?,
        }
        Ok(faults.found)
    }

    /// Whether no message is prepared: one that is has records whose partners come with its commit. A start drops them all.
    async fn nothing_is_prepared(&self) -> Result<bool, StoreError> {
        Ok(self.inner.keys_of(Space::Prepared, &[], 1).await?.is_empty())
    }

    /// Whether no removal waits to be seen through: until then parts of what goes may be gone already.
    pub(super) async fn nothing_is_leaving(&self) -> Result<bool, StoreError> {
        for space in [Space::Purge, Space::Erasure] {
            if !self.inner.keys_of(space, &[], 1).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The record, if it opens; a fault if it does not.
    pub(super) async fn opened<T: for<'b> Decode<'b, ()>>(
        &self,
        key: &Key,
        faults: &mut Faults,
    ) -> Result<Option<T>, StoreError> {
        match self.seen(key).await? {
            Seen::There(record) => Ok(Some(record)),
            Seen::Gone => Ok(None),
            Seen::Damaged(why) => {
                faults.add(Damage::Record, key, &why, None);
                Ok(None)
            }
        }
    }

    pub(super) async fn needs(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        if !self.is_there(key).await? {
            faults.add(Damage::Missing, key, "a record that another one names is missing", None);
        }
        Ok(())
    }

    async fn message_faults(&self, id: MessageId, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(message) = self.opened::<Message>(key, faults).await? else { return Ok(()) };
        self.needs(&places::manifest(id), faults).await?;
        if !message.in_file && !self.is_there(&places::body(id)).await? {
            faults.add(Damage::Body, &places::body(id), "the body is missing", None);
        }
        for conversation in message.conversations {
            for needed in [
                places::conversation(conversation),
                places::delivery(id, conversation),
                places::content_key(conversation, id),
            ] {
                self.needs(&needed, faults).await?;
            }
            if self.inner.keys_of(Space::Lock, conversation.as_bytes(), 1).await?.is_empty() {
                self.needs(&places::assisted_lock(conversation), faults).await?;
            }
            if let Seen::There(found) = self.seen::<Conversation>(&places::conversation(conversation)).await? {
                let address = places::address_key(&found.recipient);
                self.listed(places::by_address(&self.inner.keys, &address, message.received, id), key, faults).await?;
            }
        }
        let sender = places::address_key(&message.sender.address);
        self.listed(places::by_address(&self.inner.keys, &sender, message.received, id), key, faults).await?;
        self.listed(places::expiry(message.expires, id), key, faults).await
    }

    /// The record at `of` must stand on a list.
    pub(super) async fn listed(&self, entry: Key, of: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        if !self.is_there(&entry).await? {
            let mend = Mend::List { entry: entry.clone(), of: of.clone() };
            faults.add(Damage::Unlisted, &entry, "an entry of a list is missing", Some(mend));
        }
        Ok(())
    }

    async fn contact_faults(&self, id: ContactId, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(contact) = self.opened::<Contact>(key, faults).await? else { return Ok(()) };
        let code = match contact.proof {
            Proof::Code => Some(places::verifier(id)),
            Proof::StrictCode => Some(places::contact_key(Generation { contact: id, number: contact.generation })),
            Proof::Sms => Some(places::phone(id)),
            Proof::Mail => None,
        };
        if let Some(code) = code {
            self.needs(&code, faults).await?;
        }
        // One that is being erased is found by no new mail any more.
        if !self.nothing_is_leaving().await? {
            return Ok(());
        }
        let (sender, recipient) = (places::address_key(&contact.sender), places::address_key(&contact.address));
        self.needs(&places::contact_index(&self.inner.keys, &sender, &recipient), faults).await
    }

    async fn grant_faults(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(grant) = self.opened::<Grant>(key, faults).await? else { return Ok(()) };
        faults.message = Some(grant.message);
        for needed in
            [places::message(grant.message), places::conversation(grant.conversation), places::contact(grant.contact)]
        {
            self.needs(&needed, faults).await?;
        }
        let Some(strict) = grant.strict else { return Ok(()) };
        let at = Epoch { conversation: grant.conversation, number: strict.epoch };
        let lock = grant.link.map(|link| places::strict_lock(at, &link));
        let pair = strict.generation.map(|number| places::contact_key(Generation { contact: grant.contact, number }));
        for needed in [Some(places::epoch(at)), lock, pair].into_iter().flatten() {
            self.needs(&needed, faults).await?;
        }
        Ok(())
    }

    async fn job_faults(&self, id: JobId, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let Some(job) = self.opened::<Job>(key, faults).await? else { return Ok(()) };
        if matches!(job.kind, JobKind::Notice { .. } | JobKind::Code { .. } | JobKind::Sms { .. }) {
            self.needs(&places::job_secret(id), faults).await?;
        }
        let entry = places::job_due(&job.kind, job.due, id);
        // The jobs of a prepared message are not due yet.
        if !self.is_there(&entry).await? && self.nothing_is_prepared().await? {
            self.listed(entry, key, faults).await?;
        }
        Ok(())
    }

    /// Entries of lists, which lead to a record.
    async fn entry_faults(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let id = last_id(&key.bytes).unwrap_or_default();
        let leads_to = match key.space {
            // A link whose message ended leads to its stub.
            Space::GrantIndex => match self.opened::<GrantId>(key, faults).await? {
                Some(grant) if self.is_there(&places::stub(grant.as_bytes())).await? => None,
                grant => grant.map(places::grant),
            },
            Space::ContactIndex => self.opened::<ContactId>(key, faults).await?.map(places::contact),
            Space::StubEnd => Some(places::stub(&id)),
            Space::Reference => Some(places::grant(GrantId(id))),
            Space::AnswerEnd => {
                places::answer_of(&key.bytes).map(|(conversation, id)| places::answer(conversation, id))
            }
            Space::AnswerAddress | Space::Thread => {
                self.opened::<ConversationId>(key, faults).await?.map(places::conversation)
            }
            Space::ByContact => {
                self.opened::<ConversationId>(key, faults).await?.map(|_| places::message(MessageId(id)))
            }
            Space::JobDue | Space::AwaitedDue => {
                let job = self.seen::<Job>(&places::job(JobId(id))).await?;
                let moved = matches!(job, Seen::There(job) if Some(job.due) != due_of(&key.bytes));
                if moved {
                    faults.dangling(key, "the job is due at another time");
                }
                Some(places::job(JobId(id)))
            }
            _ => Some(places::message(MessageId(id))),
        };
        match leads_to {
            Some(to) if !self.is_there(&to).await? && self.is_there(key).await? => {
                faults.dangling(key, "it leads to a record that is not there");
            }
            _ => {}
        }
        Ok(())
    }

    /// Records that belong to another: of use only with it.
    async fn other_faults(&self, key: &Key, faults: &mut Faults) -> Result<(), StoreError> {
        let opens = match key.space {
            Space::Manifest | Space::Lock | Space::ContentKey => self.opened::<ByteVec>(key, faults).await?.is_some(),
            Space::Session => self.opened::<Session>(key, faults).await?.is_some(),
            Space::JobSecret => self.opened::<JobSecret>(key, faults).await?.is_some(),
            Space::Prepared => self.opened::<Plan>(key, faults).await?.is_some(),
            Space::Repeat => self.opened::<Taken>(key, faults).await?.is_some(),
            Space::ContactKey => self.opened::<ContactKey>(key, faults).await?.is_some(),
            Space::Epoch => self.opened::<EpochKeys>(key, faults).await?.is_some(),
            Space::Phone => self.opened::<StoredPhone>(key, faults).await?.is_some(),
            Space::Challenge => self.opened::<StoredChallenge>(key, faults).await?.is_some(),
            Space::Stub => self.opened::<Stub>(key, faults).await?.is_some(),
            Space::Purge => self.opened::<Purge>(key, faults).await?.is_some(),
            Space::Erasure => self.opened::<Erasure>(key, faults).await?.is_some(),
            Space::Dispatch => self.opened::<Dispatch>(key, faults).await?.is_some(),
            _ => self.whole(key, faults).await?,
        };
        if opens {
            self.belongs(key, faults).await?;
        }
        Ok(())
    }

    /// A record of which only the seal is judged; a body has its own.
    async fn whole(&self, key: &Key, faults: &mut Faults) -> Result<bool, StoreError> {
        match self.inner.engine.get(key).await {
            Ok(None) => Ok(false),
            Ok(Some(_)) if matches!(key.space, Space::Body | Space::Recovery) => Ok(true),
            Ok(Some(found)) => {
                let opened = is_whole(&self.inner.keys, key, &found.value);
                if let Err(why) = &opened {
                    faults.add(Damage::Record, key, &why.to_string(), None);
                }
                Ok(opened.is_ok())
            }
            Err(StoreError::Damaged(why)) => {
                faults.add(Damage::Record, key, &why, None);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what a record belongs to is there; an orphan if not.
    async fn belongs(&self, key: &Key, faults: &mut Faults) -> Result<bool, StoreError> {
        let (first, last) = (key.bytes.first_chunk::<16>().copied().unwrap_or_default(), last_id(&key.bytes));
        let last = last.unwrap_or_default();
        let owners = match key.space {
            Space::ContentKey => {
                let mut owners = message_or_prepared(MessageId(last));
                owners.push(places::answer(ConversationId(first), MessageId(last)));
                owners
            }
            Space::Manifest | Space::Body => message_or_prepared(MessageId(last)),
            Space::Delivery => message_or_prepared(MessageId(first)),
            Space::Lock | Space::Epoch => vec![places::conversation(ConversationId(first))],
            Space::GrantTries | Space::Dispatch | Space::Challenge => vec![places::grant(GrantId(last))],
            Space::Sent if matches!(key.bytes.first(), Some(&(places::SENT_FOR | places::ASKED))) => {
                vec![places::grant(GrantId(last))]
            }
            Space::ContactTries => vec![places::contact(ContactId(last))],
            Space::JobSecret => vec![places::job(JobId(last))],
            Space::Verifier | Space::Phone if self.nothing_is_prepared().await? => {
                vec![places::contact(ContactId(last))]
            }
            Space::ContactKey if self.nothing_is_prepared().await? => {
                vec![places::contact(ContactId(first))]
            }
            _ => return Ok(true),
        };
        for owner in &owners {
            if self.is_there(owner).await? {
                return Ok(true);
            }
        }
        if self.is_there(key).await? {
            faults.orphan(key, "what it belongs to is not there");
        }
        Ok(false)
    }
}
