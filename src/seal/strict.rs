//! Strict locks on conversation keys: opened by the link, or by link and code together, and by nothing that this machine holds.
//!
//! The outer layer is a committing wrap under a key that only the link's token gives. For a contact with a code it holds the conversation key
//! sealed to the contact's public key, whose private half only the code gives ([`super::contact`]). A lock is bound to its conversation and
//! epoch by its context and to its link by its key; it names what it asks for in clear, so that nothing is ever tried.

use crate::base::{ContactId, ConversationId, Entropy, SecretBytes};

use super::OpenError;
use super::contact::{ContactPrivate, ContactPublic, Generation};
use super::derive::derive;
use super::lock::ConversationKey;
use super::token::LinkToken;
use super::wrap::{self, Place, Purpose};

/// First byte of a lock.
const VERSION: u8 = 1;
/// Second byte of a lock: strict.
const STRICT: u8 = 2;
/// Third byte: the link alone.
const BY_LINK: u8 = 1;
/// Third byte: link and code.
const BY_LINK_AND_CODE: u8 = 2;

const LINK_KEY: &str = "zegel/v1/link-key";
const LINK: Purpose =
    Purpose { key: "zegel/v1/lock/strict/link/key", commitment: "zegel/v1/lock/strict/link/commitment" };
const LINK_AND_CODE: Purpose =
    Purpose { key: "zegel/v1/lock/strict/link-code/key", commitment: "zegel/v1/lock/strict/link-code/commitment" };
const TO_CONTACT: &[u8] = b"zegel/v1/lock/strict/contact";

/// One epoch of a conversation: the first mail begins epoch 1, each later one the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The conversation.
    pub conversation: ConversationId,
    /// From 1.
    pub number: u32,
}

impl Epoch {
    /// The one that a conversation begins with.
    #[must_use]
    pub const fn first(conversation: ConversationId) -> Self {
        Self { conversation, number: 1 }
    }

    /// What it is bound by: conversation, number.
    pub(super) fn context(self) -> Vec<u8> {
        [self.conversation.as_bytes().as_slice(), &self.number.to_be_bytes()].concat()
    }
}

/// The key that a link gives. With the pepper in it, a link's hash or a list of links is of no use elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkKey(SecretBytes<32>);

impl LinkKey {
    /// Of this link in the store with this pepper.
    #[must_use]
    pub fn of(token: &LinkToken, pepper: &SecretBytes<32>) -> Self {
        Self(derive(token.secret().expose(), pepper.expose(), LINK_KEY))
    }
}

/// What a strict lock asks for beside the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Link,
    /// The code of this generation of this contact.
    LinkAndCode(Generation),
}

/// A strict lock, read but not opened.
struct Lock<'a> {
    asks: Asks,
    /// What stands before the wrap; authenticated with it.
    prefix: &'a [u8],
    wrapped: &'a [u8],
}

impl<'a> Lock<'a> {
    fn read(lock: &'a [u8]) -> Result<Self, OpenError> {
        let head = lock.first_chunk::<3>().ok_or(OpenError::Truncated)?;
        let (asks, len) = match *head {
            [VERSION, STRICT, BY_LINK] => (Asks::Link, 3),
            [VERSION, STRICT, BY_LINK_AND_CODE] => {
                let rest = lock.get(3..).unwrap_or_default();
                let (contact, rest) = rest.split_first_chunk::<16>().ok_or(OpenError::Truncated)?;
                let number = rest.first_chunk::<4>().ok_or(OpenError::Truncated)?;
                let generation = Generation { contact: ContactId(*contact), number: u32::from_be_bytes(*number) };
                (Asks::LinkAndCode(generation), 3 + 16 + 4)
            }
            _ => return Err(OpenError::Format),
        };
        let (prefix, wrapped) = lock.split_at_checked(len).ok_or(OpenError::Truncated)?;
        Ok(Self { asks, prefix, wrapped })
    }
}

/// What a strict lock asks for.
///
/// # Errors
/// [`OpenError::Format`] for a lock of another kind, form or version; [`OpenError::Truncated`].
pub fn asks(lock: &[u8]) -> Result<Asks, OpenError> {
    Lock::read(lock).map(|lock| lock.asks)
}

