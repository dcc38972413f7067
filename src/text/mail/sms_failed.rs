//! To the sender: the recipient asked for a code by SMS, and none comes. It says whose matter that is, and what to do.

use super::sender::{contact_command, finish};
use super::{About, Letter, LetterError, Pen, strong};
use crate::text::{Lang, Texts};

/// What is known of the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSms {
    /// Nobody can send one to this number.
    Number,
    /// It was sent and did not arrive.
    NotArrived,
    /// The organisation could not send it.
    Ours,
}

/// The mail.
#[derive(Clone, Copy)]
pub struct SmsFailed<'a> {
    /// Which message.
    pub about: About<'a>,
    /// The sender's address, as the command takes it.
    pub from: &'a str,
    /// The number, masked.
    pub number: &'a str,
    /// Why.
    pub why: NoSms,
}

impl SmsFailed<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let about = &self.about;
        let (recipient, number) = (about.recipient.in_full(pen)?, strong(self.number));
        let values = [("recipient", recipient.as_str()), ("date", about.date)];
        let set = |how: &str| contact_command(&format!("set {} {how}", about.recipient.address), self.from);
        let (why, to_do, command) = match self.why {
            NoSms::Number => ("mail-sms-number", "mail-sms-number-do", set("--sms +316…")),
            NoSms::NotArrived => ("mail-sms-late", "mail-sms-number-do", set("--sms +316…")),
            NoSms::Ours => ("mail-sms-ours", "mail-sms-ours-do", set("--code")),
        };
        let blocks = vec![
            pen.greeting(about.sender)?,
            pen.text("mail-sms-what", &values)?,
            pen.text(why, &[("number", &number)])?,
            pen.text(to_do, &[])?,
            command,
            pen.quiet("mail-asked-reference", &[("reference", &strong(about.reference))])?,
        ];
        finish(pen, "mail-sms-subject", about.recipient, blocks)
    }
}
