//! The pages that a recipient sees: templates with what they need, escaped where it is shown.
//!
//! A page is one sheet, one question, one red button. Nothing here decides anything; the web module fills these contexts.

mod accent;
mod answer;
mod ask;
mod autolink;
mod calendar;
mod file;
mod mail;
mod one_time;
mod plain;
#[cfg(test)]
mod tests;

use askama::Template;
use fluent_bundle::FluentValue;

use super::{Lang, TextError, Words};

pub use accent::Accent;
pub use answer::{AnswerFile, AnswerForm, AnswerMost, AnswerShown, AnswerState, AnswerTrouble};
pub use ask::{AskPage, Asks};
pub use autolink::{Piece, autolink};
pub use calendar::{Appointment, Card, CardKind, When};
pub use file::File;
pub use mail::{Body, Earlier, FrameHeight, Mail, Other};
pub use one_time::{OneTimeNews, OneTimePage, OneTimeTrouble, SentTo};
pub use plain::{Plain, PlainPage};

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../templates/page/stijl.css");

/// The script of pages behind a session: it warns before the session ends, and clears the screen when it has.
pub const SESSION_SCRIPT: &str = include_str!("../templates/page/sessie.js");

/// The script of the page that takes a one-time code: it counts down until it can be asked for again.
pub const AGAIN_SCRIPT: &str = include_str!("../templates/page/opnieuw.js");

/// The style sheet inside the frame that shows a mail's HTML.
pub const FRAME_STYLE: &str = include_str!("../templates/page/frame.css");

/// The script of the message page. It only adds: progress, dropping files, keeping the text while one writes.
pub const SCRIPT: &str = include_str!("../templates/page/antwoord.js");

/// What stands above a mail's text when its HTML is too costly to show.
///
/// # Errors
/// When the text is missing.
pub fn plain_note(words: Words<'_>) -> Result<String, TextError> {
    words.get("message-plain")
}

/// What every page shows around its sheet.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The texts in the page's language.
    pub words: Words<'a>,
    /// The organisation's name.
    pub organisation: &'a str,
    /// Its telephone number as people write it; empty for none.
    pub phone: &'a str,
    /// Link to its privacy statement.
    pub privacy: Option<&'a str>,
    /// Link to its accessibility statement.
    pub accessibility: Option<&'a str>,
    /// Address of the style sheet.
    pub style: &'a str,
    /// Address of the organisation's logo, if it has one: it stands in place of the name.
    pub logo: Option<&'a str>,
}

impl Page<'_> {
    /// The page's language.
    #[must_use]
    pub const fn lang(&self) -> Lang {
        self.words.lang()
    }

    /// The other language's own name.
    #[must_use]
    pub const fn other_language(&self) -> &'static str {
        match self.lang().other() {
            Lang::Nl => "Nederlands",
            Lang::En => "English",
        }
    }

    /// The telephone number as a telephone wants it: digits and `+`.
    #[must_use]
    pub fn dial(&self) -> String {
        self.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
    }

    fn get(&self, id: &str) -> Result<String, TextError> {
        self.words.get(id)
    }

    fn with<'v, V: Into<FluentValue<'v>> + Copy>(&self, id: &str, args: &[(&str, V)]) -> Result<String, TextError> {
        self.words.with(id, args)
    }

    /// What the browser's tab says: the page's title, whether something is wrong, whose page it is.
    fn title(&self, title: &str, error: bool) -> Result<String, TextError> {
        let id = if error { "page-title-error" } else { "page-title" };
        self.with(id, &[("title", title), ("organisation", self.organisation)])
    }
}

/// What stands beside the code field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble<'a> {
    /// Nothing was filled in; no attempt.
    Empty,
    /// Wrong; this many tries are left.
    Wrong(u32),
    /// Wrong, and not again before this clock time.
    WrongThenPause(&'a str),
    /// Not compared; not before this clock time.
    Paused(&'a str),
    /// Not until the sender unlocks it.
    Closed,
    /// Not compared: too much to do; no attempt.
    Busy,
    /// Not compared: the page was too old; no attempt.
    Stale,
}

/// Page 1: who sent it, and the field for the access code.
#[derive(Debug, Template)]
#[template(path = "page/unlock.html", config = "src/text/askama.toml")]
pub struct UnlockPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The sender's name (or address, without one).
    pub sender: &'a str,
    /// Name and organisation.
    pub from: &'a str,
    /// The recipient's address, masked.
    pub recipient: &'a str,
    /// Last day.
    pub until: &'a str,
    /// The sender's hint to the code; may be empty.
    pub hint: &'a str,
    /// `numeric` brings up digit keys, `text` letters.
    pub inputmode: &'a str,
    /// Where the form goes.
    pub action: &'a str,
    /// The page token.
    pub token: &'a str,
    /// Where "I have no code" leads.
    pub lost: &'a str,
    /// Where "rather a code by SMS" leads; none where no SMS is sent or it would open nothing.
    pub other: Option<&'a str>,
    /// Kept in strict mode.
    pub strict: bool,
    /// Opens with a code that the recipient had before, not with the one of now.
    pub earlier: bool,
    /// What went wrong, if anything.
    pub trouble: Option<Trouble<'a>>,
}

