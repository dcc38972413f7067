//! Passwords of mail clients: kept only as Argon2id hashes in the PHC string format, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, which
//! other programs make and read too.
//!
//! - A hash that asks for more memory or time than any sensible one is not taken: a file must not be able to take the machine.
//! - Comparing takes the same time whether the password is right or wrong, and [`PasswordHash::decoy`] is for names that nobody has.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::Entropy;
use crate::base::entropy::random;

use super::code::{Cost, HIGHEST, HashError};
use super::hashers::Memory;

/// Octets of the hashes that we make (RFC 9106 §3.1: 4 or more).
const LENGTH: usize = 32;
/// Octets of a hash at least: a shorter one would be met by chance.
const SHORTEST: usize = 16;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A text is no hash that we can compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// Not a PHC string.
    #[error("not a hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash)")]
    Format,
    /// Another function, or another version of it.
    #[error("only argon2id, version 19, is taken")]
    Function,
    /// More memory, passes or lanes than we would pay, or fewer than Argon2 allows.
    #[error("its memory, passes or lanes are out of bounds")]
    Cost,
    /// No salt, no hash, or one that is too short.
    #[error("its salt or hash is missing or too short")]
    Short,
}

impl PasswordHash {
    /// Hashes a password. Takes tens of milliseconds and the memory of `cost`: run it on a blocking thread, in the memory of a
    /// [`Turn`](super::hashers::Turn).
    ///
    /// # Errors
    /// [`HashError`].
    pub fn new(password: &[u8], cost: Cost, entropy: &dyn Entropy, memory: &mut Memory) -> Result<Self, HashError> {
        let salt = random::<16>(entropy).to_vec();
        let hash = hash(password, cost, &salt, LENGTH, memory)?.to_vec();
        Ok(Self { cost, salt, hash })
    }

    /// The hash of no password that costs as much as this one.
    #[must_use]
    pub fn decoy(&self, entropy: &dyn Entropy) -> Self {
        Self { cost: self.cost, ..Self::of_nobody(entropy) }
    }

    /// The hash of no password, at the usual cost.
    #[must_use]
    pub fn of_nobody(entropy: &dyn Entropy) -> Self {
        let (salt, hash) = (random::<16>(entropy).to_vec(), random::<LENGTH>(entropy).to_vec());
        Self { cost: Cost::default(), salt, hash }
    }

    /// Compares in constant time; same caution as [`new`](Self::new).
    ///
    /// # Errors
    /// [`HashError`]: nothing is known of the password.
    pub fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, HashError> {
        let made = hash(password, self.cost, &self.salt, self.hash.len(), memory)?;
        Ok(made.ct_eq(&self.hash).into())
    }
}

/// Argon2id of a password.
fn hash(
    password: &[u8],
    cost: Cost,
    salt: &[u8],
    len: usize,
    memory: &mut Memory,
) -> Result<Zeroizing<Vec<u8>>, HashError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(len)).map_err(|_| HashError)?;
    let mut out = Zeroizing::new(vec![0; len]);
    memory.hash(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), password, salt, &mut out)?;
    Ok(out)
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let read = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::Format)?;
        if read.algorithm.as_str() != "argon2id" || read.version != Some(Version::V0x13.into()) {
            return Err(PasswordHashError::Function);
        }
        let (Some(salt), Some(hash)) = (&read.salt, &read.hash) else { return Err(PasswordHashError::Short) };
        if hash.len() < SHORTEST {
            return Err(PasswordHashError::Short);
        }
        let params = Params::try_from(&read).map_err(|_| PasswordHashError::Cost)?;
        let cost = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        if cost.memory_kib > HIGHEST.memory_kib || cost.passes > HIGHEST.passes || cost.lanes > HIGHEST.lanes {
            return Err(PasswordHashError::Cost);
        }
        Ok(Self { cost, salt: salt.as_ref().to_vec(), hash: hash.as_bytes().to_vec() })
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let base64 = &data_encoding::BASE64_NOPAD;
        let (salt, hash) = (base64.encode(&self.salt), base64.encode(&self.hash));
        write!(f, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    #[test]
    fn a_hash_knows_its_password_and_survives_its_text() {
        let memory = &mut Memory::default();
        let hash = PasswordHash::new("één".as_bytes(), CHEAP, &SeededEntropy::new(1), memory).unwrap();
        let text = hash.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
        let hash: PasswordHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        for (password, right) in [("één", true), ("een", false), ("", false), ("één ", false)] {
            assert_eq!(hash.matches(password.as_bytes(), memory), Ok(right), "{password:?}");
        }
        let decoy = hash.decoy(&SeededEntropy::new(2));
        assert_eq!((decoy.cost, decoy.matches("één".as_bytes(), memory)), (hash.cost, Ok(false)));
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }

    #[test]
    fn a_hash_that_another_program_made_is_read() {
        // The reference implementation's own test: password "password", salt "somesalt", m=65536, t=2, p=1.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash: PasswordHash = text.parse().unwrap();
        assert_eq!(hash.matches(b"password", &mut Memory::default()), Ok(true));
        assert_eq!(hash.to_string(), text);
    }

    #[test]
    fn what_is_no_hash_is_named() {
        use PasswordHashError::{Cost, Format, Function, Short};
        let cases = [
            ("", Format),
            ("secret", Format),
            ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Function),
            ("$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Function),
            ("$argon2id$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Function),
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", Short),
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFQ", Short),
            ("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Cost),
            ("$argon2id$v=19$m=65536,t=99999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Cost),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<PasswordHash>(), Err(expected), "{text}");
        }
    }
}
