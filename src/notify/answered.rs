//! Answers that recipients wrote on the page, to the sender as an ordinary mail in the thread of the message.
//!
//! An answer's content goes to a home mailbox over the home route and nowhere else. It is never whole in memory: its files are opened chunk
//! by chunk while they go out. Its Message-ID is the answer's own id, so that a repeat after a lost reply is known as one.

use data_encoding::BASE64;
use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId as IdField;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use zeroize::Zeroizing;

use crate::base::{ConversationId, JobId, MessageId};
use crate::mail::answer_address;
use crate::mail::dot::stuff;
use crate::nexthop::Source;
use crate::seal::body::{ContentKey, HEADER, Opener};
use crate::store::answers::{AnswerView, FileName, Piece, Thread};
use crate::store::records::LeasedJob;
use crate::store::{BodyReader, Store, StoreError};
use crate::text::format;
use crate::text::mail::LetterError;

use super::compose::{Head, Mailbox, field};
use super::draft::{Desk, NoMail, never, wire};
use super::route::Envelope;
use super::{Outcome, clean};
use crate::store::verp::Subject;

/// Bytes of a line of base64 before it is encoded (RFC 2045 §6.8: 76 characters).
const LINE: usize = 57;

/// An answer ready to go.
pub(super) struct AnswerMail {
    pub envelope: Envelope,
    /// In wire form: everything up to the first file.
    head: Option<Zeroizing<Vec<u8>>>,
    boundary: String,
    pub(super) files: std::vec::IntoIter<(Piece, FileName)>,
    now: Option<Reading>,
    pub(super) key: ContentKey,
    pub(super) store: Store,
    ended: bool,
}

/// A file on its way.
pub(super) struct Reading {
    opener: Opener,
    reader: BodyReader,
    index: u32,
    /// Plain bytes that do not fill a line yet.
    rest: Zeroizing<Vec<u8>>,
}

impl Desk<'_> {
    /// The mail that brings an answer to the sender, or to the fallback mailbox.
    pub async fn answer(
        &self,
        job: &LeasedJob,
        (conversation, answer): (ConversationId, MessageId),
        fallback: bool,
    ) -> Result<AnswerMail, NoMail> {
        let view = self.answer_view(job, conversation, answer).await?;
        let thread = view.letter.thread.as_ref().ok_or_else(|| never("this answer was not sent"))?;
        let to = self.answered(thread, fallback)?;
        let address = answer_address::of(&thread.token, &self.settings.bounce_domain);
        let address = address.map_err(|_| never("the bounce domain makes no address"))?;
        let from = Mailbox { name: self.answer_name(thread)?, address };
        let head = self.head(job.id, from, to, false);
        let text = self.answer_text(&view, thread)?;
        // Not the answer's id, which the form tells whoever writes the text: a line of it would begin a part that nobody checked.
        let boundary = format!("=_{}", job.id);
        let mail = message(&head, (answer, thread), text, (!view.answer.pieces.is_empty()).then_some(&boundary));
        let subject = if fallback { Subject::AnswerCopy(answer) } else { Subject::Answer(answer) };
        let sender = subject.address(self.store.keys(), &self.settings.bounce_domain);
        let sender = sender.map_err(|_| never("the bounce domain makes no address"))?;
        let files: Vec<_> = view.answer.pieces.iter().copied().zip(view.letter.files.iter().cloned()).collect();
        if files.len() != view.answer.pieces.len() {
            return Err(never("the names of an answer's files are gone"));
        }
        Ok(AnswerMail {
            envelope: Envelope { from: sender, to: head.to.address, job: job.id },
            head: Some(mail),
            boundary,
            ended: files.is_empty(),
            files: files.into_iter(),
            now: None,
            key: view.key,
            store: self.store.clone(),
        })
    }

    pub(super) async fn answer_view(
        &self,
        job: &LeasedJob,
        conversation: ConversationId,
        answer: MessageId,
    ) -> Result<AnswerView, NoMail> {
        let secret = job.secret.as_ref().ok_or_else(|| never("the key of this answer is gone"))?;
        let view = self.store.answer_by((conversation, answer), secret).await?;
        view.ok_or_else(|| never("the answer is gone"))
    }

    /// The sender's home mailbox; or the fallback, unless that is the one that did not take it.
    fn answered(&self, thread: &Thread, fallback: bool) -> Result<Mailbox, NoMail> {
        let own = wire(&thread.sender.mailbox)?;
        let name = clean::name(&thread.sender.name);
        if !fallback {
            if !self.is_home(own.domain()) {
                return Err(never("the sender's mailbox is not a home mailbox; this answer goes nowhere else"));
            }
            return Ok(Mailbox { name, address: own });
        }
        let other = self.settings.fallback.as_ref().filter(|other| other.key() != own.key());
        let other = other.ok_or_else(|| never("there is no other mailbox that could get this answer"))?;
        if !self.is_home(other.domain()) {
            return Err(never("the fallback mailbox is not a home mailbox"));
        }
        Ok(Mailbox { name: String::new(), address: other.clone() })
    }

    /// Who wrote it, as the mailbox shows it. An address in a name counts as forged, so it is written out.
    fn answer_name(&self, thread: &Thread) -> Result<String, NoMail> {
        let words = self.texts.in_language(self.settings.language);
        let name = clean::name(&thread.writer_name);
        let named = if name.is_empty() {
            let (local, domain) = thread.writer.rsplit_once('@').unwrap_or((&thread.writer, ""));
            words.with("mail-answer-from-address", &[("local", local), ("domain", domain)])
        } else {
            words.with("mail-answer-from", &[("name", name.as_str())])
        };
        Ok(clean::line(&named.map_err(LetterError::from)?, 100).replace(['@', '＠'], " "))
    }

    /// What the writer wrote, as it is, and below it what mail is this.
    fn answer_text(&self, view: &AnswerView, thread: &Thread) -> Result<String, NoMail> {
        let lang = self.settings.language;
        let date = format::date(lang, thread.received, &self.settings.time_zone);
        let values = [
            ("writer", thread.writer.as_str()),
            ("date", date.as_str()),
            ("organisation", self.settings.organisation.as_str()),
        ];
        let words = self.texts.in_language(lang);
        let below = words.with("mail-answer-below", &values).map_err(LetterError::from)?;
        Ok(format!("{}\n\n-- \n{below}\n", view.letter.text.trim_end()))
    }
}

