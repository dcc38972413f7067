//! The mail that brings a one-time code to the recipient: the code, until when it holds, who asked for it when, and what to do if that was
//! somebody else. Never the link: who finds this mail alone can open nothing.

use super::{Block, Letter, LetterError, Pen, runs, strong, unbroken};
use crate::text::{Lang, Texts};

/// What it says. Names are empty where they are not known.
#[derive(Clone, Copy)]
pub struct OneTimeMail<'a> {
    /// The recipient's name.
    pub recipient: &'a str,
    /// The sender's name, or address.
    pub sender: &'a str,
    /// The organisation's name.
    pub organisation: &'a str,
    /// The organisation's telephone number.
    pub phone: &'a str,
    /// The short reference of the message.
    pub reference: &'a str,
    /// The six digits.
    pub code: &'a str,
    /// Day and clock time of the press, in the letter's language.
    pub asked: &'a str,
    /// The clock time until which it holds.
    pub until: &'a str,
}

impl OneTimeMail<'_> {
    /// Writes it in `lang`, with a paragraph in the other language below.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let (sender, organisation) = (strong(self.sender), strong(self.organisation));
        let (reference, phone) = (strong(self.reference), unbroken(self.phone));
        let blocks = vec![
            pen.greeting(self.recipient)?,
            pen.text("mail-once-what", &[("sender", &sender), ("organisation", &organisation)])?,
            Block::Code(self.code.to_owned()),
            pen.text("mail-once-until", &[("until", self.until)])?,
            pen.text("mail-once-asked", &[("asked", self.asked), ("reference", &reference)])?,
            pen.text("mail-once-stranger", &[("phone", &phone)])?,
            self.short(texts, lang.other())?,
        ];
        let subject = pen.words.with("mail-once-subject", &[("sender", self.sender)])?;
        Ok(Letter { subject, lang, blocks })
    }

    fn short(&self, texts: &Texts, lang: Lang) -> Result<Block, LetterError> {
        let values = [
            ("sender", self.sender),
            ("organisation", self.organisation),
            ("until", self.until),
            ("phone", &unbroken(self.phone)),
        ];
        Ok(Block::Other(lang, runs(&texts.in_language(lang).with("mail-once-short", &values)?)))
    }
}
