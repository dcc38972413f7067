//! From recipients to deliveries: who gets this mail, by which contact, with which jobs.

use crate::base::{ContactId, ConversationId, Entropy, GrantId, JobId, Timestamp};
use crate::mail::Address;
use crate::policy::{Identity, Mode, Terms};
use crate::seal::contact::{ContactPublic, Generation};
use crate::seal::keyring::StoreKeys;
use crate::seal::token::{LinkToken, reference};
use crate::store::StoreError;
use crate::store::codes::{KeptCode, NewCode};
use crate::store::contacts::Change;
use crate::store::conversation::Thread;
use crate::store::intake::{NewDelivery, NewJob};
use crate::store::records::{Contact, Conversation, JobKind, JobSecret, Phone, Proof, Sender};
use crate::store::strict::{Locks, StrictLocks};

use super::access::{self, Asked, Known, Missing};
use super::codes::Codes;
use super::{Inner, IntakeError};

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
    /// What it refers to, oldest first.
    pub(super) references: Vec<String>,
    /// Its base subject.
    pub(super) subject: String,
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

/// One recipient of a mail to be sealed, with the proof that the mail asks for, judged.
#[derive(Debug, Clone)]
pub(super) struct Addressee {
    pub(super) address: Address,
    pub(super) terms: Terms,
    pub(super) asked: Asked,
}

/// The recipients who did not have this very mail yet, each with the key that will say so next time.
pub(super) async fn unserved(
    intake: &Inner,
    mail: &Mail,
    recipients: &[Addressee],
) -> Result<Vec<(Addressee, Option<[u8; 32]>)>, IntakeError> {
    let keys: Vec<_> = recipients.iter().map(|r| mail.repeat_key(intake.store.keys(), &r.address)).collect();
    let known: Vec<[u8; 32]> = keys.iter().copied().flatten().collect();
    let mut taken = intake.store.taken_before(&known).await?.into_iter();
    let with_keys = recipients.iter().cloned().zip(keys);
    // `taken` answers for those that have a key, in order.
    Ok(with_keys.filter(|(_, key)| key.is_none() || !taken.next().unwrap_or(false)).collect())
}

/// What is known of a recipient: the contact that serves this sender's mail, with its number if it has one.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: ContactId,
    pub(super) contact: Contact,
    phone: Option<Phone>,
}

impl Found {
    /// Looks it up (addresses as [`Address::key`]).
    pub(super) async fn of(intake: &Inner, sender: &str, recipient: &str) -> Result<Option<Self>, IntakeError> {
        let Some((id, contact)) = intake.store.contact_for(sender, recipient).await? else { return Ok(None) };
        let phone = if contact.proof == Proof::Sms { intake.store.phone(id).await? } else { None };
        Ok(Some(Self { id, contact, phone }))
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known { proof: self.contact.proof, phone: self.phone.as_ref() }
    }

    /// It serves every sender, and is changed for none.
    const fn is_the_organisations(&self) -> bool {
        self.contact.sender.is_empty()
    }
}

/// The contact of a delivery.
struct Chosen {
    generation: Generation,
    /// When it is new, with the mail that brings its code.
    new: Option<(Contact, KeptCode, Option<NewJob>)>,
}

/// The contact that is known, if it fits; else that one changed, or a new one.
async fn choose(intake: &Inner, mail: &Mail, codes: &mut Codes, recipient: &Addressee) -> Result<Chosen, IntakeError> {
    let (sender, key) = (mail.identity.address.key(), recipient.address.key());
    for _ in 0..2 {
        let found = Found::of(intake, &sender, &key).await?;
        let known = found.as_ref().map(Found::known);
        let least = (mail.mode, recipient.terms.level);
        let missing = access::missing(known, &recipient.asked, least, &recipient.address)?;
        match (found, missing) {
            (Some(found), Missing::Nothing) => {
                let generation = Generation { contact: found.id, number: found.contact.generation };
                return Ok(Chosen { generation, new: None });
            }
            (Some(found), missing) if !found.is_the_organisations() => {
                change(intake, mail, codes, &found, (&key, missing)).await?;
            }
            (_, missing) => return new_contact(intake, mail, codes, recipient, missing).await,
        }
    }
    Err(StoreError::NotReady("a contact was changed by several mails at once".to_owned()).into())
}

/// Gives the sender's contact another proof, once, before the first mail that needs it.
///
/// A commit of its own: should that mail be refused in the end, the contact has the proof that its sender asked for, the sender knows a new
/// code, and all mail to the contact opens with it.
async fn change(
    intake: &Inner,
    mail: &Mail,
    codes: &mut Codes,
    found: &Found,
    (recipient, missing): (&str, Missing),
) -> Result<(), IntakeError> {
    let entropy = &*intake.entropy;
    let proof = match missing {
        // Where somebody is known, a code by mail is never what is missing.
        Missing::Nothing | Missing::Mail => return Ok(()),
        Missing::Sms(phone) => (KeptCode::Sms(phone), None),
        Missing::Code => {
            let new = codes.get(recipient).await?;
            let generation = Generation { contact: found.id, number: found.contact.generation.saturating_add(1) };
            (new.keep(generation, entropy), Some(code_mail(&new, found.id, mail, entropy)))
        }
    };
    intake.store.change_contact(found.id, &Change { proof: Some(proof), ..Change::default() }).await?;
    Ok(())
}

