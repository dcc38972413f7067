//! From recipients to deliveries: who gets this mail, by which contact, with which jobs.

use crate::base::{ContactId, ConversationId, Entropy, GrantId, JobId, Timestamp};
use crate::mail::Address;
use crate::policy::Identity;
use crate::seal::keyring::StoreKeys;
use crate::seal::token::{LinkToken, reference};
use crate::store::intake::{NewDelivery, NewJob};
use crate::store::records::{Contact, Conversation, JobKind, JobSecret, Proof, Sender};

use super::codes::{Codes, NewCode};
use super::{Inner, IntakeError, Recipient};

/// What all deliveries of one mail share.
#[derive(Debug)]
pub(super) struct Mail {
    /// When we took it.
    pub(super) received: Timestamp,
    /// Who sent it.
    pub(super) identity: Identity,
    /// Message-ID, without brackets; without one a repeat cannot be told.
    pub(super) message_id: Option<String>,
    /// SHA-256 of everything after the header block.
    pub(super) body_hash: [u8; 32],
}

impl Mail {
    /// The sender as recorded.
    pub(super) fn sender(&self) -> Sender {
        Sender {
            address: self.identity.address.to_string(),
            name: self.identity.name.clone(),
            mailbox: self.identity.mailbox.to_string(),
        }
    }

    /// The keyed hash that recognises this mail for this recipient when the client sends it again. The header block is no part of
    /// it, since relays in front of us add to it with every try.
    fn repeat_key(&self, keys: &StoreKeys, recipient: &Address) -> Option<[u8; 32]> {
        let message_id = self.message_id.as_deref().filter(|id| !id.is_empty())?;
        let mut value = Vec::new();
        for part in [self.identity.address.key().as_str(), message_id, recipient.key().as_str()] {
            value.extend_from_slice(&(part.len() as u64).to_be_bytes());
            value.extend_from_slice(part.as_bytes());
        }
        value.extend_from_slice(&self.body_hash);
        Some(keys.blind("repeated mail", &value))
    }
}

/// The recipients who did not have this very mail yet, each with the key that will say so next time.
pub(super) async fn unserved(
    intake: &Inner,
    mail: &Mail,
    recipients: &[Recipient],
) -> Result<Vec<(Recipient, Option<[u8; 32]>)>, IntakeError> {
    let keys: Vec<_> = recipients.iter().map(|r| mail.repeat_key(intake.store.keys(), &r.address)).collect();
    let known: Vec<[u8; 32]> = keys.iter().copied().flatten().collect();
    let mut taken = intake.store.taken_before(&known).await?.into_iter();
    let with_keys = recipients.iter().cloned().zip(keys);
    // `taken` answers for those that have a key, in order.
    Ok(with_keys.filter(|(_, key)| key.is_none() || !taken.next().unwrap_or(false)).collect())
}

/// One recipient's delivery. A contact that the sender has already brings its proof along; else a new one is made, with a code.
pub(super) async fn build(
    intake: &Inner,
    mail: &Mail,
    codes: &mut Codes,
    recipient: &Recipient,
    repeat_key: Option<[u8; 32]>,
) -> Result<NewDelivery, IntakeError> {
    let entropy = &*intake.entropy;
    let recipient_key = recipient.address.key();
    let known = intake.store.contact_of(&mail.identity.address.key(), &recipient_key).await?;
    let grant_id = GrantId::random(entropy);
    let token = LinkToken::generate(entropy);
    let secret = JobSecret { token: Some(token.secret().expose().to_vec()), code: None };
    let mut jobs = vec![job(JobKind::Notice { grant: grant_id }, secret, mail.received, entropy)];
    let (contact, new_contact) = if let Some((id, _)) = known {
        (id, None)
    } else {
        let NewCode { code, verifier } = codes.get(&recipient_key).await?;
        let id = ContactId::random(entropy);
        let secret = JobSecret { token: None, code: Some(code.expose().to_owned()) };
        jobs.push(job(JobKind::Code { contact: id }, secret, mail.received, entropy));
        (id, Some((new_contact(mail, recipient, &intake.settings.language), verifier)))
    };
    Ok(NewDelivery {
        conversation_id: ConversationId::random(entropy),
        conversation: Conversation {
            sender: mail.sender(),
            recipient: recipient.address.to_string(),
            contact,
            created: mail.received,
        },
        new_contact,
        grant_id,
        token,
        reference: reference(entropy),
        repeat_key,
        jobs,
    })
}

fn new_contact(mail: &Mail, recipient: &Recipient, language: &str) -> Contact {
    let sender = mail.sender();
    Contact {
        address: recipient.address.to_string(),
        name: String::new(),
        language: language.to_owned(),
        proof: Proof::Code,
        generation: 1,
        hint: String::new(),
        created: mail.received,
        mailbox: sender.mailbox,
        sender: sender.address,
        sender_name: sender.name,
    }
}

fn job(kind: JobKind, secret: JobSecret, due: Timestamp, entropy: &dyn Entropy) -> NewJob {
    NewJob { id: JobId::random(entropy), kind, secret: Some(secret), due }
}