/// The mail up to its files, in wire form without terminator. With files, what follows are parts behind `boundary`.
fn message(
    head: &Head,
    (answer, thread): (MessageId, &Thread),
    text: String,
    boundary: Option<&String>,
) -> Zeroizing<Vec<u8>> {
    let mut mail = MessageBuilder::new()
        .from(field(&head.from))
        .to(field(&head.to))
        .subject(subject(&thread.subject))
        .date(Date::new(i64::try_from(head.date.secs()).unwrap_or(i64::MAX)))
        .message_id(format!("{answer}@{}", head.domain))
        .header("Auto-Submitted", Raw::new("no"));
    if let Some(id) = &thread.message_id {
        let references: Vec<&str> = thread.references.iter().chain([id]).map(String::as_str).collect();
        mail = mail.in_reply_to(id.as_str()).header("References", IdField::from(references.as_slice()));
    }
    let part = MimePart::new("text/plain", text);
    let mail = match boundary {
        None => mail.body(part),
        Some(boundary) => {
            let kind = ContentType::new("multipart/mixed").attribute("boundary", boundary.clone());
            mail.body(MimePart::new(kind, vec![part]))
        }
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(32 * 1024));
    mail.serialize(&mut *bytes);
    if let Some(boundary) = boundary {
        let close = format!("--{boundary}--");
        let at = bytes.windows(close.len()).rposition(|window| window == close.as_bytes()).unwrap_or(bytes.len());
        bytes.truncate(at);
    }
    let mut wire = Zeroizing::new(stuff(&bytes));
    let len = wire.len().saturating_sub(b".\r\n".len());
    wire.truncate(len);
    wire
}

/// `Re:` once.
fn subject(of: &str) -> String {
    let of = clean::line(of, 250);
    let has = of.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if has { of } else { format!("Re: {of}") }
}

/// Why an answer's bytes do not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a file of an answer does not open: {0}")]
    Sealed(#[from] crate::seal::OpenError),
    #[error("a file of an answer is gone")]
    Gone,
}

impl Source for AnswerMail {
    type Error = Unreadable;

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Unreadable> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head.to_vec()));
        }
        if let Some(reading) = &mut self.now {
            if let Some(lines) = reading.next().await? {
                return Ok(Some(lines));
            }
            self.now = None;
        }
        if let Some((piece, name)) = self.files.next() {
            self.now = Some(Reading::of(&self.store, &self.key, &piece).await?);
            return Ok(Some(part_head(&self.boundary, &name).into_bytes()));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        Ok(Some(format!("--{}--\r\n", self.boundary).into_bytes()))
    }
}

impl Reading {
    pub(super) async fn of(store: &Store, key: &ContentKey, piece: &Piece) -> Result<Self, Unreadable> {
        let reader = store.piece(piece).await?.ok_or(Unreadable::Gone)?;
        let header = reader.read_at(0, HEADER).await?;
        let opener = Opener::new(key, piece.id, &header, reader.len())?;
        Ok(Self { opener, reader, index: 0, rest: Zeroizing::new(Vec::new()) })
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Unreadable> {
        let Some((offset, len)) = self.opener.place(self.index) else { return Ok(None) };
        let sealed = self.reader.read_at(offset, len).await?;
        let plain = self.opener.open(self.index, &sealed)?;
        self.index += 1;
        Ok(Some(plain))
    }

    /// The next lines of base64; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Unreadable> {
        let Some(plain) = self.chunk().await? else {
            let rest = std::mem::take(&mut *self.rest);
            return Ok((!rest.is_empty()).then(|| lines(&rest)));
        };
        self.rest.extend_from_slice(&plain);
        let whole = self.rest.len() / LINE * LINE;
        let later = self.rest.split_off(whole);
        let now = Zeroizing::new(std::mem::replace(&mut *self.rest, later));
        Ok(Some(lines(&now)))
    }
}

