//! Unguessable tokens: links, session cookies, references.

use crate::base::{Entropy, SecretBytes};

use super::keyring::StoreKeys;

/// The secret part of a link: 160 random bits, 32 characters of lower-case base32. Only its hash is stored.
#[derive(Debug, Clone)]
pub struct LinkToken(SecretBytes<20>);

impl LinkToken {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// The 32 characters for the address; the caller keeps them out of logs.
    pub fn to_text(&self) -> secrecy::SecretString {
        todo!()
    }
    /// Reads the 32 characters, in either case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        todo!()
    }
    /// The key under which the grant is stored.
    pub fn hash(&self, keys: &StoreKeys) -> [u8; 32] {
        todo!()
    }
    /// The raw bytes, for an encrypted job record.
    pub const fn secret(&self) -> &SecretBytes<20> {
        &self.0
    }
    /// From the raw bytes of a job record.
    #[must_use]
    pub const fn from_secret(secret: SecretBytes<20>) -> Self {
        Self(secret)
    }
}

/// A session cookie's value: 256 random bits. Only its hash is stored.
#[derive(Debug, Clone)]
pub struct SessionToken(SecretBytes<32>);

impl SessionToken {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// For the cookie.
    pub fn to_text(&self) -> secrecy::SecretString {
        todo!()
    }
    /// From the cookie; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        todo!()
    }
    /// The key under which the session is stored.
    pub fn hash(&self, keys: &StoreKeys) -> [u8; 32] {
        todo!()
    }
}
