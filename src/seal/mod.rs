//! Formats, keys, locks and codes. Pure: no file, socket or clock; random bytes come in through [`Entropy`](crate::base::Entropy).
//!
//! ```text
//! root keyring (file, outside the data folder)
//!   |- wraps the store secret -- HKDF --> one key per purpose (records, index, pepper, cookie, jobs …)
//!   '- wraps each conversation key (assisted lock)
//!         '- wraps the content keys of that conversation's messages
//!               '- STREAM-encrypts one body each
//! ```
//!
//! The byte layouts are specified in `docs/formats.md` and frozen by test vectors.

mod aead;
pub mod body;
pub mod code;
pub mod contact;
mod derive;
pub mod epoch;
pub mod hashers;
pub mod hybrid;
pub mod keyring;
#[cfg(test)]
mod known_answers;
pub mod lock;
mod manifest;
pub mod one_time;
pub mod password;
pub mod record;
pub mod recovery;
pub mod strict;
#[cfg(test)]
mod strict_vectors;
pub mod token;
#[cfg(test)]
mod vectors;
mod wrap;

/// A sealed thing did not open. The variants are for the log; a caller fails closed on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Magic, version or suite is not one that this release knows.
    #[error("unknown format or version")]
    Format,
    /// The bytes end too early.
    #[error("truncated")]
    Truncated,
    /// The key does not match the commitment in the header.
    #[error("not the key that this was sealed with")]
    WrongKey,
    /// The tag does not verify: the bytes, their place or their name were changed.
    #[error("changed or damaged")]
    Damaged,
    /// The key id is not in the keyring.
    #[error("root key {0:08x} is not in the keyring")]
    UnknownKey(u32),
}

#[cfg(test)]
mod tests {
    use super::body::ContentKey;
    use super::code::AccessCode;
    use super::keyring::{RootKeyring, StoreSecret};
    use super::lock::ConversationKey;
    use super::token::{LinkToken, SessionToken};
    use crate::base::SeededEntropy;

    /// What Debug says of every type that holds a secret, made from the randomness of `seed`.
    fn debug(seed: u64) -> String {
        let entropy = &SeededEntropy::new(seed);
        let keyring = RootKeyring::parse(&format!("0000000a:{:064x}", 0x1234_5678_9abc + seed)).unwrap();
        let secret = StoreSecret::generate(entropy);
        let link = LinkToken::generate(entropy);
        let session = SessionToken::generate(entropy);
        let code = AccessCode::generate(entropy);
        let keys = (ContentKey::generate(entropy), ConversationKey::generate(entropy), secret.keys());
        let texts = (link.to_text(), session.to_text(), code.grouped(), keyring.to_text());
        format!("{keyring:?} {secret:?} {keys:?} {link:?} {session:?} {code:?} {texts:?}")
    }

    #[test]
    fn debug_says_the_same_of_every_secret() {
        assert_eq!(debug(1), debug(2));
    }
}
