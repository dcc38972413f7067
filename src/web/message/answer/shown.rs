//! What the message page shows of answers.

use crate::base::{MessageId, Timestamp};
use crate::store::answers::{AnswerView, Answers};
use crate::text::page::{AnswerFile, AnswerForm, AnswerMost, AnswerShown, AnswerState, AnswerTrouble, File, autolink};
use crate::text::{Words, format};

use crate::web::answer::Problem;
use crate::web::app::App;
use crate::web::client::Visitor;
use crate::web::message::Opened;
use crate::web::message::view::with_query;
use crate::web::page_token::{self, Purpose};

/// What is known beside the records.
#[derive(Debug, Default)]
pub(in crate::web::message) struct Shown {
    /// The answer that was just sent, as the address says.
    pub just_sent: Option<MessageId>,
    /// What was typed, where that is not what is kept.
    pub typed: Option<String>,
    /// Which draft that was.
    pub id: Option<MessageId>,
    /// What is wrong.
    pub troubles: Vec<AnswerTrouble>,
}

/// The part of the page.
pub(in crate::web::message) struct Part {
    /// Each with the time when it was sent, oldest first.
    pub answers: Vec<(Timestamp, AnswerShown)>,
    pub form: AnswerForm,
    pub just_sent: bool,
}

impl Shown {
    /// Reads what was written in this conversation.
    pub(in crate::web::message) async fn part(
        self,
        app: &App,
        opened: &Opened,
        visitor: Visitor,
        words: Words<'_>,
    ) -> Result<Part, Problem> {
        let Answers { sent, draft } = app.store.answers(&opened.session).await?;
        // Of one that was found to hold malware since, that it was sent is no longer true.
        let sent_as = |view: &AnswerView, id| view.id == id && view.answer.refused.is_none();
        let just_sent = self.just_sent.is_some_and(|id| sent.iter().any(|view| sent_as(view, id)));
        let answers: Result<Vec<_>, Problem> = sent.iter().map(|view| shown(app, view, words)).collect();
        let form = self.form(app, opened, (visitor, words), draft)?;
        Ok(Part { answers: answers?, form, just_sent })
    }

    fn form(
        self,
        app: &App,
        opened: &Opened,
        (visitor, words): (Visitor, Words<'_>),
        draft: Option<AnswerView>,
    ) -> Result<AnswerForm, Problem> {
        let limits = &app.settings.answers;
        let fresh = || MessageId::random(&*app.entropy);
        let id = draft.as_ref().map(|draft| draft.id).or(self.id).unwrap_or_else(fresh);
        let view = &opened.session.view;
        Ok(AnswerForm {
            action: with_query(visitor.keep("/bericht/antwoord"), &opened.own()),
            token: page_token::make(&app.store.keys().cookie, Purpose::Answer, view.id, app.clock.now()),
            id: id.to_string(),
            kept: draft.is_some(),
            text: self.typed.or_else(|| draft.as_ref().map(|draft| draft.letter.text.clone())).unwrap_or_default(),
            files: draft.map_or(Ok(Vec::new()), |draft| files(&draft, words))?,
            troubles: self.troubles,
            most: AnswerMost {
                text: limits.text,
                file: limits.file,
                total: limits.total,
                file_size: format::limit(words.lang(), limits.file),
                total_size: format::limit(words.lang(), limits.total),
                files: limits.files,
            },
        })
    }
}

pub(in crate::web::message) fn shown(
    app: &App,
    view: &AnswerView,
    words: Words<'_>,
) -> Result<(Timestamp, AnswerShown), Problem> {
    let answer = &view.answer;
    let infected = answer.refused.and_then(|refused| view.letter.files.get(usize::try_from(refused.file).ok()?));
    let state = match (answer.delivered, answer.failed) {
        _ if answer.refused.is_some() => {
            AnswerState::Infected(infected.map(|file| file.name.clone()).unwrap_or_default())
        }
        (None, None) if app.settings.checks_files && !answer.pieces.is_empty() => AnswerState::Checking,
        (None, None) => AnswerState::Sent,
        (Some(_), None) => AnswerState::Delivered,
        (Some(_), Some(_)) => AnswerState::Elsewhere,
        (None, Some(_)) => AnswerState::Lost,
    };
    let sent = answer.sent.unwrap_or(answer.changed);
    let answer = AnswerShown {
        id: view.id.to_string(),
        sent: format::moment(words.lang(), sent, &app.settings.time_zone),
        state,
        text: autolink(&view.letter.text),
        files: files(view, words)?,
    };
    Ok((sent, answer))
}

fn files(view: &AnswerView, words: Words<'_>) -> Result<Vec<AnswerFile>, Problem> {
    let named = view.answer.pieces.iter().zip(&view.letter.files).enumerate();
    let file = |(place, (piece, name)): (usize, (&crate::store::answers::Piece, &crate::store::answers::FileName))| {
        let size = format::size(words.lang(), piece.plain_len);
        let File { name, kind, size, .. } = File::new(words, 0, place + 1, (&name.name, &name.kind), (size, false))?;
        Ok(AnswerFile { id: piece.id.to_string(), name, kind, size })
    };
    named.map(file).collect()
}
