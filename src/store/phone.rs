//! The telephone number of a contact: kept apart from the contact, in a place that is overwritten when it changes, and never shown.

use minicbor::{Decode, Encode};

/// A telephone number in E.164 form (`+31612345678`). Debug shows nothing.
#[derive(Clone, PartialEq, Eq, Encode, Decode, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct Phone(#[n(0)] String);

impl Phone {
    /// The number as its owner wrote it down in E.164 form; what it may be is judged before.
    #[must_use]
    pub const fn new(e164: String) -> Self {
        Self(e164)
    }

    /// In full: for the provider that sends to it, never for a log or a page.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its last three digits, by which its owner knows it.
    #[must_use]
    pub fn end(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(3)..).unwrap_or_default()
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone(…)")
    }
}
