//! The header of a mail as facts for policy and page.
//!
//! Reads what the next reader would read, also of odd headers: duplicates, folds, encoded words, mixed case, blanks in names.
//! Where readers could differ, every reading counts: a deciding field is recognised and a tag is found when any of them would.
//! What no reading settles is [`HeaderFacts::ambiguous`], and policy takes the safe side.

mod field;
mod mailbox;
mod stored;
mod tag;
mod words;

pub use field::{Field, Fields};
pub(in crate::mail) use words::{decode, hex};

use std::fmt;

use super::{Address, parser};
use words::Glyph;

/// The header block of one mail, without the empty line. Its `Debug` shows its length only.
#[derive(Clone, Copy)]
pub struct HeaderBlock<'a> {
    raw: &'a [u8],
}

impl fmt::Debug for HeaderBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderBlock({} bytes)", self.raw.len())
    }
}

impl<'a> HeaderBlock<'a> {
    /// Over the bytes up to the empty line.
    #[must_use]
    pub const fn new(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The fields in order.
    #[must_use]
    pub const fn fields(&self) -> Fields<'a> {
        Fields::new(self.raw)
    }

    /// Reads the facts. `tags` are the words that make a bracket in the subject a tag. Never panics; a header that the
    /// parser stumbles over is `ambiguous`.
    #[must_use]
    pub fn facts(&self, tags: &[String]) -> HeaderFacts {
        let mut facts = HeaderFacts { ambiguous: has_bare_line_end(self.raw), ..HeaderFacts::default() };
        let mut from_fields = 0;
        let mut after_stray = false;
        for field in self.fields() {
            // a fold behind a line that is no field belongs to nothing, or to the field before it
            after_stray |= field.is_stray() && field.raw.split_inclusive(|byte| *byte == b'\n').count() > 1;
            let key = field.key();
            facts.ambiguous |= decides(&key) && (field.is_odd() || field.value().contains(&0));
            from_fields += usize::from(key == "from");
            facts.read(&key, &field, tags);
        }
        facts.ambiguous |= after_stray;
        facts.from_doubtful = from_fields != 1 || facts.from_unreadable || facts.from.is_empty();
        facts
    }

    /// The header as it is stored: without Bcc, Resent-Bcc, Zegel-* and zivver-* fields, and with the subject tag removed. All
    /// else keeps its bytes; a Subject whose tag stands in encoded words is encoded anew.
    #[must_use]
    pub fn stored(&self, tags: &[String]) -> Vec<u8> {
        stored::stored(self, tags)
    }
}

/// What a header says, decoded. Its `Debug` shows nothing of that.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each on its own, not states")]
pub struct HeaderFacts {
    /// Every address in every From field that reads beyond doubt, with display name.
    pub from: Vec<(String, Address)>,
    /// A From field is missing, there are several, or one does not parse.
    pub from_doubtful: bool,
    /// A From field does not parse, or not the same for every reader.
    pub from_unreadable: bool,
    /// Addresses that somebody could take for the sender in From fields that are unreadable.
    pub from_mentions: Vec<Address>,
    /// To and Cc as people read them, for the page.
    pub to: String,
    /// See `to`.
    pub cc: String,
    /// The subject, decoded, with its tag.
    pub subject: String,
    /// The subject without tag.
    pub subject_untagged: String,
    /// What stands in the tag's brackets, lower case, in order (`veilig`, `30d`, `code`), of all tags in all Subject fields;
    /// empty without a tag.
    pub tag: Vec<String>,
    /// Some Subject has a tag word with one bracket only (`[veilig x`), in one reading at least.
    pub tag_doubtful: bool,
    /// `Sensitivity:` values, lower case.
    pub sensitivity: Vec<String>,
    /// `Zegel-Secure:` values, lower case.
    pub zegel_secure: Vec<String>,
    /// `Zegel-Expires:` and `zivver-message-expiration:` values.
    pub expires: Vec<String>,
    /// `Zegel-Proof:` and `zivver-access-right:` values.
    pub proofs: Vec<String>,
    /// `zivver-minimum-recipient-verification:` values, lower case.
    pub minimum: Vec<String>,
    /// Any `zivver-*` field is present.
    pub zivver: bool,
    /// A `Zegel-*` field that we do not know is present: a misspelt wish.
    pub zegel_unknown: bool,
    /// `Message-ID`, without brackets.
    pub message_id: Option<String>,
    /// The ids in `References` and `In-Reply-To`, oldest first, each once, without brackets; of more than 50 the newest.
    pub references: Vec<String>,
    /// `Date`, as written.
    pub date: Option<String>,
    /// `Auto-Submitted` is present and not `no`.
    pub auto_submitted: bool,
    /// Number of Received fields.
    pub received: usize,
    /// `X-OriginatorOrg` values.
    pub originator_orgs: Vec<String>,
    /// `X-Zegel-Loop` values: marks of gateways that the mail passed.
    pub loops: Vec<String>,
    /// Two readers could read a deciding field differently.
    pub ambiguous: bool,
}

impl fmt::Debug for HeaderFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderFacts").field("ambiguous", &self.ambiguous).finish_non_exhaustive()
    }
}

