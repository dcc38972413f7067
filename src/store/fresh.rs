//! Fresh notices: when a contact proves themselves otherwise from now on, whoever could not open their mail hears that they can.
//!
//! A fresh notice brings a link of its own to the same grant; the one before stays valid. There is none for a strict message, whose link is
//! a key: it opens as it did, by the first notice and its code.

use crate::base::{ContactId, ConversationId, JobId, MessageId, Timestamp};
use crate::seal::token::LinkToken;

use super::codec::{Draft, Found, readable};
use super::engine::Space;
use super::intake::NewJob;
use super::places::{self, last_id};
use super::plan::add_job;
use super::records::{Contact, Conversation, Delivery, Grant, JobKind, JobSecret, Proof};
use super::{Inner, StoreError};

/// Notices of one change at most: of the newest messages.
const MOST: usize = 10;

/// Newest messages of an address that are looked at.
const LOOKED_AT: usize = 200;

/// Links of one grant beside its first.
const MOST_LINKS: usize = 8;

/// Whether from one proof to the other the recipient must be told: another number, or another kind of code. A new access code they hear
/// from the sender.
pub(super) const fn is_told(before: Proof, after: Proof) -> bool {
    matches!((before, after), (_, Proof::Sms) | (Proof::Sms | Proof::Mail, _))
}

impl Inner {
    /// Adds to a draft a fresh notice of each message that this contact did not open yet, or asked its sender about; returns how many. One
    /// whose first notice still waits needs none.
    pub(super) async fn add_notices(
        &self,
        draft: &mut Draft<'_>,
        id: ContactId,
        contact: &Contact,
    ) -> Result<usize, StoreError> {
        let prefix = places::by_address_prefix(&self.keys, &places::address_key(&contact.address));
        let now = self.clock.now();
        let mut notices = 0;
        for place in self.keys_of(Space::ByAddress, &prefix, LOOKED_AT).await? {
            let Some(message) = last_id(&place.bytes).map(MessageId) else { continue };
            for place in self.keys_of(Space::Delivery, message.as_bytes(), usize::MAX).await? {
                let Some(conversation) = last_id(&place.bytes).map(ConversationId) else { continue };
                notices += usize::from(self.add_notice(draft, id, (message, conversation), now).await?);
                if notices == MOST {
                    return Ok(notices);
                }
            }
        }
        Ok(notices)
    }

    async fn add_notice(
        &self,
        draft: &mut Draft<'_>,
        id: ContactId,
        (message, conversation): (MessageId, ConversationId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let of = readable(self.read::<Conversation>(&places::conversation(conversation)).await)?;
        if of.is_none_or(|of| of.record.contact != id) {
            return Ok(false);
        }
        let place = places::delivery(message, conversation);
        let Some(mut delivery) = readable(self.read::<Delivery>(&place).await)? else { return Ok(false) };
        let grant_id = delivery.record.grant;
        let Some(mut grant) = readable(self.read::<Grant>(&places::grant(grant_id)).await)? else { return Ok(false) };
        let asked = self.engine.get(&places::asked(grant_id)).await?.is_some();
        if asked {
            // What was asked is answered: should the new number be wrong too, it can be asked again today.
            draft.delete(places::asked(grant_id));
        }
        let waits = delivery.record.noticed.is_none() || (delivery.record.opened.is_some() && !asked);
        if waits || delivery.record.failed.is_some() || !takes_link(&grant, now) {
            return Ok(false);
        }
        let link = LinkToken::generate(&*self.entropy);
        let hash = link.hash(&self.keys);
        draft.unchanged(places::grant(grant_id), Some(&grant));
        draft.unchanged(place.clone(), Some(&delivery));
        grant.record.more.get_or_insert_default().push(hash.into());
        delivery.record.noticed = None;
        draft.put(places::grant(grant_id), &grant.record)?;
        draft.put(places::grant_index(&hash), &grant_id)?;
        draft.put(place, &delivery.record)?;
        let secret = Some(JobSecret::token(link.secret().expose().to_vec()));
        let id = JobId::random(&*self.entropy);
        add_job(draft, &NewJob { id, kind: JobKind::Notice { grant: grant_id }, secret, due: now }, now)?;
        Ok(true)
    }
}

fn takes_link(grant: &Found<Grant>, now: Timestamp) -> bool {
    let grant = &grant.record;
    grant.strict.is_none() && grant.expires > now && grant.more.as_ref().is_none_or(|more| more.len() < MOST_LINKS)
}
