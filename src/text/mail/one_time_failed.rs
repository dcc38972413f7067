//! To the sender: the recipient asked for a one-time code, and none comes. It says whose matter that is, and what to do.

use super::sender::{finish, set_command};
use super::{About, Letter, LetterError, Pen, strong};
use crate::text::{Lang, Texts};

/// What is known of the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCode<'a> {
    /// Nobody can send an SMS to this number, masked.
    Number(&'a str),
    /// The SMS was sent to this number and did not arrive.
    NotArrived(&'a str),
    /// The organisation could not send an SMS to this number.
    NotTexted(&'a str),
    /// The recipient's mail server did not take the mail.
    Mailbox,
    /// The organisation could not send the mail.
    NotMailed,
}

/// The mail.
#[derive(Clone, Copy)]
pub struct OneTimeFailed<'a> {
    /// Which message.
    pub about: About<'a>,
    /// The sender's address, as the command takes it.
    pub from: &'a str,
    /// Why.
    pub why: NoCode<'a>,
}

impl OneTimeFailed<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let about = &self.about;
        let recipient = about.recipient.in_full(pen)?;
        let values = [("recipient", recipient.as_str()), ("date", about.date)];
        let set = |how| set_command(about, how, self.from);
        let (subject, what) = match self.why {
            NoCode::Number(_) | NoCode::NotArrived(_) | NoCode::NotTexted(_) => ("mail-sms-subject", "mail-sms-what"),
            NoCode::Mailbox | NoCode::NotMailed => ("mail-once-failed-subject", "mail-once-failed-what"),
        };
        let (why, number, to_do, command) = match self.why {
            NoCode::Number(number) => ("mail-sms-number", number, "mail-sms-number-do", set("--sms +316…")),
            NoCode::NotArrived(number) => ("mail-sms-late", number, "mail-sms-number-do", set("--sms +316…")),
            NoCode::NotTexted(number) => ("mail-sms-ours", number, "mail-sms-ours-do", set("--code")),
            NoCode::Mailbox => ("mail-once-failed-refused", "", "mail-once-failed-refused-do", set("--code")),
            NoCode::NotMailed => ("mail-once-failed-ours", "", "mail-once-failed-ours-do", set("--code")),
        };
        let blocks = vec![
            pen.greeting(about.sender)?,
            pen.text(what, &values)?,
            pen.text(why, &[("number", &strong(number))])?,
            pen.text(to_do, &[])?,
            command,
            pen.quiet("mail-asked-reference", &[("reference", &strong(about.reference))])?,
        ];
        finish(pen, subject, about.recipient, blocks)
    }
}
