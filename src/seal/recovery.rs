//! The recovery key: an organisation's own pair, whose private half is kept offline and opens what the gateway stored.
//!
//! The gateway knows the public half only. It seals to it one more lock on each conversation key, and once the key of the
//! records, so that the private half and a copy of the data folder are enough to export mail when the root key is gone. The
//! keys of jobs, codes, cookies and blind hashes are not sealed to it: no link and no code comes out. HPKE over X-Wing
//! ([`super::hybrid`]), since these locks lie in backups for as long as mail is kept.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base::{ConversationId, Entropy, SecretBytes};

use super::OpenError;
use super::hybrid;
use super::lock::ConversationKey;

/// First byte of a recovery lock and of the sealed records key.
const VERSION: u8 = 1;
/// Second byte of a recovery lock.
const RECOVERY: u8 = 3;
/// Bytes in front of what is sealed in a lock: version, kind, key id.
const HEAD: usize = 2 + 8;
const LOCK_LABEL: &[u8] = b"zegel/v1/lock/recovery";
const RECORDS_LABEL: &[u8] = b"zegel/v1/recovery/records";
const PUBLIC_WORD: &str = "zegel-recovery-public:";
const PRIVATE_WORD: &str = "zegel-recovery-private:";

/// Why a file holds no recovery key. The text shows nothing of what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryKeyError {
    /// No line, or several, or something else.
    #[error("expected one line, {PUBLIC_WORD} and the key, as `zegel keys recovery-new` writes it")]
    Public,
    /// The same for the private half.
    #[error("expected one line, {PRIVATE_WORD} and the key, as `zegel keys recovery-new` writes it")]
    Private,
    /// The private half stands where the public one belongs.
    #[error("this is the private half, which must not be on this machine: name the file with the public half")]
    IsPrivate,
    /// The public half stands where the private one is needed.
    #[error(
        "this is the public half, which opens nothing: name the file with the private half, which `zegel keys recovery-new` made beside it"
    )]
    IsPublic,
}

/// Names a recovery key: the first 8 bytes of the SHA-256 of its public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecoveryId(pub [u8; 8]);

impl fmt::Display for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryId({self})")
    }
}

/// The public half: makes locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryPublic {
    key: hybrid::PublicKey,
    id: RecoveryId,
}

/// The private half: opens them.
#[derive(Debug, Clone)]
pub struct RecoveryPrivate(hybrid::PrivateKey);

impl RecoveryPublic {
    fn new(key: hybrid::PublicKey) -> Self {
        let hash: [u8; 32] = Sha256::digest(key.to_bytes()).into();
        let id = RecoveryId(hash.first_chunk().copied().unwrap_or_default());
        Self { key, id }
    }

    /// From the text of its file. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`RecoveryKeyError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryKeyError> {
        let line = only_line(text).ok_or(RecoveryKeyError::Public)?;
        if line.starts_with(PRIVATE_WORD) {
            return Err(RecoveryKeyError::IsPrivate);
        }
        let key = line.strip_prefix(PUBLIC_WORD).ok_or(RecoveryKeyError::Public)?;
        let bytes = BASE64URL_NOPAD.decode(key.as_bytes()).map_err(|_| RecoveryKeyError::Public)?;
        hybrid::PublicKey::from_bytes(&bytes).map(Self::new).map_err(|_| RecoveryKeyError::Public)
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{PUBLIC_WORD}{}\n", BASE64URL_NOPAD.encode(&self.key.to_bytes()))
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> RecoveryId {
        self.id
    }

    /// The recovery lock on a conversation key, bound to the conversation.
    #[must_use]
    pub fn lock(&self, key: &ConversationKey, conversation: ConversationId, entropy: &dyn Entropy) -> Vec<u8> {
        let sealed = self.key.seal(&lock_info(self.id, conversation), key.secret().expose(), entropy);
        [&[VERSION, RECOVERY], self.id.0.as_slice(), &sealed].concat()
    }

    /// The key of the records of one data folder, sealed.
    #[must_use]
    pub fn seal_records_key(&self, records: &SecretBytes<32>, entropy: &dyn Entropy) -> Vec<u8> {
        let sealed = self.key.seal(&records_info(self.id), records.expose(), entropy);
        [&[VERSION], sealed.as_slice()].concat()
    }
}

