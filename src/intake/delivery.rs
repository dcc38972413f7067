//! From recipients to deliveries: who gets this mail, by which contact, with which jobs.

use crate::base::{ContactId, ConversationId, Entropy, GrantId, JobId, Timestamp};
use crate::mail::Address;
use crate::policy::{Identity, Mode};
use crate::seal::contact::{ContactPublic, Generation};
use crate::seal::keyring::StoreKeys;
use crate::seal::token::{LinkToken, reference};
use crate::store::codes::{KeptCode, NewCode};
use crate::store::intake::{NewDelivery, NewJob};
use crate::store::records::{Contact, Conversation, JobKind, JobSecret, Proof, Sender};
use crate::store::strict::{Locks, StrictLocks};

use super::codes::Codes;
use super::{Inner, IntakeError, Recipient};

/// What all deliveries of one mail share.
#[derive(Debug)]
pub(super) struct Mail {
    /// When we took it.
    pub(super) received: Timestamp,
    /// Who sent it.
    pub(super) identity: Identity,
    /// How it is kept, for all its recipients.
    pub(super) mode: Mode,
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

/// Whether a mail in this mode takes a new code for a contact: where there is none, and where the code that there is can be guessed.
pub(super) fn needs_code(known: Option<&Contact>, mode: Mode) -> bool {
    known.is_none_or(|contact| mode == Mode::Strict && contact.proof != Proof::StrictCode)
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
    let sender_key = mail.identity.address.key();
    let mut known = intake.store.contact_of(&sender_key, &recipient_key).await?;
    if let Some((id, contact)) = &known
        && needs_code(Some(contact), mail.mode)
    {
        make_strict(intake, mail, codes.get(&recipient_key).await?, (*id, contact)).await?;
        known = intake.store.contact_of(&sender_key, &recipient_key).await?;
    }
    let grant_id = GrantId::random(entropy);
    let token = LinkToken::generate(entropy);
    let secret = JobSecret::token(token.secret().expose().to_vec());
    let mut jobs = vec![job(JobKind::Notice { grant: grant_id }, secret, mail.received, entropy)];
    let (generation, new_contact) = if let Some((contact, known)) = known {
        (Generation { contact, number: known.generation }, None)
    } else {
        let new = codes.get(&recipient_key).await?;
        let generation = Generation { contact: ContactId::random(entropy), number: 1 };
        jobs.push(code_mail(&new, generation.contact, mail, entropy));
        let code = new.keep(generation, entropy);
        (generation, Some((new_contact(mail, recipient, (&intake.settings.language, code.proof())), code)))
    };
    let locks = locks(intake, mail.mode, generation, new_contact.as_ref().map(|(_, code)| code)).await?;
    Ok(NewDelivery {
        conversation_id: ConversationId::random(entropy),
        conversation: Conversation {
            sender: mail.sender(),
            recipient: recipient.address.to_string(),
            contact: generation.contact,
            created: mail.received,
        },
        new_contact,
        locks,
        grant_id,
        token,
        reference: reference(entropy),
        repeat_key,
        jobs,
    })
}

/// How the delivery is locked: in strict mode sealed to the contact's code, the new one or the one that is stored.
async fn locks(
    intake: &Inner,
    mode: Mode,
    generation: Generation,
    new: Option<&KeptCode>,
) -> Result<Locks, IntakeError> {
    if mode == Mode::Assisted {
        return Ok(Locks::Assisted);
    }
    let public: Option<ContactPublic> = match new {
        Some(KeptCode::Pair(pair, _)) => Some(pair.public(generation).map_err(|_| IntakeError::Code)?),
        Some(KeptCode::Verifier(_)) => None,
        None => intake.store.contact_public(generation).await?,
    };
    // Without it the link alone would open the mail.
    let contact = Some(public.ok_or(IntakeError::Code)?);
    Ok(Locks::Strict(Box::new(StrictLocks { contact, before: None, also: Vec::new() })))
}

/// Gives a contact a strict code in the place of eight digits, once, before the first mail that needs it.
///
/// A commit of its own: should that mail be refused in the end, the contact has a new code, the sender knows it, and all mail to the contact
/// opens with it.
async fn make_strict(
    intake: &Inner,
    mail: &Mail,
    new: NewCode,
    (contact, known): (ContactId, &Contact),
) -> Result<(), IntakeError> {
    let entropy = &*intake.entropy;
    let generation = Generation { contact, number: known.generation.saturating_add(1) };
    let letter = code_mail(&new, contact, mail, entropy);
    intake.store.replace_code(contact, new.keep(generation, entropy), letter).await?;
    Ok(())
}

/// The mail that brings a code to the sender.
fn code_mail(new: &NewCode, contact: ContactId, mail: &Mail, entropy: &dyn Entropy) -> NewJob {
    let secret = JobSecret::code(new.code.expose().to_owned());
    job(JobKind::Code { contact }, secret, mail.received, entropy)
}

fn new_contact(mail: &Mail, recipient: &Recipient, (language, proof): (&str, Proof)) -> Contact {
    let sender = mail.sender();
    Contact {
        address: recipient.address.to_string(),
        name: String::new(),
        language: language.to_owned(),
        proof,
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
