//! Locks: who can reach a conversation key, and content keys under it.

use crate::base::{ConversationId, Entropy, MessageId, SecretBytes};

use super::OpenError;
use super::body::ContentKey;
use super::keyring::{RootKeyring, wrapped_under};
use super::wrap::{self, Place, Purpose};

/// First byte of a lock and of a wrapped content key.
const VERSION: u8 = 1;
/// Second byte of a lock: wrapped under the root keyring. Those of strict locks (2) stand in [`super::strict`].
const ASSISTED: u8 = 1;
const LOCK_LABEL: &[u8] = b"zegel/v1/lock/assisted";
const CONTENT: Purpose = Purpose { key: "zegel/v1/content-key/key", commitment: "zegel/v1/content-key/commitment" };

/// The key that wraps the content keys of one conversation's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationKey(SecretBytes<32>);

impl ConversationKey {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// From its bytes, as a lock gives them.
    pub(super) const fn from_secret(secret: SecretBytes<32>) -> Self {
        Self(secret)
    }

    /// The bytes themselves: to be locked.
    pub(super) const fn secret(&self) -> &SecretBytes<32> {
        &self.0
    }

    /// The assisted lock: wrapped under the root keyring, bound to the conversation.
    #[must_use]
    pub fn lock_assisted(&self, keyring: &RootKeyring, conversation: ConversationId, entropy: &dyn Entropy) -> Vec<u8> {
        let wrapped = keyring.wrap(&lock_context(conversation), self.0.expose(), entropy);
        [&[VERSION, ASSISTED], wrapped.as_slice()].concat()
    }

    /// Opens the assisted lock.
    ///
    /// # Errors
    /// [`OpenError::Format`] for a lock of another kind or version; else as [`RootKeyring::unwrap`].
    pub fn open_assisted(keyring: &RootKeyring, conversation: ConversationId, lock: &[u8]) -> Result<Self, OpenError> {
        let (head, wrapped) = lock.split_first_chunk::<2>().ok_or(OpenError::Truncated)?;
        if *head != [VERSION, ASSISTED] {
            return Err(OpenError::Format);
        }
        wrap::key(&keyring.unwrap(&lock_context(conversation), wrapped)?).map(Self)
    }

    /// Wraps a content key, bound to conversation and message.
    #[must_use]
    pub fn wrap(
        &self,
        conversation: ConversationId,
        message: MessageId,
        key: &ContentKey,
        entropy: &dyn Entropy,
    ) -> Vec<u8> {
        let context = content_context(conversation, message);
        let place = Place { prefix: &[VERSION], context: &context };
        wrap::seal(&self.0, CONTENT, place, key.0.expose(), entropy)
    }

    /// Opens a wrapped content key.
    ///
    /// # Errors
    /// [`OpenError::Format`], [`OpenError::Truncated`], [`OpenError::WrongKey`] for another conversation key, [`OpenError::Damaged`]
    /// for other bytes or another conversation or message.
    pub fn unwrap(
        &self,
        conversation: ConversationId,
        message: MessageId,
        wrapped: &[u8],
    ) -> Result<ContentKey, OpenError> {
        let (prefix, rest) = wrapped.split_first_chunk::<1>().ok_or(OpenError::Truncated)?;
        if *prefix != [VERSION] {
            return Err(OpenError::Format);
        }
        let context = content_context(conversation, message);
        let plain = wrap::open(&self.0, CONTENT, Place { prefix, context: &context }, rest)?;
        wrap::key(&plain).map(ContentKey)
    }
}

/// Which root key opens a lock; `None` for a lock of another kind, which no root key opens.
///
/// # Errors
/// [`OpenError::Truncated`]; [`OpenError::Format`] for an assisted lock of a form that this release does not know.
pub fn locked_under(lock: &[u8]) -> Result<Option<u32>, OpenError> {
    let (head, wrapped) = lock.split_first_chunk::<2>().ok_or(OpenError::Truncated)?;
    if *head == [VERSION, ASSISTED] { wrapped_under(wrapped).map(Some) } else { Ok(None) }
}

/// The first two bytes of the lock are authenticated here, since the keyring does not see them.
fn lock_context(conversation: ConversationId) -> Vec<u8> {
    [LOCK_LABEL, &[VERSION, ASSISTED], conversation.as_bytes()].concat()
}

fn content_context(conversation: ConversationId, message: MessageId) -> Vec<u8> {
    [conversation.as_bytes().as_slice(), message.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    struct Case {
        keyring: RootKeyring,
        key: ConversationKey,
        conversation: ConversationId,
        message: MessageId,
        entropy: SeededEntropy,
    }

    fn case() -> Case {
        let entropy = SeededEntropy::new(1);
        Case {
            keyring: RootKeyring::generate(&entropy),
            key: ConversationKey::generate(&entropy),
            conversation: ConversationId::random(&entropy),
            message: MessageId::random(&entropy),
            entropy,
        }
    }

    #[test]
    fn an_assisted_lock_opens_for_its_conversation_and_keyring_only() {
        let Case { keyring, key, conversation, entropy, .. } = case();
        let lock = key.lock_assisted(&keyring, conversation, &entropy);
        assert!(ConversationKey::open_assisted(&keyring, conversation, &lock).unwrap() == key);
        assert_eq!(locked_under(&lock), Ok(Some(keyring.active())));
        assert_eq!(locked_under(&[VERSION, 2, 0]), Ok(None));
        assert_eq!(locked_under(&lock[..6]), Err(OpenError::Truncated));
        let elsewhere = ConversationId::random(&entropy);
        assert_eq!(ConversationKey::open_assisted(&keyring, elsewhere, &lock), Err(OpenError::Damaged));
        let stranger = RootKeyring::generate(&entropy);
        let error = ConversationKey::open_assisted(&stranger, conversation, &lock).unwrap_err();
        assert!(matches!(error, OpenError::UnknownKey(_)));
        for at in 0..lock.len() {
            assert!(ConversationKey::open_assisted(&keyring, conversation, &lock[..at]).is_err());
            let mut bad = lock.clone();
            bad[at] ^= 1;
            assert!(ConversationKey::open_assisted(&keyring, conversation, &bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_content_key_opens_for_its_conversation_and_message_only() {
        let Case { key, conversation, message, entropy, .. } = case();
        let content = ContentKey::generate(&entropy);
        let wrapped = key.wrap(conversation, message, &content, &entropy);
        assert!(key.unwrap(conversation, message, &wrapped).unwrap() == content);
        let (c, m) = (ConversationId::random(&entropy), MessageId::random(&entropy));
        assert_eq!(key.unwrap(c, message, &wrapped), Err(OpenError::Damaged));
        assert_eq!(key.unwrap(conversation, m, &wrapped), Err(OpenError::Damaged));
        let other = ConversationKey::generate(&entropy);
        assert_eq!(other.unwrap(conversation, message, &wrapped), Err(OpenError::WrongKey));
        for at in 0..wrapped.len() {
            assert!(key.unwrap(conversation, message, &wrapped[..at]).is_err());
            let mut bad = wrapped.clone();
            bad[at] ^= 0x80;
            assert!(key.unwrap(conversation, message, &bad).is_err(), "byte {at}");
        }
    }
}
