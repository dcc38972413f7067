//! Reads the form while it streams in: the token first, then text, files and button.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::base::MessageId;
use crate::store::answers::{AnswerView, Begun, Saved};
use crate::store::proof::OpenSession;
use crate::text::page::AnswerTrouble;

use crate::web::answer::Problem;
use crate::web::app::App;
use crate::web::multipart::{Event, Field, Reader};
use crate::web::page_token::{self, Purpose};

use super::upload::{Upload, file_name};

/// The longest silence while a form comes in, and the longest that all of it may take.
const SILENCE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(30);
/// Most bytes of a field that is neither text nor file.
const MOST_FIELD: usize = 256;
/// Bytes of a form beyond what its files may have: a browser hears what was too large only when all of it was read. Past that the
/// connection is cut off.
const SLACK: u64 = 200 << 20;

/// A form as it was read.
#[derive(Debug)]
pub(super) struct Filled {
    /// The draft: the form's own, or the one that the conversation has.
    pub id: MessageId,
    /// The text, where the form had some.
    pub text: Option<String>,
    /// The button.
    pub action: String,
    /// A script asks: nothing is shown.
    pub quiet: bool,
    /// What is wrong; nothing is sent then.
    pub troubles: Vec<AnswerTrouble>,
    /// It was sent already.
    pub sent_before: bool,
    /// The draft has text or files.
    draft: Option<AnswerView>,
    fresh: bool,
}

/// Reads a form and keeps what it brings.
pub(super) async fn read(app: &App, open: &OpenSession, boundary: &str, body: Body) -> Result<Filled, Problem> {
    let filled = Filled {
        id: MessageId([0; 16]),
        text: None,
        action: String::new(),
        quiet: false,
        troubles: Vec::new(),
        sent_before: false,
        draft: None,
        fresh: false,
    };
    let reading = Reading { app, open, filled, into: Into::Nothing, named: false };
    timeout(LONGEST, reading.all(boundary, body)).await.map_err(|_| Problem::Refused)?
}

/// Where the bytes of the present part go.
enum Into {
    Nothing,
    Value(Field, Vec<u8>, usize),
    File(Box<Upload>),
}

struct Reading<'a> {
    app: &'a App,
    open: &'a OpenSession,
    filled: Filled,
    into: Into,
    /// The form said which draft it is.
    named: bool,
}

impl Reading<'_> {
    async fn all(mut self, boundary: &str, mut body: Body) -> Result<Filled, Problem> {
        let mut reader = Reader::new(boundary);
        let mut left = self.app.settings.answers.total.saturating_add(SLACK);
        while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| Problem::Refused)? {
            // Broken off: what came whole is kept.
            let Ok(bytes) = frame.map_err(|_| Problem::Refused)?.into_data() else { continue };
            left = left.checked_sub(bytes.len() as u64).ok_or(Problem::Refused)?;
            let mut events = Vec::new();
            reader.push(&bytes, &mut events).map_err(|_| Problem::Refused)?;
            for event in events {
                match event {
                    Event::Begin(field) => self.begin(field).await?,
                    Event::Bytes(bytes) => self.bytes(&bytes).await?,
                    Event::End => self.end().await?,
                }
            }
        }
        if !reader.is_done() || !self.named {
            return Err(Problem::Refused);
        }
        // Also a form that brought no token at all.
        if !self.filled.fresh && !self.filled.troubles.contains(&AnswerTrouble::Stale) {
            self.filled.troubles.push(AnswerTrouble::Stale);
        }
        Ok(self.filled)
    }

    async fn begin(&mut self, field: Field) -> Result<(), Problem> {
        let limits = &self.app.settings.answers;
        self.into = match (&field.file, field.name.as_str()) {
            (None, "tekst") => Into::Value(field, Vec::new(), limits.text.saturating_mul(4)),
            (None, _) => Into::Value(field, Vec::new(), MOST_FIELD),
            (Some(name), "bijlage") if !name.is_empty() => {
                let name = file_name(name, &field.kind, self.filled.files() + 1);
                self.begin_file(name).await?
            }
            (Some(_), _) => Into::Nothing,
        };
        Ok(())
    }

    async fn begin_file(&mut self, name: crate::store::answers::FileName) -> Result<Into, Problem> {
        if !self.named {
            return Err(Problem::Refused);
        }
        let (app, open) = (self.app, self.open);
        // Stale, or sent already: the rest is read and forgotten.
        if !self.filled.fresh || !self.filled.begin(app, open).await? {
            return Ok(Into::Nothing);
        }
        self.filled.keep_text(app, open).await?;
        let limits = &app.settings.answers;
        let Some(draft) = &self.filled.draft else { return Ok(Into::Nothing) };
        if draft.answer.pieces.len() >= limits.files {
            self.filled.troubles.push(AnswerTrouble::TooMany(name.name));
            return Ok(Into::Nothing);
        }
        let key = draft.key.clone();
        let room = limits.total.saturating_sub(draft.size());
        let Some(upload) = Upload::begin(app, &key, name.clone(), (limits.file, room))? else {
            self.filled.troubles.push(AnswerTrouble::NoRoom(name.name));
            return Ok(Into::Nothing);
        };
        Ok(Into::File(Box::new(upload)))
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match &mut self.into {
            Into::Nothing => Ok(()),
            Into::Value(_, value, most) => {
                let room = most.saturating_add(1).saturating_sub(value.len());
                value.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
                Ok(())
            }
            Into::File(upload) => match upload.write(bytes).await {
                Ok(()) => Ok(()),
                Err(trouble) => {
                    let trouble = trouble?;
                    self.into = Into::Nothing;
                    self.filled.troubles.push(trouble);
                    Ok(())
                }
            },
        }
    }

    async fn end(&mut self) -> Result<(), Problem> {
        match std::mem::replace(&mut self.into, Into::Nothing) {
            Into::Nothing => Ok(()),
            Into::Value(field, value, most) => self.value(&field.name, &value, most),
            Into::File(upload) => self.end_file(*upload).await,
        }
    }

    fn value(&mut self, name: &str, value: &[u8], most: usize) -> Result<(), Problem> {
        let too_long = value.len() > most;
        let value = String::from_utf8_lossy(value);
        match name {
            "pagina" => {
                let (key, now) = (&self.app.store.keys().cookie, self.app.clock.now());
                let age = page_token::age(key, Purpose::Answer, self.open.view.id, now, &value);
                self.filled.fresh = age.is_some();
                if age.is_none() {
                    self.filled.troubles.push(AnswerTrouble::Stale);
                }
            }
            "concept" => {
                self.filled.id = value.parse().map_err(|_| Problem::Refused)?;
                self.named = true;
            }
            "tekst" => {
                let text = tidy(&value);
                if too_long || text.chars().count() > self.app.settings.answers.text {
                    self.filled.troubles.push(AnswerTrouble::TextTooLong);
                }
                self.filled.text = Some(text);
            }
            "doe" => self.filled.action = value.into_owned(),
            "stil" => self.filled.quiet = true,
            _ => {}
        }
        Ok(())
    }

    async fn end_file(&mut self, upload: Upload) -> Result<(), Problem> {
        let limits = &self.app.settings.answers;
        let name = upload.name().to_owned();
        let file = match upload.finish().await {
            Ok(file) => file,
            Err(trouble) => {
                self.filled.troubles.push(trouble?);
                return Ok(());
            }
        };
        let saved = self.app.store.add_file(self.open, self.filled.id, file, limits).await?;
        match saved {
            Saved::Done => self.filled.draft = self.app.store.answer(self.open, self.filled.id).await?,
            Saved::Sent => self.filled.sent_before = true,
            Saved::TooMany => self.filled.troubles.push(AnswerTrouble::TooMany(name)),
            Saved::TooLarge => self.filled.troubles.push(AnswerTrouble::TotalTooLarge(name)),
            Saved::Gone => return Err(Problem::Ended),
        }
        Ok(())
    }
}

