//! XChaCha20-Poly1305 as the formats use it: in place, tag behind the ciphertext, plaintext wiped when dropped.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use crate::base::SecretBytes;

use super::OpenError;

/// Bytes of a nonce: 192 bits, so a random one never repeats.
pub(super) const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// A key ready for use; wiped when dropped.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// For this key.
    pub(super) fn new(key: &SecretBytes<32>) -> Self {
        Self(XChaCha20Poly1305::new(key.expose().into()))
    }

    /// Encrypts `buffer` where it stands and returns the tag.
    #[expect(
        clippy::expect_used,
        reason = "RFC 8439 §2.8: only a plaintext over 256 GiB is refused, and none is in memory"
    )]
    pub(super) fn seal_in_place(&self, nonce: &[u8; NONCE], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG] {
        self.0
            .encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buffer))
            .expect("less than 256 GiB is encrypted at a time")
            .into()
    }

    /// Appends ciphertext and tag of `plain` to `out`.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        // Room first: growing later would leave a copy of the plaintext behind.
        out.reserve(plain.len() + TAG);
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self.seal_in_place(nonce, aad, out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(&tag);
    }

    /// Decrypts ciphertext and tag. Nothing is given out unless the tag verifies.
    pub(super) fn open(&self, nonce: &[u8; NONCE], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (text, tag) = sealed.split_last_chunk::<TAG>().ok_or(OpenError::Truncated)?;
        let mut plain = Zeroizing::new(text.to_vec());
        self.0
            .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(plain.as_mut_slice()), tag.into())
            .map_err(|_| OpenError::Damaged)?;
        Ok(plain)
    }
}