impl HeaderFacts {
    fn read(&mut self, key: &str, field: &Field<'_>, tags: &[String]) {
        let text = || readable(&decode(field.value()));
        match key {
            "from" => self.read_from(field),
            "subject" => self.read_subject(field, tags),
            "to" => append(&mut self.to, &text()),
            "cc" => append(&mut self.cc, &text()),
            "sensitivity" => self.sensitivity.push(text().to_lowercase()),
            "message-id" => self.message_id = self.message_id.take().or_else(|| message_id(field)),
            "references" | "in-reply-to" => self.refer(&field.text()),
            "date" => self.date = self.date.take().or_else(|| Some(readable(&field.text()))),
            "auto-submitted" => self.auto_submitted |= !first_word(&text()).eq_ignore_ascii_case("no"),
            "received" => self.received += 1,
            "x-originatororg" => self.originator_orgs.push(field.text()),
            "x-zegel-loop" => self.loops.push(field.text()),
            "zegel-secure" => self.zegel_secure.push(text().to_lowercase()),
            "zegel-expires" => self.expires.push(text()),
            "zegel-proof" => self.proofs.push(text()),
            _ if key.starts_with("zegel-") || is_nearly_ours(key) => self.zegel_unknown = true,
            _ if key.starts_with("zivver-") || key.starts_with("zivver_") => {
                self.zivver = true;
                match key {
                    "zivver-message-expiration" => self.expires.push(text()),
                    "zivver-access-right" => self.proofs.push(text()),
                    "zivver-minimum-recipient-verification" => self.minimum.push(text().to_lowercase()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The ids of one field. Each names a mail that this one continues.
    fn refer(&mut self, text: &str) {
        const MOST: usize = 50;
        let ids = text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| id.trim());
        for id in ids.filter(|id| is_id(id)) {
            if !self.references.iter().any(|known| known == id) {
                self.references.push(id.to_owned());
            }
        }
        self.references.drain(..self.references.len().saturating_sub(MOST));
    }

    fn read_from(&mut self, field: &Field<'_>) {
        if let Ok(mailboxes) = mailbox::strict(field.value()) {
            self.from.extend(mailboxes);
        } else {
            self.from_unreadable = true;
            self.from_mentions.extend(mailbox::mentions(field.value()));
        }
    }

    /// The first Subject counts for show, and the first with a tag more than that.
    fn read_subject(&mut self, field: &Field<'_>, tags: &[String]) {
        let reading = Reading::of(field, tags);
        self.ambiguous |= reading.incomplete;
        self.tag_doubtful |= reading.doubtful;
        let first = self.subject.is_empty();
        if first || (self.tag.is_empty() && !reading.found.flags.is_empty()) {
            self.subject = readable(&reading.glyphs.iter().map(|glyph| glyph.char).collect::<String>());
            self.subject_untagged = readable(&tag::untagged(&reading.glyphs, &reading.found.cuts));
        }
        self.tag.extend(reading.found.flags);
    }
}

/// A Subject as one reader reads it: the first reading that has a tag, else the usual one.
struct Reading {
    glyphs: Vec<Glyph>,
    found: tag::Found,
    /// The second reader gave no answer.
    incomplete: bool,
    /// Some reading has half a tag.
    doubtful: bool,
}

impl Reading {
    fn of(field: &Field<'_>, tags: &[String]) -> Self {
        let usual = words::glyphs(field.value());
        let second = parser::unstructured(field.value());
        let incomplete = second.is_none();
        let plain = |text: String| text.chars().map(|char| Glyph { char, start: 0, end: 0, encoded: true }).collect();
        let others = [words::glyphs_undecoded(field.value()), second.map(plain).unwrap_or_default()];
        let others = others.into_iter().chain(words::other_glyphs(field.value()));
        let found = tag::find(&usual, tags);
        let mut doubtful = found.doubtful;
        if found.flags.is_empty() {
            for glyphs in others {
                // The same text has the same tags.
                if glyphs.iter().map(|glyph| glyph.char).eq(usual.iter().map(|glyph| glyph.char)) {
                    continue;
                }
                let found = tag::find(&glyphs, tags);
                doubtful |= found.doubtful;
                if !found.flags.is_empty() {
                    return Self { glyphs, found, incomplete, doubtful };
                }
            }
        }
        Self { glyphs: usual, found, incomplete, doubtful }
    }
}

/// Whether policy looks at a field.
fn decides(key: &str) -> bool {
    matches!(key, "from" | "subject" | "sensitivity" | "x-originatororg") || is_ours(key)
}

/// Whether a field is an instruction to us.
fn is_ours(key: &str) -> bool {
    ["zegel-", "zivver-", "zivver_"].iter().any(|prefix| key.starts_with(prefix))
}

/// Whether a field was meant as an instruction to us: `Zegel_Secure`, `X-Zegel-Secure`, `ZegelSecure`.
fn is_nearly_ours(key: &str) -> bool {
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = letters.strip_prefix('x').unwrap_or(&letters);
    !is_ours(key) && matches!(name, "zegelsecure" | "zegelproof" | "zegelexpires")
}

/// A CR or LF that is not half of a CRLF: some take it for a line end.
fn has_bare_line_end(raw: &[u8]) -> bool {
    let mut before = 0;
    for &byte in raw {
        if (before == b'\r') != (byte == b'\n') {
            return true;
        }
        before = byte;
    }
    before == b'\r'
}

fn append(list: &mut String, text: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(text);
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(')).next().unwrap_or_default()
}

fn message_id(field: &Field<'_>) -> Option<String> {
    let text = field.text();
    let id = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text.as_str(), |(id, _)| id).trim();
    is_id(id).then(|| id.to_owned())
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 995 && id.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

/// Text for people: no control or invisible characters, one blank at a time.
pub(in crate::mail) fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars() {
        if c.is_whitespace() {
            blank = true;
        } else if !is_invisible(c) {
            if std::mem::take(&mut blank) && !out.is_empty() {
                out.push(' ');
            }
            out.push(c);
        }
    }
    out
}

/// Characters that a reader does not see, or that change what is seen around them: controls, soft hyphen, zero width, direction
/// marks and overrides, variation selectors, tags (Unicode: Cc, `Default_Ignorable_Code_Point`).
pub(in crate::mail) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        )
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
