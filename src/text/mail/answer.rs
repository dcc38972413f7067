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
    /// What became of it.
    pub fate: Fate,
}

/// What became of an answer that did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Another mailbox of the organisation took it.
    Passed,
    /// None did.
    Lost,
    /// It goes nowhere: there is malware in a file of it.
    Infected,
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
        let (what_happened, next) = match self.fate {
            Fate::Passed => ("mail-answer-lost-what", "mail-answer-lost-passed"),
            Fate::Lost => ("mail-answer-lost-what", "mail-answer-lost-call"),
            Fate::Infected => ("mail-answer-infected-what", "mail-answer-infected-next"),
        };
        let phone = unbroken(self.phone);
        let values = [("organisation", organisation), ("phone", phone.as_str()), ("sender", self.sender)];
        let blocks = vec![
            pen.greeting(self.writer)?,
            pen.text(what_happened, &what)?,
            pen.text(next, &values)?,
            pen.quiet("mail-answer-lost-reference", &[("reference", &strong(self.reference))])?,
        ];
        let subject = pen.words.with("mail-answer-lost-subject", &[("sender", self.sender)])?;
        Ok(Letter { subject, lang, blocks })
    }
}

/// There is an answer for a sender who stands outside the organisation's own domains: it went to a mailbox of the organisation.
#[derive(Clone, Copy)]
pub struct AnswerNotice<'a> {
    /// The organisation's name.
    pub organisation: &'a str,
    /// Its telephone number.
    pub phone: &'a str,
    /// The day of the message that it answers.
    pub date: &'a str,
    /// The reference in the notice of that message.
    pub reference: &'a str,
}

impl AnswerNotice<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let (organisation, phone) = (strong(self.organisation), unbroken(self.phone));
        let values = [("organisation", organisation.as_str()), ("phone", phone.as_str()), ("date", self.date)];
        let blocks = vec![
            pen.greeting("")?,
            pen.text("mail-answer-notice-what", &values)?,
            pen.text("mail-answer-notice-where", &values)?,
            pen.quiet("mail-answer-lost-reference", &[("reference", &strong(self.reference))])?,
        ];
        Ok(Letter { subject: pen.words.get("mail-answer-notice-subject")?, lang, blocks })
    }
}
