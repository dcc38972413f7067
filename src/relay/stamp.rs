//! A secret header field by which an organisation's own mail is known where a provider sends for all its customers from the same
//! addresses. The organisation's routing rule at the provider sets it; we check it and take it out. Pure.
//!
//! - Every occurrence must hold the secret, and there must be one: a rule that adds a field beside a forged one proves nothing.
//! - It is never passed on, stored, logged or shown: whoever knows it could send as the organisation.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::mail::header::HeaderBlock;

/// Characters of a secret at least: it is compared in constant time, but without a limit on guesses.
const SHORTEST: usize = 20;

/// The field's name and its secret value.
#[derive(Clone)]
pub struct Stamp {
    key: String,
    value: SecretString,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp").field("name", &self.key).finish_non_exhaustive()
    }
}

impl Stamp {
    /// `None` for a name that is no header field of one's own (it starts with `X-`), and for a value that is too short (20 characters) or
    /// that could not stand in a field as it is.
    #[must_use]
    pub fn new(name: &str, value: SecretString) -> Option<Self> {
        let key = name.to_ascii_lowercase();
        let named = key.strip_prefix("x-").is_some_and(|rest| !rest.is_empty())
            && key.len() <= 70
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let text = value.expose_secret();
        let fits = (SHORTEST..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        (named && fits).then_some(Self { key, value })
    }

    /// Whether the field stands there, with the secret in every occurrence.
    pub(super) fn is_on(&self, header: &HeaderBlock<'_>) -> bool {
        let mut present = Choice::from(0);
        let mut all = Choice::from(1);
        for field in header.fields().filter(|field| field.key() == self.key) {
            present |= Choice::from(1);
            all &= field.text().as_bytes().ct_eq(self.value.expose_secret().as_bytes());
        }
        (present & all).into()
    }

    /// The header block without the field.
    pub(super) fn without(&self, header: &HeaderBlock<'_>) -> Vec<u8> {
        header.fields().filter(|field| field.key() != self.key).flat_map(|field| field.raw).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "q7TzU1cV0mYp3kWnR5xB";

    #[test]
    fn every_occurrence_holds_the_secret_and_goes() {
        let stamp = Stamp::new("X-Voorbeeld-Zegel", SECRET.into()).unwrap();
        let cases = [
            ("", false),
            ("X-Voorbeeld-Zegel: SECRET\r\n", true),
            ("x-voorbeeld-zegel:SECRET  \r\n", true),
            ("X-Voorbeeld-Zegel:\r\n SECRET\r\n", true),
            ("X-Voorbeeld-Zegel: SECRET\r\nX-VOORBEELD-ZEGEL: SECRET\r\n", true),
            ("X-Voorbeeld-Zegel: SECRET\r\nX-Voorbeeld-Zegel: other\r\n", false),
            ("X-Voorbeeld-Zegel: other\r\nX-Voorbeeld-Zegel: SECRET\r\n", false),
            ("X-Voorbeeld-Zegel : other\r\nX-Voorbeeld-Zegel: SECRET\r\n", false),
            ("X-Voorbeeld-Zegel: SECRETSECRET\r\n", false),
            ("X-Voorbeeld-Zegel: SECRET, SECRET\r\n", false),
            ("X-Voorbeeld-Zegel:\r\n", false),
            ("X-Voorbeeld: SECRET\r\n", false),
        ];
        for (fields, expected) in cases {
            let fields = fields.replace("SECRET", SECRET);
            let raw = format!("From: a@b.example\r\n{fields}Subject: x\r\n fold\r\n");
            let block = HeaderBlock::new(raw.as_bytes());
            assert_eq!(stamp.is_on(&block), expected, "{fields}");
            let kept = String::from_utf8(stamp.without(&block)).unwrap();
            assert!(!expected || kept == "From: a@b.example\r\nSubject: x\r\n fold\r\n", "{kept}");
        }
    }

    #[test]
    fn what_is_no_stamp() {
        let cases = [
            ("X-Zegel", SECRET, true),
            ("X-", SECRET, false),
            ("Subject", SECRET, false),
            ("X-A B", SECRET, false),
            ("X-A:", SECRET, false),
            ("X-A", "short", false),
            ("X-A", "q7TzU1cV0mYp3kWnR5x B", false),
            ("X-A", "q7TzU1cV0mYp3kWnR5xBé", false),
        ];
        for (name, value, expected) in cases {
            assert_eq!(Stamp::new(name, value.into()).is_some(), expected, "{name}: {value}");
        }
        assert!(!format!("{:?}", Stamp::new("X-Zegel", SECRET.into())).contains(SECRET));
    }
}
