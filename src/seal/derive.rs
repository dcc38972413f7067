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
        // Appendix A.3, the first 32 of its 42 octets.
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
        assert_eq!(data_encoding::HEXLOWER.encode(derive(&[0x0b; 22], b"", "").expose()), expected);
    }

    #[test]
    fn labels_and_salts_give_different_keys() {
        let keys = [derive(b"s", b"", "a"), derive(b"s", b"", "b"), derive(b"s", b"x", "a"), derive(b"t", b"", "a")];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b));
        }
    }
}
