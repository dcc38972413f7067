//! Mails to the sender: the access code, a link closed after wrong codes, a notice that did not arrive. Each says what happened
//! and what to do now.

use super::{Block, Letter, LetterError, Pen, strong, unbroken};
use crate::text::{Lang, Texts};

/// The command that gives a contact a new code.
const NEW_CODE: &str = "zegel contact new-code";

/// Whom a mail is about.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// The name, empty where it is not known.
    pub name: &'a str,
    /// The address.
    pub address: &'a str,
}

impl Recipient<'_> {
    const fn called(&self) -> &str {
        if self.name.is_empty() { self.address } else { self.name }
    }

    /// Name and address, the more telling one strong.
    fn in_full(&self, pen: Pen<'_>) -> Result<String, LetterError> {
        if self.name.is_empty() {
            return Ok(strong(self.address));
        }
        let name = strong(self.name);
        Ok(pen.words.with("mail-recipient", &[("name", name.as_str()), ("address", self.address)])?)
    }
}

/// The access code for one recipient.
#[derive(Clone, Copy)]
pub struct CodeMail<'a> {
    /// The sender's name.
    pub sender: &'a str,
    /// For whom the code is.
    pub recipient: Recipient<'a>,
    /// The organisation's name, as the recipient sees it in the notice.
    pub organisation: &'a str,
    /// The code, grouped.
    pub code: &'a str,
    /// It takes the place of an older one.
    pub replaces: bool,
}

impl CodeMail<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let recipient = self.recipient.in_full(pen)?;
        let what = if self.replaces { "mail-code-new" } else { "mail-code-first" };
        let warning = strong(&pen.words.get("mail-code-not-by-mail")?);
        let aloud = [("organisation", self.organisation), ("code", &unbroken(self.code))];
        let blocks = vec![
            pen.greeting(self.sender)?,
            pen.text(what, &[("recipient", &recipient)])?,
            Block::Code(self.code.to_owned()),
            pen.text("mail-code-give", &[("warning", &warning)])?,
            pen.text("mail-code-aloud", &[])?,
            Block::Quote(pen.words.with("mail-code-aloud-text", &aloud)?),
            pen.quiet("mail-code-keep", &[])?,
            pen.quiet("mail-code-lost", &[("command", &strong(NEW_CODE))])?,
        ];
        let subject = pen.words.with("mail-code-subject", &[("recipient", self.recipient.called())])?;
        Ok(Letter { subject, lang, blocks })
    }
}

/// A link was closed after too many wrong codes.
#[derive(Clone, Copy)]
pub struct Closed<'a> {
    /// The sender's name.
    pub sender: &'a str,
    /// Whose link it was.
    pub recipient: Recipient<'a>,
    /// The day the message was sent.
    pub date: &'a str,
    /// The short reference.
    pub reference: &'a str,
    /// The message's id, for the administrator.
    pub message: &'a str,
}

impl Closed<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let recipient = self.recipient.in_full(pen)?;
        let blocks = vec![
            pen.greeting(self.sender)?,
            pen.text("mail-closed-what", &[("date", self.date), ("recipient", &recipient)])?,
            pen.text("mail-closed-call", &[])?,
            pen.text("mail-closed-unlock", &[])?,
            Block::Command(format!("zegel message unlock {}", self.message)),
            pen.text("mail-closed-new-code", &[("command", &strong(NEW_CODE))])?,
            pen.text("mail-closed-stranger", &[("reference", &strong(self.reference))])?,
        ];
        let subject = pen.words.with("mail-closed-subject", &[("recipient", self.recipient.called())])?;
        Ok(Letter { subject, lang, blocks })
    }
}

/// Why a notice did not arrive, in plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such mailbox.
    Unknown,
    /// The mailbox is full.
    Full,
    /// The server refuses the mail.
    Refused,
    /// The server could not be reached, or never said yes.
    Unreachable,
}

impl Reason {
    const fn id(self) -> &'static str {
        match self {
            Self::Unknown => "mail-undeliverable-unknown",
            Self::Full => "mail-undeliverable-full",
            Self::Refused => "mail-undeliverable-refused",
            Self::Unreachable => "mail-undeliverable-unreachable",
        }
    }
}

/// A notice did not arrive.
#[derive(Clone, Copy)]
pub struct Undeliverable<'a> {
    /// The sender's name.
    pub sender: &'a str,
    /// Whose notice it was.
    pub recipient: Recipient<'a>,
    /// The day the message was sent.
    pub date: &'a str,
    /// The short reference.
    pub reference: &'a str,
    /// Why.
    pub reason: Reason,
    /// The server's last answer, cleaned; may be empty.
    pub answer: &'a str,
}

impl Undeliverable<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let recipient = self.recipient.in_full(pen)?;
        let mut blocks = vec![
            pen.greeting(self.sender)?,
            pen.text("mail-undeliverable-what", &[("date", self.date), ("recipient", &recipient)])?,
            pen.text(self.reason.id(), &[])?,
        ];
        if !self.answer.is_empty() {
            blocks.push(pen.quiet("mail-undeliverable-answer", &[])?);
            blocks.push(Block::Quote(self.answer.to_owned()));
        }
        blocks.push(pen.text("mail-undeliverable-do", &[("reference", &strong(self.reference))])?);
        let subject = pen.words.with("mail-undeliverable-subject", &[("recipient", self.recipient.called())])?;
        Ok(Letter { subject, lang, blocks })
    }
}
