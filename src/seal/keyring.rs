//! The root keyring, the store secret, and one key per purpose.

use crate::base::{Entropy, SecretBytes};

use super::OpenError;

/// Why a keyring file is not usable; the text says what to do and never shows key bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Line `line` (from 1) is not `id:64 hexadecimal digits[:active]`.
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

/// 32-byte root keys with ids; the last line of the file is the active one, the others only open.
#[derive(Debug, Clone)]
pub struct RootKeyring {
    keys: Vec<(u32, SecretBytes<32>)>,
}

impl RootKeyring {
    /// Reads the text of a keyring file.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        todo!()
    }
    /// A keyring with one new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// The text for a keyring file (holds the keys: the caller writes it with mode 0600).
    pub fn to_text(&self) -> secrecy::SecretString {
        todo!()
    }
    /// Wraps `plain` under the active key; `context` is authenticated and must be given again.
    pub fn wrap(&self, context: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        todo!()
    }
    /// Opens what [`wrap`](Self::wrap) made, with the key that it names.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, OpenError> {
        todo!()
    }
}

/// The random secret of one data folder, kept there wrapped under the root keyring. Everything that is hashed or peppered
/// hangs on it, so that a new root key changes none of that.
#[derive(Debug)]
pub struct StoreSecret(SecretBytes<32>);

impl StoreSecret {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// For the file in the data folder.
    pub fn wrap(&self, keyring: &RootKeyring, entropy: &dyn Entropy) -> Vec<u8> {
        todo!()
    }
    /// From the file in the data folder.
    pub fn unwrap(keyring: &RootKeyring, wrapped: &[u8]) -> Result<Self, OpenError> {
        todo!()
    }
    /// One key per purpose (HKDF-SHA256, a label each).
    pub fn keys(&self) -> StoreKeys {
        todo!()
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
    index: SecretBytes<32>,
}

impl StoreKeys {
    /// The keyed hash under which something is looked up: HMAC-SHA256 over a label and the value.
    /// `label` keeps equal values of different kinds apart.
    pub fn blind(&self, label: &str, value: &[u8]) -> [u8; 32] {
        todo!()
    }
}