impl ConversationKey {
    /// The strict lock that this link alone opens.
    #[must_use]
    pub fn lock_by_link(&self, at: Epoch, link: &LinkKey, entropy: &dyn Entropy) -> Vec<u8> {
        let place = Place { prefix: &[VERSION, STRICT, BY_LINK], context: &at.context() };
        wrap::seal(&link.0, LINK, place, self.secret().expose(), entropy)
    }

    /// The strict lock that this link opens together with the contact's code.
    #[must_use]
    pub fn lock_by_link_and_code(
        &self,
        at: Epoch,
        link: &LinkKey,
        contact: &ContactPublic,
        entropy: &dyn Entropy,
    ) -> Vec<u8> {
        let head = [VERSION, STRICT, BY_LINK_AND_CODE];
        let prefix = [head.as_slice(), &contact.generation.context()].concat();
        let sealed = contact.key.seal(&to_contact(at, contact.generation), self.secret().expose(), entropy);
        wrap::seal(&link.0, LINK_AND_CODE, Place { prefix: &prefix, context: &at.context() }, &sealed, entropy)
    }

    /// Opens a lock that asks for the link alone.
    ///
    /// # Errors
    /// [`OpenError::Format`] also for a lock that asks for more; [`OpenError::WrongKey`] for another link; [`OpenError::Damaged`] for other bytes,
    /// another conversation or epoch.
    pub fn open_by_link(at: Epoch, link: &LinkKey, lock: &[u8]) -> Result<Self, OpenError> {
        let Lock { asks: Asks::Link, prefix, wrapped } = Lock::read(lock)? else { return Err(OpenError::Format) };
        let plain = wrap::open(&link.0, LINK, Place { prefix, context: &at.context() }, wrapped)?;
        wrap::key(&plain).map(Self::from_secret)
    }

    /// Opens a lock that asks for link and code.
    ///
    /// # Errors
    /// [`OpenError::Format`] for a lock that asks for something else; [`OpenError::WrongKey`] for another link or another generation of the
    /// contact; [`OpenError::Damaged`] for other bytes, another conversation or epoch.
    pub fn open_by_link_and_code(
        at: Epoch,
        link: &LinkKey,
        contact: &ContactPrivate,
        lock: &[u8],
    ) -> Result<Self, OpenError> {
        let Lock { asks: Asks::LinkAndCode(generation), prefix, wrapped } = Lock::read(lock)? else {
            return Err(OpenError::Format);
        };
        if generation != contact.generation {
            return Err(OpenError::WrongKey);
        }
        let sealed = wrap::open(&link.0, LINK_AND_CODE, Place { prefix, context: &at.context() }, wrapped)?;
        let plain = contact.key.open(&to_contact(at, generation), &sealed)?;
        wrap::key(&plain).map(Self::from_secret)
    }
}

