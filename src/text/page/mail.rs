//! What the message page shows of one mail, of those before it in the conversation, and of others.

use super::{AnswerShown, Card, File, Piece};

/// How the page shows a mail's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Plain text, its addresses made into links.
    Text(Vec<Piece>),
    /// Sanitised HTML in a frame of its own.
    Html(FrameHeight),
    /// There is none.
    Empty,
}

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Names it in addresses of what belongs to it: empty, or a query with its question mark.
    pub own: String,
    /// The sender's name and organisation.
    pub from: String,
    /// The sender's address.
    pub from_address: String,
    /// The To line.
    pub to: String,
    /// The Cc line.
    pub cc: String,
    /// When it was sent.
    pub sent: String,
    /// The appointment that came with it.
    pub card: Option<Card>,
    /// The text.
    pub body: Body,
    /// Not all of the text is shown.
    pub cut: bool,
    /// The attachments.
    pub files: Vec<File>,
    /// The size of the whole mail.
    pub size: String,
}

/// What was said earlier in the conversation.
#[derive(Debug, Clone)]
pub enum Earlier {
    /// By the sender; whether nobody had opened it before.
    Mail(Box<Mail>, bool),
    /// By the recipient.
    Answer(AnswerShown),
}

/// The newest message of another conversation.
#[derive(Debug, Clone)]
pub struct Other {
    /// Which.
    pub id: String,
    /// Its subject; may be empty.
    pub subject: String,
    /// The sender's name (or address, without one).
    pub from: String,
    /// When it came.
    pub sent: String,
    /// Something in its conversation was not opened before.
    pub new: bool,
}

/// How tall a frame is, as a step of the style sheet for each width of window that it knows: policies like ours allow no height that is
/// written into the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeight {
    /// Index of [`STEPS`](Self::STEPS) where there is room.
    pub wide: usize,
    /// The same in half a window, and on a tablet.
    pub half: usize,
    /// The same on a telephone.
    pub phone: usize,
    /// The same on a small one.
    pub narrow: usize,
}

impl FrameHeight {
    /// Heights in rem, each a quarter more than the one before.
    pub const STEPS: [u64; 26] = [
        6, 8, 10, 12, 15, 18, 23, 29, 36, 45, 56, 70, 87, 109, 136, 171, 213, 267, 333, 416, 521, 651, 813, 1017, 1272,
        1590,
    ];

    /// Pixels of a rem of ours, of a browser with its usual size of text.
    const REM: u64 = 18;

    /// The lowest steps that are as tall as so many pixels, in windows from the widest to the narrowest; else the highest.
    #[must_use]
    pub fn of(pixels: [u64; 4]) -> Self {
        let last = Self::STEPS.len() - 1;
        let step = |pixels| Self::STEPS.iter().position(|step| step * Self::REM >= pixels).unwrap_or(last);
        let [wide, half, phone, narrow] = pixels.map(step);
        Self { wide, half, phone, narrow }
    }
}
