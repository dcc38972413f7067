//! The root keyring, the store secret, and one key per purpose.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::OpenError;
use super::derive::derive;
use super::wrap::{self, Place, Purpose};

/// Why a keyring file is not usable; the text says what to do and never shows key bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Line `line` (from 1) is not `id:64 hexadecimal digits`.
    #[error("line {line}: expected an 8-digit hexadecimal id, a colon and 64 hexadecimal digits")]
    Syntax {
        /// Line number from 1.
        line: usize,
    },
    /// No key at all.
    #[error("the keyring holds no key")]
    Empty,
    /// A key of zeros only, or one byte repeated.
    #[error("line {line}: the key is not random")]
    Weak {
        /// Line number from 1.
        line: usize,
    },
    /// The same id twice.
    #[error("line {line}: key id {id:08x} stands there twice")]
    Duplicate {
        /// Line number from 1.
        line: usize,
        /// The id.
        id: u32,
    },
}

/// Bytes of a line of the file: id, colon, key, line feed.
const LINE: usize = 8 + 1 + 64 + 1;
/// First byte of what the keyring wraps.
const VERSION: u8 = 1;
const ROOT: Purpose = Purpose { key: "zegel/v1/root/key", commitment: "zegel/v1/root/commitment" };
const STORE_SECRET_LABEL: &[u8] = b"zegel/v1/store-secret";

/// 32-byte root keys with ids; the last line of the file is the active one, the others only open.
///
/// The file is text: one key a line, `id:key`, the id as 8 and the key as 64 hexadecimal digits. Empty lines and lines that
/// start with `#` are skipped.
#[derive(Debug, Clone)]
pub struct RootKeyring {
    /// All but the active key, in the order of the file.
    older: Vec<RootKey>,
    active: RootKey,
}

#[derive(Debug, Clone)]
struct RootKey {
    id: u32,
    secret: SecretBytes<32>,
}

impl RootKey {
    fn parse(text: &str, line: usize) -> Result<Self, KeyringError> {
        let syntax = KeyringError::Syntax { line };
        let (id, key) = text.split_once(':').ok_or(syntax.clone())?;
        if id.len() != 8 || !id.bytes().all(|b| b.is_ascii_hexdigit()) || key.len() != 64 {
            return Err(syntax);
        }
        let id = u32::from_str_radix(id, 16).map_err(|_| syntax.clone())?;
        let mut secret = Zeroizing::new([0; 32]);
        HEXLOWER_PERMISSIVE.decode_mut(key.as_bytes(), secret.as_mut()).map_err(|_| syntax)?;
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(KeyringError::Weak { line });
        }
        Ok(Self { id, secret: SecretBytes::new(*secret) })
    }

    fn write(&self, out: &mut String) {
        HEXLOWER.encode_append(&self.id.to_be_bytes(), out);
        out.push(':');
        HEXLOWER.encode_append(self.secret.expose(), out);
        out.push('\n');
    }
}

