//! Codes of contacts: what is kept of them, and what a typed one is held against.
//!
//! Of a code of eight digits a verifier is kept, and the server enforces it. Of codes by SMS the number that they go to is kept, of codes by
//! mail nothing; each is made when it is asked for (`challenge`). Of a strict one a pair is kept that only the code opens; its
//! generations stand beside each other, since earlier mail opens with the earlier code.

use minicbor::bytes::ByteVec;

use crate::base::{ContactId, Entropy, JobId, SecretBytes};
use crate::seal::code::{AccessCode, Cost, HashError, Verifier};
use crate::seal::contact::{CodeKey, ContactKey, ContactPublic, Generation, Unopened};
use crate::seal::hashers::Memory;
use crate::seal::lock::ConversationKey;
use crate::seal::strict::{Asks, Epoch, LinkKey, asks};
use crate::seal::token::LinkToken;

use super::challenge::StoredPhone;
use super::codec::{Draft, damaged};
use super::plan::StoredVerifier;
use super::proof::GrantView;
use super::records::{Phone, Proof};
use super::strict::StrictKey;
use super::{Store, StoreError, places};

/// What is kept of a code.
#[derive(Debug, Clone)]
pub enum KeptCode {
    /// A hash to compare with: the server enforces the code.
    Verifier(Verifier),
    /// A pair whose private half only the code opens, of this generation of its contact.
    Pair(ContactKey, u32),
    /// No code: one goes to this number by SMS each time.
    Sms(Phone),
    /// No code: one goes to the mailbox of the notice each time.
    Mail,
}

impl KeptCode {
    /// How a contact with such a code proves who they are.
    #[must_use]
    pub const fn proof(&self) -> Proof {
        match self {
            Self::Verifier(_) => Proof::Code,
            Self::Pair(..) => Proof::StrictCode,
            Self::Sms(_) => Proof::Sms,
            Self::Mail => Proof::Mail,
        }
    }
}

/// A new code, in clear for the mail that brings it, and hashed for what is kept of it.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// In clear.
    pub code: AccessCode,
    hashed: Hashed,
}

#[derive(Debug, Clone)]
enum Hashed {
    Verifier(Verifier),
    Key(CodeKey),
}

impl NewCode {
    /// Makes one of eight digits.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn digits(
        pepper: &SecretBytes<32>,
        cost: Cost,
        entropy: &dyn Entropy,
        memory: &mut Memory,
    ) -> Result<Self, HashError> {
        let code = AccessCode::generate(entropy);
        let verifier = Verifier::new(&code, pepper, cost, entropy, memory)?;
        Ok(Self { code, hashed: Hashed::Verifier(verifier) })
    }

    /// Makes one for strict mode.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn strict(
        pepper: &SecretBytes<32>,
        cost: Cost,
        entropy: &dyn Entropy,
        memory: &mut Memory,
    ) -> Result<Self, HashError> {
        let code = AccessCode::generate_strict(entropy);
        let key = CodeKey::new(&code, pepper, cost, entropy, memory)?;
        Ok(Self { code, hashed: Hashed::Key(key) })
    }

    /// What is kept of it as this generation of a contact.
    #[must_use]
    pub fn keep(&self, generation: Generation, entropy: &dyn Entropy) -> KeptCode {
        match &self.hashed {
            Hashed::Verifier(verifier) => KeptCode::Verifier(verifier.clone()),
            Hashed::Key(key) => KeptCode::Pair(ContactKey::generate(key, generation, entropy), generation.number),
        }
    }
}

/// What a typed code is held against.
#[derive(Debug)]
pub struct Challenge {
    pepper: SecretBytes<32>,
    held: Against,
}

