//! Keys under keys: a committing wrap, used by the root keyring and by conversation keys.
//!
//! Each wrap derives its own cipher key and commitment from the wrapping key and a random nonce. XChaCha20-Poly1305 alone
//! does not commit to its key; with the commitment one wrap opens under one key only, and a wrong key is told from damage
//! before anything is decrypted.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::OpenError;
use super::aead::{Cipher, NONCE};
use super::derive::derive;

/// Bytes of a key commitment.
pub(super) const COMMITMENT: usize = 32;

/// What a wrap is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// Derives the cipher key.
    pub key: &'static str,
    /// Derives the commitment.
    pub commitment: &'static str,
}

/// Where a wrap stands. Both are authenticated; the prefix is also written in front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Version and the like; of fixed length per purpose.
    pub prefix: &'a [u8],
    /// What the opener must know already.
    pub context: &'a [u8],
}

impl Place<'_> {
    fn aad(&self) -> Vec<u8> {
        [self.prefix, self.context].concat()
    }
}

/// `prefix | nonce | commitment | ciphertext | tag`.
pub(super) fn seal(
    key: &SecretBytes<32>,
    purpose: Purpose,
    place: Place<'_>,
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let nonce: [u8; NONCE] = random(entropy);
    let cipher = Cipher::new(&derive(key.expose(), &nonce, purpose.key));
    let commitment = derive(key.expose(), &nonce, purpose.commitment);
    let mut out = [place.prefix, &nonce, commitment.expose()].concat();
    cipher.seal(&nonce, &place.aad(), plain, &mut out);
    out
}

/// Opens what stands behind the prefix.
pub(super) fn open(
    key: &SecretBytes<32>,
    purpose: Purpose,
    place: Place<'_>,
    rest: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::Truncated)?;
    let (commitment, sealed) = rest.split_first_chunk::<COMMITMENT>().ok_or(OpenError::Truncated)?;
    let expected = derive(key.expose(), nonce, purpose.commitment);
    if !bool::from(expected.expose().ct_eq(commitment)) {
        return Err(OpenError::WrongKey);
    }
    Cipher::new(&derive(key.expose(), nonce, purpose.key)).open(nonce, &place.aad(), sealed)
}

/// Like [`open`], for a wrapped 32-byte key.
pub(super) fn key(plain: &[u8]) -> Result<SecretBytes<32>, OpenError> {
    plain.try_into().map(SecretBytes::new).map_err(|_| OpenError::Format)
}