async fn new_contact(
    intake: &Inner,
    mail: &Mail,
    codes: &mut Codes,
    recipient: &Addressee,
    missing: Missing,
) -> Result<Chosen, IntakeError> {
    let entropy = &*intake.entropy;
    let generation = Generation { contact: ContactId::random(entropy), number: 1 };
    let (code, letter) = match missing {
        Missing::Sms(phone) => (KeptCode::Sms(phone), None),
        Missing::Mail => (KeptCode::Mail, None),
        Missing::Nothing | Missing::Code => {
            let new = codes.get(&recipient.address.key()).await?;
            (new.keep(generation, entropy), Some(code_mail(&new, generation.contact, mail, entropy)))
        }
    };
    let sender = mail.sender();
    let contact = Contact {
        address: recipient.address.to_string(),
        name: String::new(),
        language: intake.settings.language.clone(),
        proof: code.proof(),
        generation: generation.number,
        hint: String::new(),
        created: mail.received,
        mailbox: sender.mailbox,
        sender: sender.address,
        sender_name: sender.name,
    };
    Ok(Chosen { generation, new: Some((contact, code, letter)) })
}

/// One recipient's delivery.
pub(super) async fn build(
    intake: &Inner,
    mail: &Mail,
    codes: &mut Codes,
    recipient: &Addressee,
    repeat_key: Option<[u8; 32]>,
) -> Result<NewDelivery, IntakeError> {
    let entropy = &*intake.entropy;
    let grant_id = GrantId::random(entropy);
    let token = LinkToken::generate(entropy);
    let secret = JobSecret::token(token.secret().expose().to_vec());
    let mut jobs = vec![job(JobKind::Notice { grant: grant_id }, secret, mail.received, entropy)];
    let Chosen { generation, new } = choose(intake, mail, codes, recipient).await?;
    let new_contact = new.map(|(contact, code, letter)| {
        jobs.extend(letter);
        (contact, code)
    });
    let sender = mail.identity.address.key();
    let strict = (mail.mode == Mode::Strict).then_some(generation.number);
    let thread = Thread { sender: &sender, contact: generation.contact, strict, subject: &mail.subject };
    let joined = intake.store.joined_by(&thread, &mail.references).await?;
    let locks = locks(intake, mail.mode, generation, (joined, new_contact.as_ref().map(|(_, code)| code))).await?;
    let message_id = mail.message_id.as_deref().filter(|id| !id.is_empty());
    Ok(NewDelivery {
        conversation_id: joined.unwrap_or_else(|| ConversationId::random(entropy)),
        conversation: Conversation {
            sender: mail.sender(),
            recipient: recipient.address.to_string(),
            contact: generation.contact,
            created: mail.received,
            joined: None,
        },
        new_contact,
        locks,
        grant_id,
        token,
        reference: reference(entropy),
        repeat_key,
        thread: message_id.map(|id| thread.hash(intake.store.keys(), id)),
        jobs,
    })
}

/// How the delivery is locked: as the conversation is that it joins, else anew; in strict mode sealed to the contact's code, the new one or the one that is stored.
async fn locks(
    intake: &Inner,
    mode: Mode,
    generation: Generation,
    (joined, new): (Option<ConversationId>, Option<&KeptCode>),
) -> Result<Locks, IntakeError> {
    if mode == Mode::Assisted {
        return Ok(if joined.is_some() { Locks::Joined } else { Locks::Assisted });
    }
    let public: Option<ContactPublic> = match new {
        Some(KeptCode::Pair(pair, _)) => Some(pair.public(generation).map_err(|_| IntakeError::Code)?),
        Some(KeptCode::Verifier(_) | KeptCode::Sms(_) | KeptCode::Mail) => None,
        None => intake.store.contact_public(generation).await?,
    };
    // Without it the link alone would open the mail.
    let contact = Some(public.ok_or(IntakeError::Code)?);
    let before = match joined {
        Some(conversation) => {
            let gone = || StoreError::NotReady("the conversation ended at this moment".to_owned());
            Some(intake.store.epoch_head(conversation).await?.ok_or_else(gone)?)
        }
        None => None,
    };
    Ok(Locks::Strict(Box::new(StrictLocks { contact, before, also: Vec::new() })))
}

/// The mail that brings a code to the sender.
fn code_mail(new: &NewCode, contact: ContactId, mail: &Mail, entropy: &dyn Entropy) -> NewJob {
    let secret = JobSecret::code(new.code.expose().to_owned());
    job(JobKind::Code { contact }, secret, mail.received, entropy)
}

fn job(kind: JobKind, secret: JobSecret, due: Timestamp, entropy: &dyn Entropy) -> NewJob {
    NewJob { id: JobId::random(entropy), kind, secret: Some(secret), due }
}