#[derive(Debug)]
enum Against {
    Verifier(Verifier),
    /// An assisted message of a contact whose code is a strict one.
    Pair(ContactKey, Generation),
    Strict {
        pair: Box<ContactKey>,
        generation: Generation,
        lock: Vec<u8>,
        at: Epoch,
        link: LinkKey,
    },
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub enum Proven {
    /// It is not the code.
    Wrong,
    /// It is; in strict mode this is the key.
    Right(Option<StrictKey>),
}

impl Challenge {
    /// Whether `code` is right. Takes as long and as much memory as hashing a code: run it on a blocking thread, in a turn.
    ///
    /// # Errors
    /// [`Unopened::Hash`]: nothing is known of the code. [`Unopened::Damaged`]: it is right, and opens nothing.
    pub fn answer(&self, code: &AccessCode, memory: &mut Memory) -> Result<Proven, Unopened> {
        let Self { pepper, held } = self;
        Ok(match held {
            Against::Verifier(verifier) if verifier.matches(code, pepper, memory)? => Proven::Right(None),
            Against::Verifier(_) => Proven::Wrong,
            Against::Pair(pair, generation) => match pair.open(*generation, code, pepper, memory)? {
                Some(_) => Proven::Right(None),
                None => Proven::Wrong,
            },
            Against::Strict { pair, generation, lock, at, link } => {
                let Some(private) = pair.open(*generation, code, pepper, memory)? else { return Ok(Proven::Wrong) };
                let key = ConversationKey::open_by_link_and_code(*at, link, &private, lock)?;
                Proven::Right(Some(StrictKey { at: *at, key }))
            }
        })
    }
}

impl Store {
    /// What a typed code is held against, given the link it was typed behind. `None` when there is nothing, which is damage.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub async fn challenge(&self, view: &GrantView, link: &LinkToken) -> Result<Option<Challenge>, StoreError> {
        let Some(held) = self.against(view, link).await? else { return Ok(None) };
        Ok(Some(Challenge { pepper: self.inner.keys.pepper.clone(), held }))
    }

    async fn against(&self, view: &GrantView, link: &LinkToken) -> Result<Option<Against>, StoreError> {
        let inner = &self.inner;
        let contact = view.grant.contact;
        let Some(strict) = &view.grant.strict else {
            if view.contact.proof == Proof::StrictCode {
                let generation = Generation { contact, number: view.contact.generation };
                return Ok(self.contact_key(generation).await?.map(|pair| Against::Pair(pair, generation)));
            }
            return Ok(self.verifier(contact).await?.map(|(verifier, _)| Against::Verifier(verifier)));
        };
        let at = Epoch { conversation: view.grant.conversation, number: strict.epoch };
        let place = places::strict_lock(at, &link.hash(&inner.keys));
        let Some(lock) = inner.read::<ByteVec>(&place).await? else { return Ok(None) };
        let lock: Vec<u8> = lock.record.into();
        match asks(&lock).map_err(|cause| damaged(&place, cause))? {
            Asks::LinkAndCode(generation)
                if generation.contact == contact && Some(generation.number) == strict.generation =>
            {
                let link = LinkKey::of(link, &inner.keys.pepper);
                let pair = self.contact_key(generation).await?;
                Ok(pair.map(|pair| Against::Strict { pair: Box::new(pair), generation, lock, at, link }))
            }
            // A right code must not be called wrong because of damage, and no code asked for that guards nothing.
            Asks::LinkAndCode(_) | Asks::Link => {
                Err(damaged(&place, "a lock that asks for something else than its grant"))
            }
        }
    }

    /// The pair of one generation of a contact.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub async fn contact_key(&self, generation: Generation) -> Result<Option<ContactKey>, StoreError> {
        Ok(self.inner.read(&places::contact_key(generation)).await?.map(|found| found.record))
    }

    /// To whom mail for a contact is sealed, by the code that it has now; `None` when that is not a strict one.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub async fn contact_public(&self, generation: Generation) -> Result<Option<ContactPublic>, StoreError> {
        let Some(pair) = self.contact_key(generation).await? else { return Ok(None) };
        let place = places::contact_key(generation);
        pair.public(generation).map(Some).map_err(|cause| damaged(&place, cause))
    }
}

/// Writes what is kept of a new code. In strict mode what was kept before stays: earlier mail opens with the earlier code.
pub(super) fn put_code(
    draft: &mut Draft<'_>,
    contact: ContactId,
    generation: u32,
    (code, mail): (&KeptCode, Option<JobId>),
) -> Result<(), StoreError> {
    match code {
        KeptCode::Verifier(verifier) => {
            let stored = StoredVerifier { verifier: verifier.clone(), generation, mail };
            draft.put(places::verifier(contact), &stored)
        }
        KeptCode::Pair(pair, number) => {
            draft.delete(places::verifier(contact));
            draft.put(places::contact_key(Generation { contact, number: *number }), pair)
        }
        KeptCode::Sms(phone) => draft.put(places::phone(contact), &StoredPhone { phone: phone.clone(), generation }),
        KeptCode::Mail => Ok(()),
    }
}
