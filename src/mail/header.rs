//! The header of a mail as facts for policy and page. Only this module and [`super::mime`] touch `mail-parser`.
//!
//! Reads what the next reader would read, also of odd headers: duplicates, folds, encoded words, mixed case. Where two readers
//! could differ, the facts say so ([`HeaderFacts::ambiguous`]) and policy takes the safe side.

use super::Address;

/// One field as it stands in the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written.
    pub name: &'a str,
    /// Everything of the field with its folds and final CRLF.
    pub raw: &'a [u8],
}

/// The header block of one mail, without the empty line.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBlock<'a> {
    raw: &'a [u8],
}

impl<'a> HeaderBlock<'a> {
    /// Over the bytes up to the empty line.
    #[must_use]
    pub const fn new(raw: &'a [u8]) -> Self {
        Self { raw }
    }
    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        std::iter::empty()
    }
    /// Reads the facts. Never panics; a header that the parser stumbles over is `ambiguous`.
    #[must_use]
    pub fn facts(&self) -> HeaderFacts {
        todo!()
    }
    /// The header as it is stored: without Bcc, Resent-Bcc, Zegel-* and zivver-* fields, and with the subject tag removed. All else
    /// keeps its bytes.
    #[must_use]
    pub fn stored(&self) -> Vec<u8> {
        todo!()
    }
}

/// What a header says, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// Every address in every From field, with display name.
    pub from: Vec<(String, Address)>,
    /// A From field is missing, there are several, or one does not parse.
    pub from_doubtful: bool,
    /// To and Cc as people read them, for the page.
    pub to: String,
    /// See `to`.
    pub cc: String,
    /// The subject, decoded, with its tag.
    pub subject: String,
    /// The subject without tag.
    pub subject_untagged: String,
    /// The tag's flags, lower case, in order (`veilig`, `30d`, `code`); empty without a tag.
    pub tag: Vec<String>,
    /// `Sensitivity:` values, lower case.
    pub sensitivity: Vec<String>,
    /// `Zegel-Secure:` values, lower case.
    pub zegel_secure: Vec<String>,
    /// `Zegel-Expires:` and `zivver-message-expiration:` values.
    pub expires: Vec<String>,
    /// `Zegel-Proof:` and `zivver-access-right:` values.
    pub proofs: Vec<String>,
    /// Any other `zivver-*` field that asks for security is present.
    pub zivver: bool,
    /// `Message-ID`, without brackets.
    pub message_id: Option<String>,
    /// `Date`, as written.
    pub date: Option<String>,
    /// `Auto-Submitted` is present and not `no`.
    pub auto_submitted: bool,
    /// Number of Received fields.
    pub received: usize,
    /// `X-OriginatorOrg` values.
    pub originator_orgs: Vec<String>,
    /// Two readers could read a deciding field differently.
    pub ambiguous: bool,
}
