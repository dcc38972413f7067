//! Random 128-bit identifiers, one type per kind of record so that they cannot be mixed up.
//!
//! Written as 26 characters of lower-case base32 (RFC 4648 §6, no padding). An id names a record; it opens nothing.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;

use super::Entropy;
use super::entropy::random;

/// The text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 26 characters a-z and 2-7 are expected")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

        impl $name {
            /// A new random identifier.
            pub fn random(entropy: &dyn Entropy) -> Self {
                Self(random(entropy))
            }

            /// The 16 bytes, as used in keys of records.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| InvalidId)?;
                bytes.try_into().map(Self).map_err(|_| InvalidId)
            }
        }
    };
}

id!(
    /// Names one sealed mail.
    MessageId
);
id!(
    /// Names the messages between one sender and one recipient in one thread.
    ConversationId
);
id!(
    /// Names our record of one link.
    GrantId
);
id!(
    /// Names one piece of work of the queue.
    JobId
);
id!(
    /// Names one request for a one-time code; the code follows from it.
    ChallengeId
);
id!(
    /// Names what one sender knows of one recipient address.
    ContactId
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    #[test]
    fn text_form_round_trips() {
        let id = MessageId::random(&SeededEntropy::new(1));
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("x".parse::<MessageId>(), Err(InvalidId));
    }
}
