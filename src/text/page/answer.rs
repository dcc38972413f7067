//! What the message page shows of answers: those that were sent, and the form.

use super::Piece;

/// A file of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFile {
    /// Which, in its address and on its button.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is ("PDF"); may be empty.
    pub kind: String,
    /// Its size.
    pub size: String,
}

/// How far an answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerState {
    /// It is durable here, and under way.
    Sent,
    /// The sender's mail server took it.
    Delivered,
    /// The sender's mailbox did not take it, another one of the organisation did.
    Elsewhere,
    /// It did not arrive.
    Lost,
    /// Its files are checked for malware before it goes.
    Checking,
    /// There is malware in this file: it goes nowhere.
    Infected(String),
}

/// An answer that was sent.
#[derive(Debug, Clone)]
pub struct AnswerShown {
    /// Which, in addresses on the page.
    pub id: String,
    /// When it was sent.
    pub sent: String,
    /// How far it came.
    pub state: AnswerState,
    /// The text.
    pub text: Vec<Piece>,
    /// The files.
    pub files: Vec<AnswerFile>,
}

/// What stands beside the form. A name is that of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerTrouble {
    /// Neither text nor file.
    Empty,
    /// The text is too long.
    TextTooLong,
    /// This file is too large.
    FileTooLarge(String),
    /// With this file it is too much.
    TotalTooLarge(String),
    /// This file is one too many.
    TooMany(String),
    /// The page stood open too long, and nothing was kept.
    Stale,
    /// Another window wrote too: both are here now.
    Merged,
    /// As many as one may send in a day.
    TooManyToday,
    /// There is no room for this file now.
    NoRoom(String),
}

/// What may be written, as the form says it.
#[derive(Debug, Clone)]
pub struct AnswerMost {
    /// Characters of the text.
    pub text: usize,
    /// Bytes of a file.
    pub file: u64,
    /// Bytes of all files.
    pub total: u64,
    /// The same for people.
    pub file_size: String,
    /// The same for people.
    pub total_size: String,
    /// Files.
    pub files: usize,
}

/// The form for an answer.
#[derive(Debug, Clone)]
pub struct AnswerForm {
    /// Where it goes.
    pub action: String,
    /// The page token.
    pub token: String,
    /// Which draft it is.
    pub id: String,
    /// Whether anything of it is kept.
    pub kept: bool,
    /// The text so far.
    pub text: String,
    /// The files so far.
    pub files: Vec<AnswerFile>,
    /// What went wrong.
    pub troubles: Vec<AnswerTrouble>,
    /// What may be written.
    pub most: AnswerMost,
}

impl AnswerForm {
    /// Whether the text is what is wrong.
    pub(super) fn text_is_wrong(&self) -> bool {
        self.troubles.iter().any(|trouble| matches!(trouble, AnswerTrouble::Empty | AnswerTrouble::TextTooLong))
    }
}