impl RootKeyring {
    /// Reads the text of a keyring file.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<RootKey> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = RootKey::parse(line, number)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyringError::Duplicate { line: number, id: key.id });
            }
            keys.push(key);
        }
        let active = keys.pop().ok_or(KeyringError::Empty)?;
        Ok(Self { older: keys, active })
    }

    /// A keyring with one new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let id = u32::from_be_bytes(random(entropy));
        Self { older: Vec::new(), active: RootKey { id, secret: SecretBytes::random(entropy) } }
    }

    /// This keyring with one more key, new and active.
    #[must_use]
    pub fn with_new(&self, entropy: &dyn Entropy) -> Self {
        let older: Vec<RootKey> = self.keys().cloned().collect();
        let id = loop {
            let id = u32::from_be_bytes(random(entropy));
            if older.iter().all(|key| key.id != id) {
                break id;
            }
        };
        Self { older, active: RootKey { id, secret: SecretBytes::random(entropy) } }
    }

    /// This keyring without the key `id`; `None` when that is the active one, or not there.
    #[must_use]
    pub fn without(&self, id: u32) -> Option<Self> {
        let mut ring = self.clone();
        ring.older.retain(|key| key.id != id);
        (ring.older.len() < self.older.len()).then_some(ring)
    }

    /// The ids of all keys, in the order of the file; the last one is the active one's.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.keys().map(|key| key.id).collect()
    }

    /// The id of the active key.
    #[must_use]
    pub const fn active(&self) -> u32 {
        self.active.id
    }

    /// The first key of `other` that is missing here, or is another one under the same id.
    #[must_use]
    pub fn lacks(&self, other: &Self) -> Option<u32> {
        let held = |key: &&RootKey| self.keys().any(|own| own.id == key.id && own.secret == key.secret);
        other.keys().find(|key| !held(key)).map(|key| key.id)
    }

    /// In the order of the file.
    fn keys(&self) -> impl Iterator<Item = &RootKey> {
        self.older.iter().chain([&self.active])
    }

    /// The active key as a line of a keyring file.
    #[must_use]
    pub fn active_line(&self) -> SecretString {
        let mut text = String::with_capacity(LINE);
        self.active.write(&mut text);
        text.into()
    }

    /// The text for a keyring file (holds the keys: the caller writes it with mode 0600).
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        // Room for all: growing later would leave copies of keys behind.
        let mut text = String::with_capacity((self.older.len() + 1) * LINE);
        for key in self.keys() {
            key.write(&mut text);
        }
        text.into()
    }

    /// Wraps `plain` under the active key; `context` is authenticated and must be given again.
    #[must_use]
    pub fn wrap(&self, context: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut prefix = [VERSION, 0, 0, 0, 0];
        if let Some((_, id)) = prefix.split_last_chunk_mut::<4>() {
            *id = self.active.id.to_be_bytes();
        }
        wrap::seal(&self.active.secret, ROOT, Place { prefix: &prefix, context }, plain, entropy)
    }

    /// Opens what [`wrap`](Self::wrap) made, with the key that it names. No other key is tried.
    ///
    /// # Errors
    /// [`OpenError::Format`], [`OpenError::Truncated`], [`OpenError::UnknownKey`] when the named key is not in the ring,
    /// [`OpenError::WrongKey`] when another key stands there under that id, [`OpenError::Damaged`] for other bytes or another context.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = wrapped_under(wrapped)?;
        let (prefix, rest) = wrapped.split_first_chunk::<5>().ok_or(OpenError::Truncated)?;
        let key = self.keys().find(|key| key.id == id).ok_or(OpenError::UnknownKey(id))?;
        wrap::open(&key.secret, ROOT, Place { prefix, context }, rest)
    }
}

/// The id of the root key that opens what [`RootKeyring::wrap`] made.
///
/// # Errors
/// [`OpenError::Format`], [`OpenError::Truncated`].
pub fn wrapped_under(wrapped: &[u8]) -> Result<u32, OpenError> {
    let [version, id @ ..] = *wrapped.first_chunk::<5>().ok_or(OpenError::Truncated)?;
    if version == VERSION { Ok(u32::from_be_bytes(id)) } else { Err(OpenError::Format) }
}

/// The random secret of one data folder, kept there wrapped under the root keyring. Everything that is hashed or peppered
/// hangs on it, so that a new root key changes none of that.
#[derive(Debug)]
pub struct StoreSecret(SecretBytes<32>);

impl StoreSecret {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// For the file in the data folder.
    #[must_use]
    pub fn wrap(&self, keyring: &RootKeyring, entropy: &dyn Entropy) -> Vec<u8> {
        keyring.wrap(STORE_SECRET_LABEL, self.0.expose(), entropy)
    }