/// What to do without a code.
#[derive(Debug, Template)]
#[template(path = "page/lost.html", config = "src/text/askama.toml")]
pub struct LostPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The sender's name (or address, without one).
    pub sender: &'a str,
    /// Back to page 1.
    pub back: &'a str,
    /// Where the form goes that mails the sender.
    pub action: &'a str,
    /// Its page token.
    pub token: &'a str,
    /// Kept in strict mode.
    pub strict: bool,
}

/// What is known of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Genuine<'a> {
    /// It stands in a notice of ours.
    Ours {
        /// The day on which it was sent.
        sent: &'a str,
        /// To whom, masked.
        recipient: &'a str,
    },
    /// It stands in none that can still be opened.
    Unknown,
    /// What was filled in cannot be one.
    NoReference,
    /// Too many questions; not looked up.
    TooMany,
}

/// Tells whether a notice is ours.
#[derive(Debug, Template)]
#[template(path = "page/genuine.html", config = "src/text/askama.toml")]
pub struct GenuinePage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The page's address, without final slash.
    pub origin: &'a str,
    /// Where the form goes.
    pub action: &'a str,
    /// The answer, if something was asked.
    pub found: Option<Genuine<'a>>,
}

impl GenuinePage<'_> {
    /// Whether the field was filled in wrongly.
    const fn wrong(&self) -> bool {
        matches!(self.found, Some(Genuine::NoReference))
    }
}

/// What a mail within the mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NestedText {
    /// Plain text, its addresses made into links.
    Plain(Vec<Piece>),
    /// HTML that was sanitised; it is shown as it is.
    Html(String),
    /// Nothing.
    Empty,
}

/// A mail within the mail, as a document of its own.
#[derive(Debug, Template)]
#[template(path = "page/nested.html", config = "src/text/askama.toml")]
pub struct NestedPage<'a> {
    /// The texts in the page's language.
    pub words: Words<'a>,
    /// From, as people read it.
    pub from: &'a str,
    /// To.
    pub to: &'a str,
    /// Cc.
    pub cc: &'a str,
    /// Date, as written.
    pub date: &'a str,
    /// The subject; may be empty.
    pub subject: &'a str,
    /// Names of its files.
    pub files: &'a [&'a str],
    /// What it says.
    pub text: NestedText,
    /// Not all of it is shown.
    pub cut: bool,
}

impl NestedPage<'_> {
    fn heading(&self) -> Result<String, TextError> {
        let none = self.subject.trim().is_empty();
        if none { self.words.get("message-subject-none") } else { Ok(self.subject.to_owned()) }
    }

    const fn style() -> &'static str {
        FRAME_STYLE
    }
}

/// The message.
#[derive(Debug, Template)]
#[template(path = "page/message.html", config = "src/text/askama.toml")]
pub struct MessagePage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The subject; may be empty.
    pub subject: &'a str,
    /// The newest mail of the conversation.
    pub mail: Mail,
    /// What came before it, newest first.
    pub earlier: Vec<Earlier>,
    /// Other conversations, newest first.
    pub others: Vec<Other>,
    /// Where the form goes that opens one of them.
    pub open: &'a str,
    /// Minutes until an idle session ends.
    pub idle: u32,
    /// Seconds until this session ends when nothing more is asked of us.
    pub seconds: u64,
    /// Address of [`SESSION_SCRIPT`].
    pub script: &'a str,
    /// Where the log-out form goes.
    pub logout: &'a str,
    /// Address of the script of the answer form.
    pub answer_script: &'a str,
    /// The sender's name (or address, without one).
    pub sender: &'a str,
    /// The answers that were sent after it.
    pub answers: Vec<AnswerShown>,
    /// The form for another.
    pub form: AnswerForm,
    /// One of them was sent a moment ago.
    pub just_sent: bool,
}

/// Not logged in any more: what was typed, for its writer to keep.
#[derive(Debug, Template)]
#[template(path = "page/lost-text.html", config = "src/text/askama.toml")]
pub struct LostTextPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The text.
    pub text: &'a str,
}

impl MessagePage<'_> {
    fn heading(&self) -> Result<String, TextError> {
        if self.subject.trim().is_empty() { self.page.get("message-subject-none") } else { Ok(self.subject.to_owned()) }
    }
}
