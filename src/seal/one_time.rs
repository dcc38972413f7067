//! One-time codes, which go out by SMS or mail: six digits that follow from the id of a challenge, so that nothing of them is kept and
//! whoever asks again gets the same one.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::base::ChallengeId;

use super::code::AccessCode;
use super::keyring::StoreKeys;

/// Codes that there are: six digits.
const CODES: u64 = 1_000_000;

/// A code in clear: lives in the SMS or mail that brings it and in the request that tries it.
#[derive(Debug, Clone)]
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// The code of a challenge: the first 8 bytes of HMAC-SHA256 under the *one-time* key over its id, as a number, modulo 10⁶. No code is
    /// likelier than another by more than one in 10¹³.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "RFC 2104 takes keys of any length")]
    pub fn of(keys: &StoreKeys, challenge: ChallengeId) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(keys.one_time.expose()).expect("a key of any length will do");
        mac.update(challenge.as_bytes());
        let hash = mac.finalize().into_bytes();
        let number = hash.iter().take(8).fold(0, |number: u64, byte| (number << 8) | u64::from(*byte)) % CODES;
        Self(format!("{number:06}").into())
    }

    /// The six digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether somebody typed this code, in constant time. Spaces, dashes and foreign digits are folded away as in access codes.
    #[must_use]
    pub fn matches(&self, typed: &str) -> bool {
        AccessCode::normalise(typed)
            .is_some_and(|typed| typed.expose().as_bytes().ct_eq(self.expose().as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Entropy, SeededEntropy};
    use crate::seal::keyring::{RootKeyring, StoreSecret};

    #[test]
    fn a_challenge_has_one_code_and_another_another() {
        let entropy = SeededEntropy::new(7);
        let keys = StoreSecret::generate(&entropy).keys();
        let challenge = ChallengeId([1; 16]);
        let code = OneTimeCode::of(&keys, challenge);
        assert_eq!(code.expose(), OneTimeCode::of(&keys, challenge).expose());
        assert!(code.expose().len() == 6 && code.expose().bytes().all(|b| b.is_ascii_digit()));
        assert_ne!(code.expose(), OneTimeCode::of(&keys, ChallengeId([2; 16])).expose());
        assert_ne!(code.expose(), OneTimeCode::of(&StoreSecret::generate(&entropy).keys(), challenge).expose());
        assert_eq!(format!("{code:?}"), format!("{:?}", OneTimeCode::of(&keys, ChallengeId([2; 16]))));
    }

    #[test]
    fn the_derivation_is_frozen() {
        // Store secret 32 × 0x11: HKDF and HMAC were computed apart from this code.
        let ring = RootKeyring::generate(&SeededEntropy::new(1));
        let wrapped = ring.wrap(b"zegel/v1/store-secret", &[0x11; 32], &SeededEntropy::new(2));
        let keys = StoreSecret::unwrap(&ring, &wrapped).unwrap().keys();
        let codes = [ChallengeId([0; 16]), ChallengeId(*b"0123456789abcdef")].map(|id| OneTimeCode::of(&keys, id));
        assert_eq!(codes.each_ref().map(OneTimeCode::expose), ["408346", "779397"]);
    }

    #[test]
    fn what_people_type() {
        let keys = StoreSecret::generate(&SeededEntropy::new(3)).keys();
        let code = OneTimeCode::of(&keys, ChallengeId([5; 16]));
        let digits = code.expose();
        let (left, right) = digits.split_at(3);
        for typed in
            [digits.to_owned(), format!(" {left} {right}\n"), format!("{left}-{right}"), format!("{left}\u{a0}{right}")]
        {
            assert!(code.matches(&typed), "{typed:?}");
        }
        for typed in ["", " ", left, "1234567", &format!("{digits}0"), &"1".repeat(100)] {
            assert!(!code.matches(typed), "{typed:?}");
        }
    }

    #[test]
    fn all_codes_are_equally_likely() {
        let entropy = SeededEntropy::new(11);
        let keys = StoreSecret::generate(&entropy).keys();
        let mut counts = [0_u32; 1000];
        let rounds = 100_000_u32;
        for _ in 0..rounds {
            let mut id = [0; 16];
            entropy.fill(&mut id);
            let number: usize = OneTimeCode::of(&keys, ChallengeId(id)).expose().parse().unwrap();
            counts[number / 1000] += 1;
        }
        let expected = f64::from(rounds) / 1000.0;
        let chi2: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 999 degrees of freedom: 1 in 10⁶ lies above 1220.
        assert!(chi2 < 1220.0, "{chi2}");
    }
}
