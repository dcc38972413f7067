//! `GET /bericht/bericht.pdf`: the text of the message as a file that a person can keep.
//!
//! It is made in memory, of a bounded text, in the turn that mail HTML has; nothing of it is stored.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::mail::mime::to_text;
use crate::text::format;
use crate::text::pdf::{Edition, Letter, MOST_TEXT, write};

use crate::web::answer::Problem;
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::headers::DOWNLOAD_POLICY;

use super::sanitise::readable;
use super::view::{decoded_len, names, sent};
use super::{MOST_HTML, Opened};

/// One message, taken out of the store.
#[derive(Default)]
struct Kept {
    subject: String,
    from: String,
    to: String,
    cc: String,
    sent: String,
    text: String,
    is_html: bool,
    cut: bool,
    files: Vec<(String, String)>,
}

impl Kept {
    fn letter(&self) -> Letter<'_> {
        let Self { subject, from, to, cc, sent, text, cut, files, .. } = self;
        Letter { subject, from, to, cc, sent, text, cut: *cut, files }
    }
}

/// The message as a PDF.
pub(in crate::web) async fn keep(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers).await?;
    let lang = visitor.lang(&opened.session.view.contact.language);
    let mut messages = [kept(&app, &opened, lang).await?];
    let shared = Shared::clone(&app);
    let now = app.clock.now().to_jiff();
    let made = app.cleaners.run(move || {
        for message in messages.iter_mut().filter(|message| message.is_html) {
            message.text = readable(&message.text);
        }
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

/// What is kept of a message: plain text where its writer sent some, else the text of the HTML.
async fn kept(app: &App, opened: &Opened, lang: crate::text::Lang) -> Result<Kept, Problem> {
    let message = &opened.session.message;
    let words = app.texts.in_language(lang);
    let (text, html) = opened.manifest.mime.shown();
    let part = |number: Option<u32>| number.and_then(|n| opened.part(n)).filter(|part| part.body < part.end);
    let (shown, is_html) = match (part(text), part(html)) {
        (Some(text), _) => (Some(text), false),
        (None, html) => (html, true),
    };
    let (written, cut) = match shown {
        None => (String::new(), false),
        Some(part) => {
            let most = if is_html { MOST_HTML } else { MOST_TEXT as u64 };
            let (bytes, cut) = opened.content(app).await?.start_of(part, most).await?;
            (to_text(&part.charset, &bytes), cut)
        }
    };
    let mut files = Vec::new();
    for (place, number) in (1_usize..).zip(opened.manifest.mime.attachments()) {
        let Some(part) = opened.part(number) else { continue };
        let unnamed = words.with("message-file", &[("number", place)])?;
        let name = if part.name.is_empty() { unnamed } else { part.name.clone() };
        files.push((name, format::size(lang, decoded_len(part))));
    }
    let sender = &message.sender;
    let name = if sender.name.is_empty() { String::new() } else { format!("{}, ", sender.name) };
    Ok(Kept {
        subject: opened.manifest.subject.clone(),
        from: format!("{name}{} ({})", app.settings.organisation, sender.address),
        to: names(&opened.manifest.to),
        cc: names(&opened.manifest.cc),
        sent: format::moment(lang, sent(&opened.manifest.date, message.received), &app.settings.time_zone),
        text: written,
        is_html,
        cut,
        files,
    })
}
