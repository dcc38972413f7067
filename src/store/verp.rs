//! The envelope sender of the mails that we write: an address of our own for each grant, contact or answer, so that a bounce names
//! what bounced (VERP) and comes back to this gateway and nobody else.
//!
//! The local part is `b-` and 42 characters of lower-case base32: kind, record id and ten bytes of a keyed hash over both. It
//! can be read without an index, cannot be made by a stranger, and holds no secret: an id opens nothing. Servers may change
//! its case (RFC 5321 §2.4 forbids it, some do), so it is compared in lower case.

use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq;

use crate::base::{ContactId, GrantId, MessageId};
use crate::mail::{Address, AddressError, Domain};
use crate::seal::keyring::StoreKeys;

const PREFIX: &str = "b-";
const ID: usize = 16;
const TAG: usize = 9;
const LABEL: &str = "envelope sender";

/// What a bounce is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The notice of this grant.
    Notice(GrantId),
    /// A mail to the sender about this grant.
    Sender(GrantId),
    /// The code mail of this contact.
    Code(ContactId),
    /// This answer, or the mail about it.
    Answer(MessageId),
    /// This answer, as the fallback mailbox gets it.
    AnswerCopy(MessageId),
    /// The mail that brings a one-time code for this grant.
    OneTime(GrantId),
}

impl Subject {
    fn bytes(self) -> [u8; 1 + ID] {
        let (kind, id) = match self {
            Self::Notice(grant) => (1, grant.0),
            Self::Sender(grant) => (2, grant.0),
            Self::Code(contact) => (3, contact.0),
            Self::Answer(answer) => (4, answer.0),
            Self::AnswerCopy(answer) => (5, answer.0),
            Self::OneTime(grant) => (6, grant.0),
        };
        let mut bytes = [0; 1 + ID];
        let (first, rest) = bytes.split_at_mut(1);
        first.fill(kind);
        rest.copy_from_slice(&id);
        bytes
    }

    /// The address for MAIL.
    ///
    /// # Errors
    /// Never in practice: the local part is valid, and so is the domain.
    pub fn address(self, keys: &StoreKeys, domain: &Domain) -> Result<Address, AddressError> {
        let named = self.bytes();
        let tag = keys.blind(LABEL, &named);
        let token: Vec<u8> = named.iter().chain(tag.iter().take(TAG)).copied().collect();
        format!("{PREFIX}{}@{domain}", BASE32_NOPAD.encode(&token).to_ascii_lowercase()).parse()
    }

    /// What a bounce to this address is about; `None` when the address is not ours.
    #[must_use]
    pub fn of(address: &Address, keys: &StoreKeys, domain: &Domain) -> Option<Self> {
        if address.domain() != domain {
            return None;
        }
        let local = address.local().to_ascii_uppercase();
        let token = BASE32_NOPAD.decode(local.strip_prefix("B-")?.as_bytes()).ok()?;
        let (named, tag) = token.split_at_checked(1 + ID)?;
        let expected = keys.blind(LABEL, named);
        if tag.len() != TAG || !bool::from(tag.ct_eq(expected.get(..TAG)?)) {
            return None;
        }
        let (kind, id) = named.split_first()?;
        let id: [u8; ID] = id.try_into().ok()?;
        match kind {
            1 => Some(Self::Notice(GrantId(id))),
            2 => Some(Self::Sender(GrantId(id))),
            3 => Some(Self::Code(ContactId(id))),
            4 => Some(Self::Answer(MessageId(id))),
            5 => Some(Self::AnswerCopy(MessageId(id))),
            6 => Some(Self::OneTime(GrantId(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;
    use crate::seal::keyring::StoreSecret;

    fn keys(seed: u64) -> StoreKeys {
        StoreSecret::generate(&SeededEntropy::new(seed)).keys()
    }

    #[test]
    fn an_address_names_its_subject_in_any_case_and_only_ours_do() {
        let domain: Domain = "bounce.example.nl".parse().unwrap();
        let keys_a = keys(1);
        for subject in [
            Subject::Notice(GrantId([7; 16])),
            Subject::Sender(GrantId([7; 16])),
            Subject::Code(ContactId([255; 16])),
            Subject::Answer(MessageId([3; 16])),
            Subject::AnswerCopy(MessageId([3; 16])),
        ] {
            let address = subject.address(&keys_a, &domain).unwrap();
            assert_eq!(address.local().len(), PREFIX.len() + 42);
            assert_eq!(Subject::of(&address, &keys_a, &domain), Some(subject));
            let upper: Address = address.as_str().to_uppercase().parse().unwrap();
            assert_eq!(Subject::of(&upper, &keys_a, &domain), Some(subject));
            assert_eq!(Subject::of(&address, &keys(2), &domain), None, "of another gateway");
            assert_eq!(Subject::of(&address, &keys_a, &"example.nl".parse().unwrap()), None);
        }
    }

    #[test]
    fn every_changed_character_makes_it_foreign() {
        let domain: Domain = "bounce.example.nl".parse().unwrap();
        let keys = keys(1);
        let address = Subject::Notice(GrantId([7; 16])).address(&keys, &domain).unwrap();
        for at in 0..address.local().len() {
            let mut changed = address.as_str().to_owned();
            let other = if changed[at..].starts_with('q') { "r" } else { "q" };
            changed.replace_range(at..=at, other);
            assert_eq!(Subject::of(&changed.parse().unwrap(), &keys, &domain), None, "{changed}");
        }
    }
}
