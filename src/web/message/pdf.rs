//! `GET /bericht/bericht.pdf`: the text of the whole conversation as a file that a person can keep.
//!
//! It is made in memory, of a bounded text, in the turn that mail HTML has; nothing of it is stored.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::store::proof::OpenSession;
use crate::text::pdf::{Edition, Letter, MOST_TEXT, write};
use crate::text::{Words, format};

use crate::web::answer::Problem;
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::headers::DOWNLOAD_POLICY;

use super::mail::{self, Leaf, Leaves, decoded_len, names};
use super::sanitise::readable;
use super::{MOST_HTML, Opened, answer, session_at};

/// Most bytes of HTML that is made readable for one file.
const MOST_HTML_IN_ALL: u64 = 4 * MOST_HTML;

/// One message, taken out of the store.
#[derive(Default)]
struct Kept {
    subject: String,
    from: String,
    to: String,
    cc: String,
    sent: String,
    text: Leaves,
    /// The same without its HTML.
    readable: String,
    files: Vec<(String, String)>,
}

impl Kept {
    fn make_readable(&mut self) {
        for leaf in self.text.leaves.iter_mut().filter(|leaf| leaf.is_html) {
            leaf.text = readable(&leaf.text);
        }
        self.readable = self.text.joined();
    }

    fn letter(&self) -> Letter<'_> {
        let Self { subject, from, to, cc, sent, text, readable, files } = self;
        Letter { subject, from, to, cc, sent, text: readable, cut: text.cut, files }
    }
}

/// The conversation as a PDF.
pub(in crate::web) async fn keep(
    State(app): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let open = session_at(&app, &headers, &uri).await?;
    let lang = visitor.lang(&open.view.contact.language);
    let mut messages = conversation(&app, &open, app.texts.in_language(lang)).await?;
    let shared = Shared::clone(&app);
    let now = app.clock.now().to_jiff();
    let made = app.cleaners.run(move || {
        messages.iter_mut().for_each(Kept::make_readable);
        let (words, organisation) = (shared.texts.in_language(lang), shared.settings.organisation.as_str());
        let edition = Edition { words, organisation, now, zone: &shared.settings.time_zone };
        let letters: Vec<Letter<'_>> = messages.iter().map(Kept::letter).collect();
        write(&edition, &letters)
    });
    let pdf = made.await?.ok_or(Problem::Busy)?.map_err(|error| {
        tracing::error!(cause = %error, "a message cannot be made into a PDF");
        Problem::Broken
    })?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/pdf"));
    let name = (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"bericht.pdf\""));
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOWNLOAD_POLICY));
    Ok(([kind, name, policy], pdf).into_response())
}

/// Everything that was said, newest first, as on the page.
async fn conversation(app: &App, open: &OpenSession, words: Words<'_>) -> Result<Vec<Kept>, Problem> {
    let mut said = Vec::new();
    let mut room = MOST_HTML_IN_ALL;
    for read in app.store.conversation(open).await? {
        let at = read.session.message.received;
        let message = kept(app, &Opened::read(app, read.session).await?, words, &mut room).await?;
        said.push((at, message));
    }
    for view in app.store.answers(open).await?.sent {
        let (at, shown) = answer::shown(app, &view, words)?;
        let view_of = &open.view;
        let sender = &view_of.conversation.sender;
        let text = Leaf { text: view.letter.text, is_html: false };
        said.push((
            at,
            Kept {
                subject: words.get("answer-yours")?,
                from: view_of.conversation.recipient.clone(),
                to: written(&sender.name, &app.settings.organisation, &sender.address),
                sent: shown.sent,
                text: Leaves { leaves: vec![text], cut: false },
                files: shown.files.into_iter().map(|file| (file.name, file.size)).collect(),
                ..Kept::default()
            },
        ));
    }
    said.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(said.into_iter().map(|(_, message)| message).collect())
}

/// What is kept of a message: plain text where its writer sent some, else the text of the HTML; `room` is what is left for HTML.
async fn kept(app: &App, opened: &Opened, words: Words<'_>, room: &mut u64) -> Result<Kept, Problem> {
    let message = &opened.session.message;
    let shown = opened.manifest.mime.shown();
    let limits = (MOST_TEXT as u64, MOST_HTML.min(*room));
    let text = Leaves::of(app, opened, &shown.plain, limits).await?;
    // Only HTML says which pictures stand in the text.
    let rich = if opened.manifest.mime.parts.iter().any(|part| !part.content_id.is_empty()) {
        Leaves::of(app, opened, &shown.rich, limits).await?
    } else {
        Leaves::default()
    };
    *room -= text.html_len().max(rich.html_len()).min(*room);
    let mut files = Vec::new();
    for (place, (_, part)) in (1_usize..).zip(mail::attached(opened, &rich)) {
        let unnamed = words.with("message-file", &[("number", place)])?;
        let name = if part.name.is_empty() { unnamed } else { part.name.clone() };
        files.push((name, format::size(words.lang(), decoded_len(part))));
    }
    Ok(Kept {
        subject: opened.manifest.subject.clone(),
        from: written(&message.sender.name, &app.settings.organisation, &message.sender.address),
        to: names(&opened.manifest.to),
        cc: names(&opened.manifest.cc),
        sent: mail::moment(app, opened, words),
        text,
        readable: String::new(),
        files,
    })
}

/// Who it is, as people write it.
fn written(name: &str, organisation: &str, address: &str) -> String {
    let comma = if name.is_empty() { "" } else { ", " };
    format!("{name}{comma}{organisation} ({address})")
}
