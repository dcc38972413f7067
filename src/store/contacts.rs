//! What a sender, or the organisation, knows of a recipient: looked up, made, changed.
//!
//! Whatever changes how a contact proves who they are raises its generation: open sessions end, one-time codes that are on their way open
//! nothing, wrong codes are counted anew, and what was kept before is erased. A strict code alone stays beside those before it, since
//! earlier mail opens with the earlier code.

use crate::base::ContactId;

use super::codec::{ATTEMPTS, Draft, busy, readable};
use super::codes::{KeptCode, put_code};
use super::intake::NewJob;
use super::plan::{StoredVerifier, add_job, contact_place};
use super::records::{Contact, Proof};
use super::{Store, StoreError, fresh, places};

/// What changes about a contact; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct Change {
    /// How the contact is called.
    pub name: Option<String>,
    /// `nl`, `en`, or empty for the organisation's own.
    pub language: Option<String>,
    /// A hint to the code.
    pub hint: Option<String>,
    /// How the contact proves who they are from now on, and the mail that brings a code to the sender.
    pub proof: Option<(KeptCode, Option<NewJob>)>,
}

impl Store {
    /// A contact by id.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        Ok(self.inner.read(&places::contact(id)).await?.map(|found| found.record))
    }

    /// The contact that serves a mail of `sender` to `recipient` (both as [`crate::mail::Address::key`]): the sender's own, else the
    /// organisation's.
    ///
    /// # Errors
    /// When the store cannot be read, or the contact's record is damaged.
    pub async fn contact_for(&self, sender: &str, recipient: &str) -> Result<Option<(ContactId, Contact)>, StoreError> {
        match self.contact_of(sender, recipient).await? {
            None => self.contact_of("", recipient).await,
            own => Ok(own),
        }
    }

    /// Makes a contact. `false`, and nothing is made, when its sender has one for this recipient by now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn add_contact(
        &self,
        id: ContactId,
        contact: &Contact,
        (code, mail): (&KeptCode, Option<NewJob>),
    ) -> Result<bool, StoreError> {
        let mut draft = self.inner.draft();
        let index = contact_place(&self.inner, contact);
        draft.unchanged::<ContactId>(index.clone(), None);
        draft.put(index, &id)?;
        draft.put(places::contact(id), &Contact { proof: code.proof(), ..contact.clone() })?;
        put_code(&mut draft, id, contact.generation, (code, mail.as_ref().map(|mail| mail.id)))?;
        if let Some(mail) = &mail {
            add_job(&mut draft, mail, self.inner.clock.now())?;
        }
        self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await
    }

    /// Gives a contact a new code. `false` when there is no such contact.
    ///
    /// # Errors
    /// As [`change_contact`](Self::change_contact).
    pub async fn replace_code(&self, contact: ContactId, code: KeptCode, mail: NewJob) -> Result<bool, StoreError> {
        let proof = Some((code, Some(mail)));
        Ok(self.change_contact(contact, &Change { proof, ..Change::default() }).await?.is_some())
    }

    /// Changes a contact in one commit. With a proof: generation raised, counts cleared, open sessions end, a mail with the code before that
    /// still waits is withdrawn, what was kept of the proof before is erased, and a recipient who has another number or kind of code hears by
    /// fresh notices that they can open what waits for them. How many those are; `None` when there is no such contact.
    ///
    /// # Errors
    /// When the store cannot be read or written; [`StoreError::NotReady`] also when a pair is not of the generation that comes next, and where
    /// a code by mail would take the place of a stronger proof: what was sealed for that one would open with less.
    pub async fn change_contact(&self, contact: ContactId, change: &Change) -> Result<Option<usize>, StoreError> {
        let inner = &self.inner;
        for _ in 0..ATTEMPTS {
            let Some(mut found) = inner.read::<Contact>(&places::contact(contact)).await? else { return Ok(None) };
            let mut draft = inner.draft();
            draft.unchanged(places::contact(contact), Some(&found));
            let mut notices = 0;
            let record = &mut found.record;
            let fields = [
                (&mut record.name, &change.name),
                (&mut record.language, &change.language),
                (&mut record.hint, &change.hint),
            ];
            for (field, new) in fields {
                if let Some(new) = new {
                    field.clone_from(new);
                }
            }
            if let Some((code, mail)) = &change.proof {
                let told = fresh::is_told(record.proof, code.proof());
                self.change_proof(&mut draft, contact, record, (code, mail.as_ref())).await?;
                if told {
                    notices = inner.add_notices(&mut draft, contact, record).await?;
                }
            }
            draft.put(places::contact(contact), &found.record)?;
            if self.commit_then(draft.into_batch(), |inner| inner.leases.wake()).await? {
                return Ok(Some(notices));
            }
            tokio::task::yield_now().await;
        }
        Err(busy())
    }

    async fn change_proof(
        &self,
        draft: &mut Draft<'_>,
        id: ContactId,
        contact: &mut Contact,
        (code, mail): (&KeptCode, Option<&NewJob>),
    ) -> Result<(), StoreError> {
        let before = readable(self.inner.read::<StoredVerifier>(&places::verifier(id)).await)?;
        if let Some(old_mail) = before.and_then(|before| before.record.mail) {
            self.withdraw_job(draft, old_mail).await?;
        }
        if code.proof() == Proof::Mail {
            return Err(StoreError::NotReady("no contact goes back to a code by mail".to_owned()));
        }
        contact.generation = contact.generation.saturating_add(1);
        let generation = contact.generation;
        if matches!(code, KeptCode::Pair(_, number) if *number != generation) {
            return Err(StoreError::NotReady("the contact got another code meanwhile".to_owned()));
        }
        match (contact.proof, code.proof()) {
            (Proof::Sms, Proof::Code | Proof::StrictCode) => draft.delete(places::phone(id)),
            (Proof::Code, Proof::Sms) => draft.delete(places::verifier(id)),
            _ => {}
        }
        contact.proof = code.proof();
        put_code(draft, id, generation, (code, mail.map(|mail| mail.id)))?;
        // Counts of its grants name the generation that they are for.
        draft.delete(places::contact_tries(id));
        mail.map_or(Ok(()), |mail| add_job(draft, mail, self.inner.clock.now()))
    }
}
