//! Locks: who can reach a conversation key, and content keys under it.

use crate::base::{ConversationId, Entropy, MessageId, SecretBytes};

use super::OpenError;
use super::body::ContentKey;
use super::keyring::RootKeyring;

/// The key that wraps the content keys of one conversation's messages.
#[derive(Debug, Clone)]
pub struct ConversationKey(SecretBytes<32>);

impl ConversationKey {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// The assisted lock: wrapped under the root keyring, bound to the conversation.
    pub fn lock_assisted(&self, keyring: &RootKeyring, conversation: ConversationId, entropy: &dyn Entropy) -> Vec<u8> {
        todo!()
    }
    /// Opens the assisted lock.
    pub fn open_assisted(keyring: &RootKeyring, conversation: ConversationId, lock: &[u8]) -> Result<Self, OpenError> {
        todo!()
    }
    /// Wraps a content key, bound to conversation and message.
    pub fn wrap(
        &self,
        conversation: ConversationId,
        message: MessageId,
        key: &ContentKey,
        entropy: &dyn Entropy,
    ) -> Vec<u8> {
        todo!()
    }
    /// Opens a wrapped content key.
    pub fn unwrap(
        &self,
        conversation: ConversationId,
        message: MessageId,
        wrapped: &[u8],
    ) -> Result<ContentKey, OpenError> {
        todo!()
    }
}
