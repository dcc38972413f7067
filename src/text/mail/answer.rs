//! The mail to who wrote an answer that did not arrive: what happened and what to do, and nothing of the answer.

use super::{Letter, LetterError, Pen, strong, unbroken};
use crate::text::{Lang, Texts};

/// An answer did not arrive at its sender's mailbox.
#[derive(Clone, Copy)]
pub struct AnswerLost<'a> {
    /// The name of who wrote it, empty where it is not known.
    pub writer: &'a str,
    /// Whom it was for: a person's name, or the organisation's.
    pub sender: &'a str,
    /// The organisation's name.
    pub organisation: &'a str,
    /// Its telephone number.
    pub phone: &'a str,
    /// The day it was written.
    pub date: &'a str,
    /// The reference in the notice of the message that it answers.
    pub reference: &'a str,
    /// No other mailbox of the organisation took it either.
    pub lost: bool,
}

impl AnswerLost<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let (sender, organisation) = (strong(self.sender), self.organisation);
        let what = [("sender", sender.as_str()), ("date", self.date)];
        let next = if self.lost { "mail-answer-lost-call" } else { "mail-answer-lost-passed" };
        let phone = unbroken(self.phone);
        let values = [("organisation", organisation), ("phone", phone.as_str()), ("sender", self.sender)];
        let blocks = vec![
            pen.greeting(self.writer)?,
            pen.text("mail-answer-lost-what", &what)?,
            pen.text(next, &values)?,
            pen.quiet("mail-answer-lost-reference", &[("reference", &strong(self.reference))])?,
        ];
        let subject = pen.words.with("mail-answer-lost-subject", &[("sender", self.sender)])?;
        Ok(Letter { subject, lang, blocks })
    }
}
