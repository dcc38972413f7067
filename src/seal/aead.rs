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
        let mut plain = Zeroizing::new(sealed.to_vec());
        let len = self.open_in_place(nonce, aad, &mut plain)?;
        plain.truncate(len);
        Ok(plain)
    }

    /// Decrypts ciphertext and tag where they stand, and returns how many bytes of plaintext stand there now. After an error nothing there is of
    /// use.
    pub(super) fn open_in_place(&self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> Result<usize, OpenError> {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(OpenError::Truncated)?;
        self.0
            .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(&mut *text), (&*tag).into())
            .map_err(|_| OpenError::Damaged)?;
        Ok(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_draft_that_defines_it() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
        let key = SecretBytes::new(std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap()));
        let nonce: [u8; NONCE] = std::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
        let aad = b"\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7";
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let expected = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
            731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
            2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
            21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
        let mut sealed = Vec::new();
        let cipher = Cipher::new(&key);
        cipher.seal(&nonce, aad, plain, &mut sealed);
        assert_eq!(data_encoding::HEXLOWER.encode(&sealed), expected);
        assert_eq!(cipher.open(&nonce, aad, &sealed).unwrap().as_slice(), plain);
    }
}
