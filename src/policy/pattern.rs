//! Address and domain patterns of rules.

use std::str::FromStr;

use crate::mail::{Address, AddressError, Domain};

/// An address or domain pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One address, compared by [`Address::key`].
    Address(String),
    /// A domain, without names below it.
    Domain(Domain),
    /// All names below a domain, without itself.
    Below(Domain),
}

impl Pattern {
    /// Whether an address falls under it.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::Address(key) => address.key() == *key,
            Self::Domain(domain) => address.domain() == domain,
            Self::Below(parent) => address.domain() != parent && address.domain().is_within(parent),
        }
    }
}

impl FromStr for Pattern {
    type Err = AddressError;

    /// `jan@example.nl`, `example.nl` (also written `@example.nl`), or `*.example.nl`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Some(parent) = text.strip_prefix("*.") {
            return Ok(Self::Below(parent.parse()?));
        }
        match text.strip_prefix('@') {
            Some(domain) => Ok(Self::Domain(domain.parse()?)),
            None if text.contains('@') => Ok(Self::Address(text.parse::<Address>()?.key())),
            None => Ok(Self::Domain(text.parse()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, address, matches) in [
            ("jan@a.example", "Jan@A.example", true),
            ("JAN@A.EXAMPLE", "jan@a.example", true),
            ("jan@a.example", "jan@b.a.example", false),
            ("jan@a.example", "jan2@a.example", false),
            ("a.example", "jan@a.example", true),
            ("@a.example", "jan@a.example", true),
            ("a.example", "jan@b.a.example", false),
            ("a.example", "jan@ba.example", false),
            ("*.a.example", "jan@b.a.example", true),
            ("*.a.example", "jan@c.b.a.example", true),
            ("*.a.example", "jan@a.example", false),
            ("*.a.example", "jan@ba.example", false),
            ("bücher.example", "jan@xn--bcher-kva.example", true),
        ] {
            let read: Pattern = pattern.parse().unwrap();
            assert_eq!(read.matches(&address.parse().unwrap()), matches, "{pattern} {address}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "*", "*.", "@", "a@", "*@a.example.", "a..b", "*.*.b", "a b"] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }
}
