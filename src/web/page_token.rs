//! The page token: a form of ours, for this link and this purpose, not older than a day. It needs no session and opens nothing.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::{GrantId, SecretBytes, Timestamp};
use crate::store::records::Wish;

/// How long a page may stand open. The code field survives a night beside the letter that brings the code.
const LIFE: Duration = Duration::from_hours(24);

/// What a form does; a token for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Opens a message with a code.
    Open,
    /// Asks for a one-time code.
    SendCode,
    /// Asks the sender for something.
    Ask(Wish),
    /// Writes an answer.
    Answer,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Open => b"zegel page token v1: open\0",
            Self::SendCode => b"zegel page token v1: send code\0",
            Self::Ask(Wish::OtherNumber) => b"zegel page token v1: other number\0",
            Self::Ask(Wish::Code) => b"zegel page token v1: no code\0",
            Self::Ask(Wish::OtherProof) => b"zegel page token v1: other proof\0",
            Self::Ask(Wish::Again) => b"zegel page token v1: again\0",
            Self::Answer => b"zegel page token v1: answer\0",
        }
    }
}

/// Makes the token of a page shown `now`.
pub(super) fn make(key: &SecretBytes<32>, purpose: Purpose, grant: GrantId, now: Timestamp) -> String {
    let tag = mac(key, purpose, grant, now).finalize().into_bytes();
    let tag = tag.get(..16).unwrap_or_default();
    format!("{}.{}", now.millis(), BASE32_NOPAD.encode(tag).to_ascii_lowercase())
}

/// How long ago the page was shown; `None` when the token is not ours, for another link or purpose, or too old.
pub(super) fn age(
    key: &SecretBytes<32>,
    purpose: Purpose,
    grant: GrantId,
    now: Timestamp,
    token: &str,
) -> Option<Duration> {
    let (millis, tag) = token.split_once('.')?;
    let shown = Timestamp(millis.parse().ok()?);
    let tag = BASE32_NOPAD.decode(tag.to_ascii_uppercase().as_bytes()).ok()?;
    if tag.len() != 16 {
        return None;
    }
    mac(key, purpose, grant, shown).verify_truncated_left(&tag).ok()?;
    let age = now.since(shown);
    (age <= LIFE).then_some(age)
}

#[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes keys of any length")]
fn mac(key: &SecretBytes<32>, purpose: Purpose, grant: GrantId, shown: Timestamp) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("a key of 32 bytes");
    mac.update(purpose.label());
    mac.update(grant.as_bytes());
    mac.update(&shown.millis().to_be_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_link_within_a_day() {
        let (key, other) = (SecretBytes::new([1; 32]), SecretBytes::new([2; 32]));
        let (grant, elsewhere) = (GrantId([3; 16]), GrantId([4; 16]));
        let shown = Timestamp::from_secs(1_795_255_200);
        let token = make(&key, Purpose::Open, grant, shown);
        let check =
            |key, grant, after, token: &str| age(key, Purpose::Open, grant, shown + Duration::from_secs(after), token);
        assert_eq!(check(&key, grant, 90, &token), Some(Duration::from_secs(90)));
        assert_eq!(check(&key, grant, 24 * 3600, &token), Some(LIFE));
        assert_eq!(check(&key, grant, 24 * 3600 + 1, &token), None);
        assert_eq!(check(&other, grant, 1, &token), None);
        assert_eq!(check(&key, elsewhere, 1, &token), None);
        for purpose in [Purpose::SendCode].into_iter().chain(Wish::ALL.map(Purpose::Ask)) {
            assert_eq!(age(&key, purpose, grant, shown, &token), None, "{purpose:?}");
            assert!(age(&key, purpose, grant, shown, &make(&key, purpose, grant, shown)).is_some());
        }
        let (millis, tag) = token.split_once('.').unwrap();
        let later = shown.millis() + 1;
        for wrong in
            ["", ".", "x", millis, tag, &format!("{later}.{tag}"), &format!("{millis}."), &format!("{token}aa")]
        {
            assert_eq!(check(&key, grant, 1, wrong), None, "{wrong}");
        }
    }
}
