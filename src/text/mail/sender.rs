//! Mails to the sender: the access code, a link closed after wrong codes, a notice that did not arrive; and to the fallback mailbox, a
//! code that did not arrive. Each says what happened and what to do now.

use super::{Block, Letter, LetterError, Pen, strong, unbroken};
use crate::text::{Lang, Texts};

/// The command that gives a contact a new code.
const NEW_CODE: &str = "zegel contact new-code";

/// A command about the contact, as the sender's administrator types it. `from` is the sender's address.
pub(super) fn contact_command(what: &str, from: &str) -> Block {
    Block::Command(format!("zegel contact {what} --sender {from}"))
}

/// The one that changes how the recipient of a mail opens it: `how` as an option of `zegel contact set`.
pub(super) fn set_command(about: &About<'_>, how: &str, from: &str) -> Block {
    contact_command(&format!("set {} {how}", about.recipient.address), from)
}

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
    pub(super) fn in_full(&self, pen: Pen<'_>) -> Result<String, LetterError> {
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
    /// It is a strict one: what it opens, nothing else opens.
    pub strict: bool,
}

impl CodeMail<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let recipient = self.recipient.in_full(pen)?;
        let what = match (self.replaces, self.strict) {
            (false, _) => "mail-code-first",
            (true, false) => "mail-code-new",
            (true, true) => "mail-code-new-strict",
        };
        let lost = if self.strict { "mail-code-lost-strict" } else { "mail-code-lost" };
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
            pen.quiet(lost, &[("command", &strong(NEW_CODE))])?,
        ];
        finish(pen, "mail-code-subject", self.recipient, blocks)
    }
}

/// Which message a mail to the sender is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The sender's name.
    pub sender: &'a str,
    /// The recipient.
    pub recipient: Recipient<'a>,
    /// The day the message was sent.
    pub date: &'a str,
    /// The short reference.
    pub reference: &'a str,
}

impl About<'_> {
    /// Greeting, and what happened.
    fn begin(&self, pen: Pen<'_>, what: &'static str) -> Result<Vec<Block>, LetterError> {
        let recipient = self.recipient.in_full(pen)?;
        Ok(vec![pen.greeting(self.sender)?, pen.text(what, &[("date", self.date), ("recipient", &recipient)])?])
    }

    fn finish(&self, pen: Pen<'_>, subject: &'static str, blocks: Vec<Block>) -> Result<Letter, LetterError> {
        finish(pen, subject, self.recipient, blocks)
    }
}

pub(super) fn finish(
    pen: Pen<'_>,
    subject: &'static str,
    recipient: Recipient<'_>,
    blocks: Vec<Block>,
) -> Result<Letter, LetterError> {
    let subject = pen.words.with(subject, &[("recipient", recipient.called())])?;
    Ok(Letter { subject, lang: pen.words.lang(), blocks })
}

/// A link was closed after too many wrong codes.
#[derive(Clone, Copy)]
pub struct Closed<'a> {
    /// Whose link it was.
    pub about: About<'a>,
    /// The message's id, for the administrator.
    pub message: &'a str,
    /// Kept in strict mode: a new code does not open it.
    pub strict: bool,
}

impl Closed<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let new_code = if self.strict { "mail-closed-new-code-strict" } else { "mail-closed-new-code" };
        let mut blocks = self.about.begin(pen, "mail-closed-what")?;
        blocks.extend([
            pen.text("mail-closed-call", &[])?,
            pen.text("mail-closed-unlock", &[])?,
            Block::Command(format!("zegel message unlock {}", self.message)),
            pen.text(new_code, &[("command", &strong(NEW_CODE))])?,
            pen.text("mail-closed-stranger", &[("reference", &strong(self.about.reference))])?,
        ]);
        self.about.finish(pen, "mail-closed-subject", blocks)
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
    /// The message ended before a server took it.
    Ended,
}

impl Reason {
    const fn id(self) -> &'static str {
        match self {
            Self::Unknown => "mail-undeliverable-unknown",
            Self::Full => "mail-undeliverable-full",
            Self::Refused => "mail-undeliverable-refused",
            Self::Unreachable => "mail-undeliverable-unreachable",
            Self::Ended => "mail-undeliverable-ended",
        }
    }
}

/// What a server said, where it said something.
fn quote(pen: Pen<'_>, answer: &str, blocks: &mut Vec<Block>) -> Result<(), LetterError> {
    if !answer.is_empty() {
        blocks.push(pen.quiet("mail-undeliverable-answer", &[])?);
        blocks.push(Block::Quote(answer.to_owned()));
    }
    Ok(())
}

/// A notice did not arrive.
#[derive(Clone, Copy)]
pub struct Undeliverable<'a> {
    /// Whose notice it was.
    pub about: About<'a>,
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
        let mut blocks = self.about.begin(pen, "mail-undeliverable-what")?;
        blocks.push(pen.text(self.reason.id(), &[])?);
        quote(pen, self.answer, &mut blocks)?;
        blocks.push(pen.text("mail-undeliverable-do", &[("reference", &strong(self.about.reference))])?);
        self.about.finish(pen, "mail-undeliverable-subject", blocks)
    }
}

/// A code did not arrive at its sender's mailbox: for the fallback mailbox.
#[derive(Clone, Copy)]
pub struct CodeUndeliverable<'a> {
    /// The mailbox that should have got the code.
    pub mailbox: &'a str,
    /// Whose code it is.
    pub recipient: Recipient<'a>,
    /// The server's last answer, cleaned; may be empty.
    pub answer: &'a str,
}

impl CodeUndeliverable<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let recipient = self.recipient.in_full(pen)?;
        let mailbox = strong(self.mailbox);
        let mut blocks = vec![
            pen.greeting("")?,
            pen.text("mail-code-failed-what", &[("mailbox", &mailbox), ("recipient", &recipient)])?,
        ];
        quote(pen, self.answer, &mut blocks)?;
        blocks.push(pen.text("mail-code-failed-do", &[("command", &strong(NEW_CODE))])?);
        finish(pen, "mail-code-failed-subject", self.recipient, blocks)
    }
}
