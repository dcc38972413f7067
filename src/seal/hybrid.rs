//! Sealing to a public key that stays safe for decades: HPKE (RFC 9180) in base mode over the hybrid X-Wing.
//!
//! What is sealed here lies in data folders and their backups for years, so that it must also stand against who copies it today and has a
//! quantum computer later. X-Wing joins ML-KEM-768 (FIPS 203) and X25519 (RFC 7748): it is safe while either of them is. KDF and AEAD are
//! HKDF-SHA256 and ChaCha20-Poly1305. Each call encapsulates anew and seals once, so no nonce counts. That something opens proves that
//! nobody changed it, not who wrote it. `info` is authenticated and must be given again: a caller puts its label and its place there.

use std::convert::Infallible;
use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::OpenError;

/// First byte of a public key and of what is sealed: X-Wing, HKDF-SHA256, ChaCha20-Poly1305.
const SUITE: u8 = 1;
/// Bytes of a public key: suite, ML-KEM-768 and X25519.
pub const PUBLIC: usize = 1 + 1184 + 32;
/// Bytes of an encapsulated key: ML-KEM-768 and X25519.
const ENCAPSULATED: usize = 1088 + 32;
/// Bytes that a plaintext grows by: suite, encapsulated key and tag.
pub const OVERHEAD: usize = 1 + ENCAPSULATED + 16;

type LibraryPublic = <XWing as Kem>::PublicKey;
type LibraryPrivate = <XWing as Kem>::PrivateKey;

/// To whom something is sealed. Anybody may have it; its Debug shows nothing all the same, since it tells whose mail belongs together.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(LibraryPublic);

/// Opens what was sealed to its public half: the 32-byte seed of the pair. Wiped when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKey(SecretBytes<32>);

impl PublicKey {
    /// From its bytes.
    ///
    /// # Errors
    /// [`OpenError::Truncated`], [`OpenError::Format`] for another suite, [`OpenError::Damaged`] for bytes that are no key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        let (&suite, key) = bytes.split_first().ok_or(OpenError::Truncated)?;
        if suite != SUITE {
            return Err(OpenError::Format);
        }
        if bytes.len() != PUBLIC {
            return Err(OpenError::Truncated);
        }
        LibraryPublic::from_bytes(key).map(Self).map_err(|_| OpenError::Damaged)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[SUITE], self.0.to_bytes().as_slice()].concat()
    }

    /// Seals `plain`: suite, encapsulated key, ciphertext with its tag.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "X-Wing encapsulates to every key that it reads, and one message is the first of its context"
    )]
    pub fn seal(&self, info: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut random = Bytes(entropy);
        let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            info,
            plain,
            b"",
            &mut random,
        )
        .expect("one message is sealed to a key that was read");
        [&[SUITE], encapsulated.to_bytes().as_slice(), &sealed].concat()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

impl PrivateKey {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// From its seed.
    #[must_use]
    pub const fn new(seed: SecretBytes<32>) -> Self {
        Self(seed)
    }

    /// The seed itself: to be wrapped, never to a log.
    #[must_use]
    pub const fn secret(&self) -> &SecretBytes<32> {
        &self.0
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(XWing::sk_to_pk(&self.library()))
    }

    /// Opens what was sealed to the public half with the same `info`.
    ///
    /// # Errors
    /// [`OpenError::Truncated`], [`OpenError::Format`] for another suite; [`OpenError::Damaged`] for everything else: another key, other bytes,
    /// another place.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (&suite, rest) = sealed.split_first().ok_or(OpenError::Truncated)?;
        if suite != SUITE {
            return Err(OpenError::Format);
        }
        if sealed.len() < OVERHEAD {
            return Err(OpenError::Truncated);
        }
        let (encapsulated, text) = rest.split_at_checked(ENCAPSULATED).ok_or(OpenError::Truncated)?;
        let open = || {
            let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated)?;
            hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
                &OpModeR::Base,
                &self.library(),
                &encapsulated,
                info,
                text,
                b"",
            )
        };
        open().map(Zeroizing::new).map_err(|_| OpenError::Damaged)
    }

    #[expect(clippy::expect_used, reason = "any 32 bytes are the seed of a pair")]
    fn library(&self) -> LibraryPrivate {
        LibraryPrivate::from_bytes(self.0.expose()).expect("a seed has 32 bytes")
    }
}

/// Our source of randomness in the shape that the library takes.
struct Bytes<'a>(&'a dyn Entropy);

impl TryRng for Bytes<'_> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(random(self.0)))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(random(self.0)))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Bytes<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    #[test]
    fn opens_with_its_key_at_its_place_only() {
        let entropy = SeededEntropy::new(1);
        let (private, stranger) = (PrivateKey::generate(&entropy), PrivateKey::generate(&entropy));
        let sealed = private.public().seal(b"info", b"plain", &entropy);
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        assert_eq!(private.open(b"info", &sealed).unwrap().as_slice(), b"plain");
        assert_eq!(stranger.open(b"info", &sealed), Err(OpenError::Damaged));
        assert_eq!(private.open(b"inf", &sealed), Err(OpenError::Damaged));
        assert_ne!(private.public().seal(b"info", b"plain", &entropy), sealed);
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << (at % 8);
            let expected = if at == 0 { OpenError::Format } else { OpenError::Damaged };
            assert_eq!(private.open(b"info", &bad), Err(expected), "byte {at}");
        }
        for at in (0..sealed.len()).step_by(37).chain([1, OVERHEAD - 1, OVERHEAD, sealed.len() - 1]) {
            assert!(private.open(b"info", &sealed[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_public_key_reads_back_and_anything_else_is_none() {
        let private = PrivateKey::generate(&SeededEntropy::new(1));
        let bytes = private.public().to_bytes();
        assert_eq!(bytes.len(), PUBLIC);
        assert_eq!(PublicKey::from_bytes(&bytes), Ok(private.public()));
        assert_eq!(PublicKey::from_bytes(&[]), Err(OpenError::Truncated));
        assert_eq!(PublicKey::from_bytes(&bytes[..PUBLIC - 1]), Err(OpenError::Truncated));
        assert_eq!(PublicKey::from_bytes(&[&[2], &bytes[1..]].concat()), Err(OpenError::Format));
        // FIPS 203 §7.2: coefficients of 12 bits below 3329
        assert_eq!(PublicKey::from_bytes(&[&[SUITE], [0xff; PUBLIC - 1].as_slice()].concat()), Err(OpenError::Damaged));
        assert!(format!("{:?} {:?}", private, private.public()).len() < 60);
    }
}
