//! What stays of a message that is gone, so that its recipient can ask for it again: who sent it, to which contact, on which day. It goes with
//! the stub, with the contact, and when either address is erased.

use minicbor::{Decode, Encode};

use crate::base::{ContactId, GrantId, JobId, Timestamp};
use crate::seal::token::LinkToken;
use crate::store::codec::{ATTEMPTS, busy, readable};
use crate::store::engine::{Key, Space};
use crate::store::intake::NewJob;
use crate::store::places::{address_key, by_address_prefix};
use crate::store::plan::add_job;
use crate::store::proof::changed;
use crate::store::records::{Contact, Conversation, Grant, JobKind, Sender, Wish};
use crate::store::wishes::ASK_AGAIN;
use crate::store::{Store, StoreError, places};

use super::records::{Ending, Stub};

/// Stubs that are looked at together: their commits share a write to the disk.
const TOGETHER: usize = 256;

/// Whose message it was, as its stub keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Origin {
    #[n(0)]
    sender: Sender,
    #[n(1)]
    contact: ContactId,
    /// When it was sent.
    #[n(2)]
    created: Timestamp,
    #[n(3)]
    reference: String,
    /// When it was last asked for again.
    #[n(4)]
    asked: Option<Timestamp>,
}

impl Origin {
    /// Of one recipient's side of a message.
    pub(super) fn of(conversation: &Conversation, grant: &Grant) -> Self {
        Self {
            sender: conversation.sender.clone(),
            contact: grant.contact,
            created: grant.created,
            reference: grant.reference.clone(),
            asked: None,
        }
    }
}

/// A message that is gone, whose recipient may ask for it again.
#[derive(Debug, Clone)]
pub struct Again {
    /// Whose link it had.
    pub grant: GrantId,
    /// Why it is gone.
    pub why: Ending,
    /// Who sent it.
    pub sender: Sender,
    /// To whom.
    pub contact: Contact,
    /// When it was sent.
    pub created: Timestamp,
    /// The reference in its notice.
    pub reference: String,
}

impl Store {
    /// What the holder of a link can ask for again; `None` where its message is still there, where nothing is known of it any more, and where an
    /// address of it was erased.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn again(&self, token: &LinkToken) -> Result<Option<Again>, StoreError> {
        let index = places::grant_index(&token.hash(&self.inner.keys));
        match self.inner.read::<GrantId>(&index).await? {
            Some(found) => self.again_of(found.record).await,
            None => Ok(None),
        }
    }

    /// The same by the grant that there was.
    ///
    /// # Errors
    /// As [`again`](Self::again).
    pub async fn again_of(&self, grant: GrantId) -> Result<Option<Again>, StoreError> {
        let Some(stub) = self.inner.read::<Stub>(&places::stub(grant.as_bytes())).await? else { return Ok(None) };
        let Stub { why, until, origin: Some(origin), .. } = stub.record else { return Ok(None) };
        if until <= self.inner.clock.now() {
            return Ok(None);
        }
        let contact = readable(self.inner.read::<Contact>(&places::contact(origin.contact)).await)?;
        let Origin { sender, created, reference, .. } = *origin;
        Ok(contact.map(|contact| Again { grant, why, sender, contact: contact.record, created, reference }))
    }

    /// Tells the sender by mail that the recipient asks for it again, once a day. `false` when that was asked within a day.
    ///
    /// # Errors
    /// When nothing could be written; [`StoreError::NotReady`] also when it can no longer be asked for.
    pub async fn ask_again(&self, grant: GrantId) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let place = places::stub(grant.as_bytes());
        for _ in 0..ATTEMPTS {
            let now = inner.clock.now();
            let Some(found) = inner.read::<Stub>(&place).await? else { return Err(changed()) };
            let mut stub = found.record.clone();
            let Some(origin) = &mut stub.origin else { return Err(changed()) };
            if origin.asked.is_some_and(|at| now.since(at) < ASK_AGAIN) {
                return Ok(false);
            }
            origin.asked = Some(now);
            let mut draft = inner.draft();
            draft.unchanged(place.clone(), Some(&found));
            draft.put(place.clone(), &stub)?;
            let id = JobId::random(&*inner.entropy);
            let kind = JobKind::Asked { grant, wish: Wish::Again };
            add_job(&mut draft, &NewJob { id, kind, secret: None, due: now }, now)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    /// Makes stubs forget whose message it was: those of an address (as [`places::by_address_prefix`]) that sent or got it, or all.
    pub(super) async fn forget_origins(&self, of: Option<&[u8; 32]>) -> Result<(), StoreError> {
        let mut from = Vec::new();
        loop {
            let page = self.inner.engine.keys(Space::Stub, &from, None, TOGETHER).await?;
            let Some(last) = page.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
            let forgotten = page.iter().map(|id| self.forget_origin(id, of));
            futures_util::future::try_join_all(forgotten).await?;
        }
    }

    /// Makes one stub forget it, whatever else changes it at the same moment.
    async fn forget_origin(&self, id: &[u8], of: Option<&[u8; 32]>) -> Result<(), StoreError> {
        let inner = &self.inner;
        let is = |other: &str| of.is_none_or(|of| by_address_prefix(&inner.keys, &address_key(other)) == *of);
        let place = Key { space: Space::Stub, bytes: id.to_vec() };
        for _ in 0..ATTEMPTS {
            let Some(found) = readable(inner.read::<Stub>(&place).await)? else { return Ok(()) };
            let Some(origin) = &found.record.origin else { return Ok(()) };
            let theirs = is(&origin.sender.address) || {
                let contact = readable(inner.read::<Contact>(&places::contact(origin.contact)).await)?;
                contact.is_none_or(|contact| is(&contact.record.address))
            };
            if !theirs {
                return Ok(());
            }
            let mut draft = inner.draft();
            draft.unchanged(place.clone(), Some(&found));
            draft.put(place.clone(), &Stub { origin: None, ..found.record.clone() })?;
            if draft.commit().await? {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }
}

#[cfg(test)]
impl Origin {
    /// For the test of the formats.
    pub(in crate::store) fn sample(sender: Sender, contact: ContactId) -> Self {
        Self { sender, contact, created: Timestamp(1), reference: "K7QF-2M9D".to_owned(), asked: Some(Timestamp(2)) }
    }
}