    /// From the file in the data folder.
    ///
    /// # Errors
    /// As [`RootKeyring::unwrap`].
    pub fn unwrap(keyring: &RootKeyring, wrapped: &[u8]) -> Result<Self, OpenError> {
        wrap::key(&keyring.unwrap(STORE_SECRET_LABEL, wrapped)?).map(Self)
    }

    /// One key per purpose (HKDF-SHA256, a label each).
    #[must_use]
    pub fn keys(&self) -> StoreKeys {
        let key = |label| derive(self.0.expose(), b"", label);
        StoreKeys {
            records: key("zegel/v1/store/records"),
            jobs: key("zegel/v1/store/jobs"),
            pepper: key("zegel/v1/store/pepper"),
            cookie: key("zegel/v1/store/cookie"),
            // Its label is older than codes by mail, and stays.
            one_time: key("zegel/v1/store/sms"),
            index: key("zegel/v1/store/index"),
        }
    }
}

/// Keys derived from the store secret, one per purpose.
#[derive(Debug, Clone)]
pub struct StoreKeys {
    /// Encrypts records ([`super::record`]).
    pub records: SecretBytes<32>,
    /// Encrypts what a queued job needs in clear until it is delivered (a link token, an access code).
    pub jobs: SecretBytes<32>,
    /// Mixed into every code verifier, so that the data folder alone allows no guessing.
    pub pepper: SecretBytes<32>,
    /// Authenticates page tokens and hashes session cookies.
    pub cookie: SecretBytes<32>,
    /// Makes one-time codes ([`super::one_time`]).
    pub one_time: SecretBytes<32>,
    index: SecretBytes<32>,
}

impl StoreKeys {
    /// The keyed hash under which something is looked up: HMAC-SHA256 over the label's length (u64, big-endian), the label and
    /// the value. `label` keeps equal values of different kinds apart.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "RFC 2104 takes keys of any length")]
    pub fn blind(&self, label: &str, value: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.index.expose()).expect("a key of any length will do");
        mac.update(&(label.len() as u64).to_be_bytes());
        mac.update(label.as_bytes());
        mac.update(value);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::base::SeededEntropy;

