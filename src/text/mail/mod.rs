//! The mails that we write: each is a letter of a few kinds of blocks, and its text part and HTML part are both made from those
//! blocks, so that they say the same.
//!
//! What comes from outside (names, addresses, a server's answer) is a value in a text: it is never a text itself, and it is
//! escaped where the HTML is made. The caller hands in values of one line without control characters.

mod answer;
mod asked;
mod notice;
mod one_time;
mod one_time_failed;
mod sender;

use askama::Template;

use super::{Lang, TextError, Words};

pub use answer::{AnswerLost, AnswerNotice, Fate};
pub use asked::{Asked, Wanted};
pub use notice::{Notice, Opens};
pub use one_time::OneTimeMail;
pub use one_time_failed::{NoCode, OneTimeFailed};
pub use sender::{About, Closed, CodeMail, CodeUndeliverable, Reason, Recipient, Undeliverable};

/// Why a letter could not be written: nothing is sent then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// A text is missing or lacks a variable.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The template failed.
    #[error("the template of a mail failed")]
    Template,
}

/// A mail as people read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject, one line.
    pub subject: String,
    /// The language of subject and body.
    pub lang: Lang,
    /// The body.
    pub blocks: Vec<Block>,
}

impl std::fmt::Debug for Letter {
    /// A letter holds names, links and codes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter(…)")
    }
}

/// A piece of a letter.
#[derive(Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(Vec<Run>),
    /// A paragraph of less weight.
    Quiet(Vec<Run>),
    /// The paragraph in the other language, last of all.
    Other(Lang, Vec<Run>),
    /// The red button, and its address in text.
    Open(Open),
    /// A code, large.
    Code(String),
    /// Words of another: to read aloud, or a server's answer.
    Quote(String),
    /// A command for the administrator.
    Command(String),
}

/// The red button.
#[derive(Clone, PartialEq, Eq)]
pub struct Open {
    /// What stands on it.
    pub label: String,
    /// What stands before the address.
    pub intro: String,
    /// Where it leads.
    pub link: String,
}

/// A stretch of a paragraph in one weight.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// Whether it is bold in HTML.
    pub strong: bool,
    /// The words.
    pub text: String,
}

#[derive(Template)]
#[template(path = "mail/letter.html", config = "src/text/askama.toml")]
struct Html<'a> {
    letter: &'a Letter,
}

impl Letter {
    /// The HTML part.
    ///
    /// # Errors
    /// When the template fails.
    pub fn html(&self) -> Result<String, LetterError> {
        Html { letter: self }.render().map_err(|_| LetterError::Template)
    }

    /// The text part: the same words in the same order. No line ends in a blank, the last one ends in a line end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.blocks.iter().map(Block::text).collect::<Vec<_>>().join("\n\n");
        text.push('\n');
        text
    }
}

impl Block {
    fn text(&self) -> String {
        match self {
            Self::Text(runs) | Self::Quiet(runs) => plain(runs),
            Self::Other(_, runs) => format!("---\n\n{}", plain(runs)),
            Self::Open(open) => format!("{}\n{}\n{}", open.label, open.intro, open.link),
            Self::Code(text) | Self::Quote(text) | Self::Command(text) => format!("    {text}"),
        }
    }
}

fn plain(runs: &[Run]) -> String {
    runs.iter().map(|run| run.text.as_str()).collect()
}

/// Begin and end of a strong value inside a text. Values hold no control characters, so these cannot come from outside.
const STRONG: (char, char) = ('\u{2}', '\u{3}');

/// A value that is bold where the text shows it.
fn strong(value: &str) -> String {
    format!("{}{value}{}", STRONG.0, STRONG.1)
}

/// A number of several groups (a code, a telephone number) that stays on one line.
fn unbroken(value: &str) -> String {
    value.replace(' ', "\u{a0}")
}

/// A text with its values, as stretches of one weight.
fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut add = |strong: bool, text: &str| {
        if !text.is_empty() {
            runs.push(Run { strong, text: text.to_owned() });
        }
    };
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once(STRONG.0) {
        let (inside, after) = tail.split_once(STRONG.1).unwrap_or((tail, ""));
        add(false, before);
        add(true, inside);
        rest = after;
    }
    add(false, rest);
    runs
}

/// The texts of one language, as blocks.
#[derive(Clone, Copy)]
struct Pen<'a> {
    words: Words<'a>,
}

impl Pen<'_> {
    fn text(self, id: &str, values: &[(&str, &str)]) -> Result<Block, TextError> {
        Ok(Block::Text(runs(&self.words.with(id, values)?)))
    }

    fn quiet(self, id: &str, values: &[(&str, &str)]) -> Result<Block, TextError> {
        Ok(Block::Quiet(runs(&self.words.with(id, values)?)))
    }

    /// By name where it is known.
    fn greeting(self, name: &str) -> Result<Block, TextError> {
        if name.is_empty() {
            self.text("mail-greeting", &[])
        } else {
            self.text("mail-greeting-name", &[("name", name)])
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
