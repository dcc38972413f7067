//! The notice: the mail with the red button. It shows who sent a message and how to open it, and nothing of the message.

use super::{Block, Letter, LetterError, Open, Pen, runs, strong, unbroken};
use crate::text::{Lang, Texts};

/// What opens a message beside the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// An access code, which the sender passes on.
    AccessCode,
    /// A one-time code by SMS.
    Sms,
    /// A one-time code by mail.
    Mail,
}

/// What a notice says. Names are empty where they are not known.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    /// The recipient's name.
    pub recipient: &'a str,
    /// The sender's name.
    pub sender: &'a str,
    /// The sender's address.
    pub address: &'a str,
    /// The organisation's name.
    pub organisation: &'a str,
    /// The link to the message.
    pub link: &'a str,
    /// The page's address, without final slash.
    pub page: &'a str,
    /// The organisation's telephone number.
    pub phone: &'a str,
    /// The short reference.
    pub reference: &'a str,
    /// The last day on which the message can be read, in Dutch.
    pub until_nl: &'a str,
    /// The same in English.
    pub until_en: &'a str,
    /// Kept in strict mode: this mail and the code are the keys.
    pub strict: bool,
    /// What opens it.
    pub opens: Opens,
    /// A fresh one: the way in which the message opens was changed since the first.
    pub again: bool,
}

impl Notice<'_> {
    /// Writes it in `lang`, with a paragraph in the other language below.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn write(&self, texts: &Texts, lang: Lang) -> Result<Letter, LetterError> {
        let pen = Pen { words: texts.in_language(lang) };
        let genuine = [("page", self.page), ("phone", &unbroken(self.phone)), ("reference", &strong(self.reference))];
        let open = Open {
            label: pen.words.get("mail-notice-open")?,
            intro: pen.words.get("mail-notice-address")?,
            link: self.link.to_owned(),
        };
        let how = match self.opens {
            Opens::AccessCode => "mail-notice-code",
            Opens::Sms => "mail-notice-sms",
            Opens::Mail => "mail-notice-mail",
        };
        let mut blocks = vec![
            pen.greeting(self.recipient)?,
            self.who(pen)?,
            Block::Open(open),
            pen.text(how, &[("until", self.until(lang))])?,
        ];
        if self.again {
            blocks.insert(2, pen.text("mail-notice-again", &[])?);
        }
        if self.strict {
            blocks.push(pen.text("mail-notice-strict", &[])?);
        }
        blocks.extend([pen.quiet("mail-notice-genuine", &genuine)?, self.short(texts, lang.other())?]);
        Ok(Letter { subject: self.subject(pen)?, lang, blocks })
    }

    fn subject(&self, pen: Pen<'_>) -> Result<String, LetterError> {
        let values = [("sender", self.sender), ("organisation", self.organisation)];
        if self.sender.is_empty() {
            return Ok(pen.words.with("mail-notice-subject-nameless", &values)?);
        }
        Ok(pen.words.with("mail-notice-subject", &values)?)
    }

    fn who(&self, pen: Pen<'_>) -> Result<Block, LetterError> {
        let (sender, organisation) = (strong(self.called()), strong(self.organisation));
        Ok(pen.text("mail-notice-who", &[("sender", &sender), ("organisation", &organisation)])?)
    }

    fn short(&self, texts: &Texts, lang: Lang) -> Result<Block, LetterError> {
        let values = [
            ("sender", self.called()),
            ("organisation", self.organisation),
            ("until", self.until(lang)),
            ("page", self.page),
            ("phone", &unbroken(self.phone)),
        ];
        let words = texts.in_language(lang);
        let short = match self.opens {
            Opens::AccessCode => "mail-notice-short",
            Opens::Sms => "mail-notice-short-sms",
            Opens::Mail => "mail-notice-short-mail",
        };
        let mut text = words.with(short, &values)?;
        if self.again {
            text = format!("{text} {}", words.get("mail-notice-again")?);
        }
        if self.strict {
            text = format!("{text} {}", words.get("mail-notice-strict")?);
        }
        Ok(Block::Other(lang, runs(&text)))
    }

    /// The name, or the address where there is no name.
    const fn called(&self) -> &str {
        if self.sender.is_empty() { self.address } else { self.sender }
    }

    const fn until(&self, lang: Lang) -> &str {
        match lang {
            Lang::Nl => self.until_nl,
            Lang::En => self.until_en,
        }
    }
}