impl RecoveryPrivate {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(hybrid::PrivateKey::generate(entropy))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> RecoveryPublic {
        RecoveryPublic::new(self.0.public())
    }

    /// From the text of its file. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`RecoveryKeyError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryKeyError> {
        let line = only_line(text).ok_or(RecoveryKeyError::Private)?;
        if line.starts_with(PUBLIC_WORD) {
            return Err(RecoveryKeyError::IsPublic);
        }
        let key = line.strip_prefix(PRIVATE_WORD).ok_or(RecoveryKeyError::Private)?;
        if key.len() != 64 {
            return Err(RecoveryKeyError::Private);
        }
        let mut seed = Zeroizing::new([0; 32]);
        HEXLOWER_PERMISSIVE.decode_mut(key.as_bytes(), seed.as_mut()).map_err(|_| RecoveryKeyError::Private)?;
        Ok(Self(hybrid::PrivateKey::new(SecretBytes::new(*seed))))
    }

    /// The text of its file: who holds it reads everything, together with the data folder or a copy.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        // Room for all: growing later would leave a copy of the key behind.
        let mut text = String::with_capacity(PRIVATE_WORD.len() + 64 + 1);
        text.push_str(PRIVATE_WORD);
        HEXLOWER.encode_append(self.0.secret().expose(), &mut text);
        text.push('\n');
        text.into()
    }

    /// Opens a recovery lock.
    ///
    /// # Errors
    /// [`OpenError::Format`] for a lock of another kind or version, [`OpenError::WrongKey`] when it names another recovery key,
    /// [`OpenError::Truncated`], [`OpenError::Damaged`].
    pub fn open(&self, conversation: ConversationId, lock: &[u8]) -> Result<ConversationKey, OpenError> {
        let id = locked_for(lock)?.ok_or(OpenError::Format)?;
        if id != self.public().id {
            return Err(OpenError::WrongKey);
        }
        let sealed = lock.get(HEAD..).ok_or(OpenError::Truncated)?;
        let plain = self.0.open(&lock_info(id, conversation), sealed)?;
        key(&plain).map(ConversationKey::from_secret)
    }

    /// Opens the sealed key of the records.
    ///
    /// # Errors
    /// [`OpenError::Format`], [`OpenError::Truncated`], [`OpenError::Damaged`], also for that of another recovery key.
    pub fn open_records_key(&self, sealed: &[u8]) -> Result<SecretBytes<32>, OpenError> {
        let (&version, sealed) = sealed.split_first().ok_or(OpenError::Truncated)?;
        if version != VERSION {
            return Err(OpenError::Format);
        }
        key(&self.0.open(&records_info(self.public().id), sealed)?)
    }
}

/// Which recovery key opens a lock; `None` for a lock of another kind.
///
/// # Errors
/// [`OpenError::Truncated`].
pub fn locked_for(lock: &[u8]) -> Result<Option<RecoveryId>, OpenError> {
    let (head, rest) = lock.split_first_chunk::<2>().ok_or(OpenError::Truncated)?;
    if *head != [VERSION, RECOVERY] {
        return Ok(None);
    }
    rest.first_chunk().map(|id| Some(RecoveryId(*id))).ok_or(OpenError::Truncated)
}

fn key(plain: &[u8]) -> Result<SecretBytes<32>, OpenError> {
    plain.try_into().map(SecretBytes::new).map_err(|_| OpenError::Format)
}

fn lock_info(id: RecoveryId, conversation: ConversationId) -> Vec<u8> {
    [LOCK_LABEL, &[VERSION, RECOVERY], &id.0, conversation.as_bytes()].concat()
}

fn records_info(id: RecoveryId) -> Vec<u8> {
    [RECORDS_LABEL, &[VERSION], &id.0].concat()
}