    const A: &str = "0000000a:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const B: &str = "0000000B:FF0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn mistakes_are_named_with_their_line() {
        let zeros = format!("0000000a:{}", "00".repeat(32));
        let ones = format!("{A}\n0000000b:{}", "11".repeat(32));
        let cases: [(&str, KeyringError); 11] = [
            ("", KeyringError::Empty),
            ("# nothing\n\n", KeyringError::Empty),
            ("a key", KeyringError::Syntax { line: 1 }),
            (&A[..A.len() - 2], KeyringError::Syntax { line: 1 }),
            (&format!("{A}00"), KeyringError::Syntax { line: 1 }),
            (&A.replace("1f", "1g"), KeyringError::Syntax { line: 1 }),
            (&A.replace("0000000a:", "+000000a:"), KeyringError::Syntax { line: 1 }),
            (&A.replace("0000000a:", "a:"), KeyringError::Syntax { line: 1 }),
            (&zeros, KeyringError::Weak { line: 1 }),
            (&ones, KeyringError::Weak { line: 2 }),
            (&format!("# old\n{A}\n\n{A}"), KeyringError::Duplicate { line: 4, id: 10 }),
        ];
        for (text, expected) in cases {
            assert_eq!(RootKeyring::parse(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn text_round_trips_and_the_last_key_is_the_active_one() {
        let both = RootKeyring::parse(&format!("# two\r\n{A}\r\n{B}\r\n")).unwrap();
        assert_eq!(both.to_text().expose_secret(), format!("{A}\n{}\n", B.to_lowercase()));
        let wrapped = both.wrap(b"c", b"plain", &SeededEntropy::new(1));
        assert_eq!(RootKeyring::parse(B).unwrap().unwrap(b"c", &wrapped).unwrap().as_slice(), b"plain");
        let error = RootKeyring::parse(A).unwrap().unwrap(b"c", &wrapped).unwrap_err();
        assert_eq!(error, OpenError::UnknownKey(11));
    }

    #[test]
    fn an_older_key_still_opens() {
        let wrapped = RootKeyring::parse(A).unwrap().wrap(b"c", b"plain", &SeededEntropy::new(1));
        let both = RootKeyring::parse(&format!("{A}\n{B}")).unwrap();
        assert_eq!(both.unwrap(b"c", &wrapped).unwrap().as_slice(), b"plain");
    }

    #[test]
    fn keys_come_and_go_and_the_newest_wraps() {
        let (entropy, one) = (SeededEntropy::new(1), RootKeyring::parse(A).unwrap());
        let two = one.with_new(&entropy);
        assert_eq!(two.ids(), [10, two.active()]);
        let wrapped = two.wrap(b"c", b"plain", &entropy);
        assert_eq!(wrapped_under(&wrapped), Ok(two.active()));
        let line = two.active_line();
        let read = RootKeyring::parse(&format!("{A}\n{}", line.expose_secret())).unwrap();
        assert_eq!(read.unwrap(b"c", &wrapped).unwrap().as_slice(), b"plain");
        assert_eq!((two.lacks(&one), one.lacks(&two)), (None, Some(two.active())));
        assert!(two.without(two.active()).is_none() && two.without(7).is_none());
        let newest = two.without(10).unwrap();
        assert_eq!((newest.ids(), newest.lacks(&one)), (vec![two.active()], Some(10)));
        let stranger = RootKeyring::parse(&B.replace("0000000B", "0000000a")).unwrap();
        assert_eq!(stranger.lacks(&one), Some(10));
        assert_eq!(wrapped_under(&wrapped[..4]), Err(OpenError::Truncated));
        assert_eq!(wrapped_under(&[2; 9]), Err(OpenError::Format));
    }

    #[test]
    fn another_key_under_the_same_id_is_told_from_damage() {
        let keyring = RootKeyring::parse(A).unwrap();
        let wrapped = keyring.wrap(b"c", b"plain", &SeededEntropy::new(1));
        let stranger = RootKeyring::parse(&B.replace("0000000B", "0000000a")).unwrap();
        assert_eq!(stranger.unwrap(b"c", &wrapped), Err(OpenError::WrongKey));
        assert_eq!(keyring.unwrap(b"d", &wrapped), Err(OpenError::Damaged));
        for at in 0..wrapped.len() {
            assert!(keyring.unwrap(b"c", &wrapped[..at]).is_err());
            let mut bad = wrapped.clone();
            bad[at] ^= 1;
            assert!(keyring.unwrap(b"c", &bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_purpose_has_a_key_of_its_own() {
        let keys = StoreSecret::generate(&SeededEntropy::new(1)).keys();
        let all = [&keys.records, &keys.jobs, &keys.pepper, &keys.cookie, &keys.index];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
    }

    #[test]
    fn a_store_secret_comes_back_and_is_no_lock() {
        let entropy = SeededEntropy::new(1);
        let keyring = RootKeyring::generate(&entropy);
        let secret = StoreSecret::generate(&entropy);
        let wrapped = secret.wrap(&keyring, &entropy);
        assert!(StoreSecret::unwrap(&keyring, &wrapped).unwrap().0 == secret.0);
        assert_eq!(keyring.unwrap(b"", &wrapped), Err(OpenError::Damaged));
    }

    #[test]
    fn blind_hashes_keep_kinds_and_values_apart() {
        let keys = StoreSecret::generate(&SeededEntropy::new(1)).keys();
        assert_eq!(keys.blind("ab", b"c"), keys.blind("ab", b"c"));
        assert_ne!(keys.blind("ab", b"c"), keys.blind("a", b"bc"));
        assert_ne!(keys.blind("ab", b"c"), StoreSecret::generate(&SeededEntropy::new(2)).keys().blind("ab", b"c"));
    }
}