impl Filled {
    fn files(&self) -> usize {
        self.draft.as_ref().map_or(0, |draft| draft.answer.pieces.len())
    }

    /// Begins the draft, if that was not done; `false` when it was sent already.
    async fn begin(&mut self, app: &App, open: &OpenSession) -> Result<bool, Problem> {
        if self.sent_before {
            return Ok(false);
        }
        if self.draft.is_some() {
            return Ok(true);
        }
        match app.store.draft(open, self.id, &app.settings.answers).await? {
            Begun::Draft(draft) => self.draft = Some(*draft),
            Begun::Other(draft) => {
                self.id = draft.id;
                self.draft = Some(*draft);
                self.troubles.push(AnswerTrouble::Merged);
            }
            Begun::Sent => self.sent_before = true,
            Begun::Gone => return Err(Problem::Ended),
        }
        Ok(!self.sent_before)
    }

    async fn keep_text(&self, app: &App, open: &OpenSession) -> Result<(), Problem> {
        if let Some(text) = &self.text
            && !self.troubles.contains(&AnswerTrouble::TextTooLong)
        {
            app.store.save_text(open, self.id, text, &app.settings.answers).await?;
        }
        Ok(())
    }

    /// Keeps the text, in a draft that is begun if there is anything to keep; `false` when there is not.
    pub(super) async fn keep(&mut self, app: &App, open: &OpenSession) -> Result<bool, Problem> {
        let empty = self.text.as_ref().is_none_or(|text| text.trim().is_empty());
        if empty && self.draft.is_none() && app.store.answer(open, self.id).await?.is_none() {
            return Ok(false);
        }
        if self.begin(app, open).await? {
            self.keep_text(app, open).await?;
        }
        Ok(true)
    }
}

/// Lines end in LF; nothing that controls or hides.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// The text of a form of somebody who is not logged in (any more), so that it can be shown once more to who typed it. Stops behind it.
pub(super) async fn only_text(boundary: &str, mut body: Body) -> Option<String> {
    const MOST: usize = 512 * 1024;
    let read = async {
        let mut reader = Reader::new(boundary);
        let (mut text, mut here, mut seen) = (Vec::new(), false, 0);
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            seen += bytes.len();
            let mut events = Vec::new();
            reader.push(&bytes, &mut events).ok()?;
            for event in events {
                match event {
                    Event::Begin(field) => here = field.name == "tekst" && field.file.is_none(),
                    Event::Bytes(bytes) if here => text.extend(bytes),
                    Event::End if here => return Some(tidy(&String::from_utf8_lossy(&text))),
                    Event::Bytes(_) | Event::End => {}
                }
            }
            if seen > MOST {
                return None;
            }
        }
        None
    };
    timeout(SILENCE, read).await.ok().flatten().filter(|text| !text.trim().is_empty())
}
