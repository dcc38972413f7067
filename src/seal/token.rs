//! Unguessable tokens: links, session cookies, references.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::keyring::StoreKeys;

/// The secret part of a link: 160 random bits, 32 characters of lower-case base32. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkToken(SecretBytes<20>);

impl LinkToken {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// The 32 characters for the address; the caller keeps them out of logs.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let mut text = BASE32_NOPAD.encode(self.0.expose());
        text.make_ascii_lowercase();
        text.into()
    }

    /// Reads the 32 characters, in either case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = Zeroizing::new(text.as_bytes().first_chunk::<32>()?.to_ascii_uppercase());
        decode(&BASE32_NOPAD, &upper, text.len() == 32).map(Self)
    }

    /// The key under which the grant is stored.
    #[must_use]
    pub fn hash(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.blind("link token", self.0.expose())
    }

    /// The raw bytes, for an encrypted job record.
    #[must_use]
    pub const fn secret(&self) -> &SecretBytes<20> {
        &self.0
    }

    /// From the raw bytes of a job record.
    #[must_use]
    pub const fn from_secret(secret: SecretBytes<20>) -> Self {
        Self(secret)
    }
}

/// A session cookie's value: 256 random bits, 43 characters of base64url. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken(SecretBytes<32>);

impl SessionToken {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// For the cookie.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        BASE64URL_NOPAD.encode(self.0.expose()).into()
    }

    /// From the cookie; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decode(&BASE64URL_NOPAD, text.as_bytes(), text.len() == 43).map(Self)
    }

    /// The key under which the session is stored.
    #[must_use]
    pub fn hash(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.blind("session token", self.0.expose())
    }
}

/// Exactly `N` bytes or nothing. There is one text per token: trailing bits must be zero.
fn decode<const N: usize>(encoding: &data_encoding::Encoding, text: &[u8], fits: bool) -> Option<SecretBytes<N>> {
    if !fits || encoding.decode_len(text.len()) != Ok(N) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; N]);
    encoding.decode_mut(text, bytes.as_mut()).ok()?;
    Some(SecretBytes::new(*bytes))
}

/// The short reference in a notice, e.g. `K7QF-2M9D`: 40 random bits for people to compare by telephone. It opens nothing.
///
/// Crockford's alphabet: no I, L, O or U, so that nothing reads like 1 or 0.
#[must_use]
pub fn reference(entropy: &dyn Entropy) -> String {
    const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bytes: [u8; 8] = random(entropy);
    let mut text: String =
        bytes.iter().filter_map(|b| CROCKFORD.get(usize::from(b % 32))).map(|c| char::from(*c)).collect();
    text.insert(4, '-');
    text
}

/// A reference as somebody typed it, in the form in which [`reference()`] makes them: small letters, blanks and hyphens do not count, and what
/// reads like 1 or 0 is taken for it. `None` when it cannot be one.
#[must_use]
pub fn read_reference(text: &str) -> Option<String> {
    const LONGEST: usize = 32;
    if text.len() > LONGEST {
        return None;
    }
    let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    });
    let mut read: String = letters.collect();
    let fits = read.len() == 8 && read.bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && b != b'U'));
    fits.then(|| {
        read.insert(4, '-');
        read
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::base::SeededEntropy;
    use crate::seal::keyring::StoreSecret;

    #[test]
    fn a_link_token_reads_back_in_either_case() {
        let token = LinkToken::generate(&SeededEntropy::new(1));
        let text = token.to_text();
        let text = text.expose_secret();
        assert_eq!(text.len(), 32);
        assert_eq!(*text, text.to_lowercase());
        assert!(LinkToken::parse(text).unwrap() == token);
        assert!(LinkToken::parse(&text.to_uppercase()).unwrap() == token);
        assert!(LinkToken::from_secret(token.secret().clone()) == token);
    }

    #[test]
    fn a_session_token_reads_back() {
        let token = SessionToken::generate(&SeededEntropy::new(1));
        assert!(SessionToken::parse(token.to_text().expose_secret()).unwrap() == token);
        assert!(!format!("{token:?}").contains(&token.to_text().expose_secret()[..4]));
    }

    #[test]
    fn anything_else_is_no_token() {
        let good = "a".repeat(32);
        assert!(LinkToken::parse(&good).is_some());
        let eight = "ab1".repeat(12);
        for text in
            ["", "a", &good[1..], &format!("{good}a"), &format!("{good}========"), &eight[..32], &"é".repeat(16)]
        {
            assert!(LinkToken::parse(text).is_none(), "{text}");
            assert!(SessionToken::parse(text).is_none(), "{text}");
        }
        // 43 characters carry two spare bits; a text that sets one is another spelling of the same token.
        assert!(SessionToken::parse(&"A".repeat(43)).is_some());
        assert!(SessionToken::parse(&format!("{}B", "A".repeat(42))).is_none());
    }

    #[test]
    fn hashes_need_the_keys_of_the_folder() {
        let entropy = SeededEntropy::new(1);
        let (here, there) = (StoreSecret::generate(&entropy).keys(), StoreSecret::generate(&entropy).keys());
        let token = LinkToken::generate(&entropy);
        assert_eq!(token.hash(&here), token.clone().hash(&here));
        assert_ne!(token.hash(&here), token.hash(&there));
    }

    #[test]
    fn references_use_every_letter_of_their_alphabet() {
        let entropy = SeededEntropy::new(1);
        let seen: std::collections::BTreeSet<char> =
            (0..500).flat_map(|_| reference(&entropy).chars().collect::<Vec<_>>()).collect();
        assert_eq!(seen.into_iter().collect::<String>(), "-0123456789ABCDEFGHJKMNPQRSTVWXYZ");
        let one = reference(&entropy);
        assert_eq!((one.len(), one.find('-')), (9, Some(4)));
    }

    #[test]
    fn references_are_read_as_people_type_them() {
        for (typed, read) in [
            ("K7QF-2M9D", Some("K7QF-2M9D")),
            (" k7qf 2m9d ", Some("K7QF-2M9D")),
            ("K7QF2M9D", Some("K7QF-2M9D")),
            ("kIqf-oL9d", Some("K1QF-019D")),
            ("K7QF-2M9", None),
            ("K7QF-2M9DD", None),
            ("K7QF-2M9U", None),
            ("K7QF-2M9é", None),
            ("", None),
            ("----------------------------------------K7QF-2M9D", None),
        ] {
            assert_eq!(read_reference(typed).as_deref(), read, "{typed}");
        }
        let made = reference(&SeededEntropy::new(2));
        assert_eq!(read_reference(&made), Some(made));
    }
}
