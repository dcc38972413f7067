//! Records at rest: XChaCha20-Poly1305 under a random 192-bit nonce, bound to their place.
//!
//! The associated data is format version, space and key, so a value moved to another place does not open.

use crate::base::{Entropy, SecretBytes};

use super::OpenError;

/// Encrypts `plain` for the place (`space`, `key`). The result starts with the format version.
pub fn seal(secret: &SecretBytes<32>, space: u8, key: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    todo!()
}

/// Decrypts what [`seal`] made for the same place.
pub fn open(
    secret: &SecretBytes<32>,
    space: u8,
    key: &[u8],
    sealed: &[u8],
) -> Result<zeroize::Zeroizing<Vec<u8>>, OpenError> {
    todo!()
}