/// What the key that is sealed to a contact is bound by.
fn to_contact(at: Epoch, generation: Generation) -> Vec<u8> {
    [TO_CONTACT, &at.context(), &generation.context()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;
    use crate::seal::code::{AccessCode, Cost};
    use crate::seal::contact::{CodeKey, ContactKey};
    use crate::seal::hashers::Memory;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    struct Case {
        at: Epoch,
        key: ConversationKey,
        link: LinkKey,
        generation: Generation,
        public: ContactPublic,
        private: ContactPrivate,
        pepper: SecretBytes<32>,
        entropy: SeededEntropy,
    }

    fn case() -> Case {
        let entropy = SeededEntropy::new(1);
        let pepper = SecretBytes::random(&entropy);
        let generation = Generation { contact: ContactId::random(&entropy), number: 3 };
        let code = AccessCode::generate_strict(&entropy);
        let memory = &mut Memory::default();
        let code_key = CodeKey::new(&code, &pepper, CHEAP, &entropy, memory).unwrap();
        let stored = ContactKey::generate(&code_key, generation, &entropy);
        Case {
            at: Epoch { conversation: ConversationId::random(&entropy), number: 2 },
            key: ConversationKey::generate(&entropy),
            link: LinkKey::of(&LinkToken::generate(&entropy), &pepper),
            generation,
            public: stored.public(generation).unwrap(),
            private: stored.open(generation, &code, &pepper, memory).unwrap().unwrap(),
            pepper,
            entropy,
        }
    }

    /// Every place that is not the lock's own.
    fn elsewhere(at: Epoch) -> [Epoch; 2] {
        let conversation = ConversationId::random(&SeededEntropy::new(99));
        [Epoch { conversation, ..at }, Epoch { number: at.number + 1, ..at }]
    }

    #[test]
    fn a_lock_by_link_opens_with_its_link_in_its_epoch_only() {
        let Case { at, key, link, pepper, private, entropy, .. } = case();
        let lock = key.lock_by_link(at, &link, &entropy);
        assert_eq!(asks(&lock), Ok(Asks::Link));
        assert!(ConversationKey::open_by_link(at, &link, &lock) == Ok(key));
        for other in elsewhere(at) {
            assert_eq!(ConversationKey::open_by_link(other, &link, &lock), Err(OpenError::Damaged));
        }
        let stranger = LinkKey::of(&LinkToken::generate(&entropy), &pepper);
        assert_eq!(ConversationKey::open_by_link(at, &stranger, &lock), Err(OpenError::WrongKey));
        assert_eq!(ConversationKey::open_by_link_and_code(at, &link, &private, &lock), Err(OpenError::Format));
        for at_byte in 0..lock.len() {
            assert!(ConversationKey::open_by_link(at, &link, &lock[..at_byte]).is_err());
            for bit in 0..8 {
                let mut bad = lock.clone();
                bad[at_byte] ^= 1 << bit;
                assert!(ConversationKey::open_by_link(at, &link, &bad).is_err(), "byte {at_byte}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_lock_by_link_and_code_opens_with_both_only() {
        let Case { at, key, link, generation, public, private, pepper, entropy } = case();
        let lock = key.lock_by_link_and_code(at, &link, &public, &entropy);
        assert_eq!(asks(&lock), Ok(Asks::LinkAndCode(generation)));
        assert!(ConversationKey::open_by_link_and_code(at, &link, &private, &lock) == Ok(key.clone()));
        assert_eq!(ConversationKey::open_by_link(at, &link, &lock), Err(OpenError::Format));
        for other in elsewhere(at) {
            assert_eq!(ConversationKey::open_by_link_and_code(other, &link, &private, &lock), Err(OpenError::Damaged));
        }
        let stranger = LinkKey::of(&LinkToken::generate(&entropy), &pepper);
        assert_eq!(ConversationKey::open_by_link_and_code(at, &stranger, &private, &lock), Err(OpenError::WrongKey));
        let other_pair = ContactPrivate { generation, key: super::super::hybrid::PrivateKey::generate(&entropy) };
        assert_eq!(ConversationKey::open_by_link_and_code(at, &link, &other_pair, &lock), Err(OpenError::Damaged));
        let later = Generation { number: 4, ..generation };
        let later = ContactPrivate { generation: later, key: private.key.clone() };
        assert_eq!(ConversationKey::open_by_link_and_code(at, &link, &later, &lock), Err(OpenError::WrongKey));
        for at_byte in 0..lock.len() {
            let mut bad = lock.clone();
            bad[at_byte] ^= 1 << (at_byte % 8);
            let opened = ConversationKey::open_by_link_and_code(at, &link, &private, &bad);
            assert!(opened.is_err(), "byte {at_byte}");
        }
    }

    #[test]
    fn the_pepper_is_part_of_the_link_key() {
        let Case { entropy, pepper, .. } = case();
        let token = LinkToken::generate(&entropy);
        assert!(LinkKey::of(&token, &pepper) == LinkKey::of(&token, &pepper));
        assert!(LinkKey::of(&token, &pepper) != LinkKey::of(&token, &SecretBytes::random(&entropy)));
    }

    #[test]
    fn an_assisted_lock_is_no_strict_one() {
        let Case { at, key, link, entropy, .. } = case();
        let keyring = crate::seal::keyring::RootKeyring::generate(&entropy);
        let assisted = key.lock_assisted(&keyring, at.conversation, &entropy);
        assert_eq!(asks(&assisted), Err(OpenError::Format));
        assert_eq!(ConversationKey::open_by_link(at, &link, &assisted), Err(OpenError::Format));
        let strict = key.lock_by_link(at, &link, &entropy);
        assert_eq!(ConversationKey::open_assisted(&keyring, at.conversation, &strict), Err(OpenError::Format));
    }
}
