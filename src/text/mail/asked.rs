//! What the recipient asks for on the page, told to the sender. It changed nothing, and anybody with the link may have asked: each mail says
//! so, and says how the sender can do what is asked.

use super::sender::{contact_command, finish, set_command};
use super::{About, Letter, LetterError, Pen, strong};
use crate::text::{Lang, Texts};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The number is wrong: it, masked.
    OtherNumber(&'a str),
    /// The code is lost, or never came.
    Code {
        /// Kept in strict mode: a new code does not open it.
        strict: bool,
    },
    /// An access code in the place of SMS.
    CodeForSms,
    /// SMS in the place of an access code.
    SmsForCode,
    /// The mail with the code does not come.
    NoMail,
    /// An access code in the place of codes by mail.
    CodeForMail,
    /// The message once more, which is gone.
    Again {
        /// By the sender's own hand; else its time was over.
        recalled: bool,
    },
}

/// The mail.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Which message.
    pub about: About<'a>,
    /// The sender's address, as the command takes it.
    pub from: &'a str,
    /// What.
    pub wanted: Wanted<'a>,
}

impl Asked<'_> {
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
        let plain = |what, to_do, how| -> Result<_, LetterError> {
            Ok(vec![pen.text(what, &values)?, pen.text(to_do, &[])?, set(how)])
        };
        let other =
            |what, how| plain(what, "mail-asked-other-do", how).map(|do_it| ("mail-asked-other-subject", do_it));
        let (subject, what) = match self.wanted {
            Wanted::OtherNumber(number) => {
                let number = strong(number);
                let values = [values.as_slice(), &[("number", &number)]].concat();
                let do_it = vec![
                    pen.text("mail-asked-number-what", &values)?,
                    pen.text("mail-asked-number-do", &[])?,
                    set("--sms +316…"),
                    pen.text("mail-asked-number-tag", &[("tag", &strong("[veilig sms:+316…]"))])?,
                ];
                ("mail-asked-number-subject", do_it)
            }
            Wanted::Code { strict } => {
                let new = if strict { "mail-asked-code-new-strict" } else { "mail-asked-code-new" };
                let do_it = vec![
                    pen.text("mail-asked-code-what", &values)?,
                    pen.text("mail-asked-code-do", &[])?,
                    pen.text(new, &[])?,
                    contact_command(&format!("new-code {}", about.recipient.address), self.from),
                ];
                ("mail-asked-code-subject", do_it)
            }
            Wanted::NoMail => {
                ("mail-asked-mail-subject", plain("mail-asked-mail-what", "mail-asked-mail-do", "--code")?)
            }
            Wanted::CodeForSms => other("mail-asked-other-sms", "--code")?,
            Wanted::SmsForCode => other("mail-asked-other-code", "--sms +316…")?,
            Wanted::CodeForMail => other("mail-asked-other-mail", "--code")?,
            Wanted::Again { recalled } => {
                let gone = if recalled { "mail-asked-again-recalled" } else { "mail-asked-again-expired" };
                ("mail-asked-again-subject", vec![pen.text(gone, &values)?, pen.text("mail-asked-again-do", &[])?])
            }
        };
        let mut blocks = vec![pen.greeting(about.sender)?];
        blocks.extend(what);
        blocks.push(pen.quiet("mail-asked-reference", &[("reference", &strong(about.reference))])?);
        finish(pen, subject, about.recipient, blocks)
    }
}
