//! Messages as a PDF that a person can keep: PDF/A-2a with tags (ISO 19005-2, ISO 14289-1), its fonts in it, nothing in it that runs or is fetched.
//!
//! It holds the text, who wrote it to whom and when, and the names of the attachments. Any text makes a file: what the fonts do not have is
//! drawn as a mark, and can still be copied.

mod face;
mod lines;
mod paper;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{TextError, Words};
use paper::{Block, Imprint, Kind};

/// Most bytes of text in one file, over all its messages.
pub const MOST_TEXT: usize = 512 * 1024;
/// Longest heading, in characters.
const LONGEST_TITLE: usize = 300;
/// Longest line above the text, in characters.
const LONGEST_FIELD: usize = 4000;
/// Most attachments that are named.
const MOST_FILES: usize = 200;

/// Why there is no PDF. Says nothing of what should have been in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// A text of ours is missing.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A font of ours does not load.
    #[error("a font does not load")]
    Font,
    /// What came out would not be PDF/A.
    #[error("the PDF would not be valid")]
    Invalid,
}

/// One message as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Its subject; may be empty.
    pub subject: &'a str,
    /// Who wrote it.
    pub from: &'a str,
    /// To whom; may be empty.
    pub to: &'a str,
    /// And to whom else; may be empty.
    pub cc: &'a str,
    /// When.
    pub sent: &'a str,
    /// Its text.
    pub text: &'a str,
    /// That is not all of it.
    pub cut: bool,
    /// Names and sizes of its attachments.
    pub files: &'a [(String, String)],
}

/// What is said about the file itself.
#[derive(Debug, Clone, Copy)]
pub struct Edition<'a> {
    /// The texts, in the page's language.
    pub words: Words<'a>,
    /// Whose website it comes from.
    pub organisation: &'a str,
    /// When it was made.
    pub now: Timestamp,
    /// The zone of its times.
    pub zone: &'a TimeZone,
}

/// Makes one file of some messages, in this order. The first one's subject is the file's title.
///
/// # Errors
/// [`PdfError`].
pub fn write(edition: &Edition<'_>, letters: &[Letter<'_>]) -> Result<Vec<u8>, PdfError> {
    let words = edition.words;
    let cut = words.get("pdf-cut")?;
    let mut blocks = Vec::new();
    let mut room = MOST_TEXT;
    for letter in letters {
        put(&mut blocks, letter, words, &mut room, &cut)?;
    }
    let saved = edition.now.to_zoned(edition.zone.clone());
    let moment =
        format!("{}, {:02}:{:02}", super::format::day(words.lang(), saved.date()), saved.hour(), saved.minute());
    let note = words.with("pdf-note", &[("moment", moment.as_str()), ("organisation", edition.organisation)])?;
    blocks.push(block(Kind::Note, &note));
    let first = letters.first().map_or("", |letter| letter.subject);
    let title = words
        .with("pdf-title", &[("subject", heading(words, first)?.as_str()), ("organisation", edition.organisation)])?;
    let foot = |page: usize| words.with("pdf-page", &[("page", page)]).unwrap_or_else(|_| page.to_string());
    let utc = edition.now.to_zoned(TimeZone::UTC);
    let imprint = Imprint {
        title: &lines::printable(&title).replace('\n', " "),
        language: words.lang().tag(),
        made: (
            utc.year().unsigned_abs(),
            utc.month().unsigned_abs(),
            utc.day().unsigned_abs(),
            utc.hour().unsigned_abs(),
            utc.minute().unsigned_abs(),
        ),
        foot: &foot,
        cut: &cut,
    };
    paper::write(blocks, &imprint)
}

fn block(kind: Kind, text: &str) -> Block {
    Block { kind, text: text.to_owned() }
}

fn heading(words: Words<'_>, subject: &str) -> Result<String, TextError> {
    let subject = lines::printable(subject);
    let subject = subject.trim();
    if subject.is_empty() {
        words.get("message-subject-none")
    } else {
        Ok(subject.chars().take(LONGEST_TITLE).collect())
    }
}

/// One message's blocks; `room` is what is left of [`MOST_TEXT`].
fn put(
    blocks: &mut Vec<Block>,
    letter: &Letter<'_>,
    words: Words<'_>,
    room: &mut usize,
    cut: &str,
) -> Result<(), TextError> {
    blocks.push(block(Kind::Title, &heading(words, letter.subject)?));
    let fields = [
        ("message-from", letter.from),
        ("message-to", letter.to),
        ("message-cc", letter.cc),
        ("message-sent", letter.sent),
    ];
    for (label, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        let value: String = value.chars().take(LONGEST_FIELD).collect();
        blocks.push(block(Kind::Close, &format!("{}: {value}", words.get(label)?)));
    }
    let shown = letter.text.get(..letter.text.floor_char_boundary(*room)).unwrap_or_default();
    *room -= shown.len();
    // An empty line starts a paragraph; of several, one counts.
    let mut kind = Kind::Text;
    for line in shown.replace("\r\n", "\n").split(['\n', '\r']) {
        if line.trim().is_empty() {
            kind = Kind::Text;
        } else {
            blocks.push(block(kind, line.trim_end()));
            kind = Kind::Close;
        }
    }
    if letter.text.trim().is_empty() {
        blocks.push(block(Kind::Text, &words.get("message-empty")?));
    }
    if letter.cut || shown.len() < letter.text.len() {
        blocks.push(block(Kind::Text, cut));
    }
    if !letter.files.is_empty() {
        blocks.push(block(Kind::Heading, &words.get("pdf-files")?));
        for (name, size) in letter.files.iter().take(MOST_FILES) {
            let line = words.with("pdf-file", &[("name", name.as_str()), ("size", size.as_str())])?;
            blocks.push(block(Kind::Item, &format!("• {line}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
