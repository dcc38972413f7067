//! The manifest of a message in strict mode, under the message's content key: subject, recipients and names of attachments are content too.

use zeroize::Zeroizing;

use crate::base::{Entropy, MessageId};

use super::OpenError;
use super::body::ContentKey;
use super::wrap::{self, Place, Purpose};

/// First byte of a sealed manifest.
const VERSION: u8 = 1;
const MANIFEST: Purpose = Purpose { key: "zegel/v1/manifest/key", commitment: "zegel/v1/manifest/commitment" };

impl ContentKey {
    /// Seals a message's encoded manifest, bound to the message.
    #[must_use]
    pub fn seal_manifest(&self, message: MessageId, manifest: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        wrap::seal(&self.0, MANIFEST, Place { prefix: &[VERSION], context: message.as_bytes() }, manifest, entropy)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`OpenError::Format`], [`OpenError::Truncated`], [`OpenError::WrongKey`]; [`OpenError::Damaged`] for other bytes or another message.
    pub fn open_manifest(&self, message: MessageId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (prefix, rest) = sealed.split_first_chunk::<1>().ok_or(OpenError::Truncated)?;
        if *prefix != [VERSION] {
            return Err(OpenError::Format);
        }
        wrap::open(&self.0, MANIFEST, Place { prefix, context: message.as_bytes() }, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    #[test]
    fn a_manifest_opens_with_its_key_for_its_message_only() {
        let entropy = SeededEntropy::new(1);
        let (key, message) = (ContentKey::generate(&entropy), MessageId::random(&entropy));
        let sealed = key.seal_manifest(message, b"subject", &entropy);
        assert_eq!(key.open_manifest(message, &sealed).unwrap().as_slice(), b"subject");
        assert_eq!(key.open_manifest(MessageId::random(&entropy), &sealed), Err(OpenError::Damaged));
        assert_eq!(ContentKey::generate(&entropy).open_manifest(message, &sealed), Err(OpenError::WrongKey));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(key.open_manifest(message, &bad).is_err(), "byte {at}");
            assert!(key.open_manifest(message, &sealed[..at]).is_err());
        }
    }
}
