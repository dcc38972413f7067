//! A contact's pair for strict mode: mail is sealed to the public half by anybody, and opened with the access code alone.
//!
//! The private half is wrapped under Argon2id(code, pepper). The wrap commits to its key, so that a wrong code is told from damage before
//! anything is decrypted, and damage is seen only by who has the right code. Every new code makes a new generation with a pair of its own; what was
//! sealed to an earlier one opens with the earlier code.

use crate::base::entropy::random;
use crate::base::{ContactId, Entropy, SecretBytes};

use super::OpenError;
use super::code::{self, AccessCode, Cost, HashError};
use super::hashers::Memory;
use super::hybrid::{PrivateKey, PublicKey};
use super::wrap::{self, Place, Purpose};

/// First byte of a wrapped private half.
const VERSION: u8 = 1;
const PRIVATE: Purpose = Purpose { key: "zegel/v1/contact-key/key", commitment: "zegel/v1/contact-key/commitment" };
/// Argon2's associated data: a code hashed for this is of no use to a verifier, and the other way round.
const LABEL: &[u8] = b"zegel/v1/contact-key";

/// One code of one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Whose.
    pub contact: ContactId,
    /// Counts the contact's codes, from 1.
    pub number: u32,
}

impl Generation {
    /// What it is bound by: contact, number.
    pub(super) fn context(self) -> Vec<u8> {
        [self.contact.as_bytes().as_slice(), &self.number.to_be_bytes()].concat()
    }
}

/// To whom a conversation key is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactPublic {
    /// Whose.
    pub generation: Generation,
    /// The public half.
    pub key: PublicKey,
}

/// What the code gave: opens what was sealed to this generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactPrivate {
    /// Whose.
    pub(super) generation: Generation,
    /// The private half.
    pub(super) key: PrivateKey,
}

/// A code made into a key. This is the slow step; it knows nothing yet of the contact that it is for.
#[derive(Debug, Clone)]
pub struct CodeKey {
    cost: Cost,
    salt: [u8; 16],
    key: SecretBytes<32>,
}

impl CodeKey {
    /// Hashes a code, as [`code::Verifier::new`] does and with the same caution.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn new(
        code: &AccessCode,
        pepper: &SecretBytes<32>,
        cost: Cost,
        entropy: &dyn Entropy,
        memory: &mut Memory,
    ) -> Result<Self, HashError> {
        let salt = random(entropy);
        let key = code::hash(LABEL, &code.as_strict(), pepper, cost, &salt, memory)?;
        Ok(Self { cost, salt, key })
    }
}

/// The stored pair of one generation. Erasable; the private half opens with the code and the pepper only.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ContactKey {
    #[n(0)]
    memory_kib: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
    #[cbor(n(3), with = "minicbor::bytes")]
    salt: [u8; 16],
    /// [`PublicKey`].
    #[cbor(n(4), with = "minicbor::bytes")]
    public: Vec<u8>,
    /// The private half under the code's key.
    #[cbor(n(5), with = "minicbor::bytes")]
    private: Vec<u8>,
}

impl ContactKey {
    /// A new pair for this generation.
    #[must_use]
    pub fn generate(code: &CodeKey, generation: Generation, entropy: &dyn Entropy) -> Self {
        let private = PrivateKey::generate(entropy);
        let public = private.public().to_bytes();
        let context = context(generation, &public);
        let place = Place { prefix: &[VERSION], context: &context };
        let private = wrap::seal(&code.key, PRIVATE, place, private.secret().expose(), entropy);
        let Cost { memory_kib, passes, lanes } = code.cost;
        Self { memory_kib, passes, lanes, salt: code.salt, public, private }
    }

    /// To whom mail of this generation is sealed.
    ///
    /// # Errors
    /// When the stored bytes are no key.
    pub fn public(&self, generation: Generation) -> Result<ContactPublic, OpenError> {
        Ok(ContactPublic { generation, key: PublicKey::from_bytes(&self.public)? })
    }

