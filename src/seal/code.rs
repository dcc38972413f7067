//! Access codes: made, normalised, and kept only as Argon2id verifiers (RFC 9106) with a pepper from outside the record.

use secrecy::SecretString;

use crate::base::{Entropy, SecretBytes};

/// Cost of one verification: memory in KiB, passes, lanes. Never below m=19 MiB, t=2, p=1 in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// A code in clear: lives in the mail that brings it and in the request that tries it.
#[derive(Debug, Clone)]
pub struct AccessCode(SecretString);

impl AccessCode {
    /// Eight random digits, each code equally likely.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        todo!()
    }
    /// What a person typed, with spaces, dashes and full-width digits folded away. `None` when nothing is left (an empty
    /// field is no attempt) or more than 64 characters are.
    pub fn normalise(typed: &str) -> Option<Self> {
        todo!()
    }
    /// The digits without spaces.
    pub fn expose(&self) -> &str {
        todo!()
    }
    /// As people read it aloud: `1234 5678`.
    pub fn grouped(&self) -> SecretString {
        todo!()
    }
}

/// What we keep of a code: version, cost, salt and Argon2id output. Erasable; opens nothing without the pepper.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Verifier {
    #[n(0)]
    memory_kib: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
    #[cbor(n(3), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[cbor(n(4), with = "minicbor::bytes")]
    hash: [u8; 32],
}

/// The cost cannot be paid (memory) or is outside what Argon2 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code could not be hashed")]
pub struct HashError;

impl Verifier {
    /// Hashes a code. Takes tens of milliseconds and [`Cost::memory_kib`]: run it on a blocking thread behind a semaphore.
    pub fn new(
        code: &AccessCode,
        pepper: &SecretBytes<32>,
        cost: Cost,
        entropy: &dyn Entropy,
    ) -> Result<Self, HashError> {
        todo!()
    }
    /// Compares in constant time; same caution as [`new`](Self::new).
    pub fn matches(&self, code: &AccessCode, pepper: &SecretBytes<32>) -> Result<bool, HashError> {
        todo!()
    }
}