/// The only line that says something.
fn only_line(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::base::SeededEntropy;
    use crate::seal::lock::locked_under;

    #[test]
    fn a_lock_opens_with_its_key_for_its_conversation_only() {
        let entropy = SeededEntropy::new(1);
        let (private, stranger) = (RecoveryPrivate::generate(&entropy), RecoveryPrivate::generate(&entropy));
        let (key, conversation) = (ConversationKey::generate(&entropy), ConversationId::random(&entropy));
        let lock = private.public().lock(&key, conversation, &entropy);
        assert_eq!(locked_for(&lock), Ok(Some(private.public().id())));
        assert_eq!(locked_under(&lock), Ok(None));
        assert!(private.open(conversation, &lock).unwrap() == key);
        assert_eq!(stranger.open(conversation, &lock), Err(OpenError::WrongKey));
        assert_eq!(private.open(ConversationId::random(&entropy), &lock), Err(OpenError::Damaged));
        for at in (0..lock.len()).step_by(7).chain(0..16) {
            assert!(private.open(conversation, &lock[..at]).is_err(), "cut at {at}");
            let mut bad = lock.clone();
            bad[at] ^= 1;
            assert!(private.open(conversation, &bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_records_key_comes_back_and_is_no_lock() {
        let entropy = SeededEntropy::new(1);
        let (private, stranger) = (RecoveryPrivate::generate(&entropy), RecoveryPrivate::generate(&entropy));
        let records = SecretBytes::random(&entropy);
        let sealed = private.public().seal_records_key(&records, &entropy);
        assert_eq!(private.open_records_key(&sealed).unwrap(), records);
        assert_eq!(stranger.open_records_key(&sealed), Err(OpenError::Damaged));
        assert_eq!(private.open_records_key(&[]), Err(OpenError::Truncated));
        assert_eq!(private.open_records_key(&[&[2], &sealed[1..]].concat()), Err(OpenError::Format));
        let lock = [&[VERSION, RECOVERY], private.public().id().0.as_slice(), &sealed[1..]].concat();
        assert_eq!(private.open(ConversationId([0; 16]), &lock), Err(OpenError::Damaged));
    }

    /// Never changes: what version 1 wrote, this release writes, and every later one opens.
    #[test]
    fn version_1_is_frozen() {
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let private = RecoveryPrivate::generate(&SeededEntropy::new(200));
        let key = ConversationKey::generate(&SeededEntropy::new(201));
        let (conversation, records) = (ConversationId([0x70; 16]), SecretBytes::new([0x40; 32]));
        let public = private.public();
        let written = serde_json::json!({
            "private": private.to_text().expose_secret(),
            "public": public.to_text(),
            "id": public.id().to_string(),
            "conversation": hex(conversation.as_bytes()),
            "conversation_key": hex(key.secret().expose()),
            "lock": hex(&public.lock(&key, conversation, &SeededEntropy::new(202))),
            "records_key": hex(records.expose()),
            "sealed_records_key": hex(&public.seal_records_key(&records, &SeededEntropy::new(203))),
        });
        let frozen = include_str!("../../tests/vectors/recovery-v1.json");
        let frozen: serde_json::Value = serde_json::from_str(frozen).unwrap();
        assert!(written == frozen, "this release writes:\n{written:#}");
        let bytes = |name: &str| HEXLOWER.decode(frozen[name].as_str().unwrap().as_bytes()).unwrap();
        let private = RecoveryPrivate::parse(frozen["private"].as_str().unwrap()).unwrap();
        assert!(private.open(conversation, &bytes("lock")).unwrap() == key);
        assert_eq!(private.open_records_key(&bytes("sealed_records_key")).unwrap(), records);
    }

    #[test]
    fn files_read_back_and_halves_are_told_apart() {
        let private = RecoveryPrivate::generate(&SeededEntropy::new(1));
        let (secret, open) = (private.to_text(), private.public().to_text());
        let commented = format!("# keep offline\r\n\r\n{}\r\n", secret.expose_secret().trim());
        assert_eq!(RecoveryPrivate::parse(&commented).unwrap().public(), private.public());
        assert_eq!(RecoveryPublic::parse(&open).unwrap(), private.public());
        assert_eq!(RecoveryPublic::parse(secret.expose_secret()), Err(RecoveryKeyError::IsPrivate));
        let several = open.repeat(2);
        for text in ["", "# nothing", "zegel-recovery-public:", "zegel-recovery-public:AAAA", &open[9..], &several] {
            assert_eq!(RecoveryPublic::parse(text), Err(RecoveryKeyError::Public), "{text}");
        }
        let short = &secret.expose_secret()[..40];
        for text in ["", "zegel-recovery-private:", short] {
            assert_eq!(RecoveryPrivate::parse(text).unwrap_err(), RecoveryKeyError::Private, "{text}");
        }
        assert_eq!(RecoveryPrivate::parse(&open).unwrap_err(), RecoveryKeyError::IsPublic);
        assert!(!format!("{private:?}").contains(secret.expose_secret().trim().rsplit(':').next().unwrap()));
    }
}
