//! From a letter to the bytes of a mail (RFC 5322, RFC 2045): `multipart/alternative`, text and HTML with the same words,
//! encoded so that every byte is ASCII and every line short.
//!
//! What a mail says of itself: no `List-*` and no `Precedence`, since each is one mail for one person. A notice carries no
//! `Auto-Submitted` either: a person wrote the message that it announces, and that person wants to hear of an absence; its
//! auto-reply goes to the envelope sender, which answers nothing, so no loop can start (RFC 3834 §2 asks the field only of mail
//! that no person caused). The mails to senders are made by the gateway alone and say `auto-generated` (RFC 3834 §5.1).
//!
//! The bytes depend on job, letter and date alone: an attempt after a lost reply has the same Message-ID, so that the
//! recipient's server can tell the repeat.

use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address as AddressField;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use zeroize::Zeroizing;

use crate::base::{JobId, Timestamp};
use crate::mail::{Address, Domain};
use crate::text::mail::{Letter, LetterError};

/// A name (cleaned, may be empty) and an address.
#[derive(Clone)]
pub(super) struct Mailbox {
    pub name: String,
    pub address: Address,
}

/// Everything of a mail but its words.
#[derive(Clone)]
pub(super) struct Head {
    pub from: Mailbox,
    pub to: Mailbox,
    pub date: Timestamp,
    /// Names the mail in its Message-ID and its boundary.
    pub job: JobId,
    /// The domain of the Message-ID.
    pub domain: Domain,
    /// Whether the gateway alone made this mail.
    pub generated: bool,
}

/// The bytes of the mail, CRLF line ends, ending in CRLF.
pub(super) fn compose(head: &Head, letter: &Letter) -> Result<Zeroizing<Vec<u8>>, LetterError> {
    let mut mail = MessageBuilder::new()
        .from(field(&head.from))
        .to(field(&head.to))
        .subject(letter.subject.clone())
        .date(Date::new(i64::try_from(head.date.secs()).unwrap_or(i64::MAX)))
        .message_id(format!("{}@{}", head.job, head.domain));
    if head.generated {
        mail = mail.header("Auto-Submitted", Raw::new("auto-generated"));
    }
    let language = || HeaderType::from(Raw::new(letter.lang.tag()));
    // "=_" stands in no quoted-printable line, and the job's id in no text: the boundary cannot occur in a part.
    let boundary = format!("=_{}", head.job);
    let kind = ContentType::new("multipart/alternative").attribute("boundary", boundary);
    let parts = vec![MimePart::new("text/plain", letter.text()), MimePart::new("text/html", letter.html()?)];
    let mail = mail.header("Content-Language", language()).body(MimePart::new(kind, parts));
    let mut bytes = Zeroizing::new(Vec::with_capacity(32 * 1024));
    mail.serialize(&mut *bytes);
    Ok(bytes)
}

pub(super) fn field(mailbox: &Mailbox) -> AddressField<'_> {
    let name = if mailbox.name.is_empty() { None } else { Some(mailbox.name.as_str()) };
    AddressField::new_address(name, mailbox.address.as_str())
}
