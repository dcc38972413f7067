//! Our own mark on ordinary mail, by which a mail that comes back to us is known: `X-Zegel-Loop`, a keyed hash over Message-ID, date and
//! the recipients that passed. Pure.
//!
//! - Only our own mark counts, and only for the same recipients: a mail that was delivered and is forwarded to somebody else, or that
//!   passed another organisation's gateway, is no loop.
//! - A mark that is not ours is left where it stands. Another gateway that takes part in the loop knows the mail by it at its next turn;
//!   whoever took it out would hide the loop from that one.
//! - A loop that loses the mark, or whose Message-ID changes, ends by its number of Received fields.

use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq;

use crate::mail::Address;
use crate::mail::header::HeaderFacts;

/// The field's name.
const NAME: &str = "X-Zegel-Loop";
/// Octets of the hash that are written: 160 bits.
const LENGTH: usize = 20;

/// The mark of one mail for one set of recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker(String);

impl Marker {
    /// With the hash that `mac` makes.
    pub(super) fn of<'a>(
        facts: &HeaderFacts,
        recipients: impl Iterator<Item = &'a Address>,
        mac: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> Self {
        let mut keys: Vec<String> = recipients.map(Address::key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut text = Vec::new();
        let given = [facts.message_id.as_deref(), facts.date.as_deref()].map(Option::unwrap_or_default);
        for part in given.into_iter().chain(keys.iter().map(String::as_str)) {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = mac(&text);
        Self(BASE32_NOPAD.encode(hash.get(..LENGTH).unwrap_or(&hash)).to_ascii_lowercase())
    }

    /// Whether the mail bears it already.
    pub(super) fn is_on(&self, facts: &HeaderFacts) -> bool {
        facts.loops.iter().any(|mark| mark.as_bytes().ct_eq(self.0.as_bytes()).into())
    }

    /// The field in wire form, with its CRLF.
    pub(super) fn field(&self) -> String {
        format!("{NAME}: {}\r\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::HeaderBlock;

    fn mac(text: &[u8]) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(text).into()
    }

    fn facts(header: &str) -> HeaderFacts {
        HeaderBlock::new(header.as_bytes()).facts(&[])
    }

    fn marker(header: &str, recipients: &[&str]) -> Marker {
        let recipients: Vec<Address> = recipients.iter().map(|r| r.parse().unwrap()).collect();
        Marker::of(&facts(header), recipients.iter(), mac)
    }

    #[test]
    fn a_mail_is_known_by_message_id_date_and_recipients() {
        let header = "Message-ID: <1@a.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n";
        let first = marker(header, &["a@b.example", "c@d.example"]);
        let back = format!("Received: by x\r\nX-Zegel-Loop: elsewhere\r\n{}{header}Subject: more\r\n", first.field());
        assert!(!first.is_on(&facts(header)));
        let cases: [(&str, &[&str], bool); 5] = [
            (&back, &["c@d.example", "A@B.example", "a@b.example"], true),
            (&back, &["a@b.example"], false),
            (&back, &["a@b.example", "c@d.example", "e@f.example"], false),
            (&back.replace("<1@", "<2@"), &["a@b.example", "c@d.example"], false),
            (&back.replace("10:00", "10:01"), &["a@b.example", "c@d.example"], false),
        ];
        for (header, recipients, expected) in cases {
            assert_eq!(marker(header, recipients).is_on(&facts(header)), expected, "{recipients:?} {header}");
        }
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_counts() {
        assert_ne!(marker("Message-ID: <ab>\r\nDate: c\r\n", &[]), marker("Message-ID: <a>\r\nDate: bc\r\n", &[]));
    }
}