    /// The private half, if this is the code; `None` if it is not. Takes as long and as much memory as [`CodeKey::new`].
    ///
    /// # Errors
    /// [`Unopened::Hash`]: nothing is known of the code. [`Unopened::Damaged`]: the code is right and the pair is not what it was.
    pub fn open(
        &self,
        generation: Generation,
        code: &AccessCode,
        pepper: &SecretBytes<32>,
        memory: &mut Memory,
    ) -> Result<Option<ContactPrivate>, Unopened> {
        let cost = Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes };
        let (prefix, wrapped) = self.private.split_first_chunk::<1>().ok_or(OpenError::Truncated)?;
        if *prefix != [VERSION] {
            return Err(OpenError::Format.into());
        }
        let key = code::hash(LABEL, &code.as_strict(), pepper, cost, &self.salt, memory)?;
        let context = context(generation, &self.public);
        match wrap::open(&key, PRIVATE, Place { prefix, context: &context }, wrapped) {
            Ok(seed) => Ok(Some(ContactPrivate { generation, key: PrivateKey::new(wrap::key(&seed)?) })),
            Err(OpenError::WrongKey) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why it is not known whether a code is right, or why the right one does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// The code could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The stored pair is damaged.
    #[error("a contact's key does not open: {0}")]
    Damaged(#[from] OpenError),
}

/// What a private half is bound by: whose it is, and its public half.
fn context(generation: Generation, public: &[u8]) -> Vec<u8> {
    [&generation.context(), public].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    const GENERATION: Generation = Generation { contact: ContactId([5; 16]), number: 2 };

    fn code(text: &str) -> AccessCode {
        AccessCode::normalise(text).unwrap()
    }

    struct Case {
        stored: ContactKey,
        pepper: SecretBytes<32>,
        entropy: SeededEntropy,
    }

    impl Case {
        fn open(&self, stored: &ContactKey, generation: Generation, typed: &str) -> Result<bool, Unopened> {
            let opened = stored.open(generation, &code(typed), &self.pepper, &mut Memory::default())?;
            Ok(opened.is_some_and(|private| {
                let public = self.stored.public(GENERATION).unwrap();
                let sealed = public.key.seal(b"info", b"plain", &self.entropy);
                private.generation == generation && private.key.open(b"info", &sealed).is_ok()
            }))
        }
    }

    fn case() -> Case {
        let entropy = SeededEntropy::new(1);
        let pepper = SecretBytes::random(&entropy);
        let key = CodeKey::new(&code("K7QF 2M9D 00AB 11CD"), &pepper, CHEAP, &entropy, &mut Memory::default()).unwrap();
        Case { stored: ContactKey::generate(&key, GENERATION, &entropy), pepper, entropy }
    }

    #[test]
    fn the_code_opens_the_pair_as_people_write_it() {
        let case = case();
        for typed in ["K7QF 2M9D 00AB 11CD", "k7qf2m9d00ab11cd", "K7QF-2M9D-OOAB-IlCD"] {
            assert_eq!(case.open(&case.stored, GENERATION, typed), Ok(true), "{typed}");
        }
        for typed in ["K7QF 2M9D 00AB 11CE", "K7QF 2M9D 00AB 11C", "1"] {
            assert_eq!(case.open(&case.stored, GENERATION, typed), Ok(false), "{typed}");
        }
        let other = Case { pepper: SecretBytes::random(&case.entropy), ..case };
        assert_eq!(other.open(&other.stored, GENERATION, "K7QF 2M9D 00AB 11CD"), Ok(false));
    }

    #[test]
    fn damage_is_told_to_who_has_the_code_only() {
        let case = case();
        let (right, wrong) = ("K7QF2M9D00AB11CD", "K7QF2M9D00AB11CE");
        let damaged = Err(Unopened::Damaged(OpenError::Damaged));
        for generation in
            [Generation { number: 3, ..GENERATION }, Generation { contact: ContactId([6; 16]), number: 2 }]
        {
            assert_eq!(case.open(&case.stored, generation, right), damaged);
            assert_eq!(case.open(&case.stored, generation, wrong), Ok(false));
        }
        let mut bad = case.stored.clone();
        bad.public[9] ^= 1;
        assert_eq!(case.open(&bad, GENERATION, right), damaged);
        for byte in 0..case.stored.private.len() {
            let mut bad = case.stored.clone();
            bad.private[byte] ^= 1 << (byte % 8);
            assert_ne!(case.open(&bad, GENERATION, right), Ok(true), "byte {byte}");
            assert!(byte == 0 || case.open(&bad, GENERATION, wrong) == Ok(false), "byte {byte}");
        }
        let dear = ContactKey { memory_kib: u32::MAX, ..case.stored.clone() };
        assert_eq!(case.open(&dear, GENERATION, right), Err(Unopened::Hash(HashError)));
    }

    #[test]
    fn a_verifier_tells_nothing_of_the_pair() {
        let case = case();
        let memory = &mut Memory::default();
        let typed = code("K7QF2M9D00AB11CD");
        let verified = code::hash(b"zegel/v1/code", &typed, &case.pepper, CHEAP, &case.stored.salt, memory).unwrap();
        let opened = code::hash(LABEL, &typed, &case.pepper, CHEAP, &case.stored.salt, memory).unwrap();
        assert!(verified != opened);
    }
}
