//! One key per purpose: HKDF-SHA256 (RFC 5869) with a label that no other purpose uses.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base::SecretBytes;

/// Derives the key for `label` from `secret`. `salt` makes it one of many (a nonce), or is empty.
#[expect(clippy::expect_used, reason = "RFC 5869 §2.3: only more than 255 × 32 octets are refused")]
pub(super) fn derive(secret: &[u8], salt: &[u8], label: &str) -> SecretBytes<32> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret).expand(label.as_bytes(), &mut *key).expect("32 octets can be derived");
    SecretBytes::new(*key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_5869() {
        // Appendix A.1 (info is no text there, so salt and secret are its own and the label is ours): checked against the
        // definition, T(1) = HMAC(PRK, info | 0x01).
        use hmac::{Hmac, KeyInit, Mac};
        let hmac = |key: &[u8], data: &[&[u8]]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            data.iter().for_each(|d| mac.update(d));
            mac.finalize().into_bytes()
        };
        let prk = hmac(b"salt", &[b"secret"]);
        let okm = hmac(&prk, &[b"label", &[1]]);
        assert_eq!(derive(b"secret", b"salt", "label").expose()[..], okm[..]);
    }

    #[test]
    fn labels_and_salts_give_different_keys() {
        let keys = [derive(b"s", b"", "a"), derive(b"s", b"", "b"), derive(b"s", b"x", "a"), derive(b"t", b"", "a")];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b));
        }
    }
}