fn lines(plain: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(plain.len() / LINE * 78 + 80);
    for line in plain.chunks(LINE) {
        BASE64.encode_append(line, &mut out);
        out.push_str("\r\n");
    }
    out.into_bytes()
}

/// The head of the part that holds a file. No line of it begins with a dot.
fn part_head(boundary: &str, file: &FileName) -> String {
    format!(
        "--{boundary}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment{}\r\n\r\n",
        file.kind,
        file_name(&file.name)
    )
}

/// The name of a file as parameters: plain where it can be, else in UTF-8 (RFC 2231 §4), in pieces where it is long (§3). Never both: readers
/// differ in which one they take, and some join them.
fn file_name(name: &str) -> String {
    const PIECE: usize = 54;
    let is_plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    if name.len() <= PIECE && name.chars().all(is_plain) {
        return format!(";\r\n\tfilename=\"{name}\"");
    }
    let is_attribute = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b);
    let encoded = name.bytes().map(|b| if is_attribute(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    let mut pieces = vec!["utf-8''".to_owned()];
    for unit in encoded {
        if pieces.last().is_none_or(|piece| piece.len() + unit.len() > PIECE) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push_str(&unit);
        }
    }
    if let [whole] = pieces.as_slice() {
        return format!(";\r\n\tfilename*={whole}");
    }
    let parameters: Vec<String> =
        pieces.iter().enumerate().map(|(number, piece)| format!(";\r\n\tfilename*{number}*={piece}")).collect();
    parameters.concat()
}

impl From<Unreadable> for Outcome {
    /// What the disk does not give now it may give later; what is gone or damaged stays so.
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Store(StoreError::Damaged(_)) | Unreadable::Sealed(_) | Unreadable::Gone => {
                tracing::error!(%error, "an answer cannot be delivered");
                Self::Never(error.to_string())
            }
            Unreadable::Store(_) => Self::Later(error.to_string()),
        }
    }
}

/// Whether a job brings an answer.
pub(super) const fn is_answer(job: &LeasedJob) -> Option<((ConversationId, MessageId), bool)> {
    match job.job.kind {
        crate::store::records::JobKind::Answer { conversation, answer, fallback } => {
            Some(((conversation, answer), fallback))
        }
        _ => None,
    }
}

/// For the log: the job and how far the answer came.
impl std::fmt::Debug for AnswerMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let job: JobId = self.envelope.job;
        f.debug_struct("AnswerMail").field("job", &job).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_travel_in_any_script() {
        let long = format!("{}.pdf", "é".repeat(60));
        for (name, expected) in [
            ("uitslag.pdf", ";\r\n\tfilename=\"uitslag.pdf\""),
            ("a \"b\".pdf", ";\r\n\tfilename*=utf-8''a%20%22b%22.pdf"),
            ("één.pdf", ";\r\n\tfilename*=utf-8''%C3%A9%C3%A9n.pdf"),
        ] {
            assert_eq!(file_name(name), expected, "{name}");
        }
        let written = file_name(&long);
        assert!(written.contains("filename*0*=utf-8''%C3") && written.contains("filename*6*="), "{written}");
        assert!(written.split("\r\n").all(|line| line.len() < 78), "{written}");
        let joined: String = written
            .split("\r\n\t")
            .filter_map(|line| line.split_once("*="))
            .map(|(_, v)| v.trim_end_matches(';'))
            .collect();
        assert_eq!(joined, format!("utf-8''{}.pdf", "%C3%A9".repeat(60)));
    }

    #[test]
    fn a_subject_says_re_once() {
        for (of, expected) in [("Uitslag", "Re: Uitslag"), ("RE: Uitslag", "RE: Uitslag"), ("", "Re: "), ("é", "Re: é")]
        {
            assert_eq!(subject(of), expected);
        }
    }

    #[test]
    fn lines_are_whole_and_short() {
        for len in [0, 1, 56, 57, 58, 114, 1000] {
            let plain: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap_or_default()).collect();
            let encoded = String::from_utf8(lines(&plain)).unwrap();
            assert!(encoded.lines().all(|line| line.len() <= 76) && !encoded.contains("\n."));
            let packed: String = encoded.split_whitespace().collect();
            assert_eq!(BASE64.decode(packed.as_bytes()).unwrap(), plain);
        }
    }
}
