//! Records at rest: XChaCha20-Poly1305 under a random 192-bit nonce, bound to their place.
//!
//! The associated data is format version, space and key, so a value moved to another place does not open.

use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::OpenError;
use super::aead::{Cipher, NONCE, TAG};

/// The only version so far; first byte of a sealed record.
const VERSION: u8 = 1;
const LABEL: &[u8] = b"zegel/v1/record";

/// Bytes that a record grows by: version, nonce and tag.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

/// Encrypts `plain` for the place (`space`, `key`). The result starts with the format version.
#[must_use]
pub fn seal(secret: &SecretBytes<32>, space: u8, key: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let nonce: [u8; NONCE] = random(entropy);
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    Cipher::new(secret).seal(&nonce, &aad(space, key), plain, &mut out);
    out
}

/// Decrypts what [`seal`] made for the same place.
///
/// # Errors
/// [`OpenError::Format`] for a version that this release does not know, [`OpenError::Truncated`], and [`OpenError::Damaged`]
/// for everything else: other bytes, another place, another secret.
pub fn open(secret: &SecretBytes<32>, space: u8, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (&version, rest) = sealed.split_first().ok_or(OpenError::Truncated)?;
    if version != VERSION {
        return Err(OpenError::Format);
    }
    let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::Truncated)?;
    Cipher::new(secret).open(nonce, &aad(space, key), text)
}

/// Label, version and space have fixed lengths, so no two places give the same bytes.
fn aad(space: u8, key: &[u8]) -> Vec<u8> {
    [LABEL, &[VERSION, space], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    #[test]
    fn opens_at_its_own_place_only() {
        let secret = SecretBytes::new([7; 32]);
        let sealed = seal(&secret, 3, b"key", b"value", &SeededEntropy::new(1));
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        assert_eq!(open(&secret, 3, b"key", &sealed).unwrap().as_slice(), b"value");
        assert_eq!(open(&secret, 4, b"key", &sealed), Err(OpenError::Damaged));
        assert_eq!(open(&secret, 3, b"kez", &sealed), Err(OpenError::Damaged));
        assert_eq!(open(&SecretBytes::new([8; 32]), 3, b"key", &sealed), Err(OpenError::Damaged));
    }

    #[test]
    fn no_flip_and_no_cut_opens() {
        let secret = SecretBytes::new([7; 32]);
        let sealed = seal(&secret, 3, b"key", b"value", &SeededEntropy::new(1));
        for at in 0..sealed.len() {
            assert!(open(&secret, 3, b"key", &sealed[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bad = sealed.clone();
                bad[at] ^= 1 << bit;
                assert!(open(&secret, 3, b"key", &bad).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let (secret, entropy) = (SecretBytes::new([7; 32]), SeededEntropy::new(1));
        assert_ne!(seal(&secret, 3, b"key", b"v", &entropy), seal(&secret, 3, b"key", b"v", &entropy));
    }
}
